#![doc = include_str!("../README.md")]

mod bundled;
mod config;
mod core;
mod effects;
mod error;
mod files;
mod flag;
mod http;
mod local;
mod lock;
mod provider;
mod remote;
mod runtime;
mod snapshot;
mod storage;
mod transport;

use std::sync::Arc;

pub use snapshot_format::{ObjectHash, Version};

pub use bundled::{Bundled, SourceFolder};
pub use config::{Polling, ReferenceConfig, RemoteConfig};
pub use error::{Error, ErrorCode};
pub use files::FileStorage;
pub use flag::{Changed, Flag, Switch};
pub use http::HttpTransport;
pub use local::LocalProvider;
pub use provider::{
    Cancel, Change, Event, Listener, ProviderKind, ReadOptions, ReadyState, ReferenceDataProvider,
    RefreshResult, RefreshStatus, State, Status, Subscription,
};
pub use remote::RemoteProvider;
pub use runtime::{Runtime, Signal, SystemRuntime};
pub use snapshot::{Snapshot, Source, Table};
pub use storage::{MemoryStorage, Storage};
pub use transport::{Request, Response, Transport};

/// A provider that is local or remote as the flag says; the flag may be flipped while it runs.
///
/// # Errors
/// [`ErrorCode::Config`] if the poll interval or the base URL is refused, or the system has no
/// certificates to check a server by.
pub fn create_reference_provider(
    config: ReferenceConfig,
) -> Result<Arc<dyn ReferenceDataProvider>, Error> {
    Ok(Arc::new(RemoteProvider::switched(config)?))
}
