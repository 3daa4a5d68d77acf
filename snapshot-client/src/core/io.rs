//! What the decisions of this folder ask for: responses of the server, values of the cache.

use crate::error::Error;
use crate::transport::Response;

/// One GET request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchRequest {
    /// Relative to the base URL.
    pub(crate) path: String,
    /// More bytes than this are not read.
    pub(crate) limit_bytes: u64,
    /// Pass caches by.
    pub(crate) again: bool,
}

/// The server and the cache, as the decisions reach them. Each call returns when it is done.
///
/// `effects` does it for the provider; tests answer from memory.
pub(crate) trait Io {
    /// Fetches all of these side by side: one result for each request, in the same order.
    fn fetch(&mut self, requests: &[FetchRequest]) -> Vec<Result<Response, Error>>;

    /// The value of this key in the cache, or `None`.
    ///
    /// # Errors
    /// If the storage fails or does not answer in time.
    fn read(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Writes a value to the cache, whole or not at all.
    ///
    /// # Errors
    /// If the storage fails or does not answer in time.
    fn write(&mut self, key: &str, value: Vec<u8>) -> Result<(), Error>;

    /// Removes a value from the cache; it may be absent.
    ///
    /// # Errors
    /// If the storage fails or does not answer in time.
    fn remove(&mut self, key: &str) -> Result<(), Error>;
}
