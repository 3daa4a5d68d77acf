//! Requests that a plain hyper server would take, or take wrongly.

use crate::support::Store;

const REST: &str = "\r\nConnection: close\r\n\r\n";

#[test]
fn the_host_is_one_and_valid() {
    let (store, _) = Store::published();
    let served = store.serve();
    let get = |fields: &str| served.raw(format!("GET /health HTTP/1.1\r\n{fields}{REST}"));
    for good in [
        "Host: a",
        "Host: localhost:8080",
        "Host: [::1]:80",
        "hOsT:a",
    ] {
        get(good).is(200);
    }
    // RFC 9112 §3.2.
    for bad in [
        "X: y",
        "Host: a\r\nHost: a",
        "Host: a\r\nHost: b",
        "Host:",
        "Host: a, b",
        "Host: a/b",
        "Host: u@a",
        "Host: a b",
    ] {
        get(bad).is_problem(400);
    }
    let old = |fields: &str| served.raw(format!("GET /health HTTP/1.0\r\n{fields}\r\n"));
    old("").is(200);
    old("Host: a/b\r\n").is_problem(400);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let (store, _) = Store::published();
    let served = store.serve();
    let target = format!("GET /{} HTTP/1.1\r\nHost: a{REST}", "a".repeat(9000));
    served.raw(target).is_problem(414);
    let field = format!(
        "GET /health HTTP/1.1\r\nHost: a\r\nX: {}{REST}",
        "a".repeat(17_000)
    );
    served.raw(field).is_problem(431);
    let many: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    served
        .raw(format!("GET /health HTTP/1.1\r\nHost: a\r\n{many}\r\n"))
        .is_problem(431);
}

/// The answer says why, and the client gets it whatever it still sends.
#[test]
fn what_is_not_http_is_told_so() {
    let (store, _) = Store::published();
    for served in [
        store.serve(),
        store.serve_with(|options| options.direct = false),
    ] {
        for (head, status) in [
            ("GET /health HTTP/1.1\r\nHost : a", 400),
            ("GET /health HTTP/1.1\r\nHost: a\r\n folded: x", 400),
            ("GET /health HTTP/1.1\r\nHost: a\r\nno colon", 400),
            ("GET /health HTTP/1.1\r\nHost: a\r\nX: a\u{1}b", 400),
            ("GET /he alth HTTP/1.1\r\nHost: a", 400),
            ("GET  /health HTTP/1.1\r\nHost: a", 400),
            ("GET /health HTTP/1.2\r\nHost: a", 400),
            ("GET /health\u{0} HTTP/1.1\r\nHost: a", 400),
            ("GET http:// HTTP/1.1\r\nHost: a", 400),
            ("\u{16}\u{3}\u{1}", 400),
            // RFC 9110 §15.6.6.
            ("GET /health HTTP/9.9\r\nHost: a", 505),
            ("GET /health HTTP/2.0\r\nHost: a", 505),
        ] {
            let mut client = served.client();
            client.send(format!(
                "{head}\r\n\r\nGET /stolen HTTP/1.1\r\nHost: a\r\n\r\n"
            ));
            let reply = client.reply("GET");
            reply.is_problem(status);
            assert_eq!(reply.field("connection"), Some("close"), "{head}");
            assert_eq!(client.rest(), b"", "{head}");
        }
        // RFC 9110 §9.3.2.
        let mut client = served.client();
        client.send("HEAD /health HTTP/1.1\r\nHost : a\r\n\r\n");
        client.reply("HEAD").is(400);
        assert_eq!(client.rest(), b"");
    }
}

/// Between requests it is hyper that refuses, with the status alone.
#[test]
fn what_is_not_http_is_refused_later_too() {
    let (store, _) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    client.request("GET", "/nothing", &[]).is(404);
    client.send("GET /health HTTP/1.1\r\nHost : a\r\n\r\n");
    client.reply("GET").is(400);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_body_that_means_nothing_is_read_away() {
    let (store, _) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    client.send(
        "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 23\r\n\r\nGET /stolen HTTP/1.1\r\n\r\n",
    );
    client.send("GET /version.json HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply("GET").is(200).text(), r#"{"status":"ok"}"#);
    assert!(client.reply("GET").is(200).text().contains("formatVersion"));
}

#[test]
fn a_body_that_is_too_large_ends_the_connection() {
    let (store, _) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    client.send("GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
    let reply = client.reply("GET");
    reply.is_problem(413);
    assert_eq!(reply.field("connection"), Some("close"));
    assert_eq!(client.rest(), b"");
}

/// RFC 9112 §6.1: two lengths may be a smuggled request.
#[test]
fn two_lengths_end_the_connection() {
    let (store, _) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    client.send(
        "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /version.json HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let reply = client.reply("GET");
    assert!(
        reply.status == 400 || reply.field("connection") == Some("close"),
        "{reply:?}"
    );
    assert_eq!(client.rest(), b"");
    for fields in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: -1",
        "Transfer-Encoding: identity",
    ] {
        served
            .raw(format!(
                "GET /health HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\nx"
            ))
            .is_problem(400);
    }
}

#[test]
fn only_one_expectation_is_met() {
    let (store, _) = Store::published();
    let served = store.serve();
    served.get("/health", &[("Expect", "tea")]).is_problem(417);
    let mut client = served.client();
    client.send(
        "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
    );
    let mut interim = [0; 25];
    std::io::Read::read_exact(client.stream(), &mut interim).expect("an interim response");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("{}");
    client.reply("GET").is(200);
}

#[test]
fn requests_in_one_packet_are_answered_in_order() {
    let (store, published) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    let paths = [
        "/version.json",
        &published.bootstrap_path(),
        "/nothing",
        "/health",
    ];
    let all: String = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    client.send(all);
    assert_eq!(client.reply("GET").body, published.version_bytes);
    assert_eq!(client.reply("GET").body, published.bytes(paths[1]));
    client.reply("GET").is_problem(404);
    client.reply("GET").is(200);
}

#[test]
fn the_connection_stays_or_ends_as_asked() {
    let (store, _) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    client
        .request("GET", "/health", &[("Connection", "close")])
        .is(200);
    assert_eq!(client.rest(), b"");

    let mut old = served.client();
    old.send("GET /health HTTP/1.0\r\n\r\n");
    assert!(old.rest().ends_with(br#"{"status":"ok"}"#));
}

/// A client that has said all may close its side and still be answered.
#[test]
fn a_client_that_says_no_more_is_answered() {
    let (store, published) = Store::published();
    let served = store.serve();
    for (path, status) in [
        ("/version.json", 200),
        ("/nothing", 404),
        (&*published.bootstrap_path(), 200),
    ] {
        for field in ["Accept: */*", "Range: bytes=0-"] {
            let mut client = served.client();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"));
            client
                .stream()
                .shutdown(std::net::Shutdown::Write)
                .expect("an open connection");
            let found = client.reply("GET").status;
            assert!(found == status || found == 206, "{path}: {found}");
            assert_eq!(client.rest(), b"");
        }
    }
}

/// A megabyte of header is refused long before its end.
#[test]
fn a_megabyte_of_header_is_not_read() {
    let (store, _) = Store::published();
    let served = store.serve();
    for head in [
        format!(
            "GET /health HTTP/1.1\r\nHost: a\r\nX: {}",
            "a".repeat(1 << 20)
        ),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20)),
        "a".repeat(1 << 20),
        "X: y\r\n".repeat(200_000),
    ] {
        let mut client = served.client();
        // The server may close while we still send.
        let _ = std::io::Write::write_all(client.stream(), head.as_bytes());
        let answer = client.rest();
        let status = answer.get(9..12).expect("an answer, whatever was sent");
        assert!([b"400", b"414", b"431"].contains(&status.try_into().expect("three digits")));
        assert!(answer.ends_with(b"}"), "with the reason");
    }
    served.get("/health", &[]).is(200);
}

/// Paths that might be objects cost a look into the folder each, and nothing more.
#[test]
fn many_bad_paths_cost_nobody_anything() {
    let (store, _) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    for number in 0..2000_u32 {
        let hash = snapshot_format::ObjectHash::of(&number.to_le_bytes());
        client
            .request("GET", &format!("/tables/grips/{hash}.json"), &[])
            .is(404);
    }
    client.request("GET", "/version.json", &[]).is(200);
}
