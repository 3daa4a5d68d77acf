//! Files in a folder.

use std::any::Any;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use snapshot_store::{Folder, Kind};

use crate::storage::Storage;

/// A cache in a folder, which several processes may share.
///
/// Each value is written aside, flushed and renamed, and the folder flushed: after a power cut a
/// file has its old content or its new one. The lock is a file that the system unlocks when its
/// process ends, however that ends.
///
/// The folder itself may be a symbolic link. A link below it is an error and is not followed, and
/// so is whatever is no regular file: nothing is read from or written to a place outside.
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

    // `None` where nothing was written yet.
    fn folder(&self) -> io::Result<Option<Folder>> {
        found(Folder::open(&self.folder))
    }

    // The folder, which is made where it is not there, and the one of a key below it.
    fn folder_for(&self, path: &Path) -> io::Result<Folder> {
        fs::create_dir_all(&self.folder)?;
        let folder = Folder::open(&self.folder)?;
        let above: Vec<_> = path.ancestors().skip(1).collect();
        for below in above.into_iter().rev().filter(|below| !is_root(below)) {
            match folder.create_folder(below, PUBLIC_FOLDER) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(folder)
    }
}

fn is_root(below: &Path) -> bool {
    below.as_os_str().is_empty()
}

fn path_of(key: &str) -> io::Result<&Path> {
    let ours = |part: &str| {
        let byte_is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(byte_is_ours)
    };
    if key.split('/').all(ours) {
        return Ok(Path::new(key));
    }
    let message = format!("\"{key}\" is no key of a cache");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

// Less what the umask takes away, as for all files of the app.
const PUBLIC_FILE: u32 = 0o666;
const PUBLIC_FOLDER: u32 = 0o777;

impl Storage for FileStorage {
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        let path = path_of(key)?;
        match self.folder()? {
            Some(folder) => found(folder.read(path)),
            None => Ok(None),
        }
    }

    fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        let path = path_of(key)?;
        let folder = self.folder_for(path)?;
        // A rename would take the place of a link; but whoever put it there is to be told.
        check(&folder, path)?;
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let mut aside = OsString::from(path);
        aside.push(format!(".{}-{number}.{ASIDE}", process::id()));
        let aside = Path::new(&aside);
        let renamed =
            write_durably(&folder, aside, value).and_then(|()| folder.rename(aside, path));
        if renamed.is_err() {
            let _ = folder.remove_file(aside);
        }
        renamed?;
        folder.sync(path.parent().unwrap_or(Path::new("")))
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        let path = path_of(key)?;
        let Some(folder) = self.folder()? else {
            return Ok(());
        };
        check(&folder, path)?;
        found(folder.remove_file(path)).map(|_| ())
    }

    fn lock(&self, key: &str) -> io::Result<Box<dyn Any + Send>> {
        let path = path_of(key)?;
        let folder = self.folder_for(path)?;
        let file = folder.open_lock(path, PUBLIC_FILE)?;
        file.lock()?;
        remove_aside(&folder, path.parent().unwrap_or(Path::new("")));
        Ok(Box::new(file))
    }
}

fn write_durably(folder: &Folder, path: &Path, value: &[u8]) -> io::Result<()> {
    let mut file = folder.create_file(path, PUBLIC_FILE)?;
    file.write_all(value)?;
    file.sync_all()
}

// That no link or special file has the name.
fn check(folder: &Folder, path: &Path) -> io::Result<()> {
    match found(folder.metadata(path))? {
        Some(there) => match folder.refusal(path, there.kind) {
            Some(refused) => Err(refused.into()),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

// All writing is done under the lock, so what lies aside was left by a process that was killed.
// What cannot be removed does no harm.
fn remove_aside(folder: &Folder, below: &Path) {
    for entry in folder.entries(below).into_iter().flatten() {
        let path = below.join(entry.name);
        let is_aside = path.extension().is_some_and(|extension| extension == ASIDE);
        if is_aside && entry.kind == Kind::File {
            let _ = folder.remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

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

    #[cfg(unix)]
    mod links {
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;

        use super::*;

        // A cache beside `precious/head`, and a link to the one or the other in the cache.
        fn trapped(target: &str, name: &str) -> (tempfile::TempDir, FileStorage) {
            let all = tempfile::tempdir().expect("a folder");
            let (cache, precious) = (all.path().join("cache"), all.path().join("precious"));
            fs::create_dir(&cache).expect("made");
            fs::create_dir(&precious).expect("made");
            fs::write(precious.join("head"), "content").expect("written");
            fs::write(precious.join("left.1-1.aside"), "content").expect("written");
            symlink(target, cache.join(name)).expect("a link");
            (all, FileStorage::new(cache))
        }

        #[track_caller]
        fn refuses_all(all: &tempfile::TempDir, storage: &FileStorage, key: &str) {
            let told = |result: io::Result<()>| {
                let text = result.expect_err("it is refused").to_string();
                assert!(
                    text.contains("/cache/trap is a symbolic link to "),
                    "{text}"
                );
            };
            told(storage.read(key).map(drop));
            told(storage.write(key, b"new"));
            told(storage.remove(key));
            told(storage.lock(key).map(drop));
            let precious = all.path().join("precious");
            assert_eq!(names(&precious), ["head", "left.1-1.aside"]);
            let content = fs::read_to_string(precious.join("head")).expect("there");
            assert_eq!(content, "content");
            assert_eq!(names(&all.path().join("cache")), ["trap"]);
        }

        #[test]
        fn nothing_is_done_through_a_link_to_a_folder() {
            for target in ["../precious", ".", "nowhere", "trap"] {
                let (all, storage) = trapped(target, "trap");
                refuses_all(&all, &storage, "trap/head");
            }
        }

        #[test]
        fn nothing_is_done_through_a_link_to_a_file() {
            for target in ["../precious/head", "/dev/null", "nowhere", "trap"] {
                let (all, storage) = trapped(target, "trap");
                refuses_all(&all, &storage, "trap");
            }
        }

        #[test]
        fn the_folder_itself_may_be_a_link() {
            let (all, _) = trapped("nowhere", "other");
            symlink("precious", all.path().join("linked")).expect("a link");
            let storage = FileStorage::new(all.path().join("linked"));
            assert_eq!(
                storage.read("head").expect("followed").as_deref(),
                Some(&b"content"[..])
            );
            storage.write("head", b"new").expect("followed");
            let precious = all.path().join("precious/head");
            assert_eq!(fs::read(precious).expect("there"), b"new");
        }

        #[test]
        fn what_is_no_file_is_refused_at_once() {
            let folder = tempfile::tempdir().expect("a folder");
            let fifo = folder.path().join("fifo");
            let made = process::Command::new("mkfifo").arg(&fifo).status();
            assert!(made.expect("mkfifo").success());
            let _socket = UnixListener::bind(folder.path().join("socket")).expect("a socket");
            let storage = FileStorage::new(folder.path());
            for (key, what) in [("fifo", "is a FIFO"), ("socket", "is a socket")] {
                for result in [
                    storage.read(key).map(drop),
                    storage.write(key, b"new"),
                    storage.remove(key),
                    storage.lock(key).map(drop),
                ] {
                    let text = result.expect_err("it is refused").to_string();
                    assert!(text.contains(what), "{text}");
                }
            }
            assert_eq!(names(folder.path()), ["fifo", "socket"]);
        }
    }
}
