//! Why a publication did not come about.

use snapshot_format::{MAX_NUMBER, ReferenceVersion, VersionError};
use snapshot_store::{FetchError, StoreError, hint_for, history::name};

use super::fault::Fault;
use crate::source::Problem;

/// Why a snapshot was not made public. The old version is then still in place, whole.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The last publication is a rollback, and this one would undo it.
    #[error(
        "the store has been frozen since {since}: version {} is a rollback to {}; {}",
        name(*version), name(*target), not_done(*refused)
    )]
    Held {
        /// The rollback.
        version: (u64, u64),
        /// What it points back at.
        target: (u64, u64),
        /// When it was published.
        since: String,
        /// The state that was not published; `None` where nothing was begun.
        refused: Option<ReferenceVersion>,
    },
    /// A guard stops it.
    #[error("the guards refuse the publication")]
    Refused(Vec<Problem>),
    /// Something contradicts the clock.
    #[error("the clock is wrong")]
    Clock {
        /// What does.
        reasons: Vec<Problem>,
        /// The day that the clock says, which may be allowed.
        today: String,
    },
    /// What is public cannot be read, so no guard can compare it.
    #[error("what is public is damaged")]
    PublicDamaged(Fault),
    /// The store does not hold what it was given, now or earlier.
    #[error("the store is damaged")]
    Damaged(Vec<Fault>),
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
    /// What is public is beyond what readers take, and would stay.
    #[error("version {} is public, and readers do not take it", name(*version))]
    Unreadable {
        /// The version.
        version: (u64, u64),
        /// What they do not take of it.
        reasons: Vec<Problem>,
    },
    /// The sequence is the highest that there is.
    #[error(
        "version.json holds the sequence {}, after which none can come",
        MAX_NUMBER
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

impl From<FetchError> for PublishError {
    fn from(error: FetchError) -> Self {
        Self::Store(error.into())
    }
}

impl PublishError {
    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Held { .. } => Some(
                "`publisher resume` lets publishing go on; `publisher publish --force` publishes at once",
            ),
            Self::Refused(_)
            | Self::Clock { .. }
            | Self::PublicDamaged(_)
            | Self::Damaged(_)
            | Self::Unreadable { .. } => None,
            Self::Version { source, .. } => Some(source.hint()),
            Self::Misplaced { .. } => Some("another program wrote it; remove that file"),
            Self::LastSequence => {
                Some("begin a new store in an empty folder, whose epoch is a later one")
            }
            Self::Incomplete { .. } => Some(
                "another program removed it; restore it, or begin a new store in an empty folder",
            ),
            Self::Variant { source, .. } => hint_for(source),
        }
    }
}

fn not_done(refused: Option<ReferenceVersion>) -> String {
    match refused {
        Some(state) => format!("{state} was not published"),
        None => "nothing was migrated, seeded or published".to_owned(),
    }
}
