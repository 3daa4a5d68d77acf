//! How bytes come from a server.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::Error;

/// Gets one URL at a time, blocking; [`HttpTransport`](crate::HttpTransport) is the usual one.
///
/// It may be called by several threads at once. What it returns is not trusted.
pub trait Transport: Send + Sync + 'static {
    /// Asks for `request.url` and returns whatever the server says, of any status.
    ///
    /// # Errors
    /// [`ErrorCode::Network`](crate::ErrorCode::Network) or a closer one where no response comes,
    /// or one that is cut off.
    fn get(&self, request: &Request) -> Result<Response, Error>;

    /// Gets a stream without an end, and gives each piece of its body to `each` as it arrives,
    /// until that breaks off or the stream ends. A transport without streams returns at once.
    ///
    /// # Errors
    /// Where the stream does not begin with status 200, or is cut off.
    fn listen(
        &self,
        url: &str,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let _ = (url, each);
        Ok(())
    }
}

/// What to get.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The URL.
    pub url: String,
    /// More bytes than this are not of use: reading may stop behind them, and should.
    pub limit_bytes: u64,
    /// After this time nobody waits for the response any more.
    pub timeout: Duration,
}

/// A response of any status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body, unpacked; beyond the limit it may be cut off. May be empty for other statuses
    /// than 200.
    pub body: Vec<u8>,
    /// The field `Retry-After`.
    pub retry_after: Option<String>,
    /// The field `Date`.
    pub date: Option<String>,
}

impl Request {
    /// A request for this URL.
    pub fn new(url: String, limit_bytes: u64, timeout: Duration) -> Self {
        Self {
            url,
            limit_bytes,
            timeout,
        }
    }
}
