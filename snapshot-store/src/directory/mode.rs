//! Who may read a store: its files' and folders' modes, whatever the umask is.
//!
//! ```text
//! 0644 (files)   0755 (folders)   everybody reads, a web server as another user too
//! 0640           0750             the group reads
//! 0664           0775             the group publishes too
//! ```

use std::fmt;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::str::FromStr;

use crate::{Folder, Kind};
use serde::{Deserialize, Deserializer, de};

/// The mode of a store's files. Its folders have the same, and may be entered by whoever
/// may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreMode(u32);

impl Default for StoreMode {
    /// Everybody reads: what is published is public.
    fn default() -> Self {
        Self(0o644)
    }
}

/// Why a text is no mode.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no mode of a store; write 0644, 0640, 0600, 0664 or 0660: the owner reads and writes, others read or do nothing, and the group may write where it reads"
)]
pub struct ModeError(String);

impl FromStr for StoreMode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| b.is_ascii_digit());
        let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
        mode.filter(|mode| {
            let (owner, group, others) = (mode >> 6, mode >> 3 & 7, mode & 7);
            owner == 6 && matches!(group, 0 | 4 | 6) && matches!(others, 0 | 4)
        })
        .map(Self)
        .ok_or_else(|| ModeError(text.to_owned()))
    }
}

impl fmt::Display for StoreMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

// A string: `store_mode = 640` would be another number.
impl<'de> Deserialize<'de> for StoreMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl StoreMode {
    /// The mode of the files that readers read, such as `0o644`.
    pub fn file(self) -> u32 {
        self.0
    }

    /// Of what they pass through.
    pub fn folder(self) -> u32 {
        self.0 | (self.0 & 0o444) >> 2
    }

    /// Of what only publishers read: the lock.
    pub(super) fn private_file(self) -> u32 {
        if self.group_publishes() { 0o660 } else { 0o600 }
    }

    /// Of what only publishers pass through: the staging folder.
    pub(super) fn private_folder(self) -> u32 {
        if self.group_publishes() { 0o770 } else { 0o700 }
    }

    /// What something of the store should have; `None` for what has no mode of its own.
    pub fn of(self, kind: Kind) -> Option<u32> {
        match kind {
            Kind::File => Some(self.file()),
            Kind::Folder => Some(self.folder()),
            Kind::Link | Kind::Fifo | Kind::Socket | Kind::Device => None,
        }
    }

    fn group_publishes(self) -> bool {
        self.0 & 0o020 != 0
    }

    pub(super) fn give_file(self, file: &File) -> io::Result<()> {
        let set = file.set_permissions(Permissions::from_mode(self.file()));
        let is_enough = || {
            Ok(lacks_nothing(
                file.metadata()?.permissions().mode(),
                self.file(),
            ))
        };
        unless(set, is_enough)
    }

    pub(super) fn give_folder(self, store: &Folder, below: &Path) -> io::Result<()> {
        self.give(store, below, self.folder())
    }

    pub(super) fn give(self, store: &Folder, below: &Path, mode: u32) -> io::Result<()> {
        let set = store.set_mode(below, mode);
        unless(set, || Ok(lacks_nothing(store.metadata(below)?.mode, mode)))
    }
}

fn lacks_nothing(found: u32, wanted: u32) -> bool {
    found & wanted == wanted
}

// A file system that knows no modes (FAT, a share) refuses, and gives everybody everything.
fn unless(set: io::Result<()>, is_enough: impl FnOnce() -> io::Result<bool>) -> io::Result<()> {
    match set {
        Err(error) if !is_enough()? => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(u32, u32)>) {
        let mode = text.parse::<StoreMode>().ok();
        assert_eq!(mode.map(|mode| (mode.file(), mode.folder())), expected);
    }

    #[test]
    fn who_may_read_a_file_may_enter_its_folder() {
        check("0644", Some((0o644, 0o755)));
        check("640", Some((0o640, 0o750)));
        check("0600", Some((0o600, 0o700)));
        check("0664", Some((0o664, 0o775)));
        check("0660", Some((0o660, 0o770)));
        assert_eq!(StoreMode::default().to_string(), "0644");
    }

    #[test]
    fn a_mode_that_opens_the_store_to_writers_or_closes_it_to_us_is_refused() {
        for text in [
            "",
            "644 ",
            "0o644",
            "+644",
            "0666",
            "0646",
            "0755",
            "0444",
            "0044",
            "0624",
            "4644",
            "00644",
            "648",
            "rw-r--r--",
        ] {
            check(text, None);
        }
    }
}
