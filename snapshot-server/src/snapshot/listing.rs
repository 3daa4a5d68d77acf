//! Which names the folder has, as of a moment ago.
//!
//! A path that might be an object and is none would cost a look into the folder
//! on another thread, and whoever makes such paths up makes a million of them.
//! So the names are read at most ten times a second, all at once, and a name
//! that was not among them is answered from memory.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::{Duration, Instant};

use snapshot_format::Key;
use snapshot_store::{Folder, Kind, refused};

/// How long a listing is fresh, at least.
const FRESH_FOR: Duration = Duration::from_millis(100);
/// And at least so many times as long as it took, so that reading the names of a
/// large or slow store stays a small part of the time.
const SHARE_OF_TIME: u32 = 20;

pub(crate) struct Listing {
    /// Of each name a number: two names may share one, and then one look too
    /// many is made.
    names: HashSet<u64>,
    numbers: RandomState,
    /// A folder whose names cannot be read may have anything.
    is_readable: bool,
    began: Instant,
    took: Duration,
}

impl Listing {
    /// Reads the names below the root. Blocks.
    pub(crate) fn read(root: io::Result<Folder>) -> Self {
        let began = Instant::now();
        let mut listing = Self {
            names: HashSet::new(),
            numbers: RandomState::new(),
            is_readable: true,
            began,
            took: Duration::ZERO,
        };
        let folders = ["bootstrap", "manifests", "tables", "versions"];
        let read = match root {
            Ok(root) => folders
                .iter()
                .try_for_each(|folder| listing.add(&root, folder)),
            Err(error) if is_absence(&error) => Ok(()),
            Err(error) => Err(error),
        };
        listing.is_readable = read.is_ok();
        listing.took = began.elapsed();
        listing
    }

    /// Adds the names of a folder and of those in it.
    fn add(&mut self, root: &Folder, path: &str) -> io::Result<()> {
        let entries = match root.entries(path) {
            Ok(entries) => entries,
            // Nothing of this kind was published yet, it is a file's name, or a link's.
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            // A key is ASCII; no other name is one.
            let Some(name) = entry.name.to_str().map(|name| format!("{path}/{name}")) else {
                continue;
            };
            if path == "tables" {
                if entry.kind == Kind::Folder {
                    self.add(root, &name)?;
                }
            } else {
                self.names.insert(self.numbers.hash_one(&name));
            }
        }
        Ok(())
    }

    /// Whether what was not there may be there by now.
    pub(crate) fn is_stale(&self) -> bool {
        self.began.elapsed() > FRESH_FOR.max(self.took * SHARE_OF_TIME)
    }

    pub(crate) fn began_after(&self, moment: Instant) -> bool {
        self.began > moment
    }

    pub(crate) fn may_have(&self, key: &Key) -> bool {
        !self.is_readable || self.names.contains(&self.numbers.hash_one(key.path()))
    }
}

fn is_absence(error: &io::Error) -> bool {
    let is_refused = refused(error).is_some();
    is_refused
        || matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
}

#[cfg(test)]
mod tests {
    use snapshot_format::{Encoding, ObjectHash};

    use super::*;

    #[test]
    fn names_are_found_where_keys_lie() {
        let folder = tempfile::tempdir().expect("a folder");
        let table = |encoding| {
            let hash = ObjectHash::of(b"a");
            Key::Table("grips".parse().expect("a key"), hash, encoding)
        };
        let keys = [
            table(None),
            table(Some(Encoding::Gzip)),
            Key::Bootstrap(ObjectHash::of(b"b"), None),
            Key::Manifest(ObjectHash::of(b"c")),
            Key::History {
                epoch: 1,
                sequence: 2,
            },
        ];
        let empty = Listing::read(Folder::open(folder.path()));
        assert!(keys.iter().all(|key| !empty.may_have(key)));
        for key in &keys {
            let path = folder.path().join(key.path());
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        std::fs::write(folder.path().join("tables/README"), "").expect("a file");
        let full = Listing::read(Folder::open(folder.path()));
        assert!(keys.iter().all(|key| full.may_have(key)));
        assert!(!full.may_have(&table(Some(Encoding::Zstd))));
        assert!(!full.may_have(&Key::Manifest(ObjectHash::of(b"d"))));
    }
}
