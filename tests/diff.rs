//! Comparing two versions.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::fixtures::{config_of, fixtures, folder_of, project_without_files, run};
use crate::support::{Finished, Project, repository, tracked};

const PLACES: &str = "CREATE TABLE places (
    id         integer PRIMARY KEY,
    label      text NOT NULL,
    rules      jsonb NOT NULL DEFAULT '{}',
    sort_order integer NOT NULL
);";

// Two versions: rows changed, added, removed and put into another order.
fn places() -> Project {
    let project = Project::new(&[PLACES, &tracked(&["places"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.database.execute(
        "INSERT INTO places SELECT i, 'place ' || i, '{\"a\": {\"b\": 1}, \"c\": 1}', i FROM generate_series(1, 12) AS i",
    );
    project.run(&["publish", "--quiet"]).succeeded();
    project.database.execute(
        "UPDATE places SET label = 'Oslo' WHERE id = 9;
         UPDATE places SET rules = '{\"a\": {\"b\": 2}, \"d\": []}' WHERE id = 10;
         UPDATE places SET sort_order = 100 WHERE id = 2;
         DELETE FROM places WHERE id = 11;
         INSERT INTO places VALUES (3000, 'Bergen', '{}', 0)",
    );
    project.run(&["publish", "--quiet"]).succeeded();
    project
}

fn without_epoch(project: &Project, text: &str) -> String {
    let epoch = project.version()["epoch"].to_string();
    text.replace(&epoch, "EPOCH")
}

#[track_caller]
fn says(project: &Project, arguments: &[&str], expected: &str) {
    let finished = project.run(arguments);
    finished.succeeded();
    assert_eq!(finished.stderr, "");
    assert_eq!(without_epoch(project, &finished.stdout), expected);
}

#[test]
fn each_row_is_told_with_its_old_and_new_values() {
    let project = places();
    let told = "\
places: 3 rows changed, 1 added, 1 removed
  ~ 2
      sort_order: 2 -> 100
  ~ 9
      label: \"place 9\" -> \"Oslo\"
  ~ 10
      rules/a/b: 1 -> 2
      rules/c: 1 -> nothing
      rules/d: nothing -> []
  - 11 {\"id\":11,\"label\":\"place 11\",\"rules\":{\"a\":{\"b\":1},\"c\":1},\"sort_order\":11}
  + 3000 {\"id\":3000,\"label\":\"Bergen\",\"rules\":{},\"sort_order\":0}

EPOCH-1 (seq:1) to EPOCH-2 (seq:2): 1 table changed; 3 rows changed, 1 added, 1 removed
";
    says(&project, &["diff"], told);
    // By every name, and whatever is left to the defaults.
    let hash = project.manifest_hash(1);
    for names in [["1", "2"], ["seq:1", "seq:2"], [&hash, "2"]] {
        says(&project, &["diff", names[0], names[1]], told);
    }
    says(&project, &["diff", "1"], told);
    let few = "\
places: 3 rows changed, 1 added, 1 removed
  ~ 2
      sort_order: 2 -> 100
  and 4 more

EPOCH-1 (seq:1) to EPOCH-2 (seq:2): 1 table changed; 3 rows changed, 1 added, 1 removed
";
    says(&project, &["diff", "--limit", "1"], few);
    says(
        &project,
        &["diff", "2", "2"],
        "EPOCH-2 (seq:2) and EPOCH-2 (seq:2) have the same tables\n",
    );
}

#[test]
fn machines_are_told_the_same() {
    let project = places();
    let diff = project.json(&["diff", "--limit", "2"]);
    assert_eq!(
        diff["totals"],
        json!({
            "tablesAdded": 0, "tablesRemoved": 0, "tablesChanged": 1,
            "rows": {"added": 1, "removed": 1, "changed": 3, "unchanged": 8},
        })
    );
    assert_eq!(
        diff["tables"],
        json!([{
            "table": "places",
            "change": "changed",
            "rows": {"added": 1, "removed": 1, "changed": 3, "unchanged": 8},
            "changes": [
                {"change": "changed", "key": {"id": 2},
                 "columns": [{"column": "sort_order", "from": 2, "to": 100}]},
                {"change": "changed", "key": {"id": 9},
                 "columns": [{"column": "label", "from": "place 9", "to": "Oslo"}]},
            ],
            "more": 3,
        }])
    );
}

#[test]
fn tables_columns_and_keys_that_are_others_are_told() {
    let project = places();
    project.database.execute(
        "ALTER TABLE places DROP COLUMN rules;
         ALTER TABLE places ADD COLUMN open boolean NOT NULL DEFAULT true;
         ALTER TABLE places ALTER COLUMN sort_order TYPE bigint, ALTER COLUMN label DROP NOT NULL;
         UPDATE places SET label = NULL WHERE id = 1;
         CREATE TABLE roads (a integer, b integer, PRIMARY KEY (a, b));
         INSERT INTO roads VALUES (1, 2);",
    );
    let publish = ["publish", "--quiet", "--schema-version", "2.0"];
    project.run(&publish).succeeded();
    says(
        &project,
        &["diff"],
        "\
places: 1 row changed
  - column rules jsonb
  + column open boolean
  ~ column label: text -> text?
  ~ column sort_order: integer -> bigint
  ~ 1
      label: \"place 1\" -> null

roads: table added; 1 row added
  + 1, 2 {\"a\":1,\"b\":2}

EPOCH-2 (seq:2) to EPOCH-3 (seq:3): 1 table changed, 1 added; 1 row changed, 1 added
",
    );
    project.database.execute(
        "ALTER TABLE roads DROP CONSTRAINT roads_pkey; ALTER TABLE roads ADD PRIMARY KEY (a);
         DROP TABLE places;",
    );
    project
        .run(&[
            "publish",
            "--quiet",
            "--schema-version",
            "3.0",
            "--allow-removal",
            "roads=1",
        ])
        .succeeded();
    let diff = project.json(&["diff", "--limit", "0"]);
    let tables = diff["tables"].as_array().unwrap();
    assert_eq!(tables[0]["change"], "removed");
    assert_eq!(tables[0]["rows"]["removed"], 12);
    assert_eq!(
        tables[1]["primaryKey"],
        json!({"from": ["a", "b"], "to": ["a"]})
    );
    // No row is taken for one that was known by another key.
    assert_eq!(
        tables[1]["rows"],
        json!({"added": 1, "removed": 1, "changed": 0, "unchanged": 0})
    );
}

#[test]
fn what_cannot_be_compared_is_said_so() {
    let project = places();
    let failed = |arguments: &[&str], stderr: &str, status| {
        let finished = project.run(arguments);
        assert_eq!(without_epoch(&project, &finished.stderr), stderr);
        assert_eq!(finished.status, Some(status));
    };
    failed(
        &["diff", "7"],
        "error: no version \"7\" is retained; there are EPOCH-1 to EPOCH-2\n  hint: `publisher history` lists them\n",
        1,
    );
    std::fs::remove_file(project.path(&page(&project, 1))).unwrap();
    failed(
        &["diff"],
        "error: snapshots retains no version before EPOCH-2; name the one to go from\n",
        2,
    );
    failed(
        &["diff", "--out", "nowhere"],
        "error: failed to fetch nowhere\n  caused by: No such file or directory (os error 2)\n",
        1,
    );
}

fn page(project: &Project, sequence: u64) -> String {
    format!(
        "snapshots/versions/{}-{sequence}.json",
        project.version()["epoch"]
    )
}

#[test]
fn a_damaged_object_is_not_compared() {
    let project = places();
    let hash = project.manifest()["tables"]["places"]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("snapshots/tables/places/{hash}.json");
    let object = std::fs::read_to_string(project.path(&path)).unwrap();
    project.file(&path, object.replace("Oslo", "Rome"));
    project.run(&["diff"]).failed_with(&format!(
        "error: {path} is damaged: its hash is not the one of its name\n  \
         hint: `publisher verify --all` names everything that is wrong there\n"
    ));
}

#[test]
fn any_two_revisions_differ_as_their_files_do() {
    let Some(fixtures) = fixtures() else { return };
    let project = project_without_files();
    let revisions = ["20", "24", "25"];
    run(&project, &fixtures, "20", &[]);
    run(
        &project,
        &fixtures,
        "24",
        &["--allow-deactivation", "torsoAngles=4"],
    );
    run(&project, &fixtures, "25", &[]);
    for (from, old) in revisions.iter().enumerate() {
        for (to, new) in revisions.iter().enumerate() {
            let (from, to) = ((from + 1).to_string(), (to + 1).to_string());
            let mut diff = project.json(&["diff", &from, &to, "--limit", "1000000"]);
            let agreed = compared_by_python(&fixtures, old, new, &diff);
            assert_eq!(
                agreed.status,
                Some(0),
                "{old} {new}: {}{}",
                agreed.stdout,
                agreed.stderr
            );
            let nothing = agreed.stdout == "agree: 0 tables, 0 rows\n";
            assert_eq!(nothing, from == to, "{}", agreed.stdout);
            // The judge is awake.
            if let Some(tables) = diff["tables"].as_array_mut().filter(|t| !t.is_empty()) {
                tables.remove(0);
                let missed = compared_by_python(&fixtures, old, new, &diff);
                assert_eq!(missed.status, Some(1), "{}", missed.stderr);
            }
        }
    }
}

fn compared_by_python(fixtures: &Path, old: &str, new: &str, diff: &Value) -> Finished {
    let mut python = Command::new("python3")
        .arg("-B")
        .arg(repository().join("tests/independent/diff_files.py"))
        .arg("--sql")
        .arg(repository().join("sql/migrations"))
        .arg("--from-config")
        .arg(config_of(old))
        .arg("--to-config")
        .arg(config_of(new))
        .args([folder_of(fixtures, old), folder_of(fixtures, new)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(diff.to_string().as_bytes()).unwrap();
    drop(stdin);
    Finished::of(python.wait_with_output().unwrap())
}
