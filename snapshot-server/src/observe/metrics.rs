//! What is counted, and how Prometheus reads it.
//!
//! Counting is a few relaxed additions. Nothing is labelled by what a client
//! chooses, so no client can make the page grow.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;

use crate::http::kind::Kind;
use crate::snapshot::state::Snapshot;

/// Every status that the server gives.
const STATUSES: [u16; 20] = [
    200, 204, 206, 304, 400, 404, 405, 406, 408, 412, 413, 414, 416, 417, 431, 500, 501, 503, 505,
    0,
];

/// Upper bounds in microseconds. An object in memory takes some tens; the rest shows
/// slow clients and disks.
const BUCKETS_US: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000,
    10_000_000, 60_000_000,
];

/// All counters of a server.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: [[AtomicU64; STATUSES.len()]; Kind::ALL.len()],
    sent_bytes: AtomicU64,
    /// One more than the bounds: what is slower than all of them.
    durations: [AtomicU64; BUCKETS_US.len() + 1],
    duration_us: AtomicU64,
    pub(crate) swaps: AtomicU64,
    pub(crate) refusals: AtomicU64,
    pub(crate) log_lines_dropped: AtomicU64,
    crowded_out: AtomicU64,
    unintroduced: AtomicU64,
}

/// What is true now and not counted here.
pub(crate) struct Gauges<'a> {
    pub(crate) snapshot: Option<&'a Snapshot>,
    pub(crate) is_refusing: bool,
    pub(crate) is_behind: bool,
    pub(crate) open_connections: usize,
    pub(crate) listeners: usize,
    pub(crate) loaded_bytes: u64,
}

impl Metrics {
    /// Counts a request that is over.
    pub(crate) fn record(&self, kind: Kind, status: StatusCode, sent_bytes: u64, took: Duration) {
        let of_status = STATUSES.iter().position(|known| *known == status.as_u16());
        let of_status = of_status.unwrap_or(STATUSES.len() - 1);
        add(&self.requests[kind as usize][of_status], 1);
        add(&self.sent_bytes, sent_bytes);
        // How long somebody listened says nothing of how long an answer takes.
        if kind == Kind::Events {
            return;
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.iter().position(|bound| micros <= *bound);
        add(&self.durations[bucket.unwrap_or(BUCKETS_US.len())], 1);
        add(&self.duration_us, micros);
    }

    /// Counts a connection that is refused because its client has too many.
    pub(crate) fn count_crowded_out(&self) {
        add(&self.crowded_out, 1);
    }

    /// Counts a connection without the PROXY header that it must begin with.
    pub(crate) fn count_unintroduced(&self) {
        add(&self.unintroduced, 1);
    }

    /// The page, in Prometheus's text format 0.0.4.
    pub(crate) fn render(&self, gauges: &Gauges<'_>, now: SystemTime) -> String {
        let mut page = Page(String::with_capacity(8 * 1024));
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);

        page.head("http_requests_total", "counter", "Requests that are over.");
        for kind in Kind::ALL {
            for (at, status) in STATUSES.iter().enumerate() {
                let count = read(&self.requests[kind as usize][at]);
                if count > 0 {
                    let labels = format!("{{kind=\"{}\",status=\"{status}\"}}", kind.label());
                    page.line("http_requests_total", &labels, count);
                }
            }
        }
        page.one(
            "http_sent_bytes_total",
            "counter",
            "Bytes of bodies.",
            read(&self.sent_bytes),
        );

        let name = "http_request_duration_seconds";
        page.head(
            name,
            "histogram",
            "From a request's head to the last byte handed over.",
        );
        let mut total = 0;
        for (at, bucket) in self.durations.iter().enumerate() {
            total += read(bucket);
            let bound = BUCKETS_US
                .get(at)
                .map_or("+Inf".to_owned(), |micros| seconds(*micros));
            page.line(
                &format!("{name}_bucket"),
                &format!("{{le=\"{bound}\"}}"),
                total,
            );
        }
        page.line(&format!("{name}_sum"), "", seconds(read(&self.duration_us)));
        page.line(&format!("{name}_count"), "", total);

        let open = gauges.open_connections;
        page.one(
            "connections_open",
            "gauge",
            "Connections that are open.",
            open,
        );
        page.one(
            "listeners",
            "gauge",
            "Streams of /events that are open.",
            gauges.listeners,
        );
        let name = "connections_refused_total";
        page.head(name, "counter", "Connections that were closed unheard.");
        for (reason, count) in [
            ("client-limit", &self.crowded_out),
            ("proxy-header", &self.unintroduced),
        ] {
            page.line(name, &format!("{{reason=\"{reason}\"}}"), read(count));
        }
        let loaded = gauges.loaded_bytes;
        page.one(
            "objects_loaded_bytes",
            "gauge",
            "Bytes of objects in memory.",
            loaded,
        );
        let swaps = read(&self.swaps);
        page.one(
            "snapshot_swaps_total",
            "counter",
            "Versions that were taken.",
            swaps,
        );
        let refusals = read(&self.refusals);
        page.one(
            "snapshot_refusals_total",
            "counter",
            "Attempts at one that failed.",
            refusals,
        );
        let refusing = u8::from(gauges.is_refusing);
        page.one(
            "snapshot_refused",
            "gauge",
            "1 while the folder's version is refused.",
            refusing,
        );
        let behind = u8::from(gauges.is_behind);
        page.one(
            "snapshot_behind",
            "gauge",
            "1 while the version is not the newest that was served.",
            behind,
        );
        let dropped = read(&self.log_lines_dropped);
        page.one(
            "log_lines_dropped_total",
            "counter",
            "Lines the log was too slow for.",
            dropped,
        );
        page.snapshot(gauges.snapshot, now);
        page.0
    }
}

struct Page(String);

impl Page {
    fn snapshot(&mut self, snapshot: Option<&Snapshot>, now: SystemTime) {
        let ready = u8::from(snapshot.is_some());
        self.one(
            "snapshot_loaded",
            "gauge",
            "1 while a valid snapshot is loaded.",
            ready,
        );
        let Some(snapshot) = snapshot else { return };
        let version = &snapshot.version;
        let reference = version.reference_version.0;
        self.one(
            "reference_version",
            "gauge",
            "The database's version.",
            reference,
        );
        self.one(
            "snapshot_epoch",
            "gauge",
            "The store's first second.",
            version.epoch,
        );
        self.one(
            "snapshot_sequence",
            "gauge",
            "Counts publications.",
            version.sequence,
        );
        let since = snapshot
            .loaded_since
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = "snapshot_loaded_since_seconds";
        self.one(
            name,
            "gauge",
            "When it was taken, in Unix time.",
            since.as_secs(),
        );
        let age = now
            .duration_since(snapshot.loaded_since)
            .unwrap_or_default();
        self.one(
            "snapshot_age_seconds",
            "gauge",
            "How long it is loaded.",
            age.as_secs(),
        );
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let name = format!("tablecast_{name}");
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("memory");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "tablecast_{name}{labels} {value}").expect("memory");
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_sums_what_was_recorded() {
        let metrics = Metrics::default();
        let status = StatusCode::NOT_MODIFIED;
        metrics.record(Kind::Version, status, 0, Duration::from_micros(40));
        metrics.record(Kind::Version, status, 0, Duration::from_micros(70));
        metrics.record(
            Kind::Bootstrap,
            StatusCode::OK,
            1234,
            Duration::from_secs(100),
        );
        metrics.record(Kind::Events, StatusCode::OK, 0, Duration::from_secs(9));
        metrics.record(Kind::Other, StatusCode::IM_A_TEAPOT, 0, Duration::ZERO);
        let gauges = Gauges {
            snapshot: None,
            is_refusing: true,
            is_behind: true,
            open_connections: 7,
            listeners: 3,
            loaded_bytes: 9,
        };
        let page = metrics.render(&gauges, UNIX_EPOCH);
        for line in [
            r#"tablecast_http_requests_total{kind="version",status="304"} 2"#,
            r#"tablecast_http_requests_total{kind="bootstrap",status="200"} 1"#,
            r#"tablecast_http_requests_total{kind="events",status="200"} 1"#,
            r#"tablecast_http_requests_total{kind="other",status="0"} 1"#,
            "tablecast_http_sent_bytes_total 1234",
            r#"tablecast_http_request_duration_seconds_bucket{le="0.00005"} 2"#,
            r#"tablecast_http_request_duration_seconds_bucket{le="0.0001"} 3"#,
            r#"tablecast_http_request_duration_seconds_bucket{le="60"} 3"#,
            r#"tablecast_http_request_duration_seconds_bucket{le="+Inf"} 4"#,
            "tablecast_http_request_duration_seconds_sum 100.00011",
            "tablecast_http_request_duration_seconds_count 4",
            "tablecast_connections_open 7",
            "tablecast_listeners 3",
            "tablecast_snapshot_refused 1",
            "tablecast_snapshot_behind 1",
            "tablecast_snapshot_loaded 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
        }
    }
}
