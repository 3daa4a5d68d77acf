//! What one publication may do to what is public: each guard stops one scenario and lets the
//! next one through, and what is allowed is allowed once.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::{Project, tracked};

const GRIPS: &str = "CREATE TABLE grips (
    id        text PRIMARY KEY,
    label     text NOT NULL,
    width     integer,
    is_active boolean NOT NULL DEFAULT true
);";

// Twenty rows, published.
fn twenty_grips() -> Project {
    let stances = "CREATE TABLE stances (id text PRIMARY KEY);";
    let project = Project::new(&[GRIPS, stances, &tracked(&["grips", "stances"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.database.execute(
        "INSERT INTO grips SELECT format('G%s', n), 'label ' || n FROM generate_series(10, 29) AS n;
         INSERT INTO stances VALUES ('WIDE')",
    );
    project.run(&["publish", "--quiet"]).succeeded();
    project
}

/// Refused with these words, with nothing written; then allowed by `flags`; and then no
/// publication is allowed anything any more.
#[track_caller]
fn stopped_and_allowed_once(project: &Project, reason: &str, flags: &[&str]) {
    let before = everything_under(project);
    let problem =
        format!("error: {reason}\nerror: 1 problem in the snapshot; nothing was published\n");
    project.run(&["publish", "--quiet"]).failed_with(&problem);
    assert_eq!(everything_under(project), before);

    let sequence = project.version()["sequence"].as_u64().unwrap();
    let allowed = [&["publish", "--quiet"], flags].concat();
    project.run(&allowed).succeeded();
    assert_eq!(project.version()["sequence"], sequence + 1);
}

fn everything_under(project: &Project) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![project.path("snapshots")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with(".lock") => {}
                false => files.push((path.display().to_string(), std::fs::read(&path).unwrap())),
            }
        }
    }
    files.sort();
    files
}

#[test]
fn more_than_half_of_the_rows_do_not_go_by_accident() {
    let project = twenty_grips();
    let deactivate = |count: u32| {
        project.database.execute(&format!(
            "UPDATE grips SET is_active = false WHERE id IN
                 (SELECT id FROM grips WHERE is_active ORDER BY id LIMIT {count})"
        ));
    };
    // Half of them may.
    deactivate(10);
    project.run(&["publish", "--quiet"]).succeeded();
    deactivate(6);
    stopped_and_allowed_once(
        &project,
        "grips: 6 of 10 published rows would be removed, more than 50 per cent; if that is meant, \
         allow it by --allow-removal grips=6",
        &["--allow-removal", "grips=6"],
    );
    // The flag that is forgotten in a script stops the next accident.
    deactivate(3);
    project
        .run(&["publish", "--quiet", "--allow-removal", "grips=6"])
        .failed_with(
            "error: grips: --allow-removal allows 6 rows, but 3 would be removed\n\
             error: 1 problem in the snapshot; nothing was published\n",
        );
}

#[test]
fn as_many_rows_change_as_the_settings_say() {
    let project = twenty_grips();
    project.file(
        "tablecast.toml",
        "max_changed_percent = 10\n[tables.stances]\nmax_changed_percent = 100\n",
    );
    project
        .database
        .execute("UPDATE grips SET label = 'two' WHERE id IN ('G10', 'G11')");
    project.run(&["publish", "--quiet"]).succeeded();
    project
        .database
        .execute("UPDATE grips SET label = 'three' WHERE id IN ('G10', 'G11', 'G20')");
    stopped_and_allowed_once(
        &project,
        "grips: 3 of 20 published rows would be changed, more than 10 per cent; if that is meant, \
         allow it by --allow-change grips=3",
        &["--allow-change", "grips=3"],
    );
}

#[test]
fn a_table_keeps_its_least_number_of_rows() {
    let project = twenty_grips();
    project.file("tablecast.toml", "[tables.grips]\nmin_rows = 19\n");
    let deactivate = |id: &str| {
        let statement = format!("UPDATE grips SET is_active = false WHERE id = '{id}'");
        project.database.execute(&statement);
    };
    deactivate("G10");
    project.run(&["publish", "--quiet"]).succeeded();
    deactivate("G11");
    stopped_and_allowed_once(
        &project,
        "grips: has 18 rows, fewer than min_rows = 19; if that is meant, allow it by --allow-rows grips=18",
        &["--allow-rows", "grips=18"],
    );
}

#[test]
fn a_table_does_not_vanish_by_a_setting_or_a_migration() {
    let project = twenty_grips();
    let excluded = "exclude = [\"stances\"]\n";
    project.file("tablecast.toml", excluded);
    let reason = "stances: the table is published and would be gone; if that is meant, raise the schema \
                  version (--schema-version 2.0), or allow it by --allow-vanished stances";
    stopped_and_allowed_once(&project, reason, &["--allow-vanished", "stances"]);

    // By its settings, and by a major step, on the way of a table that comes and goes.
    let settings = "[tables.stances]\nmay_vanish = true\n";
    for (with, without) in [
        ("", format!("{excluded}{settings}")),
        ("", format!("{excluded}schema_version = \"2.0\"\n")),
    ] {
        project.file("tablecast.toml", with);
        project.run(&["publish", "--quiet"]).succeeded();
        project.file("tablecast.toml", without);
        project.run(&["publish", "--quiet"]).succeeded();
        assert_eq!(project.manifest()["tables"]["stances"], json!(null));
    }
}

#[test]
fn a_column_is_removed_or_retyped_by_a_major_step_alone() {
    let project = twenty_grips();
    project
        .database
        .execute("ALTER TABLE grips ADD COLUMN note text, ALTER COLUMN width TYPE bigint");
    project.run(&["publish", "--quiet"]).succeeded();
    project.database.execute(
        "ALTER TABLE grips DROP COLUMN note, ALTER COLUMN width TYPE text, ALTER COLUMN label DROP NOT NULL",
    );
    let reason = "grips: column \"label\" would be text? instead of text, column \"note\" would be gone, \
                  column \"width\" would be text? instead of bigint?, and readers of schema version 1.0 rely \
                  on that; if that is meant, raise it (--schema-version 2.0), or allow it by --allow-shape grips";
    stopped_and_allowed_once(&project, reason, &["--allow-shape", "grips"]);

    project
        .database
        .execute("ALTER TABLE grips DROP COLUMN width");
    let refused = project.run(&["publish", "--quiet", "--schema-version", "1.7"]);
    assert!(refused.stderr.contains("column \"width\" would be gone"));
    project
        .run(&["publish", "--quiet", "--schema-version", "2.0"])
        .succeeded();

    // A table that nobody's app has yet may go on changing.
    project
        .database
        .execute("ALTER TABLE grips DROP COLUMN label");
    let refused = project.run(&["publish", "--quiet", "--schema-version", "2.0"]);
    assert!(refused.stderr.contains("column \"label\" would be gone"));
    project.file(
        "tablecast.toml",
        "[tables.grips]\nmay_change_shape = true\n",
    );
    project
        .run(&["publish", "--quiet", "--schema-version", "2.0"])
        .succeeded();
}

#[test]
fn active_rows_that_point_at_inactive_ones_are_counted_and_may_be_allowed() {
    let project = Project::new(&[
        GRIPS,
        "CREATE TABLE handles (id text PRIMARY KEY, grip text REFERENCES grips);",
        &tracked(&["grips", "handles"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.database.execute(
        "INSERT INTO grips VALUES ('OLD', 'Old', 1, false);
         INSERT INTO handles VALUES ('A', 'OLD'), ('B', 'OLD')",
    );
    let publish = |flags: &[&str]| project.run(&[&["publish", "--quiet"], flags].concat());
    let refusal = "\
error: handles: row \"A\": column \"grip\": points at \"OLD\" in grips, which is not active
error: handles: row \"B\": column \"grip\": points at \"OLD\" in grips, which is not active
error: 2 problems in the database; nothing was published; if that is meant, allow it by --allow-broken-references handles=2
";
    publish(&[]).failed_with(refusal);
    publish(&["--allow-broken-references", "handles=1"]).failed_with(refusal);
    publish(&["--allow-broken-references", "handles=2"]).succeeded();
    project
        .database
        .execute("INSERT INTO handles VALUES ('C', NULL)");
    publish(&[]).failed_with(refusal);
    project.file(
        "tablecast.toml",
        "[tables.handles]\nmax_broken_references = 2\n",
    );
    publish(&[]).succeeded();
}

#[test]
fn every_guard_speaks_at_once() {
    let project = twenty_grips();
    project.file("tablecast.toml", "exclude = [\"stances\"]\nmin_rows = 5\n");
    project.database.execute(
        "UPDATE grips SET is_active = false WHERE id > 'G11'; ALTER TABLE grips DROP COLUMN width",
    );
    project.run(&["publish", "--quiet"]).failed_with(
        "error: grips: has 2 rows, fewer than min_rows = 5; if that is meant, allow it by --allow-rows grips=2
error: grips: column \"width\" would be gone, and readers of schema version 1.0 rely on that; if that is meant, raise it (--schema-version 2.0), or allow it by --allow-shape grips
error: stances: the table is published and would be gone; if that is meant, raise the schema version (--schema-version 2.0), or allow it by --allow-vanished stances
error: grips: 18 of 20 published rows would be removed, more than 50 per cent; if that is meant, allow it by --allow-removal grips=18
error: 4 problems in the snapshot; nothing was published
",
    );
}

#[test]
fn a_limit_that_is_reached_exactly_is_said_by_every_command_that_publishes() {
    let project = twenty_grips();
    project.file(
        "tablecast.toml",
        "max_changed_percent = 20\nmin_rows = 1\n[tables.grips]\nmin_rows = 18\nmax_removed_percent = 10\n",
    );
    let sql = "UPDATE grips SET is_active = false WHERE id IN ('G10', 'G11');
               UPDATE grips SET label = upper(label) WHERE id IN ('G12', 'G13', 'G14', 'G15')";
    project.database.execute(sql);
    let notes = [
        "grips: has 18 rows, which is the least that min_rows = 18 allows",
        "grips: 2 of 20 published rows are removed, which is all that max_removed_percent = 10 allows",
        "grips: 4 of 20 published rows are changed, which is all that max_changed_percent = 20 allows",
    ];
    assert_eq!(project.json(&["publish"])["notes"], json!(notes));
    // It stands where it stood.
    assert_eq!(project.json(&["publish"])["notes"], json!([]));
    // A fifth of 18 is no whole number.
    let sql = "UPDATE grips SET label = 'x' WHERE id = 'G20'";
    project.database.execute(sql);
    assert_eq!(project.json(&["publish"])["notes"], json!([]));

    project.file(
        "tablecast.toml",
        "[tables.grips]\nmax_changed_percent = 50\nfrom_file = false\n[tables.stances]\nfrom_file = false\n",
    );
    let sql = "UPDATE grips SET label = 'y' WHERE id > 'G20'";
    project.database.execute(sql);
    let ran = project.run(&["run"]);
    let note = "grips: 9 of 18 published rows are changed, which is all that max_changed_percent = 50 allows\n";
    assert_eq!(
        ran.succeeded().stderr.matches(note).count(),
        1,
        "{}",
        ran.stderr
    );
}

#[test]
fn what_the_seed_was_allowed_is_published_by_the_same_run() {
    let project = Project::new(&[
        "CREATE TABLE grips (id text PRIMARY KEY, is_active boolean NOT NULL DEFAULT true,
             source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin')));",
        &tracked(&["grips"]),
    ]);
    project.source("grips", r#"[{"id": "A"}, {"id": "B"}, {"id": "C"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    project.source("grips", r#"[{"id": "A"}]"#);
    project
        .run(&["run", "--quiet", "--allow-deactivation", "grips=2"])
        .succeeded();
    assert_eq!(project.manifest()["tables"]["grips"]["rows"], 1);
}

#[test]
fn a_flag_or_a_setting_that_names_nothing_is_a_mistake() {
    let project = twenty_grips();
    let finished = project.run(&["publish", "--quiet", "--allow-removal", "girps=3"]);
    assert_eq!(finished.status, Some(2));
    assert_eq!(
        finished.stderr,
        "error: --allow-removal girps: no table has that key\n"
    );
    for (settings, message) in [
        (
            "max_removed_percent = 101\n",
            "tablecast.toml: max_removed_percent is 101; it goes from 0 to 100",
        ),
        (
            "[tables.grips]\nmax_changed_percent = 200\n",
            "tablecast.toml: max_changed_percent is 200; it goes from 0 to 100",
        ),
    ] {
        project.file("tablecast.toml", settings);
        let finished = project.run(&["publish", "--quiet"]);
        finished.failed_with(&format!("error: {message}\n"));
    }
}

// What is read back

#[test]
fn an_object_that_the_disk_has_lost_since_is_not_named_again() {
    let project = twenty_grips();
    let hash = project.manifest()["tables"]["grips"]["hash"].clone();
    let path = format!("tables/grips/{}.json", hash.as_str().unwrap());
    let file = project.path("snapshots").join(&path);
    let mut bytes = std::fs::read(&file).unwrap();
    let sound = bytes.clone();
    bytes[100] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let version = project.version();

    // Another table changes; this one would be named as it lies there.
    project
        .database
        .execute("INSERT INTO stances VALUES ('NARROW')");
    let found = blake3::hash(&bytes);
    project.run(&["publish", "--quiet"]).failed_with(&format!(
        "error: snapshots/{path}: its BLAKE3 is {found}\n\
         error: 1 problem in the store; nothing was published; remove those files and publish again\n"
    ));
    assert_eq!(project.version(), version);

    std::fs::remove_file(&file).unwrap();
    project.run(&["publish", "--quiet"]).succeeded();
    assert_eq!(std::fs::read(&file).unwrap(), sound);
}

#[test]
fn without_a_readable_past_there_is_nothing_to_compare_with() {
    let project = twenty_grips();
    let hash = project.manifest()["tables"]["grips"]["hash"].clone();
    let path = format!("tables/grips/{}.json", hash.as_str().unwrap());
    std::fs::remove_file(project.path("snapshots").join(&path)).unwrap();
    project
        .database
        .execute("UPDATE grips SET label = 'other' WHERE id = 'G10'");
    project.run(&["publish", "--quiet"]).failed_with(&format!(
        "error: snapshots/{path}: is missing\n\
         error: 1 problem in the store; nothing was published, because nothing tells what would change; \
         restore that file, or begin a new store in an empty folder\n"
    ));
}
