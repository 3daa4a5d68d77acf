//! A snapshot in a folder.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Folder, Kind, Metadata, Refused};
use snapshot_format::Key;

use super::list::{self, Found, survey};
use crate::reader::{FetchError, Fetched, Order, Reader};
use crate::store::StoreError;

/// A folder that holds a snapshot, read as it is. It may be reached through links; nothing
/// below it is read through one.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Reads from the folder `root`, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder, as it was named.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of the file under a key: the folder as it was named, and the key's path below.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.path())
    }

    /// Every file and folder that readers may meet, or what stands there that is neither.
    ///
    /// # Errors
    /// Where a folder cannot be listed.
    pub fn survey(&self) -> Result<Result<Vec<Found>, Vec<Refused>>, FetchError> {
        let folder = self.folder().map_err(|source| self.failed("", source))?;
        survey(&folder).map_err(|error| self.of_store(error))
    }

    /// What stands under a path below; `None` where nothing does.
    ///
    /// # Errors
    /// Where that cannot be told.
    pub fn metadata(&self, below: impl AsRef<Path>) -> Result<Option<Metadata>, FetchError> {
        let below = below.as_ref();
        match self.folder().and_then(|folder| folder.metadata(below)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.failed(below, error)),
        }
    }

    /// The path of every file below the folder, with `/` between its parts, but nothing
    /// whose name begins with a dot, which is a publisher's own. In order of path.
    ///
    /// # Errors
    /// Where a folder cannot be listed.
    pub fn files(&self) -> Result<Vec<String>, FetchError> {
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let failed = |source| self.failed(&folder, source);
            let root = self.folder().map_err(failed)?;
            for entry in root.entries(&folder).map_err(failed)? {
                let name = entry.name.to_string_lossy();
                if name.starts_with('.') {
                    continue;
                }
                let below = if folder.is_empty() {
                    name.into_owned()
                } else {
                    format!("{folder}/{name}")
                };
                if entry.kind == Kind::Folder {
                    folders.push(below);
                } else {
                    files.push(below);
                }
            }
        }
        files.sort();
        Ok(files)
    }

    // Anew each time: a deployment may let the root lead elsewhere.
    fn folder(&self) -> io::Result<Folder> {
        Folder::open(&self.root)
    }

    fn failed(&self, below: impl AsRef<Path>, source: io::Error) -> FetchError {
        let below = below.as_ref();
        let path = if below.as_os_str().is_empty() {
            self.root.clone()
        } else {
            self.root.join(below)
        };
        FetchError::Failed {
            action: "fetch",
            location: path.display().to_string(),
            source,
        }
    }

    fn of_store(&self, error: StoreError) -> FetchError {
        match error {
            StoreError::Failed {
                location, source, ..
            } => FetchError::Failed {
                action: "fetch",
                location,
                source,
            },
            other => self.failed("", io::Error::other(other)),
        }
    }
}

impl Reader for Directory {
    fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        let opened = self.folder().and_then(|folder| {
            let file = folder.open_file(key.path())?;
            let size_bytes = file.metadata()?.len();
            Ok((file, size_bytes))
        });
        match opened {
            Ok((file, size_bytes)) => Ok(Some(Fetched::new(Some(size_bytes), file))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(self.failed(key.path(), source)),
        }
    }

    fn orders(&self) -> Result<Option<Vec<Order>>, FetchError> {
        match self.folder() {
            Ok(folder) => list::orders(&folder, "fetch").map(Some),
            Err(error) if is_absent(&error) => Ok(Some(Vec::new())),
            Err(error) => Err(self.failed("", error)),
        }
    }

    fn check(&self) -> Result<(), FetchError> {
        let opened = self.folder().and_then(|folder| folder.entries(""));
        opened.map(drop).map_err(|source| self.failed("", source))
    }

    fn location(&self, key: &Key) -> String {
        self.path(key).display().to_string()
    }
}

// Also where a file stands in place of a folder above it.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
