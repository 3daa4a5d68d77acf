//! A time that a test moves, and that knows when nothing moves any more.
//!
//! Every thread that a client has runs through here: it is busy, or it waits for a signal, a
//! moment, or something outside that the test counts itself.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use snapshot_client::{Runtime, Signal};

/// The time of a world with any number of clients.
#[derive(Clone, Default)]
pub struct World(Arc<(Mutex<Moment>, Condvar)>);

/// A world's time as one client has it.
pub struct ClientTime {
    world: World,
    client: usize,
}

#[derive(Default)]
struct Moment {
    now: Duration,
    wall_ahead_ms: i64,
    random: f64,
    // Threads that are doing something, and will go on or wait by themselves.
    busy: usize,
    // Threads that are busy waiting for a lock.
    locking: usize,
    // Locks that somebody has.
    locked: usize,
    requests: Requests,
    waits: Vec<Wait>,
    next_id: usize,
}

/// What was asked of the network.
#[derive(Debug, Clone, Copy, Default)]
pub struct Requests {
    pub sent: usize,
    /// Of those, how many have no answer yet.
    pub in_flight: usize,
}

struct Wait {
    id: usize,
    kind: Kind,
    signal: Signal,
    seen: u64,
    until: Option<Duration>,
}

#[derive(PartialEq)]
enum Kind {
    Blocked,
    // Of this client.
    Poll(usize),
    Answer,
}

// Nothing in a test takes so long; what does hangs.
const STUCK: Duration = Duration::from_secs(60);

impl World {
    /// At some time, with 0.5 as its random number.
    pub fn new() -> Self {
        let world = Self::default();
        world.moment().now = Duration::from_secs(1);
        world.moment().random = 0.5;
        world
    }

    /// The time for one more client, and its number.
    pub fn client(&self) -> (Arc<ClientTime>, usize) {
        let mut moment = self.moment();
        moment.next_id += 1;
        let client = moment.next_id;
        let world = self.clone();
        (Arc::new(ClientTime { world, client }), client)
    }

    pub fn now(&self) -> Duration {
        self.moment().now
    }

    pub fn set_random(&self, random: f64) {
        self.moment().random = random;
    }

    /// The wall clock jumps.
    pub fn move_wall(&self, ms: i64) {
        self.moment().wall_ahead_ms += ms;
    }

    /// Time goes to the next moment that somebody waits for, but no further than this; how far it
    /// went.
    pub fn advance(&self, at_most: Duration) -> Duration {
        let mut moment = self.moment();
        let end = moment.now + at_most;
        let next = moment
            .waits
            .iter()
            .filter_map(|wait| wait.until)
            .fold(end, Duration::min);
        let passed = next.saturating_sub(moment.now);
        moment.now += passed;
        moment.wake();
        passed
    }

    /// Time passes at once.
    pub fn sleep(&self, time: Duration) {
        let mut moment = self.moment();
        moment.now += time;
        moment.wake();
    }

    /// Runs work that counts as a client's.
    pub fn run(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.moment().busy += 1;
        let world = self.clone();
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _busy = Busy(world);
            work();
        });
        if spawned.is_err() {
            self.moment().busy -= 1;
        }
        spawned.map(drop)
    }

    /// Waits for an answer from outside, and counts as a request under way meanwhile.
    pub fn request<T>(&self, wait: impl FnOnce() -> T) -> T {
        let mut moment = self.moment();
        moment.requests.sent += 1;
        moment.requests.in_flight += 1;
        moment.busy -= 1;
        drop(moment);
        self.0.1.notify_all();
        let result = wait();
        let mut moment = self.moment();
        moment.requests.in_flight -= 1;
        moment.busy += 1;
        result
    }

    /// Waits until the test gives this signal.
    pub fn blocked(&self, signal: &Signal, seen: u64) {
        self.wait(Wait {
            id: 0,
            kind: Kind::Blocked,
            signal: signal.clone(),
            seen,
            until: None,
        });
    }

    /// Waits for a lock: work, unless somebody has it who may be blocked.
    pub fn locking<T>(&self, wait: impl FnOnce() -> T) -> (T, Locked) {
        self.moment().locking += 1;
        self.0.1.notify_all();
        let result = wait();
        let mut moment = self.moment();
        moment.locking -= 1;
        moment.locked += 1;
        (result, Locked(self.clone()))
    }

    // Between its registering and its end nobody takes the thread for busy; once its signal is
    // given, nobody takes it for waiting.
    fn wait(&self, mut wait: Wait) {
        let (signal, seen) = (wait.signal.clone(), wait.seen);
        let mut moment = self.moment();
        if wait.is_over(moment.now) {
            return;
        }
        moment.next_id += 1;
        let id = moment.next_id;
        wait.id = id;
        moment.waits.push(wait);
        moment.busy -= 1;
        drop(moment);
        self.0.1.notify_all();
        signal.wait(seen, None);
        let mut moment = self.moment();
        moment.busy += 1;
        moment.waits.retain(|wait| wait.id != id);
    }

    fn leave(&self) {
        self.moment().busy -= 1;
        self.0.1.notify_all();
    }

    /// Waits until every thread waits for something that is not there yet; the requests of that
    /// moment.
    pub fn settle(&self) -> Result<Requests, String> {
        let moves = |moment: &mut Moment| moment.moves();
        let (moment, late) = self
            .0
            .1
            .wait_timeout_while(self.moment(), STUCK, moves)
            .unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            Err(format!("{} threads are busy and do not end", moment.busy))
        } else {
            Ok(moment.requests)
        }
    }

    /// When this client polls next, by each of its timers.
    pub fn moments_of_polls(&self, client: usize) -> Vec<Duration> {
        let moment = self.moment();
        let polls = moment
            .waits
            .iter()
            .filter(|wait| wait.kind == Kind::Poll(client));
        polls.filter_map(|wait| wait.until).collect()
    }

    fn moment(&self) -> MutexGuard<'_, Moment> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock that somebody has.
pub struct Locked(World);

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.moment().locked -= 1;
    }
}

struct Busy(World);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Moment {
    fn moves(&self) -> bool {
        let blocked = self.waits.iter().any(|wait| wait.kind == Kind::Blocked);
        let waiting = if blocked && self.locked > 0 {
            self.locking
        } else {
            0
        };
        self.busy > waiting || self.waits.iter().any(|wait| wait.is_over(self.now))
    }

    fn wake(&mut self) {
        for wait in self.waits.iter().filter(|wait| wait.is_over(self.now)) {
            wait.signal.give();
        }
    }
}

impl Wait {
    fn is_over(&self, now: Duration) -> bool {
        self.signal.count() != self.seen || self.until.is_some_and(|until| until <= now)
    }
}

impl Runtime for ClientTime {
    fn now(&self) -> Duration {
        self.world.now()
    }

    fn wall(&self) -> SystemTime {
        let ahead_ms = self.world.moment().wall_ahead_ms;
        let ahead = Duration::from_millis(ahead_ms.unsigned_abs());
        if ahead_ms < 0 {
            SystemTime::now() - ahead
        } else {
            SystemTime::now() + ahead
        }
    }

    fn random(&self) -> f64 {
        self.world.moment().random
    }

    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        self.world.run(name, work)
    }

    fn wait(&self, signal: &Signal, seen: u64, until: Option<Duration>, idle: bool) {
        let kind = if idle {
            Kind::Poll(self.client)
        } else {
            Kind::Answer
        };
        let signal = signal.clone();
        self.world.wait(Wait {
            id: 0,
            kind,
            signal,
            seen,
            until,
        });
    }
}
