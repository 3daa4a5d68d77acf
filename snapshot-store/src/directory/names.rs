//! Which names in a store are durable: a file's once its folder was synced, and a
//! folder's once the folder above it was.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Folder, Kind};

use super::disk::Disk;
use crate::store::StoreError;

/// What is known of the folders' durability. Their paths are below the store's root,
/// which is the empty one.
#[derive(Debug, Default)]
pub(super) struct Names {
    unsynced: BTreeSet<PathBuf>,
    settled: BTreeSet<PathBuf>,
    // Those above the root in which a folder was made.
    outside: BTreeSet<PathBuf>,
}

/// A folder that is to be synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unsynced {
    Outside(PathBuf),
    Below(PathBuf),
}

impl Names {
    /// Marks what was put or found at `file`, below the root.
    pub(super) fn touch(&mut self, file: &Path) {
        for folder in file.ancestors().skip(1) {
            self.unsynced.insert(folder.to_owned());
            if self.settled.contains(folder) {
                break;
            }
        }
    }

    /// The folders that are to be synced.
    pub(super) fn unsynced(&self) -> Vec<Unsynced> {
        let outside = self.outside.iter().cloned().map(Unsynced::Outside);
        let below = self.unsynced.iter().cloned().map(Unsynced::Below);
        outside.chain(below).collect()
    }

    /// Each of `folders` was synced with all above it that are not settled.
    pub(super) fn settle(&mut self, folders: Vec<Unsynced>) {
        for folder in folders {
            match folder {
                Unsynced::Outside(folder) => {
                    self.outside.remove(&folder);
                }
                Unsynced::Below(folder) => {
                    self.unsynced.remove(&folder);
                    self.settled.insert(folder);
                }
            }
        }
    }
}

/// Makes the store's own folder and what is missing above it. Links there are followed.
pub(super) fn ensure_root(disk: &Disk, root: &Path, names: &mut Names) -> Result<(), StoreError> {
    if root.as_os_str().is_empty() || root.is_dir() {
        return Ok(());
    }
    let parent = root.parent().unwrap_or(Path::new("/"));
    ensure_root(disk, parent, names)?;
    match disk.create_root(root) {
        Ok(()) => {}
        // Somebody else's, made in between.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && root.is_dir() => {}
        Err(error) => return Err(not_made(root, error)),
    }
    // The parent of `snapshots` is the empty path.
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    names.outside.insert(parent.to_owned());
    Ok(())
}

/// Makes a folder below the store's root and what is missing above it, each by `create`.
pub(super) fn ensure_folder(
    store: &Folder,
    below: &Path,
    names: &mut Names,
    create: impl Fn(&Folder, &Path) -> io::Result<()> + Copy,
) -> Result<(), StoreError> {
    let is_there = || -> io::Result<bool> {
        match store.metadata(below) {
            Ok(found) => match store.refusal(below, found.kind) {
                Some(refused) => Err(refused.into()),
                None => Ok(found.kind == Kind::Folder),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    };
    let failed = |error| not_made(&store.path_of(below), error);
    if below.as_os_str().is_empty() || is_there().map_err(failed)? {
        return Ok(());
    }
    let parent = below.parent().unwrap_or(Path::new(""));
    ensure_folder(store, parent, names, create)?;
    match create(store, below) {
        Ok(()) => {}
        // Somebody else's, made in between.
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists && is_there().map_err(failed)? => {}
        Err(error) => return Err(failed(error)),
    }
    names.unsynced.insert(parent.to_owned());
    Ok(())
}

fn not_made(folder: &Path, error: io::Error) -> StoreError {
    StoreError::failed("make the folder", folder.display())(error)
}
