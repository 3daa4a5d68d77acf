//! A folder as a handle, and what can be done below it.
//!
//! Paths are relative to the folder and have plain names only: no `..`, no root. Every
//! folder on the way is opened from the one above it, and none through a link, so there is
//! no moment between a check and what it was for.

#[cfg(unix)]
#[path = "folder/unix.rs"]
mod system;
#[cfg(not(unix))]
#[path = "folder/other.rs"]
mod system;
#[cfg(all(test, unix))]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::entry::{Entry, Kind, Metadata};
use crate::error::Refused;

pub use system::open_file;

/// A folder, open. Clones share the handle.
#[derive(Debug, Clone)]
pub struct Folder {
    handle: system::Handle,
    path: PathBuf,
    links: Links,
}

// What becomes of links below the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Refused,
    Followed,
}

impl Folder {
    /// Opens the folder `path`. It may be a link itself; nothing below it is followed.
    ///
    /// # Errors
    /// Where it is not there, or no folder.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::with(path.into(), Links::Refused)
    }

    /// Opens a folder below which links are followed, wherever they lead: a volume that is
    /// made of links, as Kubernetes mounts them. For reading.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open_following_links(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::with(path.into(), Links::Followed)
    }

    fn with(path: PathBuf, links: Links) -> io::Result<Self> {
        Ok(Self {
            handle: system::Handle::open(&path)?,
            path,
            links,
        })
    }

    /// The path by which the folder was opened, for messages; it may lead elsewhere by now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole path of something below it, for messages.
    pub fn path_of(&self, below: impl AsRef<Path>) -> PathBuf {
        let below = below.as_ref();
        if below.as_os_str().is_empty() {
            return self.path.clone();
        }
        self.path.join(below)
    }

    /// Whether the folder's path still leads to this folder.
    pub fn is_in_place(&self) -> bool {
        self.handle.is_at(&self.path)
    }

    /// Opens a folder below.
    ///
    /// # Errors
    /// Where it is not there, or none, or a link.
    pub fn folder(&self, below: impl AsRef<Path>) -> io::Result<Self> {
        let below = below.as_ref();
        Ok(Self {
            handle: self.enter(below)?,
            path: self.path_of(below),
            links: self.links,
        })
    }

    /// Opens a file for reading. It never waits, whatever stands there.
    ///
    /// # Errors
    /// [`Refused`] where it is no regular file; where it is not there or cannot be opened.
    pub fn open_file(&self, below: impl AsRef<Path>) -> io::Result<File> {
        self.open_read(below.as_ref())
    }

    /// Reads a file whole.
    ///
    /// # Errors
    /// As [`Folder::open_file`], and what reading gives.
    pub fn read(&self, below: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        all_of(self.open_file(below)?)
    }

    /// Makes a file for reading and writing, under a name that is free; `mode` less the
    /// umask says who may open it.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where anything has the name, also a link.
    pub fn create_file(&self, below: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        self.create_new(below.as_ref(), mode)
    }

    /// Opens a file to lock it, for reading and writing; makes it where it is not there.
    /// Nothing is written to it.
    ///
    /// # Errors
    /// As [`Folder::open_file`].
    pub fn open_lock(&self, below: impl AsRef<Path>, mode: u32) -> io::Result<File> {
        self.open_or_create(below.as_ref(), mode)
    }

    /// Makes a folder; the one above it is there. `mode` less the umask says who may enter.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where anything has the name, also a link.
    pub fn create_folder(&self, below: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        self.make_folder(below.as_ref(), mode)
    }

    /// Says who may read and write a file or enter a folder, whatever the umask is. Bits
    /// beyond the nine (a folder's group for what is made in it) stay.
    ///
    /// # Errors
    /// Where it is a link, a special file, or a file that has other names too; where the
    /// system does not allow it.
    pub fn set_mode(&self, below: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        self.change_mode(below.as_ref(), mode)
    }

    /// What stands under a name: of a link, the link.
    ///
    /// # Errors
    /// Where nothing does, or a folder on the way is a link.
    pub fn metadata(&self, below: impl AsRef<Path>) -> io::Result<Metadata> {
        self.stat(below.as_ref())
    }

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// Where it is no folder, or a link.
    pub fn entries(&self, below: impl AsRef<Path>) -> io::Result<Vec<Entry>> {
        self.list(below.as_ref())
    }

    /// Gives a file another name, and takes that name from what had it.
    ///
    /// # Errors
    /// Where the file is not there; where a folder has the name.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        self.rename_over(from.as_ref(), to.as_ref())
    }

    /// Gives a file another name, which must be free.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where anything has the name, also a link.
    pub fn rename_new(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        self.rename_to_free(from.as_ref(), to.as_ref())
    }

    /// Removes a name that is not a folder's; of a link, the link.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn remove_file(&self, below: impl AsRef<Path>) -> io::Result<()> {
        self.unlink(below.as_ref())
    }

    /// Removes a name, and where it is a folder's all that is in it; of links, the links.
    ///
    /// # Errors
    /// Where it is not there, or something cannot be removed.
    pub fn remove_all(&self, below: impl AsRef<Path>) -> io::Result<()> {
        let below = below.as_ref();
        if self.metadata(below)?.kind != Kind::Folder {
            return self.unlink(below);
        }
        for entry in self.entries(below)? {
            self.remove_all(below.join(entry.name))?;
        }
        self.remove_folder(below)
    }

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the file system gives.
    pub fn sync(&self, below: impl AsRef<Path>) -> io::Result<()> {
        self.sync_folder(below.as_ref())
    }

    /// The refusal of what stands under a name and is neither a file nor a folder: a link,
    /// which is not followed, or a special file. `None` where there is nothing to refuse.
    pub fn refusal(&self, below: impl AsRef<Path>, kind: Kind) -> Option<Refused> {
        let below = below.as_ref();
        if matches!(kind, Kind::File | Kind::Folder) {
            return None;
        }
        Some(Refused {
            path: self.path_of(below),
            kind,
            target: (kind == Kind::Link)
                .then(|| self.read_link(below).ok())
                .flatten(),
        })
    }
}

/// Reads a file whole, wherever it is; a link to it is followed.
///
/// # Errors
/// As [`open_file`], and what reading gives.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    all_of(open_file(path)?)
}

/// The same for text.
///
/// # Errors
/// As [`read`], and where it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_file(path)?.read_to_string(&mut text)?;
    Ok(text)
}

fn all_of(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

// The names of a path, which lead nowhere but down.
fn names(below: &Path) -> io::Result<Vec<&std::ffi::OsStr>> {
    let name = |component| match component {
        Component::Normal(name) => Ok(name),
        _ => {
            let message = format!("{} leads out of its folder", below.display());
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
    };
    below.components().map(name).collect()
}
