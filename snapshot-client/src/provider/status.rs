//! What a provider is doing, how far it has come, and the outcome of a refresh.

use std::time::Duration;

use snapshot_format::Version;

use crate::error::Error;

/// Where a provider's data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderKind {
    /// From the app alone: the bundled snapshot. No request is sent.
    Local,
    /// From the server too: the version is polled, and what differs is fetched.
    Remote,
}

/// How far a provider has come, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReadyState {
    /// There is no current version: nothing is bundled, cached or fetched.
    NoData,
    /// The bundled version is current.
    Bundled,
    /// A fetched version is current, and the server has not confirmed it within the stale time.
    Cached,
    /// The server has confirmed the current version within the stale time.
    UpToDate,
}

/// What a provider is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The cache is being read.
    Loading,
    /// Nothing is under way; the next refresh may be planned.
    Idle,
    /// A refresh is under way.
    Refreshing,
    /// The last refresh failed; a retry is planned, unless polling is manual.
    Backoff,
    /// The device has no network, by [`ReferenceDataProvider::set_online`](crate::ReferenceDataProvider::set_online).
    Offline,
    /// The app is in the background, by [`ReferenceDataProvider::set_active`](crate::ReferenceDataProvider::set_active).
    Paused,
    /// It was stopped or disposed.
    Stopped,
}

/// A provider's status, for people and for logs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// What the provider is doing.
    pub state: State,
    /// How far it has come: whether there is data, and where it comes from.
    pub ready: ReadyState,
    /// How many refreshes have failed since the last success.
    pub failures: u32,
    /// Why the last refresh failed; `None` after a success.
    pub last_error: Option<Error>,
    /// The time of the next planned refresh, on the clock of
    /// [`Runtime::now`](crate::Runtime::now); `None` while nothing is planned.
    pub next_refresh_at: Option<Duration>,
    /// The `schemaVersion` (`2.0`) or format (`formatVersion 2`) that the server offers and this app
    /// does not know: the app needs an update. `None` after a success.
    pub update_required: Option<String>,
}

/// The outcome of a refresh.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RefreshResult {
    /// The outcome in one word.
    pub status: RefreshStatus,
    /// The version that is current after the refresh; `None` if there is none.
    pub version: Option<Version>,
    /// The keys of the tables whose rows differ from those before the refresh, sorted.
    pub changed_tables: Vec<String>,
    /// Why the refresh failed; `Some` with [`RefreshStatus::Failed`] alone.
    pub error: Option<Error>,
}

/// The outcome of a refresh, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshStatus {
    /// Another snapshot was fetched whole, and became current.
    Updated,
    /// The current version is the newest.
    NotModified,
    /// Nothing was fetched: the provider is stopped, its flag is off, or the device has no network.
    Skipped,
    /// Something stood in the way, and what was current stays: [`RefreshResult::error`] says
    /// what.
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
