//! Who listens at `/events`, and what they are told.
//!
//! One channel holds what is true now and wakes all who listen; none has a timer
//! or a queue of its own. Who was busy meanwhile hears the latest and no other,
//! so what waits for a slow one is bounded, and the sweep over all connections
//! closes it.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use snapshot_format::Version;
use tokio::sync::watch;

use crate::socket::connection::{AtRest, Connection};
use crate::socket::limits::share_of_client;

/// A line that says nothing: proxies and clients see that the connection lives.
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// What is told, and how many listen.
#[derive(Default)]
pub(crate) struct Feed {
    now: watch::Sender<Now>,
    listeners: Arc<Mutex<Listeners>>,
}

/// How many listen, and how many of each client's share.
#[derive(Default)]
struct Listeners {
    count: usize,
    of_client: HashMap<IpAddr, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    ForAll,
    ForClient,
}

/// What is true now.
#[derive(Clone, Default)]
struct Now {
    current: Option<Notice>,
    /// The server stops.
    is_over: bool,
}

/// The message of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Notice {
    id: Arc<str>,
    message: Bytes,
}

impl Notice {
    fn of(version: &Version, version_bytes: &[u8]) -> Self {
        let (epoch, sequence) = version.order();
        let id = format!("{epoch}-{sequence}");
        let mut message = format!("id: {id}\nevent: version\ndata: ").into_bytes();
        // Between the tokens of JSON a line end is a space like any other; in a
        // message it would begin another field.
        let is_line_end = |byte: u8| matches!(byte, b'\r' | b'\n');
        let line = version_bytes.trim_ascii().iter();
        message.extend(line.map(|byte| if is_line_end(*byte) { b' ' } else { *byte }));
        message.extend(b"\n\n");
        Self {
            id: id.into(),
            message: message.into(),
        }
    }
}

impl Feed {
    /// Tells every listener of this version, unless it is the one that was told.
    pub(crate) fn tell(&self, version: &Version, version_bytes: &[u8]) {
        let notice = Some(Notice::of(version, version_bytes));
        self.now.send_if_modified(|now| {
            let is_news = now.current != notice;
            now.current = notice;
            is_news
        });
    }

    /// Shows every listener that the connection lives.
    pub(crate) fn beat(&self) {
        if self.listeners() > 0 {
            self.now.send_modify(|_| {});
        }
    }

    /// Ends every stream.
    pub(crate) fn end(&self) {
        self.now.send_modify(|now| now.is_over = true);
    }

    pub(crate) fn listeners(&self) -> usize {
        self.listeners.lock().count
    }

    /// One of at most so many, and of so many of this client's share (0: any number).
    pub(crate) fn take_place(
        &self,
        most: usize,
        client: Option<IpAddr>,
        most_per_client: usize,
    ) -> Result<Place, Full> {
        let whose = client.filter(|_| most_per_client > 0).map(share_of_client);
        let mut listeners = self.listeners.lock();
        if listeners.count >= most {
            return Err(Full::ForAll);
        }
        if let Some(whose) = whose {
            let places = listeners.of_client.entry(whose).or_default();
            if *places >= most_per_client {
                return Err(Full::ForClient);
            }
            *places += 1;
        }
        listeners.count += 1;
        Ok(Place {
            number: listeners.count - 1,
            whose,
            listeners: self.listeners.clone(),
        })
    }

    /// Begins to listen; `last` is the id of the version that the client heard of last.
    /// `None` where the server stops.
    pub(crate) fn listen(
        &self,
        place: Place,
        last: Option<&[u8]>,
        connection: &Arc<Connection>,
    ) -> Option<Listener> {
        let mut updates = self.now.subscribe();
        let now = updates.borrow_and_update().clone();
        if now.is_over {
            return None;
        }
        Some(Listener {
            first: Some(first(&place, now.current.as_ref(), last)),
            told: now.current,
            next: Box::pin(next(updates)),
            _place: place,
            _at_rest: connection.rest(),
        })
    }
}

/// One of the listeners, until it is dropped.
pub(crate) struct Place {
    number: usize,
    whose: Option<IpAddr>,
    listeners: Arc<Mutex<Listeners>>,
}

impl Place {
    /// How long a client waits before it comes again: from one to three seconds,
    /// so that not all of them come in the same moment after a restart.
    fn retry_ms(&self) -> usize {
        1_000 + self.number * 617 % 2_000
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listeners = self.listeners.lock();
        listeners.count -= 1;
        if let Some(whose) = self.whose
            && let Some(places) = listeners.of_client.get_mut(&whose)
        {
            *places -= 1;
            if *places == 0 {
                listeners.of_client.remove(&whose);
            }
        }
    }
}

/// The version that is current, unless the client heard of it last.
fn first(place: &Place, current: Option<&Notice>, last: Option<&[u8]>) -> Bytes {
    let mut bytes = format!("retry: {}\n\n", place.retry_ms()).into_bytes();
    if let Some(notice) = current
        && last != Some(notice.id.as_bytes())
    {
        bytes.extend_from_slice(&notice.message);
    }
    bytes.into()
}

type Updates = watch::Receiver<Now>;

/// The channel, once there is something to say.
async fn next(mut updates: Updates) -> Updates {
    // An error means that nobody tells anything any more; the server is gone then.
    let _ = updates.changed().await;
    updates
}

/// One who listens. Counted until it is dropped.
pub(crate) struct Listener {
    first: Option<Bytes>,
    told: Option<Notice>,
    next: Pin<Box<dyn Future<Output = Updates> + Send>>,
    // Before the exchange is over, so that a connection never seems to be at
    // work for the moment between.
    _at_rest: AtRest,
    _place: Place,
}

impl Listener {
    /// What to send next; nothing more once the server stops.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let mut updates = ready!(self.next.as_mut().poll(cx));
        let now = updates.borrow_and_update().clone();
        if now.is_over || updates.has_changed().is_err() {
            return Poll::Ready(None);
        }
        self.next = Box::pin(next(updates));
        if now.current == self.told {
            return Poll::Ready(Some(HEARTBEAT));
        }
        self.told = now.current;
        Poll::Ready(self.told.as_ref().map(|notice| notice.message.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_of_several_lines_is_told_in_one() {
        let text = br#"{"formatVersion":1,"epoch":5,"sequence":7,"schemaVersion":"1.0",
            "referenceVersion":"seq:1","generatedAt":"2026-02-24T13:12:04Z","publishedAt":"2026-02-24T13:12:04Z",
            "manifest":{"hash":"0000000000000000000000000000000000000000000000000000000000000000","size":1},
            "bootstrap":{"hash":"0000000000000000000000000000000000000000000000000000000000000000","size":1}}
        "#;
        let version = Version::parse(text).expect("a version");
        let Notice { id, message } = Notice::of(&version, text);
        assert_eq!(&*id, "5-7");
        let lines: Vec<_> = message.split(|byte| *byte == b'\n').collect();
        assert_eq!(lines[..2], [&b"id: 5-7"[..], b"event: version"]);
        let data = lines[2].strip_prefix(b"data: ").expect("the data");
        assert_eq!(Version::parse(data).expect("the same"), version);
        assert_eq!(lines[3..], [b"", b""]);
    }

    #[test]
    fn places_are_bounded_and_come_back() {
        let feed = Feed::default();
        let take = || feed.take_place(2, None, 1);
        let first = take().expect("room");
        let second = take().expect("room");
        assert_eq!(take().err(), Some(Full::ForAll));
        assert_ne!(first.retry_ms(), second.retry_ms());
        drop(first);
        assert_eq!(feed.listeners(), 1);
        assert!(take().is_ok());
    }

    #[test]
    fn each_client_has_its_share() {
        let feed = Feed::default();
        let take = |client: &str| {
            let client = client.parse().expect("an address");
            feed.take_place(100, Some(client), 2)
        };
        // Of one house, and of one network over IPv6.
        for (clients, other) in [
            (["192.0.2.7", "192.0.2.7", "::ffff:192.0.2.7"], "192.0.2.8"),
            (
                ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:f::3"],
                "2001:db8:0:1::1",
            ),
        ] {
            let [first, second, third] = clients;
            let places = [take(first), take(second)];
            assert!(places.iter().all(Result::is_ok));
            assert_eq!(take(third).err(), Some(Full::ForClient));
            assert!(take(other).is_ok());
            drop(places);
            assert!(take(third).is_ok());
        }
        assert_eq!(feed.listeners(), 0);
        assert!(feed.listeners.lock().of_client.is_empty());
    }
}
