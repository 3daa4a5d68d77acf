//! Errors as JSON problem details (RFC 9457), never to be cached.

use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::http::headers::{self, ALLOWED};

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

    /// The fields, with those that its status demands, and the body.
    pub(crate) fn into_parts(self) -> (HeaderMap, Vec<u8>) {
        let body = serde_json::to_vec(&self).expect("strings and numbers are JSON");
        let mut fields = headers::document("application/problem+json", body.len());
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
