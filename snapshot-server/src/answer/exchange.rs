//! A request from its head to the last byte of its response: counted, measured
//! and logged when it is over, however it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::http::request::Parts;

use crate::http::kind::Kind;
use crate::observe::access_log::Entry;
use crate::shared::Shared;
use crate::socket::connection::{Connection, InFlight};

/// Lives as long as the response's body.
pub(crate) struct Exchange {
    _in_flight: InFlight,
    shared: Arc<Shared>,
    began: Instant,
    kind: Kind,
    status: StatusCode,
    sent_bytes: u64,
    /// Only where there is a log.
    entry: Option<Box<Entry>>,
}

/// What the log will say of a request, if there is a log.
pub(crate) fn entry(
    request: &Parts,
    shared: &Shared,
    connection: &Connection,
) -> Option<Box<Entry>> {
    shared.log.is_on().then(|| {
        Box::new(Entry {
            time: SystemTime::now(),
            client: client(request, shared, connection),
            method: request.method.clone(),
            target: request.uri.path_and_query().cloned(),
            version: request.version,
            user_agent: request.headers.get(USER_AGENT).cloned(),
        })
    })
}

/// Who asks, by the proxies between where those are believed.
fn client(request: &Parts, shared: &Shared, connection: &Connection) -> Option<IpAddr> {
    let proxies = &shared.rules.load().proxies;
    let lines = request.headers.get_all(proxies.field.name()).iter();
    proxies.client(connection.client(), lines.map(HeaderValue::as_bytes))
}

impl Exchange {
    pub(crate) fn begin(
        entry: Option<Box<Entry>>,
        shared: &Arc<Shared>,
        connection: &Arc<Connection>,
    ) -> Self {
        Self {
            _in_flight: connection.begin(),
            shared: shared.clone(),
            began: Instant::now(),
            kind: Kind::Other,
            // What a client sees that went away before there was an answer.
            status: StatusCode::REQUEST_TIMEOUT,
            sent_bytes: 0,
            entry,
        }
    }

    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    pub(crate) fn decided(&mut self, kind: Kind, status: StatusCode) {
        self.kind = kind;
        self.status = status;
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.sent_bytes += bytes;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let metrics = &self.shared.metrics;
        metrics.record(self.kind, self.status, self.sent_bytes, took);
        if let Some(entry) = self.entry.take()
            && !self
                .shared
                .log
                .line(*entry, self.status, self.sent_bytes, took)
        {
            metrics
                .log_lines_dropped
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}
