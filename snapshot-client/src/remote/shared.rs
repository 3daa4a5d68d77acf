//! What the provider's callers and its threads share, and the one way to change it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::listeners::Listeners;
use super::state::{ProviderState, Rules};
use crate::bundled::Bundled;
use crate::config::{RemoteConfig, Settings};
use crate::core::memory::Memory;
use crate::effects::Effects;
use crate::error::{Error, ErrorCode};
use crate::flag::{Flag, is_on};
use crate::lock::lock;
use crate::runtime::Signal;

/// What the provider's callers and its thread share.
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) flag: Box<dyn Flag>,
    pub(super) bundled: Option<Arc<Bundled>>,
    pub(super) effects: Effects,
    /// Given at every change of the state.
    pub(super) signal: Signal,
    state: Mutex<ProviderState>,
    runs: Runs,
    /// The worker's own; locked for as long as a job takes.
    memory: Mutex<Memory>,
    pub(super) listeners: Listeners,
}

/// What the provider's threads run.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    /// Loads and refreshes.
    pub(super) worker: fn(&Arc<Shared>),
    /// Listens to the server's events.
    pub(super) events: fn(&Arc<Shared>),
}

impl Shared {
    /// What a new provider shares.
    ///
    /// # Errors
    /// If the configuration is refused.
    pub(super) fn new(
        flag: Box<dyn Flag>,
        mut config: RemoteConfig,
        runs: Runs,
    ) -> Result<Arc<Self>, Error> {
        let listener = config.listener.take();
        let bundled = config.bundled.take();
        let settings = Arc::new(Settings::of(config)?);
        // What this app does not understand it has shipped by mistake.
        let majors = &settings.schema_majors;
        let bundled =
            bundled.filter(|bundled| majors.contains(&bundled.version.schema_version.major));
        let signal = Signal::new();
        let now = settings.runtime.now();
        let state = ProviderState::new(Rules::of(&settings), is_on(&*flag), now);
        Ok(Arc::new(Self {
            effects: Effects::new(Arc::clone(&settings), signal.clone()),
            state: Mutex::new(state),
            runs,
            memory: Mutex::default(),
            listeners: Listeners::new(listener),
            bundled: bundled.map(Arc::new),
            settings,
            flag,
            signal,
        }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ProviderState> {
        lock(&self.state)
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// Changes the state, and lets everybody know: threads, listeners, and those who wait. The
    /// change is given the time.
    pub(super) fn change<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut ProviderState, Duration) -> T,
    ) -> T {
        let mut state = self.state();
        let result = change(&mut state, self.settings.runtime.now());
        self.worker_for(&mut state);
        self.live_reload_for(&mut state);
        self.listeners.queue(state.take_events());
        drop(state);
        self.signal.give();
        self.listeners.send();
        result
    }

    /// Makes the bundled snapshot current; the worker reads the cache.
    pub(super) fn begin(self: &Arc<Self>) {
        let bundled = self.bundled.as_ref().map(|bundled| {
            self.memory().raise_mark(bundled.version.order());
            Arc::new(bundled.snapshot())
        });
        self.change(|state, now| state.begin(bundled, now));
    }

    /// Does what the flag says now; whether it is on.
    pub(super) fn follow(self: &Arc<Self>) -> bool {
        // Asked outside of the lock: a flag is the app's code.
        let wanted = is_on(&*self.flag);
        if wanted == self.state().is_on() {
            return wanted;
        }
        self.change(|state, now| {
            state.flip(wanted, now);
            state.is_on()
        })
    }

    /// Sees to it that a thread does what is to do.
    fn worker_for(self: &Arc<Self>, state: &mut ProviderState) {
        if state.threads.worker || !state.has_work() {
            return;
        }
        let shared = Arc::clone(self);
        let work = Box::new(move || (shared.runs.worker)(&shared));
        match self.settings.runtime.spawn("tablecast-client", work) {
            Ok(()) => state.threads.worker = true,
            Err(error) => {
                let message = "no thread to refresh on";
                let error = Error::new(ErrorCode::Network, message).with_source(error);
                state.abandon(&error);
            }
        }
    }

    /// Sees to it that a thread listens to the server's events, where that is wanted. Without a
    /// thread for it, polling does.
    fn live_reload_for(self: &Arc<Self>, state: &mut ProviderState) {
        if state.threads.listening || !state.wants_events() {
            return;
        }
        let shared = Arc::clone(self);
        let work = Box::new(move || (shared.runs.events)(&shared));
        let spawned = self.settings.runtime.spawn("tablecast-events", work);
        state.threads.listening = spawned.is_ok();
    }
}
