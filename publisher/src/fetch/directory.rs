//! A snapshot in a folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use snapshot_format::Key;

use super::{FetchError, Fetched};
use crate::history;
use crate::store::StoreError;

/// A folder that holds a snapshot, read as it is.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The folder `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a key lies.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.path())
    }

    /// Whether there is such a folder.
    ///
    /// # Errors
    /// Where there is none, or it cannot be listed.
    pub fn check(&self) -> Result<(), FetchError> {
        let failed = |source| FetchError::Failed {
            location: self.root.display().to_string(),
            source,
        };
        fs::read_dir(&self.root).map(drop).map_err(failed)
    }

    pub(super) fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        let path = self.path(key);
        let opened = File::open(&path).and_then(|file| {
            let metadata = file.metadata()?;
            match metadata.is_dir() {
                true => Err(io::ErrorKind::IsADirectory.into()),
                false => Ok((file, metadata.len())),
            }
        });
        match opened {
            Ok((file, size_bytes)) => Ok(Some(Fetched::new(Some(size_bytes), file))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(FetchError::Failed {
                location: path.display().to_string(),
                source,
            }),
        }
    }

    /// The publications that have a page, in ascending order.
    pub(super) fn orders(&self) -> Result<Vec<(u64, u64)>, FetchError> {
        history::orders(&self.root.join("versions")).map_err(|error| match error {
            StoreError::Failed {
                location, source, ..
            } => FetchError::Failed { location, source },
            other => FetchError::Failed {
                location: self.root.display().to_string(),
                source: io::Error::other(other),
            },
        })
    }

    /// The path of every file below the folder, with `/` between its parts, and its size
    /// in bytes; but nothing whose name begins with a dot, which is a publisher's own.
    /// In order of path.
    ///
    /// # Errors
    /// Where a folder cannot be listed.
    pub fn files(&self) -> Result<Vec<(String, u64)>, FetchError> {
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(&folder);
            let failed = |source| FetchError::Failed {
                location: path.display().to_string(),
                source,
            };
            for entry in fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.') {
                    continue;
                }
                let below = match folder.is_empty() {
                    true => name,
                    false => format!("{folder}/{name}"),
                };
                match fs::metadata(entry.path()) {
                    Ok(metadata) if metadata.is_dir() => folders.push(below),
                    Ok(metadata) => files.push((below, metadata.len())),
                    // Pruned while we look, or a link that leads nowhere.
                    Err(_) => {}
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

// Also where a file stands in place of a folder above it.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
