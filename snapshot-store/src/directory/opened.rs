//! The work in a store that is open, as it is done on a blocking thread.

use parking_lot::{Mutex, MutexGuard};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use snapshot_format::Key;

use super::disk::{Disk, Staged};
use super::list;
use super::lock::Lock;
use super::names::{Names, Unsynced, ensure_folder};
use crate::entry::Kind as FileKind;
use crate::folder::Folder;
use crate::reader::{FetchError, Fetched, Order};
use crate::spool::{Spool, Staging};
use crate::store::{StoreError, check_size};

/// A store's folder, locked, and what is known of it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) root: Folder,
    pub(super) disk: Disk,
    pub(super) staging: Staging,
    pub(super) names: Mutex<Names>,
    pub(super) lock: Lock,
}

impl Opened {
    pub(super) fn get(&self, key: &Key, limit_bytes: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let path = path(key);
        let Some(bytes) = found(self.read_at_most(&path, limit_bytes))
            .map_err(FetchError::failed("read", self.location(&path)))?
        else {
            return Ok(None);
        };
        if bytes.len() > limit_bytes {
            return Err(FetchError::TooLarge {
                location: self.location(&path),
                limit_bytes,
            });
        }
        self.rely_on(&path);
        Ok(Some(bytes))
    }

    pub(super) fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        let path = path(key);
        let opened = self.root.open_file(&path).and_then(|file| {
            let size_bytes = file.metadata()?.len();
            Ok(Fetched::new(Some(size_bytes), file))
        });
        let fetched = found(opened).map_err(FetchError::failed("read", self.location(&path)))?;
        if fetched.is_some() {
            self.rely_on(&path);
        }
        Ok(fetched)
    }

    pub(super) fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let path = path(key);
        let size = found(self.file_size(&path))
            .map_err(StoreError::failed("read", self.location(&path)))?;
        if size.is_some() {
            self.rely_on(&path);
        }
        Ok(size)
    }

    pub(super) fn orders(&self) -> Result<Vec<Order>, FetchError> {
        list::orders(&self.root, "list")
    }

    pub(super) fn put(&self, key: &Key, content: Spool) -> Result<(), StoreError> {
        debug_assert_ne!(*key, Key::Version, "the pointer is swapped, not put");
        let size_bytes = content.len();
        if let Key::History { .. } = key {
            return self.put_page(key, content);
        }
        if let Some(found_bytes) = self.size(key)? {
            return check_size(key, self.location(&path(key)), size_bytes, found_bytes);
        }
        let path = path(key);
        self.ensure_folder_of(&path)?;
        let file = self.staged(content)?;
        self.rely_on(&path);
        match self.disk.rename(file, &path) {
            // A publisher that lost its lock may have been faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found_bytes = self.size(key)?.unwrap_or(0);
                check_size(key, self.location(&path), size_bytes, found_bytes)
            }
            renamed => renamed.map_err(|error| self.not_written(&path, error)),
        }
    }

    // A page is what two publishers contend for, so the one that made its name is the
    // one that published.
    fn put_page(&self, key: &Key, content: Spool) -> Result<(), StoreError> {
        let path = path(key);
        self.ensure_folder_of(&path)?;
        let file = self.staged(content)?;
        self.check_lock("nothing was swapped")?;
        self.rely_on(&path);
        match self.disk.rename(file, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let location = self.location(&path);
                Err(StoreError::Overtaken { location })
            }
            renamed => renamed.map_err(|error| self.not_written(&path, error)),
        }
    }

    pub(super) fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.check_lock("nothing more was removed")?;
        let path = Path::new(path);
        self.rely_on(path);
        self.disk
            .remove(&self.root, path)
            .map_err(StoreError::failed("remove", self.location(path)))
    }

    // Whoever takes the store over clears away what is staged there.
    fn not_written(&self, path: &Path, error: io::Error) -> StoreError {
        let lost = self.check_lock("nothing was swapped").err();
        lost.unwrap_or_else(|| StoreError::failed("write", self.location(path))(error))
    }

    fn check_lock(&self, outcome: &'static str) -> Result<(), StoreError> {
        if self.lock.is_held() {
            return Ok(());
        }
        let location = self.lock.path().display().to_string();
        Err(StoreError::LockLost { location, outcome })
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let folders = self.names().unsynced();
        // At once: the file system then makes many durable by one write.
        let next = AtomicUsize::new(0);
        let sync_some = || {
            while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.sync_folder(folder)?;
            }
            Ok::<_, StoreError>(())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..SYNC_THREADS.min(folders.len()))
                .map(|_| scope.spawn(sync_some))
                .collect();
            threads.into_iter().try_for_each(|thread| {
                let result = thread.join();
                result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })?;
        // Only now that all of them are done: a second try has to do what the first did
        // not.
        self.names().settle(folders);
        Ok(())
    }

    pub(super) fn swap(&self, version: Vec<u8>) -> Result<(), StoreError> {
        let file = self.staged(Spool::holding(&self.staging, version))?;
        // As late as can be. A publisher that works without the lock may put objects,
        // which do no harm, but must not move the pointer.
        self.check_lock("nothing was swapped")?;
        let path = path(&Key::Version);
        self.disk
            .replace(file, &path)
            .map_err(StoreError::failed("replace", self.location(&path)))?;
        self.sync_folder(&Unsynced::Below(PathBuf::new()))
    }

    // A durable file in the staging folder.
    fn staged(&self, content: Spool) -> Result<Staged, StoreError> {
        let folder = self.staging.folder();
        let file = content
            .into_file()
            .map_err(StoreError::failed("write in", folder.display()))?;
        self.disk
            .sync_file(&file)
            .map_err(StoreError::failed("sync a file in", folder.display()))?;
        Ok(file)
    }

    fn ensure_folder_of(&self, path: &Path) -> Result<(), StoreError> {
        let folder = path.parent().expect("a key stands below the root");
        let create = |root: &Folder, below: &Path| self.disk.create_folder(root, below);
        ensure_folder(&self.root, folder, &mut self.names(), create)
    }

    fn sync_folder(&self, folder: &Unsynced) -> Result<(), StoreError> {
        let (synced, location) = match folder {
            Unsynced::Outside(path) => (self.disk.sync_outside(path), path.display().to_string()),
            Unsynced::Below(below) => (
                self.disk.sync_folder(&self.root, below),
                self.location(below),
            ),
        };
        synced.map_err(StoreError::failed("sync", location))
    }

    pub(super) fn empty_staging(&self) -> Result<(), StoreError> {
        let location = self.location(Path::new(STAGING));
        let listed = self.root.entries(STAGING);
        for entry in listed.map_err(StoreError::failed("list", location))? {
            let path = Path::new(STAGING).join(entry.name);
            self.disk
                .remove(&self.root, &path)
                .map_err(StoreError::failed("remove", self.location(&path)))?;
        }
        Ok(())
    }

    fn read_at_most(&self, path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let one_more = limit_bytes as u64 + 1;
        let file = self.root.open_file(path)?;
        file.take(one_more).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn file_size(&self, path: &Path) -> io::Result<u64> {
        let found = self.root.metadata(path)?;
        match self.root.refusal(path, found.kind) {
            Some(refused) => Err(refused.into()),
            None if found.kind == FileKind::Folder => Err(io::ErrorKind::IsADirectory.into()),
            None => Ok(found.size_bytes),
        }
    }

    // Marks what was put here, or by a publisher that died before it made it durable.
    fn rely_on(&self, path: &Path) {
        self.names().touch(path);
    }

    pub(super) fn location(&self, below: &Path) -> String {
        self.root.path_of(below).display().to_string()
    }

    // Sets of paths are whole at every instant, whoever panicked.
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock()
    }
}

const SYNC_THREADS: usize = 16;

/// The folder for what is not yet named, below the root.
pub(super) const STAGING: &str = ".staging";

fn path(key: &Key) -> PathBuf {
    PathBuf::from(key.path())
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
