//! How a remote provider is set up.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::bundled::Bundled;
use crate::files::FileStorage;
use crate::provider::{Event, Listener};
use crate::runtime::Runtime;
use crate::storage::Storage;
use crate::transport::Transport;

/// How a remote provider is set up: [`RemoteConfig::new`], then change what is to be otherwise.
#[non_exhaustive]
pub struct RemoteConfig {
    /// Where `version.json` lies, such as `https://cdn.example.org/reference`.
    pub base_url: String,
    /// What the app ships: shown until something newer is there. Default none.
    pub bundled: Option<Bundled>,
    /// Where verified objects are kept; without it every start fetches. Default none.
    pub storage: Option<Arc<dyn Storage>>,
    /// Keeps two sources apart in one storage. Default: made of the base URL.
    pub namespace: Option<String>,
    /// When to refresh. Default [`Polling::Auto`].
    pub polling: Polling,
    /// Whether to listen to the server's `/events` beside polling, as `snapshot-server` has them: a
    /// new version is then there within a moment. One more thread and one open connection while
    /// the provider runs, is in the foreground and has a network; both end with the next line that
    /// arrives, at most a heartbeat (15 seconds) later. Default no.
    pub live_reload: bool,
    /// From 5 seconds to 24 hours. Default five minutes.
    pub poll_interval: Duration,
    /// How long a confirmation by the server counts as fresh. Default: the interval.
    pub stale_time: Option<Duration>,
    /// For a request, and a second more for each 4 KiB that it may bring. Default 10 seconds.
    pub request_timeout: Duration,
    /// How long a read or `wait_for_ready` waits. Default 5 seconds.
    pub init_timeout: Duration,
    /// How long one operation of the storage may take. Default 5 seconds.
    pub storage_timeout: Duration,
    /// The majors of `schemaVersion` that this app's code understands. Default 1 alone.
    pub schema_majors: Vec<u32>,
    /// Tables without which a version is refused. Default none.
    pub required_tables: Vec<String>,
    /// Told of every event from the very first on, also while the provider is being made.
    pub listener: Option<Listener>,
    /// Default: [`HttpTransport`].
    pub transport: Option<Arc<dyn Transport>>,
    /// Default: [`SystemRuntime`].
    pub runtime: Option<Arc<dyn Runtime>>,
}

/// When a remote provider refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Polling {
    /// At the start, and then again and again.
    #[default]
    Auto,
    /// When it is asked to.
    Manual,
}

impl RemoteConfig {
    /// The defaults for the store at this URL.
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
            listener: None,
            transport: None,
            runtime: None,
        }
    }

    /// The same with a cache in this folder, which several processes may share.
    #[must_use]
    pub fn cached_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.storage = Some(Arc::new(FileStorage::new(folder)));
        self
    }

    /// The same with what the app ships.
    #[must_use]
    pub fn bundled(mut self, bundled: Bundled) -> Self {
        self.bundled = Some(bundled);
        self
    }

    /// The same with a listener that misses nothing.
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
