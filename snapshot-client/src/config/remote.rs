//! How a remote provider is set up.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use snapshot_format::MAX_OBJECT_SIZE;

use crate::bundled::Bundled;
use crate::files::FileStorage;
use crate::provider::{Event, Listener};
use crate::runtime::Runtime;
use crate::storage::Storage;
use crate::transport::Transport;

/// How a remote provider is set up: begin with [`RemoteConfig::new`], then change fields.
#[non_exhaustive]
pub struct RemoteConfig {
    /// The URL of the folder with `version.json`, such as `https://cdn.example.org/reference`.
    pub base_url: String,
    /// What the app ships: current until something newer is there. Default: `None`.
    pub bundled: Option<Bundled>,
    /// Where verified objects are cached; without it every start fetches them. Default: `None`.
    pub storage: Option<Arc<dyn Storage>>,
    /// The name under which this source is cached: sources that share a storage need different
    /// ones. Default: the first 16 digits of the base URL's BLAKE3.
    pub namespace: Option<String>,
    /// When to refresh. Default: [`Polling::Auto`].
    pub polling: Polling,
    /// Whether to listen to the `/events` of `snapshot-server` beside polling: a new version is then
    /// there within a moment. It takes one more thread and one open connection while the provider
    /// runs, is in the foreground and has a network. Both end when the server sends its next line,
    /// at most a heartbeat (15 seconds) later. Default: `false`.
    pub live_reload: bool,
    /// The time between two polls, from 5 seconds to 24 hours. Default: 5 minutes.
    pub poll_interval: Duration,
    /// How long a version counts as confirmed after the server has confirmed it. Default:
    /// `poll_interval`.
    pub stale_time: Option<Duration>,
    /// The time for a request; a second is added for each 4 KiB that the response may have.
    /// Default: 10 seconds.
    pub request_timeout: Duration,
    /// How long a read or `wait_for_ready` waits, unless the caller says otherwise. Default: 5
    /// seconds.
    pub init_timeout: Duration,
    /// How long one operation of the storage may take. Default: 5 seconds.
    pub storage_timeout: Duration,
    /// The majors of `schemaVersion` that this app's code understands. Default: 1 alone.
    pub schema_majors: Vec<u32>,
    /// The keys of the tables without which a version is refused. Default: none.
    pub required_tables: Vec<String>,
    /// The most bytes that a table or bootstrap object may have, from 1 to 2^53-1; a version with a
    /// larger one is refused. Raise it where the store's publisher has a larger `max_object_bytes`: the
    /// object is then held in memory. Default: 32 MiB.
    pub max_object_bytes: u64,
    /// A listener that gets every event from the first on, also those while the provider is made.
    /// Default: `None`.
    pub listener: Option<Listener>,
    /// How requests are sent. Default: [`HttpTransport`](crate::HttpTransport).
    pub transport: Option<Arc<dyn Transport>>,
    /// The clock and the threads. Default: [`SystemRuntime`](crate::SystemRuntime).
    pub runtime: Option<Arc<dyn Runtime>>,
}

/// When a remote provider refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Polling {
    /// At the start, and then each [`poll_interval`](RemoteConfig::poll_interval).
    #[default]
    Auto,
    /// When a caller asks for it.
    Manual,
}

impl RemoteConfig {
    /// The defaults, for the store at this URL.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            bundled: None,
            storage: None,
            namespace: None,
            polling: Polling::Auto,
            live_reload: false,
            poll_interval: Duration::from_secs(300),
            stale_time: None,
            request_timeout: Duration::from_secs(10),
            init_timeout: Duration::from_secs(5),
            storage_timeout: Duration::from_secs(5),
            schema_majors: vec![1],
            required_tables: Vec::new(),
            max_object_bytes: MAX_OBJECT_SIZE,
            listener: None,
            transport: None,
            runtime: None,
        }
    }

    /// The same configuration with a cache in this folder, which several processes may share.
    #[must_use]
    pub fn cached_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.storage = Some(Arc::new(FileStorage::new(folder)));
        self
    }

    /// The same configuration with what the app ships.
    #[must_use]
    pub fn bundled(mut self, bundled: Bundled) -> Self {
        self.bundled = Some(bundled);
        self
    }

    /// The same configuration with a listener that gets every event.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }
}

impl fmt::Debug for RemoteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteConfig")
            .field("base_url", &self.base_url)
            .field("poll_interval", &self.poll_interval)
            .finish_non_exhaustive()
    }
}
