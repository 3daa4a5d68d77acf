//! The state as callers see it: ready state, status, results and events.

use std::sync::Arc;
use std::time::Duration;

use super::{Lifecycle, Phase, ProviderState};
use crate::error::Error;
use crate::provider::{Change, Event, ReadyState, RefreshResult, RefreshStatus, State, Status};
use crate::snapshot::{Snapshot, Source, changed_tables};

impl ProviderState {
    /// Makes this snapshot current, and reports it.
    pub(in crate::remote) fn show(&mut self, next: Arc<Snapshot>, now: Duration) {
        let current = &mut self.snapshots.current;
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, &next))
        {
            return;
        }
        let from = current.replace(Arc::clone(&next));
        self.reports.events.push(Event::Change(Box::new(Change {
            changed_tables: changed_tables(from.as_deref(), &next),
            from: from.as_deref().map(|from| from.version().clone()),
            to: next.version().clone(),
            source: next.source(),
        })));
        if from.is_none() && self.reports.ready {
            let ready = self.ready(now);
            self.reports.events.push(Event::Ready(ready));
        }
    }

    /// Whether readers may take the current version for confirmed.
    pub(in crate::remote) fn is_fresh(&self, now: Duration) -> bool {
        if !self.is_on() {
            return self.snapshots.current.is_some();
        }
        let confirmed_at = self.record.confirmed_at;
        let age = confirmed_at.and_then(|at| now.checked_sub(at));
        age.is_some_and(|age| age <= self.rules.stale_time)
    }

    pub(in crate::remote) fn ready(&self, now: Duration) -> ReadyState {
        match &self.snapshots.current {
            None => ReadyState::NoData,
            Some(_) if self.is_on() && self.is_fresh(now) => ReadyState::UpToDate,
            Some(current) if current.source() == Source::Bundled => ReadyState::Bundled,
            Some(_) => ReadyState::Cached,
        }
    }

    /// The result of a refresh for a caller who had `before`.
    pub(in crate::remote) fn result(
        &self,
        status: RefreshStatus,
        before: Option<&Arc<Snapshot>>,
        error: Option<Error>,
    ) -> RefreshResult {
        let current = self.snapshots.current.as_deref();
        let changed_tables = match current {
            Some(current) if !self.is_current(before) => {
                changed_tables(before.map(AsRef::as_ref), current)
            }
            _ => Vec::new(),
        };
        RefreshResult {
            status,
            version: current.map(|current| current.version().clone()),
            changed_tables,
            error,
        }
    }

    /// Whether the current snapshot is this very one.
    pub(in crate::remote) fn is_current(&self, snapshot: Option<&Arc<Snapshot>>) -> bool {
        snapshot.map(Arc::as_ptr) == self.snapshots.current.as_ref().map(Arc::as_ptr)
    }

    fn state(&self) -> State {
        if self.lifecycle != Lifecycle::Started {
            return State::Stopped;
        }
        match self.phase {
            Phase::Off => State::Idle,
            Phase::Loading { .. } => State::Loading,
            Phase::Refreshing(_) => State::Refreshing,
            Phase::Waiting { .. } | Phase::Idle | Phase::Unread => self.state_at_rest(),
        }
    }

    fn state_at_rest(&self) -> State {
        if !self.active {
            State::Paused
        } else if !self.online {
            State::Offline
        } else if self.failures() > 0 {
            State::Backoff
        } else {
            State::Idle
        }
    }

    /// The same one until something in it changes; freshness ends by itself, without an event.
    pub(in crate::remote) fn status(&mut self, now: Duration) -> Arc<Status> {
        let next = Status {
            state: self.state(),
            ready: self.ready(now),
            failures: self.failures(),
            last_error: self.last_error().cloned(),
            next_refresh_at: self.timer(),
            update_required: self.record.update_required.clone(),
        };
        match &self.reports.status {
            Some(status) if **status == next => Arc::clone(status),
            _ => Arc::clone(self.reports.status.insert(Arc::new(next))),
        }
    }

    /// Reports the status if it has changed.
    pub(in crate::remote) fn report_status(&mut self, now: Duration) {
        let before = self.reports.status.clone();
        let status = self.status(now);
        if before.is_none_or(|before| !Arc::ptr_eq(&before, &status)) {
            self.reports.events.push(Event::Status(status));
        }
    }

    /// Reports this.
    pub(in crate::remote) fn report(&mut self, error: Error) {
        self.reports.events.push(Event::Error(error));
    }

    /// Reports that the storage failed; once, until it works again: a full disk is no news at every
    /// poll.
    pub(in crate::remote) fn storage_failed(&mut self, error: Error) {
        if !self.reports.storage_failed {
            self.report(error);
        }
        self.reports.storage_failed = true;
    }

    /// The storage works, or works again.
    pub(in crate::remote) fn storage_works(&mut self) {
        self.reports.storage_failed = false;
    }

    /// Why the last refresh failed, until one succeeds.
    pub(in crate::remote) fn last_error(&self) -> Option<&Error> {
        let failing = self.record.failing.as_ref()?;
        Some(&failing.last)
    }
}
