//! Reading and asking: what callers wait for, and for how long.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::shown::Shown;
use crate::provider::{Cancel, ReadOptions, ReadyState, RefreshResult, RefreshStatus};
use crate::snapshot::Snapshot;
use crate::{Error, ErrorCode};

impl Shared {
    /// Waits until this gives something, or for so long.
    fn until<T>(
        &self,
        timeout: Option<Duration>,
        mut look: impl FnMut(&Shown) -> Option<T>,
    ) -> Option<T> {
        let until = timeout.map(|timeout| self.settings.runtime.now() + timeout);
        loop {
            let seen = self.signal.count();
            if let Some(found) = look(&self.shown()) {
                return Some(found);
            }
            // Nothing more will come while a listener waits on the thread that works.
            if self.listeners.tells_here() {
                return None;
            }
            if until.is_some_and(|until| self.settings.runtime.now() >= until) {
                return None;
            }
            self.settings.runtime.wait(&self.signal, seen, until, false);
        }
    }

    fn is_fresh(&self, shown: &Shown) -> bool {
        shown.is_fresh(self.settings.runtime.now(), self.settings.stale_time)
    }

    pub(super) fn bootstrap(
        self: &Arc<Self>,
        options: ReadOptions,
    ) -> Result<Arc<Snapshot>, Error> {
        if self.shown().disposed {
            return Err(Error::new(
                ErrorCode::Disposed,
                "this provider was disposed",
            ));
        }
        let timeout = options.timeout.unwrap_or(self.settings.init_timeout);
        let stale = options.allow_stale_cache;
        self.follow();
        self.until(Some(timeout), |shown| (!shown.loading).then_some(()));
        let cycles = {
            let shown = self.shown();
            if let Some(snapshot) = shown.snapshot.clone().filter(|_| self.is_fresh(&shown)) {
                return Ok(snapshot);
            }
            shown.cycles
        };
        self.change(|shared, shown| {
            // A planned retry is what a read waits for: readers must not hammer a server that is
            // down.
            if shown.is_running() && (shown.failures == 0 || shown.timer.is_none()) {
                shared.refresh_now(shown);
            }
        });
        if let Some(snapshot) = self.shown().snapshot.clone().filter(|_| stale) {
            return Ok(snapshot);
        }
        self.until(Some(timeout), |shown| {
            let over = self.is_fresh(shown) || shown.cycles > cycles || !shown.is_running();
            over.then_some(())
        });
        let shown = self.shown();
        match shown.snapshot.clone() {
            Some(snapshot) if stale || self.is_fresh(&shown) => Ok(snapshot),
            found => Err(not_confirmed(found.is_some(), shown.last_error.clone())),
        }
    }

    pub(super) fn wait_for_ready(self: &Arc<Self>, timeout: Option<Duration>) -> ReadyState {
        self.follow();
        let timeout = timeout.unwrap_or(self.settings.init_timeout);
        self.until(Some(timeout), |shown| {
            let asked = self.is_fresh(shown) || shown.cycles > 0;
            let nothing_planned = shown.timer.is_none() && shown.cycle.is_none();
            (!shown.loading && (asked || nothing_planned)).then_some(())
        });
        let now = self.settings.runtime.now();
        self.shown().ready(now, self.settings.stale_time)
    }

    pub(super) fn refresh_unless(self: &Arc<Self>, cancel: &Cancel) -> RefreshResult {
        self.follow();
        let before = self.shown().snapshot.clone();
        let aborted = || Error::new(ErrorCode::Aborted, "the caller gave up");
        cancel.wakes(&self.signal);
        let cycle = self.change(|shared, shown| {
            let asked = shown.is_running() && !cancel.is_cancelled();
            asked.then(|| shared.refresh_now(shown))
        });
        let Some(cycle) = cycle else {
            let shown = self.shown();
            return match cancel.is_cancelled() {
                true => shown.result(RefreshStatus::Failed, before.as_ref(), Some(aborted())),
                false => shown.result(RefreshStatus::Skipped, before.as_ref(), None),
            };
        };
        // A listener that asks on the very thread that would answer: the refresh comes, the answer
        // cannot be waited for.
        if self.listeners.tells_here() {
            return self
                .shown()
                .result(RefreshStatus::Skipped, before.as_ref(), None);
        }
        let result = self.until(None, |shown| {
            let given_up = || shown.result(RefreshStatus::Failed, before.as_ref(), Some(aborted()));
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
    let error = match found {
        true => Error::new(
            ErrorCode::Stale,
            format!("the server has not confirmed the cached version: {why}"),
        ),
        false => Error::new(
            ErrorCode::NoData,
            format!("nothing is bundled, cached or fetched: {why}"),
        ),
    };
    match last {
        Some(last) => error.with_source(last),
        None => error,
    }
}
