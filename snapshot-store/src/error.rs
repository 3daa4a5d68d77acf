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
    /// What it is.
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
