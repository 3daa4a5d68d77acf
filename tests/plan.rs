//! The plan: it says what a seed would do, and does nothing.

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};

use crate::fixtures::{config_of, fixtures, folder_of, project_without_files};
use crate::support::{Project, copy_folder, tracked};

const MAKERS: &str = "CREATE TABLE makers (
    id          text PRIMARY KEY,
    label       text NOT NULL,
    sort_order  int NOT NULL DEFAULT 7,
    notes       jsonb,
    is_active   boolean NOT NULL DEFAULT true,
    source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);";

const SEEDED: &str = r#"[{"id":"A","label":"a","notes":{"from":1900,"to":null}},
                         {"id":"B","label":"b"}, {"id":"C","label":"c"}, {"id":"D","label":"d"}]"#;

/// Four makers, seeded; then one by an administrator, and one that left.
fn makers() -> Project {
    let project = Project::new(&[MAKERS, &tracked(&["makers"])]);
    project.source("makers", SEEDED);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.run(&["seed", "--quiet"]).succeeded();
    project.database.execute(
        "INSERT INTO makers (id, label, source_type) VALUES ('ADMIN', 'theirs', 'admin');
         INSERT INTO makers (id, label, is_active) VALUES ('GONE', 'gone', false)",
    );
    project
}

/// A file for [`makers`] that does everything that a file can do.
const EVERYTHING: &str = r#"[{"id":"A","label":"a","notes":{"from":1901,"to":null}},
                             {"id":"ADMIN","label":"ours"},
                             {"id":"B","label":"b!","sort_order":2},
                             {"id":"D","label":"d"},
                             {"id":"GONE","label":"here again"},
                             {"id":"NEW","label":"new"}]"#;

#[track_caller]
fn says(project: &Project, arguments: &[&str], expected: &str) {
    let finished = project.run(&[&["plan", "--quiet"], arguments].concat());
    finished.succeeded();
    assert_eq!(finished.stderr, "");
    assert_eq!(finished.stdout, expected);
}

// What it says

#[test]
fn every_row_is_told_with_its_old_and_new_values() {
    let project = makers();
    project.source("makers", EVERYTHING);
    let told = r#"~ makers: 1 added, 2 changed, 1 deactivated, 1 reactivated, 1 skipped
  ~ "A"
      notes/from: 1900 -> 1901
  ~ "B"
      label: "b" -> "b!"
      sort_order: 7 -> 2
  - "C" deactivated
  ^ "GONE" reactivated
      label: "gone" -> "here again"
  + "NEW" {"id":"NEW","is_active":true,"label":"new","notes":null,"sort_order":7}
  = "ADMIN" skipped: belongs to an administrator

plan for seq:2: 1 row added, 2 changed, 1 deactivated, 1 reactivated in 1 table
"#;
    says(&project, &[], told);
    says(
        &project,
        &["--limit", "1"],
        r#"~ makers: 1 added, 2 changed, 1 deactivated, 1 reactivated, 1 skipped
  ~ "A"
      notes/from: 1900 -> 1901
  and 5 more

plan for seq:2: 1 row added, 2 changed, 1 deactivated, 1 reactivated in 1 table
"#,
    );
    project.run(&["seed", "--quiet"]).succeeded();
    says(
        &project,
        &["--recheck"],
        "= makers: 1 skipped\n  = \"ADMIN\" skipped: belongs to an administrator\n\n\
         plan for seq:3: nothing to do\n",
    );
    // The files are known to be as they were.
    says(&project, &[], "plan for seq:3: nothing to do\n");
}

#[test]
fn machines_are_told_the_same() {
    let project = makers();
    project.source("makers", EVERYTHING);
    let mut plan = project.json(&["plan"]);
    let counts = json!({"added": 1, "changed": 2, "deactivated": 1, "reactivated": 1, "skipped": 1,
                        "unchanged": 1});
    assert!(plan["elapsedMs"].take().is_u64());
    assert_eq!(
        plan,
        json!({
            "pendingMigrations": [],
            "referenceVersion": "seq:2",
            "totals": counts,
            "problems": [],
            "elapsedMs": null,
            "tables": [{
                "table": "makers",
                "rows": counts,
                "notInFile": 0,
                "skipped": false,
                "more": 0,
                "changes": [
                    {"change": "changed", "key": {"id": "A"}, "columns": [{
                        "column": "notes",
                        "from": {"from": 1900, "to": null}, "to": {"from": 1901, "to": null},
                        "within": [{"pointer": "/from", "from": 1900, "to": 1901}],
                    }]},
                    {"change": "changed", "key": {"id": "B"}, "columns": [
                        {"column": "label", "from": "b", "to": "b!"},
                        {"column": "sort_order", "from": 7, "to": 2},
                    ]},
                    {"change": "deactivated", "key": {"id": "C"}},
                    {"change": "reactivated", "key": {"id": "GONE"}, "columns": [
                        {"column": "is_active", "from": false, "to": true},
                        {"column": "label", "from": "gone", "to": "here again"},
                    ]},
                    {"change": "added", "key": {"id": "NEW"}, "row": {
                        "id": "NEW", "is_active": true, "label": "new", "notes": null, "sort_order": 7,
                    }},
                    {"change": "skipped", "key": {"id": "ADMIN"}, "columns": [
                        {"column": "label", "from": "theirs", "to": "ours"},
                    ]},
                ],
            }],
        })
    );
    plan = project.json(&["plan", "--limit", "0"]);
    assert_eq!(plan["totals"], counts);
    assert_eq!(plan["tables"][0]["changes"], json!([]));
    assert_eq!(plan["tables"][0]["more"], 6);
}

#[test]
fn keys_of_several_columns_are_told_in_full_and_in_their_order() {
    let project = Project::new(&[
        "CREATE TABLE steps (route int, step int, label text, PRIMARY KEY (route, step));",
        &tracked(&["steps"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "steps",
        r#"[{"route":10,"step":1,"label":"x"},{"route":9,"step":2,"label":null},{"route":9,"step":1}]"#,
    );
    project.run(&["seed", "--quiet"]).succeeded();
    project.source(
        "steps",
        r#"[{"route":10,"step":1,"label":"y"},{"route":9,"step":2,"label":""},{"route":9,"step":10}]"#,
    );
    // Without is_active a row that left its file stays.
    says(
        &project,
        &[],
        r#"~ steps: 1 added, 2 changed, 1 not in the file
  ~ 9, 2
      label: null -> ""
  + 9, 10 {"label":null,"route":9,"step":10}
  ~ 10, 1
      label: "x" -> "y"

plan for seq:1: 1 row added, 2 changed in 1 table
"#,
    );
}

#[test]
fn what_equals_looks_over_is_a_change_of_its_column() {
    let project = Project::new(&[
        "CREATE TABLE t (id text PRIMARY KEY, b bytea, c json, f float8, j jsonb, n numeric, s text[]);",
        &tracked(&["t"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source(
        "t",
        r#"[{"id":"A","n":1.0,"f":0.0,"j":{"a":1.0},"c":{"a" : 1},"b":"AAE=","s":["x"]}]"#,
    );
    project.run(&["seed", "--quiet"]).succeeded();
    project.source(
        "t",
        r#"[{"id":"A","n":1.00,"f":-0.0,"j":{"a":1.00},"c":{"a" : 2},"b":"AAI=","s":["x", null]}]"#,
    );
    says(
        &project,
        &[],
        r#"~ t: 1 changed
  ~ "A"
      b: "AAE=" -> "AAI="
      c/a: 1 -> 2
      f: 0 -> -0
      j: {"a":1.0} -> {"a":1.00}
      n: 1.0 -> 1.00
      s: ["x"] -> ["x",null]

plan for seq:1: 1 row changed in 1 table
"#,
    );
}

#[test]
fn a_value_that_the_database_will_make_is_neither_made_nor_guessed() {
    let project = Project::new(&[
        "CREATE TABLE parts (
             id text PRIMARY KEY,
             number int NOT NULL GENERATED BY DEFAULT AS IDENTITY,
             made timestamptz NOT NULL DEFAULT clock_timestamp(),
             colour text NOT NULL DEFAULT 'grey'
         );",
        &tracked(&["parts"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    let first = r#"{"id":"A","number":500,"made":"2020-01-01T00:00:00Z","colour":"red"}"#;
    let second = r#"{"id":"B","made":"2020-01-01T00:00:00Z"}"#;
    project.source("parts", &format!("[{first},{second}]"));
    project.run(&["seed", "--quiet"]).succeeded();
    let numbers = || {
        project
            .database
            .query("SELECT last_value FROM parts_number_seq")
    };
    let before = numbers();

    // B keeps its number; C has none yet.
    project.source(
        "parts",
        &format!(r#"[{first},{second},{{"id":"C"}},{{"id":"D","number":7}}]"#),
    );
    says(
        &project,
        &[],
        r#"~ parts: 2 added
  + "C" {"colour":"grey","id":"C"} and a new made, number
  + "D" {"colour":"grey","id":"D","number":7} and a new made

plan for seq:1: 2 rows added in 1 table
"#,
    );
    assert_eq!(numbers(), before);
}

#[test]
fn colours_are_for_terminals() {
    let project = makers();
    project.source("makers", EVERYTHING);
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = project.command(&["plan", "--quiet"]);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!coloured(&[]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("NO_COLOR", "1")]));
}

// How it ends

#[test]
fn the_exit_status_tells_of_changes_where_that_is_asked_for() {
    let project = makers();
    project.run(&["seed", "--quiet"]).succeeded();
    let status = |flags: &[&str]| project.run(&[&["plan"], flags].concat()).status;
    assert_eq!(status(&["--exit-code"]), Some(0));
    assert_eq!(status(&["--exit-code", "--recheck"]), Some(0));
    project.source("makers", EVERYTHING);
    assert_eq!(status(&["--exit-code"]), Some(3));
    assert_eq!(status(&["--exit-code", "--json"]), Some(3));
    assert_eq!(status(&[]), Some(0));
    project.source("makers", "[");
    assert_eq!(status(&["--exit-code"]), Some(1));
    assert_eq!(status(&["--exit-status"]), Some(2));
}

#[test]
fn an_administrators_row_is_nothing_to_do() {
    let project = makers();
    project.source(
        "makers",
        &SEEDED.replace("[{", r#"[{"id":"ADMIN","label":"ours"},{"#),
    );
    project.run(&["plan", "--exit-code"]).succeeded();
}

#[test]
fn what_a_seed_would_refuse_is_told_behind_everything_else() {
    let project = makers();
    project.source("makers", r#"[{"id":"A","label":"a"}]"#);
    let listing = r#"~ makers: 1 changed, 3 deactivated
  ~ "A"
      notes: {"to":null,"from":1900} -> null
  - "B" deactivated
  - "C" deactivated
  - "D" deactivated

plan for seq:2: 1 row changed, 3 deactivated in 1 table
"#;
    let refused = |number: u64| {
        format!(
            "error: makers.json: --allow-deactivation allows {number} rows, but 3 would be \
             deactivated\nerror: 1 problem in the source; a seed would be refused\n"
        )
    };
    for (flags, errors) in [
        (
            &["--exit-code"][..],
            "error: makers.json: 3 of 4 active rows would be deactivated, more than 50 per cent; \
             if that is meant, allow it by --allow-deactivation makers=3\n\
             error: 1 problem in the source; a seed would be refused\n",
        ),
        (&["--allow-deactivation", "makers=2"], &refused(2)),
    ] {
        let finished = project.run(&[&["plan"], flags].concat());
        finished.failed_with(errors);
        assert_eq!(finished.stdout, listing);
    }
    says(&project, &["--allow-deactivation", "makers=3"], listing);
}

#[test]
fn a_file_that_postgresql_refuses_does_not_hide_the_others() {
    let project = Project::new(&[
        MAKERS,
        "CREATE DOMAIN code AS text CHECK (VALUE ~ '^[A-Z]+$');
         CREATE TABLE codes (id text PRIMARY KEY, code code);",
        &tracked(&["makers", "codes"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("makers", r#"[{"id":"A","label":"a"}]"#);
    project.source(
        "codes",
        r#"[{"id":"X","code":"OK"},{"id":"Y","code":"no"}]"#,
    );
    let finished = project.run(&["plan"]);
    finished.failed_with(
        "error: codes.json: row 2: column \"code\": value for domain code violates check \
         constraint \"code_check\"\n\
         error: 1 problem in the source; a seed would be refused\n",
    );
    assert_eq!(
        finished.stdout,
        "~ makers: 1 added\n  + \"A\" {\"id\":\"A\",\"is_active\":true,\"label\":\"a\",\"notes\":null}\n\n\
         plan for seq:0: 1 row added in 1 table\n"
    );
}

#[test]
fn every_problem_in_the_files_comes_before_any_plan() {
    let project = makers();
    project.source(
        "makers",
        r#"[{"id":"A","label":1},{"id":"B","label":null}]"#,
    );
    let finished = project.run(&["plan"]);
    assert_eq!(finished.status, Some(1));
    assert_eq!(finished.stdout, "");
    assert!(
        finished
            .stderr
            .ends_with("error: 2 problems in json-source; nothing was planned\n"),
        "{}",
        finished.stderr
    );
}

// What it leaves alone

#[test]
fn nothing_is_changed_and_nobody_is_waited_for() {
    let project = makers();
    project.source("makers", EVERYTHING);
    let before = project.database.everything();
    // Whoever writes goes on writing, also whoever seeds.
    let writer = project.database.connect();
    project
        .database
        .block_on(writer.batch_execute(
            "BEGIN; LOCK TABLE makers IN SHARE ROW EXCLUSIVE MODE;
             SELECT pg_advisory_lock(8386092198837576051)",
        ))
        .unwrap();
    for flags in [&[][..], &["--recheck"], &["--json"], &["--exit-code"]] {
        let finished = project.run(&[&["plan", "--lock-timeout", "0s"], flags].concat());
        assert!(
            matches!(finished.status, Some(0 | 3)),
            "{}",
            finished.stderr
        );
        assert_eq!(project.database.everything(), before);
    }
}

#[test]
fn pending_migrations_are_named_and_not_applied() {
    let project = Project::new(&[MAKERS, &tracked(&["makers"])]);
    project.source("makers", SEEDED);
    let pending = "warning: 2 migrations are not applied yet (V0001__m.sql, V0002__m.sql); the plan \
                   is for the tables as they are, `publisher migrate` changes them\n";
    project.run(&["plan"]).failed_with(&format!(
        "{pending}error: makers.json: no table has the key \"makers\"; if the file is not a table, \
         name it in ignore_files in tablecast.toml\n\
         error: 1 problem in json-source; nothing was planned\n"
    ));
    let schemas = "SELECT nspname FROM pg_namespace WHERE nspname = 'tablecast'";
    assert_eq!(project.database.everything(), [""; 0]);
    assert_eq!(project.database.query(schemas), [""; 0]);

    project.run(&["migrate", "--quiet"]).succeeded();
    project.file(
        "sql/migrations/V0003__colour.sql",
        "ALTER TABLE makers ADD COLUMN colour text",
    );
    let before = project.database.everything();
    let finished = project.run(&["plan", "--json"]);
    finished.succeeded();
    assert_eq!(
        finished.stderr,
        "warning: a migration is not applied yet (V0003__colour.sql); the plan is for the tables as \
         they are, `publisher migrate` changes them\n"
    );
    let plan: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(plan["pendingMigrations"], json!(["V0003__colour.sql"]));
    assert_eq!(plan["totals"]["added"], 4);
    assert_eq!(project.database.everything(), before);
}

// Plan, then seed

#[test]
fn a_seed_does_what_was_planned() {
    let project = makers();
    project.source("makers", EVERYTHING);
    planned_then_seeded(&project, &[]);
    planned_then_seeded(&project, &["--recheck"]);
}

#[test]
fn a_seed_does_to_the_exercise_app_what_was_planned() {
    let project = Project::exercise_app();
    project.run(&["migrate", "--quiet"]).succeeded();
    planned_then_seeded(&project, &[]);
    for (table, from, to) in [
        ("grips", "\"sort_order\": 1", "\"sort_order\": 11"),
        ("motions", "\"label\": \"", "\"label\": \"Edited "),
        ("equipment", "\"max_instances\": 1", "\"max_instances\": 2"),
        ("muscles", "\"is_active\": true", "\"is_active\": false"),
    ] {
        let path = format!("json-source/{table}.json");
        let text = std::fs::read_to_string(project.path(&path)).unwrap();
        project.file(&path, text.replacen(from, to, 3));
    }
    planned_then_seeded(&project, &[]);
}

#[test]
fn a_seed_does_to_a_real_apps_revisions_what_was_planned() {
    let Some(fixtures) = fixtures() else { return };
    let project = project_without_files();
    project.run(&["migrate", "--quiet"]).succeeded();
    for (revision, more) in [
        ("20", &[][..]),
        ("24", &["--allow-deactivation", "torsoAngles=4"]),
        ("25", &[]),
    ] {
        let source = format!("revision-{revision}");
        copy_folder(&folder_of(&fixtures, revision), &project.path(&source));
        let config = config_of(revision);
        let flags = ["--source", &source, "--config", config.to_str().unwrap()];
        planned_then_seeded(&project, &[&flags, more].concat());
    }
}

/// The counts are the seed's, and each row changes as was said, by the database's own word
/// for it before and after.
#[track_caller]
fn planned_then_seeded(project: &Project, flags: &[&str]) {
    let before = rows_by_table(project);
    let plan = project.json(&[&["plan", "--limit", "100000"], flags].concat());
    let seed = project.json(&[&["seed"], flags].concat());
    let after = rows_by_table(project);

    let (planned, seeded) = (plan["tables"].as_array(), seed["tables"].as_array());
    let (planned, seeded) = (planned.unwrap(), seeded.unwrap());
    assert_eq!(planned.len(), seeded.len());
    for (planned, seeded) in planned.iter().zip(seeded) {
        let of = |report: &Value, names: [&str; 7]| names.map(|name| report[name].clone());
        let mut flat = planned["rows"].clone();
        for name in ["table", "notInFile", "skipped"] {
            flat[name] = planned[name].clone();
        }
        assert_eq!(
            of(
                &flat,
                [
                    "table",
                    "added",
                    "changed",
                    "unchanged",
                    "deactivated",
                    "reactivated",
                    "notInFile",
                ],
            ),
            of(
                seeded,
                [
                    "table",
                    "inserted",
                    "updated",
                    "unchanged",
                    "deactivated",
                    "reactivated",
                    "notInFile",
                ],
            )
        );
        assert_eq!(
            planned["rows"]["skipped"],
            seeded["adminKeys"].as_array().unwrap().len()
        );
        let name = planned["table"].as_str().unwrap();
        let told = told(planned, &before[name]);
        let mut seen = seen(&before[name], &after[name]);
        // Of a new row is told what the file gives it, beside what the database does.
        for (id, row) in seen
            .iter_mut()
            .filter(|(id, _)| !before[name].contains_key(*id))
        {
            row.retain(|column, _| told[id].contains_key(column));
        }
        assert_eq!(told, seen, "{name}");
    }
}

type Rows = BTreeMap<String, Map<String, Value>>;
// By row, the columns that differ with what they become; a new row's are all of them.
type Changes = BTreeMap<String, Map<String, Value>>;

fn seen(before: &Rows, after: &Rows) -> Changes {
    let mut changes = Changes::new();
    for (id, row) in after {
        let old = before.get(id);
        let mut row = row.clone();
        row.retain(|column, value| old.is_none_or(|old| old[column] != *value));
        if !row.is_empty() {
            changes.insert(id.clone(), row);
        }
    }
    changes
}

#[track_caller]
fn told(table: &Value, before: &Rows) -> Changes {
    let mut changes = Changes::new();
    for change in table["changes"].as_array().unwrap() {
        let id = change["key"]["id"].as_str().unwrap().to_owned();
        let mut row = change["row"].as_object().cloned().unwrap_or_default();
        match change["change"].as_str().unwrap() {
            "skipped" => continue,
            "deactivated" => drop(row.insert("is_active".to_owned(), json!(false))),
            _ => {}
        }
        for column in change["columns"].as_array().into_iter().flatten() {
            let name = column["column"].as_str().unwrap();
            assert_eq!(column["from"], before[&id][name], "{id}: {name}");
            row.insert(name.to_owned(), column["to"].clone());
        }
        changes.insert(id, row);
    }
    changes
}

// Every row as PostgreSQL writes it, by table key and id.
fn rows_by_table(project: &Project) -> BTreeMap<String, Rows> {
    let queries = project.database.query(
        "SELECT format('SELECT %L, id, to_jsonb(t) - ''source_type'' FROM %I AS t', tablename, tablename)
         FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'reference_metadata'",
    );
    let mut tables: BTreeMap<String, Rows> = BTreeMap::new();
    for query in queries {
        let name = query.split('\'').nth(1).unwrap();
        let rows = tables.entry(table_key(name)).or_default();
        for line in project.database.query(&query) {
            let mut parts = line.splitn(3, '|').skip(1);
            let id = parts.next().unwrap().to_owned();
            let row = serde_json::from_str(parts.next().unwrap()).unwrap();
            rows.insert(id, row);
        }
    }
    tables
}

// `grip_widths` is `gripWidths` in files.
fn table_key(name: &str) -> String {
    let mut words = name.split('_');
    let mut key = words.next().unwrap().to_owned();
    for word in words {
        key.push_str(&word[..1].to_uppercase());
        key.push_str(&word[1..]);
    }
    key
}
