//! The clock, the threads and the chance of the platform, where others are wanted.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::lock::lock;

/// What a provider needs of the platform beside a transport and a storage.
///
/// [`SystemRuntime`] is the platform's own; a test gives one whose time it moves itself.
pub trait Runtime: Send + Sync + 'static {
    /// A time that only grows.
    fn now(&self) -> Duration;

    /// The wall clock, which nothing but a `Retry-After` date is compared with.
    fn wall(&self) -> SystemTime;

    /// From 0 to 1, by chance.
    fn random(&self) -> f64;

    /// Runs work on a thread of its own.
    ///
    /// # Errors
    /// Where there can be none.
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()>;

    /// Waits until the signal's count is another than `seen`, or until `now()` is `until`; may
    /// return earlier. Who waits for a poll is `idle`, who waits for an answer is not.
    fn wait(&self, signal: &Signal, seen: u64, until: Option<Duration>, idle: bool);
}

/// A count that grows, and those who wait for that; clones are the same signal.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<(Mutex<u64>, Condvar)>);

impl Signal {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often it was given.
    pub fn count(&self) -> u64 {
        *lock(&self.0.0)
    }

    /// Gives it: all who wait look again.
    pub fn give(&self) {
        *lock(&self.0.0) += 1;
        self.0.1.notify_all();
    }

    /// Waits until the count is another than `seen`, at most for so long.
    pub fn wait(&self, seen: u64, at_most: Option<Duration>) {
        let unchanged = |count: &mut u64| *count == seen;
        let count = lock(&self.0.0);
        match at_most {
            Some(time) => drop(self.0.1.wait_timeout_while(count, time, unchanged)),
            None => drop(self.0.1.wait_while(count, unchanged)),
        }
    }
}

/// The platform's clock, threads and chance.
#[derive(Debug)]
pub struct SystemRuntime {
    began: Instant,
    chance: RandomState,
}

impl SystemRuntime {
    /// The platform's own.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            chance: RandomState::new(),
        }
    }
}

impl Default for SystemRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for SystemRuntime {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    // Enough to spread requests, and nothing is to be kept secret: the standard library's hasher
    // has random keys.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit a double")]
    fn random(&self) -> f64 {
        let bits = self.chance.hash_one(self.began.elapsed().as_nanos());
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map(drop)
    }

    fn wait(&self, signal: &Signal, seen: u64, until: Option<Duration>, _idle: bool) {
        signal.wait(seen, until.map(|until| until.saturating_sub(self.now())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_spread_between_zero_and_one() {
        let runtime = SystemRuntime::new();
        let numbers: Vec<_> = (0..1000).map(|_| runtime.random()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < 0.25));
        assert!(numbers.iter().any(|number| *number > 0.75));
    }

    #[test]
    fn a_signal_that_was_given_before_is_not_waited_for() {
        let signal = Signal::new();
        let seen = signal.count();
        signal.give();
        signal.wait(seen, None);
        SystemRuntime::new().wait(&signal, seen, None, false);
    }
}
