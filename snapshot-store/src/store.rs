//! Stores: where snapshots live.
//!
//! A [`Store`] is what a publisher needs of a place: to see what is there, to put what is
//! not, to make it durable, and to replace one small file.
//! [`DirectoryStore`](crate::DirectoryStore) does it with a folder,
//! [`MemoryStore`](crate::MemoryStore) with none. The contract asks nothing that a bucket
//! cannot give: a put that only creates, and a conditional replace. `tests/contract` tries
//! it on every store.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use snapshot_format::Key;

use crate::error::{NO_LINKS, Refused, hint_for};
use crate::reader::{FetchError, Reader};
use crate::spool::{Spool, Staging};

/// A place for snapshots, open for writing.
///
/// To hold a store is to hold its lock: opening one takes the lock, and no second
/// publisher opens the same place until it is dropped. So what a publisher reads stays
/// true until it writes, and it may read the database, render and publish in one go
/// without being overtaken.
///
/// What [`Reader::open`], [`Reader::get`] and [`Store::size`] find is made durable by the
/// next [`Store::sync`], as if it had been put: a publisher that died may have put it
/// without living to make it durable. `put` may be called for several keys at once.
pub trait Store: Reader {
    /// The number of bytes under `key`; `None` where nothing is.
    ///
    /// # Errors
    /// Where that cannot be found out.
    fn size(&self, key: &Key) -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// Puts `content` under `key`, which is any but [`Key::Version`].
    ///
    /// It creates and never overwrites: what is there already is left alone, so that a
    /// put may be repeated. Nobody ever sees a part of the content under the key, also
    /// not after a loss of power.
    ///
    /// A page of the history decides a publication, so it is put only while the lock is
    /// held, and only where there is none of its name.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where an object of another length has the name;
    /// [`StoreError::LockLost`] and [`StoreError::Overtaken`] for a page;
    /// [`StoreError::Failed`] where it cannot be written.
    fn put(&self, key: &Key, content: Spool)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes durable whatever this value has put or found: once it returns, no loss of
    /// power takes any of it away.
    ///
    /// # Errors
    /// Where the place does not confirm it. It is then to be called again before
    /// anything may build on what was put.
    fn sync(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Replaces `version.json`, atomically and durably: a reader sees the old one or
    /// this one. It is the only key that is ever overwritten.
    ///
    /// # Errors
    /// [`StoreError::LockLost`], with the old one still in place, where the lock that
    /// came with the store is no longer held; [`StoreError::Failed`] where it cannot be
    /// written, or was and is not known to be durable.
    fn swap(&self, version: &[u8]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Everything that the store holds, but for `version.json` and the lock.
    ///
    /// # Errors
    /// Where it cannot be listed.
    fn list(&self) -> impl Future<Output = Result<Vec<Stored>, StoreError>> + Send;

    /// Removes what was listed. It is durable after the next [`Store::sync`].
    ///
    /// # Errors
    /// [`StoreError::LockLost`], with nothing removed, where the lock is no longer held;
    /// [`StoreError::Failed`] where it cannot be removed.
    fn remove(&self, stored: &Stored) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Where to stage what is going to be put. It is emptied of what publishers that
    /// died have left there, at the latest when the next one publishes.
    fn staging(&self) -> &Staging;
}

/// Something that a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What it is, by its path.
    pub kind: StoredKind,
    /// Its path below the store's root, with `/` between the parts.
    pub path: String,
    /// Its length in bytes; 0 for a folder.
    pub size_bytes: u64,
    /// When it was put.
    pub modified: SystemTime,
}

/// What something in a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredKind {
    /// A page of the history, a manifest, an object, a variant.
    Key(Key),
    /// What a publisher that died was staging.
    Leftover,
    /// Not of a store: another program put it there.
    Foreign,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused, or broke off.
    #[error("failed to {action} {location}")]
    Failed {
        /// What was tried: a verb and what goes with it.
        action: &'static str,
        /// Where: a path, a URL.
        location: String,
        /// What the place below said.
        #[source]
        source: io::Error,
    },
    /// Something other than the object lies under an object's name.
    #[error("{location} has {found_bytes} bytes, but the object of that name has {expected_bytes}")]
    Damaged {
        /// The place of the object: a path, a URL.
        location: String,
        /// The size of the object in bytes, as it was rendered.
        expected_bytes: u64,
        /// The size of what is there.
        found_bytes: u64,
    },
    /// More bytes than the format allows.
    #[error("{location} is longer than the {limit_bytes} bytes that it may have")]
    TooLarge {
        /// The place of what is too long: a path, a URL.
        location: String,
        /// How many bytes it may have.
        limit_bytes: usize,
    },
    /// Another publisher has the store.
    #[error("{location} is still locked by {holder} after {} s", waited.as_secs())]
    Locked {
        /// The store that is locked: a path, a URL.
        location: String,
        /// Who has the lock, as far as that is told.
        holder: Holder,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The lock went while the store was open.
    #[error("{location} is no longer the lock that this publisher holds; {outcome}")]
    LockLost {
        /// The place of the lock.
        location: String,
        /// What did not happen: `nothing was swapped`.
        outcome: &'static str,
    },
    /// Another publisher, with another lock, was faster.
    #[error("{location} holds another publication by now; nothing was swapped")]
    Overtaken {
        /// The page of the history that this publisher was to put.
        location: String,
    },
    /// Links, FIFOs and their like stand where files and folders belong. Nothing was
    /// changed.
    #[error("{}", list_of(found))]
    Refused {
        /// What they are, and where.
        found: Vec<Refused>,
    },
    /// The file under the lock's name is another program's. It was left as it is.
    #[error("{location} is not the lock of a store: {what}")]
    ForeignLock {
        /// The place of the other program's file.
        location: String,
        /// What makes it another's.
        what: &'static str,
    },
    /// It is read from elsewhere, and does not come from there.
    #[error(transparent)]
    Fetch(FetchError),
    /// Nothing was published there yet, and what was asked needs a publication.
    #[error("nothing was ever published in {location}")]
    NoStore {
        /// The folder that was named.
        location: String,
    },
}

impl StoreError {
    /// What may help, for people; `None` where nothing general does.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Failed { source, .. } => hint_for(source),
            Self::Fetch(error) => error.hint(),
            Self::Damaged { .. } => {
                Some("another program changed it; remove that file and publish again")
            }
            Self::TooLarge { .. } => {
                Some("another program wrote it; remove that file and publish again")
            }
            Self::Locked { .. } => {
                Some("wait until it is done or stop it: its lock goes with the process")
            }
            Self::LockLost { .. } | Self::Overtaken { .. } => Some(
                "another program removed or replaced the lock file; leave it alone and try again",
            ),
            Self::NoStore { .. } => Some("name the store's folder with --out"),
            Self::Refused { .. } => Some(NO_LINKS),
            Self::ForeignLock { .. } => Some("move it away; a new one is then made"),
        }
    }

    // The constructor for `map_err`.
    pub(crate) fn failed(
        action: &'static str,
        location: impl fmt::Display,
    ) -> impl FnOnce(io::Error) -> Self {
        let location = location.to_string();
        move |source| Self::Failed {
            action,
            location,
            source,
        }
    }
}

// As it is told of a store that one writes to.
impl From<FetchError> for StoreError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Failed {
                action,
                location,
                source,
            } => Self::Failed {
                action,
                location,
                source,
            },
            FetchError::TooLarge {
                location,
                limit_bytes,
            } => Self::TooLarge {
                location,
                limit_bytes,
            },
            other => Self::Fetch(other),
        }
    }
}

// Each on a line of its own.
fn list_of(found: &[Refused]) -> String {
    let lines: Vec<_> = found.iter().map(Refused::to_string).collect();
    lines.join("\n       ")
}

/// Whether what lies under an object's name has the object's size. Variants may have any:
/// another release of a compressor makes them of other lengths.
///
/// # Errors
/// [`StoreError::Damaged`] where it has not.
pub(crate) fn check_size(
    key: &Key,
    location: String,
    expected_bytes: u64,
    found_bytes: u64,
) -> Result<(), StoreError> {
    if key.encoding().is_some() || expected_bytes == found_bytes {
        return Ok(());
    }
    Err(StoreError::Damaged {
        location,
        expected_bytes,
        found_bytes,
    })
}

/// The publisher that has a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process; 0 where it has not said who it is.
    pub pid: u32,
    /// The machine it runs on.
    pub host: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, host, since } = self;
        match pid {
            0 => f.write_str("another publisher"),
            _ => write!(f, "process {pid} on {host} since {since}"),
        }
    }
}
