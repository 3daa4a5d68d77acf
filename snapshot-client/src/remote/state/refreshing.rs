//! Loading and refreshing: what is begun, what came of it, and when the next refresh is due.

use std::sync::Arc;
use std::time::Duration;

use super::{Cycle, Failing, Freshness, Job, Phase, ProviderState, Record};
use crate::core::memory::Order;
use crate::core::schedule::{Timing, next_delay};
use crate::error::Error;
use crate::provider::{Event, RefreshStatus};

impl ProviderState {
    pub(super) fn open(&mut self) {
        self.phase = Phase::Loading { then: None };
        self.threads.jobs.push_back(Job::Open);
    }

    /// The cache was looked at, or need not be.
    pub(in crate::remote) fn opened(&mut self, now: Duration) {
        if let Phase::Loading { then } = &mut self.phase {
            self.phase = match then.take() {
                Some(cycle) => Phase::Refreshing(cycle),
                None => Phase::Idle,
            };
        }
        self.due_at = self.due_at.min(now);
        if !self.reports.ready {
            self.reports.ready = true;
            let ready = self.ready(now);
            self.reports.events.push(Event::Ready(ready));
        }
        self.schedule(now, Duration::ZERO);
    }

    /// Begins a refresh, or joins the one under way; none unless the provider runs.
    pub(in crate::remote) fn refresh(
        &mut self,
        freshness: Freshness,
        now: Duration,
    ) -> Option<Arc<Cycle>> {
        if !self.is_running() {
            return None;
        }
        if let Some(cycle) = self.cycle() {
            return Some(Arc::clone(cycle));
        }
        let cycle = Arc::<Cycle>::default();
        self.phase = match self.phase {
            Phase::Loading { .. } => Phase::Loading {
                then: Some(Arc::clone(&cycle)),
            },
            _ => Phase::Refreshing(Arc::clone(&cycle)),
        };
        self.threads.jobs.push_back(Job::Refresh {
            cycle: Arc::clone(&cycle),
            life: self.life,
            fresh: freshness == Freshness::PastCaches,
        });
        self.schedule(now, Duration::ZERO);
        Some(cycle)
    }

    /// The server announces a version: a reason to refresh, now or behind what is under way.
    pub(in crate::remote) fn announce(&mut self, announced: Order, now: Duration) {
        // The current version is announced to whoever connects.
        if !self.is_running() || self.snapshots.order() >= Some(announced) {
            return;
        }
        if self.is_loading() || self.cycle().is_some() {
            // What is under way may have asked before there was a new version.
            self.threads.announced = Some(announced);
        } else {
            self.refresh(Freshness::PastCaches, now);
        }
    }

    /// A refresh has reached the newest version.
    pub(in crate::remote) fn succeeded(&mut self, random: f64, now: Duration) {
        let recovered = self.record.failing.is_some();
        self.record = Record {
            confirmed_at: Some(now),
            ..Record::default()
        };
        self.plan(None, random, now);
        if recovered {
            self.reports.events.push(Event::Recovered);
        }
    }

    /// A refresh has failed.
    pub(in crate::remote) fn failed(&mut self, error: &Error, random: f64, now: Duration) {
        self.record.failing = Some(Failing {
            count: self.failures().saturating_add(1),
            last: error.clone(),
        });
        self.plan(Some(error), random, now);
        self.reports.events.push(Event::Error(error.clone()));
        if let Some(offered) = error.offered()
            && self.record.update_required.as_deref() != Some(offered)
        {
            self.record.update_required = Some(offered.to_owned());
            self.reports
                .events
                .push(Event::UpdateRequired(offered.to_owned()));
        }
    }

    /// The refresh of this life is over, and its result is known.
    pub(in crate::remote) fn finished(&mut self, life: u64, now: Duration) {
        self.cycles += 1;
        if self.life != life {
            return;
        }
        self.end_cycle();
        // Once: the poll does the rest, where some cache is behind the server.
        if self.threads.announced.take() > self.snapshots.order() {
            self.refresh(Freshness::PastCaches, now);
        }
        self.schedule(now, Duration::ZERO);
    }

    /// What is under way is dropped.
    pub(super) fn cut(&mut self) {
        self.life += 1;
        self.end_cycle();
    }

    fn end_cycle(&mut self) {
        match &mut self.phase {
            Phase::Loading { then } => *then = None,
            Phase::Refreshing(_) => self.phase = Phase::Idle,
            Phase::Off | Phase::Waiting { .. } | Phase::Idle | Phase::Unread => {}
        }
    }

    /// There is no thread that could do what is to do.
    pub(in crate::remote) fn abandon(&mut self, error: &Error) {
        if self.is_on() {
            self.phase = Phase::Idle;
        }
        for job in std::mem::take(&mut self.threads.jobs) {
            if let Job::Refresh { cycle, .. } = job {
                let current = self.snapshots.current.as_ref();
                let failed = self.result(RefreshStatus::Failed, current, Some(error.clone()));
                let _ = cycle.result.set(failed);
            }
        }
        self.reports.events.push(Event::Error(error.clone()));
    }

    /// One timer at most, for what is due next; and the status that goes with it.
    pub(super) fn schedule(&mut self, now: Duration, at_least: Duration) {
        if let Phase::Idle | Phase::Waiting { .. } = self.phase {
            self.phase = if self.polls() {
                Phase::Waiting {
                    until: self.due_at.max(now + at_least),
                }
            } else {
                Phase::Idle
            };
        }
        self.report_status(now);
    }

    fn plan(&mut self, error: Option<&Error>, random: f64, now: Duration) {
        let timing = Timing {
            poll_interval: self.rules.poll_interval,
            random,
            failures: self.failures(),
        };
        self.due_at = now + next_delay(error, timing);
    }
}
