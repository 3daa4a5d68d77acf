//! The provider that fetches.
//!
//! It serves both sides of a flag: while the flag is off, the bundled snapshot is current and
//! nothing else happens. One thread does all work, and exists only while there may be work: not
//! while the flag is off or the provider is stopped. Threads, not an async runtime: the app has its
//! own runtime or none, and a client that asks once in five minutes needs neither. Every call of
//! [`ReferenceDataProvider`] looks into memory, or waits on purpose.

mod listeners;
mod live;
mod reads;
mod shared;
mod state;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use crate::config::{ReferenceConfig, RemoteConfig};
use crate::error::Error;
use crate::flag::Flag;
use crate::provider::{
    Cancel, Listener, ProviderKind, ReadOptions, ReadyState, ReferenceDataProvider, RefreshResult,
    Status, Subscription,
};
use crate::snapshot::Snapshot;

use shared::{Runs, Shared};
use state::ProviderState;

/// A provider that polls a store, caches what it has verified, and works without network.
pub struct RemoteProvider(Arc<Shared>);

impl RemoteProvider {
    /// A started provider: the bundled snapshot is current at once; then it reads the cache, and
    /// polls.
    ///
    /// # Errors
    /// [`ErrorCode::Config`](crate::ErrorCode::Config) if the poll interval or the base URL is
    /// refused, or the system has no certificates to check a server by.
    pub fn new(config: RemoteConfig) -> Result<Self, Error> {
        Self::behind(Box::new(true), config)
    }

    /// A started provider behind a flag, which may be flipped at any time. While it is off, the
    /// bundled snapshot is current, no thread runs, and no connection is opened.
    ///
    /// # Errors
    /// If [`RemoteProvider::new`] fails.
    pub fn switched(config: ReferenceConfig) -> Result<Self, Error> {
        Self::behind(config.enabled, config.remote)
    }

    fn behind(flag: Box<dyn Flag>, config: RemoteConfig) -> Result<Self, Error> {
        let runs = Runs {
            worker: worker::run,
            events: live::run,
        };
        let shared = Shared::new(flag, config, runs)?;
        shared.begin();
        let weak = Arc::downgrade(&shared);
        shared.flag.watch(Arc::new(move || {
            if let Some(shared) = weak.upgrade() {
                shared.follow();
            }
        }));
        Ok(Self(shared))
    }
}

impl Drop for RemoteProvider {
    fn drop(&mut self) {
        self.dispose();
    }
}

impl std::fmt::Debug for RemoteProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteProvider")
            .field("base_url", &self.0.settings.base_url)
            .field("status", &self.status())
            .finish()
    }
}

impl ReferenceDataProvider for RemoteProvider {
    fn kind(&self) -> ProviderKind {
        if self.0.state().is_on() {
            ProviderKind::Remote
        } else {
            ProviderKind::Local
        }
    }

    fn bootstrap(&self, options: ReadOptions) -> Result<Arc<Snapshot>, Error> {
        self.0.bootstrap(options)
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.state().snapshots.current.clone()
    }

    fn status(&self) -> Arc<Status> {
        let now = self.0.settings.runtime.now();
        self.0.state().status(now)
    }

    fn subscribe(&self, listener: Listener) -> Subscription {
        let id = self.0.listeners.add(listener);
        let shared = Arc::downgrade(&self.0);
        Subscription::new(move || {
            if let Some(shared) = shared.upgrade() {
                shared.listeners.remove(id);
            }
        })
    }

    fn wait_for_ready(&self, timeout: Option<Duration>) -> ReadyState {
        self.0.wait_for_ready(timeout)
    }

    fn refresh_unless(&self, cancel: &Cancel) -> RefreshResult {
        self.0.refresh_unless(cancel)
    }

    fn start(&self) {
        self.0.change(ProviderState::start);
    }

    fn stop(&self) {
        self.0.change(ProviderState::stop);
    }

    fn set_active(&self, active: bool) {
        self.0.change(|state, now| state.set_active(active, now));
    }

    fn set_online(&self, online: bool) {
        self.0.change(|state, now| state.set_online(online, now));
    }

    fn dispose(&self) {
        self.0.change(ProviderState::dispose);
    }
}
