//! What is wrong with the files is said in full, with its place, and nothing is changed.
//!
//! A broken input is a folder of `cases/`, named for its defect: the tables, the files,
//! settings where they matter, and all that `publisher check` says of them.

mod bytes;
mod without_end;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Finished, Project, TestDatabase, publisher, repository, tracked};

#[test]
fn every_defect_is_reported_in_these_words_and_nothing_is_changed() {
    let database = TestDatabase::new();
    let differences: Vec<String> = cases()
        .iter()
        .filter_map(|case| case.difference(&database))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn one_run_lists_the_problems_of_all_files_and_leaves_everything_as_it_was() {
    let project = Project::exercise_app();
    project.run(&["run"]).succeeded();
    project
        .source(
            "grips",
            "[\n  {\"id\": \"NEUTRAL\", \"label\": 7},\n  {\"id\": \"A\"}\n]\n",
        )
        .source("gripWidths", "[")
        .source("stanceTypes", "[]")
        .source("muscels", "[]")
        .source(
            "cardioTypes",
            r#"[{"id": "A", "label": "a", "lable": "b", "category_id": "NONE"}]"#,
        );
    std::fs::remove_file(project.path("json-source/torsoAngles.json")).unwrap();
    let before = Everything::of(&project);

    let problems = "\
error: cardioTypes.json:1:37: row 1 \"A\": column \"lable\": table cardio_types has no such column; it has \"label\"
error: cardioTypes.json:1:57: row 1 \"A\": column \"category_id\": no row \"NONE\" in exerciseCategories
error: gripWidths.json:1:2: the file ends before the closing `]`; it may be cut off
error: grips.json:2:30: row 1 \"NEUTRAL\": column \"label\": expected a string, found the number 7
error: grips.json:3:3: row 2 \"A\": column \"label\": is missing, and the column must have a value
error: muscels.json: no table has the key \"muscels\"; there is \"muscles\"
error: stanceTypes.json: the file holds no rows, which would deactivate the whole table; if that is meant, set allow_empty = true under [tables.stanceTypes] in tablecast.toml
error: torsoAngles.json: the file is missing; if table torso_angles is not kept in a file, set from_file = false under [tables.torsoAngles] in tablecast.toml
";
    let nothing_was =
        |done: &str| format!("{problems}error: 8 problems in json-source; nothing was {done}\n");
    project.run(&["check"]).failed_with(&nothing_was("changed"));
    project.run(&["seed"]).failed_with(&nothing_was("seeded"));
    let quiet = project.run(&["run", "--quiet"]);
    quiet.failed_with(&nothing_was("seeded"));

    pretty_assertions::assert_eq!(Everything::of(&project), before);
}

#[test]
fn a_program_gets_the_same_problems_as_json() {
    let project = Project::new(&[&with_triggers(GRIPS)]);
    project.run(&["migrate"]).succeeded();
    project.source("grips", "[\n  {\"id\": \"A\", \"label\": 7}\n]\n");
    let finished = project.run(&["check", "--json", "--quiet"]);
    finished.failed_with(
        "error: grips.json:2:24: row 1 \"A\": column \"label\": expected a string, found the number 7
error: 1 problem in json-source; nothing was changed\n",
    );
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let expected = serde_json::json!({
        "tables": 1,
        "rows": 1,
        "problemCount": 1,
        "problems": [{
            "place": {
                "file": "grips.json",
                "position": [2, 24],
                "row": 1,
                "rowKey": "\"A\"",
                "column": "label",
            },
            "message": "expected a string, found the number 7",
        }],
    });
    pretty_assertions::assert_eq!(report, expected);
}

#[test]
fn a_row_beyond_the_bound_is_named_and_hides_no_other_file() {
    let project = Project::new(&[&with_triggers(&format!("{GRIPS}{STANCES}"))]);
    project.run(&["migrate"]).succeeded();
    let huge = "x".repeat(publisher::parts::MAX_ROW_SIZE);
    project
        .source("grips", &format!("[\n  {{\"id\": \"A\", \"label\": \"a\"}},\n  {{\"id\": \"B\", \"label\": \"{huge}\"}}\n]\n"))
        .source("stances", "[\n  {\"id\": \"WIDE\"}\n]\n");
    project.run(&["check"]).failed_with(
        "error: grips.json:3:3: a row has at most 16777216 bytes; this one has more
error: stances.json:2:3: row 1 \"WIDE\": column \"label\": is missing, and the column must have a value
error: 2 problems in json-source; nothing was changed\n",
    );
}

#[test]
fn problems_of_one_kind_are_listed_up_to_a_hundred() {
    let project = Project::new(&[&with_triggers(GRIPS)]);
    project.run(&["migrate"]).succeeded();
    let check = |count: usize| {
        let rows: Vec<String> = (0..count)
            .map(|id| format!("{{\"id\":\"{id}\"}}"))
            .collect();
        project.source("grips", &format!("[\n{}\n]\n", rows.join(",\n")));
        project.run(&["check"])
    };
    assert_eq!(check(100).stderr.lines().count(), 101);
    check(101).failed_with(
        "error: grips.json: column \"label\": is missing, and the column must have a value; in 101 rows; first at grips.json:2:1: row 1 \"0\": column \"label\"
error: 101 problems in json-source; nothing was changed\n",
    );
}

// So large that its rows are checked on several threads, some thousand to each piece of work.
#[test]
fn in_a_large_file_each_problem_is_said_as_in_a_small_one() {
    let motions = "CREATE TABLE motions (
        id text PRIMARY KEY,
        label text NOT NULL,
        parent_id text REFERENCES motions ON UPDATE CASCADE ON DELETE RESTRICT
    );";
    let project = Project::new(&[motions, &tracked(&["motions"])]);
    project.run(&["migrate"]).succeeded();
    let label = "long ".repeat(20);
    let row = |number: u32| match number {
        // A parent far behind its child, as far before it, and one that is nowhere.
        7 => format!(r#"{{"id": "M7", "label": "{label}", "parent_id": "M29999"}}"#),
        29_000 => format!(r#"{{"id": "M29000", "label": "{label}", "parent_id": "M1"}}"#),
        20_000 => format!(r#"{{"id": "M20000", "label": "{label}", "parent_id": "NONE"}}"#),
        // Keys that stand already, near by and far away.
        12 => format!(r#"{{"id": "M11", "label": "{label}"}}"#),
        25_000 => format!(r#"{{"id": "M11", "label": "{label}"}}"#),
        15_000 => r#"{"id": "M15000", "label": 7}"#.to_owned(),
        29_998 => r#"{"id": "M29998"}"#.to_owned(),
        _ => format!(r#"{{"id": "M{number}", "label": "{label}"}}"#),
    };
    let rows: Vec<String> = (1..=30_000).map(row).collect();
    let broken_off = format!("[\n{}\n", rows.join(",\n"));
    project.source("motions", &format!("{broken_off}]\n"));
    let problems = "\
error: motions.json:13:1: row 12 \"M11\": duplicate primary key, first in row 11 (line 12)
error: motions.json:15001:27: row 15000 \"M15000\": column \"label\": expected a string, found the number 7
error: motions.json:20001:144: row 20000 \"M20000\": column \"parent_id\": no row \"NONE\" in motions
error: motions.json:25001:1: row 25000 \"M11\": duplicate primary key, first in row 11 (line 12)
error: motions.json:29999:1: row 29998 \"M29998\": column \"label\": is missing, and the column must have a value
";
    let closing = "error: 5 problems in json-source; nothing was changed\n";
    let finished = project.run(&["check"]);
    finished.failed_with(&format!("{problems}{closing}"));

    // What stands before the place where a file breaks off is said all the same; only where
    // a reference leads is then unknown.
    project.source("motions", &broken_off);
    let problems: String = problems
        .lines()
        .filter(|line| !line.contains("NONE"))
        .map(|line| format!("{line}\n"))
        .collect();
    let closing = "\
error: motions.json:30002:1: the file ends before the closing `]`; it may be cut off
error: 5 problems in json-source; nothing was changed\n";
    let finished = project.run(&["check"]);
    finished.failed_with(&format!("{problems}{closing}"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_a_problem_like_any_other() {
    let project = Project::new(&[&with_triggers(&format!("{GRIPS}{STANCES}"))]);
    project.run(&["migrate"]).succeeded();
    // Nothing is mapped at the start of a process's memory.
    std::os::unix::fs::symlink("/proc/self/mem", project.path("json-source/grips.json")).unwrap();
    project.source("stances", "[\n  {\"id\": \"WIDE\"}\n]\n");
    project.run(&["check"]).failed_with(
        "error: grips.json: cannot be read: Input/output error (os error 5)
error: stances.json:2:3: row 1 \"WIDE\": column \"label\": is missing, and the column must have a value
error: 2 problems in json-source; nothing was changed\n",
    );
}

#[test]
fn a_check_needs_no_more_than_to_read() {
    let project = Project::new(&[&with_triggers(&format!(
        "{GRIPS}CREATE TABLE holds (
            id      text PRIMARY KEY,
            grip_id text REFERENCES grips
        );"
    ))]);
    project.run(&["migrate"]).succeeded();
    project.source("grips", r#"[{"id": "A", "label": "a"}]"#);
    project.source("holds", r#"[{"id": "H", "grip_id": "A"}]"#);
    let before = rows_of(&project.database);

    let read_only = format!(
        "{} options='-c default_transaction_read_only=on'",
        project.database.url()
    );
    let reading = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        Finished::of(command.env("DATABASE_URL", &read_only).output().unwrap())
    };
    let checked = reading(&["check"]);
    checked.succeeded();
    assert_eq!(checked.stderr, "checked: 2 rows in 2 files, no problem\n");
    // A reference to a row that no file holds is looked up in the database.
    project.source("holds", r#"[{"id": "H", "grip_id": "B"}]"#);
    reading(&["check"]).failed_with(
        "error: holds.json:1:25: row 1 \"H\": column \"grip_id\": no row \"B\" in grips
error: 1 problem in json-source; nothing was changed\n",
    );

    assert_eq!(rows_of(&project.database), before);
    // The same connection does keep a seed from writing.
    project
        .source("holds", "[]")
        .source("holds", r#"[{"id": "H"}]"#);
    let seeded = reading(&["seed"]);
    assert_eq!(seeded.status, Some(1));
    assert!(
        seeded.stderr.contains("read-only transaction"),
        "{}",
        seeded.stderr
    );
}

#[test]
fn without_a_server_the_migrations_are_what_files_are_checked_against() {
    let project = Project::new(&[&with_triggers(GRIPS)]);
    let state = project.path("state");
    let check = || {
        let mut command = project.command(&["check", "--state", state.to_str().unwrap()]);
        Finished::of(command.env_remove("DATABASE_URL").output().unwrap())
    };
    project.source("grips", r#"[{"id": "A", "label": "a"}]"#);
    let checked = check();
    checked.succeeded();
    assert_eq!(checked.stderr, "checked: 1 row in 1 file, no problem\n");

    project.source("grips", r#"[{"id": "A", "lable": "a"}]"#);
    check().failed_with(
        "error: grips.json:1:2: row 1 \"A\": column \"label\": is missing, and the column must have a value
error: grips.json:1:23: row 1 \"A\": column \"lable\": table grips has no such column; it has \"label\"
error: 2 problems in json-source; nothing was changed\n",
    );

    project.file(
        "sql/migrations/V0001__m.sql",
        "CREATE TABLE grips (\n    id text PRIMARY KEYS\n);\n",
    );
    let broken = check();
    assert_eq!(broken.status, Some(1));
    assert!(broken.stderr.contains("V0001__m.sql"), "{}", broken.stderr);

    assert_eq!(processes_that_mention(&state), Vec::<String>::new());
    assert_eq!(databases_in(&state), ["postgres"]);
    // It left no database either in the server that it was not told of.
    let own = project
        .database
        .query("SELECT count(*) FROM pg_tables WHERE tablename = 'grips'");
    assert_eq!(own, ["0"]);
}

const GRIPS: &str = "CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL);\n";
const STANCES: &str = "CREATE TABLE stances (id text PRIMARY KEY, label text NOT NULL);\n";

// The tables of `schema`, with triggers, so that no warning stands among the problems.
fn with_triggers(schema: &str) -> String {
    let names = schema.split("CREATE TABLE ").skip(1);
    let names: Vec<&str> = names.filter_map(|rest| rest.split(' ').next()).collect();
    format!("{schema}{}", tracked(&names))
}

struct Case {
    folder: PathBuf,
}

fn cases() -> Vec<Case> {
    let folder = repository().join("tests/cases");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.into_iter().map(|folder| Case { folder }).collect()
}

impl Case {
    // How what is said, or left behind, differs from what is expected.
    fn difference(&self, database: &TestDatabase) -> Option<String> {
        self.set_up(database);
        let before = (rows_of(database), files_of(&self.folder));
        let checked = self.run(database, &["check"]);
        let seeded = match checked.status {
            Some(0) => self.run(database, &["seed", "--dry-run", "--quiet"]),
            _ => self.run(database, &["seed"]),
        };
        let after = (rows_of(database), files_of(&self.folder));
        if std::env::var_os("TABLECAST_BLESS").is_some() {
            std::fs::write(self.folder.join("expected.txt"), &checked.stderr).unwrap();
        }
        let mut expected = self.read("expected.txt");
        if checked.stderr != expected {
            return Some(self.compared("check", &expected, &checked.stderr));
        }
        // What check lets pass, a seed takes; what check refuses, a seed refuses alike.
        let status = if expected.starts_with("checked: ") {
            expected.clear();
            Some(0)
        } else {
            Some(1)
        };
        let expected = expected.replace("nothing was changed", "nothing was seeded");
        if seeded.stderr != expected {
            return Some(self.compared("seed", &expected, &seeded.stderr));
        }
        if (checked.status, seeded.status) != (status, status) {
            let (checked, seeded) = (checked.status, seeded.status);
            return Some(self.named(&format!("exit status {checked:?} and {seeded:?}")));
        }
        (after != before).then(|| self.named("something was changed"))
    }

    fn set_up(&self, database: &TestDatabase) {
        database.execute(
            "DROP SCHEMA IF EXISTS public CASCADE; DROP SCHEMA IF EXISTS tablecast CASCADE;
             CREATE SCHEMA public",
        );
        database.execute(&self.read("schema.sql"));
        let tables = database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        database.execute(&tracked(&tables));
    }

    fn run(&self, database: &TestDatabase, arguments: &[&str]) -> Finished {
        let mut command = publisher();
        command.args(arguments).current_dir(&self.folder);
        command.env("DATABASE_URL", database.url());
        Finished::of(command.output().unwrap())
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    fn compared(&self, command: &str, expected: &str, said: &str) -> String {
        let difference = pretty_assertions::StrComparison::new(expected, said);
        self.named(&format!("{command}:\n{difference}"))
    }

    fn named(&self, text: &str) -> String {
        format!("{}: {text}", self.folder.file_name().unwrap().display())
    }
}

/// All that a command could change.
#[derive(Debug, PartialEq)]
struct Everything {
    rows: Vec<String>,
    source: BTreeMap<PathBuf, Vec<u8>>,
    store: BTreeMap<PathBuf, Vec<u8>>,
}

impl Everything {
    fn of(project: &Project) -> Self {
        let this = Self {
            rows: rows_of(&project.database),
            source: files_of(&project.path("json-source")),
            store: files_of(&project.path("snapshots")),
        };
        assert!(this.rows.len() > 2 && !this.source.is_empty() && !this.store.is_empty());
        this
    }
}

// A line for each table with a checksum of its rows, and of the transactions that wrote
// them: a row that is written again as it was shows too.
fn rows_of(database: &TestDatabase) -> Vec<String> {
    let each = database.query(
        "SELECT format('SELECT %L, count(*), md5(string_agg(t.xmin::text || t::text, '','' ORDER BY t::text))
                        FROM %I.%I AS t', schemaname || '.' || tablename, schemaname, tablename)
         FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
         ORDER BY schemaname, tablename",
    );
    database.query(&each.join(" UNION ALL "))
}

fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    files.remove(&folder.join("expected.txt"));
    files
}

fn processes_that_mention(path: &Path) -> Vec<String> {
    let output = Command::new("ps")
        .args(["-e", "-o", "args="])
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let mention = |line: &&str| line.contains(path.to_str().unwrap());
    lines.lines().filter(mention).map(str::to_owned).collect()
}

fn databases_in(state: &Path) -> Vec<String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let embedded = embedded_postgres::Embedded::start(state).await.unwrap();
        assert_ne!(processes_that_mention(state), Vec::<String>::new());
        let options = embedded.config("postgres");
        let (client, connection) = options.connect(tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let query = "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname";
        let rows = client.query(query, &[]).await.unwrap();
        drop(client);
        let _ = connection.await;
        embedded.stop().await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    })
}
