//! `run` refuses before its seed commits: whatever stands in the way of the publication
//! leaves database and store as they were.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use nix::sys::signal::Signal;
use pretty_assertions::assert_eq;
use publisher::parts::Guards;
use publisher::parts::Progress;
use publisher::parts::{Rendition, State, render_snapshot};
use publisher::parts::{SnapshotReader, read_schema};
use snapshot_format::Manifest;
use snapshot_store::{DirectoryStore, Store};

use crate::support::watching::Watching;
use crate::support::{Project, TestDatabase, tracked};

const TABLES: &str = "
    CREATE TABLE grips (
        id          text PRIMARY KEY,
        label       text NOT NULL,
        thirds      integer NOT NULL DEFAULT 3,
        share       numeric GENERATED ALWAYS AS (thirds::numeric / 3) STORED,
        is_active   boolean NOT NULL DEFAULT true,
        source_type text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
    );
    CREATE TABLE handles (id text PRIMARY KEY, grip text REFERENCES grips);";

const SETTINGS: &str = "[tables.handles]\nfrom_file = false\n";

// Rows A to D, published by a run; a handle that points at D.
fn project() -> Project {
    let project = Project::new(&[TABLES, &tracked(&["grips", "handles"])]);
    project.file("tablecast.toml", SETTINGS);
    grips(&project, "");
    project.run(&["migrate", "--quiet"]).succeeded();
    project.run(&["run", "--quiet"]).succeeded();
    project
        .database
        .execute("INSERT INTO handles VALUES ('H', 'D')");
    project.run(&["publish", "--quiet"]).succeeded();
    project
}

fn grips(project: &Project, suffix: &str) {
    let rows =
        ["A", "B", "C", "D"].map(|id| format!(r#"{{"id": "{id}", "label": "{id}{suffix}"}}"#));
    project.source("grips", &format!("[{}]", rows.join(",\n")));
}

fn store_of(project: &Project) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![project.path("snapshots")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".lock") {
                files.insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[track_caller]
fn refused_and_undone(project: &Project, flags: &[&str], stderr: &str) {
    refused_and_undone_in(project, &project.database, flags, stderr);
}

#[track_caller]
fn refused_and_undone_in(project: &Project, database: &TestDatabase, flags: &[&str], stderr: &str) {
    let before = (database.everything(), store_of(project));
    let run = ["run", "--quiet", "--database-url", database.url()];
    project.run(&[&run, flags].concat()).failed_with(stderr);
    let after = (database.everything(), store_of(project));
    assert_eq!(after.0, before.0);
    assert!(after.1 == before.1, "the store was written");
}

#[test]
fn a_guard_of_the_publication_undoes_the_seed() {
    let project = project();
    project.file(
        "tablecast.toml",
        format!("max_changed_percent = 10\n{SETTINGS}"),
    );
    grips(&project, " new");
    refused_and_undone(
        &project,
        &[],
        "error: grips: 4 of 4 published rows would be changed, more than 10 per cent; if that is meant, \
         allow it by --allow-change grips=4\n\
         error: 1 problem in the snapshot; nothing was seeded or published\n",
    );
    project
        .run(&["run", "--quiet", "--allow-change", "grips=4"])
        .succeeded();
    assert_eq!(project.published("grips")[0]["label"], "A new");
}

#[test]
fn an_active_row_that_would_point_at_an_inactive_one_undoes_the_seed() {
    let project = project();
    project.source(
        "grips",
        r#"[{"id": "A", "label": "A"}, {"id": "B", "label": "B"}, {"id": "C", "label": "C"}]"#,
    );
    refused_and_undone(
        &project,
        &[],
        "error: handles: row \"H\": column \"grip\": points at \"D\" in grips, which is not active\n\
         error: 1 problem in the database; nothing was seeded or published; if that is meant, allow it by \
         --allow-broken-references handles=1\n",
    );
}

#[test]
fn a_value_that_cannot_be_published_undoes_the_seed() {
    let project = project();
    project.source("grips", r#"[{"id": "A", "label": "A", "thirds": 1}, {"id": "B", "label": "B"}, {"id": "C", "label": "C"}, {"id": "D", "label": "D"}]"#);
    let before = project.database.everything();
    let finished = project.run(&["run", "--quiet"]);
    assert_eq!(finished.status, Some(1));
    assert!(finished.stderr.contains("share"), "{}", finished.stderr);
    assert_eq!(project.database.everything(), before);
}

#[test]
fn an_older_database_is_refused_before_it_is_seeded() {
    let project = project();
    let old = TestDatabase::with(&format!("TEMPLATE {}", project.database.name()));
    for suffix in [" 1", " 2"] {
        grips(&project, suffix);
        project.run(&["run", "--quiet"]).succeeded();
    }
    grips(&project, " other");
    refused_and_undone_in(
        &project,
        &old,
        &[],
        "error: the database is at seq:3, and seq:4 of it is public: it is older, or another one made from the \
         same template; publish from the one that has seq:4, or, if going back is meant, allow it by \
         --allow-older seq:3; give a throwaway database made from a template its own lineage, before it \
         publishes: UPDATE tablecast.lineage SET id = md5(random()::text)\n\
         error: 1 problem in the snapshot; nothing was seeded or published\n",
    );
}

#[test]
fn a_migration_stays_applied_and_that_is_said() {
    let project = project();
    project.file(
        "tablecast.toml",
        format!("max_changed_percent = 10\n{SETTINGS}"),
    );
    project.file(
        "sql/migrations/V0003__more.sql",
        "CREATE TABLE later (id text);",
    );
    grips(&project, " new");
    let finished = project.run(&["run", "--quiet"]);
    let closing = "error: 1 problem in the snapshot; nothing was seeded or published; V0003__more.sql stays applied\n";
    assert!(finished.stderr.ends_with(closing), "{}", finished.stderr);
}

// A migration that takes a published table away, and no file to seed.
fn take_handles_away(project: &Project) {
    project.file("tablecast.toml", "");
    project.file("sql/migrations/V0003__drop.sql", "DROP TABLE handles;");
}

const GONE: &str = "handles: the table is published and would be gone; if that is meant, raise the \
                    schema version (--schema-version 2.0), or allow it by --allow-vanished handles";
const STAYS: &str =
    "1 problem in the snapshot; nothing was published; V0003__drop.sql stays applied";

#[test]
fn a_migration_stays_applied_and_that_is_said_also_where_nothing_is_to_be_seeded() {
    let project = project();
    take_handles_away(&project);
    project
        .run(&["run", "--quiet"])
        .failed_with(&format!("error: {GONE}\nerror: {STAYS}\n"));
    // Of an earlier run it is no news.
    project.run(&["run", "--quiet"]).failed_with(&format!(
        "error: {GONE}\nerror: 1 problem in the snapshot; nothing was published\n"
    ));
}

#[test]
fn a_migration_stays_applied_and_that_is_said_also_where_the_files_are_wrong() {
    let project = project();
    project.file(
        "sql/migrations/V0003__more.sql",
        "CREATE TABLE later (id text);",
    );
    project.source("grips", r#"[{"id": 1, "label": "A"}]"#);
    let finished = project.run(&["run", "--quiet"]);
    let closing = "nothing was seeded; V0003__more.sql stays applied\n";
    assert!(finished.stderr.ends_with(closing), "{}", finished.stderr);
}

#[test]
fn a_watch_says_that_a_migration_stays_applied_where_nothing_is_to_be_seeded() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    project.file(
        "sql/migrations/V0003__drop.sql",
        "ALTER TABLE handles DROP COLUMN grip;",
    );
    let event = watching.next_is("problems");
    assert_eq!(event["error"], STAYS);
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
}

#[test]
fn a_frozen_store_is_refused_before_anything_is_migrated_or_seeded() {
    let project = project();
    grips(&project, " new");
    project.run(&["run", "--quiet"]).succeeded();
    project
        .run(&["rollback", "--quiet", "--to", "1"])
        .succeeded();
    project.file(
        "sql/migrations/V0003__more.sql",
        "CREATE TABLE later (id text);",
    );
    grips(&project, " newest");
    let version = project.version();
    let (epoch, since) = (&version["epoch"], version["publishedAt"].as_str().unwrap());
    refused_and_undone(
        &project,
        &[],
        &format!(
            "error: the store has been frozen since {since}: version {epoch}-4 is a rollback to {epoch}-1; \
             nothing was migrated, seeded or published\n  \
             hint: `publisher resume` lets publishing go on; `publisher publish --force` publishes at once\n"
        ),
    );
    project.run(&["run", "--quiet", "--force"]).succeeded();
    assert_eq!(project.published("grips")[0]["label"], "A newest");
}

#[test]
fn a_store_that_somebody_else_holds_is_waited_for_before_anything_is_written() {
    let project = project();
    grips(&project, " new");
    let before = project.database.everything();
    let open = DirectoryStore::open(project.path("snapshots"), Duration::from_secs(60), |_| {});
    let held = project.database.block_on(open).unwrap();
    let finished = project.run(&["run", "--quiet", "--lock-timeout", "200ms"]);
    assert_eq!(finished.status, Some(1));
    assert!(
        finished.stderr.contains("is still locked by"),
        "{}",
        finished.stderr
    );
    assert_eq!(project.database.everything(), before);
    drop(held);
    project.run(&["run", "--quiet"]).succeeded();
}

#[test]
fn a_round_of_a_watch_that_is_refused_is_undone() {
    let project = project();
    project.file(
        "tablecast.toml",
        format!("max_changed_percent = 50\n{SETTINGS}"),
    );
    let watching = Watching::begun(&project, &[]);
    let before = project.database.everything();
    grips(&project, " new");
    watching.refused(&[
        "grips: 4 of 4 published rows would be changed, more than 50 per cent; if that is meant, allow it by \
         --allow-change grips=4",
    ]);
    assert_eq!(project.database.everything(), before);
    // The next good save is about itself alone.
    project.source("grips", r#"[{"id": "A", "label": "A+"}, {"id": "B", "label": "B"}, {"id": "C", "label": "C"}, {"id": "D", "label": "D"}]"#);
    watching.changed(&["grips ~1"]);
    assert_eq!(project.published("grips")[0]["label"], "A+");
    assert_eq!(watching.end(Signal::SIGTERM), Some(0));
}

// What is changed and changed back

#[test]
fn rows_that_were_changed_and_changed_back_are_no_new_version() {
    let project = project();
    let before = store_of(&project);
    grips(&project, " new");
    project.run(&["seed", "--quiet"]).succeeded();
    grips(&project, "");
    project.run(&["seed", "--quiet"]).succeeded();
    let version = project.version();
    let published = project.json(&["publish"]);
    assert_eq!(published["outcome"], "unchanged");
    assert_eq!(published["version"], version);
    assert_eq!(published["databaseVersion"], "seq:4");
    let said = project.run(&["publish"]).stderr;
    assert!(
        said.starts_with("published: no row or setting differs at seq:4; version "),
        "{said}"
    );
    assert!(store_of(&project) == before, "the store was written");
    // A frozen store holds no news back either.
    project
        .run(&["rollback", "--quiet", "--to", "2"])
        .succeeded();
    project.run(&["publish", "--quiet"]).succeeded();
}

#[test]
fn whatever_a_reader_can_tell_is_a_new_version() {
    let project = project();
    let mut sequence = 2;
    for change in [
        "ALTER TABLE grips ALTER COLUMN label DROP NOT NULL",
        "ALTER TABLE grips ADD COLUMN note text",
        "UPDATE grips SET label = 'new' WHERE id = 'A'",
        "CREATE TABLE bars (id text PRIMARY KEY)",
    ] {
        project.database.execute(change);
        let allowed = ["publish", "--quiet", "--allow-shape", "grips"];
        project.run(&allowed).succeeded();
        sequence += 1;
        assert_eq!(project.version()["sequence"], sequence, "{change}");
    }
}

// Rendered once

// What was judged is published, and what somebody has written since is read again: the
// objects are those of a rendering that never saw an earlier one.
#[test]
fn an_earlier_rendering_is_used_for_what_has_not_changed_since() {
    for between in [
        "SELECT",
        "UPDATE grips SET label = 'other' WHERE id = 'A'",
        "INSERT INTO handles VALUES ('I', 'A')",
        "INSERT INTO untracked VALUES ('U')",
        "INSERT INTO untracked VALUES ('U'); INSERT INTO handles VALUES ('I', 'A')",
    ] {
        let project = project();
        let database = &project.database;
        database.execute("CREATE TABLE untracked (id text PRIMARY KEY)");
        let config = project.config();
        let mut client = database.connect();
        let schema = database.block_on(read_schema(&client, &config)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = project
            .database
            .block_on(DirectoryStore::open(folder.path(), Duration::ZERO, |_| {}))
            .unwrap();
        let staging = store.staging();
        let mut render = |earlier| {
            database.block_on(async {
                let reader = SnapshotReader::begin(&mut client).await.unwrap();
                let rendition = Rendition {
                    config: &config,
                    schema: &schema,
                    guards: &Guards::default(),
                    staging,
                    progress: Progress::quiet(),
                };
                render_snapshot(&reader, rendition, None, earlier)
                    .await
                    .unwrap()
            })
        };
        let earlier = render(None);
        database.execute(between);
        let again = contents(render(Some(earlier)));
        assert_eq!(again, contents(render(None)), "{between}");
    }
}

// The manifest, and every object with its bytes.
fn contents(state: State) -> (Manifest, BTreeMap<String, String>) {
    let objects = state.rendered.objects.iter().map(|object| {
        let mut bytes = String::new();
        object.bytes().reader().read_to_string(&mut bytes).unwrap();
        (object.key().to_string(), bytes)
    });
    let objects = objects.collect();
    (state.rendered.manifest, objects)
}
