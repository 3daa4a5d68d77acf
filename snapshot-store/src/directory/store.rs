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

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::{Folder, Kind as FileKind};
use snapshot_format::Key;

use super::disk::{Disk, Staged};
use super::list::{self, survey};
use super::lock::Lock;
use super::mode::StoreMode;
use super::names::{Names, Unsynced, ensure_folder, ensure_root};
use super::settle::{Settled, settle};
use crate::spool::{Spool, Staging};
use crate::store::{Holder, Store, StoreError, Stored};

/// A folder that is a store, open for writing.
#[derive(Debug)]
pub struct DirectoryStore {
    // Shared with the work on blocking threads. Where a publication is abandoned, the
    // lock stays until the last of it has ended.
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: Folder,
    disk: Disk,
    staging: Staging,
    names: Mutex<Names>,
    lock: Lock,
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

    /// Its folder.
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
            inner: Arc::new(Inner {
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
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

impl Store for DirectoryStore {
    async fn get(&self, key: &Key, limit_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.clone();
        self.run(move |inner| inner.get(&key, limit_bytes)).await
    }

    async fn read(&self, key: &Key) -> Result<Option<Box<dyn Read + Send>>, StoreError> {
        let key = key.clone();
        self.run(move |inner| inner.read(&key)).await
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let key = key.clone();
        self.run(move |inner| inner.size(&key)).await
    }

    async fn history(&self) -> Result<Vec<(u64, u64)>, StoreError> {
        self.run(Inner::history).await
    }

    async fn put(&self, key: &Key, content: Spool) -> Result<(), StoreError> {
        let key = key.clone();
        self.run(move |inner| inner.put(&key, content)).await
    }

    async fn sync(&self) -> Result<(), StoreError> {
        self.run(Inner::sync).await
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

    fn location(&self, key: &Key) -> String {
        self.inner.location(Path::new(&key.path()))
    }
}

impl Inner {
    fn get(&self, key: &Key, limit_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let path = path(key);
        let Some(bytes) = found(self.read_at_most(&path, limit_bytes))
            .map_err(StoreError::failed("read", self.location(&path)))?
        else {
            return Ok(None);
        };
        if bytes.len() > limit_bytes {
            return Err(StoreError::TooLarge {
                location: self.location(&path),
                limit_bytes,
            });
        }
        self.rely_on(&path);
        Ok(Some(bytes))
    }

    fn read(&self, key: &Key) -> Result<Option<Box<dyn Read + Send>>, StoreError> {
        let path = path(key);
        let file = found(self.root.open_file(&path))
            .map_err(StoreError::failed("read", self.location(&path)))?;
        if file.is_some() {
            self.rely_on(&path);
        }
        Ok(file.map(|file| Box::new(file) as _))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let path = path(key);
        let size = found(self.file_size(&path))
            .map_err(StoreError::failed("read", self.location(&path)))?;
        if size.is_some() {
            self.rely_on(&path);
        }
        Ok(size)
    }

    fn history(&self) -> Result<Vec<(u64, u64)>, StoreError> {
        list::orders(&self.root)
    }

    fn put(&self, key: &Key, content: Spool) -> Result<(), StoreError> {
        debug_assert_ne!(*key, Key::Version, "the pointer is swapped, not put");
        let size_bytes = content.len();
        if let Key::History { .. } = key {
            return self.put_page(key, content);
        }
        if let Some(found_bytes) = self.size(key)? {
            return self.check_size(key, size_bytes, found_bytes);
        }
        let path = path(key);
        self.ensure_folder_of(&path)?;
        let file = self.staged(content)?;
        self.rely_on(&path);
        match self.disk.rename(file, &path) {
            // A publisher that lost its lock may have been faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found_bytes = self.size(key)?.unwrap_or(0);
                self.check_size(key, size_bytes, found_bytes)
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

    fn remove(&self, path: &str) -> Result<(), StoreError> {
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

    fn sync(&self) -> Result<(), StoreError> {
        let folders = self.names().unsynced();
        // At once: the file system then makes many durable by one write.
        let next = AtomicUsize::new(0);
        let sync_some = || {
            while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.sync_folder(folder)?;
            }
            Ok(())
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

    fn swap(&self, version: Vec<u8>) -> Result<(), StoreError> {
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

    fn empty_staging(&self) -> Result<(), StoreError> {
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

    fn check_size(
        &self,
        key: &Key,
        expected_bytes: u64,
        found_bytes: u64,
    ) -> Result<(), StoreError> {
        // Another release of a compressor makes variants of other lengths.
        if key.encoding().is_some() || expected_bytes == found_bytes {
            return Ok(());
        }
        Err(StoreError::Damaged {
            location: self.location(&path(key)),
            expected_bytes,
            found_bytes,
        })
    }

    // Marks what was put here, or by a publisher that died before it made it durable.
    fn rely_on(&self, path: &Path) {
        self.names().touch(path);
    }

    fn location(&self, below: &Path) -> String {
        self.root.path_of(below).display().to_string()
    }

    // Sets of paths are whole at every instant, whoever panicked.
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SYNC_THREADS: usize = 16;

const STAGING: &str = ".staging";

fn path(key: &Key) -> PathBuf {
    PathBuf::from(key.path())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use snapshot_format::{Encoding, ObjectHash};

    use super::*;

    async fn open(root: &Path) -> DirectoryStore {
        let opened = DirectoryStore::open(root, Duration::from_secs(60), |_| {}).await;
        opened.expect("opened")
    }

    fn object(bytes: &[u8]) -> Key {
        Key::Bootstrap(ObjectHash::of(bytes), None)
    }

    fn content(store: &DirectoryStore, bytes: &[u8]) -> Spool {
        Spool::holding(store.staging(), bytes.to_vec())
    }

    #[tokio::test]
    async fn what_was_put_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(&folder.path().join("deep/er")).await;
        let key = object(b"{}");
        assert_eq!(store.size(&key).await.expect("asked"), None);
        assert_eq!(store.get(&key, 2).await.expect("asked"), None);
        store.put(&key, content(&store, b"{}")).await.expect("put");
        store.sync().await.expect("durable");
        assert_eq!(store.size(&key).await.expect("asked"), Some(2));
        let found = store.get(&key, 2).await.expect("asked");
        assert_eq!(found.as_deref(), Some(&b"{}"[..]));
        assert_eq!(
            store.get(&key, 1).await.expect_err("too long").to_string(),
            format!(
                "{} is longer than the 1 bytes that it may have",
                store.location(&key)
            )
        );
    }

    #[tokio::test]
    async fn a_put_may_be_repeated_and_never_overwrites() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path()).await;
        let key = object(b"{}");
        store.put(&key, content(&store, b"{}")).await.expect("put");
        store
            .put(&key, content(&store, b"[]"))
            .await
            .expect("put again");
        let error = store
            .put(&key, content(&store, b"longer"))
            .await
            .expect_err("another");
        assert_eq!(
            error.to_string(),
            format!(
                "{} has 2 bytes, but the object of that name has 6",
                store.location(&key)
            )
        );
        let found = store.get(&key, 9).await.expect("asked");
        assert_eq!(found.as_deref(), Some(&b"{}"[..]));
    }

    #[tokio::test]
    async fn a_variant_of_another_compressor_stays() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path()).await;
        let key = object(b"{}").with_encoding(Some(Encoding::Zstd));
        store.put(&key, content(&store, b"one")).await.expect("put");
        store
            .put(&key, content(&store, b"other"))
            .await
            .expect("put again");
        assert_eq!(store.size(&key).await.expect("asked"), Some(3));
    }

    #[tokio::test]
    async fn a_large_content_becomes_public_by_its_rename() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path()).await;
        let bytes = vec![b' '; 3 * crate::spool::MEMORY_LIMIT];
        let mut spool = Spool::new(store.staging());
        spool.write_all(&bytes).expect("written");
        let key = object(&bytes);
        store.put(&key, spool).await.expect("put");
        let found = store.get(&key, bytes.len()).await.expect("asked");
        assert!(found == Some(bytes));
        assert_eq!(
            store
                .staging()
                .folder()
                .read_dir()
                .expect("a folder")
                .count(),
            0
        );
    }

    #[tokio::test]
    async fn the_history_is_listed_in_order_without_what_is_not_of_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(folder.path()).await;
        assert_eq!(store.history().await.expect("listed"), []);
        for (epoch, sequence) in [(7, 10), (7, 9), (5, 11)] {
            let key = Key::History { epoch, sequence };
            store.put(&key, content(&store, b"{}")).await.expect("put");
        }
        fs::write(folder.path().join("versions/7-011.json"), b"").expect("written");
        fs::write(folder.path().join("versions/README"), b"").expect("written");
        assert_eq!(
            store.history().await.expect("listed"),
            [(5, 11), (7, 9), (7, 10)]
        );
    }

    #[tokio::test]
    async fn opening_removes_what_dead_publishers_left() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let left = folder.path().join(".staging/deep");
        fs::create_dir_all(&left).expect("made");
        fs::write(left.join("file"), b"half").expect("written");
        let store = open(folder.path()).await;
        assert_eq!(
            store
                .staging()
                .folder()
                .read_dir()
                .expect("a folder")
                .count(),
            0
        );
    }

    #[tokio::test]
    async fn a_failed_sync_is_made_up_for_by_the_next() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let synced = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&synced);
        let disk = Disk::with_hook(move |step, path| {
            let mut seen = seen.lock().expect("no panic");
            if step == crate::Step::SyncFolder {
                seen.push(path.to_owned());
                if seen.len() <= 2 {
                    return Err(io::Error::other("the disk failed"));
                }
            }
            Ok(())
        });
        let wait = Duration::from_secs(60);
        let store = DirectoryStore::open_on(disk, folder.path(), wait, |_| {}).await;
        let store = store.expect("opened");
        let key = Key::Manifest(ObjectHash::of(b"{}"));
        store.put(&key, content(&store, b"{}")).await.expect("put");
        let error = store.sync().await.expect_err("the disk failed").to_string();
        assert!(error.starts_with("failed to sync "), "{error}");
        store.sync().await.expect("durable");
        // Nothing is left to be made durable.
        store.sync().await.expect("durable");
        let synced = synced.lock().expect("no panic");
        let manifests = folder.path().join("manifests");
        assert_eq!(synced.len(), 4, "{synced:?}");
        assert!(synced[2..].contains(&manifests), "{synced:?}");
        assert!(
            synced[2..].contains(&folder.path().to_owned()),
            "{synced:?}"
        );
    }

    #[test]
    fn nothing_changes_the_disk_but_through_the_seam() {
        let changing = [
            "fs::write",
            "fs::create",
            "fs::remove",
            "fs::rename",
            "fs::copy",
            "fs::hard_link",
            "fs::set_permissions",
            "File::create",
            "OpenOptions",
            "set_len",
            ".persist",
            "write_all_at",
            "sync_all",
            "sync_data",
            "set_modified",
            "NamedTempFile::new",
            "tempfile_in",
            "rustix",
            "use nix::",
            "root.sync(",
        ];
        let of_a_folder = [
            "create_file",
            "create_folder",
            "open_lock",
            "remove_all",
            "remove_file",
            "rename",
            "rename_new",
            "set_mode",
        ];
        let through_a_handle = ["root", "store", "folder"].into_iter().flat_map(|handle| {
            let call = move |method| format!("{handle}.{method}(");
            of_a_folder.map(call)
        });
        let changing: Vec<String> = changing
            .map(str::to_owned)
            .into_iter()
            .chain(through_a_handle)
            .collect();
        for (file, source) in [
            ("store.rs", include_str!("store.rs")),
            ("lock.rs", include_str!("lock.rs")),
            ("list.rs", include_str!("list.rs")),
            ("names.rs", include_str!("names.rs")),
            ("reader.rs", include_str!("reader.rs")),
            ("settle.rs", include_str!("settle.rs")),
            ("spool.rs", include_str!("../spool.rs")),
            ("history.rs", include_str!("../history.rs")),
        ] {
            let code = source.split("#[cfg(test)]").next().expect("code");
            for call in &changing {
                assert!(
                    !code.contains(call.as_str()),
                    "{file} calls {call}: use `Disk`"
                );
            }
        }
    }
}
