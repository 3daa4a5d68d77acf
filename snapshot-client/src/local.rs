//! The provider of the bundled snapshot.

use std::sync::Arc;
use std::time::Duration;

use crate::bundled::Bundled;
use crate::error::Error;
use crate::provider::{
    Cancel, Listener, ProviderKind, ReadOptions, ReadyState, ReferenceDataProvider, RefreshResult,
    RefreshStatus, State, Status, Subscription,
};
use crate::snapshot::Snapshot;

/// A provider of the bundled snapshot alone: no thread, no request, no cache.
#[derive(Debug)]
pub struct LocalProvider {
    snapshot: Arc<Snapshot>,
    status: Arc<Status>,
}

impl LocalProvider {
    /// A provider of this snapshot.
    pub fn new(bundled: &Bundled) -> Self {
        Self {
            snapshot: Arc::new(bundled.snapshot()),
            status: Arc::new(Status {
                state: State::Idle,
                ready: ReadyState::Bundled,
                failures: 0,
                last_error: None,
                next_refresh_at: None,
                update_required: None,
            }),
        }
    }

    fn unchanged(&self) -> RefreshResult {
        RefreshResult {
            status: RefreshStatus::Skipped,
            version: Some(self.snapshot.version().clone()),
            changed_tables: Vec::new(),
            error: None,
        }
    }
}

impl ReferenceDataProvider for LocalProvider {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Local
    }

    fn bootstrap(&self, _: ReadOptions) -> Result<Arc<Snapshot>, Error> {
        Ok(Arc::clone(&self.snapshot))
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        Some(Arc::clone(&self.snapshot))
    }

    fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    fn subscribe(&self, _: Listener) -> Subscription {
        Subscription::new(|| ())
    }

    fn wait_for_ready(&self, _: Option<Duration>) -> ReadyState {
        ReadyState::Bundled
    }

    fn refresh_unless(&self, _: &Cancel) -> RefreshResult {
        self.unchanged()
    }

    fn start(&self) {}

    fn stop(&self) {}

    fn set_active(&self, _: bool) {}

    fn set_online(&self, _: bool) {}

    fn dispose(&self) {}
}
