//! Slow, silent and many clients, and a server that stops.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::support::{Store, rows};

const SHORT: Duration = Duration::from_millis(150);

#[test]
fn a_client_that_never_finishes_its_head_is_closed() {
    let (store, _) = Store::published();
    let served = store.serve_with(|options| options.timeouts.head = SHORT);
    let mut client = served.client();
    client.send("GET /health HTTP/1.1\r\nX");
    let begun = Instant::now();
    // A byte now and then does not help: the clock runs from the first.
    client
        .stream()
        .set_read_timeout(Some(Duration::from_millis(20)))
        .expect("a timeout");
    let closed = loop {
        use std::io::{ErrorKind, Write};
        match client.stream().read(&mut [0; 64]) {
            Ok(0) => break true,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                break true;
            }
            _ if begun.elapsed() > crate::support::PATIENCE => break false,
            _ => {
                let _ = client.stream().write_all(b"y");
            }
        }
    };
    assert!(closed);
}

#[test]
fn a_silent_client_is_closed_and_a_busy_one_is_not() {
    let (store, _) = Store::published();
    let served = store.serve();
    let mut idle = served.client();
    idle.request("GET", "/health", &[]).is(200);
    // From here on: nobody has to be quick before.
    served.configure(|options| options.timeouts.idle = SHORT);
    let mut silent = served.client();
    assert_eq!(silent.rest(), b"");
    assert_eq!(idle.rest(), b"");
}

#[test]
fn a_client_that_never_reads_is_closed() {
    let mut store = Store::empty();
    let published = store.publish(&[("muscles", rows(20_000))]);
    for memory_budget_bytes in [0, 1 << 30] {
        let served = store.serve_with(|options| {
            options.timeouts.stall = SHORT;
            options.memory_budget_bytes = memory_budget_bytes;
            options.metrics = Some(([127, 0, 0, 1], 0).into());
        });
        let mut client = served.client();
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
            published.bootstrap_path()
        );
        client.send(request.repeat(40));
        client
            .stream()
            .peek(&mut [0])
            .expect("it is being answered");
        // While it does not read, the server closes; what the kernel held is left.
        served.wait_for_gauge("connections_open", 0);
        let whole = 40 * published.bytes(&published.bootstrap_path()).len();
        let received = client.rest().len();
        assert!(received < whole, "{received} of {whole}");
        served.get("/health", &[]).is(200);
    }
}

#[test]
fn a_flood_of_silent_clients_crowds_out_itself() {
    let (store, _) = Store::published();
    let served = store.serve_with(|options| options.max_connections = 8);
    let mut silent: Vec<_> = (0..50).map(|_| served.client()).collect();
    silent
        .iter_mut()
        .for_each(|client| client.send("GET /slow HTTP/1.1\r\n"));
    for _ in 0..20 {
        served.get("/health", &[]).is(200);
    }
    assert_eq!(silent[0].rest(), b"", "the oldest gave way");
}

#[test]
fn a_stopping_server_finishes_what_it_began() {
    let mut store = Store::empty();
    let published = store.publish(&[("muscles", rows(60_000))]);
    let path = published.bootstrap_path();
    let mut served = store.serve();
    let mut idle = served.client();
    idle.request("GET", "/health", &[]).is(200);
    let mut busy = served.client();
    busy.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let mut first = [0; 1];
    busy.stream()
        .peek(&mut first)
        .expect("the response has begun");

    served.stop();
    assert_eq!(idle.rest(), b"", "an idle connection ends at once");
    assert_eq!(
        busy.reply("GET").body,
        published.bytes(&path),
        "a running one gets its whole body"
    );
    assert_eq!(busy.rest(), b"");
    served.wait();
}

#[test]
fn a_stopping_server_does_not_wait_for_ever() {
    let (store, published) = Store::published();
    let mut served = store.serve_with(|options| options.timeouts.stop = SHORT);
    let mut half = served.client();
    half.send(format!(
        "GET {} HTTP/1.1\r\nHost:",
        published.bootstrap_path()
    ));
    served.get("/health", &[]).is(200);
    served.stop();
    served.wait();
    assert_eq!(half.rest(), b"");
}

/// A large response that is asked for again and again is sent another way; its
/// bytes, its date and what follows it on the connection stay right.
#[test]
fn a_response_that_many_ask_for_is_the_same_response() {
    let mut store = Store::empty();
    let published = store.publish(&[("muscles", rows(30_000))]);
    let served = store.serve();
    let path = published.bootstrap_path();
    let before = std::time::SystemTime::now();
    let mut client = served.client();
    let first = client.request("GET", &path, &[]);
    assert!(first.body == published.bytes(&path));
    for _ in 0..30 {
        let reply = client.request("GET", &path, &[]);
        assert!(reply.body == first.body);
        let fields = |reply: &crate::support::Reply| {
            reply
                .fields
                .iter()
                .filter(|(name, _)| name != "date")
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(&reply), fields(&first));
        let date = httpdate::parse_http_date(reply.field("date").expect("a date")).expect("a date");
        assert!(date >= before - Duration::from_secs(2));
        client.request("GET", "/version.json", &[]).is(200);
    }
    // Asked for all at once and read late, through windows that are full.
    let mut clients: Vec<_> = (0..20).map(|_| served.client()).collect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    clients
        .iter_mut()
        .for_each(|client| client.send(request.repeat(3)));
    for client in &mut clients {
        for _ in 0..3 {
            assert!(client.reply("GET").body == first.body);
        }
    }
}
