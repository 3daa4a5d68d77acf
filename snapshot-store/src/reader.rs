//! Reading: a snapshot as a reader meets it.
//!
//! It takes no lock, so it works beside a publisher and on what another machine serves. It
//! gives the bytes as they come; what they must be is decided by whoever asked.

use std::fmt;
use std::io::{self, Read};

use snapshot_format::Key;

use crate::error::refused;
use crate::store::hint_for;

/// The bytes under a key, on their way.
pub struct Fetched {
    /// How many there are, where that is told before.
    pub size_bytes: Option<u64>,
    body: Box<dyn Read + Send>,
}

impl Fetched {
    pub(crate) fn new(size_bytes: Option<u64>, body: impl Read + Send + 'static) -> Self {
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
            _ => None,
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
