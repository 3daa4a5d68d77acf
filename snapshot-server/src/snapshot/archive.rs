//! What the current snapshot does not name but the folder still has: objects of
//! older and of coming versions, and the pages of history.
//!
//! Found by key only, verified like everything else, and cached for a while, so
//! that clients which are one version behind do not cost a hash each time.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use snapshot_format::{Key, MAX_VERSION_SIZE, Version};

use crate::snapshot::error::{LoadError, unreadable};
use crate::snapshot::listing::Listing;
use crate::snapshot::load::{Folder, put_at, read_small, with_variants, without_variants};
use crate::snapshot::state::{Object, Resource};
use crate::snapshot::verify::Promise;

/// More than the changed tables of several versions.
const MOST_CACHED: usize = 128;

/// The folder behind the current snapshot.
pub(crate) struct Archive {
    pub(crate) folder: Folder,
    cached: Mutex<VecDeque<(Key, Arc<Resource>)>>,
    /// Empty until somebody asks.
    listing: ArcSwapOption<Listing>,
    /// When the current snapshot was taken: a listing from before may lack the names
    /// of the one that gave way, if that was current for a moment only.
    swapped_at: ArcSwap<Instant>,
    /// Locked by whoever reads the names, so that all who wait read them once.
    listing_anew: tokio::sync::Mutex<()>,
}

impl Archive {
    pub(crate) fn new(folder: Folder) -> Self {
        Self {
            folder,
            cached: Mutex::default(),
            listing: ArcSwapOption::empty(),
            swapped_at: ArcSwap::from_pointee(Instant::now()),
            listing_anew: tokio::sync::Mutex::default(),
        }
    }

    /// Notes that another snapshot is about to be current.
    pub(crate) fn swapped(&self) {
        self.swapped_at.store(Arc::new(Instant::now()));
    }

    /// Whether the folder has such a file, as of a tenth of a second ago.
    pub(crate) async fn may_have(&self, key: &Key) -> bool {
        if let Some(answer) = self.remembers(key) {
            return answer;
        }
        let _alone = self.listing_anew.lock().await;
        if let Some(answer) = self.remembers(key) {
            return answer;
        }
        let folder = self.folder.clone();
        let read = move || Listing::read(folder.open());
        let Ok(listing) = tokio::task::spawn_blocking(read).await else {
            return true;
        };
        let answer = listing.may_have(key);
        self.listing.store(Some(Arc::new(listing)));
        answer
    }

    /// `None` where only the folder can tell.
    fn remembers(&self, key: &Key) -> Option<bool> {
        let listing = self.listing.load();
        let listing = listing.as_ref()?;
        // What was there is opened, and then it shows whether it still is.
        let is_current = !listing.is_stale() && listing.began_after(**self.swapped_at.load());
        (listing.may_have(key) || is_current).then(|| listing.may_have(key))
    }

    /// What was found before.
    pub(crate) fn cached(&self, key: &Key) -> Option<Arc<Resource>> {
        self.cached
            .lock()
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, resource)| resource.clone())
    }

    /// Looks in the folder. Reads and hashes, so it blocks.
    ///
    /// # Errors
    /// Where there is no such file, or it is not what its name says.
    pub(crate) fn find(&self, key: &Key) -> Result<Arc<Resource>, LoadError> {
        let resource = Arc::new(self.read(key)?);
        let mut cached = self.cached.lock();
        cached.push_front((key.clone(), resource.clone()));
        cached.truncate(MOST_CACHED);
        Ok(resource)
    }

    fn read(&self, key: &Key) -> Result<Resource, LoadError> {
        let opened = self.folder.open();
        let files = &opened.map_err(|source| unreadable(key, source))?;
        if let Key::Version | Key::History { .. } = key {
            let bytes = read_small(files, key, MAX_VERSION_SIZE)?;
            let version = Version::parse(&bytes).map_err(LoadError::Version)?;
            let (epoch, sequence) = version.order();
            if *key != (Key::History { epoch, sequence }) {
                return Err(LoadError::Disagreement {
                    path: key.path(),
                    what: "its own name",
                });
            }
            let page = Object {
                put_at: put_at(files, key),
                ..without_variants(bytes)
            };
            return Ok(Resource::immutable(key, &page));
        }

        let whole = key.with_encoding(None);
        let hash = key.hash().expect("every key but the versions has a hash");
        let object = self.folder.load_object(
            files,
            &whole,
            &Promise {
                hash,
                sha256: None,
                size: None,
            },
        )?;
        if let Key::Manifest(_) = key {
            return Ok(Resource::immutable(key, &with_variants(object)));
        }
        let Some(encoding) = key.encoding() else {
            return Ok(Resource::immutable(key, &object));
        };
        match object
            .variants
            .iter()
            .find(|variant| variant.encoding == encoding)
        {
            Some(variant) => Ok(Resource::compressed_file(key, &object, variant)),
            None => {
                let source = std::io::ErrorKind::NotFound.into();
                Err(LoadError::Read {
                    path: key.path(),
                    source,
                })
            }
        }
    }
}
