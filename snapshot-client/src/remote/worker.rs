//! The thread that loads and refreshes, one after the other.

use std::sync::Arc;
use std::time::Duration;

use snapshot_format::Version;

use super::shared::Shared;
use super::state::{Cycle, Freshness, Job, ProviderState};
use crate::core::cache::{self, LoadRules};
use crate::core::memory::{Generation, Head, Memory};
use crate::core::refresh::{RefreshRules, refresh};
use crate::effects::Access;
use crate::error::Error;
use crate::provider::RefreshStatus;
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
            let mut state = shared.state();
            if let Some(job) = state.threads.jobs.pop_front() {
                return Some(job);
            }
            let Some(timer) = state.timer() else {
                state.threads.worker = false;
                return None;
            };
            timer
        };
        if runtime.now() < until {
            runtime.wait(&shared.signal, seen, Some(until), true);
            continue;
        }
        shared.change(|state, now| {
            // Unless somebody has changed the plan in between.
            if state.timer() == Some(until) {
                state.refresh(Freshness::Any, now);
            }
        });
    }
}

fn open(shared: &Arc<Shared>) {
    let life = shared.state().life();
    look_into_cache(shared, &mut shared.memory(), life);
    shared.change(|state, now| {
        // A flip that came in between has opened anew, or needs no cache.
        if state.life() == life && state.is_loading() {
            state.opened(now);
        }
    });
}

fn run_cycle(shared: &Arc<Shared>, cycle: &Arc<Cycle>, life: u64, fresh: bool) {
    let before = shared.state().snapshots.current.clone();
    let (status, error) = refresh_once(shared, life, fresh);
    shared.change(|state, now| {
        // What another process had fetched counts, too.
        let status = match status {
            RefreshStatus::Updated if state.is_current(before.as_ref()) => {
                RefreshStatus::NotModified
            }
            status => status,
        };
        let _ = cycle
            .result
            .set(state.result(status, before.as_ref(), error));
        state.finished(life, now);
    });
}

fn refresh_once(shared: &Arc<Shared>, life: u64, fresh: bool) -> (RefreshStatus, Option<Error>) {
    let is_over = || shared.state().is_over(life);
    if !shared.follow() || is_over() || !shared.state().is_online() {
        return (RefreshStatus::Skipped, None);
    }
    let mut memory = shared.memory();
    look_into_cache(shared, &mut memory, life);
    let rules = RefreshRules {
        current: current_version(shared),
        schema_majors: shared.settings.schema_majors.clone(),
        required_tables: shared.settings.required_tables.clone(),
        max_object_bytes: shared.settings.max_object_bytes,
        bundled: shared.bundled.clone(),
        fresh,
        wall: shared.settings.runtime.wall(),
    };
    let next = refresh(&mut shared.effects.access(&is_over), &mut memory, &rules);
    // Stored first: after a restart an app must not see less than before.
    if let Ok(Some(next)) = &next
        && !is_over()
    {
        store(shared, &mut memory, next, &is_over);
    }
    let random = shared.settings.runtime.random();
    shared.change(|state, now| {
        if state.is_over(life) {
            return (RefreshStatus::Skipped, None);
        }
        match next {
            Ok(next) => {
                state.succeeded(random, now);
                if let Some(next) = next {
                    show_generation(state, &mut memory, &next, Source::Network, now);
                }
                (RefreshStatus::Updated, None)
            }
            Err(error) => {
                state.failed(&error, random, now);
                (RefreshStatus::Failed, Some(error))
            }
        }
    })
}

fn current_version(shared: &Shared) -> Option<Version> {
    let state = shared.state();
    let current = state.snapshots.current.as_deref()?;
    Some(current.version().clone())
}

/// Loads what the cache has, if that is newer than the current version.
fn look_into_cache(shared: &Arc<Shared>, memory: &mut Memory, life: u64) {
    if !shared.effects.has_storage() {
        return;
    }
    let rules = LoadRules {
        schema_majors: shared.settings.schema_majors.clone(),
        current: shared.state().snapshots.order(),
    };
    let mut reports = Vec::new();
    let loaded = cache::load(
        &mut shared.effects.access(&|| false),
        memory,
        &rules,
        &mut reports,
    );
    shared.change(|state, now| {
        reports.into_iter().for_each(|error| state.report(error));
        match loaded {
            Ok(Some(generation)) if state.life() == life => {
                show_generation(state, memory, &generation, Source::Cache, now);
            }
            // Dropped, so the next look must find it again.
            Ok(Some(_)) => memory.head = Head::Unknown,
            Ok(None) => {}
            Err(error) => state.storage_failed(error),
        }
    });
}

fn store(shared: &Arc<Shared>, memory: &mut Memory, next: &Generation, is_over: &dyn Fn() -> bool) {
    if !shared.effects.has_storage() {
        return;
    }
    let mut access = shared.effects.access(is_over);
    let stored = commit(&mut access, memory, next);
    shared.change(|state, _| match stored {
        Ok(()) => state.storage_works(),
        Err(error) => state.storage_failed(error),
    });
}

fn commit(access: &mut Access<'_>, memory: &mut Memory, next: &Generation) -> Result<(), Error> {
    let lock = access.lock()?;
    let committed = cache::commit(access, memory, next);
    drop(lock);
    committed
}

fn show_generation(
    state: &mut ProviderState,
    memory: &mut Memory,
    generation: &Generation,
    source: Source,
    now: Duration,
) {
    memory.retain(generation);
    memory.raise_mark(generation.version.order());
    let snapshot = Arc::new(Snapshot::of(generation, source, memory));
    state.snapshots.fetched = Some(Arc::clone(&snapshot));
    state.show(snapshot, now);
}
