//! Small answers that are made when somebody asks, and never cached.

use bytes::Bytes;
use hyper::{HeaderMap, Response, StatusCode};

use crate::answer::body::Body;
use crate::http::headers;
use crate::http::problem::Problem;

/// A small document that is true only now.
pub(crate) fn document(
    status: StatusCode,
    media_type: &'static str,
    body: Vec<u8>,
) -> Response<Body> {
    let fields = headers::document(media_type, body.len());
    with(status, fields, Body::bytes(Bytes::from(body)))
}

/// Why there is nothing else to answer.
pub(crate) fn refusal(problem: Problem) -> Response<Body> {
    let status = problem.status();
    let (fields, body) = problem.into_parts();
    with(status, fields, Body::bytes(Bytes::from(body)))
}

/// A response of these three.
pub(crate) fn with(status: StatusCode, fields: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}
