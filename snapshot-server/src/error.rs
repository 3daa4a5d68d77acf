//! Why a server does not run.

use std::io;
use std::path::PathBuf;

use crate::socket::place::Listen;
use crate::socket::tls::TlsError;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The place cannot be had.
    #[error("failed to listen on {place}")]
    Listen {
        /// The one asked for.
        place: Listen,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nowhere to listen.
    #[error("there is no place to listen at")]
    NoListener,
    /// HTTPS was asked for without a certificate.
    #[error("https needs a certificate and its key")]
    NoCertificate,
    /// The certificate cannot be used.
    #[error("failed to set TLS up")]
    Tls(#[source] TlsError),
    /// The root is there, but not a folder.
    #[error("{} is not a folder", root.display())]
    Root {
        /// The one asked for.
        root: PathBuf,
    },
    /// The system gives no threads to serve with.
    #[error("failed to start the threads that serve")]
    Threads(#[source] io::Error),
    /// The `Cache-Control` value cannot stand in a header.
    #[error("{value:?} is not a header value")]
    CacheControl {
        /// The one asked for.
        value: String,
    },
}
