//! Data that lies out of the project, because the server's user cannot reach the project.
//!
//! ```text
//! .tablecast/postgres.place                 one line: /var/lib/tablecast/0123456789abcdef
//! /var/lib/tablecast/0123456789abcdef/project   one line: the project's .tablecast folder
//! /var/lib/tablecast/0123456789abcdef/postgres  the data folder
//! ```
//!
//! Each names the other. A project that was moved takes its data along; a copy of a project,
//! beside which the original still names the folder, begins with data of its own; and a folder
//! whose project names it no more is nobody's, which `publisher database where --all` tells.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::error::EmbeddedError;
use crate::files::{open_own, put, random_hex};

/// Where root keeps the data of projects that lie out of the server's reach.
pub(crate) const SHARED_HOME: &str = "/var/lib/tablecast";

/// What became of the data that a project names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The project has no data elsewhere.
    None,
    /// It has, in this folder; the project may have been moved.
    Own(PathBuf),
    /// It names the folder of another project, of which it is a copy.
    CopyOf(PathBuf),
    /// It names a folder that is gone.
    Gone(PathBuf),
}

/// Looks for the folder that the project names.
pub(crate) fn find(root: &Path) -> Result<Found, EmbeddedError> {
    let Some(folder) = named(root)? else {
        return Ok(Found::None);
    };
    Ok(found_at(root, folder))
}

/// What the folder says of a project that names it.
pub(crate) fn found_at(root: &Path, folder: PathBuf) -> Found {
    if !is_shared(&folder) {
        return Found::Gone(folder);
    }
    match project_of(&folder) {
        Some(other) if other != root && names(&other, &folder) => Found::CopyOf(other),
        // The project was moved, or an earlier publisher made the folder.
        _ => Found::Own(folder),
    }
}

/// A new folder for a project's data.
pub(crate) fn make(root: &Path) -> Result<PathBuf, EmbeddedError> {
    open_to_all(Path::new(SHARED_HOME))?;
    let folder = Path::new(SHARED_HOME).join(random_hex(8)?);
    open_to_all(&folder)?;
    tie(root, &folder)?;
    Ok(folder)
}

/// Lets project and folder name each other.
pub(crate) fn tie(root: &Path, folder: &Path) -> Result<(), EmbeddedError> {
    let (back, place) = (folder.join("project"), place_file(root));
    if project_of(folder).as_deref() != Some(root) {
        put(&back, &line(root), 0o600)?;
    }
    if named(root)?.as_deref() != Some(folder) {
        put(&place, &line(folder), 0o600)?;
    }
    Ok(())
}

/// Where an earlier publisher kept the data, of which it left a link in the project.
pub(crate) fn of_old_link(place: &Path) -> Option<PathBuf> {
    let link = fs::read_link(place).ok()?;
    let folder = link.parent()?;
    (link.file_name()? == "postgres" && is_shared_name(folder)).then(|| folder.to_owned())
}

/// The folders of all projects, each with the project that names it.
pub(crate) fn all() -> Vec<(PathBuf, Option<PathBuf>)> {
    let entries = fs::read_dir(SHARED_HOME).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut all: Vec<_> = folders
        .filter(|folder| is_shared(folder))
        .map(|folder| {
            let project = project_of(&folder).filter(|project| names(project, &folder));
            (folder, project)
        })
        .collect();
    all.sort();
    all
}

/// Removes a folder, if it is one of ours.
pub(crate) fn remove_folder(folder: &Path) -> Result<(), EmbeddedError> {
    if !is_shared(folder) {
        return Err(EmbeddedError::NotMade(folder.to_owned()));
    }
    fs::remove_dir_all(folder).map_err(EmbeddedError::path(folder))
}

/// Forgets where the project's data was.
pub(crate) fn forget(root: &Path) -> Result<(), EmbeddedError> {
    let place = place_file(root);
    match fs::remove_file(&place) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(EmbeddedError::path(&place)(error))
        }
        _ => Ok(()),
    }
}

fn line(path: &Path) -> Vec<u8> {
    [path.as_os_str().as_bytes(), b"\n"].concat()
}

fn place_file(root: &Path) -> PathBuf {
    root.join("postgres.place")
}

// A project may be somebody else's: it can name no folder but one of ours.
fn named(root: &Path) -> Result<Option<PathBuf>, EmbeddedError> {
    let path = place_file(root);
    match read(&path) {
        Ok(folder) if is_shared_name(&folder) => Ok(Some(folder)),
        Ok(_) => Ok(None),
        Err(EmbeddedError::Path { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn names(project: &Path, folder: &Path) -> bool {
    named(project).is_ok_and(|named| named.as_deref() == Some(folder))
}

fn project_of(folder: &Path) -> Option<PathBuf> {
    read(&folder.join("project")).ok()
}

/// Whether a folder is there that can only be one of ours.
pub(crate) fn is_shared(folder: &Path) -> bool {
    is_shared_name(folder)
        && fs::symlink_metadata(folder)
            .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw())
}

fn is_shared_name(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().as_bytes();
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    folder.parent() == Some(Path::new(SHARED_HOME)) && name.len() == 16 && name.iter().all(hex)
}

fn read(path: &Path) -> Result<PathBuf, EmbeddedError> {
    let mut bytes = Vec::new();
    let file = open_own(path, File::options().read(true))?;
    let read = file.take(8192).read_to_end(&mut bytes);
    read.map_err(EmbeddedError::path(path))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

fn open_to_all(folder: &Path) -> Result<(), EmbeddedError> {
    // Said outright, because root's umask may close what it makes.
    let passable = || fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
    fs::create_dir_all(folder)
        .and_then(|()| passable())
        .map_err(EmbeddedError::path(folder))
}
