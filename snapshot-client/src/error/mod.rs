//! What goes wrong, by name: `docs/client.md` section 7 says what each means.

mod code;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use code::ErrorCode;

/// The error that this crate returns and reports: a code, a message, and perhaps a cause.
#[derive(Debug, Clone)]
pub struct Error(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    code: ErrorCode,
    message: String,
    status: Option<u16>,
    retry_after: Option<Duration>,
    offered: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error; `message` is a lower-case fragment that names the URL, table or key.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            code,
            message: message.into(),
            status: None,
            retry_after: None,
            offered: None,
            source: None,
        }))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    pub(crate) fn with_offered(mut self, offered: String) -> Self {
        self.0.offered = Some(offered);
        self
    }

    /// The kind of the error.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Whether the same call may succeed later, without a change of the app.
    pub fn is_retryable(&self) -> bool {
        self.0.code.is_retryable()
    }

    /// The HTTP status, with [`ErrorCode::HttpStatus`] and [`ErrorCode::ObjectMissing`].
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// How long the server asks to wait before the next request, at most an hour: `Retry-After`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The `schemaVersion` (`2.0`) or format (`formatVersion 2`) that the server offers and this app
    /// does not know.
    pub fn offered(&self) -> Option<&str> {
        self.0.offered.as_deref()
    }

    /// What may help; `None` if waiting is all that can be done.
    pub fn hint(&self) -> Option<&'static str> {
        match self.0.code {
            ErrorCode::FormatUnsupported | ErrorCode::SchemaUnsupported => Some("update the app"),
            ErrorCode::NotJson => {
                Some("look at the URL in a browser: a portal or proxy may answer for the server")
            }
            ErrorCode::HttpStatus if matches!(self.0.status, Some(401 | 403 | 404 | 410)) => {
                Some("check the base URL: it is the folder in which version.json lies")
            }
            ErrorCode::StorageFull => {
                Some("free space where the cache lies; the data stays in memory")
            }
            ErrorCode::StorageUnavailable => {
                Some("check the cache folder and its permissions; the data stays in memory")
            }
            ErrorCode::NoData => {
                Some("bundle a snapshot with the app, so that a first start needs no network")
            }
            ErrorCode::Stale => Some("allow a stale cache, or wait longer"),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_deref()?;
        Some(source)
    }
}

impl PartialEq for Error {
    // By what is seen from outside; a source has no equality.
    fn eq(&self, other: &Self) -> bool {
        let key = |error: &Self| {
            let Details {
                code,
                message,
                status,
                ..
            } = &*error.0;
            (*code, message.clone(), *status)
        };
        key(self) == key(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_message_and_a_cause() {
        let cause = std::io::Error::other("refused");
        let error =
            Error::new(ErrorCode::Network, "failed to fetch version.json").with_source(cause);
        assert_eq!(error.to_string(), "failed to fetch version.json");
        assert_eq!(error.source().expect("a cause").to_string(), "refused");
        assert_eq!(error.code().to_string(), "network");
        assert!(error.is_retryable());
    }
}
