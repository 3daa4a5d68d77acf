//! Serves a snapshot folder over HTTP.
//!
//! The server has one version loaded and swaps it whole. A request looks its
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
mod error;
mod event;
mod http;
mod observe;
mod options;
mod rules;
mod shared;
mod snapshot;
mod socket;

// They need the inside of the crate; no build for users has them.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[path = "../fuzz/properties.rs"]
pub mod properties;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use snapshot_format::Version;
use tokio::sync::watch as signal;
use tokio::task::JoinSet;

pub use crate::error::ServerError;
pub use crate::event::{Event, Observer};
pub use crate::http::cors::Cors;
pub use crate::http::forwarded::{ClientField, Proxy, ProxyError, TrustedProxies};
pub use crate::observe::access_log::AccessLog;
pub use crate::options::Options;
pub use crate::snapshot::error::LoadError;
pub use crate::snapshot::step::Step;
pub use crate::socket::limits::Timeouts;
pub use crate::socket::place::{Listen, ListenError};
pub use crate::socket::tls::{TlsError, TlsFiles};

use crate::answer::events;
use crate::http::route::Surface;
use crate::shared::Shared;
use crate::snapshot::watch;
use crate::socket::listen::Listener;
use crate::socket::tls::Tls;
use crate::socket::workers::Workers;
use crate::socket::{renewal, serve};

/// A server that listens, and serves the snapshot if there is one.
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

    /// The version that is served.
    pub fn version(&self) -> Option<Version> {
        self.shared
            .current()
            .map(|snapshot| snapshot.version.clone())
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
            background.spawn(renewal::watch(tls, shared.clone()));
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
