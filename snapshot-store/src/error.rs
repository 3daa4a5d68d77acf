//! Why something in a folder is not touched.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::entry::Kind;

/// Something stands where a file or a folder should, and is neither: it was not touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it is: of a path that leads through a link, the link.
    pub path: PathBuf,
    /// What stands there instead of a file or a folder.
    pub kind: Kind,
    /// Where a link leads, as far as that can be read.
    pub target: Option<PathBuf>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match (self.kind, &self.target) {
            (Kind::Link, Some(target)) => write!(
                f,
                "{path} is a symbolic link to {}, and no link is followed there",
                target.display()
            ),
            (Kind::Link, None) => {
                write!(
                    f,
                    "{path} is a symbolic link, and no link is followed there"
                )
            }
            (kind, _) => write!(f, "{path} is {kind}, not a file"),
        }
    }
}

impl Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, refused)
    }
}

/// The refusal in an error, where it is one.
pub fn refused(error: &io::Error) -> Option<&Refused> {
    error.get_ref()?.downcast_ref()
}

/// What to do about a link, for people.
pub(crate) const NO_LINKS: &str = "remove it, or put a copy of what it leads to in its place; of a store only its own folder may be a link";

/// What may help against a fault of the file system.
pub fn hint_for(error: &io::Error) -> Option<&'static str> {
    if refused(error).is_some() {
        return Some(NO_LINKS);
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Some("let the publisher's user write in the store, or publish as the user who owns it")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("it is mounted read-only; choose another folder with --out")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
            "make room and publish again: it goes on where it stopped, and readers still get the last version",
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("a file stands where the store needs a folder; move it away")
        }
        io::ErrorKind::IsADirectory => {
            Some("a folder stands where the store needs a file; move it away")
        }
        io::ErrorKind::Unsupported => {
            Some("this file system has no locks; choose a folder on another one with --out")
        }
        _ => None,
    }
}
