//! Why the migrations cannot be applied.

use std::path::PathBuf;

use crate::database::answer::PgError;
use crate::database::error::DatabaseError;

/// The first line of a file that cannot run in a transaction.
pub(super) const NO_TRANSACTION: &str = "-- tablecast: no transaction";

/// Why the migrations cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The folder or a file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file's name is not `V<number>__<name>.sql`.
    #[error("{0}: a migration is named V<number>__<name>.sql, such as V0007__add_bands.sql")]
    Name(String),
    /// Two files have one number.
    #[error("{0} and {1} have the same number")]
    SameNumber(String, String),
    /// An applied file was changed.
    #[error("{file} was edited after it had been applied")]
    Edited {
        /// The file.
        file: String,
    },
    /// An applied file is gone.
    #[error("{file} was applied to this database, and is not in the folder any more")]
    Gone {
        /// The file.
        file: String,
    },
    /// A file comes before one that has been applied.
    #[error("{file} comes before {newest}, which has been applied already")]
    OutOfOrder {
        /// The file.
        file: String,
        /// The highest number that has been applied.
        newest: String,
    },
    /// A file without any statement, as a failed redirection leaves it.
    #[error("{0} holds no statement")]
    Empty(String),
    /// A file ends the transaction that it runs in.
    #[error(
        "{file}: a migration runs in one transaction, which it must not end; it changed nothing"
    )]
    EndsTransaction {
        /// The file.
        file: String,
        /// What PostgreSQL says to it.
        source: PgError,
    },
    /// A file that runs without a transaction of ours has begun its own, and not ended it.
    #[error("{0}: the migration left a transaction open, which was rolled back")]
    LeftOpen(String),
    /// A file fails.
    #[error("{file}{}: the migration failed; {}", at_line(line), left_behind(*in_transaction))]
    Failed {
        /// The file.
        file: String,
        /// The line of the failing statement, where PostgreSQL says it.
        line: Option<usize>,
        /// Whether everything that it did was rolled back.
        in_transaction: bool,
        /// Why.
        source: PgError,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl MigrationError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Edited { .. } => Some(
                "put the file back as it was, and write the change as a new migration".to_owned(),
            ),
            Self::Gone { .. } => {
                Some("put the file back; the history is part of the schema".to_owned())
            }
            Self::OutOfOrder { .. } => {
                Some("give the file a number behind the highest one".to_owned())
            }
            Self::Empty(_) => Some(
                "write the statements that it is meant to have, or `SELECT;` if there are none"
                    .to_owned(),
            ),
            Self::EndsTransaction { .. } => Some(format!(
                "leave out BEGIN, COMMIT, ROLLBACK, SAVEPOINT and the like, also in DO and in \
                 procedures; what needs no transaction goes into a file that begins with the line \
                 `{NO_TRANSACTION}`"
            )),
            Self::LeftOpen(_) => {
                Some("let the file end each transaction that it begins".to_owned())
            }
            Self::Failed { source, .. } if source.message.contains("SELECT ... INTO") => {
                Some("write CREATE TABLE ... AS SELECT instead of SELECT ... INTO".to_owned())
            }
            Self::Failed { source, .. }
                if source.sqlstate.as_deref() == Some("25001")
                    && !source.message.contains("SET TRANSACTION") =>
            {
                Some(format!(
                    "begin the file with the line `{NO_TRANSACTION}`, and leave it that one statement"
                ))
            }
            Self::Failed { source, .. } => source.advice(),
            Self::Database(error) => error.hint(),
            Self::Read { .. } => Some("name the folder of migrations with --sql".to_owned()),
            Self::Name(_) | Self::SameNumber(..) => None,
        }
    }
}

fn left_behind(in_transaction: bool) -> &'static str {
    if in_transaction {
        "it changed nothing"
    } else {
        // CREATE INDEX CONCURRENTLY leaves an invalid index; a file may COMMIT by itself.
        "outside of a transaction it may have left something behind"
    }
}

fn at_line(line: &Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}
