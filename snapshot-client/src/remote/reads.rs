//! Reading and asking: what callers wait for, and for how long.

use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use super::state::{Freshness, ProviderState};
use crate::error::{Error, ErrorCode};
use crate::provider::{Cancel, ReadOptions, ReadyState, RefreshResult, RefreshStatus};
use crate::snapshot::Snapshot;

impl Shared {
    /// Waits until this gives something, or for so long.
    fn until<T>(
        &self,
        timeout: Option<Duration>,
        mut look: impl FnMut(&ProviderState) -> Option<T>,
    ) -> Option<T> {
        let until = timeout.map(|timeout| self.settings.runtime.now() + timeout);
        loop {
            let seen = self.signal.count();
            if let Some(found) = look(&self.state()) {
                return Some(found);
            }
            // Nothing more will come while a listener waits on the thread that works.
            if self.listeners.runs_here() {
                return None;
            }
            if until.is_some_and(|until| self.settings.runtime.now() >= until) {
                return None;
            }
            self.settings.runtime.wait(&self.signal, seen, until, false);
        }
    }

    fn is_fresh(&self, state: &ProviderState) -> bool {
        state.is_fresh(self.settings.runtime.now())
    }

    pub(super) fn bootstrap(
        self: &Arc<Self>,
        options: ReadOptions,
    ) -> Result<Arc<Snapshot>, Error> {
        if self.state().is_disposed() {
            return Err(Error::new(
                ErrorCode::Disposed,
                "this provider was disposed",
            ));
        }
        let timeout = options.timeout.unwrap_or(self.settings.init_timeout);
        let stale = options.allow_stale_cache;
        self.follow();
        self.until(Some(timeout), |state| (!state.is_loading()).then_some(()));
        let cycles = {
            let state = self.state();
            if let Some(snapshot) = state
                .snapshots
                .current
                .clone()
                .filter(|_| self.is_fresh(&state))
            {
                return Ok(snapshot);
            }
            state.cycles()
        };
        self.change(|state, now| {
            // A planned retry is what a read waits for: readers must not hammer a server that is
            // down.
            if state.failures() == 0 || state.timer().is_none() {
                state.refresh(Freshness::Any, now);
            }
        });
        if let Some(snapshot) = self.state().snapshots.current.clone().filter(|_| stale) {
            return Ok(snapshot);
        }
        self.until(Some(timeout), |state| {
            let over = self.is_fresh(state) || state.cycles() > cycles || !state.is_running();
            over.then_some(())
        });
        let state = self.state();
        match state.snapshots.current.clone() {
            Some(snapshot) if stale || self.is_fresh(&state) => Ok(snapshot),
            found => Err(not_confirmed(found.is_some(), state.last_error().cloned())),
        }
    }

    pub(super) fn wait_for_ready(self: &Arc<Self>, timeout: Option<Duration>) -> ReadyState {
        self.follow();
        let timeout = timeout.unwrap_or(self.settings.init_timeout);
        self.until(Some(timeout), |state| {
            let asked = self.is_fresh(state) || state.cycles() > 0;
            let nothing_planned = state.timer().is_none() && state.cycle().is_none();
            (!state.is_loading() && (asked || nothing_planned)).then_some(())
        });
        let now = self.settings.runtime.now();
        self.state().ready(now)
    }

    pub(super) fn refresh_unless(self: &Arc<Self>, cancel: &Cancel) -> RefreshResult {
        self.follow();
        let before = self.state().snapshots.current.clone();
        let aborted = || Error::new(ErrorCode::Aborted, "the caller gave up");
        cancel.wakes(&self.signal);
        let cycle = self.change(|state, now| {
            if cancel.is_cancelled() {
                return None;
            }
            state.refresh(Freshness::Any, now)
        });
        let Some(cycle) = cycle else {
            let state = self.state();
            return if cancel.is_cancelled() {
                state.result(RefreshStatus::Failed, before.as_ref(), Some(aborted()))
            } else {
                state.result(RefreshStatus::Skipped, before.as_ref(), None)
            };
        };
        // A listener that asks on the very thread that would answer: the refresh comes, the answer
        // cannot be waited for.
        if self.listeners.runs_here() {
            return self
                .state()
                .result(RefreshStatus::Skipped, before.as_ref(), None);
        }
        let result = self.until(None, |state| {
            let given_up = || state.result(RefreshStatus::Failed, before.as_ref(), Some(aborted()));
            let result = cycle.result.get().cloned();
            result.or_else(|| cancel.is_cancelled().then(given_up))
        });
        result.expect("waiting without an end ends with a result")
    }
}

fn not_confirmed(found: bool, last: Option<Error>) -> Error {
    let why = match &last {
        Some(error) => error.to_string(),
        None => "no answer yet".to_owned(),
    };
    let error = if found {
        Error::new(
            ErrorCode::Stale,
            format!("the server has not confirmed the cached version: {why}"),
        )
    } else {
        Error::new(
            ErrorCode::NoData,
            format!("nothing is bundled, cached or fetched: {why}"),
        )
    };
    match last {
        Some(last) => error.with_source(last),
        None => error,
    }
}
