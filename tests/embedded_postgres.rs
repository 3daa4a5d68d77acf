//! The embedded default: a private PostgreSQL that nobody has to install, start or stop.
//!
//! What ends a process for good cannot be tried on ourselves. Those stories run a second
//! publisher: this same test program, started again to run [`another_publisher`] alone.

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

// Several at once

#[tokio::test]
async fn a_second_publisher_joins_and_the_last_one_ends_it() {
    let project = Project::with_data();
    let ours = project.start().await;
    write_down(&ours, "ours").await;
    let postmaster = project.postmaster();

    let mut theirs = project.publisher().starts();
    theirs.writes("theirs");
    assert_eq!(project.postmaster(), postmaster, "there is one server");

    ours.stop().await.expect("leaving is no error");
    theirs.writes("theirs, alone");
    assert_eq!(project.postmaster(), postmaster, "and it is still the same");
    theirs.leaves();
    project.is_left_clean();
    project.keeps(&["ours", "theirs", "theirs, alone"]).await;
}

#[test]
fn a_joined_server_survives_the_death_of_its_starter() {
    let project = Project::with_data();
    let mut first = project.publisher().starts();
    let mut second = project.publisher().starts();
    let postmaster = project.postmaster();
    first.is_sent(Signal::SIGKILL);
    sleep(Duration::from_millis(300));
    second.writes("kept");
    assert_eq!(project.postmaster(), postmaster);

    second.is_sent(Signal::SIGKILL);
    project.is_left_clean();
    project.starts_again_with(&["kept"]);
}

#[test]
fn twenty_at_once_share_one_server() {
    let project = Project::new();
    let publishers: Vec<_> = (0..20).map(|_| project.publisher().begins()).collect();
    let mut servers = BTreeSet::new();
    let mut started = Vec::new();
    for mut publisher in publishers {
        publisher.waits_for("started");
        servers.extend(project.postmaster());
        started.push(publisher);
    }
    assert_eq!(servers.len(), 1);
    for (number, publisher) in started.iter_mut().enumerate() {
        publisher.writes(&number.to_string());
    }
    drop(started);
    project.is_left_clean();
    let numbers: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    project.starts_again_with(&numbers.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_comes_while_it_ends_gets_one_of_his_own() {
    let project = Project::with_data();
    for round in 0..5 {
        // Dropped, so that its end is still under way when the next one starts.
        let server = project.start().await;
        write_down(&server, &round.to_string()).await;
    }
    project.keeps(&["0", "1", "2", "3", "4"]).await;
    project.is_left_clean();
}

#[tokio::test]
async fn a_query_that_goes_on_does_not_keep_it_alive() {
    let project = Project::with_data();
    let server = project.start().await;
    let client = connect(&server).await;
    let query = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(600)").await });
    tokio::time::sleep(Duration::from_millis(200)).await;

    server.stop().await.expect("it stops");
    assert!(
        query.await.expect("the task lives").is_err(),
        "it was cut off"
    );
    project.is_left_clean();
}

// What can be wrong

#[tokio::test]
async fn a_file_in_the_place_of_a_folder_is_named() {
    let project = Project::new();
    fs::write(project.tablecast(), "not a folder").expect("a file can be written");
    let error = project.fails().await;
    assert_said(&error, "cannot use", "move what is at");

    let project = Project::new();
    fs::create_dir(project.tablecast()).expect("a folder can be made");
    fs::write(project.data(), "not a folder").expect("a file can be written");
    let error = project.fails().await;
    assert_said(&error, "is not a PostgreSQL data folder", "move ");
}

#[tokio::test]
async fn a_damaged_data_folder_is_named() {
    let project = Project::with_data();
    let version = project.data().join("PG_VERSION");

    fs::write(&version, "fif\u{0}teen").expect("it can be damaged");
    assert_said(
        &project.fails().await,
        "is not a PostgreSQL data folder",
        "move ",
    );
    fs::write(&version, b"\xff\xfe").expect("it can be damaged");
    assert_said(
        &project.fails().await,
        "is not a PostgreSQL data folder",
        "move ",
    );
    fs::remove_file(&version).expect("it can be damaged");
    assert_said(
        &project.fails().await,
        "is not a PostgreSQL data folder",
        "move ",
    );
}

#[tokio::test]
async fn data_of_another_major_version_is_left_alone() {
    let project = Project::with_data();
    fs::write(project.data().join("PG_VERSION"), "10\n").expect("it can be written");

    let error = project.fails().await;
    assert!(
        matches!(&error, EmbeddedError::OtherMajor { wanted: 10, found, .. } if !found.is_empty())
    );
    assert_said(
        &error,
        "needs PostgreSQL 10, found",
        "install PostgreSQL 10",
    );
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let project = Project::with_data();
    let settings = project.data().join("postgresql.conf");
    fs::write(&settings, "no_such_setting = on\n").expect("it can be written");

    let error = project.fails().await;
    assert_eq!(
        error.to_string(),
        format!(
            "failed to start the private PostgreSQL (log: {})",
            project.log().display()
        )
    );
    let cause = std::error::Error::source(&error)
        .expect("it has a cause")
        .to_string();
    assert!(cause.contains("no_such_setting"), "{cause}");
    project.is_left_clean();
}

#[tokio::test]
async fn a_server_started_by_hand_is_not_disturbed() {
    let project = Project::with_data();
    let elsewhere = project.folder_of_server_user("by-hand");
    let mut by_hand = project
        .as_server_user("postgres")
        .args(["-c", "listen_addresses=", "-D"])
        .arg(project.data())
        .arg("-k")
        .arg(&elsewhere)
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    eventually("it listens", || elsewhere.join(".s.PGSQL.5432").exists());

    let error = project.fails().await;
    assert_said(
        &error,
        "no publisher started it",
        &format!("kill {}", by_hand.id()),
    );
    assert!(
        by_hand.try_wait().expect("it is ours").is_none(),
        "it was left alone"
    );
    kill(Pid::from_raw(by_hand.id().cast_signed()), Signal::SIGINT).expect("it is there");
    by_hand.wait().expect("it ends");
}

#[test]
fn without_programs_it_says_how_to_get_them() {
    let project = Project::new();
    let empty = project.folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder can be made");
    let said = project.publisher().env("TABLECAST_PG_BIN", &empty).fails();
    assert!(
        said.starts_with("no usable initdb and postgres in TABLECAST_PG_BIN"),
        "{said}"
    );

    // Where they are installed for all, only a private view of the machine lacks them.
    if may_mount() {
        let hide = "mount -t tmpfs none /usr/lib/postgresql && PATH=/usr/bin:/bin";
        let said = project.publisher().after(hide).fails();
        assert!(
            said.starts_with("no PostgreSQL found on this machine"),
            "{said}"
        );
        assert!(said.contains("install"), "{said}");
    }
}

#[test]
fn a_full_disk_is_named() {
    if !may_mount() {
        return;
    }
    let project = Project::new();
    fs::create_dir(project.tablecast()).expect("a folder can be made");
    let full = format!(
        "mount -t tmpfs -o size=8m,mode=755 none '{}'",
        project.tablecast().display()
    );
    let said = project.publisher().after(&full).fails();
    assert!(
        said.starts_with("failed to create the data folder"),
        "{said}"
    );
    assert!(said.contains("No space left on device"), "{said}");
    assert!(
        said.ends_with("hint: free some space on that disk"),
        "{said}"
    );
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let project = Project::new();
    fs::set_permissions(project.path(), Permissions::from_mode(0o555)).expect("it is ours");
    let said = project.publisher().without_privileges().fails();
    fs::set_permissions(project.path(), Permissions::from_mode(0o755)).expect("it is ours");
    assert!(said.contains("cannot use"), "{said}");
    assert!(said.contains("let this user write to"), "{said}");
}

// Who runs it

#[test]
fn it_needs_no_privileges() {
    let project = Project::new();
    fs::set_permissions(project.path(), Permissions::from_mode(0o777)).expect("it is ours");
    let mut publisher = project.publisher().without_privileges().starts();
    publisher.writes("kept");
    publisher.is_sent(Signal::SIGKILL);
    project.is_left_clean();

    let mut publisher = project.publisher().without_privileges().starts();
    assert_eq!(publisher.reads(), "kept");
    publisher.leaves();
    // Root goes on with the user whose data it is, and leaves everything usable.
    project.starts_again_with(&["kept"]);
    let mut publisher = project.publisher().without_privileges().starts();
    publisher.leaves();
    project.is_left_clean();
}

#[tokio::test]
async fn the_data_of_another_user_is_left_alone() {
    if !geteuid().is_root() {
        return;
    }
    let project = Project::with_data();
    let said = project.publisher().without_privileges().fails();
    assert!(
        said.contains("belongs to user postgres, and the server would run as nobody"),
        "{said}"
    );

    let data = fs::metadata(project.data()).expect("the data is there");
    chown(project.data(), Some(0), Some(0)).expect("root may");
    let error = project.fails().await;
    assert_said(
        &error,
        "belongs to user root",
        "publisher database reset --yes",
    );
    assert_said(&error, "would run as postgres", "`chown -R postgres");
    chown(project.data(), Some(data.uid()), Some(data.gid())).expect("root may");
    project.keeps(&[]).await;
}

#[tokio::test]
async fn root_keeps_the_data_of_a_closed_project_elsewhere_and_says_so_once() {
    if !geteuid().is_root() {
        return;
    }
    let project = Project::new();
    fs::set_permissions(project.folder.path(), Permissions::from_mode(0o700)).expect("it is ours");

    let server = project.start().await;
    write_down(&server, "kept").await;
    let elsewhere = project.data();
    let _removed_at_the_end = Elsewhere(elsewhere.parent().expect("it has one").to_owned());
    assert!(
        elsewhere.starts_with("/var/lib/tablecast"),
        "{}",
        elsewhere.display()
    );
    assert_eq!(server.notes.len(), 1);
    assert!(
        server.notes[0].contains(&elsewhere.display().to_string()),
        "{}",
        server.notes[0]
    );
    server.stop().await.expect("it stops");

    let server = project.start().await;
    assert_eq!(read_back(&server).await, ["kept"]);
    assert_eq!(server.notes, Vec::<String>::new());
    server.stop().await.expect("it stops");
    project.is_left_clean();
}

// Links

#[tokio::test]
async fn no_link_in_its_folder_is_followed() {
    for (name, target) in [
        ("postgres", "../precious"),
        ("postgres", "nowhere"),
        ("postgres", "postgres"),
        ("postgres.lock", "../precious/file"),
        ("postgres.alive", "../precious/file"),
        ("postgres.log", "../precious/file"),
        ("postgres/base", "../../precious"),
        ("postgres/pg_wal/1", "../../../precious/file"),
        ("postgres/PG_VERSION", "../../precious/file"),
    ] {
        let project = Project::with_data();
        let precious = project.path().join("precious");
        fs::create_dir(&precious).expect("made");
        fs::write(precious.join("file"), "content").expect("written");
        let place = project.tablecast().join(name);
        let moved = project.path().join("moved");
        let _ = fs::rename(&place, moved);
        std::os::unix::fs::symlink(target, &place).expect("a link");

        let error = Embedded::start(&project.tablecast()).await;
        let error = error.expect_err("it is refused");
        let cause = std::error::Error::source(&error)
            .expect("it says why")
            .to_string();
        let said = format!("/.tablecast/{name} is a symbolic link to {target}, and no link");
        assert!(cause.contains(&said), "{error}: {cause}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.starts_with("remove it; "))
        );
        let content = fs::read_to_string(precious.join("file")).expect("it is there");
        assert_eq!(content, "content", "{name}");
        assert_eq!(fs::read_dir(precious).expect("a folder").count(), 1);
    }
}

#[tokio::test]
async fn what_another_program_wrote_is_not_written_over() {
    let project = Project::with_data();
    let state = project.tablecast();
    fs::write(state.join("postgres.alive"), "a list of things").expect("written");
    let error = Embedded::start(&state).await.expect_err("it is refused");
    assert!(error.to_string().ends_with("/postgres.alive"), "{error}");
    let content = fs::read_to_string(state.join("postgres.alive")).expect("it is there");
    assert_eq!(content, "a list of things");

    fs::remove_file(state.join("postgres.alive")).expect("it is there");
    let _ = fs::remove_file(state.join("postgres.log"));
    let precious = project.path().join("precious");
    fs::write(&precious, "content").expect("written");
    fs::hard_link(&precious, state.join("postgres.log")).expect("linked");
    let error = Embedded::start(&state).await.expect_err("it is refused");
    assert!(error.to_string().ends_with("/postgres.log"), "{error}");
    assert_eq!(
        fs::read_to_string(precious).expect("it is there"),
        "content"
    );
}

// The other publisher

/// Not a test of its own: the program that the stories above start, stop and kill. It
/// does what it reads, one word a line, and ends with its input.
#[test]
#[ignore = "run by the stories, in a process of its own"]
fn another_publisher() {
    let Some(root) = env::var_os("ANOTHER_PUBLISHER") else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        match Embedded::start(Path::new(&root)).await {
            Ok(server) => obey(server).await,
            Err(error) => reply(&format!("failed {}", one_line(&error))),
        }
    });
}

async fn obey(server: Embedded) {
    reply("started");
    let mut lines = BufReader::new(std::io::stdin()).lines();
    while let Some(Ok(line)) = lines.next() {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("write", text) => write_down(&server, text).await,
            ("read", _) => {
                reply(&read_back(&server).await.join("|"));
                continue;
            }
            ("panic", _) => panic!("as told"),
            (other, _) => panic!("not understood: {other}"),
        }
        reply("done");
    }
    server.stop().await.expect("it stops");
    reply("left");
}

/// Marked, because the test harness writes to the same place.
fn reply(text: &str) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\n> {text}")
        .and_then(|()| stdout.flush())
        .expect("somebody listens");
}

fn one_line(error: &EmbeddedError) -> String {
    let mut said = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        said += &format!(" caused by: {cause}");
    }
    if let Some(hint) = error.hint() {
        said += &format!(" hint: {hint}");
    }
    said.replace('\n', " ")
}

/// How another publisher is to be started.
struct Start {
    command: Command,
    before: Option<String>,
}

impl Start {
    fn env(mut self, name: &str, value: &Path) -> Self {
        self.command.env(name, value);
        self
    }

    fn without_privileges(mut self) -> Self {
        if let Some(nobody) = User::from_name("nobody")
            .ok()
            .flatten()
            .filter(|_| geteuid().is_root())
        {
            self.command
                .uid(nobody.uid.as_raw())
                .gid(nobody.gid.as_raw());
        }
        self
    }

    /// Runs shell commands first, in a view of the file system that nobody else sees.
    fn after(mut self, commands: &str) -> Self {
        self.before = Some(commands.to_owned());
        self
    }

    fn begins(self) -> Publisher {
        let mut command = match self.before {
            None => self.command,
            Some(before) => in_a_private_view(&self.command, &before),
        };
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the test program runs");
        let stdin = child.stdin.take();
        let replies = replies_of(child.stdout.take().expect("it is piped"));
        Publisher {
            child,
            stdin,
            replies,
        }
    }

    #[track_caller]
    fn starts(self) -> Publisher {
        let mut publisher = self.begins();
        publisher.waits_for("started");
        publisher
    }

    #[track_caller]
    fn fails(self) -> String {
        let reply = self.begins().reply();
        reply
            .strip_prefix("failed ")
            .unwrap_or_else(|| panic!("it {reply}"))
            .to_owned()
    }
}

fn in_a_private_view(command: &Command, before: &str) -> Command {
    let mut view = Command::new("unshare");
    view.args([
        "--mount",
        "/bin/sh",
        "-c",
        &format!("{before} && exec \"$@\""),
        "sh",
    ]);
    view.arg(command.get_program()).args(command.get_args());
    view.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    view
}

fn may_mount() -> bool {
    let view = ["--mount", "/bin/sh", "-c", "mount -t tmpfs none /mnt"];
    let may = geteuid().is_root()
        && Command::new("unshare")
            .args(view)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !may {
        eprintln!("not tried: this user may not mount");
    }
    may
}

/// Another publisher, in a process of its own. Killed when dropped.
struct Publisher {
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<String>,
}

impl Publisher {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn says(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it still listens");
        writeln!(stdin, "{line}").expect("it still listens");
    }

    fn reply(&mut self) -> String {
        self.replies
            .recv_timeout(AT_LAST)
            .unwrap_or_else(|error| error.to_string())
    }

    #[track_caller]
    fn waits_for(&mut self, expected: &str) {
        assert_eq!(self.reply(), expected);
    }

    #[track_caller]
    fn writes(&mut self, text: &str) {
        self.says(&format!("write {text}"));
        self.waits_for("done");
    }

    fn reads(&mut self) -> String {
        self.says("read");
        self.reply()
    }

    #[track_caller]
    fn leaves(&mut self) {
        self.stdin = None;
        self.waits_for("left");
        assert!(self.child.wait().expect("it is ours").success());
    }

    fn is_stopped(&self) {
        kill(self.pid(), Signal::SIGSTOP).expect("it is there");
    }

    fn is_sent(&mut self, signal: Signal) {
        kill(self.pid(), signal).expect("it is there");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what [`reply`] wrote, and nothing of what the test harness does.
fn replies_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(reply) = line.strip_prefix("> ") {
                let _ = sender.send(reply.to_owned());
            }
        }
    });
    receiver
}

// The project, and what goes on around it

/// A project folder of one test's own.
struct Project {
    folder: TempDir,
    name: String,
}

/// Copies a data folder, which takes a moment where making one takes seconds.
///
/// The first test of a run makes it for all, which may be threads or processes.
fn copy_data(to: &Path) {
    let of_this_user = format!("embedded-data-{}", geteuid());
    let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(of_this_user);
    let run = env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    let made_by = template.with_extension("run");

    let turn = File::create(template.with_extension("lock")).expect("the target can be written");
    turn.lock().expect("it can be locked");
    if fs::read_to_string(&made_by).ok() != Some(run.clone()) {
        let _ = fs::remove_dir_all(&template);
        let project = Project::new();
        project.starts_again_with(&[]);
        copy(&project.data(), &template);
        fs::write(&made_by, run).expect("the target can be written");
    }
    copy(&template, to);
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "the data can be copied"
    );
}

/// Which processes of a watcher are killed.
#[derive(Clone, Copy)]
enum Victims {
    Oldest,
    Youngest,
    All,
}

impl Project {
    /// One in which nothing has ever been started.
    fn new() -> Self {
        Self::named("project")
    }

    fn named(name: &str) -> Self {
        let folder = TempDir::with_prefix("embedded-test-").expect("a folder can be made");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let project = Self {
            folder,
            name: name.to_owned(),
        };
        fs::create_dir(project.path()).expect("a folder can be made");
        project
    }

    /// One in which a server has been before.
    fn with_data() -> Self {
        let project = Self::new();
        fs::create_dir(project.tablecast()).expect("a folder can be made");
        copy_data(&project.data());
        project
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    fn tablecast(&self) -> PathBuf {
        self.path().join(".tablecast")
    }

    fn data(&self) -> PathBuf {
        let own = self.tablecast();
        match fs::read_to_string(own.join("postgres.place")) {
            Ok(folder) => Path::new(folder.trim_end()).join("postgres"),
            Err(_) => own.join("postgres"),
        }
    }

    fn log(&self) -> PathBuf {
        self.tablecast().join("postgres.log")
    }

    async fn start(&self) -> Embedded {
        let started = Embedded::start(&self.tablecast()).await;
        started.unwrap_or_else(|error| panic!("{}", one_line(&error)))
    }

    async fn fails(&self) -> EmbeddedError {
        Embedded::start(&self.tablecast())
            .await
            .expect_err("it cannot start")
    }

    async fn keeps(&self, expected: &[&str]) {
        let server = self.start().await;
        assert_eq!(read_back(&server).await, expected);
        server.stop().await.expect("it stops");
    }

    #[track_caller]
    fn starts_again_with(&self, expected: &[&str]) {
        let mut publisher = self.publisher().starts();
        let expected: BTreeSet<_> = expected.iter().copied().collect();
        let found = publisher.reads();
        assert_eq!(
            found.split_terminator('|').collect::<BTreeSet<_>>(),
            expected
        );
        publisher.leaves();
    }

    fn publisher(&self) -> Start {
        let ourselves = env::current_exe().expect("we run");
        // Our own module, without the name of the crate that it was compiled into.
        let module = module_path!()
            .split_once("::")
            .map(|(_, rest)| format!("{rest}::"))
            .unwrap_or_default();
        let mut command = Command::new(ourselves);
        command.args([
            &format!("{module}another_publisher"),
            "--exact",
            "--ignored",
            "--nocapture",
        ]);
        command.env("ANOTHER_PUBLISHER", self.tablecast());
        Start {
            command,
            before: None,
        }
    }

    /// A program run as the user that runs the server.
    fn as_server_user(&self, program: &str) -> Command {
        let owner = fs::metadata(self.data()).expect("the data is there");
        let mut command = Command::new(program);
        command.uid(owner.uid()).gid(owner.gid()).current_dir("/");
        command
    }

    fn folder_of_server_user(&self, name: &str) -> PathBuf {
        let owner = fs::metadata(self.data()).expect("the data is there");
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).expect("a folder can be made");
        chown(&folder, Some(owner.uid()), Some(owner.gid())).expect("it can be given away");
        folder
    }

    fn postmaster(&self) -> Option<Pid> {
        let number = self.postmaster_line(0)?.parse().ok()?;
        Some(Pid::from_raw(number))
    }

    fn socket_folder(&self) -> Option<PathBuf> {
        self.postmaster_line(4)
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from)
    }

    fn postmaster_line(&self, number: usize) -> Option<String> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        Some(text.lines().nth(number)?.to_owned())
    }

    fn pretends_to_be_process(&self, pid: u32) {
        let file = self.data().join("postmaster.pid");
        let text = fs::read_to_string(&file).expect("it is there");
        let (_, rest) = text.split_once('\n').expect("it has lines");
        fs::write(file, format!("{pid}\n{rest}")).expect("it can be written");
    }

    fn names_in_tablecast(&self, prefix: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.tablecast())
            .expect("it is there")
            .flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with(prefix))
            .collect()
    }

    /// Kills some of the watcher, and returns when the server is safe again.
    fn kills_watchers(&self, victims: Victims) {
        let watchers = self.kills_watchers_for_good(victims);
        if !matches!(victims, Victims::Oldest) {
            eventually("another watcher is there", || {
                !self.watchers().is_subset(&watchers)
            });
        }
    }

    /// Kills some of the watcher, and tells who all of it was.
    fn kills_watchers_for_good(&self, victims: Victims) -> BTreeSet<Pid> {
        let watchers = self.watchers();
        assert_eq!(
            watchers.len(),
            2,
            "one waits for the server, one for the publishers"
        );
        let chosen = match victims {
            Victims::Oldest => watchers.first(),
            Victims::Youngest => watchers.last(),
            Victims::All => None,
        };
        for pid in chosen.map_or_else(|| watchers.clone(), |pid| BTreeSet::from([*pid])) {
            kill(pid, Signal::SIGKILL).expect("it can be killed");
        }
        watchers
    }

    fn watchers(&self) -> BTreeSet<Pid> {
        let folder = self.socket_folder().expect("it runs");
        let mark = format!("tablecast-watcher\0{}\0", folder.display());
        processes()
            .into_iter()
            .filter(|process| process.command.contains(&mark))
            .map(|process| process.pid)
            .collect()
    }

    fn kills_everything(&self) {
        for process in self.processes() {
            let _ = kill(process.pid, Signal::SIGKILL);
        }
        eventually("all are gone", || self.processes().is_empty());
    }

    /// Whatever serves this project: the watchers, and all that stand in its data folder.
    fn processes(&self) -> Vec<Process> {
        let data = self.data().canonicalize().unwrap_or_else(|_| self.data());
        let folder = self
            .socket_folder()
            .map(|folder| format!("\0{}\0", folder.display()));
        let belongs = |process: &Process| {
            process.folder == data
                || process.command.contains(&*data.to_string_lossy())
                || folder
                    .as_ref()
                    .is_some_and(|folder| process.command.contains(folder))
        };
        processes().into_iter().filter(belongs).collect()
    }

    /// Nothing runs, and nothing lies about in the temporary folder.
    #[track_caller]
    fn is_left_clean(&self) {
        let begun = Instant::now();
        let folder = self.socket_folder();
        while begun.elapsed() < AT_LAST {
            let gone = folder.as_ref().is_none_or(|folder| !folder.exists());
            if gone && self.processes().is_empty() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        let names: Vec<_> = self
            .processes()
            .into_iter()
            .map(|process| process.name)
            .collect();
        panic!("left behind: {folder:?} {names:?}");
    }
}

/// A process of this machine.
struct Process {
    pid: Pid,
    name: String,
    /// Its arguments, each ended by a zero byte.
    command: String,
    /// Where it stands.
    folder: PathBuf,
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc")
        .expect("these stories are for Linux")
        .flatten();
    let process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        Some(Process {
            pid: Pid::from_raw(pid),
            name,
            command,
            folder,
        })
    };
    entries.filter_map(process).collect()
}

fn is_alive(pid: Pid) -> bool {
    kill(pid, None).is_ok()
}

#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < AT_LAST, "not in {AT_LAST:?}: {what}");
        sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn assert_said(error: &EmbeddedError, message: &str, hint: &str) {
    assert!(error.to_string().contains(message), "{error}");
    let given = error.hint().unwrap_or_default();
    assert!(given.contains(hint), "{given}");
}

/// Data kept outside of the test's folder.
struct Elsewhere(PathBuf);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        // Other projects may have theirs there: then it stays.
        let _ = fs::remove_dir("/var/lib/tablecast");
    }
}

// A word with the database

async fn connect(server: &Embedded) -> Client {
    let (client, connection) = server
        .config("postgres")
        .connect(NoTls)
        .await
        .expect("it accepts connections");
    tokio::spawn(connection);
    client
}

async fn write_down(server: &Embedded, text: &str) {
    let client = connect(server).await;
    client
        .batch_execute("CREATE TABLE IF NOT EXISTS kept (number serial, line text)")
        .await
        .expect("a table can be made");
    client
        .execute("INSERT INTO kept (line) VALUES ($1)", &[&text])
        .await
        .expect("a row can be written");
}

async fn read_back(server: &Embedded) -> Vec<String> {
    let client = connect(server).await;
    if texts(
        &client,
        "SELECT to_regclass('kept')::text WHERE to_regclass('kept') IS NOT NULL",
    )
    .await
    .is_empty()
    {
        return Vec::new();
    }
    texts(&client, "SELECT line FROM kept ORDER BY number").await
}

async fn setting(client: &Client, name: &str) -> String {
    texts(client, &format!("SELECT current_setting('{name}')"))
        .await
        .remove(0)
}

async fn texts(client: &Client, query: &str) -> Vec<String> {
    let rows = client.query(query, &[]).await.expect("the query runs");
    rows.iter().map(|row| row.get(0)).collect()
}
