//! Brings what lies in a store to the store's mode: what was put there under another
//! setting, or by a publisher that knew none.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Folder, Kind, Metadata};

use super::disk::Disk;
use super::list::{Found, survey};
use crate::store::StoreError;

/// What became of the modes in a store.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Settled {
    /// How many files have another mode now.
    pub files: usize,
    /// How many folders have another mode now.
    pub folders: usize,
    /// What belongs to another user and keeps a mode that somebody misses: the path, and
    /// that mode.
    pub kept: Vec<(PathBuf, u32)>,
    /// The same for files that have other names too (hard links), under which they may be
    /// somebody's.
    pub linked: Vec<(PathBuf, u32)>,
    /// The mode of the store's own folder, where it keeps out who may read what is in it.
    /// Whoever made it decides on it.
    pub root: Option<u32>,
}

/// Looks at the folders and at the pointer, which every publication writes anew; where one
/// of them has another mode than the disk's, at every file.
///
/// The pointer is the last to change: as long as it has another mode, this is not over.
pub(super) fn settle(disk: &Disk, store: &Folder) -> Result<Settled, StoreError> {
    let found = survey(store)?.map_err(|found| StoreError::Refused { found })?;
    let mut settled = Settled {
        root: root(disk, store)?,
        ..Settled::default()
    };
    let is_sign = |found: &&Found| found.kind == Kind::Folder || is_pointer(&found.below);
    for sign in found.iter().filter(is_sign) {
        if differs(disk, store, sign)?.is_some() {
            for found in &found {
                settle_one(disk, store, found, &mut settled)?;
            }
            break;
        }
    }
    Ok(settled)
}

fn settle_one(
    disk: &Disk,
    store: &Folder,
    found: &Found,
    settled: &mut Settled,
) -> Result<(), StoreError> {
    let Some(Differs { there, wanted }) = differs(disk, store, found)? else {
        return Ok(());
    };
    let mode = there.mode;
    let is_too_closed = mode & wanted != wanted;
    if there.kind == Kind::File && there.names > 1 {
        if is_too_closed {
            settled.linked.push((store.path_of(&found.below), mode));
        }
        return Ok(());
    }
    match disk.set_mode(store, &found.below, wanted) {
        Ok(()) if found.kind == Kind::Folder => settled.folders += 1,
        Ok(()) => settled.files += 1,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            if is_too_closed {
                settled.kept.push((store.path_of(&found.below), mode));
            }
        }
        Err(error) => return Err(failed(store, &found.below, error)),
    }
    Ok(())
}

// What has one mode and should have another.
struct Differs {
    there: Metadata,
    wanted: u32,
}

fn differs(disk: &Disk, store: &Folder, found: &Found) -> Result<Option<Differs>, StoreError> {
    let there = match store.metadata(&found.below) {
        Ok(there) => there,
        // A prune may be at work.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(store, &found.below, error)),
    };
    let wanted = disk.mode().of(there.kind);
    let wanted = wanted.filter(|wanted| *wanted != there.mode);
    Ok(wanted.map(|wanted| Differs { there, wanted }))
}

fn root(disk: &Disk, store: &Folder) -> Result<Option<u32>, StoreError> {
    let below = Path::new("");
    let found = store.metadata(below);
    let mode = found.map_err(|error| failed(store, below, error))?.mode;
    let wanted = disk.mode().folder();
    Ok(Some(mode).filter(|mode| mode & wanted != wanted))
}

fn is_pointer(below: &Path) -> bool {
    below == Path::new("version.json")
}

fn failed(store: &Folder, below: &Path, error: io::Error) -> StoreError {
    StoreError::failed("set the mode of", store.path_of(below).display())(error)
}
