//! The header fields that do not depend on the request, made once.

use std::time::SystemTime;

use hyper::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, StatusCode};
use snapshot_format::Encoding;

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Everything that this server does with a resource.
pub(crate) const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// What a page may read beyond the fields that the Fetch standard always shows.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Content-Encoding, Content-Range, Date, ETag, Retry-After",
);

/// What is known of a representation before anybody asks for it.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) content_type: &'static str,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) cache_control: HeaderValue,
    pub(crate) etag: HeaderValue,
    pub(crate) last_modified: Option<SystemTime>,
    pub(crate) size_bytes: u64,
    /// Whether another `Accept-Encoding` gives another representation.
    pub(crate) varies: bool,
}

/// The fields of a 200.
pub(crate) fn ok(description: &Description) -> HeaderMap {
    let mut fields = common();
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(description.content_type),
    );
    fields.insert(CONTENT_LENGTH, HeaderValue::from(description.size_bytes));
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(encoding) = description.encoding {
        fields.insert(
            CONTENT_ENCODING,
            HeaderValue::from_static(encoding.content_coding()),
        );
    }
    if let Some(date) = description.last_modified {
        let date = httpdate::fmt_http_date(date);
        fields.insert(
            LAST_MODIFIED,
            HeaderValue::try_from(date).expect("a date is ASCII"),
        );
    }
    cached(&mut fields, description);
    fields
}

/// The fields of a 304. RFC 9110 §15.4.5: those of the 200 that a cache needs,
/// and no other description of a body that does not come.
pub(crate) fn not_modified(description: &Description) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(8);
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    fields.insert(TIMING_ALLOW_ORIGIN, ANY);
    cached(&mut fields, description);
    fields
}

fn cached(fields: &mut HeaderMap, description: &Description) {
    fields.insert(CACHE_CONTROL, description.cache_control.clone());
    fields.insert(ETAG, description.etag.clone());
    if description.varies {
        fields.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// A head as hyper would write it for HTTP/1.1, up to the value of `date`.
pub(crate) fn lines(status: StatusCode, fields: &HeaderMap) -> Box<[u8]> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut lines = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in fields {
        lines.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    lines.extend(b"date: ");
    lines.into()
}

/// The fields of every response that has a body.
///
/// The data is public, so any page may read it. A constant `*` needs no
/// `Vary: Origin`, which would split every cache by site.
pub(crate) fn common() -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(16);
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    fields.insert(TIMING_ALLOW_ORIGIN, ANY);
    fields.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields
}

/// The fields of a small document that is true only now.
pub(crate) fn document(media_type: &'static str, size_bytes: usize) -> HeaderMap {
    let mut fields = common();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(CONTENT_LENGTH, HeaderValue::from(size_bytes));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields
}

/// The fields of the answer to OPTIONS, which is also the CORS preflight.
pub(crate) fn options() -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(8);
    fields.insert(ALLOW, ALLOWED);
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    fields.insert(ACCESS_CONTROL_ALLOW_METHODS, ALLOWED);
    // The request fields that mean something here; the others are safelisted
    // by the Fetch standard or need not be sent.
    let allowed = "Cache-Control, If-Match, If-Modified-Since, If-None-Match, If-Range, \
                   If-Unmodified-Since, Last-Event-ID, Range";
    fields.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(allowed),
    );
    fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields
}
