//! What went wrong below, as the error of a command: problems line by line where there are such.

use snapshot_store::{Refused, StoreError, history::name};

use super::{Error, NOT_PUBLISHED, THE_CLOCK};
use crate::database::{ReadError, SeedError};
use crate::prune::PruneError;
use crate::publish::{Fault, PublishError};
use crate::rollback::RollbackError;
use crate::snapshot::SnapshotError;

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused { found } => Self::damaged(
                found.into_iter().map(fault_of).collect(),
                "the store".to_owned(),
                "nothing was changed; remove it, or put a copy of what it leads to in its place: only the store's own folder may be a link",
            ),
            other => Self::Store(other),
        }
    }
}

fn fault_of(refused: Refused) -> Fault {
    let text = refused.to_string();
    let location = refused.path.display().to_string();
    let message = text.strip_prefix(&location).unwrap_or(&text).trim();
    Fault {
        message: message.to_owned(),
        location,
    }
}

impl From<SeedError> for Error {
    fn from(error: SeedError) -> Self {
        match error {
            SeedError::Refused(problems) => Self::Problems {
                count: problems.len(),
                problems,
                what: "the source".to_owned(),
                outcome: "nothing was seeded".into(),
            },
            other => Self::Seed(other),
        }
    }
}

impl From<SnapshotError> for Error {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Refused { problems, flags } => Self::Problems {
                count: problems.len(),
                problems,
                what: "the database".to_owned(),
                outcome: format!(
                    "nothing was published; if that is meant, allow it by {}",
                    flags.join(" ")
                )
                .into(),
            },
            other => Self::Snapshot(other),
        }
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refused(problems) => Self::Problems {
                count: problems.len(),
                problems,
                what: "the snapshot".to_owned(),
                outcome: NOT_PUBLISHED.into(),
            },
            PublishError::Clock { reasons, today } => Self::Problems {
                count: reasons.len(),
                problems: reasons,
                what: THE_CLOCK.to_owned(),
                outcome: format!(
                    "{NOT_PUBLISHED}; set it right, or, if it is, say so by --allow-clock {today}"
                )
                .into(),
            },
            PublishError::PublicDamaged(fault) => Self::damaged(
                vec![fault],
                "the store".to_owned(),
                "nothing was published, because nothing tells what would change; restore that file, or begin a new store in an empty folder",
            ),
            PublishError::Damaged(faults) => Self::damaged(
                faults,
                "the store".to_owned(),
                "nothing was published; remove those files and publish again",
            ),
            PublishError::Unreadable { version, reasons } => Self::Problems {
                count: reasons.len(),
                problems: reasons,
                what: format!("version {}, which is public", name(version)),
                outcome: format!(
                    "{NOT_PUBLISHED}; readers refuse that version and keep the one before it: \
                     publish what they take, or go back by `publisher rollback`"
                )
                .into(),
            },
            other => Self::Publish(other),
        }
    }
}

impl From<RollbackError> for Error {
    fn from(error: RollbackError) -> Self {
        match error {
            RollbackError::Resolve(error) => Self::Resolve(error),
            RollbackError::Publish(error) => error.into(),
            RollbackError::Damaged { version, faults } => Self::damaged(
                faults,
                format!("version {}", name(version)),
                "nothing was rolled back",
            ),
            RollbackError::Unreadable { version, reasons } => Self::Problems {
                count: reasons.len(),
                problems: reasons,
                what: format!("version {}", name(version)),
                outcome:
                    "nothing was rolled back; readers would refuse it: go back to another version"
                        .into(),
            },
            RollbackError::Empty => Self::Rollback(error),
        }
    }
}

impl From<PruneError> for Error {
    fn from(error: PruneError) -> Self {
        match error {
            PruneError::Store(error) => error.into(),
            PruneError::Damaged { faults } => {
                Self::damaged(faults, "the store".to_owned(), "nothing was pruned")
            }
            PruneError::Empty => Self::Prune(error),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Snapshot(SnapshotError::Read(error))
    }
}
