//! A body, read and unpacked up to its limit.

use std::io::Read;

use snapshot_format::{Encoding, decompress};
use ureq::Timeout;

use crate::error::{Error, ErrorCode};

pub(super) fn check_announced(
    url: &str,
    announced: Option<String>,
    coding: Option<&str>,
    limit_bytes: u64,
) -> Result<(), Error> {
    let size = announced.and_then(|text| text.parse::<u64>().ok());
    match size {
        Some(size) if size > limit_bytes && coding.is_none() => {
            let message = format!("{url}: {size} bytes are announced");
            Err(Error::new(ErrorCode::TooLarge, message))
        }
        _ => Ok(()),
    }
}

// One byte more than allowed, so that the size tells; the rest is not read.
pub(super) fn read(url: &str, reader: impl Read, limit_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    match reader
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut body)
    {
        Ok(_) => Ok(body),
        Err(error) => Err(failed(url, ureq::Error::from(error))),
    }
}

pub(super) fn unpack(
    url: &str,
    packed: Vec<u8>,
    coding: Option<&str>,
    limit_bytes: u64,
) -> Result<Vec<u8>, Error> {
    let encoding = match coding.map(str::trim) {
        None | Some("" | "identity") => return Ok(packed),
        Some("zstd") => Encoding::Zstd,
        Some("br") => Encoding::Brotli,
        Some("gzip") => Encoding::Gzip,
        Some(other) => {
            let message = format!("{url}: a body in the coding {other}, which nobody asked for");
            return Err(Error::new(ErrorCode::Network, message));
        }
    };
    let limit = limit_bytes.saturating_add(1);
    decompress(encoding, &packed[..], limit).map_err(|error| {
        let message = format!("{url}: the body cannot be unpacked");
        Error::new(ErrorCode::HashMismatch, message).with_source(error)
    })
}

pub(super) fn failed(url: &str, error: ureq::Error) -> Error {
    let code = match &error {
        ureq::Error::Timeout(_) => ErrorCode::Timeout,
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            ErrorCode::Timeout
        }
        _ => ErrorCode::Network,
    };
    let what = match &error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => "no connection in time",
        ureq::Error::Timeout(_) => "no whole response in time",
        _ => "failed to fetch",
    };
    Error::new(code, format!("{url}: {what}")).with_source(error)
}
