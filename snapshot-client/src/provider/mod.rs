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

/// What an app reads tables from; the caller does not know where the data lives.
///
/// Any thread may call any of it. A read returns at once if what it asks for is there.
pub trait ReferenceDataProvider: Send + Sync {
    /// Where its data comes from now; it changes when the flag is flipped.
    fn kind(&self) -> ProviderKind;

    /// The snapshot: all tables of one version.
    ///
    /// # Errors
    /// - [`Stale`](crate::ErrorCode::Stale) if a stale version is not allowed, and the server has
    ///   not confirmed the current one in time.
    /// - [`NoData`](crate::ErrorCode::NoData) if nothing is bundled, cached or fetched in time.
    /// - [`Disposed`](crate::ErrorCode::Disposed) if the provider was disposed.
    fn bootstrap(&self, options: ReadOptions) -> Result<Arc<Snapshot>, Error>;

    /// The version of the snapshot that [`bootstrap`](Self::bootstrap) returns.
    ///
    /// # Errors
    /// If [`bootstrap`](Self::bootstrap) fails.
    fn version(&self, options: ReadOptions) -> Result<Version, Error> {
        Ok(self.bootstrap(options)?.version().clone())
    }

    /// One table, by its key such as `exerciseCategories`, of the snapshot that
    /// [`bootstrap`](Self::bootstrap) returns.
    ///
    /// # Errors
    /// If [`bootstrap`](Self::bootstrap) fails; [`UnknownTable`](crate::ErrorCode::UnknownTable) if
    /// the snapshot has no table of this key.
    fn table(&self, key: &str, options: ReadOptions) -> Result<Table, Error> {
        self.bootstrap(options)?.table(key)
    }

    /// The current snapshot, at once; `None` if there is none. The same one until the version
    /// changes.
    fn snapshot(&self) -> Option<Arc<Snapshot>>;

    /// The status; the same one until something in it changes.
    fn status(&self) -> Arc<Status>;

    /// Sends the events from now on to this listener, until the subscription is dropped.
    fn subscribe(&self, listener: Listener) -> Subscription;

    /// Waits until the cache was read and the first refresh is over, at most so long; `None` stands
    /// for [`RemoteConfig::init_timeout`](crate::RemoteConfig::init_timeout). Returns how far the
    /// provider has come then.
    fn wait_for_ready(&self, timeout: Option<Duration>) -> ReadyState;

    /// Asks the server now, and waits for the outcome. One refresh runs at a time: whoever asks
    /// meanwhile gets its result.
    fn refresh(&self) -> RefreshResult {
        self.refresh_unless(&Cancel::new())
    }

    /// [`refresh`](Self::refresh) for a caller that may give up waiting. The refresh goes on; the
    /// caller's result is `Failed` with [`Aborted`](crate::ErrorCode::Aborted).
    fn refresh_unless(&self, cancel: &Cancel) -> RefreshResult;

    /// Starts polling again after [`stop`](Self::stop); a new provider is started.
    fn start(&self);

    /// Stops polling, and drops what is under way. The current snapshot stays.
    fn stop(&self);

    /// Says whether the app is in the foreground. In the background nothing is polled.
    fn set_active(&self, active: bool);

    /// Says whether the device has a network. Without one nothing is fetched.
    fn set_online(&self, online: bool);

    /// Ends the provider for good: reads fail from now on. Dropping it does the same.
    fn dispose(&self);
}
