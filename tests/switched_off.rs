//! Rows that a file itself switches off: they are deactivated as those that leave it are,
//! and the guard counts them.

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::support::{Project, tracked};

const MAKERS: &str = "CREATE TABLE makers (
    id text PRIMARY KEY, label text, is_active boolean NOT NULL DEFAULT true,
    source_type text NOT NULL DEFAULT 'seed'
);";

/// Four makers, seeded and published.
fn four_makers() -> Project {
    let project = Project::new(&[MAKERS, &tracked(&["makers"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    write(&project, "");
    project.run(&["run", "--quiet"]).succeeded();
    project
}

/// The file of A to D, of which those are switched off.
fn write(project: &Project, off: &str) {
    let rows = ["A", "B", "C", "D"].map(|id| {
        let is_active = if off.contains(id) {
            r#","is_active":false"#
        } else {
            ""
        };
        format!(r#"{{"id":"{id}"{is_active}}}"#)
    });
    project.source("makers", &format!("[{}]", rows.join(",")));
}

/// Updated, unchanged, deactivated, reactivated.
fn counts(report: &Value) -> [u64; 4] {
    let table = &report["tables"][0];
    ["updated", "unchanged", "deactivated", "reactivated"]
        .map(|count| table[count].as_u64().unwrap())
}

#[test]
fn they_are_told_as_deactivated_and_as_reactivated() {
    let project = four_makers();
    write(&project, "B");
    let told = "~ makers: 1 deactivated\n  - \"B\" deactivated\n\n\
                plan for seq:1: 1 row deactivated in 1 table\n";
    assert_eq!(project.run(&["plan", "--quiet"]).stdout, told);
    assert_eq!(project.json(&["plan"])["totals"]["deactivated"], 1);
    assert_eq!(counts(&project.json(&["seed", "--dry-run"])), [0, 3, 1, 0]);
    assert_eq!(counts(&project.json(&["seed"])), [0, 3, 1, 0]);
    assert_eq!(counts(&project.json(&["seed", "--recheck"])), [0, 4, 0, 0]);
    write(&project, "");
    assert_eq!(counts(&project.json(&["seed"])), [0, 3, 0, 1]);
    // A row that is changed and switched off, beside one that leaves.
    project.source(
        "makers",
        r#"[{"id":"A"},{"id":"B","label":"b","is_active":false},{"id":"C"}]"#,
    );
    let told = "~ makers: 2 deactivated\n  - \"B\" deactivated\n      label: null -> \"b\"\n  \
                - \"D\" deactivated\n\n\
                makers: 2 of 4 active rows are deactivated, which is all that \
                max_deactivation_percent = 50 allows\n\
                plan for seq:3: 2 rows deactivated in 1 table\n";
    assert_eq!(project.run(&["plan", "--quiet"]).stdout, told);
    assert_eq!(counts(&project.json(&["seed"])), [0, 2, 2, 0]);
    assert_eq!(
        project
            .database
            .query("SELECT id, label, is_active FROM makers ORDER BY id"),
        ["A||t", "B|b|f", "C||t", "D||f"]
    );
}

#[test]
fn the_guard_counts_them() {
    let project = four_makers();
    write(&project, "ABC");
    let rows = project.database.everything();
    let problem = "error: makers.json: 3 of 4 active rows would be deactivated, more than 50 per cent; \
                   if that is meant, allow it by --allow-deactivation makers=3\n\
                   error: 1 problem in the source; ";
    project
        .run(&["plan", "--quiet"])
        .failed_with(&format!("{problem}a seed would be refused\n"));
    for command in [&["seed"][..], &["run", "--quiet"]] {
        project
            .run(command)
            .failed_with(&format!("{problem}nothing was seeded\n"));
        assert_eq!(project.database.everything(), rows);
    }
    project
        .run(&["seed", "--allow-deactivation", "makers=2"])
        .failed_with(
            "error: makers.json: --allow-deactivation allows 2 rows, but 3 would be deactivated\n\
         error: 1 problem in the source; nothing was seeded\n",
        );
    project
        .run(&["seed", "--allow-deactivation", "makers=3"])
        .succeeded();
}

#[test]
fn a_limit_that_is_reached_exactly_is_said() {
    let project = four_makers();
    write(&project, "AB");
    let note = "makers: 2 of 4 active rows are deactivated, which is all that \
                max_deactivation_percent = 50 allows";
    let seeded = project.run(&["seed", "--dry-run"]);
    assert!(
        seeded.succeeded().stderr.contains(note),
        "{}",
        seeded.stderr
    );
    assert_eq!(project.json(&["plan"])["notes"], serde_json::json!([note]));
    assert_eq!(project.json(&["seed"])["notes"], serde_json::json!([note]));
}

#[test]
fn a_file_without_an_active_row_is_as_good_as_empty() {
    let project = four_makers();
    write(&project, "ABCD");
    let rows = project.database.everything();
    let problem = "error: makers.json: the file holds no active row, which would deactivate the whole \
                   table; if that is meant, set allow_empty = true under [tables.makers] in \
                   tablecast.toml\nerror: 1 problem in json-source; nothing was ";
    for (command, outcome) in [
        ("check", "changed"),
        ("plan", "planned"),
        ("seed", "seeded"),
    ] {
        project
            .run(&[command, "--quiet"])
            .failed_with(&format!("{problem}{outcome}\n"));
    }
    // What one row may be allowed, all of them are not.
    project
        .run(&["seed", "--allow-deactivation", "makers=4"])
        .failed_with(&format!("{problem}seeded\n"));
    assert_eq!(project.database.everything(), rows);
    project.file("tablecast.toml", "[tables.makers]\nallow_empty = true\n");
    project
        .run(&["seed", "--allow-deactivation", "makers=4", "--quiet"])
        .succeeded();
    assert_eq!(
        project
            .database
            .query("SELECT count(*) FROM makers WHERE is_active"),
        ["0"]
    );
}

#[test]
fn an_administrators_rows_are_not_switched_off() {
    let project = four_makers();
    project
        .database
        .execute("UPDATE makers SET source_type = 'admin' WHERE id = 'B'");
    write(&project, "B");
    assert_eq!(counts(&project.json(&["seed"])), [0, 3, 0, 0]);
    assert_eq!(
        project
            .database
            .query("SELECT is_active FROM makers WHERE id = 'B'"),
        ["t"]
    );
}
