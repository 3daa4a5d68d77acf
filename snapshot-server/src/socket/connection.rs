//! What the server knows of each connection, and how long it lets one be.
//!
//! No connection has a timer. Requests and bytes leave the time of their last
//! progress here, and one sweep over all connections finds those that are
//! overdue, so that a request costs a few stores to memory.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::lock::lock;

/// How long a connection may make no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Between requests. Longer than the keep-alive of a CDN to its origin, or
    /// the CDN sends a request into a closing connection and answers 502.
    pub idle: Duration,
    /// From the first byte of a request's head to its last, however steadily
    /// the bytes trickle.
    pub head: Duration,
    /// For a client that does not read its response.
    pub stall: Duration,
    /// Between two signs of life to those who listen at `/events`.
    pub heartbeat: Duration,
    /// From the signal to stop until what still runs is cut off.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(120),
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            stop: Duration::from_secs(10),
        }
    }
}

/// For an HTTP/2 client that asks for nothing to answer that it has heard of the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// How many connections there may be, and how long each may make no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// All together.
    pub(crate) most: usize,
    /// Of one client's address; 0 is no limit.
    pub(crate) most_per_client: usize,
    pub(crate) timeouts: Timeouts,
}

/// Every open connection.
pub(crate) struct Connections {
    open: Mutex<Open>,
    next_id: AtomicU64,
    limits: ArcSwap<Limits>,
    clock: Arc<Clock>,
    /// Told when the last connection of a stopping server ends.
    emptied: Notify,
}

/// The open connections, and how many of them each client has.
#[derive(Default)]
struct Open {
    connections: HashMap<u64, Arc<Connection>>,
    of_client: HashMap<IpAddr, usize>,
}

/// A date as HTTP writes it, and the two line ends after the last field.
pub(crate) type DateLine = [u8; 33];

/// The time as of the last sweep, a quarter of a second ago at most. Good
/// enough for deadlines and dates of whole seconds, and free to read.
struct Clock {
    start: Instant,
    /// Since the start.
    now_ms: AtomicU64,
    date_line: ArcSwap<DateLine>,
}

impl Clock {
    fn new() -> Self {
        let date_line = ArcSwap::from_pointee(date_line(SystemTime::now()));
        Self {
            start: Instant::now(),
            now_ms: AtomicU64::new(0),
            date_line,
        }
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn date_line_at(&self, now: Instant) -> DateLine {
        let since_start = now.saturating_duration_since(self.start).as_millis();
        // On a machine so busy that the sweep is late the date is made afresh.
        if since_start > u128::from(self.now_ms()) + 1_000 {
            return date_line(SystemTime::now());
        }
        **self.date_line.load()
    }

    fn advance(&self) -> u64 {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now_ms.store(now, Ordering::Relaxed);
        let date_line = date_line(SystemTime::now());
        if **self.date_line.load() != date_line {
            self.date_line.store(Arc::new(date_line));
        }
        now
    }
}

fn date_line(now: SystemTime) -> DateLine {
    let text = httpdate::fmt_http_date(now) + "\r\n\r\n";
    // Years of five digits have their own problems.
    text.as_bytes()
        .try_into()
        .unwrap_or(*b"Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n")
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            open: Mutex::default(),
            next_id: AtomicU64::new(0),
            limits: ArcSwap::from_pointee(limits),
            clock: Arc::new(Clock::new()),
            emptied: Notify::new(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        **self.limits.load()
    }

    /// From now on. What is open and over the new limit is not closed for that.
    pub(crate) fn set_limits(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// Notes a new connection. At the limit the ones that have waited longest
    /// for a request give way: a flood of silent clients crowds out itself,
    /// not those that are being served.
    pub(crate) fn admit(self: &Arc<Self>) -> Admitted {
        let connection = Arc::new(Connection {
            client: OnceLock::new(),
            clock: self.clock.clone(),
            in_flight: AtomicUsize::new(0),
            at_rest: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
            head_since_ms: AtomicU64::new(NEVER),
            progress_ms: AtomicU64::new(self.clock.now_ms()),
            multiplexed: AtomicBool::new(false),
            order: AtomicU8::new(Order::Go as u8),
            waker: OnceLock::new(),
        });
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let most = self.limits().most;
        let mut open = lock(&self.open);
        if open.connections.len() >= most {
            open.make_room(|_| true, share_of(most));
        }
        open.connections.insert(id, connection.clone());
        Admitted {
            id,
            connection,
            connections: self.clone(),
        }
    }

    /// Whether no more can be taken: all are at work.
    pub(crate) fn is_full(&self) -> bool {
        let most = self.limits().most;
        let open = &lock(&self.open).connections;
        open.len() >= most && !open.values().any(|connection| connection.is_waiting())
    }

    /// Lets waiting connections go, for the system has no descriptors left.
    pub(crate) fn shed(&self) {
        let count = share_of(self.limits().most);
        lock(&self.open).make_room(|_| true, count);
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.open).connections.len()
    }

    /// Closes what is overdue, again and again.
    pub(crate) async fn sweep(&self) {
        loop {
            let timeouts = self.limits().timeouts;
            let shortest = timeouts.idle.min(timeouts.head).min(timeouts.stall);
            let pause = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(250));
            tokio::time::sleep(pause).await;
            let now = self.clock.advance();
            let open = lock(&self.open);
            open.connections
                .values()
                .filter(|connection| connection.is_overdue(now, &timeouts))
                .for_each(|connection| connection.tell(Order::Close));
        }
    }

    /// Lets every connection finish what it does, then, at the deadline, not.
    pub(crate) async fn stop(&self) {
        let tell_all = |order| {
            lock(&self.open)
                .connections
                .values()
                .for_each(|connection| connection.tell(order))
        };
        tell_all(Order::Finish);
        let deadline = self.limits().timeouts.stop;
        let goodbye = GOODBYE.min(deadline);
        if tokio::time::timeout(goodbye, self.empty()).await.is_ok() {
            return;
        }
        lock(&self.open)
            .connections
            .values()
            .filter(|connection| connection.is_silent_after_goodbye())
            .for_each(|connection| connection.tell(Order::Close));
        let left = deadline.saturating_sub(goodbye);
        if tokio::time::timeout(left, self.empty()).await.is_err() {
            tell_all(Order::Close);
            self.empty().await;
        }
    }

    async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// Whose share an address has a part in: its own, or that of its /64 over IPv6, of which
/// every customer has one at least.
pub(crate) fn share_of_client(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

/// How many give way at a time, so that a flood does not search for each of its connections.
fn share_of(most: usize) -> usize {
    (most / 64).max(1)
}

impl Open {
    /// Closes up to `count` of those meant, the ones that have waited longest.
    fn make_room(&mut self, is_meant: impl Fn(&Connection) -> bool, count: usize) {
        let mut waiting: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_waiting() && is_meant(connection))
            .map(|(id, connection)| (connection.waiting_since_ms(), *id))
            .collect();
        waiting.sort_unstable();
        for (_, id) in waiting.into_iter().take(count) {
            if let Some(connection) = self.remove(id) {
                connection.tell(Order::Close);
            }
        }
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Connection>> {
        let connection = self.connections.remove(&id)?;
        if let Some(client) = connection.client().map(share_of_client)
            && let Some(count) = self.of_client.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                self.of_client.remove(&client);
            }
        }
        Some(connection)
    }

    fn count_of(&self, client: IpAddr) -> usize {
        self.of_client.get(&client).copied().unwrap_or(0)
    }
}

/// A place among the open connections, given up when it is dropped.
pub(crate) struct Admitted {
    id: u64,
    pub(crate) connection: Arc<Connection>,
    connections: Arc<Connections>,
}

impl Admitted {
    /// Notes whose connection it is, one of at most so many (0: any number). A
    /// client at its limit gives up those of its own that have waited longest;
    /// false where all of them are at work.
    pub(crate) fn identify(&self, client: IpAddr, most: usize) -> bool {
        let whose = share_of_client(client);
        let mut open = lock(&self.connections.open);
        // It may have given way already, and is then counted no more.
        if !open.connections.contains_key(&self.id) {
            return false;
        }
        if most > 0 && open.count_of(whose) >= most {
            open.make_room(
                |other| other.client().map(share_of_client) == Some(whose),
                share_of(most),
            );
            if open.count_of(whose) >= most {
                return false;
            }
        }
        if self.connection.client.set(client).is_ok() {
            *open.of_client.entry(whose).or_default() += 1;
        }
        true
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = lock(&self.connections.open);
        open.remove(self.id);
        if open.connections.is_empty() {
            self.connections.emptied.notify_waiters();
        }
    }
}

/// What a connection is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Order {
    Go,
    /// Answer what has begun, then end.
    Finish,
    /// End now.
    Close,
}

const NEVER: u64 = u64::MAX;

/// One connection, as seen by its stream, its requests and the sweep.
pub(crate) struct Connection {
    /// Who is at the other end, by the PROXY protocol where that is spoken;
    /// nobody on a Unix socket has a number.
    client: OnceLock<IpAddr>,
    clock: Arc<Clock>,
    /// Requests whose response is not handed over yet.
    in_flight: AtomicUsize,
    /// How many of these only listen.
    at_rest: AtomicUsize,
    /// Whether the last write found the client's window full.
    blocked: AtomicBool,
    /// When the first byte of an unfinished head came.
    head_since_ms: AtomicU64,
    progress_ms: AtomicU64,
    /// HTTP/2: bytes between requests are no head that has begun.
    multiplexed: AtomicBool,
    order: AtomicU8,
    /// The connection's task. It never moves to another, so one waker serves.
    waker: OnceLock<Waker>,
}

impl Connection {
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client.get().copied()
    }

    /// Counts a request until the value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.head_since_ms.store(NEVER, Ordering::Relaxed);
        self.progress();
        InFlight(self.clone())
    }

    /// Counts one of the requests in flight as a listener until the value is dropped.
    pub(crate) fn rest(self: &Arc<Self>) -> AtRest {
        self.at_rest.fetch_add(1, Ordering::Relaxed);
        AtRest(self.clone())
    }

    fn progress(&self) {
        self.progress_ms
            .store(self.clock.now_ms(), Ordering::Relaxed);
    }

    fn is_waiting(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0 && !self.blocked.load(Ordering::Relaxed)
    }

    /// Whether all that it waits for is events.
    pub(crate) fn only_listens(&self) -> bool {
        let at_rest = self.at_rest.load(Ordering::Relaxed);
        at_rest > 0 && at_rest == self.in_flight.load(Ordering::Relaxed)
    }

    /// RFC 9113 §6.8: the end of HTTP/2 is a conversation, and nobody is made to answer.
    fn is_silent_after_goodbye(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed) && self.is_waiting()
    }

    fn waiting_since_ms(&self) -> u64 {
        let head = self.head_since_ms.load(Ordering::Relaxed);
        head.min(self.progress_ms.load(Ordering::Relaxed))
    }

    fn is_overdue(&self, now_ms: u64, timeouts: &Timeouts) -> bool {
        let head_since = self.head_since_ms.load(Ordering::Relaxed);
        let (since, limit) = if self.only_listens() {
            // Each heartbeat that is taken is progress, in a stream as in a socket.
            let limit = timeouts.heartbeat.saturating_add(timeouts.stall);
            (self.progress_ms.load(Ordering::Relaxed), limit)
        } else if !self.is_waiting() {
            (self.progress_ms.load(Ordering::Relaxed), timeouts.stall)
        } else if head_since != NEVER {
            (head_since, timeouts.head)
        } else {
            (self.progress_ms.load(Ordering::Relaxed), timeouts.idle)
        };
        u128::from(now_ms.saturating_sub(since)) > limit.as_millis()
    }

    fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u8, Ordering::SeqCst) < order as u8
            && let Some(waker) = self.waker.get()
        {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn has_read(&self) {
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            self.progress();
        } else if !self.multiplexed.load(Ordering::Relaxed)
            && self.head_since_ms.load(Ordering::Relaxed) == NEVER
        {
            self.head_since_ms
                .store(self.clock.now_ms(), Ordering::Relaxed);
        }
    }

    pub(crate) fn has_written(&self, result: &Poll<io::Result<usize>>) {
        self.blocked.store(result.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(Ok(1..)) = result {
            self.progress();
        }
    }

    /// Bytes between the requests of HTTP/2 are no head that has begun.
    pub(crate) fn set_multiplexed(&self) {
        self.multiplexed.store(true, Ordering::Relaxed);
        self.head_since_ms.store(NEVER, Ordering::Relaxed);
    }

    /// What comes before a protocol: any order ends it.
    pub(crate) async fn unless_told<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            self.waker.get_or_init(|| cx.waker().clone());
            if self.order.load(Ordering::SeqCst) != Order::Go as u8 {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Runs until the connection must end now. What runs sees by itself when to finish.
    pub(crate) async fn unless_closed<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            self.waker.get_or_init(|| cx.waker().clone());
            if self.order.load(Ordering::SeqCst) == Order::Close as u8 {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Whether the server stops.
    pub(crate) fn is_finishing(&self) -> bool {
        self.order.load(Ordering::SeqCst) != Order::Go as u8
    }

    /// The value of `Date` and the end of a head, at this moment.
    pub(crate) fn date_line(&self, now: Instant) -> DateLine {
        self.clock.date_line_at(now)
    }

    /// Runs the protocol until it ends or the connection is told to.
    pub(crate) async fn drive<P: Protocol>(&self, mut protocol: Pin<&mut P>) {
        let mut finishing = false;
        std::future::poll_fn(|cx| {
            // The waker first: an order given before it is there is seen below.
            self.waker.get_or_init(|| cx.waker().clone());
            let order = self.order.load(Ordering::SeqCst);
            if order == Order::Close as u8 {
                return Poll::Ready(());
            }
            if order == Order::Finish as u8 && !finishing {
                finishing = true;
                protocol.as_mut().finish();
            }
            protocol.as_mut().poll(cx).map(drop)
        })
        .await;
    }
}

/// A connection's HTTP, version 1 or 2.
pub(crate) trait Protocol: Future {
    /// Answers what has begun, then ends.
    fn finish(self: Pin<&mut Self>);
}

/// A request that is answered by events only.
pub(crate) struct AtRest(Arc<Connection>);

impl Drop for AtRest {
    fn drop(&mut self) {
        self.0.at_rest.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that is being answered.
pub(crate) struct InFlight(Arc<Connection>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.progress();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
