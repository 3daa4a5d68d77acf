//! What a caller has of a wait or a subscription, to end it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::runtime::Signal;

/// Ends the waiting of who waits; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    cancelled: AtomicBool,
    // The providers' own, so that those who wait there look.
    signals: Mutex<Vec<Signal>>,
}

impl Cancel {
    /// Nobody has given up yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives up.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for signal in lock(&self.0.signals).iter() {
            signal.give();
        }
    }

    /// Whether it was given up.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn wakes(&self, signal: &Signal) {
        lock(&self.0.signals).push(signal.clone());
    }
}

/// Ends what [`ReferenceDataProvider::subscribe`] began when it is dropped.
#[must_use = "dropping it ends the subscription"]
pub struct Subscription(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Subscription {
    /// A subscription that ends so.
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }

    /// Lets the listener be told as long as the provider lasts.
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
