//! What a provider is doing and what it has. Callers and the worker change it under one lock, by
//! the functions of this folder: none of them waits, fetches, or looks at a clock.

mod calls;
mod refreshing;
mod report;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::config::{Polling, Settings};
use crate::core::memory::Order;
use crate::error::Error;
use crate::provider::{Event, RefreshResult, Status};
use crate::snapshot::Snapshot;

/// The state of a provider.
pub(super) struct ProviderState {
    rules: Rules,
    lifecycle: Lifecycle,
    phase: Phase,
    /// Whether the app is in the foreground.
    active: bool,
    /// Whether the device has a network.
    online: bool,
    /// Rises with each stop and each flip: what began before is dropped.
    life: u64,
    /// When the next refresh is due, also while nothing is planned.
    due_at: Duration,
    /// How many refreshes are over.
    cycles: u64,
    record: Record,
    pub(super) snapshots: Snapshots,
    pub(super) threads: Threads,
    reports: Reports,
}

/// What the configuration says about time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    polling: Polling,
    live_reload: bool,
    poll_interval: Duration,
    stale_time: Duration,
}

/// Whether the app wants the provider to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifecycle {
    Started,
    Stopped,
    Disposed,
}

/// What a provider is doing.
#[derive(Debug)]
enum Phase {
    /// The flag is off: the bundled snapshot is all there is.
    Off,
    /// The cache is being read; a refresh that was asked for meanwhile follows.
    Loading { then: Option<Arc<Cycle>> },
    /// A refresh is under way or about to be.
    Refreshing(Arc<Cycle>),
    /// The next refresh is planned.
    Waiting { until: Duration },
    /// Nothing is under way, nothing is planned.
    Idle,
    /// The provider was stopped before it had read its cache; it does so when it is started.
    Unread,
}

/// What refreshes have come to.
#[derive(Debug, Default)]
struct Record {
    /// Since the last success.
    failing: Option<Failing>,
    /// When the server last confirmed the current version.
    confirmed_at: Option<Duration>,
    /// The version that is offered and that only an update of the app will understand.
    update_required: Option<String>,
}

/// Failures in a row.
#[derive(Debug)]
struct Failing {
    count: u32,
    last: Error,
}

/// The snapshots that are loaded.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    pub(super) bundled: Option<Arc<Snapshot>>,
    /// What was fetched or cached, also while the flag is off.
    pub(super) fetched: Option<Arc<Snapshot>>,
    /// What readers get.
    pub(super) current: Option<Arc<Snapshot>>,
}

/// The provider's threads, and what they are to do.
#[derive(Debug, Default)]
pub(super) struct Threads {
    /// What the worker is to do, in order.
    pub(super) jobs: VecDeque<Job>,
    /// Whether there is a worker.
    pub(super) worker: bool,
    /// Whether a thread listens to the server's events.
    pub(super) listening: bool,
    /// The version that the server announced while a refresh was under way.
    pub(super) announced: Option<Order>,
}

/// What was reported, and what is to be.
#[derive(Debug, Default)]
struct Reports {
    /// To be sent when the lock is released.
    events: Vec<Event>,
    /// Whether the first `Ready` was sent.
    ready: bool,
    /// The status that was last given out.
    status: Option<Arc<Status>>,
    /// The storage's last failure was reported, and it has not worked since.
    storage_failed: bool,
}

/// One refresh, for all who wait for it.
#[derive(Debug, Default)]
pub(super) struct Cycle {
    pub(super) result: OnceLock<RefreshResult>,
}

/// What the worker does, one job after the other, because all of them work on one cache.
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

/// Whether a refresh may be answered by caches on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// A cache may answer, within the time that the server allows it.
    Any,
    /// The server has announced a version that a cache may not have yet.
    PastCaches,
}

impl ProviderState {
    /// A provider that has just been made.
    pub(super) fn new(rules: Rules, on: bool, now: Duration) -> Self {
        let phase = if on {
            Phase::Loading { then: None }
        } else {
            Phase::Off
        };
        Self {
            rules,
            lifecycle: Lifecycle::Started,
            phase,
            active: true,
            online: true,
            life: 0,
            due_at: now,
            cycles: 0,
            record: Record::default(),
            snapshots: Snapshots::default(),
            threads: Threads::default(),
            reports: Reports::default(),
        }
    }

    /// The events that were not sent yet.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.reports.events)
    }

    pub(super) fn is_on(&self) -> bool {
        !matches!(self.phase, Phase::Off)
    }

    pub(super) fn is_running(&self) -> bool {
        self.is_on() && self.lifecycle == Lifecycle::Started
    }

    pub(super) fn is_disposed(&self) -> bool {
        self.lifecycle == Lifecycle::Disposed
    }

    pub(super) fn is_loading(&self) -> bool {
        matches!(self.phase, Phase::Loading { .. })
    }

    pub(super) fn is_online(&self) -> bool {
        self.online
    }

    /// Whether what began in this life is of no use any more.
    pub(super) fn is_over(&self, life: u64) -> bool {
        self.life != life || !self.is_running()
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn cycles(&self) -> u64 {
        self.cycles
    }

    pub(super) fn failures(&self) -> u32 {
        self.record
            .failing
            .as_ref()
            .map_or(0, |failing| failing.count)
    }

    /// The refresh under way, or about to be.
    pub(super) fn cycle(&self) -> Option<&Arc<Cycle>> {
        match &self.phase {
            Phase::Loading { then } => then.as_ref(),
            Phase::Refreshing(cycle) => Some(cycle),
            Phase::Off | Phase::Waiting { .. } | Phase::Idle | Phase::Unread => None,
        }
    }

    /// When the next refresh is planned.
    pub(super) fn timer(&self) -> Option<Duration> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// Whether a worker is needed: to do something now, or to wait for the timer.
    pub(super) fn has_work(&self) -> bool {
        !self.threads.jobs.is_empty() || self.timer().is_some()
    }

    /// Whether the server is asked again and again, once nothing is under way.
    fn polls(&self) -> bool {
        self.rules.polling == Polling::Auto && self.is_running() && self.active && self.online
    }

    /// Whether a connection to the server's events is wanted now.
    pub(super) fn wants_events(&self) -> bool {
        self.rules.live_reload && self.polls()
    }
}

impl Rules {
    /// Those of a configuration.
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            polling: settings.polling,
            live_reload: settings.live_reload,
            poll_interval: settings.poll_interval,
            stale_time: settings.stale_time,
        }
    }
}

impl Snapshots {
    /// The order of the current version.
    pub(super) fn order(&self) -> Option<Order> {
        self.current
            .as_deref()
            .map(|current| current.version().order())
    }

    /// The newer of what is bundled and what was fetched.
    fn newest(&self) -> Option<Arc<Snapshot>> {
        let order = |snapshot: &&Arc<Snapshot>| snapshot.version().order();
        // Of two that are equal the last: what is bundled.
        let known = self.fetched.iter().chain(&self.bundled);
        known.max_by_key(order).cloned()
    }
}

#[cfg(test)]
mod tests;
