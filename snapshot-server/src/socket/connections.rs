//! What the server knows of each connection, and how long it lets one be.
//!
//! No connection has a timer. Requests and bytes leave the time of their last
//! progress here, and one sweep over all connections finds those that are
//! overdue, so that a request costs a few stores to memory.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::socket::clock::Clock;
use crate::socket::connection::{Connection, Order};
use crate::socket::limits::{Limits, share_of_client};

/// For an HTTP/2 client that asks for nothing to answer that it has heard of the end.
const GOODBYE: Duration = Duration::from_secs(1);

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
        let connection = Arc::new(Connection::new(self.clock.clone()));
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let most = self.limits().most;
        let mut open = self.open.lock();
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
        let open = &self.open.lock().connections;
        open.len() >= most && !open.values().any(|connection| connection.is_waiting())
    }

    /// Lets waiting connections go, for the system has no descriptors left.
    pub(crate) fn shed(&self) {
        let count = share_of(self.limits().most);
        self.open.lock().make_room(|_| true, count);
    }

    pub(crate) fn count(&self) -> usize {
        self.open.lock().connections.len()
    }

    /// Closes what is overdue, again and again.
    pub(crate) async fn sweep(&self) {
        loop {
            let timeouts = self.limits().timeouts;
            let shortest = timeouts.idle.min(timeouts.head).min(timeouts.stall);
            let pause = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(250));
            tokio::time::sleep(pause).await;
            let now = self.clock.advance();
            let open = self.open.lock();
            open.connections
                .values()
                .filter(|connection| connection.is_overdue(now, &timeouts))
                .for_each(|connection| connection.tell(Order::Close));
        }
    }

    /// Lets every connection finish what it does, then, at the deadline, not.
    pub(crate) async fn stop(&self) {
        let tell_all = |order| {
            self.open
                .lock()
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
        self.open
            .lock()
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
        let mut open = self.connections.open.lock();
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
        if self.connection.set_client(client) {
            *open.of_client.entry(whose).or_default() += 1;
        }
        true
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.remove(self.id);
        if open.connections.is_empty() {
            self.connections.emptied.notify_waiters();
        }
    }
}
