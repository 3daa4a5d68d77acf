//! `publisher watch`: a save is a round, and nothing ends it but Ctrl-C.

mod editors;
mod serving;
mod soak;
mod world;

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::watching::Watching;
use crate::support::{Project, tracked};

const TABLES: &str = "
    CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL,
                        is_active boolean NOT NULL DEFAULT true);
    CREATE TABLE stances (id int PRIMARY KEY, grip_id text REFERENCES grips (id),
                          is_active boolean NOT NULL DEFAULT true);";

const GRIPS: &str = "[\n {\"id\": \"NEUTRAL\", \"label\": \"Neutral\"},\n {\"id\": \"HOOK\", \"label\": \"Hook\"}\n]\n";

/// Two tables, small enough that a round is quick.
fn project() -> Project {
    let project = Project::new(&[TABLES, &tracked(&["grips", "stances"])]);
    project.source("grips", GRIPS);
    project.source("stances", r#"[{"id": 1, "grip_id": "HOOK"}]"#);
    project
}

fn grips(label: &str) -> String {
    GRIPS.replace("Neutral\"", &format!("{label}\""))
}

#[test]
fn a_save_is_a_round_and_a_new_version() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    assert_eq!(project.version()["sequence"], 1);
    project.source("grips", &grips("Palms in"));
    let round = watching.changed(&["grips ~1"]);
    assert_eq!(round["files"], json!(["grips.json"]));
    assert_eq!(round["version"], project.version());
    assert_eq!(project.published("grips")[1]["label"], "Palms in");
    for step in ["checkMs", "seedMs", "renderMs", "putMs", "swapMs"] {
        assert!(round["steps"][step].as_f64().unwrap() > 0.0, "{step}");
    }
    project.source("stances", "[]\n");
    watching.refused(&["the file holds no rows, which would deactivate the whole table; if that is meant, set allow_empty = true under [tables.stances] in tablecast.toml"]);
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
}

#[test]
fn from_its_first_line_a_watch_tells_what_the_store_serves() {
    let project = project();
    let start = || Watching::start(project.command(&["watch"]), project.path("watch.log"));
    project.source("grips", "[");
    let watching = start();
    let event = watching.next_is("started");
    assert_eq!(event["public"], json!(null));
    assert_eq!(watching.next_is("problems")["public"], json!(null));
    let log = watching.log();
    assert!(
        log.contains("snapshots: nothing is published yet\n"),
        "{log}"
    );
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));

    project.source("grips", GRIPS);
    project.run(&["run"]).succeeded();
    let version = format!("{}-1", project.version()["epoch"]);
    project.source("grips", "[");
    let watching = start();
    assert_eq!(watching.next_is("started")["public"], json!(version));
    assert_eq!(watching.next_is("problems")["public"], json!(version));
    let log = watching.log();
    assert!(
        log.contains(&format!("snapshots: version {version} is public\n")),
        "{log}"
    );
    assert!(
        log.contains(&format!("; version {version} stays\n")),
        "{log}"
    );
    assert!(!log.contains("nothing is published yet"), "{log}");

    // Somebody else publishes meanwhile.
    let publish = project.run(&["publish"]);
    publish.succeeded();
    project
        .database
        .execute("UPDATE grips SET label = 'x' WHERE id = 'HOOK'");
    project.run(&["publish"]).succeeded();
    project.source("grips", "[ ");
    let event = watching.next_is("problems");
    assert_eq!(
        event["public"],
        json!(format!("{}-2", project.version()["epoch"]))
    );
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
}

#[test]
fn what_is_not_kept_goes_while_nothing_is_edited() {
    let project = project();
    let label = |number: u32| grips(&format!("Neutral {number}"));
    for number in 1..=4 {
        project.source("grips", &label(number));
        project.run(&["run"]).succeeded();
    }
    let pages = || {
        let pages = fs::read_dir(project.path("snapshots/versions")).unwrap();
        pages.count()
    };
    // By default all of them are kept: they are young.
    let watching = Watching::begun(&project, &["--keep", "2"]);
    project.source("grips", &label(5));
    watching.changed(&["grips ~1"]);
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
    assert_eq!(pages(), 5);

    let watching = Watching::begun(&project, &["--keep", "2", "--min-age", "0s"]);
    let event = watching.next_is("pruned");
    assert_eq!(event["versions"], 3);
    assert_eq!(pages(), 2);
    let log = watching.log();
    let line = " pruned: 3 versions, 3 manifests, ";
    assert!(log.contains(line), "{log}");
    // The store is free for the next round.
    project.source("grips", &label(6));
    watching.changed(&["grips ~1"]);
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
    project.run(&["verify", "--all"]).succeeded();
}

// Files that are as they were are not read again, and yet every reference is judged.
#[test]
fn an_edit_is_judged_with_the_files_that_are_as_they_were() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let stance = |grip: &str| format!(r#"[{{"id": 1, "grip_id": "{grip}"}}]"#);
    for (grip, changed) in [("NEUTRAL", "stances ~1"), ("HOOK", "stances ~1")] {
        project.source("stances", &stance(grip));
        watching.changed(&[changed]);
    }
    project.source("stances", &stance("NONE"));
    watching.refused(&["no row \"NONE\" in grips"]);
    // A row of the file that did not change is wanted by the one that did.
    let other = GRIPS.replace("HOOK", "HOOKED");
    project.source("stances", &stance("HOOK"));
    watching.changed(&[]);
    project.source("grips", &other);
    let event = watching.refused(&["no row \"HOOK\" in grips"]);
    assert_eq!(event["problems"][0]["place"]["file"], "stances.json");
    project.source("stances", &stance("HOOKED"));
    watching.changed(&["grips +1 -1", "stances ~1"]);
    // An administrator's row is not in any file.
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
}

#[test]
fn an_edit_beside_a_large_file_that_it_refers_to_takes_the_time_of_the_edit() {
    let project = project();
    let rows: Vec<String> = (0..20_000)
        .map(|id| format!(r#"{{"id": "G{id}", "label": "{}"}}"#, "grip ".repeat(20)))
        .collect();
    project.source("grips", &format!("[\n{}\n]\n", rows.join(",\n")));
    project.source("stances", r#"[{"id": 1, "grip_id": "G7"}]"#);
    let watching = Watching::start(project.command(&["watch"]), project.path("watch.log"));
    watching.next_is("started");
    let cost = |round: &serde_json::Value| {
        let step = |name: &str| round["steps"][name].as_f64().unwrap();
        step("checkMs") + step("seedMs")
    };
    let all = cost(&watching.round());
    let edits = (8..13).map(|id| {
        let row = format!(r#"[{{"id": 1, "grip_id": "G{id}"}}]"#);
        project.source("stances", &row);
        cost(&watching.changed(&["stances ~1"]))
    });
    let edit = edits.fold(f64::INFINITY, f64::min);
    assert!(edit * 5.0 < all, "{edit} ms beside {all} ms for all files");
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
}

// Threads that come and go leave their memory behind.
#[cfg(target_os = "linux")]
#[test]
fn a_watch_needs_no_more_threads_however_often_it_publishes() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let threads = || {
        let status = fs::read_to_string(format!("/proc/{}/status", watching.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("Threads:"));
        let count = line.unwrap().trim_start_matches("Threads:").trim();
        count.parse::<usize>().unwrap()
    };
    let label = "long ".repeat(1000);
    for number in 0..30 {
        project.source("grips", &grips(&format!("{label}{number}")));
        watching.changed(&["grips ~1"]);
    }
    // Sixteen for files, one for each core that compresses, and what waits and watches.
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(threads() <= 16 + cores + 8, "{}", threads());
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_save_that_changes_no_row_publishes_nothing() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    project.source("grips", &GRIPS.replace('\n', "\n\n"));
    let round = watching.changed(&[]);
    assert_eq!(round["files"], json!(["grips.json"]));
    assert_eq!(project.version()["sequence"], 1);
    // Nor does a save of the same bytes: the next round is about the next edit.
    project.source("grips", &GRIPS.replace('\n', "\n\n"));
    project.source("stances", r#"[{"id": 1}]"#);
    let round = watching.round();
    assert_eq!(round["files"], json!(["stances.json"]));
}

#[test]
fn a_broken_edit_is_told_once_and_the_next_good_one_recovers() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let version = project.version();
    project.source(
        "grips",
        "[{\"id\": \"NEUTRAL\", \"label\": 7},\n {\"id\": 8}]",
    );
    let event = watching.next_is("problems");
    let found = event["problems"].as_array().unwrap();
    assert_eq!(found.len(), event["count"].as_u64().unwrap() as usize);
    assert!(found.len() > 2, "{event:#}");
    assert_eq!(found[0]["place"]["position"], json!([1, 29]));
    assert_eq!(project.version(), version);
    // What was told is not told again with the next save, of another file.
    project.source("stances", r#"[{"id": 1}]"#);
    watching.next_is("problems");
    project.source("grips", GRIPS);
    watching.changed(&["stances ~1"]);
    let log = watching.log();
    let told = log.matches("grips.json:1:29").count();
    assert_eq!(told, 1, "{log}");
    assert!(log.contains("as before"), "{log}");
}

#[test]
fn a_guard_that_refuses_is_told_and_watched_on() {
    let project = project();
    project.file("tablecast.toml", "[tables.grips]\nmin_rows = 2\n");
    let watching = Watching::begun(&project, &[]);
    project.source("stances", r#"[{"id": 1}]"#);
    watching.changed(&["stances ~1"]);
    project.source("grips", r#"[{"id": "NEUTRAL", "label": "Neutral"}]"#);
    let event = watching.next_is("problems");
    let error = event["error"].as_str().unwrap();
    assert!(error.contains("1 problem in the snapshot"), "{error}");
    assert_eq!(project.version()["sequence"], 2);
    project.source("grips", &grips("Palms in"));
    // The refused seed was undone, so nothing comes back.
    watching.changed(&["grips ~1"]);
    assert_eq!(project.version()["sequence"], 3);
}

#[test]
fn other_settings_are_in_force_with_the_next_round() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    project.file("tablecast.toml", "schema_version = \"1.1\"\n");
    let round = watching.round();
    assert_eq!(round["files"], json!(["tablecast.toml"]));
    assert_eq!(project.version()["schemaVersion"], "1.1");
    project.file("tablecast.toml", "schema_version = \"1.");
    let failed = watching.next_is("failed");
    let error = failed["error"].as_str().unwrap();
    assert!(
        error.starts_with("tablecast.toml is not a Tablecast configuration: "),
        "{error}"
    );
    assert_eq!(failed["retryInMs"], json!(null));
    project.file(
        "tablecast.toml",
        "out = \"elsewhere\"\nschema_version = \"1.2\"\n",
    );
    watching.next_is("recovered");
    watching.round();
    assert_eq!(project.version()["schemaVersion"], "1.2");
    assert!(!project.path("elsewhere").exists());
    let said = "warning: tablecast.toml: another out is in force after a restart of the watch";
    assert!(watching.log().contains(said), "{}", watching.log());
}

#[test]
fn a_new_migration_is_applied_with_the_next_round() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    project.file(
        "sql/migrations/V0003__m.sql",
        "ALTER TABLE grips ADD COLUMN icon text;",
    );
    let round = watching.round();
    assert_eq!(round["applied"], json!(["V0003__m.sql"]));
    assert_eq!(project.published("grips")[0]["icon"], json!(null));
    let version = project.version();

    let tracking = tracked(&["grips", "stances"]);
    project.file(
        "sql/migrations/V0002__m.sql",
        format!("{tracking}-- more\n"),
    );
    let failed = watching.next_is("failed");
    assert_eq!(
        failed["error"],
        "V0002__m.sql was edited after it had been applied"
    );
    assert_eq!(failed["public"], json!(format!("{}-2", version["epoch"])));
    assert_eq!(project.version(), version);
    project.file("sql/migrations/V0002__m.sql", tracking);
    watching.next_is("recovered");
    watching.changed(&[]);
}

#[test]
fn a_file_that_is_gone_is_a_problem_until_it_is_back() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let (file, away) = (project.path("json-source/grips.json"), project.path("away"));
    fs::rename(&file, &away).unwrap();
    watching.refused(&["the file is missing; if table grips is not kept in a file, set from_file = false under [tables.grips] in tablecast.toml"]);
    fs::rename(&away, &file).unwrap();
    watching.changed(&[]);
    project.source("grips", &grips("Palms in"));
    watching.changed(&["grips ~1"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_is_replaced_is_watched_on() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let (source, next) = (project.path("json-source"), project.path("next"));
    fs::create_dir(&next).unwrap();
    fs::copy(source.join("stances.json"), next.join("stances.json")).unwrap();
    fs::write(next.join("grips.json"), grips("Second")).unwrap();
    // By one system call, so that there is no moment without the folder.
    nix::fcntl::renameat2(
        nix::fcntl::AT_FDCWD,
        &next,
        nix::fcntl::AT_FDCWD,
        &source,
        nix::fcntl::RenameFlags::RENAME_EXCHANGE,
    )
    .unwrap();
    watching.changed(&["grips ~1"]);
    // The folder that is there now counts, and that of before does not.
    fs::write(next.join("grips.json"), grips("Nobody's")).unwrap();
    project.source("grips", &grips("Third"));
    watching.changed(&["grips ~1"]);
    assert_eq!(project.published("grips")[1]["label"], "Third");

    fs::remove_dir_all(&source).unwrap();
    watching.next_is("failed");
    fs::rename(&next, &source).unwrap();
    watching.next_is("recovered");
    watching.changed(&["grips ~1"]);
    assert_eq!(project.published("grips")[1]["label"], "Nobody's");
    project.source("grips", &grips("Fourth"));
    watching.changed(&["grips ~1"]);
}

/// The second of two folders may get the inode of the first.
#[test]
fn a_folder_that_is_replaced_again_and_again_is_watched_on() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    let (source, old) = (project.path("json-source"), project.path("old"));
    for number in 0..4 {
        for _ in 0..6 {
            fs::rename(&source, &old).unwrap();
            crate::support::copy_folder(&old, &source);
            fs::remove_dir_all(&old).unwrap();
        }
        // The first may be seen with the folder; the second is for who watches the new one.
        for edit in ["first", "second"] {
            let label = format!("Number {number}, {edit}");
            project.source("grips", &grips(&label));
            while project.published("grips")[1]["label"] != *label {
                watching.next();
            }
        }
    }
}

#[test]
fn of_two_hundred_saves_the_last_one_is_what_is_public() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    for number in 0..200 {
        let (file, text) = ("grips", grips(&format!("Number {number}")));
        match number % 2 {
            0 => drop(project.source(file, &text)),
            _ => editors::by_rename(&project.path("json-source/grips.json"), &text),
        }
    }
    let mut rounds = 0;
    while project.published("grips")[1]["label"] != "Number 199" {
        let event = watching.next();
        assert_eq!(event["event"], "round", "{event:#}");
        rounds += 1;
    }
    assert!(rounds < 200, "{rounds} rounds");
    // And the next edit counts, be it with a round of its own or with one that is running.
    project.source("stances", r#"[{"id": 1}]"#);
    while project.published("stances")[0]["grip_id"] != json!(null) {
        watching.next_is("round");
    }
}

#[test]
fn where_the_system_tells_nothing_the_files_are_looked_at() {
    let project = project();
    let watching = Watching::begun(&project, &["--poll", "50ms"]);
    // Same length and same time: only the contents tell.
    let path = project.path("json-source/grips.json");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    project.source("grips", &grips("NEUTRAL"));
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(time).unwrap();
    watching.changed(&["grips ~1"]);
    fs::remove_file(&path).unwrap();
    watching.next_is("problems");
    project.source("grips", &grips("Back"));
    watching.changed(&["grips ~1"]);
}
