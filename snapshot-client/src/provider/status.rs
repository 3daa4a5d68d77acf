//! What a provider is at, and what came of a refresh.

use std::time::Duration;

use snapshot_format::Version;

use crate::error::Error;

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
