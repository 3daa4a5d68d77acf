//! Why a seed changed nothing.

use crate::database::answer::PgError;
use crate::database::error::{DatabaseError, MayWait};
use crate::source::Problem;

/// Why a seed changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// PostgreSQL, or a guard, refuses what the files say.
    #[error("the database refuses the source")]
    Refused(Vec<Problem>),
    /// A file cannot be read again.
    #[error("failed to read {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not the one that was validated.
    #[error("{file} was changed while it was read")]
    Changed {
        /// The file.
        file: String,
    },
    /// The connection broke between the commit and its answer.
    #[error(
        "the connection broke at the commit; the seed is either whole in the database or not at all"
    )]
    Unanswered(#[source] PgError),
    /// A table was changed between the look at it and the lock on it.
    #[error("a table was changed by somebody else while the files were read")]
    Overtaken,
}

impl SeedError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
            Self::Changed { .. } | Self::Overtaken => Some("run the command again".to_owned()),
            Self::Unanswered(_) => {
                Some("run the command again: it writes only what is not written yet".to_owned())
            }
            Self::Refused(_) | Self::Read { .. } => None,
        }
    }
}

impl MayWait for SeedError {
    fn database(&mut self) -> Option<&mut DatabaseError> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}
