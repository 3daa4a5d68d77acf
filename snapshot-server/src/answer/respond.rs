//! From a request to its response. Every outcome is a response, so nothing here
//! has an error of its own.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde::Serialize;
use snapshot_format::{Key, ReferenceVersion};

use crate::answer::body::{Body, Piece};
use crate::answer::document::{document, refusal, with};
use crate::answer::events;
use crate::answer::exchange::{self, Exchange};
use crate::event::Event;
use crate::http::conditional::{self, Decision};
use crate::http::headers;
use crate::http::incoming::{BODY_TIMEOUT, MAX_BODY_BYTES};
use crate::http::kind::Kind;
use crate::http::negotiate::{Choice, negotiate};
use crate::http::problem::Problem;
use crate::http::range::{self, Selection};
use crate::http::request::{self, Wanted};
use crate::http::route::{Route, Surface, canonical, route};
use crate::shared::Shared;
use crate::snapshot::content::Content;
use crate::snapshot::state::{Representation, Resource, Snapshot};
use crate::socket::connection::Connection;

/// Answers one request. The verdict is of its body, where that was read already.
pub(crate) async fn respond(
    request: Request<Incoming>,
    verdict: Result<(), Problem>,
    surface: Surface,
    shared: Arc<Shared>,
    connection: Arc<Connection>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let entry = exchange::entry(&parts, &shared, &connection);
    let mut exchange = Exchange::begin(entry, &shared, &connection);
    let checked = match request::check(&parts) {
        // What is refused whatever its body is does not wait for it.
        Err(problem) => Err(problem),
        Ok(wanted) if body.is_end_stream() => verdict.map(|()| wanted),
        Ok(wanted) => discard(&parts, body).await.map(|()| wanted),
    };
    let (kind, mut response) = answer(&parts, checked, surface, &shared, &connection).await;
    shared
        .rules
        .load()
        .cors
        .narrow(&parts.headers, response.headers_mut());
    exchange.decided(kind, response.status());
    response.map(|body| body.counted(exchange))
}

/// The body of a request over HTTP/2; see [`crate::http::incoming`].
async fn discard(parts: &Parts, mut body: Incoming) -> Result<(), Problem> {
    let too_large = || {
        let detail = format!("a request's body may have {MAX_BODY_BYTES} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    if request::stated_length(&parts.headers).is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let read = async {
        let mut read_bytes = 0;
        while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
            let frame =
                frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is broken"))?;
            read_bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
            if read_bytes > MAX_BODY_BYTES {
                return Err(too_large());
            }
        }
        Ok(())
    };
    tokio::time::timeout(BODY_TIMEOUT, read)
        .await
        .unwrap_or_else(|_| {
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not come in time",
            ))
        })
}

async fn answer(
    request: &Parts,
    checked: Result<Wanted, Problem>,
    surface: Surface,
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
) -> (Kind, Response<Body>) {
    let path = request.uri.path();
    let (kind, response) = match checked {
        Err(problem) => (Kind::Other, refusal(problem)),
        Ok(Wanted::Options) => (Kind::Other, options()),
        Ok(wanted) => {
            let found = match surface {
                Surface::Public => find(path, shared).await,
                Surface::Operator => operate(path, shared),
            };
            match found {
                Ok(Found::Resource(resource)) => (
                    resource.kind(),
                    represent(request, wanted, &resource, shared),
                ),
                Ok(Found::Document(kind, response)) => (kind, *response),
                Ok(Found::Events) => {
                    let response = events::respond(&request.headers, shared, connection);
                    let response = response.unwrap_or_else(refusal);
                    (Kind::Events, response)
                }
                Err(problem) => (Kind::Other, refusal(problem)),
            }
        }
    };
    (kind, for_method(response, &request.method))
}

/// RFC 9110 §9.3.2: HEAD is GET without the body, every field the same.
fn for_method(response: Response<Body>, method: &hyper::Method) -> Response<Body> {
    if method == hyper::Method::HEAD {
        response.map(|_| Body::empty())
    } else {
        response
    }
}

enum Found {
    Resource(Arc<Resource>),
    Document(Kind, Box<Response<Body>>),
    Events,
}

async fn find(path: &str, shared: &Arc<Shared>) -> Result<Found, Problem> {
    let snapshot = shared.snapshot.load();
    let snapshot = snapshot.as_ref();
    if let Some(resource) = snapshot.and_then(|snapshot| snapshot.resources.get(path)) {
        return Ok(Found::Resource(resource.clone()));
    }

    let path = canonical(path).map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "a % without two hexadecimal digits",
        )
    })?;
    if let Some(resource) = snapshot.and_then(|snapshot| snapshot.resources.get(path.as_ref())) {
        return Ok(Found::Resource(resource.clone()));
    }
    match route(&path) {
        Route::Health => Ok(probe(health())),
        Route::Events => Ok(Found::Events),
        Route::Ready => ready(snapshot.map(Arc::as_ref), shared).map(probe),
        Route::Api(name) => Err(unknown_table(name, snapshot.map(Arc::as_ref))),
        Route::Stored(Key::Version) => Err(not_yet()),
        Route::Stored(key) => stored(key, shared).await.map(Found::Resource),
        Route::Unknown => Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing here")),
    }
}

fn probe(response: Response<Body>) -> Found {
    Found::Document(Kind::Probe, Box::new(response))
}

/// What operators ask on a listener of their own.
fn operate(path: &str, shared: &Shared) -> Result<Found, Problem> {
    let snapshot = shared.current();
    match path {
        "/health" => Ok(probe(health())),
        "/ready" => ready(snapshot.as_deref(), shared).map(probe),
        "/metrics" => {
            let page = shared.render_metrics(snapshot.as_deref(), SystemTime::now());
            let media_type = "text/plain; version=0.0.4; charset=utf-8";
            Ok(probe(document(
                StatusCode::OK,
                media_type,
                page.into_bytes(),
            )))
        }
        _ => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "here are /metrics, /ready and /health",
        )),
    }
}

/// Looks behind the current snapshot, on a thread that may block.
async fn stored(key: Key, shared: &Arc<Shared>) -> Result<Arc<Resource>, Problem> {
    if let Some(resource) = shared.archive.cached(&key) {
        return Ok(resource);
    }
    if !shared.archive.may_have(&key).await {
        return Err(no_such_file());
    }
    let permit = shared
        .lookups
        .acquire()
        .await
        .expect("the semaphore is never closed");
    let archive = shared.clone();
    let found = tokio::task::spawn_blocking(move || archive.archive.find(&key)).await;
    drop(permit);
    match found {
        Ok(Ok(resource)) => Ok(resource),
        Ok(Err(error)) => {
            if !error.is_absence() {
                shared.observe(&Event::ObjectRefused(error));
            }
            Err(no_such_file())
        }
        Err(_) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the lookup failed",
        )),
    }
}

fn no_such_file() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "the store has no intact file of this name",
    )
}

fn not_yet() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "no snapshot has been published yet",
    )
}

fn unknown_table(name: &str, snapshot: Option<&Snapshot>) -> Problem {
    let Some(snapshot) = snapshot else {
        return not_yet();
    };
    let known = snapshot.tables.iter().map(ToString::to_string).collect();
    let detail = format!("no table has the key \"{name}\"; \"tables\" lists those that there are");
    Problem::new(StatusCode::NOT_FOUND, detail).listing(known)
}

fn health() -> Response<Body> {
    document(
        StatusCode::OK,
        "application/json",
        br#"{"status":"ok"}"#.to_vec(),
    )
}

/// Whether a valid snapshot is loaded, which one, and what keeps a newer one out.
fn ready(snapshot: Option<&Snapshot>, shared: &Shared) -> Result<Response<Body>, Problem> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Ready<'a> {
        status: &'static str,
        reference_version: ReferenceVersion,
        epoch: u64,
        sequence: u64,
        published_at: &'a str,
        loaded_for_seconds: u64,
        refused: Option<String>,
        warning: Option<String>,
    }
    let refused = shared.refusal();
    let Some(snapshot) = snapshot else {
        let detail = refused.map_or_else(
            || "no snapshot has been published yet".to_owned(),
            |refused| format!("no valid snapshot is loaded: {refused}"),
        );
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let loaded_for = SystemTime::now()
        .duration_since(snapshot.loaded_since)
        .unwrap_or_default();
    let warnings = [shared.warning(), snapshot.beyond_clients.clone()];
    let warning = warnings
        .into_iter()
        .flatten()
        .reduce(|a, b| format!("{a}; {b}"));
    let ready = Ready {
        status: "ready",
        reference_version: snapshot.version.reference_version,
        epoch: snapshot.version.epoch,
        sequence: snapshot.version.sequence,
        published_at: &snapshot.version.published_at,
        loaded_for_seconds: loaded_for.as_secs(),
        refused,
        warning,
    };
    let body = serde_json::to_vec(&ready).expect("strings and numbers are JSON");
    Ok(document(StatusCode::OK, "application/json", body))
}

fn options() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers::options();
    response
}

/// Selects a representation, then evaluates conditions, then ranges: RFC 9110
/// §13.2.1 lets no precondition hide a 406, and §13.2.2 puts ranges last.
fn represent(
    request: &Parts,
    wanted: Wanted,
    resource: &Resource,
    shared: &Shared,
) -> Response<Body> {
    let fields = &request.headers;
    let accepted = fields
        .get_all(ACCEPT_ENCODING)
        .iter()
        .map(HeaderValue::as_bytes);
    let representation = match negotiate(accepted, resource.encodings()) {
        Choice::Identity => resource.representation(None),
        Choice::Coded(encoding) => resource.representation(Some(encoding)),
        Choice::NotAcceptable => return not_acceptable(resource),
    };

    match conditional::evaluate(fields, representation.validators()) {
        Decision::Proceed => {}
        Decision::NotModified => {
            let head = representation.not_modified();
            return with(StatusCode::NOT_MODIFIED, head, Body::empty());
        }
        Decision::PreconditionFailed => {
            let detail = "the representation is not the one that the request names";
            return refusal(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
        }
    }

    // RFC 9110 §14.2: Range is defined for GET alone.
    if wanted == Wanted::Get
        && fields.contains_key(RANGE)
        && conditional::range_applies(fields, representation.validators())
    {
        return ranged(fields, representation, shared);
    }
    whole(representation, shared)
}

fn whole(representation: &Representation, shared: &Shared) -> Response<Body> {
    let body = match &representation.content {
        Content::Memory(bytes) => Body::bytes(bytes.clone()),
        content => Body::part(content, 0..content.size_bytes(), &shared.chunks.load()),
    };
    with(StatusCode::OK, representation.ok(), body)
}

fn ranged(fields: &HeaderMap, representation: &Representation, shared: &Shared) -> Response<Body> {
    let size = representation.content.size_bytes();
    match range::select(fields, size) {
        Selection::Whole => whole(representation, shared),
        Selection::Part(part) => {
            let mut head = representation.ok();
            head.insert(CONTENT_RANGE, content_range(&part, size));
            head.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
            let body = Body::part(&representation.content, part, &shared.chunks.load());
            with(StatusCode::PARTIAL_CONTENT, head, body)
        }
        // A coded body in several parts has no agreed meaning: the coding would
        // apply to the parts, or to the multipart around them.
        Selection::Parts(_) if representation.is_coded() => whole(representation, shared),
        Selection::Parts(parts) => multipart(representation, parts, shared),
        Selection::Unsatisfiable => {
            let detail = format!("the representation has {size} bytes, none of them in the range");
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
            let mut response = refusal(problem);
            let range = HeaderValue::try_from(format!("bytes */{size}")).expect("digits");
            response.headers_mut().insert(CONTENT_RANGE, range);
            response
        }
    }
}

/// RFC 9110 §15.3.7.2.
fn multipart(
    representation: &Representation,
    parts: Vec<Range<u64>>,
    shared: &Shared,
) -> Response<Body> {
    let size = representation.content.size_bytes();
    let etag = representation.etag().to_str().expect("hexadecimal digits");
    // No object has its own hash in it, so it can stand between the parts.
    let boundary = &etag.trim_matches('"')[..32];
    let part_type = representation.content_type();

    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    for part in parts {
        let range = content_range(&part, size);
        let range = range.to_str().expect("digits");
        let separator = if pieces.is_empty() { "" } else { "\r\n" };
        let head = format!(
            "{separator}--{boundary}\r\nContent-Type: {part_type}\r\nContent-Range: {range}\r\n\r\n"
        );
        pieces.push(Piece::Bytes(Bytes::from(head)));
        pieces.push(Piece::Part(representation.content.clone(), part));
    }
    pieces.push(Piece::Bytes(Bytes::from(format!("\r\n--{boundary}--\r\n"))));

    let body = Body::pieces(pieces, &shared.chunks.load());
    let media_type = format!("multipart/byteranges; boundary={boundary}");
    let mut head = representation.ok();
    head.insert(
        CONTENT_TYPE,
        HeaderValue::try_from(media_type).expect("ASCII"),
    );
    head.insert(CONTENT_LENGTH, HeaderValue::from(body.left_bytes()));
    with(StatusCode::PARTIAL_CONTENT, head, body)
}

fn content_range(part: &Range<u64>, size_bytes: u64) -> HeaderValue {
    let text = format!("bytes {}-{}/{size_bytes}", part.start, part.end - 1);
    HeaderValue::try_from(text).expect("digits")
}

fn not_acceptable(resource: &Resource) -> Response<Body> {
    let codings: Vec<_> = resource
        .encodings()
        .iter()
        .map(|e| e.content_coding())
        .collect();
    let others = if codings.is_empty() {
        String::new()
    } else {
        format!(", {}", codings.join(", "))
    };
    let detail = format!("Accept-Encoding allows none of the codings there are: identity{others}");
    refusal(Problem::new(StatusCode::NOT_ACCEPTABLE, detail))
}
