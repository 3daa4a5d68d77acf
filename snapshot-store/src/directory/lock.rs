//! The lock on a directory store: one publisher at a time.
//!
//! It is the kernel's lock on an open file, so it ends with the process that took it,
//! however that ends; no stale lock has to be broken. What the file says is only for
//! the message that another publisher prints while it waits.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Folder;

use super::disk::Disk;
use crate::store::{Holder, StoreError};

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    store: Folder,
    file: File,
    disk: Disk,
}

const NAME: &str = ".lock";

// What a publisher says of itself is far shorter.
const MAX_SIZE: u64 = 4096;

// Short against a publication, long against the cost of one try.
const POLL: Duration = Duration::from_millis(50);

impl Lock {
    /// Waits for the lock at most `wait`. `waiting` is told once, where it has to, who
    /// has it.
    pub(super) async fn take(
        disk: &Disk,
        store: &Folder,
        wait: Duration,
        waiting: impl FnOnce(&Holder),
    ) -> Result<Self, StoreError> {
        let start = Instant::now();
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Self::try_take(disk, store)? {
                return Ok(lock);
            }
            let holder = read_holder(store);
            if start.elapsed() >= wait {
                return Err(StoreError::Locked {
                    location: store.path().display().to_string(),
                    holder,
                    waited: wait,
                });
            }
            if let Some(waiting) = waiting.take() {
                waiting(&holder);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn try_take(disk: &Disk, store: &Folder) -> Result<Option<Self>, StoreError> {
        let path = store.path_of(NAME);
        let file = disk
            .open_lock(store, Path::new(NAME))
            .map_err(StoreError::failed("open", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => {
                return Err(StoreError::failed("lock", path.display())(error));
            }
        }
        if let Some(what) = foreign(&file).map_err(StoreError::failed("read", path.display()))? {
            let location = path.display().to_string();
            return Err(StoreError::ForeignLock { location, what });
        }
        let lock = Self {
            store: store.clone(),
            file,
            disk: disk.clone(),
        };
        // Somebody may have replaced the file between opening and locking it.
        if !lock.is_held() {
            return Ok(None);
        }
        // The lock holds without it: a full disk must not keep an unchanged state from
        // being found unchanged.
        let _ = lock.write_holder();
        Ok(Some(lock))
    }

    /// Whether the file that is locked is still the one that others would lock: of this
    /// name, in this folder, under the folder's own path.
    pub(super) fn is_held(&self) -> bool {
        match (self.file.metadata(), self.store.metadata(NAME)) {
            (Ok(ours), Ok(there)) => {
                (ours.dev(), ours.ino()) == there.identity && self.store.is_in_place()
            }
            _ => false,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.store.path_of(NAME)
    }

    fn write_holder(&self) -> io::Result<()> {
        let holder = Holder {
            pid: std::process::id(),
            host: host(),
            since: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
        };
        let line = serde_json::to_vec(&holder)?;
        if has_other_names(&self.file)? {
            return Ok(());
        }
        self.disk.truncate(&self.file, &self.path())?;
        self.disk.write_at(&self.file, &self.path(), &line, 0)
    }

    fn forget_holder(&self) -> io::Result<()> {
        if has_other_names(&self.file)? {
            return Ok(());
        }
        self.disk.truncate(&self.file, &self.path())
    }
}

impl Drop for Lock {
    // At rest the file is empty, so that an unchanged store has unchanged bytes. Closing
    // the file releases the lock; nothing depends on this.
    fn drop(&mut self) {
        let _ = self.forget_holder();
    }
}

// It is locked and never written: it may be somebody's data under another name, or of a copy
// by hard links (`cp -al`), which then shares this store's lock.
fn has_other_names(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 1)
}

// What no publisher wrote is not written over.
fn foreign(file: &File) -> io::Result<Option<&'static str>> {
    const BEGINS: &[u8] = b"{\"pid\":";
    let metadata = file.metadata()?;
    let mut start = [0; BEGINS.len()];
    let read = file.read_at(&mut start, 0)?;
    // A loss of power may leave zeros where a publisher wrote.
    let is_ours = BEGINS.starts_with(&start[..read]) || start == [0; BEGINS.len()];
    if metadata.len() > MAX_SIZE || !is_ours {
        return Ok(Some("another program wrote it"));
    }
    Ok(None)
}

fn read_holder(store: &Folder) -> Holder {
    let mut text = String::new();
    // Where it has other names, nobody writes it: what it says is of another time.
    let file = store.open_file(NAME).and_then(|file| {
        if has_other_names(&file)? {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(file)
    });
    let read = file.and_then(|file| file.take(MAX_SIZE).read_to_string(&mut text));
    let holder = read.ok().and_then(|_| serde_json::from_str(&text).ok());
    // It may not have come to write it, or the disk was full.
    holder.unwrap_or_default()
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| fs::read_to_string("/etc/hostname"));
    match name {
        Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => "an unnamed host".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(folder: &tempfile::TempDir) -> Result<Lock, StoreError> {
        let store = Folder::open(folder.path()).expect("a folder");
        Lock::take(&Disk::default(), &store, Duration::ZERO, |_| {}).await
    }

    #[tokio::test]
    async fn a_dead_holder_blocks_nobody() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".lock");
        // As a killed process leaves it: its words, and no lock.
        fs::write(&path, r#"{"pid":1,"host":"a","since":"b"}"#).expect("written");
        let lock = take(&folder).await.expect("free");
        assert_eq!(read_holder(&lock.store).pid, std::process::id());
        drop(lock);
        assert_eq!(fs::read(&path).expect("there"), b"");
    }

    #[tokio::test]
    async fn a_holder_that_has_not_said_who_it_is_is_another_publisher() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".lock");
        let _lock = take(&folder).await.expect("free");
        fs::write(&path, "").expect("written");
        let error = take(&folder).await.expect_err("locked").to_string();
        let folder = folder.path().display();
        assert_eq!(
            error,
            format!("{folder} is still locked by another publisher after 0 s")
        );
    }

    #[tokio::test]
    async fn a_file_that_no_publisher_wrote_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".lock");
        for content in ["a list of things\n", "{", "{}", "\0a", "{\"pid\":1}"] {
            fs::write(&path, content).expect("written");
            let is_ours = matches!(content, "{" | "{\"pid\":1}");
            let taken = take(&folder).await;
            assert_eq!(taken.is_ok(), is_ours, "{content}");
            if !is_ours {
                let error = taken.expect_err("another's").to_string();
                assert!(error.ends_with(": another program wrote it"), "{error}");
                assert_eq!(fs::read_to_string(&path).expect("there"), content);
            }
        }
    }

    #[tokio::test]
    async fn a_file_with_another_name_is_locked_and_not_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let precious = folder.path().join("precious");
        for content in ["", "{\"pid\":1,\"host\":\"a\",\"since\":\"b\"}", "mine"] {
            fs::write(&precious, content).expect("written");
            fs::hard_link(&precious, folder.path().join(".lock")).expect("linked");
            let taken = take(&folder).await;
            assert_eq!(taken.is_ok(), content != "mine", "{content}");
            if taken.is_ok() {
                let error = take(&folder).await.expect_err("locked").to_string();
                assert!(error.contains("locked by another publisher"), "{error}");
            }
            assert_eq!(fs::read_to_string(&precious).expect("there"), content);
            drop(taken);
            assert_eq!(fs::read_to_string(&precious).expect("there"), content);
            fs::remove_file(folder.path().join(".lock")).expect("there");
        }
    }

    #[tokio::test]
    async fn a_lock_that_gets_another_name_while_it_is_held_is_not_written_any_more() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, copy) = (folder.path().join(".lock"), folder.path().join("copy"));
        let lock = take(&folder).await.expect("free");
        let said = fs::read(&path).expect("there");
        assert!(!said.is_empty());
        fs::hard_link(&path, &copy).expect("linked");
        drop(lock);
        assert_eq!(fs::read(&copy).expect("there"), said);
        // Alone again, it is as any other.
        fs::remove_file(copy).expect("there");
        drop(take(&folder).await.expect("free"));
        assert_eq!(fs::read(&path).expect("there"), b"");
    }

    #[tokio::test]
    async fn the_lock_of_a_folder_that_was_moved_away_is_lost() {
        let all = tempfile::tempdir().expect("a temporary folder");
        let (root, away) = (all.path().join("store"), all.path().join("away"));
        fs::create_dir(&root).expect("made");
        let store = Folder::open(&root).expect("a folder");
        let lock = Lock::take(&Disk::default(), &store, Duration::ZERO, |_| {}).await;
        let lock = lock.expect("free");
        fs::rename(&root, away).expect("moved");
        assert!(!lock.is_held());
        fs::create_dir(&root).expect("made");
        assert!(!lock.is_held());
    }

    #[tokio::test]
    async fn a_replaced_file_is_not_the_lock() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".lock");
        let lock = take(&folder).await.expect("free");
        assert!(lock.is_held());
        fs::remove_file(&path).expect("there");
        assert!(!lock.is_held());
        let other = take(&folder).await.expect("another file");
        assert!(other.is_held() && !lock.is_held());
    }
}
