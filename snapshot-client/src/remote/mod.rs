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
mod shown;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bundled::Bundled;
use crate::config::{Polling, ReferenceConfig, RemoteConfig, Settings};
use crate::core::held::Cache;
use crate::core::schedule::{Timing, next_delay};
use crate::effects::Effects;
use crate::flag::{Flag, is_on};
use crate::provider::{
    Cancel, Event, Listener, ProviderKind, ReadOptions, ReadyState, RefreshResult, Status,
    Subscription,
};
use crate::runtime::Signal;
use crate::snapshot::Snapshot;
use crate::{Error, ErrorCode, ReferenceDataProvider};

use listeners::Listeners;
use shown::{Cycle, Shown};

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
    shown: Mutex<Shown>,
    // The worker's own; locked for as long as a job takes.
    cache: Mutex<Cache>,
    listeners: Listeners,
}

// In the foreground again, or with a network again: not the very moment, when many apps ask.
const RESUME: Duration = Duration::from_secs(1);

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
            shown: Mutex::new(Shown::new(is_on(&*flag), settings.runtime.now())),
            cache: Mutex::default(),
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
        match self.0.shown().on {
            true => ProviderKind::Remote,
            false => ProviderKind::Local,
        }
    }

    fn bootstrap(&self, options: ReadOptions) -> Result<Arc<Snapshot>, Error> {
        self.0.bootstrap(options)
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.shown().snapshot.clone()
    }

    fn status(&self) -> Arc<Status> {
        let now = self.0.settings.runtime.now();
        self.0.shown().status(now, self.0.settings.stale_time)
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
        self.0.change(|shared, shown| {
            if !shown.started && !shown.disposed {
                shown.started = true;
                shown.due_at = shown.due_at.min(shared.settings.runtime.now());
                shared.schedule(shown, Duration::ZERO);
            }
        });
    }

    fn stop(&self) {
        self.0.change(Shared::stop);
    }

    fn set_active(&self, active: bool) {
        self.0.change(|shared, shown| {
            if shown.active != active {
                shown.active = active;
                shared.schedule(shown, RESUME);
            }
        });
    }

    fn set_online(&self, online: bool) {
        self.0.change(|shared, shown| {
            if shown.online != online {
                shown.online = online;
                // What failed for want of a network need not wait for its turn.
                if shown.failures > 0 {
                    shown.due_at = shared.settings.runtime.now();
                }
                shared.schedule(shown, RESUME);
            }
        });
    }

    fn dispose(&self) {
        self.0.change(|shared, shown| {
            shown.disposed = true;
            shared.stop(shown);
        });
    }
}

impl Shared {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is shared, and lets everybody know: listeners, those who wait, the worker.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&Self, &mut Shown) -> T) -> T {
        let mut shown = self.shown();
        let result = change(self, &mut shown);
        self.worker_for(&mut shown);
        self.live_reload_for(&mut shown);
        let events = std::mem::take(&mut shown.events);
        self.listeners.queue(events);
        drop(shown);
        self.signal.give();
        self.listeners.tell();
        result
    }

    /// Shows what is bundled; the cache is the worker's.
    fn begin(self: &Arc<Self>) {
        self.change(|shared, shown| {
            if let Some(bundled) = &shared.bundled {
                let snapshot = Arc::new(bundled.snapshot());
                shared.cache().raise_mark(bundled.version.order());
                shown.bundled = Some(Arc::clone(&snapshot));
                shared.show(shown, snapshot);
            }
            match shown.on {
                true => shown.open(),
                false => shared.opened(shown),
            }
            shared.schedule(shown, Duration::ZERO);
        });
    }

    /// Does what the flag says now; whether it is on.
    fn follow(self: &Arc<Self>) -> bool {
        // Asked outside of the lock: a flag is the app's code.
        let wanted = is_on(&*self.flag);
        if wanted == self.shown().on {
            return wanted;
        }
        self.change(|shared, shown| {
            if wanted != shown.on && !shown.disposed {
                shown.on = wanted;
                shown.cut();
                if !shown.loading || !wanted {
                    let next = match wanted {
                        true => shown.newest_known(),
                        false => shown.bundled.clone(),
                    };
                    if let Some(next) = next {
                        shared.show(shown, next);
                    }
                }
                match wanted {
                    true => shown.open(),
                    false if shown.loading => shared.opened(shown),
                    false => {}
                }
                shared.schedule(shown, Duration::ZERO);
            }
            shown.on
        })
    }

    /// What is under way will have nothing to say.
    fn stop(&self, shown: &mut Shown) {
        shown.started = false;
        shown.cut();
        self.schedule(shown, Duration::ZERO);
    }

    fn show(&self, shown: &mut Shown, next: Arc<Snapshot>) {
        let now = self.settings.runtime.now();
        shown.show(next, now, self.settings.stale_time);
    }

    /// The cache was looked at, or need not be.
    fn opened(&self, shown: &mut Shown) {
        let now = self.settings.runtime.now();
        shown.loading = false;
        shown.due_at = shown.due_at.min(now);
        if !shown.begun {
            shown.begun = true;
            let ready = shown.ready(now, self.settings.stale_time);
            shown.events.push(Event::Ready(ready));
        }
        self.schedule(shown, Duration::ZERO);
    }

    /// One timer at most, for what is due next; and the status that goes with it.
    fn schedule(&self, shown: &mut Shown, at_least: Duration) {
        let now = self.settings.runtime.now();
        let polls = self.settings.polling == Polling::Auto
            && shown.is_running()
            && shown.active
            && shown.online
            && !shown.loading
            && shown.cycle.is_none();
        shown.timer = polls.then(|| shown.due_at.max(now + at_least));
        shown.tell_status(now, self.settings.stale_time);
    }

    fn plan(&self, shown: &mut Shown, error: Option<&Error>) {
        let timing = Timing {
            poll_interval: self.settings.poll_interval,
            random: self.settings.runtime.random(),
            failures: shown.failures,
        };
        shown.due_at = self.settings.runtime.now() + next_delay(error, timing);
    }

    fn refresh_now(&self, shown: &mut Shown) -> Arc<Cycle> {
        self.refresh(shown, false)
    }

    /// The server has told of a version; a cache may still have the one before.
    fn refresh_fresh(&self, shown: &mut Shown) -> Arc<Cycle> {
        self.refresh(shown, true)
    }

    fn refresh(&self, shown: &mut Shown, fresh: bool) -> Arc<Cycle> {
        if let Some(cycle) = &shown.cycle {
            return Arc::clone(cycle);
        }
        let cycle = shown.begin_cycle(fresh);
        self.schedule(shown, Duration::ZERO);
        cycle
    }

    /// Sees to it that somebody does what is to do.
    fn worker_for(self: &Arc<Self>, shown: &mut Shown) {
        if shown.worker || !shown.has_work() {
            return;
        }
        let shared = Arc::clone(self);
        let work = Box::new(move || worker::run(&shared));
        match self.settings.runtime.spawn("tablecast-client", work) {
            Ok(()) => shown.worker = true,
            Err(error) => {
                let message = "no thread to refresh on";
                let error = Error::new(ErrorCode::Network, message).with_source(error);
                shown.abandon(&error);
            }
        }
    }
}

impl Shared {
    /// Sees to it that somebody listens, where that is wanted. Without a thread for it, polling
    /// does.
    fn live_reload_for(self: &Arc<Self>, shown: &mut Shown) {
        if shown.listening || !live::is_wanted(self, shown) {
            return;
        }
        let shared = Arc::clone(self);
        let work = Box::new(move || live::run(&shared));
        shown.listening = self
            .settings
            .runtime
            .spawn("tablecast-events", work)
            .is_ok();
    }
}
