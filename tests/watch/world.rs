//! What stands in the way of a round goes by, and the watch goes on.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use publisher::store::DirectoryStore;

use super::{Watching, grips, project};
use crate::support::watching::AT_LAST;
use crate::support::{Project, private_data, publisher};

#[test]
fn another_publisher_is_waited_for() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let store = DirectoryStore::open(project.path("snapshots"), AT_LAST, |_| {});
    let store = project.database.block_on(store).unwrap();
    project.source("grips", &grips("Palms in"));
    let failed = watching.next_is("failed");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("is still locked by process"), "{error}");
    drop(store);
    watching.next_is("recovered");
    let round = watching.round();
    assert_eq!(round["outcome"], "changed");
    assert_eq!(project.published("grips")[1]["label"], "Palms in");
}

#[test]
fn a_store_that_takes_nothing_is_tried_again() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let staging = project.path("snapshots/.staging");
    fs::remove_dir(&staging).unwrap();
    fs::write(&staging, "in the way").unwrap();
    project.source("grips", &grips("Palms in"));
    watching.next_is("failed");
    fs::remove_file(&staging).unwrap();
    watching.next_is("recovered");
    watching.round();
    assert_eq!(project.published("grips")[1]["label"], "Palms in");
}

#[test]
fn sessions_that_the_server_ends_are_opened_again() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let end_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for label in ["First", "Second"] {
        assert_eq!(project.database.query(end_sessions), ["t"]);
        // Told by the look each second, without an edit.
        watching.next_is("failed");
        watching.next_is("recovered");
        watching.changed(&[]);
        project.source("grips", &grips(label));
        watching.changed(&["grips ~1"]);
    }
}

// The private PostgreSQL

/// A project without a database URL.
pub struct Private(pub Project);

impl Private {
    pub fn new() -> Self {
        Self(project())
    }

    /// Starts to watch it.
    pub fn watch(&self) -> Watching {
        let mut command = publisher();
        command.arg("watch").current_dir(self.0.path("."));
        Watching::start(command, self.0.path("watch.log"))
    }

    /// The same, and waits for the first round.
    pub fn begun(&self) -> Watching {
        let watching = self.watch();
        watching.next_is("started");
        watching.round();
        watching
    }

    fn postmaster(&self) -> Option<Pid> {
        let data = private_data(&self.0.path(".tablecast"));
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        Some(Pid::from_raw(text.lines().next()?.parse().ok()?))
    }

    /// Waits until no process of its server is left.
    #[track_caller]
    pub fn is_left_clean(&self) {
        let start = Instant::now();
        let data = private_data(&self.0.path(".tablecast"));
        while is_used(&data) {
            assert!(start.elapsed() < AT_LAST, "a PostgreSQL was left behind");
            // Nothing tells when a process of somebody else has ended.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

// The data folder of a server stands in the command lines of its processes.
fn is_used(data: &Path) -> bool {
    let output = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut servers = lines.lines().filter(|line| line.contains("postgres"));
    servers.any(|line| line.contains(data.to_str().unwrap()))
}

#[test]
fn a_private_server_that_is_killed_is_started_again() {
    let project = Private::new();
    let watching = project.begun();
    let postmaster = project.postmaster().unwrap();
    kill(postmaster, Signal::SIGKILL).unwrap();
    watching.next_is("failed");
    watching.next_is("recovered");
    watching.changed(&[]);
    assert_ne!(project.postmaster(), Some(postmaster));
    project.0.source("grips", &grips("Palms in"));
    watching.changed(&["grips ~1"]);
    assert_eq!(watching.end(Signal::SIGINT), Some(0));
    project.is_left_clean();
}

// In every phase: its server made, started, at work, stopped.
#[test]
fn a_run_that_is_ended_at_any_moment_leaves_no_server_and_the_next_one_works() {
    let project = Private::new();
    let log = project.0.path("run.log");
    let start = || {
        let mut command = publisher();
        command.arg("run").current_dir(project.0.path("."));
        let log = fs::File::create(&log).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        command.spawn().unwrap()
    };
    let said = || fs::read_to_string(&log).unwrap();
    for pause_ms in [20, 100, 300, 600, 1000, 1500, 2500] {
        let mut running = start();
        std::thread::sleep(Duration::from_millis(pause_ms));
        let pid = Pid::from_raw(running.id().try_into().unwrap());
        let _ = kill(pid, Signal::SIGTERM);
        let status = running.wait().unwrap().code();
        // It may have come to its end before, or not yet listened.
        assert!(
            matches!(status, Some(0 | 130) | None),
            "{pause_ms}: {status:?}\n{}",
            said()
        );
    }
    assert_eq!(start().wait().unwrap().code(), Some(0), "{}", said());
    project.is_left_clean();
}

#[test]
fn a_watch_that_is_ended_leaves_no_server() {
    let project = Private::new();
    let watching = project.begun();
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
    project.is_left_clean();
    assert_eq!(project.postmaster(), None);
    // In the middle of its start, too.
    let watching = project.watch();
    watching.next_is("started");
    assert_eq!(watching.end(Signal::SIGINT), Some(0));
    project.is_left_clean();
    assert_eq!(project.postmaster(), None);
}
