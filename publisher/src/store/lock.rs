//! The lock on a directory store: one publisher at a time.
//!
//! It is the kernel's lock on an open file, so it ends with the process that took it,
//! however that ends; no stale lock has to be broken. What the file says is only for
//! the message that another publisher prints while it waits.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Disk, Holder, StoreError};

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
    disk: Disk,
}

// Short against a publication, long against the cost of one try.
const POLL: Duration = Duration::from_millis(50);

impl Lock {
    /// Waits for the lock at most `wait`. `waiting` is told once, where it has to, who
    /// has it.
    pub(super) async fn take(
        disk: &Disk,
        path: &Path,
        wait: Duration,
        waiting: impl FnOnce(&Holder),
    ) -> Result<Self, StoreError> {
        let start = Instant::now();
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Self::try_take(disk, path)? {
                return Ok(lock);
            }
            let holder = read_holder(path);
            if start.elapsed() >= wait {
                let folder = path.parent().unwrap_or(path);
                return Err(StoreError::Locked {
                    location: folder.display().to_string(),
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

    fn try_take(disk: &Disk, path: &Path) -> Result<Option<Self>, StoreError> {
        let file = disk
            .open_or_create(path)
            .map_err(StoreError::failed("open", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => {
                return Err(StoreError::failed("lock", path.display())(error));
            }
        }
        let lock = Self {
            path: path.to_owned(),
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

    /// Whether the file that is locked is still the one that others would lock.
    pub(super) fn is_held(&self) -> bool {
        let identity = |m: fs::Metadata| (m.dev(), m.ino());
        match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(ours), Ok(there)) => identity(ours) == identity(there),
            _ => false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
        self.disk.truncate(&self.file, &self.path)?;
        self.disk.write_at(&self.file, &self.path, &line, 0)
    }
}

impl Drop for Lock {
    // At rest the file is empty, so that an unchanged store has unchanged bytes. Closing
    // the file releases the lock; nothing depends on this.
    fn drop(&mut self) {
        let _ = self.disk.truncate(&self.file, &self.path);
    }
}

fn read_holder(path: &Path) -> Holder {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_string(&mut text));
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

    async fn take(path: &Path) -> Result<Lock, StoreError> {
        Lock::take(&Disk::default(), path, Duration::ZERO, |_| {}).await
    }

    #[tokio::test]
    async fn a_dead_holder_blocks_nobody() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".lock");
        // As a killed process leaves it: its words, and no lock.
        fs::write(&path, r#"{"pid":1,"host":"a","since":"b"}"#).expect("written");
        let lock = take(&path).await.expect("free");
        assert_eq!(read_holder(&path).pid, std::process::id());
        drop(lock);
        assert_eq!(fs::read(&path).expect("there"), b"");
    }

    #[tokio::test]
    async fn a_holder_that_has_not_said_who_it_is_is_another_publisher() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".lock");
        let _lock = take(&path).await.expect("free");
        fs::write(&path, "").expect("written");
        let error = take(&path).await.expect_err("locked").to_string();
        let folder = folder.path().display();
        assert_eq!(
            error,
            format!("{folder} is still locked by another publisher after 0 s")
        );
    }

    #[tokio::test]
    async fn a_replaced_file_is_not_the_lock() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".lock");
        let lock = take(&path).await.expect("free");
        assert!(lock.is_held());
        fs::remove_file(&path).expect("there");
        assert!(!lock.is_held());
        let other = take(&path).await.expect("another file");
        assert!(other.is_held() && !lock.is_held());
    }
}
