//! Mistakes without end: a check takes the time of reading the files, and tells each kind.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::{GRIPS, with_triggers};
use crate::support::{Finished, Project, tracked};

/// Many times what these files need, and a fraction of what they need where the time grows
/// with the square of their size.
const BOUND: Duration = Duration::from_secs(120);

#[track_caller]
fn check(project: &Project) -> Finished {
    let start = Instant::now();
    let finished = project.run(&["check"]);
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    finished
}

fn grips() -> Project {
    let project = Project::new(&[&with_triggers(GRIPS)]);
    project.run(&["migrate"]).succeeded();
    project
}

fn list(rows: impl Iterator<Item = String>) -> String {
    format!("[\n{}\n]\n", rows.collect::<Vec<_>>().join(",\n"))
}

#[test]
fn an_unknown_key_in_each_row_is_said_once_and_hides_no_other_problem() {
    let project = grips();
    let rows = (1..=60_000).map(|id| match id {
        50_000 => r#"{"id": "50000", "label": 7, "motion_planes": 1}"#.to_owned(),
        _ => format!(r#"{{"id": "{id}", "label": "a", "motion_planes": 1}}"#),
    });
    project.source("grips", &list(rows));
    check(&project).failed_with(
        "error: grips.json: column \"motion_planes\": table grips has no such column; in 60,000 rows; first at grips.json:2:44: row 1 \"1\": column \"motion_planes\"
error: grips.json:50001:26: row 50000 \"50000\": column \"label\": expected a string, found the number 7
error: 60001 problems in json-source; nothing was changed\n",
    );
    let finished = project.run(&["check", "--json", "--quiet"]);
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["problemCount"], 60_001);
    assert_eq!(report["problems"].as_array().unwrap().len(), 2);
    assert_eq!(
        report["problems"][0]["place"]["alike"],
        serde_json::json!({"count": 60_000, "rows": 60_000})
    );
}

#[test]
fn a_row_of_nothing_but_unknown_keys_is_read_once() {
    let project = grips();
    let mut row = r#"{"id": "A", "lable": "a""#.to_owned();
    for key in 0..300_000 {
        let _ = write!(row, r#", "k{key:06}": 1"#);
    }
    project.source("grips", &list([row + "}"].into_iter()));
    let finished = check(&project);
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 103, "{}", finished.stderr);
    let lable = "has no such column; it has \"label\"";
    assert!(lines.iter().any(|line| line.ends_with(lable)));
    let others = "error: grips.json: other columns: table grips has no such column; 299,901 times; first at grips.json:2:";
    assert!(
        lines.iter().any(|line| line.starts_with(others)),
        "{}",
        finished.stderr
    );
    assert_eq!(
        lines[102],
        "error: 300002 problems in json-source; nothing was changed"
    );
}

#[test]
fn keys_given_twice_without_end_are_counted() {
    let project = grips();
    let mut row = r#"{"id": "A", "label": "a""#.to_owned();
    for key in 0..200_000 {
        let _ = write!(row, r#", "_{key}": 1, "_{key}": 2"#);
    }
    project.source("grips", &list([row + "}"].into_iter()));
    let finished = check(&project);
    finished.failed_with(
        "error: grips.json: duplicate key \"_0\" in one object; 200,000 times in 1 row; first at grips.json:2:36: row 1 \"A\"
error: 200000 problems in json-source; nothing was changed\n",
    );
}

#[test]
fn references_to_rows_that_are_nowhere_are_counted_each_different_or_all_the_same() {
    let motions = "CREATE TABLE motions (
        id text PRIMARY KEY,
        parent_id text REFERENCES motions,
        other_id text REFERENCES motions
    );";
    let project = Project::new(&[motions, &tracked(&["motions"])]);
    project.run(&["migrate"]).succeeded();
    let rows = (1..=60_000)
        .map(|id| format!(r#"{{"id": "M{id}", "parent_id": "N{id}", "other_id": "NONE"}}"#));
    project.source("motions", &list(rows));
    check(&project).failed_with(
        "error: motions.json: column \"parent_id\": no row \"N1\" in motions; in 60,000 rows; first at motions.json:2:27: row 1 \"M1\": column \"parent_id\"
error: motions.json: column \"other_id\": no row \"NONE\" in motions; in 60,000 rows; first at motions.json:2:45: row 1 \"M1\": column \"other_id\"
error: 120000 problems in json-source; nothing was changed\n",
    );
}

#[test]
fn one_value_without_end_is_named_in_short() {
    let project = grips();
    let huge = "é".repeat(4 << 20);
    let rows = [
        format!(r#"{{"id": "A", "label": "a", "{huge}": 1}}"#),
        format!(r#"{{"id": "{huge}", "label": 7}}"#),
        format!(r#"{{"id": "B", "label": 1{}}}"#, "0".repeat(1 << 20)),
    ];
    project.source("grips", &list(rows.into_iter()));
    let finished = check(&project);
    assert_eq!(finished.status, Some(1));
    assert!(finished.stderr.len() < 20_000, "{}", finished.stderr.len());
    assert_eq!(finished.stderr.lines().count(), 4, "{}", finished.stderr);
}

#[test]
fn nesting_without_end_is_refused_at_its_place() {
    let project = Project::new(&[
        "CREATE TABLE grips (id text PRIMARY KEY, label text[], rules jsonb);",
        &tracked(&["grips"]),
    ]);
    project.run(&["migrate"]).succeeded();
    let deep = "[".repeat(2 << 20) + &"]".repeat(2 << 20);
    let wide = format!("{}{}{}", "[".repeat(100), "[1],".repeat(200_000), "[1]") + &"]".repeat(100);
    let rows = [
        format!(r#"{{"id": "A", "label": {deep}}}"#),
        format!(r#"{{"id": "B", "rules": {deep}}}"#),
        format!(r#"{{"id": "C", "label": {wide}}}"#),
        format!(r#"{{"id": "D", "rules": {wide}}}"#),
    ];
    project.source("grips", &list(rows.into_iter()));
    let finished = check(&project);
    assert_eq!(finished.status, Some(1));
    assert!(finished.stderr.len() < 20_000, "{}", finished.stderr);
}

#[test]
fn files_without_end_are_counted() {
    let project = grips();
    project.source("grips", r#"[{"id": "A", "label": "a"}]"#);
    for file in 0..5_000 {
        project.source(&format!("f{file:05}"), "[]");
    }
    let finished = check(&project);
    assert_eq!(finished.stderr.lines().count(), 1002);
    assert!(finished.stderr.ends_with(
        "error: f01000.json: no table has the key \"f01000\"; if the file is not a table, name it in ignore_files in tablecast.toml; 4,000 times; first at f01000.json
error: 5000 problems in json-source; nothing was changed\n"
    ));
}

#[test]
fn rows_that_say_nothing_are_counted() {
    let project = grips();
    project.source("grips", &list((0..100_000).map(|_| "{}".to_owned())));
    check(&project).failed_with(
        "error: grips.json: column \"id\": is missing, and the column must have a value; in 100,000 rows; first at grips.json:2:1: row 1: column \"id\"
error: grips.json: column \"label\": is missing, and the column must have a value; in 100,000 rows; first at grips.json:2:1: row 1: column \"label\"
error: 200000 problems in json-source; nothing was changed\n",
    );
}

#[test]
fn the_same_key_in_each_row_is_counted() {
    let project = grips();
    let rows = (0..100_000).map(|_| r#"{"id": "A", "label": "a"}"#.to_owned());
    project.source("grips", &list(rows));
    check(&project).failed_with(
        "error: grips.json: duplicate primary key, first in row 1 (line 2); in 99,999 rows; first at grips.json:3:1: row 2 \"A\"
error: 99999 problems in json-source; nothing was changed\n",
    );
}
