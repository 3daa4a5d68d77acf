//! Methods and CORS (RFC 9110 §9, the Fetch standard's preflight).

use crate::support::Store;

#[test]
fn head_is_get_without_the_body() {
    let (store, published) = Store::published();
    let served = store.serve();
    let bootstrap = published.bootstrap_path();
    for (path, fields) in [
        ("/version.json", &[][..]),
        (&*bootstrap, &[]),
        (&*bootstrap, &[("Accept-Encoding", "zstd")]),
        ("/api/v1/reference/version", &[]),
        ("/health", &[]),
        ("/nothing", &[]),
        ("/api/v1/reference/wings", &[]),
        (&*bootstrap, &[("If-Match", "\"a\"")]),
        (&*bootstrap, &[("Accept-Encoding", "*;q=0")]),
    ] {
        let get = served.get(path, fields);
        let head = served.head(path, fields);
        let fields_of = |reply: &crate::support::Reply| {
            reply
                .fields
                .iter()
                .filter(|(name, _)| name != "date")
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(fields_of(&head), fields_of(&get), "{path}");
        assert_eq!(
            head.field("content-length"),
            Some(&*get.body.len().to_string()),
            "{path}"
        );
    }
}

#[test]
fn head_leaves_nothing_behind_on_the_connection() {
    let (store, published) = Store::published();
    let served = store.serve();
    let mut client = served.client();
    for path in [&*published.bootstrap_path(), "/nothing", "/version.json"] {
        client.request("HEAD", path, &[]);
        client.request("GET", "/health", &[]).is(200);
    }
}

#[test]
fn other_methods_are_told_what_is_allowed() {
    let (store, _) = Store::published();
    let served = store.serve();
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE"] {
        let reply = served.client().request(method, "/version.json", &[]);
        reply.is_problem(405);
        assert_eq!(reply.field("allow"), Some("GET, HEAD, OPTIONS"), "{method}");
    }
    served
        .client()
        .request("BREW", "/version.json", &[])
        .is_problem(501);
    let reply = served.raw("CONNECT test:80 HTTP/1.1\r\nHost: test:80\r\n\r\n");
    reply.is_problem(405);
}

#[test]
fn options_is_answered_for_paths_and_for_the_server() {
    let (store, _) = Store::published();
    let served = store.serve();
    for target in ["/version.json", "/nothing", "*"] {
        let mut client = served.client();
        let reply = client.request("OPTIONS", target, &[]);
        reply.is(204);
        assert_eq!(reply.field("allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(reply.field("content-length"), None);
        client.request("GET", "/health", &[]).is(200);
    }
    served.get("*", &[]).is_problem(400);
}

#[test]
fn any_page_may_read_the_data() {
    let (store, published) = Store::published();
    let served = store.serve();
    let origin = ("Origin", "https://app.example");
    let preflight = served.client().request(
        "OPTIONS",
        &published.bootstrap_path(),
        &[
            origin,
            ("Access-Control-Request-Method", "GET"),
            ("Access-Control-Request-Headers", "if-none-match, range"),
        ],
    );
    preflight.is(204);
    assert_eq!(preflight.field("access-control-allow-origin"), Some("*"));
    assert_eq!(
        preflight.field("access-control-allow-methods"),
        Some("GET, HEAD, OPTIONS")
    );
    let allowed = preflight
        .field("access-control-allow-headers")
        .expect("a list")
        .to_ascii_lowercase();
    assert!(allowed.contains("if-none-match") && allowed.contains("range"));
    assert_eq!(preflight.field("access-control-max-age"), Some("86400"));

    let reply = served.get(&published.bootstrap_path(), &[origin]);
    assert_eq!(reply.field("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.field("timing-allow-origin"), Some("*"));
    let exposed = reply
        .field("access-control-expose-headers")
        .expect("a list");
    assert!(exposed.contains("ETag") && exposed.contains("Retry-After"));
    // A constant answer does not vary.
    assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
}
