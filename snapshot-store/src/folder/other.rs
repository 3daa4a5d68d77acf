//! By paths, where the system has no handles of folders to open files from.
//!
//! Each name on the way is looked at before what is below it is touched. A program that
//! swaps a folder for a link between the look and the touch is not noticed: whoever needs
//! more keeps others from writing there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Folder, Links, names};
use crate::{Entry, Kind, Metadata, Refused};

#[derive(Debug, Clone)]
pub(super) struct Handle;

/// Opens a file for reading, wherever it is; a link to it is followed.
///
/// # Errors
/// Where it is no file, is not there or cannot be opened.
pub fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

impl Handle {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::read_dir(path).map(|_| Self)
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        path.is_dir()
    }
}

impl Folder {
    pub(super) fn enter(&self, below: &Path) -> io::Result<Handle> {
        Handle::open(&self.checked(below)?)
    }

    pub(super) fn open_read(&self, below: &Path) -> io::Result<File> {
        open_file(&self.checked(below)?)
    }

    pub(super) fn create_new(&self, below: &Path, _mode: u32) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        options.open(self.checked(below)?)
    }

    pub(super) fn open_or_create(&self, below: &Path, _mode: u32) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.checked(below)?)
    }

    pub(super) fn make_folder(&self, below: &Path, _mode: u32) -> io::Result<()> {
        fs::create_dir(self.checked(below)?)
    }

    pub(super) fn change_mode(&self, below: &Path, _mode: u32) -> io::Result<()> {
        self.checked(below).map(drop)
    }

    pub(super) fn stat(&self, below: &Path) -> io::Result<Metadata> {
        let parent = below.parent().unwrap_or(Path::new(""));
        self.checked(parent)?;
        let metadata = match self.links {
            Links::Refused => fs::symlink_metadata(self.path_of(below))?,
            Links::Followed => fs::metadata(self.path_of(below))?,
        };
        Ok(Metadata {
            kind: kind(metadata.file_type()),
            size_bytes: metadata.len(),
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            mode: 0,
            names: 1,
            identity: (0, 0),
        })
    }

    pub(super) fn list(&self, below: &Path) -> io::Result<Vec<Entry>> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok(Entry {
                name: entry.file_name(),
                kind: kind(entry.file_type()?),
            })
        };
        fs::read_dir(self.checked(below)?)?.map(entry).collect()
    }

    pub(super) fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.checked(from)?, self.path_of(to))
    }

    pub(super) fn rename_to_free(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.checked(from)?, self.checked(to)?);
        fs::hard_link(&from, to)?;
        fs::remove_file(from)
    }

    pub(super) fn unlink(&self, below: &Path) -> io::Result<()> {
        self.stat(below)?;
        fs::remove_file(self.path_of(below))
    }

    pub(super) fn remove_folder(&self, below: &Path) -> io::Result<()> {
        fs::remove_dir(self.checked(below)?)
    }

    // Windows cannot open a folder, and does not need it.
    pub(super) fn sync_folder(&self, below: &Path) -> io::Result<()> {
        self.checked(below).map(drop)
    }

    pub(super) fn read_link(&self, below: &Path) -> io::Result<PathBuf> {
        fs::read_link(self.path_of(below))
    }

    fn checked(&self, below: &Path) -> io::Result<PathBuf> {
        let mut path = self.path.clone();
        for name in names(below)? {
            path.push(name);
            let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
            if is_link && self.links == Links::Refused {
                return Err(Refused {
                    target: fs::read_link(&path).ok(),
                    path,
                    kind: Kind::Link,
                }
                .into());
            }
        }
        Ok(path)
    }
}

fn kind(file_type: fs::FileType) -> Kind {
    if file_type.is_symlink() {
        Kind::Link
    } else if file_type.is_dir() {
        Kind::Folder
    } else {
        Kind::File
    }
}
