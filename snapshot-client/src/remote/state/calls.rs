//! What the app's calls, and a flip of its flag, do to the state.

use std::sync::Arc;
use std::time::Duration;

use super::{Lifecycle, Phase, ProviderState};
use crate::snapshot::Snapshot;

// In the foreground again, or with a network again: not the very moment, when many apps ask.
const RESUME: Duration = Duration::from_secs(1);

impl ProviderState {
    /// The beginning: what is bundled is current until the cache was looked at.
    pub(in crate::remote) fn begin(&mut self, bundled: Option<Arc<Snapshot>>, now: Duration) {
        if let Some(bundled) = bundled {
            self.snapshots.bundled = Some(Arc::clone(&bundled));
            self.show(bundled, now);
        }
        if self.is_on() {
            self.open();
        } else {
            self.opened(now);
        }
        self.schedule(now, Duration::ZERO);
    }

    pub(in crate::remote) fn start(&mut self, now: Duration) {
        if self.lifecycle == Lifecycle::Stopped {
            self.lifecycle = Lifecycle::Started;
            self.due_at = self.due_at.min(now);
            if matches!(self.phase, Phase::Unread) {
                self.open();
            }
            self.schedule(now, Duration::ZERO);
        }
    }

    pub(in crate::remote) fn stop(&mut self, now: Duration) {
        if self.lifecycle == Lifecycle::Started {
            self.end(Lifecycle::Stopped, now);
        }
    }

    pub(in crate::remote) fn dispose(&mut self, now: Duration) {
        self.end(Lifecycle::Disposed, now);
    }

    fn end(&mut self, lifecycle: Lifecycle, now: Duration) {
        self.lifecycle = lifecycle;
        self.cut();
        if self.is_loading() {
            // What the cache answers now is dropped.
            self.phase = Phase::Unread;
        }
        self.schedule(now, Duration::ZERO);
    }

    pub(in crate::remote) fn set_active(&mut self, active: bool, now: Duration) {
        if self.active != active {
            self.active = active;
            self.schedule(now, RESUME);
        }
    }

    pub(in crate::remote) fn set_online(&mut self, online: bool, now: Duration) {
        if self.online != online {
            self.online = online;
            // What failed for want of a network need not wait for its turn.
            if self.record.failing.is_some() {
                self.due_at = now;
            }
            self.schedule(now, RESUME);
        }
    }

    /// Does what the flag says.
    pub(in crate::remote) fn flip(&mut self, on: bool, now: Duration) {
        if on == self.is_on() || self.is_disposed() {
            return;
        }
        self.cut();
        let unread = matches!(self.phase, Phase::Loading { .. } | Phase::Unread);
        self.phase = if on { Phase::Idle } else { Phase::Off };
        let next = if on {
            self.snapshots.newest()
        } else {
            self.snapshots.bundled.clone()
        };
        if let Some(next) = next {
            self.show(next, now);
        }
        if on {
            self.open();
        } else if unread {
            self.opened(now);
        }
        self.schedule(now, Duration::ZERO);
    }
}
