//! The thread that loads and refreshes, one after the other.

use std::sync::Arc;

use super::Shared;
use super::shown::{Cycle, Job, Shown};
use crate::Error;
use crate::core::cache::{self, LoadRules};
use crate::core::held::{Cache, Generation, Head};
use crate::core::refresh::{RefreshRules, refresh};
use crate::effects::Access;
use crate::provider::{Event, RefreshStatus};
use crate::snapshot::{Snapshot, Source};

/// Works until there is nothing to do and nothing to wait for.
pub(super) fn run(shared: &Arc<Shared>) {
    while let Some(job) = next_job(shared) {
        match job {
            Job::Open => open(shared),
            Job::Refresh { cycle, life, fresh } => run_cycle(shared, &cycle, life, fresh),
        }
    }
}

fn next_job(shared: &Arc<Shared>) -> Option<Job> {
    let runtime = &shared.settings.runtime;
    loop {
        let seen = shared.signal.count();
        let until = {
            let mut shown = shared.shown();
            if let Some(job) = shown.jobs.pop_front() {
                return Some(job);
            }
            let Some(timer) = shown.timer else {
                shown.worker = false;
                return None;
            };
            timer
        };
        if runtime.now() < until {
            runtime.wait(&shared.signal, seen, Some(until), true);
            continue;
        }
        shared.change(|shared, shown| {
            // Unless somebody has changed the plan in between.
            if shown.timer == Some(until) {
                shared.refresh_now(shown);
            }
        });
    }
}

fn open(shared: &Arc<Shared>) {
    let life = shared.shown().life;
    look_into_cache(shared, &mut shared.cache(), life);
    shared.change(|shared, shown| {
        // A flip that came in between has opened anew, or needs no cache.
        if shown.life == life && shown.loading {
            shared.opened(shown);
        }
    });
}

fn run_cycle(shared: &Arc<Shared>, cycle: &Arc<Cycle>, life: u64, fresh: bool) {
    let before = shared.shown().snapshot.clone();
    let (status, error) = refresh_once(shared, life, fresh);
    shared.change(|shared, shown| {
        // What another process had fetched counts, too.
        let same = before.as_ref().map(Arc::as_ptr) == shown.snapshot.as_ref().map(Arc::as_ptr);
        let status = match status {
            RefreshStatus::Updated if same => RefreshStatus::NotModified,
            status => status,
        };
        let result = shown.result(status, before.as_ref(), error);
        let _ = cycle.result.set(result);
        shown.cycles += 1;
        if shown.life == life {
            shown.cycle = None;
            let known = shown
                .snapshot
                .as_deref()
                .map(|known| known.version().order());
            // Once: the poll does the rest, where some cache is behind the server.
            if shown.told.take() > known && shown.is_running() {
                shared.refresh_fresh(shown);
            }
            shared.schedule(shown, std::time::Duration::ZERO);
        }
    });
}

fn refresh_once(shared: &Arc<Shared>, life: u64, fresh: bool) -> (RefreshStatus, Option<Error>) {
    let is_over = || is_over(shared, life);
    if !shared.follow() || is_over() || !shared.shown().online {
        return (RefreshStatus::Skipped, None);
    }
    let mut cache = shared.cache();
    look_into_cache(shared, &mut cache, life);
    let rules = RefreshRules {
        shown: shared
            .shown()
            .snapshot
            .as_deref()
            .map(|shown| shown.version().clone()),
        schema_majors: shared.settings.schema_majors.clone(),
        required_tables: shared.settings.required_tables.clone(),
        bundled: shared.bundled.clone(),
        fresh,
        wall: shared.settings.runtime.wall(),
    };
    let next = refresh(&mut shared.effects.access(&is_over), &mut cache, &rules);
    // Stored first: after a restart an app must not see less than before.
    if let Ok(Some(next)) = &next
        && !is_over()
    {
        store(shared, &mut cache, next, &is_over);
    }
    shared.change(|shared, shown| {
        if shown.life != life || !shown.is_running() {
            return (RefreshStatus::Skipped, None);
        }
        match next {
            Ok(next) => {
                succeeded(shared, shown);
                if let Some(next) = next {
                    show_generation(shared, shown, &mut cache, &next, Source::Network);
                }
                (RefreshStatus::Updated, None)
            }
            Err(error) => {
                failed(shared, shown, &error);
                (RefreshStatus::Failed, Some(error))
            }
        }
    })
}

fn is_over(shared: &Shared, life: u64) -> bool {
    let shown = shared.shown();
    shown.life != life || !shown.is_running()
}

/// Shows what the cache has, where that is newer than what is shown.
fn look_into_cache(shared: &Arc<Shared>, cache: &mut Cache, life: u64) {
    if !shared.effects.has_storage() {
        return;
    }
    let rules = LoadRules {
        schema_majors: shared.settings.schema_majors.clone(),
        shown: shared
            .shown()
            .snapshot
            .as_deref()
            .map(|shown| shown.version().order()),
    };
    let mut reports = Vec::new();
    let loaded = cache::load(
        &mut shared.effects.access(&|| false),
        cache,
        &rules,
        &mut reports,
    );
    shared.change(|shared, shown| {
        shown.events.extend(reports.into_iter().map(Event::Error));
        match loaded {
            Ok(Some(generation)) if shown.life == life => {
                show_generation(shared, shown, cache, &generation, Source::Cache);
            }
            // Dropped, so the next look must find it again.
            Ok(Some(_)) => cache.head = Head::Unknown,
            Ok(None) => {}
            Err(error) => shown.report_storage(error),
        }
    });
}

fn store(shared: &Arc<Shared>, cache: &mut Cache, next: &Generation, is_over: &dyn Fn() -> bool) {
    if !shared.effects.has_storage() {
        return;
    }
    let mut access = shared.effects.access(is_over);
    let stored = commit(&mut access, cache, next);
    shared.change(|_, shown| match stored {
        Ok(()) => shown.storage_failed = false,
        Err(error) => shown.report_storage(error),
    });
}

fn commit(access: &mut Access<'_>, cache: &mut Cache, next: &Generation) -> Result<(), Error> {
    let lock = access.lock()?;
    let committed = cache::commit(access, cache, next);
    drop(lock);
    committed
}

fn show_generation(
    shared: &Shared,
    shown: &mut Shown,
    cache: &mut Cache,
    generation: &Generation,
    source: Source,
) {
    cache.keep_only(generation);
    cache.raise_mark(generation.version.order());
    let snapshot = Arc::new(Snapshot::of(generation, source, cache));
    shown.fetched = Some(Arc::clone(&snapshot));
    shared.show(shown, snapshot);
}

fn succeeded(shared: &Shared, shown: &mut Shown) {
    let recovered = shown.failures > 0;
    shown.confirmed_at = Some(shared.settings.runtime.now());
    shown.failures = 0;
    shown.last_error = None;
    shown.update_required = None;
    shared.plan(shown, None);
    if recovered {
        shown.events.push(Event::Recovered);
    }
}

fn failed(shared: &Shared, shown: &mut Shown, error: &Error) {
    shown.failures = shown.failures.saturating_add(1);
    shown.last_error = Some(error.clone());
    shared.plan(shown, Some(error));
    shown.events.push(Event::Error(error.clone()));
    if let Some(offered) = error.offered()
        && shown.update_required.as_deref() != Some(offered)
    {
        shown.update_required = Some(offered.to_owned());
        shown.events.push(Event::UpdateRequired(offered.to_owned()));
    }
}

impl Shown {
    // Once, until it works again: a full disk is no news at every poll.
    fn report_storage(&mut self, error: Error) {
        if !self.storage_failed {
            self.events.push(Event::Error(error));
        }
        self.storage_failed = true;
    }
}
