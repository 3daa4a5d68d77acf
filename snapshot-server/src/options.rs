//! What a server is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use snapshot_format::Cache;

use crate::event::Observer;
use crate::http::cors::Cors;
use crate::http::forwarded::TrustedProxies;
use crate::observe::access_log::AccessLog;
use crate::socket::limits::Timeouts;
use crate::socket::place::Listen;
use crate::socket::tls::TlsFiles;

/// What is served, where, and within which bounds.
#[derive(Clone)]
pub struct Options {
    /// The snapshot folder. It may be empty: the first version is picked up
    /// when it appears.
    pub root: PathBuf,
    /// Whether links below the root are followed: a volume of Kubernetes is
    /// made of them. Without it they are refused; the root itself may be one.
    pub follow_links: bool,
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<Listen>,
    /// The certificate for [`Listen::Https`].
    pub tls: Option<TlsFiles>,
    /// How often `version.json` is compared.
    pub poll_interval: Duration,
    /// How many bytes of objects are in memory; others stay in their files.
    pub memory_budget_bytes: u64,
    /// How many bytes read from files may wait for slow clients, all together.
    pub in_flight_bytes: u64,
    /// How many threads serve; 0 is one for each processor.
    pub threads: usize,
    /// How many connections may be open.
    pub max_connections: usize,
    /// How many of them one client's address may have; 0 is no limit. Proxies
    /// that are trusted have none.
    pub max_connections_per_client: usize,
    /// How many may listen at `/events`, at most half of the connections.
    pub max_listeners: usize,
    /// How many of them one client's address may be: a quarter, or 16 where that
    /// is more, and never more than half, where it is
    /// not said; 0 is no limit. An IPv6 address counts with all of its /64, and a trusted
    /// proxy has no limit.
    pub max_listeners_per_client: Option<usize>,
    /// Who is believed when they say who the client is.
    pub trusted_proxies: TrustedProxies,
    /// How long a connection may make no progress.
    pub timeouts: Timeouts,
    /// `Cache-Control` of `version.json` and the endpoints under `/api`.
    pub pointer_cache_control: String,
    /// Where `/metrics` is served, apart from the public.
    pub metrics: Option<SocketAddr>,
    /// How requests are logged.
    pub access_log: AccessLog,
    /// Which pages may read responses.
    pub cors: Cors,
    /// Whether simple requests over HTTP/1.1 are answered without hyper: the
    /// same bytes for less work. Only for every origin's CORS.
    pub fast_path: bool,
    /// Is told what happens.
    pub observer: Observer,
}

impl Options {
    /// The defaults, for this folder and address.
    pub fn new(root: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Self {
            root: root.into(),
            follow_links: false,
            listen: vec![listen.into()],
            tls: None,
            poll_interval: Duration::from_millis(500),
            memory_budget_bytes: 256 * 1024 * 1024,
            in_flight_bytes: 64 * 1024 * 1024,
            threads: 0,
            max_connections: 16 * 1024,
            max_connections_per_client: 12 * 1024,
            max_listeners: 4 * 1024,
            max_listeners_per_client: None,
            trusted_proxies: TrustedProxies::default(),
            timeouts: Timeouts::default(),
            pointer_cache_control: Cache::Briefly.control().to_owned(),
            metrics: None,
            access_log: AccessLog::Off,
            cors: Cors::Any,
            fast_path: true,
            observer: Arc::new(|event| eprintln!("snapshot-server: {event}")),
        }
    }
}

impl Default for Options {
    /// `snapshots` on `127.0.0.1:8080`.
    fn default() -> Self {
        Self::new("snapshots", ([127, 0, 0, 1], 8080).into())
    }
}
