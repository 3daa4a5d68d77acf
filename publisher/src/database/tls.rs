//! TLS to the server, for a URL that says `sslmode=require`.
//!
//! The server's certificate is always checked, by its name and by the system's
//! certificates or those in the file that `SSL_CERT_FILE` names. (libpq's `require`
//! checks nothing; there is no reason to offer that.)

use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::ring;

use super::error::DatabaseError;

/// What makes connections by TLS.
pub(super) fn connector() -> Result<MakeRustlsConnect, DatabaseError> {
    // Somebody in this process may have installed it before; it is the same one.
    let _ = ring::default_provider().install_default();
    match MakeRustlsConnect::with_native_certs() {
        Ok((connector, _unreadable)) => Ok(connector),
        Err(errors) => {
            let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Err(DatabaseError::Certificates(std::io::Error::other(
                text.join("; "),
            )))
        }
    }
}
