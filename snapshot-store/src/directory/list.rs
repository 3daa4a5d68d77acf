//! What a folder holds that is a store.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Entry, Folder, Kind as FileKind, Refused};
use snapshot_format::Key;

use crate::reader::{FetchError, Order};
use crate::store::{StoreError, Stored, StoredKind};

/// The folders that a store's readers look into.
const FOLDERS: [&str; 4] = ["bootstrap", "manifests", "tables", "versions"];

/// The other names of a store.
const OTHERS: [&str; 3] = ["version.json", ".lock", ".staging"];

/// The publications that have a page in the store's folder, in ascending order; none where
/// it has no such folder.
///
/// # Errors
/// Where it cannot be listed; `action` says to what end it was.
pub(super) fn orders(store: &Folder, action: &'static str) -> Result<Vec<Order>, FetchError> {
    let entries = match store.entries("versions") {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            let location = store.path_of("versions");
            return Err(FetchError::failed(action, location.display())(source));
        }
    };
    let mut orders = Vec::new();
    for entry in entries {
        let path = format!("versions/{}", entry.name.to_string_lossy());
        if let Some(Key::History { epoch, sequence }) = Key::parse(&path) {
            orders.push((epoch, sequence));
        }
    }
    orders.sort_unstable();
    Ok(orders)
}

/// Everything in the store, but for `version.json`, the lock, and the notes that a person
/// keeps beside it: `README.md` and files whose names begin with a dot.
pub(super) fn list(store: &Folder) -> Result<Vec<Stored>, StoreError> {
    let mut listed = Vec::new();
    for Entry { name, kind } in entries(store, Path::new(""))? {
        let name = name.to_string_lossy().into_owned();
        match (name.as_str(), kind) {
            ("versions" | "manifests" | "bootstrap" | ".staging", FileKind::Folder) => {
                list_files(store, &name, &mut listed)?;
            }
            ("tables", FileKind::Folder) => list_tables(store, &mut listed)?,
            ("version.json" | "README.md", _) => {}
            _ if name.starts_with('.') => {}
            _ => add(store, name, &mut listed)?,
        }
    }
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listed)
}

fn list_tables(store: &Folder, listed: &mut Vec<Stored>) -> Result<(), StoreError> {
    for Entry { name, kind } in entries(store, Path::new("tables"))? {
        let path = format!("tables/{}", name.to_string_lossy());
        if kind == FileKind::Folder {
            list_files(store, &path, listed)?;
        } else {
            add(store, path, listed)?;
        }
    }
    Ok(())
}

fn list_files(store: &Folder, folder: &str, listed: &mut Vec<Stored>) -> Result<(), StoreError> {
    for Entry { name, .. } in entries(store, Path::new(folder))? {
        add(
            store,
            format!("{folder}/{}", name.to_string_lossy()),
            listed,
        )?;
    }
    Ok(())
}

fn add(store: &Folder, path: String, listed: &mut Vec<Stored>) -> Result<(), StoreError> {
    let found = match store.metadata(&path) {
        Ok(found) => found,
        // A publisher that ends takes what it was staging away.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(StoreError::failed("read", store.path_of(&path).display())(
                error,
            ));
        }
    };
    let is_folder = found.kind == FileKind::Folder;
    let kind = match Key::parse(&path) {
        _ if path.starts_with(".staging/") => StoredKind::Leftover,
        Some(key) if found.kind == FileKind::File => StoredKind::Key(key),
        _ => StoredKind::Foreign,
    };
    listed.push(Stored {
        kind,
        path: if is_folder { format!("{path}/") } else { path },
        size_bytes: if is_folder { 0 } else { found.size_bytes },
        modified: found.modified,
    });
    Ok(())
}

fn entries(store: &Folder, folder: &Path) -> Result<Vec<Entry>, StoreError> {
    let listed = store.entries(folder);
    listed.map_err(StoreError::failed("list", store.path_of(folder).display()))
}

/// A file or folder of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path below the root.
    pub below: PathBuf,
    /// What stands there: of a link, the link.
    pub kind: FileKind,
}

/// Every file and folder that readers of the store may meet, the folders behind what is in
/// them and `version.json` last; or what stands there that is neither: links and special
/// files, also under the names of the lock and the staging folder.
///
/// # Errors
/// Where a folder cannot be listed.
pub(super) fn survey(store: &Folder) -> Result<Result<Vec<Found>, Vec<Refused>>, StoreError> {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for entry in entries(store, Path::new(""))? {
        let is_ours = |names: &[&str]| names.iter().any(|name| entry.name == OsStr::new(name));
        if is_ours(&FOLDERS) {
            visit(
                store,
                entry.name.into(),
                entry.kind,
                &mut found,
                &mut refused,
            )?;
        } else if is_ours(&OTHERS) {
            refused.extend(store.refusal(&entry.name, entry.kind));
        }
    }
    if !refused.is_empty() {
        refused.sort_by(|a, b| a.path.cmp(&b.path));
        return Ok(Err(refused));
    }
    let pointer = PathBuf::from("version.json");
    if let Ok(there) = store.metadata(&pointer) {
        let kind = there.kind;
        found.push(Found {
            below: pointer,
            kind,
        });
    }
    Ok(Ok(found))
}

fn visit(
    store: &Folder,
    below: PathBuf,
    kind: FileKind,
    found: &mut Vec<Found>,
    refused: &mut Vec<Refused>,
) -> Result<(), StoreError> {
    refused.extend(store.refusal(&below, kind));
    if kind == FileKind::Folder {
        let listed = match entries(store, &below) {
            // A prune may be at work.
            Err(StoreError::Failed { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(());
            }
            listed => listed?,
        };
        for entry in listed {
            // No store is deeper; what else lies there is nobody's concern.
            let is_deep = below.components().count() >= 2;
            if !(is_deep && entry.kind == FileKind::Folder) {
                visit(store, below.join(&entry.name), entry.kind, found, refused)?;
            }
        }
    }
    found.push(Found { below, kind });
    Ok(())
}
