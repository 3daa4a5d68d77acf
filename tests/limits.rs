//! What readers do not take is not published, and what was published of that kind is told.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use snapshot_format::{MAX_NUMBER, MAX_OBJECT_SIZE};

use crate::support::{Project, tracked};

const TABLES: &str = "
    CREATE TABLE grips (id integer PRIMARY KEY, label text NOT NULL);
    CREATE TABLE motions (id integer PRIMARY KEY, label text NOT NULL);";

fn project(settings: &str) -> Project {
    let project = Project::new(&[TABLES, &tracked(&["grips", "motions"])]);
    project.file("tablecast.toml", settings);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
        .database
        .execute("INSERT INTO motions VALUES (1, 'Pull')");
    project
}

fn size_of(project: &Project, table: &str) -> u64 {
    project.manifest()["tables"][table]["size"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_table_that_no_client_takes_is_not_published() {
    let project = project("[tables.grips]\nbootstrap = false\n");
    // Each row has a mebibyte.
    project.database.execute(
        "INSERT INTO grips SELECT n, repeat('x', 1048576) FROM generate_series(1, 32) AS n",
    );
    let rows = (1..=32).map(|id| format!(r#"{{"id":{id},"label":""}}"#).len() + 1_048_576 + 2);
    let around = r#"{"schemaVersion":"1.0","table":"grips","rows":[]}"#.len();
    let size = around + rows.sum::<usize>();
    let finished = project.run(&["publish", "--quiet"]);
    finished.failed_with(&format!(
        "error: grips: the object would have {size} bytes, and readers take {MAX_OBJECT_SIZE}; split the table, or, \
         where every reader takes more, set max_object_bytes = {size} in tablecast.toml\n\
         error: 1 problem in the snapshot; nothing was published\n"
    ));
    assert!(!project.path("snapshots/version.json").exists());

    // As the message says; and whoever has not been told finds the fault.
    let setting = "[tables.grips]\nbootstrap = false\n";
    project.file(
        "tablecast.toml",
        format!("max_object_bytes = {size}\n{setting}"),
    );
    project.run(&["publish", "--quiet"]).succeeded();
    assert_eq!(size_of(&project, "grips"), size as u64);
    project.run(&["verify", "--quiet"]).succeeded();
    project.file("tablecast.toml", setting);
    let finished = project.run(&["verify", "--quiet"]);
    assert_eq!(finished.status, Some(1));
    let fault = format!("grips: the object has {size} bytes, and clients take {MAX_OBJECT_SIZE}");
    assert!(finished.stdout.contains(&fault), "{}", finished.stdout);

    // One row less, and everybody takes it.
    project.database.execute("DELETE FROM grips WHERE id = 32");
    project.run(&["publish", "--quiet"]).succeeded();
    project.run(&["verify", "--quiet"]).succeeded();
}

#[test]
fn a_bootstrap_that_no_client_takes_is_not_published() {
    let project = project("max_object_bytes = 200\n");
    project
        .database
        .execute("INSERT INTO grips VALUES (1, repeat('x', 60))");
    let finished = project.run(&["publish", "--quiet"]);
    assert_eq!(finished.status, Some(1));
    let (start, end) = (
        "error: the bootstrap object would have ",
        "and readers take 200; leave large tables out of it by bootstrap = false, or, where every reader takes more, \
         set max_object_bytes = ",
    );
    assert!(finished.stderr.starts_with(start), "{}", finished.stderr);
    assert!(finished.stderr.contains(end), "{}", finished.stderr);
    project.file(
        "tablecast.toml",
        "max_object_bytes = 200\n[tables.grips]\nbootstrap = false\n",
    );
    project.run(&["publish", "--quiet"]).succeeded();
}

#[test]
fn a_run_whose_table_no_client_takes_is_undone() {
    let project = project("max_object_bytes = 200\n[tables.motions]\nfrom_file = false\n");
    project.source("grips", r#"[{"id": 1, "label": "Small"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    let before = project.database.everything();
    project.source(
        "grips",
        &json!([{"id": 1, "label": "x".repeat(300)}]).to_string(),
    );
    let finished = project.run(&["run", "--quiet"]);
    let closing = "error: 2 problems in the snapshot; nothing was seeded or published\n";
    assert!(finished.stderr.ends_with(closing), "{}", finished.stderr);
    assert_eq!(project.database.everything(), before);
}

// A store with its last publication at that sequence.
fn at_sequence(sequence: u64) -> Project {
    let project = project("");
    project.run(&["publish", "--quiet"]).succeeded();
    let mut version = project.version();
    let epoch = version["epoch"].to_string();
    version["sequence"] = sequence.into();
    let page = format!("snapshots/versions/{epoch}-{sequence}.json");
    std::fs::remove_file(project.path(&format!("snapshots/versions/{epoch}-1.json"))).unwrap();
    for path in ["snapshots/version.json", &page] {
        project.file(path, version.to_string());
    }
    project
}

#[test]
fn no_sequence_is_written_that_a_reader_would_round() {
    let project = at_sequence(MAX_NUMBER - 1);
    project
        .database
        .execute("UPDATE motions SET label = 'Push'");
    project.run(&["publish", "--quiet"]).succeeded();
    assert_eq!(project.version()["sequence"], json!(MAX_NUMBER));
    // Nothing new is nothing to refuse.
    project.run(&["publish", "--quiet"]).succeeded();
    project
        .database
        .execute("UPDATE motions SET label = 'Press'");
    let last: Value = project.version();
    let target = (MAX_NUMBER - 1).to_string();
    for command in [
        &["publish", "--quiet"][..],
        &["rollback", "--quiet", "--to", &target],
    ] {
        project.run(command).failed_with(&format!(
            "error: version.json holds the sequence {MAX_NUMBER}, after which none can come\n  \
             hint: begin a new store in an empty folder, whose epoch is a later one\n"
        ));
        assert_eq!(project.version(), last);
    }
}

#[test]
fn a_sequence_or_an_epoch_that_a_reader_would_round_is_no_version() {
    for field in ["sequence", "epoch"] {
        let project = project("");
        project.run(&["publish", "--quiet"]).succeeded();
        let mut version = project.version();
        version[field] = (MAX_NUMBER + 2).into();
        project.file("snapshots/version.json", version.to_string());
        for command in [&["publish", "--quiet"][..], &["verify", "--quiet"]] {
            let finished = project.run(command);
            assert_eq!(finished.status, Some(1));
            let said = format!("{}{}", finished.stdout, finished.stderr);
            assert!(
                said.contains("the highest number that every reader keeps"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_number_of_the_database_that_a_reader_would_round_is_not_published() {
    let project = project("");
    let number = MAX_NUMBER + 1;
    project.database.execute(&format!(
        "UPDATE reference_metadata SET version_seq = {number} WHERE table_name = 'motions'"
    ));
    project.run(&["publish", "--quiet"]).failed_with(&format!(
        "error: motions: reference_metadata has the number {number}, and readers take {MAX_NUMBER}\n\
         error: 1 problem in the snapshot; nothing was published\n"
    ));
}
