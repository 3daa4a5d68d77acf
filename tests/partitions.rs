//! A table's partitions, and tables that inherit: whoever changes one of those changes the
//! table, and the reference version says so.

use pretty_assertions::assert_eq;

use crate::support::{Project, tracked};

const PARTITIONED: &str = "
    CREATE SCHEMA apart;
    CREATE TABLE items (region text, id int, label text, PRIMARY KEY (region, id))
        PARTITION BY LIST (region);
    CREATE TABLE items_eu PARTITION OF items FOR VALUES IN ('eu');
    CREATE TABLE items_rest PARTITION OF items DEFAULT PARTITION BY RANGE (id);
    CREATE TABLE apart.low PARTITION OF items_rest FOR VALUES FROM (0) TO (100);
    CREATE TABLE apart.high PARTITION OF items_rest FOR VALUES FROM (100) TO (200);";

/// Partitions with all triggers that `--print-triggers` prints, and seeded.
fn partitioned() -> Project {
    let project = Project::new(&[PARTITIONED]);
    project.run(&["migrate", "--quiet"]).succeeded();
    let triggers = project.run(&["migrate", "--print-triggers", "--quiet"]);
    project.file(
        "sql/migrations/V0002__triggers.sql",
        &triggers.succeeded().stdout,
    );
    let migrated = project.run(&["migrate", "--quiet"]);
    assert_eq!(migrated.succeeded().stderr, "");
    project.source(
        "items",
        r#"[{"region":"eu","id":1,"label":"a"},{"region":"us","id":1,"label":"b"},
            {"region":"us","id":101,"label":"c"}]"#,
    );
    project.run(&["run", "--quiet"]).succeeded();
    assert_eq!(project.database.versions(), ["items|1"]);
    project
}

#[test]
fn a_change_of_a_partition_is_a_change_of_its_table() {
    let project = partitioned();
    let changes = [
        "UPDATE items_eu SET label = 'x'",
        "INSERT INTO items_eu VALUES ('eu', 2, 'y')",
        "DELETE FROM items_eu WHERE id = 2",
        "UPDATE apart.low SET label = 'x'",
        "UPDATE items_rest SET label = 'z'",
        // From one partition to another, by the table and by the level between.
        "UPDATE items SET region = 'eu', id = 7 WHERE region = 'us' AND id = 1",
        "UPDATE items SET region = 'us' WHERE region = 'eu' AND id = 7",
        "UPDATE items_rest SET id = 107 WHERE id = 7",
        "TRUNCATE apart.high",
        "COPY apart.low FROM PROGRAM 'echo us,5,q' WITH (FORMAT csv)",
    ];
    for (number, change) in changes.iter().enumerate() {
        project.database.execute(change);
        let expected = format!("items|{}", number + 2);
        assert_eq!(project.database.versions(), [expected], "{change}");
        project.run(&["publish", "--quiet", "--allow-removal", "items=1"]);
    }
    // What changes nothing counts for nothing.
    project.database.execute(
        "UPDATE items_eu SET label = 'n' WHERE id = 99; DELETE FROM apart.low WHERE id = 99",
    );
    assert_eq!(
        project.database.versions(),
        [format!("items|{}", changes.len() + 1)]
    );
}

#[test]
fn one_transaction_has_one_number_however_it_writes() {
    let project = partitioned();
    project.database.execute(
        "BEGIN; UPDATE items_eu SET label = 'x'; UPDATE items SET label = 'y';
         UPDATE apart.low SET label = 'z'; COMMIT",
    );
    assert_eq!(project.database.versions(), ["items|2"]);
}

#[test]
fn a_seed_sees_what_was_changed_in_a_partition() {
    let project = partitioned();
    project
        .database
        .execute("UPDATE apart.high SET label = 'by hand'");
    let report = project.json(&["seed"]);
    assert_eq!(report["tables"][0]["updated"], 1);
    assert_eq!(report["tables"][0]["skipped"], false);
}

const WARNINGS: &str = "\
warning: table late, a part of items, has no trigger that records INSERT, UPDATE, DELETE, TRUNCATE; \
changes that name it do not raise the reference version
warning: write the missing migration by `publisher migrate --print-triggers`
";

#[test]
fn a_partition_that_comes_later_is_named_until_it_has_its_triggers() {
    let project = partitioned();
    project
        .database
        .execute("CREATE TABLE apart.late PARTITION OF items FOR VALUES IN ('late')");
    for command in ["check", "migrate", "plan", "seed", "publish"] {
        let finished = project.run(&[command, "--quiet"]);
        assert_eq!(finished.succeeded().stderr, WARNINGS, "{command}");
    }
    // Nothing tells whether it is as it was, so it is read again each time.
    assert_eq!(project.json(&["seed"])["tables"][0]["skipped"], false);
    let triggers = project.run(&["migrate", "--print-triggers", "--quiet"]);
    assert!(
        !triggers.stdout.contains("ON public.items\n"),
        "{}",
        triggers.stdout
    );
    project.file("sql/migrations/V0003__late.sql", &triggers.stdout);
    assert_eq!(project.run(&["migrate", "--quiet"]).succeeded().stderr, "");
    project.run(&["seed", "--quiet"]).succeeded();
    let before = project.database.versions();
    project
        .database
        .execute("INSERT INTO apart.late VALUES ('late', 1, 'x')");
    assert!(project.database.versions() != before);
}

#[test]
fn a_disabled_trigger_of_a_partition_is_missing() {
    let project = partitioned();
    project
        .database
        .execute("ALTER TABLE items_eu DISABLE TRIGGER record_part_update");
    assert_eq!(
        project.run(&["migrate", "--quiet"]).succeeded().stderr,
        "warning: table items_eu, a part of items, has no trigger that records UPDATE; changes that \
         name it do not raise the reference version\n\
         warning: write the missing migration by `publisher migrate --print-triggers`\n"
    );
}

#[test]
fn a_table_that_inherits_counts_for_itself_and_for_those_above() {
    let project = Project::new(&["CREATE TABLE items (id int PRIMARY KEY, label text);
         CREATE TABLE more (PRIMARY KEY (id), extra text) INHERITS (items);
         CREATE TABLE silent () INHERITS (more);"]);
    project.file(
        "tablecast.toml",
        "[tables.items]\nfrom_file = false\n[tables.more]\nfrom_file = false\n",
    );
    project.run(&["migrate", "--quiet"]).succeeded();
    let triggers = project.run(&["migrate", "--print-triggers", "--quiet"]);
    project.file(
        "sql/migrations/V0002__triggers.sql",
        &triggers.succeeded().stdout,
    );
    assert_eq!(project.run(&["migrate", "--quiet"]).succeeded().stderr, "");
    for (change, expected) in [
        ("INSERT INTO items VALUES (1, 'a')", ["items|1", "more|0"]),
        ("INSERT INTO more VALUES (2, 'b')", ["items|2", "more|2"]),
        ("INSERT INTO silent VALUES (3, 'c')", ["items|3", "more|3"]),
        ("TRUNCATE silent", ["items|4", "more|4"]),
    ] {
        project.database.execute(change);
        assert_eq!(project.database.versions(), expected, "{change}");
    }
}

#[test]
fn one_function_serves_tables_and_parts_whatever_is_printed_later() {
    let project = partitioned();
    project
        .database
        .execute("CREATE TABLE late (id text PRIMARY KEY)");
    project.file(
        "tablecast.toml",
        "[tables.late]\nfrom_file = false\n[tables.items]\nfrom_file = false\n",
    );
    let triggers = project.run(&["migrate", "--print-triggers", "--quiet"]);
    let triggers = &triggers.succeeded().stdout;
    project.file("sql/migrations/V0003__late.sql", triggers);
    assert_eq!(project.run(&["migrate", "--quiet"]).succeeded().stderr, "");
    // That there is a further table counts, too.
    assert_eq!(project.database.versions(), ["items|1", "late|2"]);
    project.database.execute("UPDATE items_eu SET label = 'x'");
    assert_eq!(project.database.versions(), ["items|3", "late|2"]);
    let functions = "SELECT DISTINCT tgfoid::regproc FROM pg_trigger WHERE NOT tgisinternal";
    assert_eq!(project.database.query(functions), ["record_table_change"]);
}

/// Items with a seeded row 1, of which an inheriting table then holds another.
fn with_a_key_that_stands_twice() -> Project {
    let project = Project::new(&[
        "CREATE TABLE items (id int PRIMARY KEY, label text);
         CREATE TABLE more (extra text) INHERITS (items);",
        &tracked(&["items"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("items", r#"[{"id":1,"label":"a"},{"id":2,"label":"b"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    project
        .database
        .execute("INSERT INTO more VALUES (1, 'mine', 'x'), (3, 'theirs', 'y')");
    project
}

const TWICE: &str = "key (1) stands in more than one row of table items: in items, more; a table that \
    inherits holds a row of the same key, which the primary key of items does not look at; change \
    or delete all but one of them\n";

#[test]
fn a_key_that_an_inheriting_table_holds_as_well_is_refused_before_anything_is_written() {
    let project = with_a_key_that_stands_twice();
    project.source(
        "items",
        r#"[{"id":1,"label":"edited"},{"id":2,"label":"b"}]"#,
    );
    let (rows, version) = (project.database.everything(), project.version());
    for command in ["check", "plan", "seed", "run"] {
        let finished = project.run(&[command, "--quiet"]);
        let told = format!("error: items.json: {TWICE}");
        assert!(
            finished.stderr.contains(&told),
            "{command}: {}",
            finished.stderr
        );
        assert_ne!(finished.status, Some(0), "{command}");
        assert_eq!(project.database.everything(), rows, "{command}");
        assert_eq!(project.version(), version, "{command}");
    }
    project
        .database
        .execute("DELETE FROM ONLY more WHERE id = 1");
    project.run(&["run", "--quiet"]).succeeded();
    assert_eq!(project.published("items")[0]["label"], "edited");
}

#[test]
fn a_key_that_stands_twice_is_not_published() {
    let project = with_a_key_that_stands_twice();
    let version = project.version();
    let finished = project.run(&["publish", "--quiet"]);
    assert!(
        finished.stderr.contains(&format!("error: {TWICE}")),
        "{}",
        finished.stderr
    );
    assert_ne!(finished.status, Some(0));
    assert_eq!(project.version(), version);
    // Nor where no file is the table's.
    project.file("tablecast.toml", "[tables.items]\nfrom_file = false\n");
    std::fs::remove_file(project.path("json-source/items.json")).unwrap();
    let finished = project.run(&["run", "--quiet"]);
    assert!(finished.stderr.contains(TWICE), "{}", finished.stderr);
    assert_eq!(project.version(), version);
}
