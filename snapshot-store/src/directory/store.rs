//! A store in a folder.
//!
//! ```text
//! .lock        held by the one publisher that has the store open
//! .staging/    what that publisher is writing; nobody else's concern
//! the rest     as the format lays it out
//! ```
//!
//! A file is written in `.staging`, made durable there, and only then renamed to the
//! name that readers know: under that name it is whole, or absent. Its name is durable
//! with the folder it stands in, which is what [`Store::sync`] sees to.
//!
//! The root may be reached through links. Nothing below it may be one: a store that holds
//! a link is refused before anything is changed, and one that is put there later is not
//! followed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use std::time::Duration;

use snapshot_format::Key;

use super::disk::Disk;
use super::list::{self, survey};
use super::lock::Lock;
use super::mode::StoreMode;
use super::names::{Names, ensure_folder, ensure_root};
use super::opened::{Opened, STAGING};
use super::settle::{Settled, settle};
use crate::folder::Folder;
use crate::reader::{FetchError, Fetched, Order, Reader};
use crate::spool::{Spool, Staging};
use crate::store::{Holder, Store, StoreError, Stored};

/// A folder that is a store, open for writing.
#[derive(Debug)]
pub struct DirectoryStore {
    // Shared with the work on blocking threads. Where a publication is abandoned, the
    // lock stays until the last of it has ended.
    inner: Arc<Opened>,
}

impl DirectoryStore {
    /// Opens the store in the folder `root`, which is made where it is not there.
    ///
    /// Waits at most `wait` for another publisher that has it open; `waiting` is told
    /// once who that is. Removes what publishers that died have left in the staging folder.
    ///
    /// # Errors
    /// [`StoreError::Refused`] where it holds links; [`StoreError::Locked`] after `wait`;
    /// [`StoreError::Failed`] where the folder cannot be written.
    pub async fn open(
        root: impl Into<PathBuf>,
        wait: Duration,
        waiting: impl FnOnce(&Holder),
    ) -> Result<Self, StoreError> {
        Self::open_on(Disk::default(), root, wait, waiting).await
    }

    /// The same through a disk's hook.
    ///
    /// # Errors
    /// As [`DirectoryStore::open`], and those of the hook.
    pub async fn open_on(
        disk: Disk,
        root: impl Into<PathBuf>,
        wait: Duration,
        waiting: impl FnOnce(&Holder),
    ) -> Result<Self, StoreError> {
        let root = root.into();
        let mut names = Names::default();
        ensure_root(&disk, &root, &mut names)?;
        let location = root.display().to_string();
        let root = Folder::open(root).map_err(StoreError::failed("open", location))?;
        let store = Self::lock(disk, root, names, wait, waiting).await?;
        store.inner.empty_staging()?;
        Ok(store)
    }

    /// Opens a store that is there, and leaves everything in it as it is.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] where nothing was ever published in `root`; else as
    /// [`DirectoryStore::open`].
    pub async fn open_existing(
        root: impl Into<PathBuf>,
        wait: Duration,
        waiting: impl FnOnce(&Holder),
    ) -> Result<Self, StoreError> {
        Self::open_existing_on(Disk::default(), root, wait, waiting).await
    }

    /// The same through a disk's hook.
    ///
    /// # Errors
    /// As [`DirectoryStore::open_existing`], and those of the hook.
    pub async fn open_existing_on(
        disk: Disk,
        root: impl Into<PathBuf>,
        wait: Duration,
        waiting: impl FnOnce(&Holder),
    ) -> Result<Self, StoreError> {
        let root = root.into();
        let location = root.display().to_string();
        let root = match Folder::open(root) {
            Err(error) if is_absent(&error) => return Err(StoreError::NoStore { location }),
            opened => opened.map_err(StoreError::failed("open", &location))?,
        };
        // A lock in a folder of another kind would be litter.
        let has = |name: &&str| root.metadata(name).is_ok();
        if !["version.json", "versions"].iter().any(has) {
            return Err(StoreError::NoStore { location });
        }
        Self::lock(disk, root, Names::default(), wait, waiting).await
    }

    /// Whether a folder may become a store or is one, as far as that can be told without
    /// opening it: it holds no links. A folder that is not there may.
    ///
    /// # Errors
    /// [`StoreError::Refused`]; [`StoreError::Failed`] where it cannot be listed.
    pub fn check(root: &Path) -> Result<(), StoreError> {
        match Folder::open(root) {
            Ok(folder) => {
                survey(&folder)?.map_err(|found| StoreError::Refused { found })?;
                Ok(())
            }
            // Opening it says what is wrong with it.
            Err(_) => Ok(()),
        }
    }

    /// The store's folder, as it was named.
    pub fn root(&self) -> &Path {
        self.inner.root.path()
    }

    /// The mode of its files.
    pub fn mode(&self) -> StoreMode {
        self.inner.disk.mode()
    }

    /// Gives everything that readers may meet the disk's mode.
    ///
    /// # Errors
    /// Where a mode cannot be read or set.
    pub async fn settle_mode(&self) -> Result<Settled, StoreError> {
        self.run(|inner| settle(&inner.disk, &inner.root)).await
    }

    async fn lock(
        disk: Disk,
        root: Folder,
        mut names: Names,
        wait: Duration,
        waiting: impl FnOnce(&Holder),
    ) -> Result<Self, StoreError> {
        // Whatever else is to be done: before anything is changed.
        survey(&root)?.map_err(|found| StoreError::Refused { found })?;
        let lock = Lock::take(&disk, &root, wait, waiting).await?;
        let create = |root: &Folder, below: &Path| disk.create_private_folder(root, below);
        ensure_folder(&root, Path::new(STAGING), &mut names, create)?;
        Ok(Self {
            inner: Arc::new(Opened {
                staging: Staging::on(disk.clone(), root.clone(), STAGING),
                root,
                disk,
                names: Mutex::new(names),
                lock,
            }),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

impl Reader for DirectoryStore {
    fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        self.inner.open(key)
    }

    fn get(&self, key: &Key, limit_bytes: usize) -> Result<Option<Vec<u8>>, FetchError> {
        self.inner.get(key, limit_bytes)
    }

    fn orders(&self) -> Result<Option<Vec<Order>>, FetchError> {
        self.inner.orders().map(Some)
    }

    fn location(&self, key: &Key) -> String {
        self.inner.location(Path::new(&key.path()))
    }
}

impl Store for DirectoryStore {
    async fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let key = key.clone();
        self.run(move |inner| inner.size(&key)).await
    }

    async fn put(&self, key: &Key, content: Spool) -> Result<(), StoreError> {
        let key = key.clone();
        self.run(move |inner| inner.put(&key, content)).await
    }

    async fn sync(&self) -> Result<(), StoreError> {
        self.run(Opened::sync).await
    }

    async fn swap(&self, version: &[u8]) -> Result<(), StoreError> {
        let version = version.to_owned();
        self.run(move |inner| inner.swap(version)).await
    }

    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        self.run(|inner| list::list(&inner.root)).await
    }

    async fn remove(&self, stored: &Stored) -> Result<(), StoreError> {
        let path = stored.path.clone();
        self.run(move |inner| inner.remove(&path)).await
    }

    fn staging(&self) -> &Staging {
        &self.inner.staging
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
