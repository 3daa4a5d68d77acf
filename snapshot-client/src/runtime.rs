//! The clock, the threads and the random numbers of the platform; an app may give others.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::lock::lock;

/// The clock, the threads and the random numbers that a provider uses.
///
/// [`SystemRuntime`] is the platform's own; a test may give one whose time it moves itself.
pub trait Runtime: Send + Sync + 'static {
    /// The time since some moment in the past; it never goes back.
    fn now(&self) -> Duration;

    /// The wall clock. It is compared with a `Retry-After` date, and with nothing else.
    fn wall(&self) -> SystemTime;

    /// A random number from 0 to 1.
    fn random(&self) -> f64;

    /// Runs work on a thread of its own, which gets this name.
    ///
    /// # Errors
    /// If no thread can be started.
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()>;

    /// Waits until the signal's count differs from `seen`, or until `now()` reaches `until`; may
    /// return earlier. `idle` says that the caller waits for the next poll, not for an answer.
    fn wait(&self, signal: &Signal, seen: u64, until: Option<Duration>, idle: bool);
}

/// A count that threads wait on until it grows; clones are the same signal.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<(Mutex<u64>, Condvar)>);

impl Signal {
    /// A signal whose count is 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often the signal was given.
    pub fn count(&self) -> u64 {
        *lock(&self.0.0)
    }

    /// Adds one to the count, and wakes all who wait.
    pub fn give(&self) {
        *lock(&self.0.0) += 1;
        self.0.1.notify_all();
    }

    /// Waits until the count differs from `seen`, at most so long; `None` is without a limit.
    pub fn wait(&self, seen: u64, at_most: Option<Duration>) {
        let unchanged = |count: &mut u64| *count == seen;
        let count = lock(&self.0.0);
        match at_most {
            Some(time) => drop(self.0.1.wait_timeout_while(count, time, unchanged)),
            None => drop(self.0.1.wait_while(count, unchanged)),
        }
    }
}

/// The platform's clock, threads and random numbers.
#[derive(Debug)]
pub struct SystemRuntime {
    began: Instant,
    random: RandomState,
}

impl SystemRuntime {
    /// A runtime whose time begins now.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            random: RandomState::new(),
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
        let bits = self.random.hash_one(self.began.elapsed().as_nanos());
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
    fn random_numbers_are_spread_between_zero_and_one() {
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
