//! Why a publication did not come about.

use snapshot_format::VersionError;

use crate::store::{StoreError, hint_for};

/// Why a snapshot was not made public. The old version is then still in place, whole.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file that should hold a version does not.
    #[error("{location} is not a version that this program can read")]
    Version {
        /// The file.
        location: String,
        /// Why not.
        #[source]
        source: VersionError,
    },
    /// A page of the history holds another publication than its name says.
    #[error("{location} holds the publication {}-{}", order.0, order.1)]
    Misplaced {
        /// The file.
        location: String,
        /// What it holds.
        order: (u64, u64),
    },
    /// The sequence is the highest that there is.
    #[error(
        "version.json holds the sequence {}, after which none can come",
        u64::MAX
    )]
    LastSequence,
    /// The history names a manifest that is not there, so it cannot be completed.
    #[error("{location}, which the last publication names, is missing or has another size")]
    Incomplete {
        /// The manifest.
        location: String,
    },
    /// A variant could not be made.
    #[error("failed to compress {key}")]
    Variant {
        /// The variant.
        key: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl PublishError {
    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Version {
                source: VersionError::TooNew(_),
                ..
            } => Some("a later release of this program wrote it; publish with that one"),
            Self::Version { .. } => Some(
                "another program wrote it; remove that file and publish again: the last version comes back from versions/",
            ),
            Self::Misplaced { .. } => Some("another program wrote it; remove that file"),
            Self::LastSequence => Some("another program wrote it; remove it and publish again"),
            Self::Incomplete { .. } => Some(
                "another program removed it; restore it, or begin a new store in an empty folder",
            ),
            Self::Variant { source, .. } => hint_for(source),
        }
    }
}
