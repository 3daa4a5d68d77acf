//! `publisher bundle` writes what was published, and a client reads it so.

use std::fs;
use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;
use snapshot_client::{Bundled, LocalProvider, ReadOptions, ReferenceDataProvider};

use crate::support::{Project, tracked};

/// Every kind of value, and keys whose order in SQLite is another than in PostgreSQL.
const TABLES: &str = r#"
    CREATE TYPE side AS ENUM ('right', 'left');
    CREATE DOMAIN rank AS integer;
    CREATE DOMAIN agreed AS boolean;
    CREATE DOMAIN anything AS jsonb;
    CREATE TABLE of_all_kinds (
        "number" integer PRIMARY KEY,
        agreed agreed,
        amount numeric(12, 3),
        anything anything,
        "bits" bytea,
        chosen boolean NOT NULL,
        double double precision,
        large bigint,
        made_at timestamptz,
        rank rank,
        rowid text,
        side side,
        small smallint,
        tags text[],
        texts jsonb,
        word text
    );
    CREATE TABLE moments (at timestamptz PRIMARY KEY);
    CREATE TABLE pairs (b text, a integer, sort_order integer, PRIMARY KEY (b, a));
    CREATE TABLE none_at_all (id text PRIMARY KEY);"#;

fn project() -> Project {
    let tables = ["of_all_kinds", "moments", "pairs", "none_at_all"];
    let project = Project::new(&[TABLES, &tracked(&tables)]);
    project.file(
        "tablecast.toml",
        "[tables.noneAtAll]\nallow_empty = true\n[tables.ofAllKinds]\nas_text = [\"large\"]\n",
    );
    project.source(
        "ofAllKinds",
        r#"[{"number": 10, "agreed": true, "amount": 12.340, "anything": "a \"word\"", "bits": "AP8=", "chosen": true,
             "double": 1e21, "large": "9223372036854775807", "made_at": "2026-02-24T13:12:04Z", "rank": 7,
             "rowid": "of its own", "side": "right", "small": -3, "tags": ["a", null, "b"],
             "texts": {"b": [1, 2.5], "a": {"é": "😀"}}, "word": "00123"},
            {"number": 9, "agreed": false, "amount": 3, "anything": [1], "chosen": false, "double": 0.1, "texts": 100000,
             "word": ""},
            {"number": -1, "chosen": false, "double": 5e-324, "texts": "1e5", "tags": [], "word": "quote \" and ' and \\"}]"#,
    );
    project.source(
        "moments",
        r#"[{"at": "2026-02-24T13:12:04.5Z"}, {"at": "2026-02-24T13:12:04Z"}, {"at": "2026-02-24T13:12:05Z"}]"#,
    );
    project.source(
        "pairs",
        r#"[{"b": "x", "a": 10}, {"b": "x", "a": 9}, {"b": "Z", "a": 1, "sort_order": 2}]"#,
    );
    project.source("noneAtAll", "[]");
    project.run(&["run"]).succeeded();
    project
}

/// Every table object that a client makes of it, by table key.
fn objects(bundled: &Bundled) -> Vec<(String, String)> {
    let provider = LocalProvider::new(bundled);
    let snapshot = provider.bootstrap(ReadOptions::confirmed()).unwrap();
    let object = |key: &str| {
        let object = snapshot.table(key).unwrap().object().to_vec();
        (key.to_owned(), String::from_utf8(object).unwrap())
    };
    snapshot.table_keys().map(object).collect()
}

#[track_caller]
fn is_what_was_published(project: &Project, tables: usize) {
    let path = project.path("app.db");
    project
        .run(&["bundle", "--sqlite", path.to_str().unwrap()])
        .succeeded();
    let published = objects(&Bundled::from_folder(&project.path("snapshots")).unwrap());
    assert_eq!(published.len(), tables);
    assert_eq!(objects(&Bundled::from_sqlite(&path).unwrap()), published);
}

fn bundle(project: &Project, file: &str) -> Vec<u8> {
    let path = project.path(file);
    project
        .run(&["bundle", "--sqlite", path.to_str().unwrap()])
        .succeeded();
    fs::read(path).unwrap()
}

#[test]
fn a_bundle_holds_every_kind_of_value_in_the_order_that_was_published() {
    is_what_was_published(&project(), 4);
}

#[test]
fn a_bundle_of_the_exercise_app_holds_its_23_tables() {
    let project = Project::exercise_app();
    project.run(&["run"]).succeeded();
    is_what_was_published(&project, 23);
}

#[test]
fn one_state_of_the_data_gives_the_same_bytes() {
    let project = project();
    let first = bundle(&project, "first.db");
    // The same, from a copy of the store elsewhere.
    let (from, to) = (project.path("snapshots"), project.path("copy"));
    let copying = Command::new("cp")
        .arg("-r")
        .args([from, to])
        .status()
        .unwrap();
    assert!(copying.success());
    let copied = project.path("copied.db");
    let (copied, copy) = (copied.to_str().unwrap(), project.path("copy"));
    project
        .run(&[
            "bundle",
            "--sqlite",
            copied,
            "--out",
            copy.to_str().unwrap(),
        ])
        .succeeded();
    assert!(fs::read(copied).unwrap() == first);
    // Another state, and by a rollback the first one again, under another number.
    project.source("moments", r#"[{"at": "2026-02-24T13:12:04Z"}]"#);
    project
        .run(&["run", "--allow-deactivation", "moments=2"])
        .succeeded();
    project.source(
        "pairs",
        r#"[{"b": "x", "a": 10}, {"b": "x", "a": 9}, {"b": "Z", "a": 1, "sort_order": 3}]"#,
    );
    project.run(&["run"]).succeeded();
    assert!(bundle(&project, "second.db") != first);
    project.run(&["rollback", "--to", "1"]).succeeded();
    assert!(bundle(&project, "third.db") == first);
}

#[test]
fn a_bundle_that_is_there_already_is_not_written_again() {
    let project = project();
    let path = project.path("app.db");
    let bundle = ["bundle", "--sqlite", path.to_str().unwrap()];
    assert_eq!(project.json(&bundle)[0]["unchanged"], false);
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(project.json(&bundle)[0]["unchanged"], true);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    // Nothing is left beside it.
    assert_eq!(beside(&path), ["app.db"]);
}

#[test]
fn a_file_that_is_no_bundle_is_never_replaced() {
    let project = project();
    let folder = project.path("apps");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("workout.db");
    for content in ["", "users' workouts", &"x".repeat(4096)] {
        fs::write(&path, content).unwrap();
        let finished = project.run(&["bundle", "--sqlite", path.to_str().unwrap()]);
        finished.failed_with(&format!(
            "error: failed to write {}\n  caused by: `publisher bundle` has not written what is there; name another file, or remove it\n",
            path.display()
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(beside(&path), ["workout.db"]);
    }
    let finished = project.run(&["bundle", "--sqlite", folder.to_str().unwrap()]);
    assert!(
        finished.stderr.contains("has not written what is there"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_folder_has_four_files_of_one_version() {
    let project = project();
    let folder = project.path("app/reference");
    let bundle = ["bundle", folder.to_str().unwrap()];
    project.run(&bundle).succeeded();
    let file = |name: &str| fs::read(folder.join(name)).unwrap();
    let stored = |path: String| fs::read(project.path("snapshots").join(path)).unwrap();
    assert_eq!(file("version.json"), stored("version.json".to_owned()));
    let version = project.version();
    let hash = |of: &str| version[of]["hash"].as_str().unwrap().to_owned();
    assert_eq!(
        file("manifest.json"),
        stored(format!("manifests/{}.json", hash("manifest")))
    );
    assert_eq!(
        file("bootstrap.json"),
        stored(format!("bootstrap/{}.json", hash("bootstrap")))
    );
    // The types are those of the database, but for the labels of enumerations, and what domains are made of.
    let types = String::from_utf8(file("reference.ts")).unwrap();
    let (_, shape) = types.split_once("SCHEMA_FINGERPRINTS").unwrap();
    let of_the_database = project.run(&["types"]).stdout;
    assert_eq!(
        shape,
        of_the_database.split_once("SCHEMA_FINGERPRINTS").unwrap().1
    );
    assert!(
        types.contains("readonly tags: readonly (string | null)[] | null;"),
        "{types}"
    );
    assert!(types.contains("readonly side: Json;"), "{types}");
    assert_eq!(project.json(&bundle)[0]["unchanged"], true);
    // The Rust client takes them, and finds rows by keys that are not called `id`.
    let [version, manifest, bootstrap] =
        ["version.json", "manifest.json", "bootstrap.json"].map(file);
    let bundled = Bundled::from_files(&version, &manifest, &bootstrap).unwrap();
    let published = Bundled::from_folder(&project.path("snapshots")).unwrap();
    assert_eq!(objects(&bundled), objects(&published));
    let of = |bundled: &Bundled| {
        let provider = LocalProvider::new(bundled);
        let pairs = provider.snapshot().unwrap().table("pairs").unwrap();
        pairs.row("x,10").unwrap().map(|row| row["a"].clone())
    };
    assert_eq!(of(&bundled), Some(10.into()));
    let path = project.path("app.db");
    project
        .run(&["bundle", "--sqlite", path.to_str().unwrap()])
        .succeeded();
    assert_eq!(of(&Bundled::from_sqlite(&path).unwrap()), Some(10.into()));
    // What does not belong together is refused.
    project.source("pairs", r#"[{"b": "x", "a": 10}, {"b": "Z", "a": 1}]"#);
    project.run(&["run"]).succeeded();
    let newer = fs::read(project.path("snapshots/version.json")).unwrap();
    let error = Bundled::from_files(&newer, &manifest, &bootstrap).unwrap_err();
    assert!(
        error.to_string().contains("bundled version.json names"),
        "{error}"
    );
    let manifest = [manifest, b" ".to_vec()].concat();
    let error = Bundled::from_files(&version, &manifest, &bootstrap).unwrap_err();
    assert!(
        error.to_string().contains("manifest is not the one"),
        "{error}"
    );
}

#[test]
fn a_damaged_snapshot_leaves_no_bundle() {
    let project = project();
    let tables = project.path("snapshots/tables/pairs");
    let object = fs::read_dir(tables)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = fs::read_to_string(&object)
        .unwrap()
        .replace("\"Z\"", "\"Y\"");
    fs::remove_file(&object).unwrap();
    fs::write(&object, text).unwrap();
    let path = project.path("app.db");
    let finished = project.run(&["bundle", "--sqlite", path.to_str().unwrap()]);
    assert!(
        finished.stderr.contains("is damaged"),
        "{}",
        finished.stderr
    );
    assert!(!path.exists());
    for file in fs::read_dir(project.path("snapshots/bootstrap")).unwrap() {
        let file = file.unwrap().path();
        fs::remove_file(&file).unwrap();
        fs::write(&file, "{}").unwrap();
    }
    let folder = project.path("app");
    let finished = project.run(&["bundle", folder.to_str().unwrap()]);
    assert!(
        finished.stderr.contains("is damaged"),
        "{}",
        finished.stderr
    );
    assert!(!folder.exists());
    let left: Vec<_> = beside(&path)
        .into_iter()
        .filter(|name| name.contains("bundle"))
        .collect();
    assert_eq!(left, [""; 0]);
}

/// The databases, and what a bundle that was not ended would leave, in the same folder.
fn beside(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| name.ends_with(".db") || name.starts_with(".tablecast-bundle"))
        .collect();
    names.sort();
    names
}
