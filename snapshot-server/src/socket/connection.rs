//! One connection: its progress, its requests, and what it is told to do.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::socket::clock::{Clock, DateLine};
use crate::socket::limits::Timeouts;

/// What a connection is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
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
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        Self {
            client: OnceLock::new(),
            in_flight: AtomicUsize::new(0),
            at_rest: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
            head_since_ms: AtomicU64::new(NEVER),
            progress_ms: AtomicU64::new(clock.now_ms()),
            multiplexed: AtomicBool::new(false),
            order: AtomicU8::new(Order::Go as u8),
            waker: OnceLock::new(),
            clock,
        }
    }

    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client.get().copied()
    }

    /// Says whose it is; false where that was said before.
    pub(crate) fn set_client(&self, client: IpAddr) -> bool {
        self.client.set(client).is_ok()
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

    pub(crate) fn is_waiting(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0 && !self.blocked.load(Ordering::Relaxed)
    }

    /// Whether all that it waits for is events.
    pub(crate) fn only_listens(&self) -> bool {
        let at_rest = self.at_rest.load(Ordering::Relaxed);
        at_rest > 0 && at_rest == self.in_flight.load(Ordering::Relaxed)
    }

    /// RFC 9113 §6.8: the end of HTTP/2 is a conversation, and nobody is made to answer.
    pub(crate) fn is_silent_after_goodbye(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed) && self.is_waiting()
    }

    pub(crate) fn waiting_since_ms(&self) -> u64 {
        let head = self.head_since_ms.load(Ordering::Relaxed);
        head.min(self.progress_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn is_overdue(&self, now_ms: u64, timeouts: &Timeouts) -> bool {
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

    pub(crate) fn tell(&self, order: Order) {
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
