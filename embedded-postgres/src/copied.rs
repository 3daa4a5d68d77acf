//! Data that came along with a copy of a project.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use snapshot_store::Folder;

/// Data that root copied: no server of ours may use it, and the original may have been
/// running meanwhile, so it may be torn.
#[derive(Debug)]
pub(crate) struct Copied {
    pub(crate) data: PathBuf,
    pub(crate) aside: PathBuf,
}

/// The data of which this is a copy: a server wrote into it where it ran, and there still is
/// data of which the same is true.
pub(crate) fn original_of(data: &Path) -> Option<PathBuf> {
    let other = ran_in(data)?;
    let is_original = other != data
        && other.join("PG_VERSION").is_file()
        && ran_in(&other).as_deref() == Some(&other)
        && identity(&other)? != identity(data)?;
    is_original.then_some(other)
}

fn identity(data: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(data).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

// postgres "-D" "/home/ada/.tablecast/postgres" "-k" ...
fn ran_in(data: &Path) -> Option<PathBuf> {
    let options = Folder::open(data).ok()?.read("postmaster.opts").ok()?;
    let options = String::from_utf8(options).ok()?;
    let (_, from) = options.split_once("\"-D\" \"")?;
    let (path, _) = from.split_once("\" \"-k\" ")?;
    Some(path.into())
}
