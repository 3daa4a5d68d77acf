//! Listeners, and the queue of events that they get.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread::{self, ThreadId};

use crate::error::{Error, ErrorCode};
use crate::lock::lock;
use crate::provider::{Event, Listener};

/// The listeners of a provider. One that panics harms neither the others nor the provider.
pub(super) struct Listeners(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    listeners: Vec<(u64, Listener)>,
    next_id: u64,
    queue: VecDeque<Event>,
    // The thread that calls the listeners, also for what is queued meanwhile.
    sender: Option<ThreadId>,
}

impl Listeners {
    /// The listener of the configuration, which gets every event.
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

    /// Queues events; the caller has the lock that orders them.
    pub(super) fn queue(&self, events: Vec<Event>) {
        lock(&self.0).queue.extend(events);
    }

    /// Sends what is queued, one event after the other. The caller has no lock. If a thread sends
    /// already, be it this one whose listener calls back, that one goes on with the queue.
    pub(super) fn send(&self) {
        {
            let mut inner = lock(&self.0);
            if inner.sender.is_some() {
                return;
            }
            inner.sender = Some(thread::current().id());
        }
        loop {
            let (event, listeners) = {
                let mut inner = lock(&self.0);
                let Some(event) = inner.queue.pop_front() else {
                    inner.sender = None;
                    return;
                };
                (event, inner.listeners.clone())
            };
            for (_, listener) in listeners {
                let called = catch_unwind(AssertUnwindSafe(|| listener(&event)));
                // A listener of errors that panics has had its chance.
                if called.is_err() && !matches!(event, Event::Error(_)) {
                    let error = Error::new(ErrorCode::Listener, "a listener panicked");
                    lock(&self.0).queue.push_front(Event::Error(error));
                }
            }
        }
    }

    /// Whether a listener runs on this thread.
    pub(super) fn runs_here(&self) -> bool {
        lock(&self.0).sender == Some(thread::current().id())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn error(message: &str) -> Event {
        Event::Error(Error::new(ErrorCode::Network, message))
    }

    #[test]
    fn a_listener_that_panics_is_reported_to_the_others_before_the_next_event() {
        let listeners = Arc::new(Listeners::new(Some(Arc::new(|_| panic!("a listener")))));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (events, around) = (Arc::clone(&seen), Arc::clone(&listeners));
        listeners.add(Arc::new(move |event| {
            assert!(around.runs_here());
            // Of an event within an event: it comes behind.
            around.send();
            lock(&events).push(event.clone());
        }));
        listeners.queue(vec![Event::Recovered, error("lost")]);
        listeners.send();
        let panicked = Event::Error(Error::new(ErrorCode::Listener, "a listener panicked"));
        assert_eq!(*lock(&seen), [Event::Recovered, panicked, error("lost")]);
        assert!(!listeners.runs_here());
    }

    #[test]
    fn who_has_unsubscribed_gets_nothing() {
        let listeners = Listeners::new(None);
        let count = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&count);
        let id = listeners.add(Arc::new(move |_| *lock(&counted) += 1));
        listeners.queue(vec![error("first")]);
        listeners.send();
        listeners.remove(id);
        listeners.queue(vec![error("second")]);
        listeners.send();
        assert_eq!(*lock(&count), 1);
    }
}
