//! A database that falls silent, or is not up yet: no command waits for it for ever.
//!
//! Between the publisher and PostgreSQL stands a proxy that passes on so many bytes of the
//! server's, and then takes everything and gives nothing, as half-open connections do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::config::Host;

use crate::support::{Finished, Project, tracked};

const PATIENCE: [&str; 4] = [
    "--connect-timeout=2s",
    "--silence-timeout=300ms",
    "--lock-timeout=5s",
    "--statement-timeout=10m",
];

struct Proxy {
    port: u16,
    silent: Arc<AtomicBool>,
}

impl Proxy {
    /// Falls silent behind `bytes` of the answers, of each connection or of all together.
    fn silent_after(project: &Project, bytes: usize, each: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = Arc::new(AtomicBool::new(false));
        let (socket, is_silent) = (socket_of(project), Arc::clone(&silent));
        let all = Arc::new(AtomicUsize::new(bytes));
        std::thread::spawn(move || {
            // Ends with the test's process.
            for client in listener.incoming() {
                let (mut client, server) = (client.unwrap(), UnixStream::connect(&socket).unwrap());
                let left = if each {
                    Arc::new(AtomicUsize::new(bytes))
                } else {
                    Arc::clone(&all)
                };
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let is_silent = Arc::clone(&is_silent);
                std::thread::spawn(move || {
                    let mut buffer = [0; 8192];
                    while let Ok(count @ 1..) = from.read(&mut buffer) {
                        let had = left.load(Ordering::SeqCst);
                        left.store(had.saturating_sub(count), Ordering::SeqCst);
                        let _ = to.write_all(&buffer[..count.min(had)]);
                        if count > had {
                            is_silent.store(true, Ordering::SeqCst);
                        }
                    }
                });
                std::thread::spawn(move || {
                    let mut server = server;
                    let _ = std::io::copy(&mut client, &mut server);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, silent }
    }

    fn url(&self, project: &Project) -> String {
        url_at(project, self.port)
    }
}

fn url_at(project: &Project, port: u16) -> String {
    let options: tokio_postgres::Config = project.database.url().parse().unwrap();
    format!(
        "postgres://{}@127.0.0.1:{port}/{}",
        options.get_user().unwrap(),
        options.get_dbname().unwrap()
    )
}

fn socket_of(project: &Project) -> std::path::PathBuf {
    let options: tokio_postgres::Config = project.database.url().parse().unwrap();
    let Host::Unix(folder) = &options.get_hosts()[0] else {
        panic!("the tests' server is reached by a socket");
    };
    let port = options.get_ports().first().copied().unwrap_or(5432);
    folder.join(format!(".s.PGSQL.{port}"))
}

fn one_table() -> Project {
    let project = Project::new(&[
        "CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL);",
        &tracked(&["grips"]),
    ]);
    let rows: Vec<String> = (0..400)
        .map(|number| format!(r#"{{"id":"G{number}","label":"grip number {number}"}}"#))
        .collect();
    project.source("grips", &format!("[{}]", rows.join(",")));
    project.run(&["run", "--quiet"]).succeeded();
    project
}

fn spawn(project: &Project, url: &str, arguments: &[&str]) -> Child {
    let mut command = project.command(arguments);
    command.args(PATIENCE).env("DATABASE_URL", url);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

// A command that waits for ever is a failed test, not one that hangs.
#[track_caller]
fn ends(mut child: Child, within: Duration) -> Finished {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > within {
            child.kill().unwrap();
            panic!(
                "still there after {within:?}: {:?}",
                child.wait_with_output()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Finished::of(child.wait_with_output().unwrap())
}

#[track_caller]
fn wait_for(flag: &AtomicBool) {
    let start = Instant::now();
    while !flag.load(Ordering::SeqCst) {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn wherever_the_server_falls_silent_the_command_ends_and_says_so() {
    let project = one_table();
    let url = project.database.url().to_owned();
    for each in [false, true] {
        // The log-in is within the first 400 bytes, the rows of the table in the last thousands.
        let places = [
            0, 1, 8, 20, 100, 300, 380, 420, 500, 800, 1200, 2500, 5000, 9000, 12_000, 20_000,
        ];
        let children = places.map(|bytes| {
            let proxy = Proxy::silent_after(&project, bytes, each);
            let out = format!("--out=store-{bytes}-{each}");
            (
                bytes,
                spawn(
                    &project,
                    &proxy.url(&project),
                    &["publish", "--quiet", &out],
                ),
            )
        });
        for (bytes, child) in children {
            let finished = ends(child, Duration::from_secs(60));
            assert_eq!(
                finished.status,
                Some(1),
                "{bytes} bytes: {}",
                finished.stderr
            );
            assert!(
                finished
                    .stderr
                    .contains("owes an answer and has said nothing for")
                    || finished.stderr.contains("no answer from"),
                "{bytes} bytes: {}",
                finished.stderr
            );
            // The store is free again.
            let out = format!("--out=store-{bytes}-{each}");
            let mut after = project.command(&["publish", "--quiet", "--lock-timeout=0s", &out]);
            Finished::of(after.env("DATABASE_URL", &url).output().unwrap()).succeeded();
        }
    }
}

#[test]
fn every_command_that_connects_ends() {
    let project = one_table();
    for arguments in [
        &["run"][..],
        &["migrate"],
        &["check"],
        &["plan"],
        &["seed"],
        &["types"],
        &["parity", "--source=json-source", "--database"],
    ] {
        let proxy = Proxy::silent_after(&project, 700, false);
        let child = spawn(&project, &proxy.url(&project), arguments);
        let finished = ends(child, Duration::from_secs(60));
        assert_eq!(
            finished.status,
            Some(1),
            "{arguments:?}: {}",
            finished.stderr
        );
        assert!(
            finished
                .stderr
                .contains("owes an answer and has said nothing for"),
            "{arguments:?}: {}",
            finished.stderr
        );
    }
}

#[test]
fn a_session_whose_answer_was_lost_is_ended_so_that_its_locks_are_free() {
    let project = one_table();
    project.source("grips", r#"[{"id":"G0","label":"another"}]"#);
    // The proxy lets the second connection through: it has as many bytes as the first.
    let proxy = Proxy::silent_after(&project, 1500, true);
    let child = spawn(&project, &proxy.url(&project), &["migrate"]);
    let finished = ends(child, Duration::from_secs(60));
    assert_eq!(finished.status, Some(1), "{}", finished.stderr);
    let left = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let start = Instant::now();
    while project.database.query(left) != ["0"] {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_statement_that_takes_longer_than_the_silence_is_not_cut() {
    let project = one_table();
    project.file("sql/migrations/V0009__m.sql", "SELECT pg_sleep(3);");
    let proxy = Proxy::silent_after(&project, usize::MAX, false);
    let child = spawn(&project, &proxy.url(&project), &["migrate"]);
    ends(child, Duration::from_secs(60)).succeeded();
}

#[test]
fn sigterm_ends_a_command_whose_server_is_silent() {
    let project = one_table();
    for bytes in [0, 20, 12_000] {
        let proxy = Proxy::silent_after(&project, bytes, false);
        let mut command =
            project.command(&["publish", "--connect-timeout=10m", "--silence-timeout=10m"]);
        command.env("DATABASE_URL", proxy.url(&project));
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(&proxy.silent);
        kill(
            Pid::from_raw(child.id().try_into().unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        let finished = ends(child, Duration::from_secs(5));
        assert_eq!(finished.status, Some(130), "{}", finished.stderr);
    }
}

#[test]
fn a_server_that_is_just_starting_is_waited_for_and_that_is_said_in_a_line() {
    let project = one_table();
    // Nobody listens on the port yet.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut command = project.command(&["publish", "--connect-timeout=60s"]);
    command.env("DATABASE_URL", url_at(&project, port));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert!(line.starts_with("waiting for "), "{line}");
    assert!(
        line.contains("for 60 s at the most: ") && line.contains("refused"),
        "{line}"
    );
    // Then it says that it is starting up, twice, and then it is there.
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for _ in 0..2 {
        let (mut client, _) = listener.accept().unwrap();
        let _ = client.read(&mut [0; 512]);
        client.write_all(&starting_up()).unwrap();
    }
    let socket = socket_of(&project);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            pass(client.unwrap(), UnixStream::connect(&socket).unwrap());
        }
    });
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("waiting"), "{rest}");
    assert!(child.wait().unwrap().success(), "{rest}");
}

#[test]
fn what_waiting_does_not_help_is_told_at_once() {
    let project = one_table();
    let proxy = Proxy::silent_after(&project, usize::MAX, false);
    let url = proxy.url(&project).rsplit_once('/').unwrap().0.to_owned() + "/nowhere";
    let mut command = project.command(&["publish", "--connect-timeout=10m"]);
    command.env("DATABASE_URL", url);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let port = proxy.port;
    ends(child, Duration::from_secs(60)).failed_with(&format!(
        "error: failed to connect to nowhere on 127.0.0.1:{port}\n  \
         caused by: database \"nowhere\" does not exist\n  \
         hint: create the database, or name another one in the database URL\n"
    ));
}

fn starting_up() -> Vec<u8> {
    let body = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
    let length = u32::try_from(body.len() + 4).unwrap();
    [b"E", &length.to_be_bytes()[..], body].concat()
}

fn pass(client: TcpStream, server: UnixStream) {
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    std::thread::spawn(move || {
        let (mut client, mut server) = (client, server);
        let _ = std::io::copy(&mut client, &mut server);
        let _ = server.shutdown(Shutdown::Both);
    });
}
