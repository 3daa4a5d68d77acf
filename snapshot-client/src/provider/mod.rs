//! The seam: what an app reads tables from.

mod event;
mod handles;
mod options;
mod status;

use std::sync::Arc;
use std::time::Duration;

use snapshot_format::Version;

use crate::error::Error;
use crate::snapshot::{Snapshot, Table};

pub use event::{Change, Event, Listener};
pub use handles::{Cancel, Subscription};
pub use options::ReadOptions;
pub use status::{ProviderKind, ReadyState, RefreshResult, RefreshStatus, State, Status};

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
