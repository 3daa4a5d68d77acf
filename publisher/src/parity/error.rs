//! Why the sides cannot be compared.

use std::io;

use snapshot_audit::diff::DiffError;

use crate::database::ReadError;

/// Why the sides cannot be compared. That they differ is no reason: it is the report.
#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    /// A file of the source cannot be read.
    #[error("failed to read {file}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The database's rows do not come.
    #[error(transparent)]
    Database(#[from] ReadError),
    /// The snapshot's rows do not come.
    #[error(transparent)]
    Snapshot(#[from] DiffError),
    /// What does not fit into memory cannot be put aside.
    #[error("failed to put rows aside in {}", std::env::temp_dir().display())]
    PutAside(#[source] io::Error),
}

impl ParityError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { .. } => {
                Some("`publisher check` names every problem of the files".to_owned())
            }
            Self::Database(error) => error.hint(),
            Self::Snapshot(error) => error.hint().map(str::to_owned),
            Self::PutAside(_) => Some("name a folder with more room in TMPDIR".to_owned()),
        }
    }
}
