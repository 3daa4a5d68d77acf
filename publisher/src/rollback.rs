//! Goes back to what was published before, and on again. Both are publications: the
//! pointer moves forward, to content that the store already holds.
//!
//! ```text
//! 7-1  seq:1
//! 7-2  seq:2                        a bad edit
//! 7-3  seq:1   rollback to 7-1      the store is frozen
//! 7-4  seq:1                        resumed
//! 7-5  seq:3
//! ```
//!
//! A rollback says in its version what it points back at. While that version is the
//! newest, nothing else is published, so that the next run in CI does not undo at night
//! what a person has just done. A resumption is the same content without that field. So
//! there is no other thing that could be lost or forgotten, and the history tells the story.

use serde::Serialize;
use snapshot_format::{Rollback, Version};
use snapshot_store::{
    Store, StoreError,
    history::{self, History, ResolveError},
};

use crate::publish::limits::check_public;
use crate::publish::read_back::{read_back, read_manifest};
use crate::publish::{Clock, Fault, Last, PublishError, announce, complete, following};
use crate::source::Problem;

/// How a rollback or a resumption ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Turned {
    /// It had been done before; nothing was written.
    Unchanged {
        /// The version that stays.
        version: Version,
    },
    /// There is a new version.
    Changed {
        /// The new version.
        version: Version,
        /// What was public before.
        from: Box<Version>,
    },
}

impl Turned {
    /// The version that is public now.
    pub fn version(&self) -> &Version {
        match self {
            Self::Unchanged { version } | Self::Changed { version, .. } => version,
        }
    }
}

/// Why a store could not be turned back. What was public still is.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// Nothing was ever published there.
    #[error("nothing was ever published there")]
    Empty,
    /// No version has the name that was given.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The version is not whole any more.
    #[error("version {} is damaged", history::name(*version))]
    Damaged {
        /// The version.
        version: (u64, u64),
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
    /// Readers would not take the version.
    #[error("readers do not take version {}", history::name(*version))]
    Unreadable {
        /// The version.
        version: (u64, u64),
        /// What they do not take of it.
        reasons: Vec<Problem>,
    },
    /// The version could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl RollbackError {
    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("name the store's folder with --out"),
            Self::Resolve(error) => Some(error.hint()),
            Self::Damaged { .. } | Self::Unreadable { .. } => Some("go back to another version"),
            Self::Publish(error) => error.hint(),
        }
    }
}

impl From<StoreError> for RollbackError {
    fn from(error: StoreError) -> Self {
        Self::Publish(error.into())
    }
}

/// Makes the content of an earlier version public again, and freezes the store.
///
/// `to` is any name that [`history::resolve`] takes. Every object of that version and
/// each of its variants is read and hashed before the pointer moves. Where the version
/// is what is public already, the store is frozen all the same: a person has said
/// that this content is to stay.
///
/// # Errors
/// Where there is no such version, or it is damaged, cannot be published, or has objects of
/// more than `max_object_bytes`, which readers refuse.
pub async fn rollback(
    store: &impl Store,
    to: &str,
    clock: &Clock,
    max_object_bytes: u64,
) -> Result<Turned, RollbackError> {
    let last = last(store).await?;
    let History { versions, .. } = History::read(store).map_err(StoreError::from)?;
    let target = history::resolve(&versions, to)?;
    let manifest = match read_manifest(store, target).await {
        Ok(manifest) => manifest,
        Err(fault) => return Err(damaged(target, vec![fault])),
    };
    check_public(target, &manifest, max_object_bytes).map_err(|error| match error {
        PublishError::Unreadable { version, reasons } => {
            RollbackError::Unreadable { version, reasons }
        }
        other => other.into(),
    })?;
    if last.rollback.is_some() && last.manifest == target.manifest {
        return Ok(Turned::Unchanged { version: last });
    }
    let faults = read_back(store, &manifest).await;
    if !faults.is_empty() {
        return Err(damaged(target, faults));
    }
    let (epoch, sequence) = target.order();
    let version = Version {
        rollback: Some(Rollback { epoch, sequence }),
        ..again(target, &last, clock)?
    };
    turn(store, version, last).await
}

/// Ends what a rollback holds back. The content stays what it is until the next
/// publication.
///
/// # Errors
/// Where the store is empty or cannot be written, or where readers refuse the content: then
/// nothing would be better for them after it.
pub async fn resume(
    store: &impl Store,
    clock: &Clock,
    max_object_bytes: u64,
) -> Result<Turned, RollbackError> {
    let last = last(store).await?;
    if let Ok(manifest) = read_manifest(store, &last).await {
        check_public(&last, &manifest, max_object_bytes)?;
    }
    if last.rollback.is_none() {
        return Ok(Turned::Unchanged { version: last });
    }
    let version = Version {
        rollback: None,
        ..again(&last, &last, clock)?
    };
    turn(store, version, last).await
}

async fn last(store: &impl Store) -> Result<Version, RollbackError> {
    let Last { version, .. } = complete(store).await?;
    version.ok_or(RollbackError::Empty)
}

fn damaged(version: &Version, faults: Vec<Fault>) -> RollbackError {
    RollbackError::Damaged {
        version: version.order(),
        faults,
    }
}

fn again(target: &Version, last: &Version, clock: &Clock) -> Result<Version, PublishError> {
    clock.check_after(last)?;
    let (epoch, sequence) = following(last)?;
    Ok(Version {
        epoch,
        sequence,
        published_at: clock.published_at(Some(last)),
        ..target.clone()
    })
}

async fn turn(
    store: &impl Store,
    version: Version,
    from: Version,
) -> Result<Turned, RollbackError> {
    // What was found counts as put: whoever put it may have died before it was durable.
    store.sync().await?;
    announce(store, &version).await?;
    Ok(Turned::Changed {
        version,
        from: Box::new(from),
    })
}
