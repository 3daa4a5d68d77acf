//! The whole grammar against the RFCs and against nginx.
//!
//! Requests are put together from parts whose meaning the RFCs' text gives, so
//! each has one right answer that no code of ours computes. nginx serves the
//! same folder and gets the same requests; each difference from it must have
//! one of the reasons in [`REASONS`], which `docs/serving.md` explains.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Client, PATIENCE, Reply, Store, rows};

/// Why an answer of ours may differ from nginx's.
const REASONS: [&str; 12] = [
    "codings",
    "q-values",
    "nothing acceptable",
    "HEAD has no range",
    "invalid range is ignored",
    "range of a coded body",
    "OPTIONS is answered",
    "unknown method",
    "parts longer than the whole",
    "the pointer has no date",
    "dates compare by order",
    "one name for one thing",
];

/// What `Accept-Encoding` means for an object with all variants.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Coding {
    Identity,
    Is(&'static str),
    /// This, and where there is none of it, nothing.
    Only(&'static str),
    Nothing,
}

/// RFC 9110 §12.5.3, with the server's order zstd, br, gzip among equals.
const CODINGS: &[(&[&str], Coding)] = &[
    (&[], Coding::Identity),
    (&["gzip"], Coding::Is("gzip")),
    (&["GZIP"], Coding::Is("gzip")),
    (&["gzip;q=0"], Coding::Identity),
    (&["gzip;q=0.5"], Coding::Is("gzip")),
    (&["gzip, br;q=0.5"], Coding::Is("gzip")),
    (&["gzip;q=0.5, identity"], Coding::Identity),
    (&["gzip, deflate, br, zstd"], Coding::Is("zstd")),
    (&["gzip, deflate, br"], Coding::Is("br")),
    (&["gzip;q=0.2", "br"], Coding::Is("br")),
    (&["deflate"], Coding::Identity),
    (&["*"], Coding::Identity),
    (&["identity;q=0"], Coding::Nothing),
    (&["*;q=0"], Coding::Nothing),
    (&["gzip, *;q=0"], Coding::Only("gzip")),
    (&[""], Coding::Identity),
];

/// What preconditions mean: RFC 9110 §13.2.2. Here is the one list of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Condition {
    Passes,
    NotModified,
    Fails,
}

/// `ETAG` and `DATE` stand for the selected representation's own.
const CONDITIONS: &[(&[(&str, &str)], Condition)] = &[
    (&[], Condition::Passes),
    (&[("If-None-Match", "ETAG")], Condition::NotModified),
    (&[("If-None-Match", "W/ETAG")], Condition::NotModified),
    (
        &[("If-None-Match", "\"a\", W/\"b\", ETAG")],
        Condition::NotModified,
    ),
    (&[("If-None-Match", "*")], Condition::NotModified),
    (&[("If-None-Match", "\"a,b\"")], Condition::Passes),
    (
        &[("If-None-Match", "\"a\""), ("If-Modified-Since", "DATE")],
        Condition::Passes,
    ),
    (&[("If-Match", "ETAG")], Condition::Passes),
    (&[("If-Match", "*")], Condition::Passes),
    (&[("If-Match", "\"a\"")], Condition::Fails),
    (&[("If-Match", "W/ETAG")], Condition::Fails),
    (
        &[("If-Match", "\"a\""), ("If-None-Match", "ETAG")],
        Condition::Fails,
    ),
    (
        &[("If-Match", "ETAG"), ("If-None-Match", "ETAG")],
        Condition::NotModified,
    ),
    (&[("If-Modified-Since", "DATE")], Condition::NotModified),
    (
        &[("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT")],
        Condition::NotModified,
    ),
    (
        &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")],
        Condition::Passes,
    ),
    (&[("If-Modified-Since", "yesterday")], Condition::Passes),
    (&[("If-Unmodified-Since", "DATE")], Condition::Passes),
    (
        &[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")],
        Condition::Fails,
    ),
];

/// What a range means for a representation of at least 100 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ranged {
    Whole,
    /// From the front, or from the end where negative; RFC 9110 §14.1.2.
    Part(i64, i64),
    Parts,
    Unsatisfiable,
}

const RANGES: &[(&[(&str, &str)], Ranged)] = &[
    (&[], Ranged::Whole),
    (&[("Range", "bytes=0-9")], Ranged::Part(0, 10)),
    (&[("Range", "bytes=7-7")], Ranged::Part(7, 8)),
    (&[("Range", "bytes=-5")], Ranged::Part(-5, 0)),
    (&[("Range", "bytes=9-")], Ranged::Part(9, 0)),
    (&[("Range", "bytes=9-99999999999")], Ranged::Part(9, 0)),
    (&[("Range", "bytes=-99999999999")], Ranged::Part(0, 0)),
    (&[("Range", "bytes=99999999-")], Ranged::Unsatisfiable),
    (&[("Range", "bytes=-0")], Ranged::Unsatisfiable),
    (&[("Range", "bytes=9-0")], Ranged::Whole),
    (&[("Range", "bytes=a-b")], Ranged::Whole),
    (&[("Range", "lines=0-9")], Ranged::Whole),
    (&[("Range", "bytes=0-9, 20-29")], Ranged::Parts),
    (&[("Range", "bytes=0-,0-,0-,0-")], Ranged::Whole),
    (
        &[("Range", "bytes=0-9"), ("If-Range", "ETAG")],
        Ranged::Part(0, 10),
    ),
    (
        &[("Range", "bytes=0-9"), ("If-Range", "W/ETAG")],
        Ranged::Whole,
    ),
    (
        &[("Range", "bytes=0-9"), ("If-Range", "\"a\"")],
        Ranged::Whole,
    ),
    (
        &[("Range", "bytes=0-9"), ("If-Range", "DATE")],
        Ranged::Part(0, 10),
    ),
    (
        &[
            ("Range", "bytes=0-9"),
            ("If-Range", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ],
        Ranged::Whole,
    ),
];

/// Targets that name nothing, or the pointer by another spelling.
const ODD_TARGETS: &[(&str, u16)] = &[
    ("/", 404),
    ("/nothing", 404),
    ("//version.json", 404),
    ("/./version.json", 404),
    ("/a/../version.json", 404),
    ("/../version.json", 404),
    ("/../../../etc/passwd", 404),
    ("/%2e%2e/%2e%2e/etc/passwd", 404),
    ("/..%2f..%2fetc/passwd", 404),
    ("/version.json/", 404),
    ("/version.json%00", 404),
    ("/version.json%20", 404),
    ("/Version.json", 404),
    ("/version.json;x", 404),
    ("/tables", 404),
    ("/tables/", 404),
    ("/.hidden", 404),
    ("/%", 400),
    ("/%g0", 400),
    ("/version.json?a=b", 200),
    ("/%76ersion.json", 200),
    ("/version%2ejson", 200),
    ("http://test/version.json", 200),
];

/// What a path is, as far as its answers go.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Path<'a> {
    path: &'a str,
    has_variants: bool,
    has_date: bool,
}

/// One request in its parts.
#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    method: &'a str,
    path: Path<'a>,
    coding: &'static (&'static [&'static str], Coding),
    condition: &'static (&'static [(&'static str, &'static str)], Condition),
    range: &'static (&'static [(&'static str, &'static str)], Ranged),
}

/// The right answer.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    coding: Option<&'static str>,
    ranged: Ranged,
}

impl Case<'_> {
    fn answer(&self) -> Answer {
        let bare = |status| Answer {
            status,
            coding: None,
            ranged: Ranged::Whole,
        };
        match self.method {
            "GET" | "HEAD" => {}
            "OPTIONS" => return bare(204),
            "BREW" => return bare(501),
            _ => return bare(405),
        }
        let coding = match self.coding.1 {
            Coding::Nothing => return bare(406),
            Coding::Only(_) if !self.path.has_variants => return bare(406),
            Coding::Is(coding) | Coding::Only(coding) if self.path.has_variants => Some(coding),
            _ => None,
        };
        match self.met() {
            Condition::Fails => return bare(412),
            Condition::NotModified => return bare(304),
            Condition::Passes => {}
        }
        let uses_date = self.range.0.iter().any(|(_, value)| *value == "DATE");
        let ranged = match self.range.1 {
            _ if self.method == "HEAD" => Ranged::Whole,
            Ranged::Part(..) if uses_date && !self.path.has_date => Ranged::Whole,
            // Ours: several parts of a coded body are sent as the whole, and so
            // are parts that with their heads would be longer than it.
            Ranged::Parts if coding.is_some() || !self.path.has_variants => Ranged::Whole,
            ranged => ranged,
        };
        let status = match ranged {
            Ranged::Whole => 200,
            Ranged::Part(..) | Ranged::Parts => 206,
            Ranged::Unsatisfiable => return bare(416),
        };
        Answer {
            status,
            coding,
            ranged,
        }
    }

    /// RFC 9110 §13.1.3, §13.1.4: dates say nothing where there is none.
    fn met(&self) -> Condition {
        let decided_by_date = self
            .condition
            .0
            .iter()
            .all(|(name, _)| matches!(*name, "If-Modified-Since" | "If-Unmodified-Since"));
        if decided_by_date && !self.path.has_date {
            Condition::Passes
        } else {
            self.condition.1
        }
    }

    /// The fields, with a server's own validators in them.
    fn fields(&self, etag: &str, date: &str) -> Vec<(&'static str, String)> {
        let own = |value: &str| value.replace("ETAG", etag).replace("DATE", date);
        let coded = self
            .coding
            .0
            .iter()
            .map(|value| ("Accept-Encoding", (*value).to_owned()));
        let rest = self.condition.0.iter().chain(self.range.0);
        coded
            .chain(rest.map(|(name, value)| (*name, own(value))))
            .collect()
    }

    /// The reason for answering as we do where nginx does not.
    fn reason(&self, ours: &Reply, theirs: &Reply) -> Option<&'static str> {
        let of_range = !self.range.0.is_empty();
        let coding = ours.field("content-encoding");
        let is_conditional = |name| self.condition.0.iter().any(|(field, _)| *field == name);
        Some(match () {
            () if self.method == "OPTIONS" => "OPTIONS is answered",
            () if self.method == "BREW" => "unknown method",
            () if ours.status == 406 => "nothing acceptable",
            () if matches!(self.coding.1, Coding::Is("zstd" | "br")) && self.path.has_variants => {
                "codings"
            }
            () if self.coding.0 == ["gzip;q=0.5, identity"] && self.path.has_variants => "q-values",
            () if self.method == "HEAD" && of_range => "HEAD has no range",
            () if ours.status == 200 && theirs.status == 416 => "invalid range is ignored",
            () if coding == Some("gzip") && of_range => "range of a coded body",
            () if theirs.field("content-encoding") == Some("gzip") && ours.status == 416 => {
                "range of a coded body"
            }
            () if self.range.1 == Ranged::Parts && ours.status == 200 => {
                "parts longer than the whole"
            }
            () if !self.path.has_date => "the pointer has no date",
            () if is_conditional("If-Modified-Since") && ours.status == 304 => {
                "dates compare by order"
            }
            () => return None,
        })
    }
}

/// Every pair of parts on the richest path, and a walk through all the others.
fn cases<'a>(paths: &'a [Path<'a>]) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    let (coding, condition, range) = (&CODINGS[0], &CONDITIONS[0], &RANGES[0]);
    for &path in paths {
        for method in ["GET", "HEAD"] {
            let case = Case {
                method,
                path,
                coding,
                condition,
                range,
            };
            for coding in CODINGS {
                cases.extend(CONDITIONS.iter().map(|condition| Case {
                    coding,
                    condition,
                    ..case
                }));
                cases.extend(RANGES.iter().map(|range| Case {
                    coding,
                    range,
                    ..case
                }));
            }
            for condition in CONDITIONS {
                cases.extend(RANGES.iter().map(|range| Case {
                    condition,
                    range,
                    ..case
                }));
            }
        }
        for method in ["OPTIONS", "POST", "PUT", "DELETE", "PATCH", "BREW"] {
            for (at, coding) in CODINGS.iter().enumerate() {
                let condition = &CONDITIONS[at % CONDITIONS.len()];
                let range = &RANGES[(at * 7) % RANGES.len()];
                cases.push(Case {
                    method,
                    path,
                    coding,
                    condition,
                    range,
                });
            }
        }
    }
    cases
}

#[track_caller]
fn judge(case: &Case<'_>, reply: &Reply, full: &[u8]) {
    let answer = case.answer();
    assert_eq!(reply.status, answer.status, "{case:?}\n{reply:?}");
    let is_get = case.method == "GET";
    match answer.status {
        200 | 206 => {
            assert_eq!(reply.field("content-encoding"), answer.coding, "{case:?}");
            let expects_vary = case.path.has_variants.then_some("Accept-Encoding");
            assert_eq!(reply.field("vary"), expects_vary, "{case:?}");
            assert!(reply.field("etag").is_some() && reply.field("cache-control").is_some());
        }
        304 => assert!(reply.field("content-type").is_none() && reply.field("etag").is_some()),
        204 => assert!(reply.field("allow").is_some()),
        status => {
            assert_eq!(reply.field("cache-control"), Some("no-store"), "{case:?}");
            assert_eq!(reply.field("allow").is_some(), status == 405, "{case:?}");
            if is_get {
                reply.is_problem(status);
            }
        }
    }
    let size = full.len();
    let at = |position: i64| {
        if position < 0 {
            size - position.unsigned_abs() as usize
        } else {
            position as usize
        }
    };
    match answer.ranged {
        Ranged::Part(from, to) if answer.status == 206 => {
            let (from, to) = (at(from), if to == 0 { size } else { at(to) });
            let place = format!("bytes {from}-{}/{size}", to - 1);
            assert_eq!(reply.field("content-range"), Some(&*place), "{case:?}");
            assert_eq!(reply.body, full[from..to], "{case:?}");
        }
        Ranged::Parts => {
            assert!(
                reply
                    .field("content-type")
                    .is_some_and(|t| t.starts_with("multipart/byteranges"))
            );
        }
        _ if answer.status == 416 => {
            assert_eq!(
                reply.field("content-range"),
                Some(&*format!("bytes */{size}")),
                "{case:?}"
            );
        }
        _ if answer.status == 200 => {
            assert_eq!(
                reply.field("content-length"),
                Some(&*size.to_string()),
                "{case:?}"
            );
            assert!(!is_get || reply.body == full, "{case:?}");
        }
        _ => {}
    }
}

#[test]
fn every_answer_is_the_rfcs_and_every_difference_from_nginx_has_a_reason() {
    let mut store = Store::empty();
    let published = store.publish(&[("grips", rows(3)), ("muscles", rows(200))]);
    let (bootstrap, grips) = (published.bootstrap_path(), published.table_path("grips"));
    let path = |path, has_variants, has_date| Path {
        path,
        has_variants,
        has_date,
    };
    let paths = [
        path("/version.json", false, false),
        path(&bootstrap, true, true),
        path(&grips, false, true),
    ];
    let served = store.serve();
    let nginx = Nginx::start(&store);
    if nginx.is_none() {
        eprintln!("nginx is not installed: judged by the RFCs' text alone");
    }

    let mut ours = served.client();
    let cases = cases(&paths);
    assert!(cases.len() >= 300, "{}", cases.len());
    let mut differences: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let (mut fulls, mut their_fulls) = (BTreeMap::new(), BTreeMap::new());
    for case in &cases {
        // The representation that this Accept-Encoding selects, by itself.
        let accept: Vec<_> = case
            .coding
            .0
            .iter()
            .map(|value| ("Accept-Encoding", *value))
            .collect();
        let plain = Case {
            method: "GET",
            condition: &CONDITIONS[0],
            range: &RANGES[0],
            ..*case
        };
        let accept = if plain.answer().status == 406 {
            &[][..]
        } else {
            &accept
        };
        let kind = (case.path.path, accept.to_vec());
        let full = fulls
            .entry(kind.clone())
            .or_insert_with(|| ours.request("GET", case.path.path, accept));
        let reply = send(&mut ours, case, full);
        judge(case, &reply, &full.body);

        let Some(nginx) = &nginx else { continue };
        let full = their_fulls
            .entry(kind)
            .or_insert_with(|| nginx.client().request("GET", case.path.path, accept));
        let theirs = send(&mut nginx.client(), case, full);
        if told(&reply) != told(&theirs) {
            match case.reason(&reply, &theirs) {
                Some(reason) => *differences.entry(reason).or_default() += 1,
                None => unexplained.push(format!(
                    "{case:?}\n  {:?}\n  {:?}",
                    told(&reply),
                    told(&theirs)
                )),
            }
        }
    }

    for (target, status) in ODD_TARGETS {
        let reply = served.get(target, &[]);
        assert_eq!(reply.status, *status, "{target}");
        assert!(
            !reply.body.windows(5).any(|window| window == b"root:"),
            "{target}"
        );
        let Some(nginx) = &nginx else { continue };
        let theirs = nginx.client().request("GET", target, &[]);
        if theirs.status != *status {
            *differences.entry("one name for one thing").or_default() += 1;
        }
    }
    assert!(
        unexplained.is_empty(),
        "{} without a reason:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    eprintln!(
        "{} requests; differences from nginx: {differences:#?}",
        cases.len() + ODD_TARGETS.len()
    );
    if nginx.is_some() {
        let reasons: Vec<_> = differences.into_keys().collect();
        let unused: Vec<_> = REASONS
            .iter()
            .filter(|reason| !reasons.contains(reason))
            .collect();
        assert!(unused.is_empty(), "nginx no longer differs by: {unused:?}");
    }
}

/// The same bytes come by the fast path and through hyper, for every request of
/// the grammar, alone and in one packet with others.
#[test]
fn both_ways_answer_with_the_same_bytes() {
    let mut store = Store::empty();
    let published = store.publish(&[("grips", rows(3)), ("muscles", rows(200))]);
    let (bootstrap, grips) = (published.bootstrap_path(), published.table_path("grips"));
    let path = |path, has_variants, has_date| Path {
        path,
        has_variants,
        has_date,
    };
    let paths = [
        path("/version.json", false, false),
        path(&bootstrap, true, true),
        path(&grips, false, true),
        path("/api/v1/reference/muscles", true, false),
        path("/api/v1/reference/version?a=b", false, false),
    ];
    let fast = store.serve();
    let through_hyper = store.serve_with(|options| options.fast_path = false);
    let without_date = |bytes: Vec<u8>| {
        let at = bytes
            .windows(8)
            .position(|w| w == b"\r\ndate: ")
            .expect("a date");
        [&bytes[..at], &bytes[at + 8 + 29..]].concat()
    };
    let (mut together, mut packet) = (Vec::new(), Vec::new());
    // A seventh of them: no step of the walk above has that length.
    for case in cases(&paths).into_iter().step_by(7) {
        let plain = [(
            "Accept-Encoding",
            case.coding.0.first().copied().unwrap_or_default(),
        )];
        let full = through_hyper.get(case.path.path, &plain);
        let etag = full.field("etag").unwrap_or("\"a\"");
        let date = full
            .field("last-modified")
            .unwrap_or("Sun, 06 Nov 1994 08:49:37 GMT");
        let fields: String = case
            .fields(etag, date)
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let request = format!(
            "{} {} HTTP/1.1\r\nHost: a\r\n{fields}\r\n",
            case.method, case.path.path
        );
        let answer = |served: &crate::support::Served| {
            let mut client = served.client();
            client.send(&request);
            without_date(client.reply_bytes(case.method))
        };
        let expected = answer(&through_hyper);
        assert_eq!(
            String::from_utf8_lossy(&answer(&fast)),
            String::from_utf8_lossy(&expected),
            "{request}"
        );
        packet.extend(request.into_bytes());
        together.push((case.method.to_owned(), expected));
        if together.len() == 10 {
            let mut client = fast.client();
            client.send(std::mem::take(&mut packet));
            for (method, expected) in together.drain(..) {
                assert_eq!(without_date(client.reply_bytes(&method)), expected);
            }
        }
    }
}

/// Wherever the network cuts a request, it is the same request.
#[test]
fn a_request_in_pieces_is_the_same_request() {
    let (store, published) = Store::published();
    let served = store.serve();
    let get = format!(
        "GET {} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n",
        published.bootstrap_path()
    );
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut client = served.client();
    client.send(&get);
    let whole = client.reply("GET");
    for at in (1..get.len()).step_by(5) {
        client.send(&get[..at]);
        // The second part must not come with the first.
        client.wait_until_read();
        client.send(&get[at..]);
        let reply = client.reply("GET");
        assert_eq!(
            (reply.status, &reply.body),
            (200, &whole.body),
            "cut at {at}"
        );
    }
    for at in 1..preface.len() {
        let mut client = served.client();
        client.send(&preface[..at]);
        client.wait_until_read();
        client.send(&preface[at..]);
        // An empty SETTINGS frame, and the server's own comes.
        client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        let mut header = [0; 9];
        client.stream().read_exact(&mut header).expect("a frame");
        assert_eq!(header[3], 4, "cut at {at}");
    }
}

#[test]
fn the_documents_explain_every_difference_from_nginx() {
    let document = include_str!("../../../docs/serving.md");
    for reason in REASONS {
        assert!(document.contains(&format!("| {reason} |")), "{reason}");
    }
}

fn send(client: &mut Client, case: &Case<'_>, full: &Reply) -> Reply {
    let date = full
        .field("last-modified")
        .unwrap_or("Sun, 06 Nov 1994 08:49:37 GMT");
    let fields = case.fields(full.field("etag").expect("a tag"), date);
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    client.request(case.method, case.path.path, &fields)
}

/// What is compared: not the words of errors, the boundaries of parts, or what
/// each server adds.
fn told(reply: &Reply) -> (u16, Option<&str>, Option<&str>, Option<&[u8]>) {
    let is_multipart = reply
        .field("content-type")
        .is_some_and(|t| t.starts_with("multipart"));
    let is_success = matches!(reply.status, 200 | 206);
    let body = (is_success && !is_multipart).then_some(&*reply.body);
    (
        reply.status,
        reply.field("content-encoding"),
        reply.field("content-range"),
        body,
    )
}

/// nginx over the same folder, with its files for gzip.
struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Nginx {
    fn start(store: &Store) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port");
        // root may read a test's folder; the user that nginx would switch to may not.
        let is_root = std::fs::read_dir("/root").is_ok();
        let config = format!(
            "{user}daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
             events {{ worker_connections 64; }}
             http {{
               access_log off; default_type application/json;
               client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
               fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
               server {{ listen {address}; root {root}; gzip_static on; gzip_vary on; }}
             }}",
            user = if is_root { "user root; " } else { "" },
            dir = folder.path().display(),
            root = store.folder.path().display(),
        );
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, config).expect("written");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&path)
            .arg("-e")
            .arg(folder.path().join("start.log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut nginx = Self {
            child,
            address,
            folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = nginx.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "nginx does not start: {}",
                nginx.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(nginx)
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    fn log(&self) -> String {
        let mut log = String::new();
        for name in ["start.log", "error.log"] {
            if let Ok(mut file) = std::fs::File::open(self.folder.path().join(name)) {
                let _ = file.read_to_string(&mut log);
            }
        }
        log
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
