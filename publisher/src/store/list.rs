//! What a folder holds that is a store.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use snapshot_format::Key;

use super::{Kind, StoreError, Stored};

/// Everything in the store `root`, but for `version.json`, the lock, and the notes that a
/// person keeps beside it: `README.md` and files whose names begin with a dot.
pub(super) fn list(root: &Path) -> Result<Vec<Stored>, StoreError> {
    let mut listed = Vec::new();
    for entry in entries(root)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        match (name.as_str(), is_folder(&entry)) {
            ("versions" | "manifests" | "bootstrap", true) => {
                list_files(&entry, &name, &mut listed)?
            }
            ("tables", true) => list_tables(&entry, &mut listed)?,
            (".staging", true) => list_files(&entry, &name, &mut listed)?,
            ("version.json" | "README.md", _) => {}
            _ if name.starts_with('.') => {}
            _ => add(&entry, name, &mut listed)?,
        }
    }
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listed)
}

fn list_tables(tables: &DirEntry, listed: &mut Vec<Stored>) -> Result<(), StoreError> {
    for entry in entries(&tables.path())? {
        let path = format!("tables/{}", entry.file_name().to_string_lossy());
        match is_folder(&entry) {
            true => list_files(&entry, &path, listed)?,
            false => add(&entry, path, listed)?,
        }
    }
    Ok(())
}

fn list_files(folder: &DirEntry, path: &str, listed: &mut Vec<Stored>) -> Result<(), StoreError> {
    for entry in entries(&folder.path())? {
        let name = entry.file_name();
        add(&entry, format!("{path}/{}", name.to_string_lossy()), listed)?;
    }
    Ok(())
}

fn add(entry: &DirEntry, path: String, listed: &mut Vec<Stored>) -> Result<(), StoreError> {
    let failed = |source| StoreError::Failed {
        action: "read",
        location: entry.path().display().to_string(),
        source,
    };
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        // A publisher that ends takes what it was staging away.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let kind = match Key::parse(&path) {
        _ if path.starts_with(".staging/") => Kind::Leftover,
        Some(key) if !metadata.is_dir() => Kind::Key(key),
        _ => Kind::Foreign,
    };
    listed.push(Stored {
        kind,
        path: if metadata.is_dir() {
            format!("{path}/")
        } else {
            path
        },
        size_bytes: if metadata.is_dir() { 0 } else { metadata.len() },
        modified: metadata.modified().map_err(failed)?,
    });
    Ok(())
}

// A folder may stand on another disk, behind a link.
fn is_folder(entry: &DirEntry) -> bool {
    entry.path().is_dir()
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let listed = fs::read_dir(folder).and_then(Iterator::collect);
    listed.map_err(StoreError::failed("list", folder.display()))
}
