//! What those who run the server see of it: counters, CORS settings.

use snapshot_server::Cors;

use crate::support::{Client, Store, rows};

#[test]
fn counters_are_on_a_listener_of_their_own() {
    let (mut store, published) = Store::published();
    let served = store.serve_with(|options| options.metrics = Some(([127, 0, 0, 1], 0).into()));
    let address = served.metrics.expect("a listener");
    served.next_event();
    let size = published.version_bytes.len();
    let etag = served
        .get("/version.json", &[])
        .field("etag")
        .expect("a tag")
        .to_owned();
    served
        .get("/version.json", &[("If-None-Match", &etag)])
        .is(304);
    served
        .get(&published.bootstrap_path(), &[("Range", "bytes=0-9")])
        .is(206);
    served.get("/nothing", &[]).is(404);
    store.put("version.json", b"broken");
    served.next_event();

    // The last response is counted when its body is let go of, a moment after
    // its last byte was read here.
    let page = loop {
        let reply = Client::connect(address).request("GET", "/metrics", &[]);
        assert_eq!(
            reply.field("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        let page = reply.is(200).text().to_owned();
        if page.contains(r#"requests_total{kind="other",status="404"} 1"#) {
            break page;
        }
    };
    for line in [
        r#"tablecast_http_requests_total{kind="version",status="200"} 1"#.to_owned(),
        r#"tablecast_http_requests_total{kind="version",status="304"} 1"#.to_owned(),
        r#"tablecast_http_requests_total{kind="bootstrap",status="206"} 1"#.to_owned(),
        "tablecast_reference_version 41".to_owned(),
        "tablecast_snapshot_sequence 1".to_owned(),
        "tablecast_snapshot_loaded 1".to_owned(),
        "tablecast_snapshot_swaps_total 1".to_owned(),
        "tablecast_snapshot_refused 1".to_owned(),
    ] {
        assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
    }
    let sent = page
        .lines()
        .find_map(|line| line.strip_prefix("tablecast_http_sent_bytes_total "));
    let sent: usize = sent.and_then(|sent| sent.parse().ok()).expect("a number");
    assert!(sent >= size + 10, "{sent}");

    served.get("/metrics", &[]).is_problem(404);
    Client::connect(address)
        .request("GET", "/version.json", &[])
        .is_problem(404);
    Client::connect(address)
        .request("GET", "/ready", &[])
        .is(200);

    store.publish(&[("grips", rows(1))]);
    served.next_event();
    let page = Client::connect(address).request("GET", "/metrics", &[]);
    assert!(page.text().contains("tablecast_snapshot_refused 0\n"));
}

#[test]
fn pages_can_be_kept_out() {
    let (store, published) = Store::published();
    let path = published.bootstrap_path();
    let ours = ("Origin", "https://app.example");
    let theirs = ("Origin", "https://other.example");

    let origin = "https://app.example".parse().expect("a value");
    let served = store.serve_with(|options| options.cors = Cors::Origins(vec![origin]));
    let reply = served.get(&path, &[ours]);
    assert_eq!(
        reply.field("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(reply.field("vary"), Some("Accept-Encoding, Origin"));
    for fields in [&[theirs][..], &[]] {
        let reply = served.get(&path, fields);
        reply.is(200);
        assert_eq!(reply.field("access-control-allow-origin"), None);
        assert_eq!(reply.field("vary"), Some("Accept-Encoding, Origin"));
        assert_eq!(
            served.get("/version.json", fields).field("vary"),
            Some("Origin")
        );
    }
    let preflight = [ours, ("Access-Control-Request-Method", "GET")];
    let reply = served.client().request("OPTIONS", &path, &preflight);
    assert_eq!(
        reply.field("access-control-allow-origin"),
        Some("https://app.example")
    );
    let etag = served
        .get(&path, &[])
        .field("etag")
        .expect("a tag")
        .to_owned();
    let reply = served.get(&path, &[ours, ("If-None-Match", &etag)]);
    assert_eq!(reply.is(304).field("vary"), Some("Accept-Encoding, Origin"));

    let served = store.serve_with(|options| options.cors = Cors::SameOrigin);
    let reply = served.get(&path, &[ours]);
    assert_eq!(reply.field("access-control-allow-origin"), None);
    assert_eq!(
        reply.field("cross-origin-resource-policy"),
        Some("same-origin")
    );
    assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
}
