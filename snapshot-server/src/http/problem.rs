//! Errors as JSON problem details (RFC 9457), never to be cached.

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use crate::answer::body::Body;
use crate::http::headers;

/// Everything that this server does with a resource.
pub(crate) const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// What went wrong, for a person and for a program.
///
/// `type` is left out: RFC 9457 §4.2.1 then means `about:blank`, "no more than
/// the status says", and the title is the status's own phrase.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    title: &'static str,
    status: u16,
    detail: String,
    /// The table keys that exist, where an unknown one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<Vec<String>>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self {
            title,
            status: status.as_u16(),
            detail: detail.into(),
            tables: None,
        }
    }

    pub(crate) fn listing(self, tables: Vec<String>) -> Self {
        Self {
            tables: Some(tables),
            ..self
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("made from a status")
    }

    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The response, with what its status demands beside it.
    pub(crate) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let (fields, body) = self.into_parts();
        let mut response = Response::new(Body::bytes(Bytes::from(body)));
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        response
    }

    /// The same in its parts: the fields and the body.
    pub(crate) fn into_parts(self) -> (HeaderMap, Vec<u8>) {
        let body = serde_json::to_vec(&self).expect("strings and numbers are JSON");
        let mut fields = document_fields("application/problem+json", body.len());
        match self.status() {
            // RFC 9110 §15.5.6: a 405 names what is allowed.
            StatusCode::METHOD_NOT_ALLOWED => {
                fields.insert(ALLOW, ALLOWED);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        (fields, body)
    }
}

/// A small document that is true only now.
pub(crate) fn document(
    status: StatusCode,
    media_type: &'static str,
    body: Vec<u8>,
) -> Response<Body> {
    let fields = document_fields(media_type, body.len());
    let mut response = Response::new(Body::bytes(Bytes::from(body)));
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

fn document_fields(media_type: &'static str, size_bytes: usize) -> HeaderMap {
    let mut fields = headers::common();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(CONTENT_LENGTH, HeaderValue::from(size_bytes));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields
}
