//! Verifying over HTTP: the bytes and what stands beside them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pretty_assertions::assert_eq;

use snapshot_server::{Listen, Options, TlsFiles};

use crate::support::{Finished, Project, repository, tracked};

// Two tables, one of which is large enough for variants, in two versions.
fn published() -> Project {
    let project = Project::new(&[
        "CREATE TABLE places (id integer PRIMARY KEY, label text NOT NULL);
         CREATE TABLE roads (id integer PRIMARY KEY);",
        &tracked(&["places", "roads"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    for change in [
        "INSERT INTO places SELECT i, 'a place of number ' || i FROM generate_series(1, 99) AS i",
        "INSERT INTO roads VALUES (6)",
    ] {
        project.database.execute(change);
        project.run(&["publish", "--quiet"]).succeeded();
    }
    project
}

// --- the server of this project ---

// Ends with the test, whatever becomes of the test.
pub struct Served {
    process: Child,
    pub url: String,
}

impl Served {
    pub fn start(project: &Project) -> Self {
        let mut command = project.command(&["run", "--serve", "127.0.0.1:0"]);
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let serving = lines
            .find_map(|line| line.ok().filter(|line| line.starts_with("serving ")))
            .unwrap();
        let address = serving.rsplit("http://").next().unwrap();
        let url = format!("http://{address}");
        Self { process, url }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_our_server_serves_verifies_and_can_be_read_like_a_folder() {
    let project = Project::exercise_app();
    project.run(&["run", "--quiet"]).succeeded();
    let grips = std::fs::read_to_string(project.path("json-source/grips.json")).unwrap();
    project.source("grips", &grips.replacen("\"Neutral\"", "\"Plain\"", 1));
    project.run(&["run", "--quiet"]).succeeded();
    let served = Served::start(&project);
    let report = project.json(&["verify", "--all", "--strict", &served.url]);
    let in_folder = project.json(&["verify", "--all"]);
    assert_eq!(report["faults"], serde_json::json!([]));
    assert_eq!(report["warnings"], serde_json::json!([]));
    assert_eq!(report["checked"]["versions"], 2);
    assert_eq!(report["checked"], in_folder["checked"]);
    for command in [&["history"][..], &["show", "1"], &["diff", "1", "2"]] {
        let from_folder = project.run(command);
        from_folder.succeeded();
        let over_http = project.run(&[command, &["--out", &served.url]].concat());
        assert_eq!(over_http.stdout, from_folder.stdout);
        assert!(!over_http.stdout.is_empty());
    }
}

#[test]
fn over_tls_the_servers_certificate_is_checked() {
    let project = published();
    let certificates = repository().join("snapshot-server/tests/http/certificates");
    let any_port: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut options = Options::new(project.path("snapshots"), any_port);
    options.listen = vec![Listen::Https(any_port)];
    options.tls = Some(TlsFiles {
        certificate: certificates.join("first.pem"),
        key: certificates.join("first-key.pem"),
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(snapshot_server::bind(options)).unwrap();
    // The certificate is for a name, not for an address.
    let url = format!("https://localhost:{}", server.local_addr().port());
    runtime.spawn(server.run(std::future::pending()));
    let verify = |trusted: &str| {
        let mut command = project.command(&["verify", "--all", "--strict", "--quiet", &url]);
        command.env("SSL_CERT_FILE", certificates.join(trusted));
        Finished::of(command.output().unwrap())
    };
    let sound = verify("first.pem");
    assert_eq!(
        (sound.status, sound.stdout.as_str()),
        (Some(0), ""),
        "{}",
        sound.stderr
    );
    verify("second.pem").failed_with(&format!(
        "error: failed to fetch {url}/version.json\n  \
         caused by: invalid peer certificate: BadSignature\n  \
         hint: let the server show one that the system trusts, or name a file of trusted ones in SSL_CERT_FILE\n"
    ));
}

// --- a server that does what a test says ---

#[derive(Debug, Clone)]
struct Response {
    status: &'static str,
    fields: BTreeMap<&'static str, String>,
    body: Vec<u8>,
}

struct Request {
    is_head: bool,
    path: String,
    codings: String,
}

type Alter = Box<dyn Fn(&Request, &mut Response) + Send + Sync>;

// A static host as it should be, but for what `alter` does to its responses.
struct Host {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Host {
    fn start(project: &Project, alter: Alter) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (root, stopped, alter) = (
            project.path("snapshots"),
            Arc::clone(&stop),
            Arc::new(alter),
        );
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (root, alter) = (root.clone(), Arc::clone(&alter));
                // A client that goes away is no matter.
                thread::spawn(move || drop(answer(stream.unwrap(), &root, &alter)));
            }
        });
        Self { address, stop }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(stream: TcpStream, root: &Path, alter: &Alter) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = read_request(&mut reader)?;
    let mut response = found(root, &request);
    alter(&request, &mut response);
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {}\r\nConnection: close\r\n",
        response.status
    )?;
    if !response.fields.contains_key("Content-Length") {
        write!(stream, "Content-Length: {}\r\n", response.body.len())?;
    }
    for (name, value) in &response.fields {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "\r\n")?;
    if !request.is_head {
        stream.write_all(&response.body)?;
    }
    stream.flush()
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Request> {
    let mut lines = reader.lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut words = first.split(' ');
    let is_head = words.next() == Some("HEAD");
    let path = words
        .next()
        .unwrap_or_default()
        .trim_start_matches('/')
        .to_owned();
    let mut codings = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("accept-encoding:") {
            codings = value.trim().to_owned();
        }
    }
    Ok(Request {
        is_head,
        path,
        codings,
    })
}

fn found(root: &Path, request: &Request) -> Response {
    let path: PathBuf = root.join(&request.path);
    let mut fields = BTreeMap::from([("Access-Control-Allow-Origin", "*".to_owned())]);
    let Ok(mut body) = std::fs::read(&path) else {
        fields.insert("Cache-Control", "no-store".to_owned());
        return Response {
            status: "404 Not Found",
            fields,
            body: b"{}".to_vec(),
        };
    };
    let (control, media_type) = match request.path.as_str() {
        "version.json" => ("public, max-age=5", "application/json"),
        path if path.ends_with(".json") => {
            ("public, max-age=31536000, immutable", "application/json")
        }
        _ => (
            "public, max-age=31536000, immutable",
            "application/octet-stream",
        ),
    };
    let packed = std::fs::read(format!("{}.gz", path.display()));
    let mut tag = request.path.clone();
    if let (true, Ok(packed)) = (request.codings.contains("gzip"), packed) {
        body = packed;
        tag.push_str("-gzip");
        fields.insert("Content-Encoding", "gzip".to_owned());
        fields.insert("Vary", "Accept-Encoding".to_owned());
    }
    fields.insert("Cache-Control", control.to_owned());
    fields.insert("Content-Type", media_type.to_owned());
    fields.insert("ETag", format!("\"{tag}\""));
    Response {
        status: "200 OK",
        fields,
        body,
    }
}

// What is found, without hashes and numbers that are another's each time.
fn found_at(project: &Project, alter: Alter) -> Vec<String> {
    let host = Host::start(project, alter);
    let finished = project.run(&["verify", "--all", "--quiet", &host.url()]);
    let faults = finished.stdout.contains("fault: ");
    assert_eq!(
        finished.status,
        Some(i32::from(faults)),
        "{}",
        finished.stderr
    );
    let url = host.url();
    let lines = finished.stdout.lines().map(|line| {
        let words = line.split_inclusive([' ', '/', ':', '.']).map(|word| {
            let digits = word.chars().take_while(char::is_ascii_hexdigit).count();
            match digits {
                64 => format!("HASH{}", &word[64..]),
                _ => word.to_owned(),
            }
        });
        words.collect::<String>().replace(&url, "URL")
    });
    lines.collect()
}

#[test]
fn a_good_static_host_verifies() {
    let project = published();
    assert_eq!(found_at(&project, Box::new(|_, _| {})), [""; 0]);
}

#[test]
fn each_thing_that_a_host_does_wrong_is_named() {
    let project = published();
    let check = |alter: Alter, expected: &[&str]| {
        assert_eq!(found_at(&project, alter), expected);
    };
    let set = |name: &'static str, value: &'static str| -> Alter {
        Box::new(move |request, response| {
            if response.status.starts_with("200") && request.path == "version.json" {
                response.fields.insert(name, value.to_owned());
            }
        })
    };
    check(
        set("Cache-Control", "public, max-age=31536000, immutable"),
        &[
            "fault: version.json: Cache-Control: expected max-age of at most 60, found public, max-age=31536000, immutable",
        ],
    );
    check(
        set("Cache-Control", "max-age=120"),
        &[
            "warning: version.json: Cache-Control: expected max-age of at most 60, found max-age=120",
        ],
    );
    check(
        set("Content-Encoding", "gzip"),
        &["fault: version.json: Content-Encoding, asked for without: expected none, found gzip"],
    );
    // HEAD that is answered by something else than GET.
    check(
        Box::new(|request, response| {
            if request.is_head && request.path == "version.json" {
                response.fields.insert("ETag", "\"another\"".to_owned());
            }
        }),
        &["fault: version.json: HEAD: ETag: expected \"version.json\", found \"another\""],
    );
    check(
        Box::new(|request, response| {
            if request.is_head && request.path == "version.json" {
                response.status = "405 Method Not Allowed";
            }
        }),
        &["fault: version.json: HEAD: expected 200 OK, found 405 Method Not Allowed"],
    );
    // A page for what is not there, as hosts of single-page apps have it.
    check(
        Box::new(|_, response| {
            if response.status.starts_with("404") {
                response.status = "200 OK";
            }
        }),
        &[
            "fault: bootstrap/HASH.json: status of what is not there: expected 404, found 200 OK",
            "fault: manifests/HASH.json: status of what is not there: expected 404, found 200 OK",
            "fault: tables/places/HASH.json: status of what is not there: expected 404, found 200 OK",
            "fault: tables/roads/HASH.json.br: stands beside an object of 49 bytes, and those below 1024 have none",
            "fault: tables/roads/HASH.json.gz: stands beside an object of 49 bytes, and those below 1024 have none",
            "fault: tables/roads/HASH.json.zst: stands beside an object of 49 bytes, and those below 1024 have none",
            "fault: tables/roads/HASH.json.br: stands beside an object of 59 bytes, and those below 1024 have none",
            "fault: tables/roads/HASH.json.gz: stands beside an object of 59 bytes, and those below 1024 have none",
            "fault: tables/roads/HASH.json.zst: stands beside an object of 59 bytes, and those below 1024 have none",
        ],
    );
    check(
        Box::new(|_, response| {
            if response.status.starts_with("404") {
                response
                    .fields
                    .insert("Cache-Control", "max-age=600".to_owned());
            }
        }),
        &[
            "fault: bootstrap/HASH.json: Cache-Control of what is not there: expected no-store, found max-age=600",
            "fault: manifests: Cache-Control of a folder: expected no-store, found max-age=600 with status 404",
            "fault: manifests/HASH.json: Cache-Control of what is not there: expected no-store, found max-age=600",
            "fault: tables: Cache-Control of a folder: expected no-store, found max-age=600 with status 404",
            "fault: tables/: Cache-Control of a folder: expected no-store, found max-age=600 with status 404",
            "fault: tables/places/HASH.json: Cache-Control of what is not there: expected no-store, found max-age=600",
        ],
    );
    // Coded bytes that a cache would give to everybody, and coded bytes of something else.
    let places = project.manifest()["tables"]["places"]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let places = format!("tables/places/{places}.json");
    let path = places.clone();
    check(
        Box::new(move |request, response| {
            if request.path == path && request.codings.contains("gzip") {
                response.fields.remove("Vary");
            }
        }),
        &["fault: tables/places/HASH.json: Vary: expected Accept-Encoding, found none"],
    );
    let path = places.clone();
    check(
        Box::new(move |request, response| {
            if request.path == path && request.codings.contains("gzip") {
                response.fields.insert("Content-Encoding", "br".to_owned());
            }
        }),
        &["fault: tables/places/HASH.json: does not unpack to its object: is no Brotli stream"],
    );
    // A redirect, an error, a body that ends too early.
    let path = places.clone();
    check(
        Box::new(move |request, response| {
            if request.path == path {
                response.status = "302 Found";
                response
                    .fields
                    .insert("Location", "https://elsewhere.example/".to_owned());
            }
        }),
        &[
            "fault: tables/places/HASH.json: failed to fetch URL/tables/places/HASH.json: the server answers \
             302 Found, which leads to https://elsewhere.example/",
            "fault: tables/places/HASH.json: with Accept-Encoding: gzip, deflate, br, zstd: expected 200, found 302 Found",
        ],
    );
    let path = places.clone();
    check(
        Box::new(move |request, response| {
            if request.path == path && request.codings == "identity" && !request.is_head {
                response
                    .fields
                    .insert("Content-Length", response.body.len().to_string());
                response.body.truncate(100);
            }
        }),
        &["fault: tables/places/HASH.json: failed to read: Peer disconnected"],
    );
    // Bytes that a broken cache changed on the way.
    check(
        Box::new(move |request, response| {
            if request.path == places && request.codings == "identity" && !request.is_head {
                let last = response.body.len() - 4;
                response.body[last] ^= 1;
            }
        }),
        &[
            "fault: tables/places/HASH.json: BLAKE3: expected HASH, found HASH",
            "fault: tables/places/HASH.json: byte 4147: expected a row on a line of its own",
        ],
    );
}

#[test]
fn what_a_plain_host_lacks_is_a_warning_said_once() {
    let project = published();
    let bare: fn() -> Alter = || {
        Box::new(|request, response| {
            if response.status.starts_with("200") && request.path != "version.json" {
                response.fields.clear();
            }
        })
    };
    assert_eq!(
        found_at(&project, bare()),
        [
            "warning: bootstrap/HASH.json: Access-Control-Allow-Origin: expected *, or the page's origin, found none (and 17 more keys)",
            "warning: bootstrap/HASH.json: Cache-Control: expected public, max-age=31536000, immutable, found none (and 17 more keys)",
            "warning: bootstrap/HASH.json: Content-Type: expected application/json, found none (and 8 more keys)",
            "warning: bootstrap/HASH.json: ETag: expected a tag, found none (and 17 more keys)",
        ]
    );
    let host = Host::start(&project, bare());
    let strict = project.run(&["verify", "--strict", "--quiet", &host.url()]);
    assert_eq!(strict.status, Some(1));
}
