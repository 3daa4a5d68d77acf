//! References between files: a row is the one that the database takes for it.

use pretty_assertions::assert_eq;

use crate::support::{Project, tracked};

const NO_CASE: &str =
    "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";

/// Grips, and holds that point at them, whose keys compare as the type says.
fn grips(before: &str, kind: &str) -> Project {
    let project = Project::new(&[
        &format!(
            "{before}
             CREATE TABLE grips (id {kind} PRIMARY KEY, above_id {kind} REFERENCES grips);
             CREATE TABLE holds (id text PRIMARY KEY, grip_id {kind} REFERENCES grips);"
        ),
        &tracked(&["grips", "holds"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
}

#[test]
fn a_reference_finds_the_row_that_is_equal_to_the_database() {
    for (before, kind) in [
        (NO_CASE, "text COLLATE no_case"),
        ("CREATE EXTENSION citext;", "citext"),
        (
            "CREATE EXTENSION citext; CREATE DOMAIN word AS citext;",
            "word",
        ),
    ] {
        let project = grips(before, kind);
        project.source(
            "grips",
            r#"[{"id":"Hook"},{"id":"Pinch","above_id":"HOOK"}]"#,
        );
        project.source(
            "holds",
            r#"[{"id":"a","grip_id":"hook"},{"id":"b","grip_id":"Pinch"}]"#,
        );
        project.run(&["check", "--quiet"]).succeeded();
        project.run(&["plan", "--quiet"]).succeeded();
        project.run(&["seed", "--quiet"]).succeeded();
        assert_eq!(
            project.database.query(
                "SELECT h.id, g.id FROM holds AS h JOIN grips AS g ON g.id = h.grip_id ORDER BY 1"
            ),
            ["a|Hook", "b|Pinch"],
            "{kind}"
        );
        // What is equal to no row is told as ever, and nothing else is.
        project.source(
            "holds",
            r#"[{"id":"a","grip_id":"hook"},{"id":"b","grip_id":"pinc"}]"#,
        );
        for command in ["check", "seed"] {
            let told = project.run(&[command]).stderr;
            assert!(
                told.starts_with(
                    "error: holds.json:1:30: row 2 \"b\": column \"grip_id\": no row \"pinc\" in grips\n\
                     error: 1 problem in json-source"
                ) || told.contains("row 2 \"b\": column \"grip_id\": no row \"pinc\" in grips\nerror: 1 problem"),
                "{told}"
            );
        }
    }
}

#[test]
fn a_reference_finds_an_administrators_row_that_is_equal() {
    let project = Project::new(&[
        &format!(
            "{NO_CASE}
             CREATE TABLE grips (id text COLLATE no_case PRIMARY KEY,
                 source_type text NOT NULL DEFAULT 'seed');
             CREATE TABLE holds (id text PRIMARY KEY,
                 grip_id text COLLATE no_case REFERENCES grips);"
        ),
        &tracked(&["grips", "holds"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
        .database
        .execute("INSERT INTO grips VALUES ('Hook', 'admin')");
    project.source("grips", r#"[{"id":"Pinch"}]"#);
    project.source("holds", r#"[{"id":"a","grip_id":"HOOK"}]"#);
    for command in ["check", "plan", "seed"] {
        project.run(&[command, "--quiet"]).succeeded();
    }
}

#[test]
fn a_reference_of_several_columns_is_compared_column_by_column() {
    let project = Project::new(&[
        &format!(
            "{NO_CASE}
             CREATE TABLE grips (kind text COLLATE no_case, n int, PRIMARY KEY (kind, n));
             CREATE TABLE holds (id text PRIMARY KEY, kind text COLLATE no_case, n int,
                 FOREIGN KEY (kind, n) REFERENCES grips);"
        ),
        &tracked(&["grips", "holds"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("grips", r#"[{"kind":"Hook","n":1},{"kind":"Pinch","n":2}]"#);
    project.source("holds", r#"[{"id":"a","kind":"hook","n":1}]"#);
    project.run(&["check", "--quiet"]).succeeded();
    project.run(&["seed", "--quiet"]).succeeded();
    project.source("holds", r#"[{"id":"a","kind":"hook","n":2}]"#);
    let told = project.run(&["check"]).stderr;
    assert!(told.contains(r#"no row ("hook", "2") in grips"#), "{told}");
}
