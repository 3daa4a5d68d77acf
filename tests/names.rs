//! Names of the user's that are also names of ours: no query of ours may take one for the
//! other.

use std::collections::BTreeSet;
use std::path::Path;

use pretty_assertions::assert_eq;

use crate::support::{Project, repository, tracked};

/// Every name that our SQL gives to something: a table, a column, a function's result.
fn our_names() -> BTreeSet<String> {
    let mut text = String::new();
    for folder in [
        "publisher/templates",
        "publisher/src/database",
        "embedded-postgres/src",
    ] {
        read_folder(&repository().join(folder), &mut text);
    }
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let behind_as = words
        .windows(2)
        .filter(|pair| matches!(pair[0], "AS" | "WITH" | "RECURSIVE"))
        .map(|pair| pair[1].to_owned());
    let mut names: BTreeSet<String> = behind_as
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() < 64)
        .collect();
    names.extend(["excluded", "r", "old", "new", "changed_rows"].map(str::to_owned));
    names
}

fn read_folder(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(&path, text);
        } else {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Names that SQL keeps for itself, and ones that are hard to write.
const HARD: [&str; 9] = [
    "select", "user", "order", "table", "default", "ctid_", "A", "Zz", "_",
];

fn names() -> BTreeSet<String> {
    let mut names = our_names();
    assert!(
        names.contains("t") && names.contains("s") && names.contains("both_sides"),
        "{names:?}"
    );
    names.extend(HARD.map(str::to_owned));
    names.insert("x".repeat(63));
    names
}

/// Takes a project of tables through every command that reads or writes rows.
#[track_caller]
fn goes_through_every_command(
    project: &Project,
    tables: &[&str],
    row: impl Fn(&str, u32) -> String,
) {
    let write = |numbers: &[(&str, u32)]| {
        for table in tables {
            let rows: Vec<String> = numbers.iter().map(|(id, n)| row(id, *n)).collect();
            project.source(table, &format!("[{}]", rows.join(",")));
        }
    };
    project.run(&["migrate", "--quiet"]).succeeded();
    for numbers in [
        &[("a", 1), ("b", 2), ("c", 3)][..],
        // Values are traded, one row leaves, one comes.
        &[("a", 2), ("b", 1), ("d", 4)],
    ] {
        write(numbers);
        for command in [
            &["check"][..],
            &["plan", "--quiet"],
            &["run", "--quiet"],
            &["parity", "--quiet"],
        ] {
            let finished = project.run(command);
            assert_eq!(finished.status, Some(0), "{command:?}: {}", finished.stderr);
        }
    }
    for table in tables {
        let rows = project.published(table);
        assert_eq!(rows.as_array().unwrap().len(), 3, "{table}: {rows}");
    }
}

#[test]
fn columns_may_have_the_names_of_our_aliases() {
    let names = names();
    let columns: Vec<String> = names
        .iter()
        .map(|name| match name.len() {
            // Some of them are traded.
            1 | 63 => format!("\"{name}\" int NOT NULL UNIQUE"),
            _ => format!("\"{name}\" int NOT NULL"),
        })
        .collect();
    let project = Project::new(&[
        &format!(
            "CREATE TABLE items (id text PRIMARY KEY, is_active boolean NOT NULL DEFAULT true,
                 source_type text NOT NULL DEFAULT 'seed', {});",
            columns.join(", ")
        ),
        &tracked(&["items"]),
    ]);
    goes_through_every_command(&project, &["items"], |id, n| {
        let values: Vec<String> = names.iter().map(|name| format!("\"{name}\":{n}")).collect();
        format!(r#"{{"id":"{id}",{}}}"#, values.join(","))
    });
}

#[test]
fn keys_may_have_the_names_of_our_aliases() {
    for name in ["t", "s", "r", "staged", "stored", "other", "v"] {
        let project = Project::new(&[
            &format!(
                "CREATE TABLE items (\"{name}\" text PRIMARY KEY, n int NOT NULL UNIQUE,
                     is_active boolean NOT NULL DEFAULT true);"
            ),
            &tracked(&["items"]),
        ]);
        goes_through_every_command(&project, &["items"], |id, n| {
            format!(r#"{{"{name}":"{id}","n":{n}}}"#)
        });
    }
}

#[test]
fn tables_may_have_the_names_of_our_aliases() {
    let mut tables: Vec<String> = our_names().into_iter().collect();
    tables.extend(["tablecast_stage_0", "tablecast_stage_1", "user", "order"].map(str::to_owned));
    // Names that differ in underscores alone would be published under one key.
    let key = |table: &str| {
        let mut key = String::new();
        let mut upper = false;
        for c in table.chars() {
            match c {
                '_' => upper = !key.is_empty(),
                c if upper => {
                    key.extend(c.to_uppercase());
                    upper = false;
                }
                c => key.push(c),
            }
        }
        key
    };
    let mut keys: Vec<String> = Vec::new();
    tables.retain(|table| {
        let key = key(table);
        let is_new = !keys.contains(&key) && table != "reference_metadata";
        if is_new {
            keys.push(key);
        }
        is_new
    });
    let create: Vec<String> = tables
        .iter()
        .map(|table| {
            format!(
                "CREATE TABLE \"{table}\" (id text PRIMARY KEY, n int NOT NULL UNIQUE,
                     is_active boolean NOT NULL DEFAULT true);"
            )
        })
        .collect();
    let quoted: Vec<String> = tables.iter().map(|table| format!("\"{table}\"")).collect();
    let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
    let tracking = tracked(&quoted).replace("('\"", "('").replace("\"')", "')");
    let project = Project::new(&[&create.concat(), &tracking]);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    goes_through_every_command(&project, &keys, |id, n| {
        format!(r#"{{"id":"{id}","n":{n}}}"#)
    });
}

#[test]
fn a_schema_may_have_any_name() {
    for schema in ["t", "select", "of \"ours\" it's", "Großes Schema"] {
        let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
        let project = Project::new(&[&format!(
            "CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.t (id text PRIMARY KEY,
                 n int NOT NULL UNIQUE, number serial, is_active boolean NOT NULL DEFAULT true);"
        )]);
        let literal = serde_json::to_string(schema).unwrap();
        project.file("tablecast.toml", format!("schema = {literal}\n"));
        project.run(&["migrate", "--quiet"]).succeeded();
        let triggers = project.run(&["migrate", "--print-triggers"]).stdout;
        project.file("sql/migrations/V0002__triggers.sql", triggers);
        goes_through_every_command(&project, &["t"], |id, n| {
            format!(r#"{{"id":"{id}","n":{n}}}"#)
        });
    }
}
