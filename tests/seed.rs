//! The seed: files become rows; nothing else moves, and nobody else's rows do.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::{Finished, Project, tracked, without_numbers};

const MAKERS: &str = "CREATE TABLE makers (
    id          text PRIMARY KEY,
    label       text NOT NULL,
    sort_order  int NOT NULL DEFAULT 7,
    notes       jsonb,
    is_active   boolean NOT NULL DEFAULT true,
    source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);";
const MODELS: &str = "CREATE TABLE models (
    id          text PRIMARY KEY,
    maker_id    text REFERENCES makers,
    is_active   boolean NOT NULL DEFAULT true,
    source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);";

const FOUR: &str = r#"[{"id":"A","label":"a"},{"id":"B","label":"b"},
                       {"id":"C","label":"c"},{"id":"D","label":"d"}]"#;

/// Four makers, seeded.
fn four_makers() -> Project {
    let project = Project::new(&[MAKERS, &tracked(&["makers"])]);
    project.source("makers", FOUR);
    project.run(&["migrate", "--quiet"]).succeeded();
    assert_eq!(counts(&project, &[]), [4, 0, 0, 0, 0, 0]);
    project
}

/// Seeds a project of one table: inserted, updated, unchanged, deactivated, reactivated,
/// owned by an administrator.
#[track_caller]
fn counts(project: &Project, flags: &[&str]) -> [u64; 6] {
    let report = project.json(&[&["seed"], flags].concat());
    let table = &report["tables"][0];
    [
        "inserted",
        "updated",
        "unchanged",
        "deactivated",
        "reactivated",
        "adminOwned",
    ]
    .map(|count| table[count].as_u64().unwrap())
}

/// Each file of the store with what tells whether it was written again.
fn stored_files(project: &Project) -> BTreeMap<String, (u64, i64, i64, u64)> {
    fn visit(folder: &Path, files: &mut BTreeMap<String, (u64, i64, i64, u64)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.metadata().unwrap();
            if metadata.is_dir() {
                visit(&path, files);
            } else if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                let written = (
                    metadata.ino(),
                    metadata.mtime(),
                    metadata.mtime_nsec(),
                    metadata.len(),
                );
                files.insert(path.display().to_string(), written);
            }
        }
    }
    let mut files = BTreeMap::new();
    visit(&project.path("snapshots"), &mut files);
    files
}

// The same files again

#[test]
fn seeding_twice_changes_no_row_no_version_and_no_byte() {
    let project = Project::exercise_app();
    project.run(&["run", "--quiet"]).succeeded();
    let (rows, files) = (project.database.everything(), stored_files(&project));

    for again in [
        &["seed"][..],
        &["seed", "--recheck"],
        &["publish"],
        &["run"],
        &["run", "--recheck"],
    ] {
        project.run(again).succeeded();
        assert_eq!(project.database.everything(), rows, "{again:?}");
        assert_eq!(stored_files(&project), files, "{again:?}");
    }
}

#[test]
fn one_edited_row_moves_its_table_and_nothing_else() {
    let project = Project::exercise_app();
    project.run(&["run", "--quiet"]).succeeded();
    let (rows, files) = (project.database.everything(), stored_files(&project));
    let (version, manifest) = (project.version(), project.manifest());
    let grips = std::fs::read_to_string(project.path("json-source/grips.json")).unwrap();
    let edited = grips.replacen("\"label\": \"", "\"label\": \"Edited ", 1);
    assert!(edited != grips);

    project
        .source("grips", &edited)
        .run(&["run", "--quiet"])
        .succeeded();

    let written: Vec<String> = project.database.everything();
    let written: Vec<&str> = written
        .iter()
        .filter(|row| !rows.contains(row))
        .map(|row| row.split('|').next().unwrap())
        .collect();
    assert_eq!(
        written,
        [
            "public.grips",
            "public.reference_metadata",
            "tablecast.seeded"
        ]
    );
    let versions = project.database.versions();
    let moved: Vec<_> = versions.iter().filter(|row| !row.ends_with("|1")).collect();
    assert_eq!(moved, ["grips|2"]);

    let (new_version, new_manifest) = (project.version(), project.manifest());
    assert_eq!(new_version["referenceVersion"], "seq:2");
    assert_eq!(new_version["sequence"], 2);
    for part in ["manifest", "bootstrap"] {
        assert_ne!(new_version[part]["hash"], version[part]["hash"], "{part}");
    }
    assert_ne!(new_manifest["contentHash"], manifest["contentHash"]);
    for (table, entry) in manifest["tables"].as_object().unwrap() {
        let same = new_manifest["tables"][table] == *entry;
        assert_eq!(same, table != "grips", "{table}");
    }
    let new_files = stored_files(&project);
    let changed: Vec<&String> = files
        .keys()
        .filter(|path| new_files[*path] != files[*path])
        .collect();
    assert_eq!(
        changed,
        [&project.path("snapshots/version.json").display().to_string()]
    );
}

#[test]
fn a_file_and_rows_known_to_be_unchanged_are_not_read() {
    let project = four_makers();
    assert_eq!(project.json(&["seed"])["tables"][0]["skipped"], true);
    assert_eq!(
        project.json(&["seed", "--recheck"])["tables"][0]["skipped"],
        false
    );
    assert_eq!(project.json(&["seed"])["tables"][0]["unchanged"], 4);
}

#[test]
fn a_hand_edit_opens_the_gate_again() {
    let project = four_makers();
    project
        .database
        .execute("UPDATE makers SET label = 'x' WHERE id = 'A'");
    assert_eq!(counts(&project, &[]), [0, 1, 3, 0, 0, 0]);
    project
        .database
        .execute("DELETE FROM makers WHERE id = 'A'");
    assert_eq!(counts(&project, &[]), [1, 0, 3, 0, 0, 0]);
    project.database.execute("TRUNCATE makers");
    assert_eq!(counts(&project, &[]), [4, 0, 0, 0, 0, 0]);
    project
        .database
        .execute("INSERT INTO makers (id, label, source_type) VALUES ('X', 'x', 'admin')");
    assert_eq!(counts(&project, &[]), [0, 0, 4, 0, 0, 1]);
    assert_eq!(counts(&project, &[]), [0, 0, 4, 0, 0, 1]);
}

/// The gate is asked before the tables are locked: what changes in between counts.
#[test]
fn a_table_that_was_passed_over_and_changes_before_the_locks_ends_the_seed() {
    let colors = MAKERS.replace("makers", "colors");
    let project = Project::new(&[MAKERS, &colors, &tracked(&["makers", "colors"])]);
    project.source("makers", FOUR).source("colors", FOUR);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.run(&["seed", "--quiet"]).succeeded();
    project.source("makers", TWO);

    let database = &project.database;
    let editor = database.connect();
    let hold = "BEGIN; LOCK TABLE makers IN ROW EXCLUSIVE MODE";
    database.block_on(editor.batch_execute(hold)).unwrap();
    let mut seed = project.command(&["seed", "--quiet", "--lock-timeout", "10m"]);
    seed.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut seed = seed.spawn().unwrap();
    // A pattern that does not find itself in the queries before this one.
    let waits = "SELECT 1 FROM pg_stat_activity
                 WHERE datname = current_database() AND query ~ 'NOWAI[T]'";
    while database.query(waits).is_empty() {
        assert_eq!(seed.try_wait().unwrap(), None, "it waits for the editor");
    }
    database.execute("UPDATE colors SET label = 'x' WHERE id = 'A'");
    let before = database.query("SELECT * FROM makers ORDER BY id");
    database.block_on(editor.batch_execute("ROLLBACK")).unwrap();

    Finished::of(seed.wait_with_output().unwrap()).failed_with(
        "error: a table was changed by somebody else while the files were read\n  \
         hint: run the command again\n",
    );
    assert_eq!(database.query("SELECT * FROM makers ORDER BY id"), before);
    project.run(&["seed", "--quiet"]).succeeded();
    let seeded =
        "SELECT count(*) FILTER (WHERE makers.is_active), min(colors.label) FROM makers, colors";
    assert_eq!(database.query(seeded), ["8|a"]);
}

#[test]
fn a_setting_that_reads_the_file_otherwise_opens_the_gate() {
    let project = four_makers();
    project.source(
        "makers",
        &FOUR.replace(r#""label":"a""#, r#""label":"a","notes":"none""#),
    );
    assert_eq!(counts(&project, &[]), [0, 1, 3, 0, 0, 0]);
    project.file(
        "tablecast.toml",
        "[tables.makers]\nnull_values = { notes = [\"none\"] }\n",
    );
    assert_eq!(counts(&project, &[]), [0, 1, 3, 0, 0, 0]);
    assert_eq!(
        project.database.query("SELECT DISTINCT notes FROM makers"),
        [""]
    );
}

#[test]
fn tables_whose_changes_nobody_records_can_be_planned_and_seeded() {
    let project = Project::new(&[MAKERS]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("makers", FOUR);
    assert_eq!(project.json(&["plan"])["totals"]["added"], 4);
    assert_eq!(counts(&project, &[]), [4, 0, 0, 0, 0, 0]);
    assert_eq!(counts(&project, &[]), [0, 0, 4, 0, 0, 0]);
}

#[test]
fn what_equals_looks_over_is_a_difference() {
    let project = Project::new(&[
        "CREATE TABLE t (id text PRIMARY KEY, n numeric, f float8, j jsonb, c json);",
        &tracked(&["t"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "t",
        r#"[{"id":"A","n":1.0,"f":0.0,"j":{"a":1.0},"c":{"a":1}}]"#,
    );
    assert_eq!(counts(&project, &[]), [1, 0, 0, 0, 0, 0]);
    for row in [
        r#"{"id":"A","n":1.00,"f":0.0,"j":{"a":1.0},"c":{"a":1}}"#,
        r#"{"id":"A","n":1.00,"f":-0.0,"j":{"a":1.0},"c":{"a":1}}"#,
        r#"{"id":"A","n":1.00,"f":-0.0,"j":{"a":2},"c":{"a":1}}"#,
        r#"{"id":"A","n":1.00,"f":-0.0,"j":{"a":2},"c":{"a":2}}"#,
        r#"{"id":"A","n":1.00,"f":-0.0,"j":null,"c":{"a":2}}"#,
    ] {
        project.source("t", &format!("[{row}]"));
        assert_eq!(counts(&project, &[]), [0, 1, 0, 0, 0, 0], "{row}");
        assert_eq!(
            counts(&project, &["--recheck"]),
            [0, 0, 1, 0, 0, 0],
            "{row}"
        );
    }
}

// Rows that leave and come back

#[test]
fn a_row_that_leaves_the_file_is_deactivated_and_comes_back() {
    let project = four_makers();
    project.source(
        "makers",
        r#"[{"id":"A","label":"a"},{"id":"B","label":"b"},{"id":"D","label":"d"}]"#,
    );
    assert_eq!(counts(&project, &[]), [0, 0, 3, 1, 0, 0]);
    assert_eq!(
        project
            .database
            .query("SELECT id, label FROM makers WHERE NOT is_active"),
        ["C|c"]
    );
    assert_eq!(counts(&project, &["--recheck"]), [0, 0, 3, 0, 0, 0]);

    project.source("makers", &FOUR.replace(r#""c""#, r#""c again""#));
    assert_eq!(counts(&project, &[]), [0, 0, 3, 0, 1, 0]);
    assert_eq!(
        project
            .database
            .query("SELECT label, is_active FROM makers WHERE id = 'C'"),
        ["c again|t"]
    );
}

#[test]
fn a_row_that_the_file_calls_inactive_is_inactive_and_stays_it() {
    let project = four_makers();
    let retired = FOUR.replace(r#""label":"b""#, r#""label":"b","is_active":false"#);
    project.source("makers", &retired);
    assert_eq!(counts(&project, &[]), [0, 0, 3, 1, 0, 0]);
    assert_eq!(counts(&project, &["--recheck"]), [0, 0, 4, 0, 0, 0]);
    assert_eq!(
        project
            .database
            .query("SELECT id FROM makers WHERE NOT is_active"),
        ["B"]
    );

    // Gone from the file altogether, it has nothing more to lose.
    project.source(
        "makers",
        r#"[{"id":"A","label":"a"},{"id":"C","label":"c"},{"id":"D","label":"d"}]"#,
    );
    assert_eq!(counts(&project, &[]), [0, 0, 3, 0, 0, 0]);
    project.source("makers", &retired);
    assert_eq!(counts(&project, &[]), [0, 0, 4, 0, 0, 0]);
    project.source("makers", &retired.replace("false", "true"));
    assert_eq!(counts(&project, &[]), [0, 0, 3, 0, 1, 0]);
}

#[test]
fn a_row_that_nobody_points_at_any_more_may_leave_with_its_target() {
    let project = Project::new(&[MAKERS, MODELS, &tracked(&["makers", "models"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("makers", FOUR);
    project.source(
        "models",
        r#"[{"id":"M","maker_id":"A"},{"id":"N","maker_id":"B"}]"#,
    );
    project.run(&["seed"]).succeeded();
    project.source(
        "makers",
        r#"[{"id":"B","label":"b"},{"id":"C","label":"c"},{"id":"D","label":"d"}]"#,
    );
    let before = project.database.everything();
    project.run(&["seed"]).failed_with(
        "error: models.json:1:23: row 1 \"M\": column \"maker_id\": no row \"A\" in makers\n\
         error: 1 problem in json-source; nothing was seeded\n",
    );
    assert_eq!(project.database.everything(), before);

    project.source("models", r#"[{"id":"N","maker_id":"B"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    assert_eq!(
        project.published("models"),
        json!([{"id":"N","is_active":true,"maker_id":"B"}])
    );
}

// The guard

#[track_caller]
fn leaving(rows: &str, flags: &[&str], expected: Result<[u64; 6], &str>) {
    let project = four_makers();
    project.database.execute(
        "INSERT INTO makers (id, label, source_type) VALUES ('X', 'x', 'admin');
         INSERT INTO makers (id, label, is_active) VALUES ('Y', 'y', false)",
    );
    project.source("makers", rows);
    let before = project.database.everything();
    match expected {
        Ok(expected) => assert_eq!(counts(&project, flags), expected),
        Err(stderr) => {
            project
                .run(&[&["seed"], flags].concat())
                .failed_with(stderr);
            assert_eq!(project.database.everything(), before);
        }
    }
}

const ONE: &str = r#"[{"id":"A","label":"a"}]"#;
const TWO: &str = r#"[{"id":"A","label":"a"},{"id":"B","label":"b"}]"#;

#[test]
fn half_of_the_active_rows_may_leave() {
    leaving(TWO, &[], Ok([0, 0, 2, 2, 0, 1]));
}

#[test]
fn more_than_half_may_not() {
    leaving(
        ONE,
        &[],
        Err(
            "error: makers.json: 3 of 4 active rows would be deactivated, more than 50 per cent; \
             if that is meant, allow it by --allow-deactivation makers=3\n\
             error: 1 problem in the source; nothing was seeded\n",
        ),
    );
}

#[test]
fn exactly_the_allowed_number_may_leave() {
    leaving(
        ONE,
        &["--allow-deactivation", "makers=3"],
        Ok([0, 0, 1, 3, 0, 1]),
    );
    leaving(
        ONE,
        &["--allow-deactivation", "makers=2"],
        Err(
            "error: makers.json: --allow-deactivation allows 2 rows, but 3 would be deactivated\n\
             error: 1 problem in the source; nothing was seeded\n",
        ),
    );
    leaving(
        TWO,
        &["--allow-deactivation", "makers=3"],
        Err(
            "error: makers.json: --allow-deactivation allows 3 rows, but 2 would be deactivated\n\
             error: 1 problem in the source; nothing was seeded\n",
        ),
    );
}

#[test]
fn an_allowance_that_is_used_up_is_no_mistake() {
    leaving(
        FOUR,
        &["--allow-deactivation", "makers=3"],
        Ok([0, 0, 4, 0, 0, 1]),
    );
}

#[test]
fn an_allowance_for_a_table_that_is_not_there_is_one() {
    let project = four_makers();
    let finished = project.run(&["seed", "--allow-deactivation", "maker=1"]);
    assert_eq!(
        finished.stderr,
        "error: --allow-deactivation maker: no table has that key\n"
    );
    assert_eq!(finished.status, Some(2));
    let finished = project.run(&["seed", "--allow-deactivation", "makers"]);
    assert_eq!(
        finished.stderr,
        "error: invalid value 'makers' for '--allow-deactivation <TABLE=N>': \"makers\" is not of \
         the form TABLE=N, such as grips=14\n\nFor more information, try '--help'.\n"
    );
    assert_eq!(finished.status, Some(2));
}

#[test]
fn the_guard_can_be_set_for_all_tables_and_for_one() {
    let project = four_makers();
    project.source("makers", ONE);
    project.file(
        "tablecast.toml",
        "max_deactivation_percent = 75\n[tables.makers]\nmax_deactivation_percent = 74\n",
    );
    project.run(&["seed"]).failed_with(
        "error: makers.json: 3 of 4 active rows would be deactivated, more than 74 per cent; if \
         that is meant, allow it by --allow-deactivation makers=3\n\
         error: 1 problem in the source; nothing was seeded\n",
    );
    project.file("tablecast.toml", "max_deactivation_percent = 75\n");
    assert_eq!(counts(&project, &[]), [0, 0, 1, 3, 0, 0]);
}

// Rows of an administrator

#[test]
fn an_administrators_rows_are_left_alone_and_told() {
    let project = four_makers();
    project.database.execute(
        "UPDATE makers SET source_type = 'admin', label = 'mine' WHERE id IN ('A', 'B');
         INSERT INTO makers (id, label, source_type, is_active) VALUES ('X', 'x', 'admin', true),
                ('Z', 'z', 'admin', false)",
    );
    let admins = "SELECT xmin, m FROM makers AS m WHERE source_type = 'admin' ORDER BY id";
    let before = project.database.query(admins);
    project.source(
        "makers",
        r#"[{"id":"A","label":"a"},{"id":"C","label":"c2"},{"id":"Z","label":"z2"}]"#,
    );

    let finished = project.run(&["seed"]);

    finished.succeeded();
    assert_eq!(
        without_numbers(&finished.stderr),
        "table      inserted      updated    unchanged  deactivated  reactivated  admin-owned      version       ms\n\
         makers N N N N N N N N\n\
         makers: left to an administrator: A, Z\n\
         makers: columns that no row names: sort_order\n\
         makers: N of N active rows are deactivated, which is all that max_deactivation_percent = N allows\n\
         seeded: reference version seq:N -> seq:N (N ms)\n"
    );
    assert_eq!(project.database.query(admins), before);
    let report = project.json(&["seed", "--recheck"]);
    assert_eq!(report["tables"][0]["adminKeys"], json!(["A", "Z"]));
    assert_eq!(counts(&project, &["--recheck"]), [0, 0, 1, 0, 0, 4]);
    let seeded = "SELECT id, label, is_active FROM makers WHERE source_type = 'seed' ORDER BY id";
    assert_eq!(project.database.query(seeded), ["C|c2|t", "D|d|f"]);
}

#[test]
fn a_row_whose_owner_nobody_noted_is_the_seeds() {
    let project = Project::new(&[
        "CREATE TABLE t (id text PRIMARY KEY, label text, is_active boolean DEFAULT true, source_type text);
         INSERT INTO t (id, label) VALUES ('A', 'old'), ('B', 'b'), ('C', 'c');
         INSERT INTO t VALUES ('D', 'd', true, 'admin');",
        &tracked(&["t"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "t",
        r#"[{"id":"A","label":"new"},{"id":"C","label":"c"},{"id":"D","label":"no"}]"#,
    );
    assert_eq!(counts(&project, &[]), [0, 1, 1, 1, 0, 1]);
    assert_eq!(
        project
            .database
            .query("SELECT id, label, is_active FROM t ORDER BY id"),
        ["A|new|t", "B|b|f", "C|c|t", "D|d|t"]
    );
    assert_eq!(counts(&project, &["--recheck"]), [0, 0, 2, 0, 0, 1]);
}

#[test]
fn a_reference_to_an_administrators_row_holds() {
    let project = Project::new(&[MAKERS, MODELS, &tracked(&["makers", "models"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
        .database
        .execute("INSERT INTO makers (id, label, source_type) VALUES ('X', 'x', 'admin')");
    project
        .database
        .execute("INSERT INTO makers (id, label, is_active) VALUES ('S', 's', false)");
    project.source("makers", FOUR);
    project.source("models", r#"[{"id":"M","maker_id":"X"}]"#);
    project.run(&["seed"]).succeeded();
    project.source("models", r#"[{"id":"M","maker_id":"S"}]"#);
    project.run(&["seed"]).failed_with(
        "error: models.json:1:23: row 1 \"M\": column \"maker_id\": no row \"S\" in makers\n\
         error: 1 problem in json-source; nothing was seeded\n",
    );
}

// Dry runs and reports

#[test]
fn a_dry_run_reports_the_same_and_changes_nothing() {
    let project = four_makers();
    project
        .database
        .execute("UPDATE makers SET is_active = false WHERE id = 'A'");
    project.source(
        "makers",
        r#"[{"id":"A","label":"a"},{"id":"B","label":"b2"},{"id":"C","label":"c"},{"id":"E","label":"e"}]"#,
    );
    let before = project.database.everything();

    let mut dry = project.json(&["seed", "--dry-run"]);
    assert_eq!(project.database.everything(), before);
    let told = project.run(&["seed", "--dry-run"]);
    assert!(
        told.stderr
            .contains("dry run, rolled back: reference version seq:2 -> seq:3 ("),
        "{}",
        told.stderr
    );
    assert_eq!(project.database.everything(), before);

    let mut wet = project.json(&["seed"]);
    for report in [&mut dry, &mut wet] {
        report.as_object_mut().unwrap().remove("elapsedMs");
        report["tables"][0]
            .as_object_mut()
            .unwrap()
            .remove("elapsedMs");
    }
    assert_eq!(
        (dry["dryRun"].take(), wet["dryRun"].take()),
        (Value::Bool(true), Value::Bool(false))
    );
    assert_eq!(dry, wet);
    assert_eq!(
        wet,
        json!({
            "dryRun": null, "from": "seq:2", "to": "seq:3",
            "tables": [{
                "table": "makers",
                "inserted": 1, "updated": 1, "unchanged": 1, "deactivated": 1, "reactivated": 1,
                "adminOwned": 0, "adminKeys": [],
                "notInFile": 0, "notInFileColumns": ["sort_order"],
                "skipped": false, "versionSeq": 3,
            }],
        })
    );
}

#[test]
fn counts_and_times_are_told_as_a_table() {
    let project = four_makers();
    let finished = project.run(&["seed"]);
    finished.succeeded();
    let (table, rest) = finished
        .stderr
        .split_at(finished.stderr.rfind("seeded:").unwrap());
    assert_eq!(
        table,
        "table      inserted      updated    unchanged  deactivated  reactivated  admin-owned      version       ms\n\
         makers            0            0            4            0            0            0            1        -\n"
    );
    assert_eq!(
        without_numbers(rest),
        "seeded: reference version stays seq:N (N ms)\n"
    );
}

// Other people's tables

#[test]
fn a_table_without_our_columns_is_seeded_and_what_is_missing_is_told() {
    let project = Project::new(&[
        "CREATE TABLE plain (a int, b text, note text, PRIMARY KEY (b, a));
         INSERT INTO plain VALUES (1, 'x', 'old'), (2, 'x', 'stays'), (3, 'y', 'stays');",
        &tracked(&["plain"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "plain",
        r#"[{"b":"x","a":1,"note":"new"},{"a":1,"b":"y","note":null}]"#,
    );

    let finished = project.run(&["seed"]);

    finished.succeeded();
    assert!(
        finished
            .stderr
            .contains("\nplain: 2 rows are not in the file, and stay\n"),
        "{}",
        finished.stderr
    );
    assert_eq!(
        project.database.query("SELECT * FROM plain ORDER BY b, a"),
        ["1|x|new", "2|x|stays", "1|y|", "3|y|stays"]
    );
    assert_eq!(
        project.json(&["seed", "--recheck"])["tables"][0]["notInFile"],
        2
    );
}

#[test]
fn what_a_row_leaves_out_takes_its_default_and_what_all_leave_out_stays() {
    let project = Project::new(&[
        "CREATE TABLE t (
             id        text PRIMARY KEY,
             required  text NOT NULL DEFAULT 'filled in',
             nullable  text DEFAULT 'not for a file that names it',
             unmanaged text NOT NULL DEFAULT 'the database''s own',
             number    int GENERATED BY DEFAULT AS IDENTITY,
             always    int GENERATED ALWAYS AS IDENTITY,
             computed  text GENERATED ALWAYS AS (upper(id)) STORED
         );",
        &tracked(&["t"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "t",
        r#"[{"id":"a"},{"id":"b","required":"own","nullable":"own","number":70}]"#,
    );
    project.run(&["seed"]).succeeded();
    let rows = "SELECT id, required, nullable, unmanaged, number = 70, always, computed FROM t ORDER BY id";
    assert_eq!(
        project.database.query(rows),
        [
            "a|filled in||the database's own|f|1|A",
            "b|own|own|the database's own|t|2|B"
        ]
    );

    project
        .database
        .execute("UPDATE t SET unmanaged = 'edited', nullable = 'edited', required = 'edited'");
    project.run(&["seed"]).succeeded();
    assert_eq!(
        project
            .database
            .query("SELECT id, required, nullable, unmanaged FROM t ORDER BY id"),
        ["a|filled in||edited", "b|own|own|edited"]
    );
}

#[test]
fn a_default_that_gives_another_value_each_time_is_asked_once() {
    let project = Project::new(&[
        "CREATE TABLE t (
             id   text PRIMARY KEY,
             a    int NOT NULL DEFAULT 1,
             n    serial NOT NULL,
             i    smallint GENERATED BY DEFAULT AS IDENTITY,
             u    uuid NOT NULL DEFAULT gen_random_uuid(),
             made timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP
         );",
        &tracked(&["t"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    let full = r#"{"id":"full","a":2,"n":70,"i":70,"u":"6fa459ea-ee8a-3ca4-894e-db77e160355e","made":"2026-02-24T13:12:04Z"}"#;
    project.source("t", &format!(r#"[{{"id":"bare"}},{full}]"#));
    assert_eq!(counts(&project, &[]), [2, 0, 0, 0, 0, 0]);
    let rows = project.database.query("SELECT * FROM t ORDER BY id");
    assert_eq!(counts(&project, &["--recheck"]), [0, 0, 2, 0, 0, 0]);

    project.source("t", &format!(r#"[{{"id":"bare","a":3}},{full}]"#));
    assert_eq!(counts(&project, &[]), [0, 1, 1, 0, 0, 0]);
    let edited = rows[0].replacen("bare|1|", "bare|3|", 1);
    let expected = [edited, rows[1].clone()];
    assert_eq!(
        project.database.query("SELECT * FROM t ORDER BY id"),
        expected
    );
}

#[test]
fn names_that_sql_would_take_for_its_own_are_only_names() {
    let project = Project::new(&[
        "CREATE TABLE \"Order\" (\"select\" text PRIMARY KEY, \"From\" text, is_active boolean NOT NULL DEFAULT true);",
        &tracked(&["\"Order\""]).replace("VALUES ('\"Order\"')", "VALUES ('Order')"),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "Order",
        r#"[{"select":"'; DROP TABLE x; --","From":"\\N"},{"select":"\\.","From":"a\tb\nc"}]"#,
    );
    assert_eq!(counts(&project, &[]), [2, 0, 0, 0, 0, 0]);
    assert_eq!(counts(&project, &["--recheck"]), [0, 0, 2, 0, 0, 0]);
    project.run(&["publish", "--quiet"]).succeeded();
    assert_eq!(
        project.published("Order"),
        json!([
            {"From": "\\N", "is_active": true, "select": "'; DROP TABLE x; --"},
            {"From": "a\tb\nc", "is_active": true, "select": "\\."},
        ])
    );
}

// What only the database can refuse

#[track_caller]
fn refused(constraint: &str, rows: &str, stderr: &str) {
    let table =
        "CREATE TABLE t (id text PRIMARY KEY, n int, is_active boolean NOT NULL DEFAULT true);
                 INSERT INTO t VALUES ('old', 1);";
    let project = Project::new(&[table, &tracked(&["t"]), constraint]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("t", rows);
    let before = project.database.everything();
    project.run(&["seed"]).failed_with(stderr);
    assert_eq!(project.database.everything(), before);
}

#[test]
fn a_broken_check_is_reported_with_the_file() {
    refused(
        "ALTER TABLE t ADD CONSTRAINT small CHECK (n < 10);",
        r#"[{"id":"old","n":2},{"id":"new","n":10}]"#,
        "error: t.json: new row for relation \"t\" violates check constraint \"small\" \
         (Failing row contains (new, 10, t).)\n\
         error: 1 problem in the source; nothing was seeded\n",
    );
}

#[test]
fn a_value_that_must_be_unique_is_reported_with_the_file() {
    refused(
        "ALTER TABLE t ADD CONSTRAINT one_n UNIQUE (n);",
        r#"[{"id":"old","n":2},{"id":"new","n":3},{"id":"newer","n":3}]"#,
        "error: t.json: row 3 \"newer\": column \"n\": \"3\" must be unique (one_n), and row 2 \"new\" has it too\n\
         error: 1 problem in the source; nothing was seeded\n",
    );
}

#[test]
fn a_domain_is_reported_with_file_and_row() {
    refused(
        "CREATE DOMAIN small AS int CHECK (VALUE < 10); ALTER TABLE t ALTER COLUMN n TYPE small;",
        r#"[{"id":"old","n":2},{"id":"new","n":10}]"#,
        "error: t.json: row 2: column \"n\": value for domain small violates check constraint \"small_check\"\n\
         error: 1 problem in the source; nothing was seeded\n",
    );
}

#[test]
fn a_trigger_of_the_users_is_heard() {
    refused(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not on a Sunday' USING HINT = 'come back tomorrow'; END $$;
         CREATE TRIGGER no BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION no();",
        r#"[{"id":"old","n":2}]"#,
        "error: failed to write table t\n  caused by: not on a Sunday\n  hint: come back tomorrow\n",
    );
}

#[test]
fn what_only_the_commit_finds_broken_undoes_the_seed() {
    refused(
        "ALTER TABLE t ADD CONSTRAINT one_n UNIQUE (n) DEFERRABLE INITIALLY DEFERRED;",
        r#"[{"id":"old","n":2},{"id":"new","n":3},{"id":"newer","n":3}]"#,
        "error: t.json: duplicate key value violates unique constraint \"one_n\" (Key (n)=(3) already exists.)\n\
         error: 1 problem in the source; nothing was seeded\n",
    );
}

#[test]
fn a_value_that_two_rows_exchange_is_no_conflict_where_the_constraint_waits() {
    let project = Project::new(&[
        "CREATE TABLE t (id text PRIMARY KEY, n int UNIQUE DEFERRABLE);
         INSERT INTO t VALUES ('A', 1), ('B', 2);",
        &tracked(&["t"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("t", r#"[{"id":"A","n":2},{"id":"B","n":1}]"#);
    assert_eq!(counts(&project, &[]), [0, 2, 0, 0, 0, 0]);
}

// Others at the same time

#[test]
fn seeds_at_once_come_one_after_the_other() {
    let project = Project::new(&[MAKERS, &tracked(&["makers"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("makers", FOUR);
    let mut seed = project.command(&[
        "seed",
        "--json",
        "--quiet",
        "--recheck",
        "--lock-timeout",
        "10m",
    ]);
    seed.stdout(Stdio::piped()).stderr(Stdio::piped());
    let runs: Vec<_> = (0..6).map(|_| seed.spawn().unwrap()).collect();

    let mut inserted = Vec::new();
    for run in runs {
        let finished = Finished::of(run.wait_with_output().unwrap());
        finished.succeeded();
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        inserted.push(report["tables"][0]["inserted"].as_u64().unwrap());
    }
    inserted.sort_unstable();
    assert_eq!(inserted, [0, 0, 0, 0, 0, 4]);
    assert_eq!(project.database.versions(), ["makers|1"]);
}

#[test]
fn an_editor_with_an_open_transaction_is_named() {
    let project = four_makers();
    project.source("makers", TWO);
    let editor = project.database.connect();
    let edit =
        "SET application_name = 'an editor'; BEGIN; UPDATE makers SET label = 'x' WHERE id = 'A'";
    project
        .database
        .block_on(editor.batch_execute(edit))
        .unwrap();
    let before = project.database.everything();

    let finished = project.run(&["seed", "--lock-timeout", "150ms"]);

    assert_eq!(finished.status, Some(1));
    assert_eq!(
        without_numbers(&finished.stderr),
        "error: gave up waiting for the tables to seed after N.N s: it is held by \"an editor\" \
         (process N, user postgres, idle in transaction for N s)\n  \
         hint: wait for the other session to end, or allow more time with --lock-timeout\n"
    );
    assert_eq!(project.database.everything(), before);
    project
        .database
        .block_on(editor.batch_execute("COMMIT"))
        .unwrap();
    project.run(&["seed"]).succeeded();
    assert_eq!(
        project
            .database
            .query("SELECT label FROM makers WHERE id = 'A'"),
        ["a"]
    );
}

#[test]
fn a_reader_with_an_open_transaction_is_in_nobodys_way() {
    let project = four_makers();
    project.source("makers", TWO);
    let reader = project.database.connect();
    let read = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM makers";
    project
        .database
        .block_on(reader.batch_execute(read))
        .unwrap();
    assert_eq!(
        counts(&project, &["--lock-timeout", "0s"]),
        [0, 0, 2, 2, 0, 0]
    );
}

// Values

#[test]
fn the_end_of_the_day_goes_the_whole_way() {
    let project = Project::new(&[
        "CREATE TABLE shifts (id text PRIMARY KEY, ends time NOT NULL, until date);",
        &tracked(&["shifts"]),
    ]);
    // As text, a column may hold what is no date.
    project.file("tablecast.toml", "[tables.shifts]\nas_text = [\"until\"]\n");
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "shifts",
        r#"[{"id":"A","ends":"24:00:00","until":"infinity"},
            {"id":"B","ends":"24:00","until":"-infinity"},
            {"id":"C","ends":"24:00:00.000","until":"2026-01-01"}]"#,
    );
    project.run(&["run", "--quiet"]).succeeded();
    project.run(&["parity", "--quiet"]).succeeded();
    assert_eq!(
        project.published("shifts"),
        json!([
            {"id": "A", "ends": "24:00:00", "until": "infinity"},
            {"id": "B", "ends": "24:00:00", "until": "-infinity"},
            {"id": "C", "ends": "24:00:00", "until": "2026-01-01"},
        ])
    );
    assert_eq!(
        project.json(&["seed", "--recheck"])["tables"][0]["unchanged"],
        3
    );
    for wrong in [
        "24:00:01",
        "24:01",
        "24:00:00.1",
        "24:00:00Z",
        "25:00",
        "23:59:60",
    ] {
        project.source("shifts", &format!(r#"[{{"id":"A","ends":"{wrong}"}}]"#));
        assert_eq!(project.run(&["check"]).status, Some(1), "{wrong}");
    }
}
