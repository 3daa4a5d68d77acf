//! What those who run the server see of it: counters, log, signals, CORS settings.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

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
        "tablecast_snapshot_held 1".to_owned(),
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

/// The program, killed when a test fails.
struct Program {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_snapshot-server"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, errors }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.errors.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Reads what it says until a line contains `text`.
    fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            assert!(
                !line.is_empty(),
                "the program ended without saying {text:?}"
            );
            if line.contains(text) {
                return line;
            }
        }
    }

    fn address(&mut self) -> SocketAddr {
        let line = self.line_with(" on http://");
        let (_, address) = line.rsplit_once("http://").expect("an address");
        address.parse().expect("an address")
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.expect("kill runs").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn signals_reload_and_stop() {
    let (mut store, _) = Store::published();
    let root = store.folder.path().to_str().expect("UTF-8").to_owned();
    let arguments = [
        "--root",
        &root,
        "--listen=127.0.0.1:0",
        "--poll-interval=60m",
        "--access-log=json",
    ];
    let mut program = Program::start(&arguments);
    program.line_with("serving seq:41 (");
    let address = program.address();
    let mut client = Client::connect(address);
    client
        .request("GET", "/version.json?x=1", &[("User-Agent", "test")])
        .is(200);

    store.publish(&[("grips", rows(1))]);
    program.signal("-HUP");
    program.line_with("serving seq:42 (");

    program.signal("-TERM");
    let status = program.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    let mut log = String::new();
    program
        .child
        .stdout
        .take()
        .expect("piped")
        .read_to_string(&mut log)
        .expect("UTF-8");
    let line: serde_json::Value = serde_json::from_str(log.trim_end()).expect("one line of JSON");
    assert_eq!(line["target"], "/version.json?x=1");
    assert_eq!(line["status"], 200);
    assert_eq!(line["peer"], "127.0.0.1");
    assert_eq!(line["userAgent"], "test");
    assert_eq!(line["protocol"], "HTTP/1.1");
}

#[test]
fn what_cannot_work_is_said_and_has_a_status() {
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = occupied.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("server.toml");
    std::fs::write(&config, "memory = \"lots\"").expect("written");
    let config = config.to_str().expect("UTF-8");
    for (arguments, status, expected) in [
        (
            &["--listen=nowhere"][..],
            2,
            "error: invalid value 'nowhere' for '--listen <PLACE>': not a place to listen at",
        ),
        (
            &["--listen=https://127.0.0.1:0"],
            1,
            "error: https needs a certificate and its key",
        ),
        (
            &["--tls-cert=a.pem"],
            2,
            "error: tls-cert and tls-key go together; one of them is missing",
        ),
        (
            &["--tls-cert=/no.pem", "--tls-key=/no.pem"],
            1,
            "error: failed to set TLS up",
        ),
        (
            &["--root", config],
            1,
            &format!("error: {config} is not a folder"),
        ),
        (
            &["--listen", &address],
            1,
            &format!("error: failed to listen on http://{address}"),
        ),
        (
            &["--config", config],
            2,
            &format!("error: {config} is not usable"),
        ),
        (&["--config=/no.toml"], 2, "error: failed to read /no.toml"),
        (
            &["--pointer-cache-control=a\nb"],
            1,
            "error: \"a\\nb\" is not a header value",
        ),
        (
            &["--memory=lots"],
            2,
            "error: invalid value 'lots' for '--memory <SIZE>'",
        ),
    ] {
        let mut program = Program::start(arguments);
        let said = program.line_with("error: ");
        assert!(said.starts_with(expected), "{arguments:?}: {said}");
        assert_eq!(
            program.child.wait().expect("it ends").code(),
            Some(status),
            "{arguments:?}"
        );
    }
}
