//! `publisher preflight`: green where apps may be moved, and each thing that is wrong is one
//! check that fails.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use pretty_assertions::assert_eq;

use crate::support::serving::serve;
use crate::support::{Finished, Project, tracked};

const TABLES: &str = r"
    CREATE TABLE bands (
        id text PRIMARY KEY,
        label text NOT NULL,
        is_active boolean NOT NULL DEFAULT true,
        source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
    );
    CREATE INDEX bands_by_label ON bands (label);";

/// A project that is ready: two versions, and an app that ships what is public.
fn ready() -> Project {
    let project = Project::new(&[TABLES, &tracked(&["bands"])]);
    project.source("bands", r#"[{"id": "RED", "label": "Red"}]"#);
    project.run(&["run"]).succeeded();
    project.source("bands", r#"[{"id": "RED", "label": "Light"}]"#);
    project.run(&["run"]).succeeded();
    project
        .run(&["bundle", "app", "--sqlite", "app.db"])
        .succeeded();
    project
}

fn preflight(project: &Project, more: &[&str]) -> Finished {
    let shipped = ["preflight", "--app", "app", "--app-sqlite", "app.db"];
    project.run(&[&shipped, more].concat())
}

/// How each check ended, by its name, and what it says.
fn outcomes(project: &Project, more: &[&str]) -> BTreeMap<String, (String, String)> {
    of_report(&preflight(project, &[&["--json"], more].concat()))
}

fn of_report(finished: &Finished) -> BTreeMap<String, (String, String)> {
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let failed = checks.iter().any(|check| check["outcome"] == "failed");
    assert_eq!(report["passed"], !failed);
    assert_eq!(finished.status, Some(i32::from(failed)));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let entry = |check: &serde_json::Value| {
        let outcome = (text(&check["outcome"]), text(&check["detail"]));
        (text(&check["check"]), outcome)
    };
    checks.iter().map(entry).collect()
}

/// Exactly these checks fail, and the first one says this.
#[track_caller]
fn fails(project: &Project, more: &[&str], checks: &[&str], detail: &str) {
    let outcomes = outcomes(project, more);
    let failed = outcomes
        .iter()
        .filter(|(_, (outcome, _))| outcome == "failed");
    let failed: Vec<&str> = failed.map(|(check, _)| check.as_str()).collect();
    let mut expected = checks.to_vec();
    expected.sort_unstable();
    assert_eq!(failed, expected, "{outcomes:#?}");
    let said = &outcomes[checks[0]].1;
    assert!(said.contains(detail), "{said}");
}

#[test]
fn a_project_that_is_ready_passes_every_check_and_nothing_is_changed() {
    let project = ready();
    let (rows, version) = (project.database.everything(), project.version());
    let finished = preflight(&project, &[]);
    finished.succeeded();
    let names: Vec<&str> = finished
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("passed"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        names,
        [
            "migrations",
            "catalog",
            "seed",
            "snapshot",
            "parity",
            "rollback",
            "app",
            "app-sqlite"
        ],
        "{}",
        finished.stdout
    );
    assert_eq!(project.database.everything(), rows);
    assert_eq!(project.version(), version);
}

#[test]
fn the_exercise_app_is_ready_behind_its_server() {
    let project = Project::exercise_app();
    project.run(&["run"]).succeeded();
    let grips = fs::read_to_string(project.path("json-source/grips.json")).unwrap();
    let edited = grips.replacen("\"Pronated\"", "\"Overhand\"", 1);
    assert!(edited != grips);
    project.source("grips", &edited);
    project.run(&["run"]).succeeded();
    let server = serve(&project);
    let public = [
        "preflight",
        "--json",
        "--public",
        &server.base_url,
        "--app",
        "json-source",
    ];
    let found = of_report(&project.run(&public));
    for (check, (outcome, detail)) in &found {
        assert_eq!(outcome, "passed", "{check}: {detail}");
    }
    assert!(found.contains_key("service"));
}

#[test]
fn a_migration_that_waits_is_named_and_the_catalog_lacks_what_it_makes() {
    let project = ready();
    project.file(
        "sql/migrations/V0003__m.sql",
        "ALTER TABLE bands ADD CHECK (label <> '')",
    );
    let checks = ["migrations", "catalog"];
    fails(&project, &[], &checks, "V0003__m.sql");
}

#[test]
fn what_was_done_by_hand_in_the_database_is_named_object_by_object() {
    for (sql, expected) in [
        (
            "DROP INDEX bands_by_label",
            "index bands.bands_by_label is missing",
        ),
        (
            "ALTER TABLE bands ALTER label DROP NOT NULL",
            "column bands.label is `text`, and by the migrations `text not null`",
        ),
        (
            "ALTER TABLE bands ALTER is_active SET DEFAULT false",
            "column bands.is_active is `boolean not null default false`, and by the migrations \
             `boolean not null default true`",
        ),
        (
            "ALTER TABLE bands DROP CONSTRAINT bands_source_type_check",
            "constraint bands.bands_source_type_check is missing",
        ),
        (
            "CREATE TABLE notes (a text)",
            "table notes is in no migration",
        ),
        (
            "CREATE VIEW labels AS SELECT label FROM bands",
            "view labels is in no migration",
        ),
        (
            "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function mine() is in no migration",
        ),
    ] {
        let project = ready();
        project.database.execute(sql);
        let found = outcomes(&project, &[]);
        assert_eq!(found["catalog"].0, "failed", "{sql}");
        assert!(found["catalog"].1.contains(expected), "{found:#?}");
    }
}

#[test]
fn a_trigger_that_is_switched_off_is_a_difference_of_the_catalog() {
    let project = ready();
    let trigger = project
        .database
        .query("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1 LIMIT 1");
    let off = format!("ALTER TABLE bands DISABLE TRIGGER \"{}\"", trigger[0]);
    project.database.execute(&off);
    let detail = format!("trigger bands.{} is", trigger[0]);
    fails(&project, &[], &["catalog"], &detail);
}

#[test]
fn an_edit_that_was_not_published_fails_seed_and_parity() {
    let project = ready();
    project.source("bands", r#"[{"id": "RED", "label": "Heavy"}]"#);
    fails(&project, &[], &["seed", "parity"], "would write 1 row");
}

#[test]
fn files_that_a_seed_would_refuse_are_said_with_their_problems() {
    let project = ready();
    project.source("bands", r#"[{"id": "RED", "label": null}]"#);
    fails(&project, &[], &["seed", "parity"], "bands.json");
}

#[test]
fn a_byte_of_an_older_version_that_is_wrong_fails_snapshot_and_rollback() {
    let project = ready();
    let manifest = project.stored(&format!("manifests/{}.json", project.manifest_hash(1)));
    let hash = manifest["tables"]["bands"]["hash"].as_str().unwrap();
    let object = format!("snapshots/tables/bands/{hash}.json");
    let bytes = fs::read_to_string(project.path(&object)).unwrap();
    fs::remove_file(project.path(&object)).unwrap();
    project.file(&object, bytes.replace("Red", "Rad"));
    fails(&project, &[], &["snapshot", "rollback"], hash);
}

#[test]
fn a_single_version_leaves_nothing_to_go_back_to() {
    let project = Project::new(&[TABLES, &tracked(&["bands"])]);
    project.source("bands", r#"[{"id": "RED", "label": "Red"}]"#);
    project.run(&["run"]).succeeded();
    project
        .run(&["bundle", "app", "--sqlite", "app.db"])
        .succeeded();
    fails(&project, &[], &["rollback"], "no version before");
}

#[test]
fn a_version_that_is_named_for_the_rollback_must_be_there() {
    let project = ready();
    fails(&project, &["--rollback-to", "77"], &["rollback"], "77");
    let epoch = project.version()["epoch"].clone();
    let passed = outcomes(&project, &["--rollback-to", "1"]);
    assert!(passed["rollback"].1.contains(&format!("{epoch}-1")));
}

#[test]
fn an_app_that_ships_an_older_bundle_fails() {
    let project = ready();
    project.source("bands", r#"[{"id": "RED", "label": "Heavy"}]"#);
    project.run(&["run"]).succeeded();
    fails(&project, &[], &["app", "app-sqlite"], "does not hold");
    // One file of another version among the right ones is no less wrong.
    let old = fs::read(project.path("app/bootstrap.json")).unwrap();
    project
        .run(&["bundle", "app", "--sqlite", "app.db"])
        .succeeded();
    preflight(&project, &[]).succeeded();
    project.file("app/bootstrap.json", old);
    fails(
        &project,
        &[],
        &["app"],
        "bootstrap.json is of another version",
    );
}

#[test]
fn what_is_no_file_keeps_no_check_waiting() {
    let project = ready();
    for shipped in ["app/bootstrap.json", "app/version.json", "app.db"] {
        fs::remove_file(project.path(shipped)).unwrap();
        let made = Command::new("mkfifo").arg(project.path(shipped)).status();
        assert!(made.unwrap().success());
    }
    let found = outcomes(&project, &[]);
    for check in ["app", "app-sqlite"] {
        assert_eq!(found[check].0, "failed", "{found:#?}");
    }
    assert!(found["app-sqlite"].1.contains("app.db: "), "{found:#?}");
}

#[test]
fn without_migrations_of_ours_two_checks_are_skipped() {
    let project = ready();
    let found = outcomes(&project, &["--sql", "nowhere"]);
    for check in ["migrations", "catalog"] {
        let expected = (
            "skipped".to_owned(),
            "there is no folder nowhere".to_owned(),
        );
        assert_eq!(found[check], expected);
    }
}

#[test]
fn an_apps_own_files_are_compared_row_by_row() {
    let project = ready();
    fs::create_dir(project.path("files")).unwrap();
    project.file("files/bands.json", r#"[{"id": "RED", "label": "Other"}]"#);
    let finished = project.run(&["preflight", "--app", "files", "--json"]);
    assert!(
        finished.stdout.contains("1 difference"),
        "{}",
        finished.stdout
    );
    assert_eq!(finished.status, Some(1));
}

#[test]
fn without_a_database_or_a_snapshot_the_other_checks_are_made_all_the_same() {
    let project = ready();
    fs::rename(project.path("snapshots"), project.path("elsewhere")).unwrap();
    let found = outcomes(&project, &[]);
    assert_eq!(found["snapshot"].0, "failed");
    assert_eq!(found["catalog"].0, "passed");
    let unreachable = [
        "--public",
        "elsewhere",
        "--database-url",
        "postgres://127.0.0.1:1/none",
    ];
    let unreachable = [&unreachable, &["--connect-timeout", "100ms"][..]].concat();
    let found = outcomes(&project, &unreachable);
    assert_eq!(found["migrations"].0, "failed");
    assert_eq!(found["snapshot"].0, "passed");
}

#[test]
fn a_place_that_is_none_is_a_mistake_of_the_command_line() {
    let project = Project::new(&[]);
    let finished = project.run(&["preflight", "--public", "ftp://example.org/"]);
    assert_eq!(finished.status, Some(2));
}
