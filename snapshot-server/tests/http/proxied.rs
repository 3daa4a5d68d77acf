//! Behind a proxy that passes connections on, and how many one client may have.

use snapshot_server::{Listen, Options};

use crate::support::{Served, Store};

fn proxied(options: &mut Options) {
    options.listen = vec!["proxy:127.0.0.1:0".parse().expect("a place")];
}

const GET: &str = "GET /version.json HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_CLOSE: &str = "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Version 2 of the header, from this client over IPv4.
fn second_version(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([client, [127, 0, 0, 1]].concat());
    header.extend([0x30, 0x39, 0, 80]);
    header
}

#[test]
fn a_connection_begins_with_a_header_where_it_must() {
    let (store, published) = Store::published();
    let served = store.serve_with(proxied);
    assert!(matches!(&served.places[..], [Listen::Proxied(_)]));
    let first = b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n".to_vec();
    for header in [first, second_version([192, 0, 2, 7])] {
        // In one piece with the request, and in many.
        let mut client = served.client();
        client.send([&header, GET.as_bytes()].concat());
        assert_eq!(client.reply("GET").is(200).body, published.version_bytes);
        client.request("GET", "/nothing", &[]).is_problem(404);

        let mut client = served.client();
        for piece in header.chunks(5) {
            client.send(piece);
            client.wait_until_read();
        }
        client.send(GET);
        client.reply("GET").is(200);
    }
}

#[test]
fn a_connection_without_a_header_ends_unheard() {
    let (store, _) = Store::published();
    let served = store.serve_with(|options| {
        proxied(options);
        options.metrics = Some(([127, 0, 0, 1], 0).into());
        options.timeouts.head = std::time::Duration::from_millis(300);
    });
    let malformed = [
        GET.to_owned(),
        format!("PROXY TCP4 192.0.2.256 127.0.0.1 1 2\r\n{GET}"),
        format!("PROXY TCP4 192.0.2.7\r\n{GET}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        // One that never ends.
        "PROXY TCP4 192.0.2.7".to_owned(),
        String::new(),
    ];
    for bytes in &malformed {
        let mut client = served.client();
        client.send(bytes);
        assert_eq!(client.rest(), b"", "{bytes:?}");
    }
    let mut page = crate::support::Client::connect(served.metrics.expect("a listener"));
    let page = page.request("GET", "/metrics", &[]);
    let count = malformed.len();
    let line = format!("tablecast_connections_refused_total{{reason=\"proxy-header\"}} {count}");
    assert!(
        page.text().lines().any(|found| found == line),
        "{}",
        page.text()
    );
}

#[test]
fn only_named_proxies_introduce_clients() {
    let (store, _) = Store::published();
    let header = format!("PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n{GET_CLOSE}");
    for (trusted, is_heard) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let served = store.serve_with(|options| {
            proxied(options);
            options.trusted_proxies.proxies = vec![trusted.parse().expect("a network")];
        });
        let mut client = served.client();
        client.send(&header);
        assert_eq!(
            client.rest().starts_with(b"HTTP/1.1 200"),
            is_heard,
            "{trusted}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_takes_headers_too() {
    use std::io::{Read, Write};
    let (store, _) = Store::published();
    let path = store.path("proxied.sock");
    let place = format!("proxy:unix:{}", path.display());
    let _served =
        store.serve_with(|options| options.listen = vec![place.parse().expect("a place")]);
    for (header, is_heard) in [(&second_version([192, 0, 2, 7])[..], true), (b"", false)] {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("it listens");
        let _ = stream.write_all(&[header, GET_CLOSE.as_bytes()].concat());
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        assert_eq!(response.starts_with(b"HTTP/1.1 200 OK\r\n"), is_heard);
    }
}

fn limited(store: &Store, limit: usize, trusted: &[&str]) -> Served {
    store.serve_with(|options| {
        proxied(options);
        options.max_connections_per_client = limit;
        let trusted = trusted.iter().map(|text| text.parse().expect("a proxy"));
        options.trusted_proxies.proxies = trusted.collect();
    })
}

/// The clients that the header names, not the proxy, are counted.
#[test]
fn a_client_at_its_limit_gives_up_its_own_connections() {
    let (store, _) = Store::published();
    let served = limited(&store, 4, &[]);
    let connect = |client| {
        let mut connection = served.client();
        connection.send([&second_version([192, 0, 2, client])[..], GET.as_bytes()].concat());
        connection.reply("GET").is(200);
        connection
    };
    let mut other = connect(1);
    let mut greedy: Vec<_> = (0..4).map(|_| connect(7)).collect();
    for _ in 0..3 {
        greedy.push(connect(7));
        // The one that waited longest is closed, and nobody else's.
        assert_eq!(greedy.remove(0).rest(), b"");
    }
    for connection in &mut greedy {
        connection.request("GET", "/health", &[]).is(200);
    }
    other.request("GET", "/health", &[]).is(200);

    // Those that ended are not counted.
    drop(greedy);
    for _ in 0..20 {
        let mut connection = connect(7);
        connection
            .request("GET", "/health", &[("Connection", "close")])
            .is(200);
        assert_eq!(connection.rest(), b"");
    }
    other.request("GET", "/health", &[]).is(200);
}

#[test]
fn a_client_whose_connections_are_all_at_work_gets_no_more() {
    let mut store = Store::empty();
    let published = store.publish(&[("muscles", crate::support::rows(60_000))]);
    let served = limited(&store, 2, &[]);
    let header = second_version([192, 0, 2, 7]);
    let path = published.bootstrap_path();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(8);
    let mut busy: Vec<_> = (0..2)
        .map(|_| {
            let mut client = served.client();
            client.send([&header[..], request.as_bytes()].concat());
            client
                .stream()
                .peek(&mut [0])
                .expect("the response has begun");
            client
        })
        .collect();
    let mut third = served.client();
    third.send([&header[..], GET.as_bytes()].concat());
    assert_eq!(third.rest(), b"");
    for client in &mut busy {
        for _ in 0..8 {
            assert!(client.reply("GET").body == published.bytes(&path));
        }
    }
}

#[test]
fn a_trusted_proxy_may_have_any_number() {
    let (store, _) = Store::published();
    for (limit, trusted, are_kept) in [
        (2, "127.0.0.1", true),
        (0, "10.0.0.1", true),
        (2, "10.0.0.1", false),
    ] {
        let served = store.serve_with(|options| {
            options.max_connections_per_client = limit;
            options.trusted_proxies.proxies = vec![trusted.parse().expect("a proxy")];
        });
        let mut clients: Vec<_> = (0..6)
            .map(|_| {
                let mut client = served.client();
                client.request("GET", "/health", &[]).is(200);
                client
            })
            .collect();
        if are_kept {
            for client in &mut clients {
                client.request("GET", "/health", &[]).is(200);
            }
        } else {
            assert_eq!(clients[0].rest(), b"");
        }
    }
}
