//! Files in a folder.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::storage::Storage;

/// A cache in a folder, which several processes may share.
///
/// Each value is written aside, flushed and renamed, and the folder flushed: after a power cut a
/// file has its old content or its new one. The lock is a file that the system unlocks when its
/// process ends, however that ends.
#[derive(Debug)]
pub struct FileStorage {
    folder: PathBuf,
}

// Of values that are not whole yet; whoever has the lock may remove those that others left.
const ASIDE: &str = "aside";

static WRITTEN: AtomicU64 = AtomicU64::new(0);

impl FileStorage {
    /// A storage in this folder, which is created when the first value is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    fn path_of(&self, key: &str) -> io::Result<PathBuf> {
        let ours = |part: &str| {
            let byte_is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(byte_is_ours)
        };
        if key.split('/').all(ours) {
            return Ok(key
                .split('/')
                .fold(self.folder.clone(), |path, part| path.join(part)));
        }
        let message = format!("\"{key}\" is no key of a cache");
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

impl Storage for FileStorage {
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path_of(key)?) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        let path = self.path_of(key)?;
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let mut aside = path.clone().into_os_string();
        aside.push(format!(".{}-{number}.{ASIDE}", process::id()));
        let aside = PathBuf::from(aside);
        let renamed = write_durably(&aside, value).and_then(|()| fs::rename(&aside, &path));
        if renamed.is_err() {
            let _ = fs::remove_file(&aside);
        }
        renamed?;
        flush_folder(folder)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.path_of(key)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn lock(&self, key: &str) -> io::Result<Box<dyn Any + Send>> {
        let path = self.path_of(key)?;
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        file.lock()?;
        remove_aside(folder);
        Ok(Box::new(file))
    }
}

fn write_durably(path: &Path, value: &[u8]) -> io::Result<()> {
    let mut file = File::options().create_new(true).write(true).open(path)?;
    file.write_all(value)?;
    file.sync_all()
}

fn flush_folder(folder: &Path) -> io::Result<()> {
    // Windows cannot open a folder, and does not need it.
    if cfg!(windows) {
        return Ok(());
    }
    File::open(folder)?.sync_all()
}

// All writing is done under the lock, so what lies aside was left by a process that was killed.
// What cannot be removed does no harm.
fn remove_aside(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == ASIDE) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).to_string_lossy().into())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_value_is_written_read_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = FileStorage::new(folder.path().join("made/when/needed"));
        assert_eq!(storage.read("a/head").expect("readable"), None);
        for value in [&b"one"[..], b"", b"three"] {
            storage.write("a/head", value).expect("written");
            assert_eq!(
                storage.read("a/head").expect("readable").as_deref(),
                Some(value)
            );
        }
        storage.remove("a/head").expect("removed");
        storage.remove("a/head").expect("nothing to remove");
        assert_eq!(storage.read("a/head").expect("readable"), None);
    }

    #[test]
    fn no_key_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = FileStorage::new(folder.path());
        for key in [
            "",
            "/etc/passwd",
            "../head",
            "a/../b",
            "a//b",
            ".",
            "a\\b",
            "c:head",
            "a\0",
        ] {
            assert!(storage.read(key).is_err(), "{key}");
            assert!(storage.write(key, b"x").is_err(), "{key}");
            assert!(storage.remove(key).is_err(), "{key}");
        }
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn whoever_has_the_lock_tidies_up_after_the_dead() {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = FileStorage::new(folder.path());
        storage.write("head", b"whole").expect("written");
        fs::write(folder.path().join("head.7-1.aside"), "half").expect("written");
        drop(storage.lock("lock").expect("locked"));
        assert_eq!(names(folder.path()), ["head", "lock"]);
    }

    #[test]
    fn a_lock_has_one_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = FileStorage::new(folder.path())
            .lock("lock")
            .expect("locked");
        let path = folder.path().join("lock");
        let other = File::options()
            .write(true)
            .open(path)
            .expect("the lock's file");
        assert!(matches!(
            other.try_lock(),
            Err(fs::TryLockError::WouldBlock)
        ));
        drop(first);
        other.try_lock().expect("the lock is free");
    }
}
