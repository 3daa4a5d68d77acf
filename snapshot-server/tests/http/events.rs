//! `GET /events`: WHATWG HTML §9.2 on the wire.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;

use crate::support::{Client, PATIENCE, Published, Served, Store, rows};

/// Longer than any test takes: no heartbeat comes between.
const NEVER: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);

/// A message, by the fields that it had.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    event: Option<String>,
    data: String,
}

/// One who listens, reading as a browser does.
struct Listener {
    client: Client,
    /// Field names in lower case.
    fields: Vec<(String, String)>,
    retry_ms: Option<u64>,
    heartbeats: usize,
}

impl Listener {
    /// The stream from its first byte, whatever came of it.
    fn ask(served: &Served, fields: &[(&str, &str)]) -> (u16, Self) {
        let mut client = served.client();
        let mut request = "GET /events HTTP/1.1\r\nHost: test\r\n".to_owned();
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        client.send(request + "\r\n");
        let head = client.head().expect("a response");
        let mut listener = Self {
            client,
            fields: head.1,
            retry_ms: None,
            heartbeats: 0,
        };
        if head.0 == 200 {
            listener.retry_ms = Some(listener.first_retry_ms());
        }
        (head.0, listener)
    }

    fn to(served: &Served) -> Self {
        let (status, listener) = Self::ask(served, &[]);
        assert_eq!(status, 200);
        listener
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(held, _)| held == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} comes twice");
        value
    }

    fn first_retry_ms(&mut self) -> u64 {
        let line = self.line().expect("the first line");
        assert_eq!(self.line().as_deref(), Some(""), "a block of its own");
        let retry = line.strip_prefix("retry: ").expect("how long to wait");
        retry.parse().expect("digits")
    }

    /// The next message; `None` where the stream ended.
    fn next(&mut self) -> Option<Message> {
        let mut message = Message::default();
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", value)) => message.id = Some(value.to_owned()),
                Some(("event", value)) => message.event = Some(value.to_owned()),
                Some(("data", value)) => message.data.push_str(value),
                _ if line.starts_with(':') => self.heartbeats += 1,
                _ if line.is_empty() && !message.data.is_empty() => return Some(message),
                _ if line.is_empty() => {}
                _ => panic!("{line:?} is no field of ours"),
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        self.client.chunked_line()
    }

    #[track_caller]
    fn hears_of(&mut self, published: &Published) {
        assert_eq!(self.next(), Some(message_of(published)));
    }
}

fn message_of(published: &Published) -> Message {
    let (epoch, sequence) = published.version.order();
    Message {
        id: Some(format!("{epoch}-{sequence}")),
        event: Some("version".to_owned()),
        data: String::from_utf8(published.version_bytes.clone()).expect("UTF-8"),
    }
}

fn silent(store: &Store) -> Served {
    store.serve_with(|options| options.timeouts.heartbeat = NEVER)
}

#[test]
fn a_listener_hears_of_the_current_version_and_of_each_next_one() {
    let (mut store, first) = Store::published();
    let served = silent(&store);
    let mut listener = Listener::to(&served);
    assert_eq!(listener.field("content-type"), Some("text/event-stream"));
    assert_eq!(listener.field("cache-control"), Some("no-store"));
    assert_eq!(listener.field("x-accel-buffering"), Some("no"));
    assert_eq!(listener.field("access-control-allow-origin"), Some("*"));
    assert_eq!(listener.field("content-encoding"), None);
    assert_eq!(listener.field("content-length"), None);
    assert_eq!(listener.field("etag"), None);
    assert!(matches!(listener.retry_ms, Some(1_000..3_000)));
    listener.hears_of(&first);
    for count in 4..8 {
        let next = store.publish(&[("grips", rows(count))]);
        listener.hears_of(&next);
    }
    assert_eq!(listener.heartbeats, 0);
}

#[test]
fn a_listener_that_comes_back_hears_only_what_is_new() {
    let (mut store, first) = Store::published();
    let served = silent(&store);
    let id = message_of(&first).id.expect("an id");
    let (_, mut same) = Listener::ask(&served, &[("Last-Event-ID", &id)]);
    let (_, mut other) = Listener::ask(&served, &[("Last-Event-ID", "1771938724-999")]);
    other.hears_of(&first);
    let next = store.publish(&[("grips", rows(9))]);
    same.hears_of(&next);
    other.hears_of(&next);
}

#[test]
fn who_comes_before_the_first_version_hears_of_it() {
    let mut store = Store::empty();
    let served = silent(&store);
    let mut listener = Listener::to(&served);
    let first = store.publish(&[("grips", rows(3))]);
    listener.hears_of(&first);
}

#[test]
fn only_a_whole_snapshot_is_told() {
    let (mut store, first) = Store::published();
    let served = silent(&store);
    served.next_event();
    let mut listener = Listener::to(&served);
    listener.hears_of(&first);
    store.put("version.json", b"broken");
    assert!(served.next_event().starts_with("snapshot refused"));
    let next = store.publish(&[("grips", rows(5))]);
    listener.hears_of(&next);
}

#[test]
fn asking_to_look_is_enough() {
    let (mut store, first) = Store::published();
    let served = store.serve_with(|options| {
        options.timeouts.heartbeat = NEVER;
        options.poll_interval = NEVER;
    });
    let mut listener = Listener::to(&served);
    listener.hears_of(&first);
    let next = store.publish(&[("grips", rows(5))]);
    served.reload();
    listener.hears_of(&next);
}

#[test]
fn every_one_of_a_thousand_listeners_hears_of_a_change() {
    const LISTENERS: usize = 1_000;
    let (mut store, first) = Store::published();
    let served = silent(&store);
    // Both ends of each are in this process.
    make_room_for_files(2 * LISTENERS as u64 + 256);
    let mut listeners: Vec<_> = (0..LISTENERS).map(|_| Listener::to(&served)).collect();
    for listener in &mut listeners {
        listener.hears_of(&first);
    }
    let next = store.publish(&[("grips", rows(4))]);
    for listener in &mut listeners {
        listener.hears_of(&next);
    }
}

#[cfg(unix)]
fn make_room_for_files(count: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    if soft < count {
        setrlimit(Resource::RLIMIT_NOFILE, count.min(hard), hard).expect("up to the hard limit");
    }
}

#[cfg(not(unix))]
fn make_room_for_files(_: u64) {}

#[test]
fn beyond_the_bound_one_is_told_to_poll_until_another_leaves() {
    let (store, first) = Store::published();
    let served = store.serve_with(|options| {
        options.timeouts.heartbeat = NEVER;
        options.max_listeners = 2;
        options.max_listeners_per_client = Some(0);
        options.metrics = Some(([127, 0, 0, 1], 0).into());
    });
    let mut staying = Listener::to(&served);
    let leaving = Listener::to(&served);
    served.wait_for_gauge("listeners", 2);
    let refused = served.get("/events", &[]);
    refused.is_problem(503);
    assert_eq!(refused.field("retry-after"), Some("1"));

    // Nothing is written meanwhile: the server sees by itself who has left.
    drop(leaving);
    served.wait_for_gauge("listeners", 1);
    Listener::to(&served).hears_of(&first);
    staying.hears_of(&first);
}

/// One address cannot take the places of all; behind a trusted proxy each client has its own share.
#[test]
fn one_client_takes_no_more_than_its_share() {
    let (store, first) = Store::published();
    let served = store.serve_with(|options| {
        options.max_listeners_per_client = Some(2);
        options.trusted_proxies.proxies = vec!["127.0.0.1".parse().expect("a proxy")];
    });
    let from = |client: &str| {
        let mut connection = served.client();
        connection.send(format!(
            "GET /events HTTP/1.0\r\nX-Forwarded-For: {client}\r\n\r\n"
        ));
        let (status, _) = connection.head().expect("a response");
        (status, connection)
    };
    let mut held = vec![from("2001:db8::1"), from("2001:db8::2")];
    assert!(held.iter().all(|(status, _)| *status == 200));
    assert_eq!(from("2001:db8::3").0, 503);
    held.push(from("192.0.2.7"));
    held.push(from("192.0.2.7"));
    assert_eq!(held[3].0, 200);
    assert_eq!(from("192.0.2.7").0, 503);
    // The proxy for itself, which is many.
    let mut others: Vec<_> = (0..4).map(|_| Listener::to(&served)).collect();
    others[3].hears_of(&first);

    let served = store.serve_with(|options| options.max_listeners = 40);
    let mine: Vec<_> = (0..16).map(|_| Listener::to(&served)).collect();
    served.get("/events", &[]).is_problem(503);
    drop(mine);
}

#[test]
fn listeners_take_at_most_half_of_the_connections() {
    let (store, first) = Store::published();
    let served = store.serve_with(|options| {
        options.max_connections = 4;
        options.max_listeners_per_client = Some(0);
    });
    let mut held = [Listener::to(&served), Listener::to(&served)];
    served.get("/events", &[]).is_problem(503);
    held[0].hears_of(&first);
    served.get("/version.json", &[]).is(200);
}

#[test]
fn heartbeats_keep_an_idle_stream_open_and_the_limits_of_others_do_not_end_it() {
    let (mut store, first) = Store::published();
    let served = store.serve_with(|options| options.timeouts.heartbeat = Duration::from_millis(20));
    let mut listener = Listener::to(&served);
    listener.hears_of(&first);
    // Not before, or this thread would have to be quick with its request.
    served.configure(|options| {
        options.timeouts.idle = SHORT;
        options.timeouts.head = SHORT;
    });
    // Longer than each of the limits, by the server's own clock.
    while listener.heartbeats < 30 {
        let line = listener.line().expect("the stream goes on");
        listener.heartbeats += usize::from(line.starts_with(':'));
    }
    let next = store.publish(&[("grips", rows(7))]);
    listener.hears_of(&next);
}

#[test]
fn one_that_never_reads_is_dropped_and_the_others_hear_on() {
    let (mut store, first) = Store::published();
    let served = store.serve_with(|options| {
        options.timeouts.heartbeat = Duration::from_millis(5);
        // The reader of this test may be kept from its processor for that long.
        options.timeouts.stall = Duration::from_secs(3);
        options.metrics = Some(([127, 0, 0, 1], 0).into());
    });
    let mut reading = Listener::to(&served);
    reading.hears_of(&first);
    let mut deaf = served.client();
    shrink_receive_buffer(&deaf);
    deaf.send("GET /events HTTP/1.1\r\nHost: test\r\n\r\n");
    served.wait_for_gauge("listeners", 2);

    // The one reads all along; the buffers of the other fill.
    let begun = Instant::now();
    let metrics = served.metrics.expect("a listener");
    let mut sequence = 0;
    loop {
        let next = store.publish(&[("grips", rows(10 + sequence % 5))]);
        sequence += 1;
        while reading.next().expect("the stream goes on") != message_of(&next) {}
        let page = Client::connect(metrics).request("GET", "/metrics", &[]);
        if page.text().contains("tablecast_listeners 1\n") {
            break;
        }
        assert!(begun.elapsed() < 6 * PATIENCE, "it is dropped");
    }
    let last = store.publish(&[("grips", rows(2))]);
    while reading.next().expect("the stream goes on") != message_of(&last) {}
}

/// So that little is enough to fill it.
#[cfg(unix)]
fn shrink_receive_buffer(client: &Client) {
    use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
    setsockopt(client.socket(), RcvBuf, &4096).expect("an option");
}

#[cfg(not(unix))]
fn shrink_receive_buffer(_: &Client) {}

#[test]
fn a_stopping_server_ends_every_stream_at_once() {
    let (store, first) = Store::published();
    let mut served = store.serve_with(|options| {
        options.timeouts.heartbeat = NEVER;
        options.timeouts.stop = NEVER;
    });
    let mut listeners: Vec<_> = (0..20).map(|_| Listener::to(&served)).collect();
    for listener in &mut listeners {
        listener.hears_of(&first);
    }
    served.stop();
    for mut listener in listeners {
        // The stream ends as such: nothing was cut off.
        assert_eq!(listener.next(), None);
        assert_eq!(listener.client.rest(), b"");
    }
    served.wait();
}

#[test]
fn other_methods_do_not_listen() {
    let (store, _) = Store::published();
    let served = silent(&store);
    let (_, listener) = Listener::ask(&served, &[]);
    let mut client = served.client();
    let head = client.request("HEAD", "/events", &[]);
    head.is(200);
    let without_date = |fields: &[(String, String)]| {
        let differs = |name: &str| matches!(name, "date" | "transfer-encoding");
        let mut fields: Vec<_> = fields
            .iter()
            .filter(|(n, _)| !differs(n))
            .cloned()
            .collect();
        fields.sort();
        fields
    };
    assert_eq!(without_date(&head.fields), without_date(&listener.fields));
    // The connection goes on, for HEAD has no stream.
    client.request("OPTIONS", "/events", &[]).is(204);
    let refused = client.request("POST", "/events", &[("Content-Length", "0")]);
    refused.is_problem(405);
    assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"));
    served.get("/events/", &[]).is_problem(404);
}

#[test]
fn http_1_0_reads_until_the_end() {
    let (store, first) = Store::published();
    let mut served = silent(&store);
    let mut client = served.client();
    client.send("GET /events HTTP/1.0\r\n\r\n");
    let (status, fields) = client.head().expect("a response");
    assert_eq!(status, 200);
    assert!(fields.iter().all(|(name, _)| name != "transfer-encoding"));
    // Read before the server stops: the message was sent.
    let line = client.find_line("data: ").expect("the message");
    assert_eq!(line.as_bytes(), first.version_bytes);
    served.stop();
    assert_eq!(client.rest(), b"\n");
}

#[test]
fn streams_of_http2_hear_it_too() {
    let (mut store, first) = Store::published();
    let mut served = silent(&store);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let mut streams = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(served.address).await;
        let (client, connection) = h2::client::handshake(stream.expect("it listens"))
            .await
            .expect("a handshake");
        tokio::spawn(connection);
        let mut streams = Vec::new();
        for _ in 0..50 {
            let request = http::Request::get("http://test/events")
                .body(())
                .expect("a request");
            let mut client = client.clone().ready().await.expect("room for a stream");
            let (response, _) = client.send_request(request, true).expect("sent");
            let response = response.await.expect("a response");
            assert_eq!(response.status(), 200);
            streams.push((response.into_body(), Vec::new()));
        }
        streams
    });
    for published in [&first, &store.publish(&[("grips", rows(4))])] {
        let wanted = [b"data: ", &published.version_bytes[..], b"\n\n"].concat();
        for (body, heard) in &mut streams {
            runtime.block_on(async {
                while !heard.ends_with(&wanted) {
                    let patience = tokio::time::timeout(PATIENCE, body.data()).await;
                    let chunk = patience
                        .expect("in time")
                        .expect("it goes on")
                        .expect("whole");
                    let _ = body.flow_control().release_capacity(chunk.len());
                    heard.extend_from_slice(&chunk);
                }
            });
        }
    }
    served.stop();
    for (mut body, _) in streams {
        // The last frame may be one without bytes.
        let end = runtime.block_on(async {
            while let Some(chunk) = tokio::time::timeout(PATIENCE, body.data()).await? {
                assert_eq!(chunk.expect("nothing was cut off").len(), 0);
            }
            Ok::<_, tokio::time::error::Elapsed>(())
        });
        end.expect("in time");
    }
}
