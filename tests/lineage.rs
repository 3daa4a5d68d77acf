//! An older state of a database does not replace a newer one that is public, however it
//! came to be older; a database that was made anew is none of it.

use std::process::Command;

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::{Project, TestDatabase, tracked};

const TABLES: &str = "
    CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL, width bigint);
    CREATE TABLE motions (id text PRIMARY KEY, label text NOT NULL);";

// Published at seq:3.
fn published() -> Project {
    let project = Project::new(&[TABLES, &tracked(&["grips", "motions"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    for statement in [
        "INSERT INTO grips VALUES ('A', 'One', 1), ('B', 'Two', 2)",
        "INSERT INTO motions VALUES ('M', 'Pull')",
        "UPDATE grips SET label = 'First' WHERE id = 'A'",
    ] {
        project.database.execute(statement);
    }
    publish(&project, &project.database).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:3");
    project
}

fn copy_of(database: &TestDatabase) -> TestDatabase {
    TestDatabase::with(&format!("TEMPLATE {}", database.name()))
}

fn publish(project: &Project, database: &TestDatabase) -> crate::support::Finished {
    publish_with(project, database, &[])
}

fn publish_with(
    project: &Project,
    database: &TestDatabase,
    flags: &[&str],
) -> crate::support::Finished {
    let url = ["publish", "--quiet", "--database-url", database.url()];
    project.run(&[&url, flags].concat())
}

const OWN_LINEAGE: &str = "UPDATE tablecast.lineage SET id = md5(random()::text)";

/// Refused with this reason and nothing written, and allowed by the flag that it names.
#[track_caller]
fn refused_until_allowed(project: &Project, database: &TestDatabase, reason: &str, state: &str) {
    let lineage = format!(
        "; give a throwaway database made from a template its own lineage, before it publishes: {OWN_LINEAGE}"
    );
    refused_with_help(project, database, reason, state, &lineage);
}

#[track_caller]
fn refused_with_help(
    project: &Project,
    database: &TestDatabase,
    reason: &str,
    state: &str,
    help: &str,
) {
    let before = project.version();
    publish(project, database).failed_with(&format!(
        "error: {reason} allow it by --allow-older {state}{help}\n\
         error: 1 problem in the snapshot; nothing was published\n"
    ));
    assert_eq!(project.version(), before);
    publish_with(project, database, &["--allow-older", state]).succeeded();
    assert_eq!(project.version()["referenceVersion"], state);
}

const OLDER: &str = "the database is at seq:3, and seq:4 of it is public: it is older, or another one made \
                     from the same template; publish from the one that has seq:4, or, if going back is meant,";

#[test]
fn a_copy_of_before_the_last_change_is_refused_with_both_numbers() {
    let project = published();
    let old = copy_of(&project.database);
    project
        .database
        .execute("UPDATE grips SET label = 'Changed' WHERE id = 'B'");
    publish(&project, &project.database).succeeded();
    let lineage = project.version()["lineage"].clone();
    assert_eq!(lineage.as_str().map(str::len), Some(16));

    // The same number again is no other state, and needs no flag.
    publish(&project, &project.database).succeeded();
    // Another number than the copy's is another permission.
    publish_with(&project, &old, &["--allow-older", "seq:2"]).failed_with(
        "error: --allow-older allows seq:2, but the database is at seq:3\n\
         error: 1 problem in the snapshot; nothing was published\n",
    );
    refused_until_allowed(&project, &old, OLDER, "seq:3");
    assert_eq!(project.version()["lineage"], lineage);
    // And the newer one follows without.
    publish(&project, &project.database).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:4");
}

#[test]
fn a_dump_that_was_restored_is_the_database_that_it_was_taken_from() {
    let project = published();
    let restored = TestDatabase::new();
    let script = format!(
        "set -e; PATH=\"$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)\"; \
         pg_dump --dbname \"{}\" | psql --quiet --set ON_ERROR_STOP=1 --dbname \"{}\" >/dev/null",
        project.database.url(),
        restored.url()
    );
    let done = Command::new("bash")
        .args(["-o", "pipefail", "-c", &script])
        .output();
    let done = done.unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    project
        .database
        .execute("UPDATE grips SET label = 'Changed' WHERE id = 'B'");
    publish(&project, &project.database).succeeded();
    refused_until_allowed(&project, &restored, OLDER, "seq:3");
}

#[test]
fn a_database_of_before_lineages_is_known_by_its_first_migration() {
    let project = published();
    let older_release = "DROP TABLE tablecast.lineage";
    project.database.execute(older_release);
    // What an older release published names no lineage.
    let strip = |project: &Project| {
        let mut version = project.version();
        version.as_object_mut().unwrap().remove("lineage");
        let order = format!("versions/{}-{}.json", version["epoch"], version["sequence"]);
        for path in ["version.json", &order] {
            project.file(&format!("snapshots/{path}"), version.to_string());
        }
    };
    let old = copy_of(&project.database);
    project
        .database
        .execute("UPDATE grips SET label = 'Changed' WHERE id = 'B'");
    publish(&project, &project.database).succeeded();
    strip(&project);
    refused_with_help(&project, &old, OLDER, "seq:3", "");
    publish(&project, &project.database).succeeded();
    assert_eq!(
        project.version()["lineage"].as_str().map(str::len),
        Some(16)
    );
    refused_with_help(&project, &old, OLDER, "seq:3", "");
}

#[test]
fn a_copy_without_its_bookkeeping_is_compared_all_the_same() {
    let project = published();
    let old = copy_of(&project.database);
    old.execute("DROP SCHEMA tablecast CASCADE");
    project
        .database
        .execute("UPDATE grips SET label = 'Changed' WHERE id = 'B'");
    publish(&project, &project.database).succeeded();
    refused_with_help(&project, &old, OLDER, "seq:3", "");
}

#[test]
fn the_same_number_with_other_rows_is_refused() {
    let project = published();
    let copy = copy_of(&project.database);
    for (database, label) in [(&project.database, "Here"), (&copy, "There")] {
        database.execute(&format!(
            "UPDATE grips SET label = '{label}' WHERE id = 'B'"
        ));
    }
    publish(&project, &project.database).succeeded();
    let reason = "the database is at seq:4, and seq:4 of it is public, but it does not go on from there: \
                  grips was last changed by number 4, and has other rows; it is an older copy that went on \
                  by itself, or another one made from the same template, or a change went past the triggers; publish from the one that has seq:4, or, \
                  if this one is meant,";
    refused_until_allowed(&project, &copy, reason, "seq:4");
}

#[test]
fn a_copy_that_went_further_on_its_own_way_is_refused() {
    let project = published();
    let copy = copy_of(&project.database);
    project
        .database
        .execute("UPDATE grips SET label = 'Changed' WHERE id = 'B'");
    publish(&project, &project.database).succeeded();
    for label in ["Push", "Press"] {
        copy.execute(&format!("UPDATE motions SET label = '{label}'"));
    }
    let reason = "the database is at seq:5, and seq:4 of it is public, but it does not go on from there: \
                  grips was last changed by number 4, and here by 3; it is an older copy that went on by \
                  itself, or another one made from the same template, or a change went past the triggers; publish from the one that has seq:4, or, if \
                  this one is meant,";
    refused_until_allowed(&project, &copy, reason, "seq:5");
}

#[test]
fn throwaway_databases_publish_one_after_the_other_without_a_flag() {
    let project = Project::new(&[TABLES, &tracked(&["grips", "motions"])]);
    project.source("motions", r#"[{"id": "M", "label": "Pull"}]"#);
    let mut lineages = Vec::new();
    for label in ["One", "Two", "Three"] {
        let database = TestDatabase::new();
        project.source(
            "grips",
            &format!(r#"[{{"id": "A", "label": "{label}", "width": 1}}]"#),
        );
        let run = ["run", "--quiet", "--database-url", database.url()];
        project.run(&run).succeeded();
        assert_eq!(project.published("grips")[0]["label"], label);
        assert_eq!(project.version()["referenceVersion"], "seq:1");
        lineages.push(project.version()["lineage"].to_string());
    }
    lineages.dedup();
    assert_eq!(lineages.len(), 3);
}

#[test]
fn throwaway_databases_from_one_template_are_told_how_to_get_a_lineage_each() {
    let project = Project::new(&[TABLES, &tracked(&["grips", "motions"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("motions", r#"[{"id": "M", "label": "Pull"}]"#);
    let run = |label: &str, database: &TestDatabase| {
        project.source(
            "grips",
            &format!(r#"[{{"id": "A", "label": "{label}", "width": 1}}]"#),
        );
        project.run(&["run", "--quiet", "--database-url", database.url()])
    };
    run("One", &copy_of(&project.database)).succeeded();
    let second = copy_of(&project.database);
    let refused = run("Two", &second);
    for words in [
        "an older copy that went on by itself, or another one made from the same template",
        OWN_LINEAGE,
    ] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    second.execute(OWN_LINEAGE);
    run("Two", &second).succeeded();
    assert_eq!(project.published("grips")[0]["label"], "Two");
}

#[test]
fn settings_change_what_is_published_at_the_same_number() {
    let project = published();
    for (sequence, settings) in [
        "[tables.grips]\nas_text = [\"width\"]\nmay_change_shape = true\n",
        "[tables.grips]\nmay_change_shape = true\n",
        "[tables.motions]\nbootstrap = false\n",
        "exclude = [\"motions\"]\n[tables.motions]\nmay_vanish = true\n",
        "schema_version = \"1.1\"\n",
    ]
    .into_iter()
    .enumerate()
    .map(|(index, settings)| (index + 2, settings))
    {
        project.file("tablecast.toml", settings);
        let settings = if settings.starts_with("exclude") {
            project.run(&["publish", "--quiet", "--allow-vanished", "motions"])
        } else {
            project.run(&["publish", "--quiet"])
        };
        settings.succeeded();
        assert_eq!(project.version()["sequence"], json!(sequence));
        assert_eq!(project.version()["referenceVersion"], "seq:3");
    }
}

#[test]
fn a_change_that_no_trigger_can_tell_is_published_where_triggers_are_missing() {
    let project = published();
    project
        .database
        .execute("DROP TRIGGER u ON grips; UPDATE grips SET label = 'Untold' WHERE id = 'A'");
    publish(&project, &project.database).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:3");
    assert_eq!(project.published("grips")[0]["label"], "Untold");
}

#[test]
fn going_back_by_a_rollback_and_on_again_needs_no_flag() {
    let project = published();
    project
        .database
        .execute("UPDATE grips SET label = 'Changed' WHERE id = 'B'");
    publish(&project, &project.database).succeeded();
    project
        .run(&["rollback", "--quiet", "--to", "1"])
        .succeeded();
    project.run(&["resume", "--quiet"]).succeeded();
    publish(&project, &project.database).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:4");
}

// As `refused_until_allowed`, where the newer state is public no more.
fn published_as(project: &Project, seq: u64, sequence: u64, state: u64) -> String {
    let version = format!("{}-{sequence}", project.version()["epoch"]);
    format!(
        "the database is at seq:{state}, and seq:{seq} of it was published as version {version}: it is older, \
         or another one made from the same template; publish from the one that has seq:{seq}, or, if going back is meant,"
    )
}

#[test]
fn a_publication_of_another_database_in_between_hides_no_newer_state() {
    let project = published();
    let old = copy_of(&project.database);
    project
        .database
        .execute("UPDATE grips SET label = 'Changed' WHERE id = 'B'");
    publish(&project, &project.database).succeeded();
    let other = TestDatabase::new();
    for label in ["Push", "Press"] {
        project.source("grips", r#"[{"id": "A", "label": "One", "width": 1}]"#);
        project.source(
            "motions",
            &format!(r#"[{{"id": "M", "label": "{label}"}}]"#),
        );
        let run = ["run", "--quiet", "--database-url", other.url()];
        project.run(&run).succeeded();
    }
    refused_until_allowed(&project, &old, &published_as(&project, 4, 2, 3), "seq:3");
    // The flag's publication is the newest of its lineage: the copy goes on from there.
    old.execute("UPDATE motions SET label = 'Allowed'");
    publish(&project, &old).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:4");
}

// Published at seq:4 and rolled back to seq:3, and a copy from in between.
fn rolled_back() -> (Project, TestDatabase) {
    let project = published();
    for label in ["Second", "Third"] {
        project.database.execute(&format!(
            "UPDATE grips SET label = '{label}' WHERE id = 'B'"
        ));
    }
    let copy = copy_of(&project.database);
    project
        .database
        .execute("UPDATE motions SET label = 'Push'");
    publish(&project, &project.database).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:6");
    project
        .run(&["rollback", "--quiet", "--to", "1"])
        .succeeded();
    (project, copy)
}

#[test]
fn a_rollback_that_was_resumed_hides_no_newer_state() {
    let (project, copy) = rolled_back();
    project.run(&["resume", "--quiet"]).succeeded();
    refused_until_allowed(&project, &copy, &published_as(&project, 6, 2, 5), "seq:5");
}

#[test]
fn force_over_a_rollback_publishes_no_older_state() {
    let (project, copy) = rolled_back();
    let before = project.version();
    let reason = published_as(&project, 6, 2, 5);
    let finished = publish_with(&project, &copy, &["--force"]);
    assert!(finished.stderr.contains(&reason), "{}", finished.stderr);
    assert_eq!(project.version(), before);
    publish_with(&project, &project.database, &["--force"]).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:6");
}

#[test]
fn the_rows_of_a_state_that_is_public_no_more_are_compared_too() {
    let (project, copy) = rolled_back();
    project.run(&["resume", "--quiet"]).succeeded();
    copy.execute("UPDATE motions SET label = 'Pushed elsewhere'");
    let finished = publish(&project, &copy);
    let words = "motions was last changed by number 6, and has other rows";
    assert!(finished.stderr.contains(words), "{}", finished.stderr);
    publish(&project, &project.database).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:6");
}

#[test]
fn damage_in_the_history_stops_no_publication_and_hides_no_number_that_can_be_read() {
    let (project, copy) = rolled_back();
    project.run(&["resume", "--quiet"]).succeeded();
    let version = project.version();
    let page = |sequence: u64| format!("snapshots/versions/{}-{sequence}.json", version["epoch"]);
    let newer = std::fs::read_to_string(project.path(&page(2))).unwrap();
    let newer: serde_json::Value = serde_json::from_str(&newer).unwrap();
    let reason = published_as(&project, 6, 2, 5);
    let refused = || {
        let finished = publish(&project, &copy);
        assert!(finished.stderr.contains(&reason), "{}", finished.stderr);
    };
    // The rollback, by which the resumption is told.
    project.file(&page(3), "{");
    refused();
    // The manifest that names the tables.
    let hash = newer["manifest"]["hash"].as_str().unwrap();
    project.file(&format!("snapshots/manifests/{hash}.json"), "damaged");
    refused();
    // The page: what was published before it counts.
    project.file(&page(2), "");
    publish(&project, &copy).succeeded();
    assert_eq!(project.version()["referenceVersion"], "seq:5");
}

#[test]
fn the_printed_triggers_give_a_lineage_to_a_database_that_has_none() {
    let project = Project::new(&[]);
    project.database.execute(TABLES);
    let printed = project.run(&["migrate", "--print-triggers"]);
    printed.succeeded();
    project.database.execute(&printed.stdout);
    // Twice is once.
    project
        .database
        .execute("DROP TRIGGER record_insert ON grips");
    let again = project.run(&["migrate", "--print-triggers"]);
    assert!(!again.stdout.contains("lineage"), "{}", again.stdout);
    project.database.execute(&again.stdout);
    publish(&project, &project.database).succeeded();
    let old = copy_of(&project.database);
    project
        .database
        .execute("INSERT INTO grips VALUES ('A', 'One', 1)");
    publish(&project, &project.database).succeeded();
    let finished = publish(&project, &old);
    assert!(
        finished
            .stderr
            .contains("is at seq:0, and seq:1 of it is public"),
        "{}",
        finished.stderr
    );
}
