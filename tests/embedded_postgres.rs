//! The embedded default: a private PostgreSQL that nobody has to install, start or stop.
//!
//! What ends a process for good cannot be tried on ourselves. Those scenarios run a second
//! publisher: this same test program, started again to run `another_publisher` alone.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use embedded_postgres::{Embedded, EmbeddedError};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

mod another;
mod at_once;
mod owners;
mod project;
mod wrong;

use another::*;
use project::*;

/// Longer than anything here takes on a busy machine.
const AT_LAST: Duration = Duration::from_secs(60);

// What it is

#[tokio::test]
async fn the_first_start_creates_a_server_and_the_next_one_finds_its_data() {
    let project = Project::new();

    let server = project.start().await;
    write_down(&server, "kept").await;
    server.stop().await.expect("it stops");
    project.is_left_clean();

    let server = project.start().await;
    assert_eq!(read_back(&server).await, ["kept"]);
    server.stop().await.expect("it stops");
    project.is_left_clean();
}

#[tokio::test]
async fn only_its_own_user_gets_to_it() {
    let project = Project::with_data();
    let server = project.start().await;
    let client = connect(&server).await;

    assert_eq!(setting(&client, "listen_addresses").await, "");
    let folder = project.socket_folder().expect("it runs");
    let metadata = fs::metadata(&folder).expect("the folder is there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    let data = fs::metadata(project.data()).expect("the data is there");
    assert_eq!(
        (data.permissions().mode() & 0o777, data.uid()),
        (0o700, metadata.uid())
    );
    if geteuid().is_root() {
        assert_ne!(data.uid(), 0, "PostgreSQL does not run as root");
    }
    server.stop().await.expect("it stops");
}

#[tokio::test]
async fn it_is_set_up_alike_on_every_machine() {
    let project = Project::with_data();
    let server = project.start().await;
    let client = connect(&server).await;

    let expected = [
        ("server_encoding", "UTF8"),
        ("lc_ctype", "C"),
        ("TimeZone", "UTC"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("autovacuum", "on"),
        ("wal_level", "minimal"),
        ("shared_buffers", "128MB"),
        ("max_connections", "50"),
        ("max_wal_size", "2GB"),
        ("jit", "off"),
    ];
    for (name, value) in expected {
        assert_eq!(setting(&client, name).await, value, "{name}");
    }
    let collation = "SELECT datcollate FROM pg_database WHERE datname = current_database()";
    assert_eq!(texts(&client, collation).await, ["C"]);
    server.stop().await.expect("it stops");
}

#[tokio::test]
async fn a_project_may_have_any_name() {
    let project = Project::named("Größen & \"Übungen\" $HOME's 表");
    let server = project.start().await;
    write_down(&server, "kept").await;
    server.stop().await.expect("it stops");
    project.keeps(&["kept"]).await;
}

#[test]
fn a_long_temporary_folder_does_not_matter() {
    let project = Project::with_data();
    let long = project.folder.path().join("t".repeat(90));
    fs::create_dir(&long).expect("a folder can be made");
    fs::set_permissions(&long, Permissions::from_mode(0o777)).expect("and opened");

    let mut publisher = project.publisher().env("TMPDIR", &long).starts();
    publisher.writes("kept");
    publisher.leaves();
    project.is_left_clean();
}

// However its user ends

#[test]
fn nothing_outlives_a_publisher_that_is_killed() {
    let project = Project::with_data();
    let mut publisher = project.publisher().starts();
    publisher.writes("kept");
    publisher.is_sent(Signal::SIGKILL);
    project.is_left_clean();
    project.starts_again_with(&["kept"]);
}

#[test]
fn nothing_outlives_a_ctrl_c() {
    let project = Project::with_data();
    let mut publisher = project.publisher().starts();
    publisher.writes("kept");
    // As a terminal does it: to the whole group.
    killpg(publisher.pid(), Signal::SIGINT).expect("the group is there");
    project.is_left_clean();
    project.starts_again_with(&["kept"]);
}

#[test]
fn nothing_outlives_a_panic() {
    let project = Project::with_data();
    let mut publisher = project.publisher().starts();
    publisher.writes("kept");
    publisher.says("panic");
    project.is_left_clean();
    project.starts_again_with(&["kept"]);
}

#[tokio::test]
async fn nothing_outlives_a_server_that_is_merely_dropped() {
    let project = Project::with_data();
    let server = project.start().await;
    drop(server);
    project.is_left_clean();
}

#[test]
fn a_start_may_be_killed_at_any_moment() {
    let project = Project::new();
    let began = Instant::now();
    let mut kills = 0;
    // Until one survives: from before initdb to after the first connection.
    for pause in (0..).map(|step| Duration::from_millis(10 << step)) {
        let mut publisher = project.publisher().begins();
        sleep(pause);
        if publisher.replies.try_recv().is_ok() {
            break;
        }
        publisher.is_sent(Signal::SIGKILL);
        kills += 1;
        assert!(
            began.elapsed() < AT_LAST * 3,
            "no start in {kills} attempts"
        );
    }
    assert!(kills > 0);
    project.is_left_clean();
    project.starts_again_with(&[]);
    assert_eq!(project.names_in_tablecast("postgres.new-"), BTreeSet::new());
}

// Whatever else is killed

#[test]
fn a_killed_watcher_is_replaced() {
    for victims in [Victims::Oldest, Victims::Youngest, Victims::All] {
        let project = Project::with_data();
        let mut publisher = project.publisher().starts();
        publisher.writes("kept");

        project.kills_watchers(victims);
        publisher.writes("kept too");
        publisher.is_sent(Signal::SIGKILL);
        project.is_left_clean();
        project.starts_again_with(&["kept", "kept too"]);
    }
}

#[test]
fn a_server_whose_watcher_was_killed_still_stops() {
    let project = Project::with_data();
    let mut publisher = project.publisher().starts();
    publisher.writes("kept");
    project.kills_watchers_for_good(Victims::All);
    publisher.leaves();
    project.is_left_clean();
    project.starts_again_with(&["kept"]);
}

#[test]
fn a_server_that_lost_everybody_is_adopted_by_the_next() {
    let project = Project::with_data();
    let mut publisher = project.publisher().starts();
    publisher.writes("kept");
    // First the one who would replace the other.
    publisher.is_stopped();
    project.kills_watchers_for_good(Victims::All);
    publisher.is_sent(Signal::SIGKILL);
    assert!(
        project.postmaster().is_some_and(is_alive),
        "it is an orphan now"
    );

    project.starts_again_with(&["kept"]);
    project.is_left_clean();
}

#[test]
fn a_killed_server_loses_nothing_and_is_started_again() {
    for with_its_watcher in [false, true] {
        let project = Project::with_data();
        let mut publisher = project.publisher().starts();
        publisher.writes("kept");
        if with_its_watcher {
            // The one that would have noticed.
            project.kills_watchers(Victims::Oldest);
        }
        kill(project.postmaster().expect("it runs"), Signal::SIGKILL).expect("it can be killed");

        // Even while the one who used it is still there.
        project.starts_again_with(&["kept"]);
        publisher.is_sent(Signal::SIGKILL);
        project.is_left_clean();
    }
}

#[test]
fn a_crash_within_the_server_ends_it_and_loses_nothing() {
    let project = Project::with_data();
    let mut publisher = project.publisher().starts();
    publisher.writes("kept");
    let postmaster = project.postmaster();
    let mut parts = project.processes().into_iter();
    let part =
        parts.find(|process| process.name.trim() == "postgres" && Some(process.pid) != postmaster);
    kill(part.expect("a server has several").pid, Signal::SIGKILL).expect("it can be killed");

    project.is_left_clean();
    project.starts_again_with(&["kept"]);
}

#[test]
fn a_restart_of_the_machine_loses_nothing() {
    let project = Project::with_data();
    let mut publisher = project.publisher().starts();
    publisher.writes("kept");
    let folder = project.socket_folder().expect("it runs");
    publisher.is_stopped();
    project.kills_everything();
    publisher.is_sent(Signal::SIGKILL);
    assert!(
        folder.exists() && project.postmaster().is_some(),
        "its files are still there"
    );

    // After a restart, the number may be that of any process: here a sleep.
    let mut stranger = project
        .as_server_user("sleep")
        .arg("60")
        .spawn()
        .expect("sleep runs");
    project.pretends_to_be_process(stranger.id());
    project.starts_again_with(&["kept"]);
    assert!(!folder.exists(), "what it left has been cleared away");
    assert!(
        stranger.try_wait().expect("it is ours").is_none(),
        "the stranger was left alone"
    );
    stranger
        .kill()
        .and_then(|()| stranger.wait())
        .expect("it ends");
}
