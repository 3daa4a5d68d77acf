//! What a store published last, and the end of a publication whose publisher died.

use snapshot_format::{Key, MAX_VERSION_SIZE, ReferenceVersion, Version};
use snapshot_store::Store;

use super::changes::Counted;
use super::error::PublishError;
use super::sequence::following;

/// The last publication in a store.
#[derive(Debug)]
pub(crate) struct Last {
    /// `None` where nothing was ever published.
    pub(crate) version: Option<Version>,
    /// Whether it became public only now.
    pub(crate) completed: bool,
    /// What would become of published rows: a state that is judged twice is compared once.
    pub(super) counted: Counted,
}

impl Last {
    /// A rollback is undone by a person, never by the next run.
    ///
    /// # Errors
    /// Where it is one. `refused` is the state that is not published, if that is known.
    pub(crate) fn check_hold(
        &self,
        force: bool,
        refused: Option<ReferenceVersion>,
    ) -> Result<(), PublishError> {
        let Some(last) = self.version.as_ref().filter(|_| !force) else {
            return Ok(());
        };
        match last.rollback {
            Some(target) => Err(PublishError::Held {
                version: last.order(),
                target: (target.epoch, target.sequence),
                since: last.published_at.clone(),
                refused,
            }),
            None => Ok(()),
        }
    }
}

/// Finds the last publication, and swaps to it where the pointer is behind.
pub(crate) async fn complete(store: &impl Store) -> Result<Last, PublishError> {
    let Some(newest) = newest(store).await? else {
        return Ok(Last {
            version: None,
            completed: false,
            counted: Counted::new(),
        });
    };
    if newest.is_ahead {
        check_manifest(store, &newest.version).await?;
    }
    // Also where nothing is ahead: the publisher that swapped may have died before its
    // swap was durable, and "unchanged" promises that it is.
    store.sync().await?;
    if newest.is_ahead {
        store.swap(&newest.bytes).await?;
    }
    Ok(Last {
        version: Some(newest.version),
        completed: newest.is_ahead,
        counted: Counted::new(),
    })
}

struct Publication {
    bytes: Vec<u8>,
    version: Version,
    // The pointer names an older publication, or there is no pointer.
    is_ahead: bool,
}

async fn newest(store: &impl Store) -> Result<Option<Publication>, PublishError> {
    let mut newest = match read(store, &Key::Version).await? {
        Some(pointer) => pointer,
        None => match store.orders()?.unwrap_or_default().last() {
            Some(&order) => match read_page(store, order).await? {
                Some(page) => page,
                None => return Ok(None),
            },
            None => return Ok(None),
        },
    };
    while let Ok(next) = following(&newest.version)
        && let Some(page) = read_page(store, next).await?
    {
        newest = page;
    }
    Ok(Some(newest))
}

// Everything that a page names was durable before the page was put. A manifest that is
// not there was taken away since.
async fn check_manifest(store: &impl Store, version: &Version) -> Result<(), PublishError> {
    let key = Key::Manifest(version.manifest.hash);
    if store.size(&key).await? == Some(version.manifest.size) {
        return Ok(());
    }
    let location = store.location(&key);
    Err(PublishError::Incomplete { location })
}

async fn read_page(
    store: &impl Store,
    order: (u64, u64),
) -> Result<Option<Publication>, PublishError> {
    let (epoch, sequence) = order;
    let key = Key::History { epoch, sequence };
    match read(store, &key).await? {
        Some(page) if page.version.order() != order => Err(PublishError::Misplaced {
            location: store.location(&key),
            order: page.version.order(),
        }),
        page => Ok(page),
    }
}

async fn read(store: &impl Store, key: &Key) -> Result<Option<Publication>, PublishError> {
    let Some(bytes) = store.get(key, MAX_VERSION_SIZE)? else {
        return Ok(None);
    };
    match Version::parse(&bytes) {
        Ok(version) => Ok(Some(Publication {
            bytes,
            version,
            is_ahead: *key != Key::Version,
        })),
        Err(source) => Err(PublishError::Version {
            location: store.location(key),
            source,
        }),
    }
}
