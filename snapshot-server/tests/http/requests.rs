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
        store.serve_with(|options| options.fast_path = false),
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

/// Between requests as at the beginning, whatever came before.
#[test]
fn what_is_not_http_is_refused_later_too() {
    let (store, _) = Store::published();
    let served = store.serve();
    for before in ["/nothing", "/version.json", "/health"] {
        for (head, status) in [
            ("GET /health HTTP/1.1\r\nHost : a", 400),
            ("GET /health HTTP/9.9\r\nHost: a", 505),
            ("GET /health#a HTTP/1.1\r\nHost: a", 400),
            ("GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: +1", 400),
            (
                "GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked",
                501,
            ),
            ("PRI * HTTP/2.0", 505),
        ] {
            let mut client = served.client();
            client.request("GET", before, &[]);
            client.send(format!("{head}\r\n\r\n"));
            let reply = client.reply("GET");
            reply.is_problem(status);
            assert_eq!(reply.field("connection"), Some("close"), "{head}");
            assert_eq!(client.rest(), b"", "{head}");
        }
    }
}

/// RFC 9112 §3.2: what a client may ask for.
#[test]
fn a_target_that_is_none_is_refused() {
    let (store, _) = Store::published();
    for served in [
        store.serve(),
        store.serve_with(|options| options.fast_path = false),
    ] {
        let get = |target: &str| served.raw(format!("GET {target} HTTP/1.1\r\nHost: test{REST}"));
        for good in [
            "/version.json",
            "/version.json?a=b&c=%23d",
            "http://test/version.json",
            "HTTP://other:80/version.json?a",
        ] {
            get(good).is(200);
        }
        for bad in [
            "/version.json#frag",
            "/version.json#",
            "/version.json?a#b",
            "#",
            "http://test/version.json#frag",
            "http://user@test/version.json",
            "http://user:secret@test/version.json",
            "http:///version.json",
            "http://test:port/version.json",
            "ftp://test/version.json",
            "test:80",
            "version.json",
            "*",
            "/versi\u{f6}n.json",
            "/version.json?\u{e4}",
        ] {
            get(bad).is_problem(400);
        }
        for unknown in [
            "/version.json%00",
            "/%2e%2e/version.json",
            "/version.json%23",
        ] {
            get(unknown).is_problem(404);
        }
        served.get("/health", &[]).is(200);
    }
}

/// A method that is not allowed is told so before a byte of its body comes.
#[test]
fn no_body_is_awaited_where_the_answer_is_known() {
    let (store, _) = Store::published();
    let served = store.serve();
    for (method, status) in [
        ("POST", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("QUERY", 405),
        ("BREW", 501),
    ] {
        for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            for expect in ["", "Expect: 100-continue\r\n"] {
                let mut client = served.client();
                client.send(format!(
                    "{method} /version.json HTTP/1.1\r\nHost: a\r\n{expect}{framing}\r\n\r\n"
                ));
                let reply = client.reply(method);
                reply.is_problem(status);
                assert_eq!(reply.field("connection"), Some("close"));
                assert_eq!(client.rest(), b"");
            }
        }
        // Without a body the connection goes on.
        let mut client = served.client();
        client.request(method, "/version.json", &[]).is(status);
        client.request("GET", "/version.json", &[]).is(200);
    }
    for fields in [
        "Host: a\r\nExpect: tea",
        "Host: a\r\nExpect: 100-continue, tea",
        "Host: a\r\nHost: b",
    ] {
        let mut client = served.client();
        client.send(format!(
            "GET /version.json HTTP/1.1\r\n{fields}\r\nContent-Length: 5\r\n\r\n"
        ));
        assert!([400, 417].contains(&client.reply("GET").status));
        assert_eq!(client.rest(), b"");
    }
}

/// RFC 9110 §5.6.1.2: empty members of a list are none.
#[test]
fn empty_members_of_lists_are_ignored() {
    let (store, published) = Store::published();
    let tag = published.version.bootstrap.hash;
    let path = published.bootstrap_path();
    for served in [
        store.serve(),
        store.serve_with(|options| options.fast_path = false),
    ] {
        for value in [
            ", chunked",
            "chunked,",
            " ,\t, chunked , ",
            "\r\nTransfer-Encoding: chunked",
        ] {
            let mut client = served.client();
            client.send(format!(
                "GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {value}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            ));
            client.reply("GET").is(200);
        }
        for (name, value, status) in [
            ("If-None-Match", format!(", \"x\",, \"{tag}\" ,"), 304),
            ("If-Match", format!(",, \"{tag}\","), 200),
            ("Range", "bytes=, 0-1 ,".to_owned(), 206),
            ("Expect", ", 100-continue,".to_owned(), 200),
            ("Expect", String::new(), 200),
            ("TE", ", trailers,".to_owned(), 200),
        ] {
            served.get(&path, &[(name, &value)]).is(status);
        }
        let reply = served.get(&path, &[("Accept-Encoding", ", ,gzip,")]);
        assert_eq!(reply.field("content-encoding"), Some("gzip"));
        for value in [", close", "close,", "x,,CLOSE ,", "keep-alive, close"] {
            let mut client = served.client();
            client.request("GET", "/version.json", &[("Connection", value)]);
            assert_eq!(client.rest(), b"", "{value}");
        }
        let mut client = served.client();
        client.send(
            "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
        );
        client.reply("GET").is(200);
        assert_eq!(client.rest(), b"");
    }
}

/// RFC 9112 §7.1.1: what stands behind a chunk's size is an extension, or nothing.
#[test]
fn junk_in_chunks_is_refused() {
    let (store, _) = Store::published();
    let served = store.serve();
    let send = |body: &str| {
        let mut client = served.client();
        client.send(format!(
            "GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        ));
        let reply = client.reply("GET");
        assert_eq!(reply.field("connection"), Some("close"), "{body:?}");
        assert_eq!(client.rest(), b"", "{body:?}");
        reply
    };
    for body in ["0\r\n\r\n", "3;a=b;c=\"d e\"\r\nabc\r\n0\r\nX: y\r\n\r\n"] {
        send(body).is(200);
    }
    for body in [
        "0 junk\r\n\r\n",
        "0;\r\n\r\n",
        "0;a b\r\n\r\n",
        "0;a=\"b\r\n\r\n",
        "0;\u{0}\r\n\r\n",
        "0\n\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
    ] {
        send(body).is_problem(400);
    }
}

/// Whatever hyper was asked for, the next request is read as ever, in HTTP/1.0 too.
#[test]
fn a_connection_goes_on_after_every_kind_of_request() {
    let (store, published) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    for _ in 0..3 {
        for (method, path, field) in [
            ("GET", published.bootstrap_path(), ("Range", "bytes=0-3")),
            ("GET", "/health".to_owned(), ("X", "y")),
            ("HEAD", published.bootstrap_path(), ("Range", "bytes=0-3")),
            ("OPTIONS", "*".to_owned(), ("Origin", "https://a")),
            ("GET", published.bootstrap_path(), ("X", "y")),
            ("POST", "/health".to_owned(), ("X", "y")),
        ] {
            let reply = client.request(method, &path, &[field]);
            assert!(matches!(reply.status, 200 | 206 | 204 | 405), "{reply:?}");
            assert_eq!(reply.field("connection"), None);
        }
    }
    let mut old = served.client();
    for path in ["/version.json", "/health", "/nothing"] {
        old.send(format!(
            "GET {path} HTTP/1.0\r\nConnection: , Keep-Alive\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
        ));
        let reply = old.reply("GET");
        assert_eq!(reply.field("connection"), Some("keep-alive"), "{path}");
    }
    old.send("GET /health HTTP/1.0\r\n\r\n");
    old.reply("GET").is(200);
    assert_eq!(old.rest(), b"");
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
