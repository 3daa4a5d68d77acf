//! Which names in a folder are durable: a file's once its folder was synced, and a
//! folder's once the folder above it was.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, StoreError};

/// What is known of the folders' durability.
#[derive(Debug, Default)]
pub(super) struct Names {
    unsynced: BTreeSet<PathBuf>,
    settled: BTreeSet<PathBuf>,
}

impl Names {
    /// Marks what was put or found at `file`, below `root`.
    pub(super) fn touch(&mut self, root: &Path, file: &Path) {
        let folders = file.ancestors().skip(1);
        for folder in folders.take_while(|folder| folder.starts_with(root)) {
            self.unsynced.insert(folder.to_owned());
            if self.settled.contains(folder) {
                break;
            }
        }
    }

    /// The folders that are to be synced.
    pub(super) fn unsynced(&self) -> Vec<PathBuf> {
        self.unsynced.iter().cloned().collect()
    }

    /// Each of `folders` was synced with all above it that are not settled.
    pub(super) fn settle(&mut self, folders: Vec<PathBuf>) {
        for folder in folders {
            self.unsynced.remove(&folder);
            self.settled.insert(folder);
        }
    }
}

/// Makes a folder and what is missing above it.
pub(super) fn ensure_folder(
    disk: &Disk,
    folder: &Path,
    names: &mut Names,
) -> Result<(), StoreError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    ensure_folder(disk, parent, names)?;
    match disk.create_folder(folder) {
        Ok(()) => {}
        // Somebody else's, made in between.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => {
            return Err(StoreError::failed("make the folder", folder.display())(
                error,
            ));
        }
    }
    // The parent of `snapshots` is the empty path.
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    names.unsynced.insert(parent.to_owned());
    Ok(())
}
