//! The provider that fetches: it runs the decisions, keeps the time, and shows the outcome.
//!
//! One for both sides of a flag: while the flag is off it shows what is bundled and does nothing
//! else. All work is done by one thread, which is there while there may be work: none while the
//! flag is off or the provider is stopped. Threads rather than an async runtime, since an app that
//! embeds this has its own runtime or none, and a client that asks once in five minutes needs
//! neither: every call of the seam is a look into memory, or waits on purpose.

mod listeners;
mod live;
mod reads;
mod state;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::bundled::Bundled;
use crate::config::{ReferenceConfig, RemoteConfig, Settings};
use crate::core::memory::Memory;
use crate::effects::Effects;
use crate::error::{Error, ErrorCode};
use crate::flag::{Flag, is_on};
use crate::lock::lock;
use crate::provider::{
    Cancel, Listener, ProviderKind, ReadOptions, ReadyState, ReferenceDataProvider, RefreshResult,
    Status, Subscription,
};
use crate::runtime::Signal;
use crate::snapshot::Snapshot;

use listeners::Listeners;
use state::{ProviderState, Rules};

/// A provider that polls a store, keeps what it has verified, and works without network.
pub struct RemoteProvider(Arc<Shared>);

/// What the provider's callers and its thread share.
struct Shared {
    settings: Arc<Settings>,
    flag: Box<dyn Flag>,
    bundled: Option<Arc<Bundled>>,
    effects: Effects,
    // Given at every change of what is shared.
    signal: Signal,
    state: Mutex<ProviderState>,
    // The worker's own; locked for as long as a job takes.
    memory: Mutex<Memory>,
    listeners: Listeners,
}

impl RemoteProvider {
    /// Shows what is bundled, loads the cache, and begins to poll.
    ///
    /// # Errors
    /// [`ErrorCode::Config`] where the configuration makes no sense.
    pub fn new(config: RemoteConfig) -> Result<Self, Error> {
        Self::behind(Box::new(true), config)
    }

    /// The same behind a flag: while it is off, only what is bundled is shown, no thread runs, and
    /// no connection is opened. The flag may be flipped at any time.
    ///
    /// # Errors
    /// As [`RemoteProvider::new`].
    pub fn switched(config: ReferenceConfig) -> Result<Self, Error> {
        Self::behind(config.enabled, config.remote)
    }

    fn behind(flag: Box<dyn Flag>, mut config: RemoteConfig) -> Result<Self, Error> {
        let listener = config.listener.take();
        let bundled = config.bundled.take();
        let settings = Arc::new(Settings::of(config)?);
        // What this app does not understand it has shipped by mistake.
        let majors = &settings.schema_majors;
        let bundled =
            bundled.filter(|bundled| majors.contains(&bundled.version.schema_version.major));
        let signal = Signal::new();
        let shared = Arc::new(Shared {
            effects: Effects::new(Arc::clone(&settings), signal.clone()),
            state: Mutex::new(ProviderState::new(
                Rules::of(&settings),
                is_on(&*flag),
                settings.runtime.now(),
            )),
            memory: Mutex::default(),
            listeners: Listeners::new(listener),
            bundled: bundled.map(Arc::new),
            settings,
            flag,
            signal,
        });
        shared.begin();
        let weak = Arc::downgrade(&shared);
        shared.flag.watch(Arc::new(move || {
            if let Some(shared) = weak.upgrade() {
                shared.follow();
            }
        }));
        Ok(Self(shared))
    }
}

impl Drop for RemoteProvider {
    fn drop(&mut self) {
        self.dispose();
    }
}

impl std::fmt::Debug for RemoteProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteProvider")
            .field("base_url", &self.0.settings.base_url)
            .field("status", &self.status())
            .finish()
    }
}

impl ReferenceDataProvider for RemoteProvider {
    fn kind(&self) -> ProviderKind {
        if self.0.state().is_on() {
            ProviderKind::Remote
        } else {
            ProviderKind::Local
        }
    }

    fn bootstrap(&self, options: ReadOptions) -> Result<Arc<Snapshot>, Error> {
        self.0.bootstrap(options)
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.state().snapshots.current.clone()
    }

    fn status(&self) -> Arc<Status> {
        let now = self.0.settings.runtime.now();
        self.0.state().status(now)
    }

    fn subscribe(&self, listener: Listener) -> Subscription {
        let id = self.0.listeners.add(listener);
        let shared = Arc::downgrade(&self.0);
        Subscription::new(move || {
            if let Some(shared) = shared.upgrade() {
                shared.listeners.remove(id);
            }
        })
    }

    fn wait_for_ready(&self, timeout: Option<Duration>) -> ReadyState {
        self.0.wait_for_ready(timeout)
    }

    fn refresh_unless(&self, cancel: &Cancel) -> RefreshResult {
        self.0.refresh_unless(cancel)
    }

    fn start(&self) {
        self.0.change(ProviderState::start);
    }

    fn stop(&self) {
        self.0.change(ProviderState::stop);
    }

    fn set_active(&self, active: bool) {
        self.0.change(|state, now| state.set_active(active, now));
    }

    fn set_online(&self, online: bool) {
        self.0.change(|state, now| state.set_online(online, now));
    }

    fn dispose(&self) {
        self.0.change(ProviderState::dispose);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, ProviderState> {
        lock(&self.state)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// Changes the state at this moment, and lets everybody know: listeners, those who wait, the
    /// threads.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut ProviderState, Duration) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state, self.settings.runtime.now());
        self.worker_for(&mut state);
        self.live_reload_for(&mut state);
        self.listeners.queue(state.take_events());
        drop(state);
        self.signal.give();
        self.listeners.tell();
        result
    }

    /// Shows what is bundled; the cache is the worker's.
    fn begin(self: &Arc<Self>) {
        let bundled = self.bundled.as_ref().map(|bundled| {
            self.memory().raise_mark(bundled.version.order());
            Arc::new(bundled.snapshot())
        });
        self.change(|state, now| state.begin(bundled, now));
    }

    /// Does what the flag says now; whether it is on.
    fn follow(self: &Arc<Self>) -> bool {
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
        let work = Box::new(move || worker::run(&shared));
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
        let work = Box::new(move || live::run(&shared));
        let spawned = self.settings.runtime.spawn("tablecast-events", work);
        state.threads.listening = spawned.is_ok();
    }
}
