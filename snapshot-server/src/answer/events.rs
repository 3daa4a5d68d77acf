//! `GET /events`: tells that there is another version, as server-sent events
//! (WHATWG HTML §9.2). Only its pointer is told; what it names is fetched as ever.
//!
//! ```text
//! retry: 1617
//!
//! id: 1771938724-57
//! event: version
//! data: {"formatVersion":1,"epoch":1771938724,"sequence":57, … }
//!
//! :
//! ```

use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};

use crate::answer::body::Body;
use crate::answer::feed::Full;
use crate::http::headers;
use crate::http::problem::Problem;
use crate::shared::Shared;
use crate::socket::connection::Connection;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx would hold messages back until a buffer is full.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Ticks for all listeners, for ever.
pub(crate) async fn beat(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(shared.connections.limits().timeouts.heartbeat).await;
        shared.feed.beat();
    }
}

/// Begins a stream, or says why there is none.
pub(crate) fn respond(
    request: &HeaderMap,
    shared: &Shared,
    connection: &Arc<Connection>,
) -> Result<Response<Body>, Problem> {
    let busy = |detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    let rules = shared.rules.load();
    // Whom a trusted proxy names; the proxy's own address is many clients'.
    let lines = request.get_all(rules.proxies.field.name()).iter();
    let client = rules
        .proxies
        .client(connection.client(), lines.map(HeaderValue::as_bytes))
        .filter(|client| !rules.proxies.trusts(Some(*client)));
    let place = shared
        .feed
        .take_place(rules.max_listeners, client, rules.max_listeners_per_client)
        .map_err(|full| match full {
            Full::ForAll => busy("as many listen as may; poll /version.json instead"),
            Full::ForClient => {
                busy("as many listen from this address as may; poll /version.json instead")
            }
        })?;
    let last = request.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    let listener = shared.feed.listen(place, last, connection);
    let listener = listener.ok_or_else(|| busy("the server stops"))?;
    let mut response = Response::new(Body::events(listener));
    *response.headers_mut() = fields();
    Ok(response)
}

fn fields() -> HeaderMap {
    let mut fields = headers::common();
    let media_type = HeaderValue::from_static("text/event-stream");
    fields.insert(CONTENT_TYPE, media_type);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    fields
}
