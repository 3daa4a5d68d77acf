//! A schema that is not ours: Chinook, a record shop with composite keys, numeric prices,
//! employees who report to employees, and none of our own columns.
//!
//! `tests/chinook/make.py` turns its files into a project. The scenario always runs on a
//! small shop of our own in Chinook's shape; on Chinook itself, which is not ours to
//! copy, where `TABLECAST_CHINOOK` names a folder that holds its `ChinookData.json` and
//! `Chinook_PostgreSql.sql` (<https://github.com/lerocha/chinook-database>).

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::{Finished, Project, repository};

#[test]
fn a_shop_in_the_shape_of_chinook_goes_through_the_whole_job() {
    let chinook = repository().join("tests/chinook");
    goes_through_the_whole_job(
        &chinook.join("shop.json"),
        &chinook.join("shop.sql"),
        "",
        31,
    );
}

#[test]
fn chinook_goes_through_the_whole_job() {
    let Some(folder) = std::env::var_os("TABLECAST_CHINOOK").map(PathBuf::from) else {
        eprintln!("passed over: TABLECAST_CHINOOK does not name a folder with Chinook's files");
        return;
    };
    let (data, sql) = (
        folder.join("ChinookData.json"),
        folder.join("Chinook_PostgreSql.sql"),
    );
    goes_through_the_whole_job(&data, &sql, ITS_JSON_DIFFERS, 15607);
}

// Its two files hold the same rows but for one city, with and without a space behind it.
const ITS_JSON_DIFFERS: &str = "
    UPDATE customer SET city = city || ' ' WHERE city = 'Edinburgh';
    UPDATE invoice SET billing_city = billing_city || ' ' WHERE billing_city = 'Edinburgh';";

#[test]
fn its_settings_are_ten_lines_at_most() {
    assert!(settings().lines().count() <= 10);
}

fn goes_through_the_whole_job(data: &Path, sql: &Path, differences: &str, rows: u64) {
    let project = made_from(data, sql);
    let checked = project.run(&["check"]);
    assert_eq!(
        checked.stderr,
        format!("checked: {rows} rows in 11 files, no problem\n")
    );

    let seeded = project.json(&["seed"]);
    assert_eq!(total(&seeded, "inserted"), rows);
    assert_eq!(
        (&seeded["from"], &seeded["to"]),
        (&json!("seq:0"), &json!("seq:1"))
    );
    for again in [&["seed"][..], &["seed", "--recheck"]] {
        let seeded = project.json(again);
        assert_eq!(total(&seeded, "unchanged"), rows);
        assert_eq!(
            (&seeded["from"], &seeded["to"]),
            (&json!("seq:1"), &json!("seq:1"))
        );
    }

    assert_eq!(project.json(&["publish"])["rows"], rows);
    assert_eq!(project.json(&["publish"])["outcome"], "unchanged");
    assert_rows_equal_those_of_the_files(&project);
    assert_pairs_are_in_order(&project);
    assert_eq!(
        project.manifest()["contentHash"],
        filled_by_its_own_sql(&project, sql, differences).manifest()["contentHash"],
        "the files, seeded, are not what the shop's own SQL inserts"
    );
}

fn settings() -> String {
    std::fs::read_to_string(repository().join("tests/chinook/tablecast.toml")).unwrap()
}

// The tables stand, and their changes are tracked.
fn made_from(data: &Path, sql: &Path) -> Project {
    let project = Project::new(&[]);
    let made = Command::new("python3")
        .arg(repository().join("tests/chinook/make.py"))
        .args([data, sql, &project.path("")])
        .output();
    Finished::of(made.unwrap()).succeeded();
    project.file("tablecast.toml", settings());
    project.run(&["migrate"]).succeeded();
    let triggers = project.run(&["migrate", "--print-triggers"]);
    triggers.succeeded();
    project.file("sql/migrations/V0002__track_changes.sql", &triggers.stdout);
    project.run(&["migrate"]).succeeded();
    project
}

// The same rows by another way: PostgreSQL reads them from INSERT statements.
fn filled_by_its_own_sql(project: &Project, sql: &Path, differences: &str) -> Project {
    let other = Project::new(&[]);
    let sql = std::fs::read_to_string(sql).unwrap();
    // Commands of psql and statements about whole databases are for another place.
    let elsewhere = ["\\c", "DROP DATABASE", "CREATE DATABASE"];
    let lines = sql
        .lines()
        .filter(|line| !elsewhere.iter().any(|start| line.starts_with(start)));
    other
        .database
        .execute(&lines.collect::<Vec<_>>().join("\n"));
    other.database.execute(differences);
    let tracking = "sql/migrations/V0002__track_changes.sql";
    other
        .database
        .execute(&std::fs::read_to_string(project.path(tracking)).unwrap());
    other.run(&["publish"]).succeeded();
    other
}

#[track_caller]
fn assert_rows_equal_those_of_the_files(project: &Project) {
    let compared = Command::new("python3")
        .arg(repository().join("tests/independent/compare_rows.py"))
        .args(["--config", "tablecast.toml", "json-source", "snapshots"])
        .current_dir(project.path(""))
        .output();
    let compared = Finished::of(compared.unwrap());
    assert_eq!(
        compared.status,
        Some(0),
        "{}{}",
        compared.stdout,
        compared.stderr
    );
}

// Both columns of the key are numbers: 2 comes before 10, in either.
#[track_caller]
fn assert_pairs_are_in_order(project: &Project) {
    let pairs = project.published("playlistTrack");
    let number = |pair: &serde_json::Value, column: &str| pair[column].as_u64().unwrap();
    let pairs: Vec<(u64, u64)> = pairs
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (number(pair, "playlist_id"), number(pair, "track_id")))
        .collect();
    assert!(pairs.is_sorted(), "{pairs:?}");
}

fn total(report: &serde_json::Value, count: &str) -> u64 {
    let tables = report["tables"].as_array().unwrap();
    tables
        .iter()
        .map(|table| table[count].as_u64().unwrap())
        .sum()
}
