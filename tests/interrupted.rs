//! Commands that are told to end, at many moments of much work.
//!
//! What holds: the command ends long before its work would have, it says so, and everything
//! is as it was: the store, the database, every lock.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Project, publisher, tracked};

/// Far more than a command may take to end, and far less than its work takes.
const AT_LAST: Duration = Duration::from_secs(20);

const INTERRUPTED: &str = "error: interrupted; nothing was left half done\n";

const MOTIONS: &str = "CREATE TABLE motions (
    id text PRIMARY KEY,
    label text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    source_type text NOT NULL DEFAULT 'seed'
);";

fn project() -> Project {
    let project = Project::new(&[MOTIONS, &tracked(&["motions"])]);
    project.source("motions", r#"[{"id": "A", "label": "a"}]"#);
    project.run(&["run"]).succeeded();
    until_gone(&project);
    project
}

/// Everything that an interrupted command must leave as it was.
#[derive(Debug, PartialEq)]
struct Everything {
    rows: Vec<String>,
    files: Vec<(PathBuf, u64)>,
    open_transactions: Vec<String>,
    advisory_locks: Vec<String>,
}

impl Everything {
    fn of(project: &Project) -> Self {
        let mut files = Vec::new();
        gather(&project.path("snapshots"), &mut files);
        files.sort();
        Self {
            rows: project.database.everything(),
            files,
            open_transactions: project.database.query(
                "SELECT application_name FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name LIKE 'tablecast%'",
            ),
            advisory_locks: project.database.query(
                "SELECT objid FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE locktype = 'advisory' AND datname = current_database()",
            ),
        }
    }
}

// Without what stands in the staging folder, which the next command empties.
fn gather(folder: &Path, files: &mut Vec<(PathBuf, u64)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != ".staging" {
            gather(&path, files);
        } else if !name.starts_with('.') {
            files.push((path.clone(), path.metadata().unwrap().len()));
        }
    }
}

/// Starts a command, and kills it with the test.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Sends the signal; the command must end by it, and say nothing but that.
    #[track_caller]
    fn ends_by(mut self, signal: Signal, context: &str) {
        assert_eq!(
            self.0.try_wait().unwrap(),
            None,
            "{context}: it ended before"
        );
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(pid, signal).unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < AT_LAST, "{context}: it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.0.stderr.take().unwrap(), &mut said).unwrap();
        // On a busy machine the program may not have begun to listen yet.
        if said.is_empty() && status.signal() == Some(signal as i32) {
            return;
        }
        assert!(said.ends_with(INTERRUPTED), "{context}: {said}");
        assert_eq!(status.code(), Some(130), "{context}: {said}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a query of the test's own database gives a row.
#[track_caller]
fn until(project: &Project, sql: &str) {
    let start = Instant::now();
    while project.database.query(sql).is_empty() {
        assert!(start.elapsed() < AT_LAST, "{sql}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A named pipe instead of a file: whoever reads it waits for ever.
fn endless(path: &Path) {
    let _ = std::fs::remove_file(path);
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
}

#[test]
fn a_command_ends_at_a_signal_while_it_computes() {
    let project = project();
    let before = Everything::of(&project);
    endless_rows(&project);
    for pause_ms in [50, 200, 400, 800] {
        for arguments in [&["check"][..], &["seed"], &["plan"], &["run"]] {
            let running = Running::start(project.command(arguments));
            std::thread::sleep(Duration::from_millis(pause_ms));
            running.ends_by(
                Signal::SIGTERM,
                &format!("{arguments:?} after {pause_ms} ms"),
            );
        }
    }
    until_gone(&project);
    assert_eq!(Everything::of(&project), before);
}

// White space without an end: nothing that could be refused before it has been passed over.
fn endless_rows(project: &Project) {
    let path = project.path("json-source/motions.json");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut write = |bytes: &[u8]| std::io::Write::write_all(&mut file, bytes).unwrap();
    write(b"[");
    for _ in 0..96 {
        write(&[b' '; 1 << 20]);
    }
    write(br#"{"id": "A", "label": "a"}]"#);
}

#[test]
fn a_statement_that_waits_is_cancelled_and_leaves_no_lock() {
    let project = project();
    let before = Everything::of(&project);
    project.source("motions", r#"[{"id": "A", "label": "b"}]"#);
    let other = project.database.connect();
    project
        .database
        .block_on(other.batch_execute("BEGIN; LOCK TABLE motions IN ACCESS EXCLUSIVE MODE"))
        .unwrap();
    for arguments in [&["seed"][..], &["run"]] {
        let running = Running::start(project.command(arguments));
        until(
            &project,
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
             AND application_name LIKE 'tablecast%' AND wait_event_type = 'Lock'",
        );
        running.ends_by(Signal::SIGTERM, &format!("{arguments:?}"));
        // While the lock still stands: nothing of ours waits for it any more.
        until_gone(&project);
    }
    project
        .database
        .block_on(other.batch_execute("ROLLBACK"))
        .unwrap();
    assert_eq!(Everything::of(&project), before);
}

#[test]
fn a_migration_that_computes_in_the_server_is_cancelled() {
    let project = project();
    let before = Everything::of(&project);
    project.file(
        "sql/migrations/V0009__long.sql",
        "CREATE TABLE half (id int); SELECT pg_sleep(3600);",
    );
    let running = Running::start(project.command(&["migrate"]));
    until(
        &project,
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
         AND application_name LIKE 'tablecast%' AND wait_event = 'PgSleep'",
    );
    running.ends_by(Signal::SIGINT, "migrate");
    until_gone(&project);
    std::fs::remove_file(project.path("sql/migrations/V0009__long.sql")).unwrap();
    assert_eq!(Everything::of(&project), before);
}

#[test]
fn a_check_that_was_interrupted_leaves_its_database_to_the_next_one_to_drop() {
    let project = project();
    let check = || {
        let mut command = publisher();
        command.arg("check").current_dir(project.path("."));
        command
    };
    let databases = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let root = project.path(".tablecast");
            let server = ::embedded_postgres::Embedded::start(&root).await.unwrap();
            let options = server.config("postgres");
            let (client, connection) = options.connect(tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let query = "SELECT count(*) FROM pg_database WHERE datname ~ '^tablecast_scratch'";
            let count: i64 = client.query_one(query, &[]).await.unwrap().get(0);
            drop(client);
            server.stop().await.unwrap();
            count
        })
    };
    let long = "sql/migrations/V0009__long.sql";
    project.file(long, "SELECT pg_sleep(1000);");
    let running = Running::start(check());
    let start = Instant::now();
    while !project.path(".tablecast/postgres/postmaster.pid").exists() {
        assert!(start.elapsed() < AT_LAST, "no server was started");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Its server is up, and its database made or about to be.
    std::thread::sleep(Duration::from_millis(1500));
    running.ends_by(Signal::SIGTERM, "check");
    std::fs::remove_file(project.path(long)).unwrap();
    assert!(check().status().unwrap().success());
    assert_eq!(databases(), 0);
}

// A kill after the database was made, and before anybody was given it.
#[test]
fn a_database_that_a_killed_start_has_only_made_is_completed_by_the_next_one() {
    let project = Project::new(&[MOTIONS, &tracked(&["motions"])]);
    project.source("motions", r#"[{"id": "A", "label": "a"}]"#);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let root = project.path(".tablecast");
        let server = ::embedded_postgres::Embedded::start(&root).await.unwrap();
        let options = server.config("postgres");
        let (client, connection) = options.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let make = "CREATE DATABASE tablecast TEMPLATE template0";
        client.batch_execute(make).await.unwrap();
        drop(client);
        server.stop().await.unwrap();
    });
    let mut run = publisher();
    run.args(["run", "--quiet"]).current_dir(project.path("."));
    assert!(run.status().unwrap().success());
    assert_eq!(project.published("motions")[0]["label"], "a");
}

#[test]
fn who_waits_for_the_store_ends_too_and_the_store_can_be_locked_again() {
    let project = project();
    let before = Everything::of(&project);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let root = project.path("snapshots");
    let open = ::snapshot_store::DirectoryStore::open(&root, AT_LAST, |_| {});
    let store = runtime.block_on(open).unwrap();
    for arguments in [&["publish"][..], &["run"], &["prune"]] {
        let mut command = project.command(arguments);
        command.args(["--lock-timeout", "1h"]);
        let running = Running::start(command);
        std::thread::sleep(Duration::from_millis(300));
        running.ends_by(Signal::SIGTERM, &format!("{arguments:?}"));
    }
    drop(store);
    until_gone(&project);
    assert_eq!(Everything::of(&project), before);
    project.run(&["publish"]).succeeded();
}

#[test]
fn what_only_reads_a_store_ends_while_a_read_hangs() {
    let project = project();
    let manifest = project.version()["manifest"]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = project
        .path("snapshots")
        .join(format!("manifests/{manifest}.json"));
    let bytes = std::fs::read(&path).unwrap();
    endless(&path);
    for arguments in [&["verify"][..], &["history"], &["parity"]] {
        let running = Running::start(project.command(arguments));
        std::thread::sleep(Duration::from_millis(400));
        let mut running = running;
        if running.0.try_wait().unwrap().is_some() {
            // It does not read manifests, or refuses what is no file.
            continue;
        }
        running.ends_by(Signal::SIGTERM, &format!("{arguments:?}"));
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    project.run(&["verify"]).succeeded();
}

#[track_caller]
fn until_gone(project: &Project) {
    until(
        project,
        "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'tablecast%')",
    );
}
