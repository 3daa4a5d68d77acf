//! Handles by which a caller ends a wait or a subscription.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::runtime::Signal;

/// Ends the wait of [`ReferenceDataProvider::refresh_unless`]; clones are the same handle.
///
/// [`ReferenceDataProvider::refresh_unless`]: crate::ReferenceDataProvider::refresh_unless
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    cancelled: AtomicBool,
    // Of the providers that somebody waits at: whoever waits there looks again.
    signals: Mutex<Vec<Signal>>,
}

impl Cancel {
    /// A handle that was not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the wait, now or as soon as it begins. It cannot be undone.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for signal in lock(&self.0.signals).iter() {
            signal.give();
        }
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn wakes(&self, signal: &Signal) {
        lock(&self.0.signals).push(signal.clone());
    }
}

/// A subscription; it ends when this is dropped.
///
/// [`ReferenceDataProvider::subscribe`](crate::ReferenceDataProvider::subscribe) returns it.
#[must_use = "dropping it ends the subscription"]
pub struct Subscription(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Subscription {
    /// A subscription whose end calls this function, once.
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }

    /// Lets the subscription last as long as the provider.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
