//! The seam: what an app reads tables from.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use snapshot_format::Version;

use crate::error::Error;
use crate::lock::lock;
use crate::runtime::Signal;
use crate::snapshot::{Snapshot, Source, Table};

/// How an app reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Take what is verified now, however old, and let a refresh run behind; `false`, the default,
    /// waits until the server has confirmed it.
    pub allow_stale_cache: bool,
    /// How long to wait at most; a refresh goes on behind. Default: the provider's.
    pub timeout: Option<Duration>,
}

impl ReadOptions {
    /// Waits until the server has confirmed what is read.
    pub fn confirmed() -> Self {
        Self::default()
    }

    /// Takes what is verified now, without waiting for the network.
    pub fn allow_stale_cache() -> Self {
        Self {
            allow_stale_cache: true,
            timeout: None,
        }
    }

    /// The same with a time to wait at most.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// Whether a provider fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderKind {
    /// It shows what the app ships, and nothing else.
    Local,
    /// It also fetches.
    Remote,
}

/// How far a provider has come, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReadyState {
    /// There is nothing to show.
    NoData,
    /// What the app ships is shown.
    Bundled,
    /// What was fetched some time ago is shown.
    Cached,
    /// The server has confirmed what is shown, not long ago.
    UpToDate,
}

/// What a provider is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The cache is being read.
    Loading,
    /// Nothing is under way.
    Idle,
    /// A refresh is under way.
    Refreshing,
    /// A failure was the last, a retry is planned.
    Backoff,
    /// There is no network.
    Offline,
    /// The app is in the background.
    Paused,
    /// It was stopped.
    Stopped,
}

/// A provider's condition, for people and for logs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// What it is at.
    pub state: State,
    /// How far it has come.
    pub ready: ReadyState,
    /// Refreshes that failed since the last success.
    pub failures: u32,
    /// Why the last one failed, until one succeeds.
    pub last_error: Option<Error>,
    /// When the next refresh is planned, by the provider's own clock.
    pub next_refresh_at: Option<Duration>,
    /// The version that is offered and that only an update of the app will understand.
    pub update_required: Option<String>,
}

/// What came of a refresh.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RefreshResult {
    /// In one word.
    pub status: RefreshStatus,
    /// What is shown now.
    pub version: Option<Version>,
    /// The keys of the tables whose rows differ from those shown before, sorted.
    pub changed_tables: Vec<String>,
    /// Why it failed.
    pub error: Option<Error>,
}

/// What came of a refresh, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshStatus {
    /// Another snapshot is shown.
    Updated,
    /// What is shown is the newest.
    NotModified,
    /// Stopped, switched off, or known to be without network.
    Skipped,
    /// See [`RefreshResult::error`].
    Failed,
}

/// Another snapshot is shown.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// What was shown before.
    pub from: Option<Version>,
    /// What is shown now.
    pub to: Version,
    /// Where it came from.
    pub source: Source,
    /// The keys of the tables that differ, sorted.
    pub changed_tables: Vec<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The cache was looked at, or the first data is there.
    Ready(ReadyState),
    /// Another snapshot is shown.
    Change(Box<Change>),
    /// A refresh or the cache failed.
    Error(Error),
    /// The first success after failures.
    Recovered,
    /// The status changed.
    Status(Arc<Status>),
    /// Only an update of the app will understand this `schemaVersion` or `formatVersion`; told
    /// once for each.
    UpdateRequired(String),
}

/// Is told what happens, one event after the other, on a thread of the provider or of whoever
/// brought the event about. It may call the provider; what it would have to wait for there it does
/// not get: a read that needs the server fails at once, and a refresh is begun and `Skipped`.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// What an app reads tables from; whoever holds one does not know where the data lives.
///
/// All calls may be made from any thread. Reads return at once where what is asked for is there.
pub trait ReferenceDataProvider: Send + Sync {
    /// Whether it fetches.
    fn kind(&self) -> ProviderKind;

    /// All tables of one version.
    ///
    /// # Errors
    /// [`Stale`](crate::ErrorCode::Stale), [`NoData`](crate::ErrorCode::NoData) or
    /// [`Disposed`](crate::ErrorCode::Disposed).
    fn bootstrap(&self, options: ReadOptions) -> Result<Arc<Snapshot>, Error>;

    /// The version.
    ///
    /// # Errors
    /// As [`bootstrap`](Self::bootstrap).
    fn version(&self, options: ReadOptions) -> Result<Version, Error> {
        Ok(self.bootstrap(options)?.version().clone())
    }

    /// One table.
    ///
    /// # Errors
    /// As [`bootstrap`](Self::bootstrap), and [`UnknownTable`](crate::ErrorCode::UnknownTable).
    fn table(&self, key: &str, options: ReadOptions) -> Result<Table, Error> {
        self.bootstrap(options)?.table(key)
    }

    /// What is shown now, at once; the same until the version changes.
    fn snapshot(&self) -> Option<Arc<Snapshot>>;

    /// The condition; the same until something in it changes.
    fn status(&self) -> Arc<Status>;

    /// Tells this listener what happens from now on, until what is returned is dropped.
    fn subscribe(&self, listener: Listener) -> Subscription;

    /// Waits for the cache and the first refresh, at most so long (or the provider's own time).
    fn wait_for_ready(&self, timeout: Option<Duration>) -> ReadyState;

    /// Asks the server now, and waits for what comes of it. One refresh runs at a time: whoever
    /// asks meanwhile gets its result.
    fn refresh(&self) -> RefreshResult {
        self.refresh_unless(&Cancel::new())
    }

    /// The same for a caller who may give up: the refresh goes on, and its result is `Failed` with
    /// [`Aborted`](crate::ErrorCode::Aborted).
    fn refresh_unless(&self, cancel: &Cancel) -> RefreshResult;

    /// Begins to poll; a new provider has begun.
    fn start(&self);

    /// Ends the timer, and drops what is under way; what is shown stays.
    fn stop(&self);

    /// Whether the app is in the foreground.
    fn set_active(&self, active: bool);

    /// Whether the device has a network.
    fn set_online(&self, online: bool);

    /// The end of it; dropping the provider does the same.
    fn dispose(&self);
}

/// Ends the waiting of who waits; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    cancelled: AtomicBool,
    // The providers' own, so that those who wait there look.
    signals: Mutex<Vec<Signal>>,
}

impl Cancel {
    /// Nobody has given up yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives up.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for signal in lock(&self.0.signals).iter() {
            signal.give();
        }
    }

    /// Whether it was given up.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn wakes(&self, signal: &Signal) {
        lock(&self.0.signals).push(signal.clone());
    }
}

/// Ends what [`ReferenceDataProvider::subscribe`] began when it is dropped.
#[must_use = "dropping it ends the subscription"]
pub struct Subscription(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Subscription {
    /// A subscription that ends so.
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }

    /// Lets the listener be told as long as the provider lasts.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

impl ReadyState {
    /// The name that all clients share, such as `up-to-date`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "no-data",
            Self::Bundled => "bundled",
            Self::Cached => "cached",
            Self::UpToDate => "up-to-date",
        }
    }
}

impl State {
    /// The name that all clients share, such as `refreshing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Idle => "idle",
            Self::Refreshing => "refreshing",
            Self::Backoff => "backoff",
            Self::Offline => "offline",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

impl RefreshStatus {
    /// The name that all clients share, such as `not-modified`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::NotModified => "not-modified",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}
