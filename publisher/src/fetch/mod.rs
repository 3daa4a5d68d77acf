//! Fetching: a snapshot as a reader meets it, in a folder or behind a URL.
//!
//! An [`Origin`] only reads and takes no lock, so it works beside a publisher and on what
//! another machine serves. It gives the bytes as they come; what they must be is decided
//! by whoever asked.

mod directory;
mod http;
mod object;
mod versions;

use std::fmt;
use std::io::{self, Read};

use snapshot_format::{Key, VersionError};
use snapshot_store::refused;

use crate::store::hint_for;

pub use self::directory::Directory;
pub use self::http::{Answer, Method, Site};
pub use self::object::ObjectReader;
pub use self::versions::{Brought, Versions};

/// Where a snapshot is.
#[derive(Debug)]
pub enum Origin {
    /// In a folder.
    Directory(Directory),
    /// Behind `http://` or `https://`.
    Site(Site),
}

/// The bytes under a key, on their way.
pub struct Fetched {
    /// How many there are, where that is told before.
    pub size_bytes: Option<u64>,
    body: Box<dyn Read + Send>,
}

impl Fetched {
    fn new(size_bytes: Option<u64>, body: impl Read + Send + 'static) -> Self {
        Self {
            size_bytes,
            body: Box::new(body),
        }
    }
}

impl Read for Fetched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("size_bytes", &self.size_bytes)
            .finish()
    }
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The text names neither a folder nor a site.
    #[error("{0:?} is neither a folder nor an http or https URL without query and fragment")]
    Url(String),
    /// The place below refused.
    #[error("failed to fetch {location}")]
    Failed {
        /// The path or URL.
        location: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server has an answer, but not the one.
    #[error("failed to fetch {location}: the server answers {status}")]
    Status {
        /// The URL.
        location: String,
        /// The status code, and where it leads if it is a redirect.
        status: String,
    },
    /// More bytes than the format allows.
    #[error("{location} is longer than the {limit_bytes} bytes that it may have")]
    TooLarge {
        /// The path or URL.
        location: String,
        /// The bound.
        limit_bytes: usize,
    },
    /// The pointer, or a page of history that was named, is not one.
    #[error("{location} is not a version that this program can read")]
    Version {
        /// The path or URL.
        location: String,
        /// Why not.
        #[source]
        source: VersionError,
    },
    /// The certificates by which a server is checked cannot be read.
    #[error("failed to read the certificates by which servers are checked")]
    Certificates(#[source] io::Error),
}

impl FetchError {
    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Url(_) => Some(
                "name a folder such as snapshots, or a URL such as https://cdn.example/reference",
            ),
            Self::Status { status, .. } if status.starts_with('3') => Some(
                "name the URL that it leads to; a reader that follows redirects pays for each file twice",
            ),
            Self::Status { status, .. } if status.starts_with("403") => Some(
                "let the public read it; a bucket that may not be listed also answers 403 for what is not there",
            ),
            Self::Failed { source, .. } if refused(source).is_some() => hint_for(source),
            Self::Failed { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                Some("is the server running, and is the port right?")
            }
            Self::Failed { source, .. } if source.to_string().contains("certificate") => Some(
                "let the server show one that the system trusts, or name a file of trusted ones in SSL_CERT_FILE",
            ),
            Self::Certificates(_) => {
                Some("install the system's certificates, or name a file of them in SSL_CERT_FILE")
            }
            Self::Version { source, .. } => Some(source.hint()),
            _ => None,
        }
    }
}

impl Origin {
    /// The origin that a person names: a folder, or a URL that begins with `http://` or
    /// `https://`. The URL of a `version.json` names what it stands in.
    ///
    /// # Errors
    /// Where the URL is none. A folder need not be there.
    pub fn named(name: &str) -> Result<Self, FetchError> {
        let scheme = name.split_once("://").map(|(scheme, _)| scheme);
        match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "https") => Ok(Self::Site(Site::new(name)?)),
            Some(_) => Err(FetchError::Url(name.to_owned())),
            None if name.is_empty() => Err(FetchError::Url(name.to_owned())),
            None => Ok(Self::Directory(Directory::new(name))),
        }
    }

    /// Opens what lies under `key`; `None` where nothing does.
    ///
    /// # Errors
    /// Where it cannot be told what is there, or cannot be read.
    pub fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        match self {
            Self::Directory(directory) => directory.open(key),
            Self::Site(site) => site.open(key),
        }
    }

    /// All of what lies under `key`.
    ///
    /// # Errors
    /// As [`Origin::open`], and where it is longer than `limit_bytes`.
    pub fn get(&self, key: &Key, limit_bytes: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let Some(fetched) = self.open(key)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        fetched
            .take(limit_bytes as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| FetchError::Failed {
                location: self.location(key),
                source,
            })?;
        if bytes.len() > limit_bytes {
            Err(FetchError::TooLarge {
                location: self.location(key),
                limit_bytes,
            })
        } else {
            Ok(Some(bytes))
        }
    }

    /// The pages of history that can be found, in ascending order of `(epoch, sequence)`,
    /// each as `read` gives it.
    ///
    /// A folder is listed. A site is asked for the pages from the `current` one down to
    /// the first that is not there or does not come.
    ///
    /// # Errors
    /// Where a folder cannot be listed.
    pub fn pages(
        &self,
        current: Option<(u64, u64)>,
        read: &ReadPage<'_>,
    ) -> Result<Vec<Page>, FetchError> {
        let mut pages = Vec::new();
        match self {
            Self::Directory(directory) => {
                for order in directory.orders()? {
                    // One that was pruned since the listing is no page.
                    pages.extend(Page::read(order, read));
                }
            }
            Self::Site(_) => {
                let (epoch, sequence) = current.unwrap_or((0, 0));
                let mut below = (1..=sequence).rev();
                while let Some(page) = below
                    .next()
                    .and_then(|next| Page::read((epoch, next), read))
                {
                    let answers = page.bytes.is_ok();
                    pages.push(page);
                    // A server that is down would be asked for every page there ever was.
                    if !answers {
                        break;
                    }
                }
                pages.reverse();
            }
        }
        Ok(pages)
    }

    /// The place of a key, for messages: a path, a URL.
    pub fn location(&self, key: &Key) -> String {
        match self {
            Self::Directory(directory) => directory.path(key).display().to_string(),
            Self::Site(site) => site.url(key),
        }
    }
}

/// A page of history as it lies there.
#[derive(Debug)]
pub struct Page {
    /// What its name says.
    pub order: (u64, u64),
    /// Its bytes.
    pub bytes: Result<Vec<u8>, FetchError>,
}

/// Reads a small key, as [`Origin::get`] does.
pub type ReadPage<'r> = dyn Fn(&Key) -> Result<Option<Vec<u8>>, FetchError> + 'r;

impl Page {
    /// One page of history; `None` where it is not there.
    pub fn read(order: (u64, u64), read: &ReadPage<'_>) -> Option<Self> {
        let (epoch, sequence) = order;
        let bytes = read(&Key::History { epoch, sequence });
        Some(Self {
            order,
            bytes: bytes.transpose()?,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => write!(f, "{}", directory.root().display()),
            Self::Site(site) => f.write_str(site.base()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let place = match Origin::named(name) {
            Ok(origin) => origin.location(&Key::Version),
            Err(error) => error.to_string(),
        };
        assert_eq!(place, expected);
    }

    #[test]
    fn a_folder_and_a_url_are_told_apart() {
        check("snapshots", "snapshots/version.json");
        check("/srv/a b", "/srv/a b/version.json");
        check(
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080/version.json",
        );
        check(
            "https://cdn.example/ref/",
            "https://cdn.example/ref/version.json",
        );
        check(
            "HTTPS://cdn.example/version.json",
            "HTTPS://cdn.example/version.json",
        );
        for name in [
            "",
            "ftp://a",
            "http://",
            "http://a b",
            "http://a/?q",
            "https://a/#f",
        ] {
            check(
                name,
                &format!(
                    "{name:?} is neither a folder nor an http or https URL without query and fragment"
                ),
            );
        }
    }

    #[test]
    fn what_is_too_long_is_not_taken_in() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("version.json"), "12345").expect("written");
        let origin = Origin::named(folder.path().to_str().expect("UTF-8")).expect("a folder");
        assert_eq!(
            origin.get(&Key::Version, 5).expect("fits"),
            Some(b"12345".to_vec())
        );
        let error = origin.get(&Key::Version, 4).expect_err("longer");
        assert!(
            error
                .to_string()
                .ends_with("is longer than the 4 bytes that it may have")
        );
    }
}
