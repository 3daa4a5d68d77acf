//! Who is told what happens.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread::{self, ThreadId};

use crate::error::{Error, ErrorCode};
use crate::lock::lock;
use crate::provider::{Event, Listener};

/// Listeners, who cannot harm each other or the provider.
pub(super) struct Listeners(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    listeners: Vec<(u64, Listener)>,
    next_id: u64,
    queue: VecDeque<Event>,
    // Somebody tells, and will tell what is queued meanwhile.
    telling: Option<ThreadId>,
}

impl Listeners {
    /// The one of the configuration, who misses nothing.
    pub(super) fn new(first: Option<Listener>) -> Self {
        let listeners = Self(Mutex::default());
        if let Some(listener) = first {
            listeners.add(listener);
        }
        listeners
    }

    pub(super) fn add(&self, listener: Listener) -> u64 {
        let mut inner = lock(&self.0);
        inner.next_id += 1;
        let id = inner.next_id;
        inner.listeners.push((id, listener));
        id
    }

    pub(super) fn remove(&self, id: u64) {
        lock(&self.0).listeners.retain(|(each, _)| *each != id);
    }

    /// Queues what is to be told; the caller holds the lock that orders events.
    pub(super) fn queue(&self, events: Vec<Event>) {
        lock(&self.0).queue.extend(events);
    }

    /// Tells what is queued, one event after the other. Called without any lock held; where
    /// another thread tells already, or a listener calls back, that one goes on telling.
    pub(super) fn tell(&self) {
        {
            let mut inner = lock(&self.0);
            if inner.telling.is_some() {
                return;
            }
            inner.telling = Some(thread::current().id());
        }
        loop {
            let (event, listeners) = {
                let mut inner = lock(&self.0);
                let Some(event) = inner.queue.pop_front() else {
                    inner.telling = None;
                    return;
                };
                (event, inner.listeners.clone())
            };
            for (_, listener) in listeners {
                let told = catch_unwind(AssertUnwindSafe(|| listener(&event)));
                // A listener of errors that panics has had its chance.
                if told.is_err() && !matches!(event, Event::Error(_)) {
                    let error = Error::new(ErrorCode::Listener, "a listener panicked");
                    lock(&self.0).queue.push_front(Event::Error(error));
                }
            }
        }
    }

    /// Whether this thread is telling: a listener runs on it.
    pub(super) fn tells_here(&self) -> bool {
        lock(&self.0).telling == Some(thread::current().id())
    }
}
