//! Reading: a snapshot as a reader meets it.
//!
//! It takes no lock, so it works beside a publisher and on what another machine serves. It
//! gives the bytes as they come; what they must be is decided by whoever asked.

use std::fmt;
use std::io::{self, Read};

use snapshot_format::{Key, VersionError};

use crate::error::{hint_for, refused};

/// Names a publication: epoch and sequence, by which publications are ordered.
pub type Order = (u64, u64);

/// A place for snapshots, open for reading.
///
/// Every method blocks while the place answers. An object is opened and then read in
/// pieces, by whoever unpacks and hashes it, on a thread of its own; in async code only
/// what is small is read.
pub trait Reader: Send + Sync {
    /// Opens what lies under `key`; `None` where nothing does.
    ///
    /// # Errors
    /// Where it cannot be told what is there, or it cannot be read.
    fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError>;

    /// All of what lies under `key`; `None` where nothing does.
    ///
    /// # Errors
    /// As [`Reader::open`]; [`FetchError::TooLarge`] where it is longer than `limit_bytes`.
    fn get(&self, key: &Key, limit_bytes: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let fetched = self.open(key)?;
        let whole = |fetched: Fetched| fetched.read_whole(&self.location(key), limit_bytes);
        fetched.map(whole).transpose()
    }

    /// The publications that have a page in the history, in ascending order; `None` where
    /// the place cannot be listed, as a site.
    ///
    /// # Errors
    /// Where it should be and cannot.
    fn orders(&self) -> Result<Option<Vec<Order>>, FetchError>;

    /// Whether the place is there at all, as far as that can be told without a key.
    ///
    /// # Errors
    /// Where it is not there, or cannot be listed.
    fn check(&self) -> Result<(), FetchError> {
        Ok(())
    }

    /// The place of a key, for messages: a path, a URL.
    fn location(&self, key: &Key) -> String;
}

/// The bytes under a key, on their way.
pub struct Fetched {
    /// How many there are, where that is told before.
    pub size_bytes: Option<u64>,
    body: Box<dyn Read + Send>,
}

impl Fetched {
    /// Bytes that `body` gives; `size_bytes` is how many there will be, where that is known.
    pub fn new(size_bytes: Option<u64>, body: impl Read + Send + 'static) -> Self {
        Self {
            size_bytes,
            body: Box::new(body),
        }
    }

    /// Reads all of it; `location` is where it comes from, for the message.
    ///
    /// # Errors
    /// [`FetchError::TooLarge`] where it is longer than `limit_bytes`;
    /// [`FetchError::Failed`] where reading ends early.
    pub fn read_whole(self, location: &str, limit_bytes: usize) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        self.take(limit_bytes as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(FetchError::failed("fetch", location))?;
        if bytes.len() > limit_bytes {
            return Err(FetchError::TooLarge {
                location: location.to_owned(),
                limit_bytes,
            });
        }
        Ok(bytes)
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
    /// The file system or the connection refused, or broke off.
    #[error("failed to {action} {location}")]
    Failed {
        /// What was tried: a verb and what goes with it.
        action: &'static str,
        /// The path or URL.
        location: String,
        /// What the file system or the connection said.
        #[source]
        source: io::Error,
    },
    /// The server has an answer, but not the one.
    #[error("failed to fetch {location}: the server answers {status}")]
    Status {
        /// The URL that was asked for.
        location: String,
        /// The status code, and where it leads if it is a redirect.
        status: String,
    },
    /// More bytes than the format allows.
    #[error("{location} is longer than the {limit_bytes} bytes that it may have")]
    TooLarge {
        /// The path or URL.
        location: String,
        /// How many bytes it may have.
        limit_bytes: usize,
    },
    /// The pointer, or a page of history that was named, is not one.
    #[error("{location} is not a version that this program can read")]
    Version {
        /// The path or URL.
        location: String,
        /// Why the bytes are no version.
        #[source]
        source: VersionError,
    },
    /// The certificates by which a server is checked cannot be read.
    #[error("failed to read the certificates by which servers are checked")]
    Certificates(#[source] io::Error),
}

impl FetchError {
    // The constructor for `map_err`.
    pub(crate) fn failed(
        action: &'static str,
        location: impl fmt::Display,
    ) -> impl FnOnce(io::Error) -> Self {
        let location = location.to_string();
        move |source| Self::Failed {
            action,
            location,
            source,
        }
    }

    /// What may help, for people; `None` where nothing general does.
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

/// A page of history as it lies there.
#[derive(Debug)]
pub struct Page {
    /// The publication that its name says.
    pub order: Order,
    /// Its bytes, or why they do not come.
    pub bytes: Result<Vec<u8>, FetchError>,
}

/// Reads a small key, as [`Reader::get`] does.
pub type ReadPage<'r> = dyn Fn(&Key) -> Result<Option<Vec<u8>>, FetchError> + 'r;

impl Page {
    /// One page of history, as `read` gives it; `None` where it is not there.
    pub fn read(order: Order, read: &ReadPage<'_>) -> Option<Self> {
        let (epoch, sequence) = order;
        let bytes = read(&Key::History { epoch, sequence });
        Some(Self {
            order,
            bytes: bytes.transpose()?,
        })
    }

    /// The pages of history that can be found, in ascending order, each as `read` gives it.
    ///
    /// A place that can be listed is listed. Any other is asked for the pages from the
    /// `current` one down to the first that is not there or does not come.
    ///
    /// # Errors
    /// Where the place cannot be listed, though such places can.
    pub fn all(
        reader: &dyn Reader,
        current: Option<Order>,
        read: &ReadPage<'_>,
    ) -> Result<Vec<Self>, FetchError> {
        if let Some(orders) = reader.orders()? {
            // One that was pruned since the listing is no page.
            let pages = orders
                .into_iter()
                .filter_map(|order| Self::read(order, read));
            return Ok(pages.collect());
        }
        let (epoch, sequence) = current.unwrap_or((0, 0));
        let mut pages = Vec::new();
        for sequence in (1..=sequence).rev() {
            let Some(page) = Self::read((epoch, sequence), read) else {
                break;
            };
            let answers = page.bytes.is_ok();
            pages.push(page);
            // A server that is down would be asked for every page there ever was.
            if !answers {
                break;
            }
        }
        pages.reverse();
        Ok(pages)
    }
}
