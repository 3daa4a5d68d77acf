//! What is shown, and what is under way: changed under one lock, by plain functions.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::Error;
use crate::provider::{Change, Event, ReadyState, RefreshResult, RefreshStatus, State, Status};
use crate::snapshot::{Snapshot, Source, changed_tables};

/// What the callers and the worker share.
pub(super) struct Shown {
    pub(super) on: bool,
    pub(super) loading: bool,
    /// The cache was looked at once.
    pub(super) begun: bool,
    pub(super) started: bool,
    pub(super) disposed: bool,
    pub(super) active: bool,
    pub(super) online: bool,
    pub(super) failures: u32,
    pub(super) last_error: Option<Error>,
    pub(super) update_required: Option<String>,
    /// Rises with each stop and each flip: what began before it has nothing to say any more.
    pub(super) life: u64,
    /// The refresh under way, or about to be.
    pub(super) cycle: Option<Arc<Cycle>>,
    /// How many refreshes are over.
    pub(super) cycles: u64,
    /// What the worker is to do, in order.
    pub(super) jobs: VecDeque<Job>,
    /// Whether there is a worker.
    pub(super) worker: bool,
    /// Whether there is somebody who listens to the server.
    pub(super) listening: bool,
    /// What the server has told of while a refresh was under way.
    pub(super) told: Option<(u64, u64)>,
    pub(super) due_at: Duration,
    pub(super) timer: Option<Duration>,
    pub(super) bundled: Option<Arc<Snapshot>>,
    /// What was fetched or cached, also while the flag hides it.
    pub(super) fetched: Option<Arc<Snapshot>>,
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) confirmed_at: Option<Duration>,
    /// The storage's last failure was told, and it has not worked since.
    pub(super) storage_failed: bool,
    /// To be told when the lock is given back.
    pub(super) events: Vec<Event>,
    status: Option<Arc<Status>>,
}

/// One refresh, for all who wait for it.
#[derive(Debug, Default)]
pub(super) struct Cycle {
    pub(super) result: OnceLock<RefreshResult>,
}

/// What the worker does, one after the other, for all of it works on one cache.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Looks into the cache.
    Open,
    /// Refreshes, unless this life is over.
    Refresh {
        cycle: Arc<Cycle>,
        life: u64,
        fresh: bool,
    },
}

impl Shown {
    pub(super) fn new(on: bool, now: Duration) -> Self {
        Self {
            on,
            loading: true,
            begun: false,
            started: true,
            disposed: false,
            active: true,
            online: true,
            failures: 0,
            last_error: None,
            update_required: None,
            life: 0,
            cycle: None,
            cycles: 0,
            jobs: VecDeque::new(),
            worker: false,
            listening: false,
            told: None,
            due_at: now,
            timer: None,
            bundled: None,
            fetched: None,
            snapshot: None,
            confirmed_at: None,
            storage_failed: false,
            events: Vec::new(),
            status: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.on && self.started && !self.disposed
    }

    /// Whether a thread is needed: to do something now, or to wait for the timer.
    pub(super) fn has_work(&self) -> bool {
        !self.jobs.is_empty() || self.timer.is_some()
    }

    pub(super) fn is_fresh(&self, now: Duration, stale_time: Duration) -> bool {
        if !self.on {
            return self.snapshot.is_some();
        }
        let age = self.confirmed_at.and_then(|at| now.checked_sub(at));
        age.is_some_and(|age| age <= stale_time)
    }

    pub(super) fn ready(&self, now: Duration, stale_time: Duration) -> ReadyState {
        match &self.snapshot {
            None => ReadyState::NoData,
            Some(_) if self.on && self.is_fresh(now, stale_time) => ReadyState::UpToDate,
            Some(snapshot) if snapshot.source() == Source::Bundled => ReadyState::Bundled,
            Some(_) => ReadyState::Cached,
        }
    }

    /// Shows this, and says so.
    pub(super) fn show(&mut self, next: Arc<Snapshot>, now: Duration, stale_time: Duration) {
        if self
            .snapshot
            .as_ref()
            .is_some_and(|shown| Arc::ptr_eq(shown, &next))
        {
            return;
        }
        let from = self.snapshot.replace(Arc::clone(&next));
        self.events.push(Event::Change(Box::new(Change {
            changed_tables: changed_tables(from.as_deref(), &next),
            from: from.as_deref().map(|from| from.version().clone()),
            to: next.version().clone(),
            source: next.source(),
        })));
        if from.is_none() && self.begun {
            let ready = self.ready(now, stale_time);
            self.events.push(Event::Ready(ready));
        }
    }

    /// The newest of what is bundled and what was fetched.
    pub(super) fn newest_known(&self) -> Option<Arc<Snapshot>> {
        let order = |snapshot: &&Arc<Snapshot>| snapshot.version().order();
        // Of two that are equal the last: what is bundled.
        let known = self.fetched.iter().chain(&self.bundled);
        known.max_by_key(order).cloned()
    }

    /// The cache is to be looked at.
    pub(super) fn open(&mut self) {
        self.loading = true;
        self.jobs.push_back(Job::Open);
    }

    /// A refresh, for the worker; a fresh one passes caches by.
    pub(super) fn begin_cycle(&mut self, fresh: bool) -> Arc<Cycle> {
        let cycle = Arc::<Cycle>::default();
        self.cycle = Some(Arc::clone(&cycle));
        self.jobs.push_back(Job::Refresh {
            cycle: Arc::clone(&cycle),
            life: self.life,
            fresh,
        });
        cycle
    }

    /// What is under way will have nothing to say.
    pub(super) fn cut(&mut self) {
        self.life += 1;
        self.cycle = None;
    }

    /// Nobody can do what is to do.
    pub(super) fn abandon(&mut self, error: &Error) {
        self.loading = false;
        self.timer = None;
        for job in std::mem::take(&mut self.jobs) {
            if let Job::Refresh { cycle, .. } = job {
                let before = self.snapshot.clone();
                let failed = RefreshStatus::Failed;
                let _ = cycle
                    .result
                    .set(self.result(failed, before.as_ref(), Some(error.clone())));
            }
        }
        self.cycle = None;
        self.events.push(Event::Error(error.clone()));
    }

    pub(super) fn result(
        &self,
        status: RefreshStatus,
        before: Option<&Arc<Snapshot>>,
        error: Option<Error>,
    ) -> RefreshResult {
        let now = self.snapshot.as_deref();
        let same = before.map(Arc::as_ptr) == self.snapshot.as_ref().map(Arc::as_ptr);
        RefreshResult {
            status,
            version: now.map(|now| now.version().clone()),
            changed_tables: match now {
                Some(now) if !same => changed_tables(before.map(AsRef::as_ref), now),
                _ => Vec::new(),
            },
            error,
        }
    }

    fn state(&self) -> State {
        match () {
            () if !self.started || self.disposed => State::Stopped,
            () if self.loading => State::Loading,
            () if !self.on => State::Idle,
            () if self.cycle.is_some() => State::Refreshing,
            () if !self.active => State::Paused,
            () if !self.online => State::Offline,
            () if self.failures > 0 => State::Backoff,
            () => State::Idle,
        }
    }

    /// The same one until something in it changes; freshness ends by itself, without an event.
    pub(super) fn status(&mut self, now: Duration, stale_time: Duration) -> Arc<Status> {
        let next = Status {
            state: self.state(),
            ready: self.ready(now, stale_time),
            failures: self.failures,
            last_error: self.last_error.clone(),
            next_refresh_at: self.timer,
            update_required: self.update_required.clone(),
        };
        match &self.status {
            Some(status) if **status == next => Arc::clone(status),
            _ => Arc::clone(self.status.insert(Arc::new(next))),
        }
    }

    /// Says so when the status is another.
    pub(super) fn tell_status(&mut self, now: Duration, stale_time: Duration) {
        let before = self.status.clone();
        let status = self.status(now, stale_time);
        if before.is_none_or(|before| !Arc::ptr_eq(&before, &status)) {
            self.events.push(Event::Status(status));
        }
    }
}
