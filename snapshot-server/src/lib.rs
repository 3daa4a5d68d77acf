//! Serves a snapshot folder over HTTP.
//!
//! The server holds one version ready and swaps it whole. A request looks its
//! path up and gets finished bytes and header fields; it waits for nothing and
//! reads no file, unless the object is larger than the memory budget allows or
//! belongs to another version than the current one.
//!
//! What it promises, each with a test that tries to break it:
//! 1. A byte is served only after its hash was verified.
//! 2. A response never mixes two versions, and a snapshot that is damaged or
//!    still arriving is never taken: the last good one stays.
//! 3. A path reaches the file system only as a [`snapshot_format::Key`].
//! 4. A client that is slow, silent or greedy costs the others nothing.
//!
//! ```no_run
//! # async fn example() -> Result<(), snapshot_server::ServerError> {
//! let options = snapshot_server::Options::new("snapshots", ([127, 0, 0, 1], 8080).into());
//! let server = snapshot_server::bind(options).await?;
//! println!("http://{}/version.json", server.local_addr());
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await
//! # }
//! ```

mod answer;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod lock;
mod observe;
mod rules;
mod shared;
mod snapshot;
mod socket;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use snapshot_format::{Cache, Version};
use tokio::sync::watch as signal;
use tokio::task::JoinSet;

pub use crate::http::cors::Cors;
pub use crate::http::forwarded::{ClientField, Proxy, ProxyError, TrustedProxies};
pub use crate::observe::access_log::AccessLog;
pub use crate::snapshot::load::LoadError;
pub use crate::snapshot::step::Step;
pub use crate::socket::connection::Timeouts;
pub use crate::socket::listen::{Listen, ListenError};
pub use crate::socket::tls::{TlsError, TlsFiles};

use crate::answer::events;
use crate::http::route::Surface;
use crate::shared::Shared;
use crate::snapshot::watch;
use crate::socket::listen::Listener;
use crate::socket::tls::Tls;
use crate::socket::workers::Workers;
use crate::socket::{serve, tls};

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
    /// How many bytes of objects are held in memory; others stay in their files.
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
    /// How many of them one client's address may be: a quarter, and 16 at least, where it is
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
    /// Whether plain requests over HTTP/1.1 are answered without hyper: the
    /// same bytes for less work. Only for every origin's CORS.
    pub direct: bool,
    /// Is told what happens.
    pub observer: Observer,
}

/// Is told what happens to the server.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

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
            direct: true,
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

/// Something that an operator may want to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Another version is served from now on.
    Swapped {
        /// Which one.
        version: Version,
        /// Number of tables.
        tables: usize,
        /// How long reading and verifying took.
        took: Duration,
        /// Where it leads, seen from the newest that was served.
        step: Step,
    },
    /// The snapshot in the folder is not whole; what was held stays.
    Refused(LoadError),
    /// An object of another version was asked for and is damaged.
    ObjectRefused(LoadError),
    /// A renewed certificate is in use.
    CertificateSwapped,
    /// The certificate's files changed and cannot be used; the one before stays.
    CertificateRefused(TlsError),
    /// Other settings, by the names of their flags.
    Configured {
        /// In force from now on.
        taken: Vec<&'static str>,
        /// As they were until a restart.
        fixed: Vec<&'static str>,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Swapped {
                version,
                tables,
                took,
                step,
            } => {
                write!(
                    f,
                    "serving {} ({}-{}, {tables} tables, verified in {} ms)",
                    version.reference_version,
                    version.epoch,
                    version.sequence,
                    took.as_millis(),
                )?;
                match step {
                    Step::Forward => Ok(()),
                    step => write!(f, "; warning: {step}"),
                }
            }
            Event::Refused(error) => write!(f, "snapshot refused: {}", explain(error)),
            Event::ObjectRefused(error) => write!(f, "object refused: {}", explain(error)),
            Event::CertificateSwapped => f.write_str("certificate renewed"),
            Event::CertificateRefused(error) => {
                write!(f, "certificate refused: {}", explain(error))
            }
            Event::Configured { taken, fixed } => {
                let mut parts = Vec::new();
                if !taken.is_empty() {
                    parts.push(format!("in force: {}", taken.join(", ")));
                }
                if !fixed.is_empty() {
                    parts.push(format!("only after a restart: {}", fixed.join(", ")));
                }
                write!(f, "settings: {}", parts.join("; "))
            }
        }
    }
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The place cannot be had.
    #[error("failed to listen on {place}")]
    Listen {
        /// The one asked for.
        place: Listen,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nowhere to listen.
    #[error("there is no place to listen at")]
    NoListener,
    /// HTTPS was asked for without a certificate.
    #[error("https needs a certificate and its key")]
    NoCertificate,
    /// The certificate cannot be used.
    #[error("failed to set TLS up")]
    Tls(#[source] TlsError),
    /// The root is there, but not a folder.
    #[error("{} is not a folder", root.display())]
    Root {
        /// The one asked for.
        root: PathBuf,
    },
    /// The system gives no threads to serve with.
    #[error("failed to start the threads that serve")]
    Threads(#[source] io::Error),
    /// The `Cache-Control` value cannot stand in a header.
    #[error("{value:?} is not a header value")]
    CacheControl {
        /// The one asked for.
        value: String,
    },
}

/// A server that listens, and holds the snapshot if there is one.
pub struct Server {
    listeners: Vec<Listener>,
    operator: Option<Listener>,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared>,
    threads: usize,
}

/// Listens, and loads the snapshot if there is one. Nothing is answered before
/// [`Server::run`]; connections wait.
///
/// # Errors
/// Where the options cannot be met. A snapshot that is missing or damaged is
/// no error: the server waits for a better one and says so in `/ready`.
pub async fn bind(options: Options) -> Result<Server, ServerError> {
    let root = options.root.clone();
    // Whatever touches the folder has a thread of its own, which nobody waits for where
    // the file system does not answer.
    let is_usable = tokio::task::spawn_blocking(move || !root.exists() || root.is_dir()).await;
    if !is_usable.unwrap_or(true) {
        return Err(ServerError::Root { root: options.root });
    }
    let tls = options
        .tls
        .clone()
        .map(Tls::load)
        .transpose()
        .map_err(ServerError::Tls)?
        .map(Arc::new);
    let mut listeners = Vec::new();
    for place in &options.listen {
        listeners.extend(Listener::open(place, tls.as_ref())?);
    }
    if listeners.is_empty() {
        return Err(ServerError::NoListener);
    }

    let operator = options
        .metrics
        .map(|address| Listener::open(&address.into(), None));
    let operator = operator
        .transpose()?
        .and_then(|mut listeners| listeners.pop());

    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let shared = Arc::new(Shared::new(options)?);
    let first = shared.clone();
    // A panic while loading is reported by the runtime; the watcher tries again.
    let _ = tokio::task::spawn_blocking(move || watch::look(&first)).await;
    Ok(Server {
        listeners,
        operator,
        tls,
        shared,
        threads,
    })
}

/// Asks a running server to look at its files now.
#[derive(Clone)]
pub struct Reload(Arc<Shared>);

impl Reload {
    /// Compares `version.json` and the certificate at once, not at the next interval.
    pub fn now(&self) {
        self.0.look.send_replace(());
    }

    /// Takes over of these options what can change while the server runs, looks
    /// at the files, and tells [`Event::Configured`] where anything differs.
    ///
    /// # Errors
    /// [`ServerError::CacheControl`]; everything then stays as it was.
    pub fn configure(&self, options: &Options) -> Result<(), ServerError> {
        self.0.configure(options)?;
        self.now();
        Ok(())
    }
}

impl Server {
    /// Everywhere it listens, with real ports.
    pub fn places(&self) -> Vec<Listen> {
        self.listeners.iter().map(Listener::place).collect()
    }

    /// The first address, with its real port. `0.0.0.0:0` where it listens at
    /// Unix sockets only.
    pub fn local_addr(&self) -> SocketAddr {
        fn address(place: &Listen) -> Option<SocketAddr> {
            match place {
                Listen::Http(address) | Listen::Https(address) => Some(*address),
                Listen::Unix(_) | Listen::Systemd => None,
                Listen::Proxied(place) => address(place),
            }
        }
        self.places()
            .iter()
            .find_map(address)
            .unwrap_or(([0, 0, 0, 0], 0).into())
    }

    /// Where `/metrics` is, with its real port.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        match self.operator.as_ref()?.place() {
            Listen::Http(address) => Some(address),
            _ => None,
        }
    }

    /// The version that is held.
    pub fn version(&self) -> Option<Version> {
        self.shared.held().map(|snapshot| snapshot.version.clone())
    }

    /// A handle that works while the server runs.
    pub fn reload(&self) -> Reload {
        Reload(self.shared.clone())
    }

    /// Serves until `shutdown` resolves, then lets running requests finish.
    ///
    /// # Errors
    /// [`ServerError::Threads`]; what happens to one connection never ends the server.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self {
            listeners,
            operator,
            tls,
            shared,
            threads,
        } = self;
        let workers = Arc::new(Workers::start(threads).map_err(ServerError::Threads)?);
        let connections = shared.connections.clone();
        let operators = shared.operators.clone();
        // Aborted when the set is dropped, after the last connection.
        let mut background = JoinSet::new();
        background.spawn(watch::watch(shared.clone()));
        background.spawn(events::beat(shared.clone()));
        if let Some(tls) = tls {
            background.spawn(tls::watch(tls, shared.clone()));
        }
        let swept = connections.clone();
        background.spawn(async move { swept.sweep().await });

        let (stop, _) = signal::channel(false);
        let mut accepting = JoinSet::new();
        let mut accept = |listener, surface, connections, workers| {
            let mut stopped = stop.subscribe();
            let stopped = async move { _ = stopped.wait_for(|stop| *stop).await };
            accepting.spawn(serve::accept(
                listener,
                surface,
                shared.clone(),
                connections,
                workers,
                stopped,
            ));
        };
        for listener in listeners {
            let workers = Some(workers.clone());
            accept(listener, Surface::Public, connections.clone(), workers);
        }
        if let Some(listener) = operator {
            // Where no flood of requests keeps them waiting.
            accept(listener, Surface::Operator, operators.clone(), None);
            let swept = operators.clone();
            background.spawn(async move { swept.sweep().await });
        }
        shutdown.await;
        stop.send_replace(true);
        shared.feed.end();
        accepting.join_all().await;
        tokio::join!(connections.stop(), operators.stop());
        Ok(())
    }
}

/// An error and its causes on one line.
fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
