//! The program as it is started, told and stopped: arguments, signals, sockets
//! that it is given, and what it writes.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::environment;
use crate::support::{Client, Store, rows};

const PATH: &str = env!("CARGO_BIN_EXE_snapshot-server");

/// The program, killed when a test fails.
struct Program {
    child: Child,
    errors: BufReader<ChildStderr>,
    log: BufReader<Box<dyn Read>>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        Self::spawn(Command::new(PATH).args(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        let log: Box<dyn Read> = Box::new(child.stdout.take().expect("piped"));
        let log = BufReader::new(log);
        Self { child, errors, log }
    }

    /// Serves the store on a free port, with these arguments too.
    fn serve(store: &Store, arguments: &[&str]) -> Self {
        let root = store.folder.path().to_str().expect("UTF-8");
        let all = ["--root", root, "--listen=127.0.0.1:0"];
        let mut program = Self::start(&[&all[..], arguments].concat());
        program.line_with("serving seq:41 (");
        program
    }

    /// The next line of the access log.
    fn log_line(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.log.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).expect("a line of JSON")
    }

    /// Reads what it says until a line contains `text`.
    fn line_with(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.errors.read_line(&mut line).expect("a line");
            assert!(count > 0, "the program ended without saying {text:?}");
            if line.contains(text) {
                return line.trim_end().to_owned();
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
    let mut program = Program::serve(&store, &["--poll-interval=60m", "--access-log=json"]);
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
    let line = program.log_line();
    assert_eq!(line["target"], "/version.json?x=1");
    assert_eq!(line["status"], 200);
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["userAgent"], "test");
    assert_eq!(line["protocol"], "HTTP/1.1");
    let mut rest = String::new();
    program.log.read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(rest, "", "one line for one request");
}

#[cfg(unix)]
#[test]
fn settings_are_read_again_at_a_signal() {
    let (store, published) = Store::published();
    let path = store.path("server.toml");
    let set = |text: &str| std::fs::write(&path, text).expect("written");
    set("max-connections = 9\nhead-timeout = \"5s\"");
    let config = path.to_str().expect("UTF-8");
    // The flag goes over the file, before and after.
    let mut program = Program::serve(&store, &["--config", config, "--cors=none"]);
    let address = program.address();
    // One connection sees both: it is not closed for a change.
    let mut client = Client::connect(address);
    let origin = [("Origin", "https://app.example")];
    let ask = |client: &mut Client| {
        let reply = client.request("GET", "/version.json", &origin);
        assert_eq!(reply.is(200).body, published.version_bytes);
        assert_eq!(reply.field("access-control-allow-origin"), None);
        reply.field("cache-control").expect("a field").to_owned()
    };
    assert_eq!(ask(&mut client), "public, max-age=5, stale-if-error=86400");

    set(
        "max-connections = 8\naccess-log = \"json\"\nmemory = \"1MiB\"\n\
         cors = \"any\"\npointer-cache-control = \"public, max-age=9\"",
    );
    program.signal("-HUP");
    assert_eq!(
        program.line_with("settings"),
        "snapshot-server: settings: in force: access-log, head-timeout, max-connections, \
         pointer-cache-control; only after a restart: memory"
    );
    program.line_with("serving seq:41 (");
    assert_eq!(ask(&mut client), "public, max-age=9");
    assert_eq!(program.log_line()["target"], "/version.json");

    // What cannot be used changes nothing.
    set("max-connections = 7\npointer-cache-control = 3");
    program.signal("-HUP");
    assert_eq!(
        program.line_with("settings"),
        format!("snapshot-server: settings refused: {config} is not usable")
    );
    set("pointer-cache-control = \"a\\nb\"");
    program.signal("-HUP");
    assert_eq!(
        program.line_with("settings"),
        "snapshot-server: settings refused: \"a\\nb\" is not a header value"
    );
    assert_eq!(ask(&mut client), "public, max-age=9");
}

/// A change of CORS reaches a connection that was answered without hyper.
#[cfg(unix)]
#[test]
fn pages_are_kept_out_from_a_signal_on() {
    let (store, published) = Store::published();
    let path = store.path("server.toml");
    std::fs::write(&path, "").expect("written");
    let config = path.to_str().expect("UTF-8");
    let mut program = Program::serve(&store, &["--config", config]);
    let mut client = Client::connect(program.address());
    let mut allowed = || {
        let reply = client.request("GET", &published.bootstrap_path(), &[]);
        reply.is(200).field("access-control-allow-origin").is_some()
    };
    assert!(allowed());
    std::fs::write(&path, "cors = \"none\"").expect("written");
    program.signal("-HUP");
    program.line_with("in force: cors");
    assert!(!allowed());
    std::fs::write(&path, "").expect("written");
    program.signal("-HUP");
    program.line_with("in force: cors");
    assert!(allowed());
}

/// A shell that does what systemd does: it hands its first descriptors over as
/// numbers 3 and 4, and says so in the environment.
#[cfg(target_os = "linux")]
fn activated(
    tcp: &std::net::TcpListener,
    unix: &std::os::unix::net::UnixListener,
    root: &str,
) -> Program {
    use std::os::fd::OwnedFd;
    let script = "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$@\"";
    let given = |fd: OwnedFd| Stdio::from(fd);
    let mut child = Command::new("sh")
        .args(["-c", script, "sh", PATH, "--root", root, "--listen=systemd"])
        .stdin(given(tcp.try_clone().expect("a descriptor").into()))
        .stdout(given(unix.try_clone().expect("a descriptor").into()))
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let errors = BufReader::new(child.stderr.take().expect("piped"));
    let log = BufReader::new(Box::new(std::io::empty()) as Box<dyn Read>);
    Program { child, errors, log }
}

/// systemd keeps the sockets: who connects while there is no server waits for
/// the next one.
#[cfg(target_os = "linux")]
#[test]
fn sockets_of_systemd_are_taken_over_and_survive_a_restart() {
    use std::io::Write;
    use std::os::unix::net::{UnixListener, UnixStream};

    let (store, published) = Store::published();
    let root = store.folder.path().to_str().expect("UTF-8");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let path = store.path("systemd.sock");
    let unix = UnixListener::bind(&path).expect("a socket");
    let address = tcp.local_addr().expect("an address");

    for _ in 0..2 {
        // Before there is a server.
        let mut early = Client::connect(address);
        early.send("GET /version.json HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut local = UnixStream::connect(&path).expect("it listens");
        let request = b"GET /version.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        local.write_all(request).expect("it waits");

        let mut program = activated(&tcp, &unix, root);
        program.line_with(&format!(" on http://{address}"));
        program.line_with(&format!(" on unix:{}", path.display()));
        assert_eq!(early.reply("GET").is(200).body, published.version_bytes);
        let mut response = String::new();
        local.read_to_string(&mut response).expect("it answers");
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");

        program.signal("-TERM");
        assert_eq!(program.child.wait().expect("it ends").code(), Some(0));
        assert_eq!(early.rest(), b"");
        assert!(path.exists(), "the socket is systemd's");
    }
}

/// What the system refuses is waited for, and who waits gives way: no descriptor
/// is left for the second half of these clients.
#[cfg(target_os = "linux")]
#[test]
fn out_of_descriptors_the_server_goes_on() {
    let (store, published) = Store::published();
    let root = store.folder.path().to_str().expect("UTF-8");
    let script = "ulimit -n 28; exec \"$@\"";
    let arguments = [
        "-c",
        script,
        "sh",
        PATH,
        "--root",
        root,
        "--listen=127.0.0.1:0",
        "--threads=1",
    ];
    let mut program = Program::spawn(Command::new("sh").args(arguments));
    program.line_with("at most 16 connections: the system allows no more files");
    let address = program.address();
    let mut silent: Vec<_> = (0..60).map(|_| Client::connect(address)).collect();
    for _ in 0..20 {
        let reply = Client::connect(address).request("GET", "/version.json", &[]);
        assert_eq!(reply.is(200).body, published.version_bytes);
    }
    assert_eq!(silent[0].rest(), b"", "the oldest gave way");
}

#[test]
fn without_sockets_from_systemd_there_is_no_server() {
    let mut program = Program::start(&["--listen=systemd"]);
    program.line_with("error: failed to listen on systemd");
    program.line_with("caused by: the service manager handed over no socket");
    assert_eq!(program.child.wait().expect("it ends").code(), Some(1));
}

/// Who asks, by the log of a server behind proxies.
#[test]
fn the_log_names_the_client_that_a_trusted_proxy_names() {
    let (store, published) = Store::published();
    let arguments = [
        "--access-log=json",
        "--trusted-proxies=127.0.0.0/8,192.0.2.9",
    ];
    let mut program = Program::serve(&store, &arguments);
    let mut client = Client::connect(program.address());
    // Plain and not: the two ways to answer read the field alike.
    for path in ["/version.json", "/nothing", &published.bootstrap_path()] {
        for (field, expected) in [
            (("X-Forwarded-For", "198.51.100.7"), "198.51.100.7"),
            (
                ("x-forwarded-for", "1.2.3.4, 198.51.100.7, 192.0.2.9"),
                "198.51.100.7",
            ),
            (("X-Forwarded-For", "nonsense"), "127.0.0.1"),
            (("Forwarded", "for=198.51.100.7"), "127.0.0.1"),
        ] {
            client.request("GET", path, &[field]);
            let line = program.log_line();
            assert_eq!(
                (&line["target"], &line["client"]),
                (&path.into(), &expected.into())
            );
        }
    }

    let arguments = [
        "--access-log=json",
        "--trusted-proxies=127.0.0.1",
        "--client-field=forwarded",
    ];
    let mut program = Program::serve(&store, &arguments);
    let mut client = Client::connect(program.address());
    for path in ["/version.json", "/nothing"] {
        for (field, expected) in [
            (
                ("Forwarded", "for=\"[2001:db8::7]:80\";proto=https"),
                "2001:db8::7",
            ),
            (("X-Forwarded-For", "198.51.100.7"), "127.0.0.1"),
        ] {
            client.request("GET", path, &[field]);
            assert_eq!(program.log_line()["client"], expected);
        }
    }
    // Nobody is believed who was not named.
    let mut program = Program::serve(&store, &["--access-log=json"]);
    let mut client = Client::connect(program.address());
    client.request(
        "GET",
        "/version.json",
        &[("X-Forwarded-For", "198.51.100.7")],
    );
    assert_eq!(program.log_line()["client"], "127.0.0.1");
}

#[test]
fn the_log_names_the_client_of_a_proxy_header() {
    let (store, _) = Store::published();
    let root = store.folder.path().to_str().expect("UTF-8");
    let place = "--listen=proxy:127.0.0.1:0";
    let mut program = Program::start(&["--root", root, place, "--access-log=json"]);
    let line = program.line_with(" on proxy:http://");
    let (_, address) = line.rsplit_once("http://").expect("an address");
    let address = address.parse().expect("an address");
    for (header, expected) in [
        ("PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n", "192.0.2.7"),
        ("PROXY TCP6 2001:db8::7 ::1 12345 80\r\n", "2001:db8::7"),
        ("PROXY UNKNOWN\r\n", "127.0.0.1"),
    ] {
        let mut client = Client::connect(address);
        client.send(format!(
            "{header}GET /version.json HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        client.reply("GET").is(200);
        assert_eq!(program.log_line()["client"], expected);
        // The header is the connection's, not the request's.
        client.request("GET", "/nothing", &[]).is(404);
        assert_eq!(program.log_line()["client"], expected);
    }
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

#[test]
fn the_example_of_the_environment_has_every_variable_with_its_default() {
    let output = Command::new(PATH).arg("--help").output().expect("it runs");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let examples = environment::examples();
    let found = environment::check(&examples, &help);
    assert!(found.len() > 20, "{found:?}");
    let ours = examples.keys().filter(|name| name.starts_with("SNAPSHOT_"));
    assert_eq!(ours.cloned().collect::<BTreeSet<_>>(), found);
}
