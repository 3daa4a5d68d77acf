//! How bytes come from a server.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::error::Error;

/// Sends GET requests and blocks until the response is there;
/// [`HttpTransport`](crate::HttpTransport) is the usual one.
///
/// Several threads call it at once. What it returns is verified.
pub trait Transport: Send + Sync + 'static {
    /// Requests `request.url` and returns the response, whatever its status.
    ///
    /// # Errors
    /// [`ErrorCode::Network`](crate::ErrorCode::Network) or a closer code if no response comes, or
    /// one that is cut off.
    fn get(&self, request: &Request) -> Result<Response, Error>;

    /// Requests a stream, and passes each piece of its body to `each` as it arrives, until `each`
    /// breaks or the stream ends. A transport without streams returns at once.
    ///
    /// # Errors
    /// If the response has another status than 200, or the stream is cut off.
    fn listen(
        &self,
        url: &str,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let _ = (url, each);
        Ok(())
    }
}

/// One GET request, which a transport sends as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The absolute URL, of the scheme http or https.
    pub url: String,
    /// The largest body that is of use, in bytes. The transport should stop reading behind it; a
    /// longer body is refused.
    pub limit_bytes: u64,
    /// The time after which nobody waits for the response.
    pub timeout: Duration,
}

/// A response of any status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, such as 200 or 304.
    pub status: u16,
    /// The body, unpacked. It may be cut off behind the limit, and empty if the status is not 200.
    pub body: Vec<u8>,
    /// The value of the header field `Retry-After`.
    pub retry_after: Option<String>,
    /// The value of the header field `Date`.
    pub date: Option<String>,
}

impl Request {
    /// A request for this absolute URL.
    pub fn new(url: String, limit_bytes: u64, timeout: Duration) -> Self {
        Self {
            url,
            limit_bytes,
            timeout,
        }
    }
}
