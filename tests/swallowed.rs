//! Writes that the database swallows, changes or passes on: a seed that says it is done has
//! left in the tables what the files say, or nothing.

use pretty_assertions::assert_eq;

use crate::support::{Project, tracked};

const ITEMS: &str = "CREATE TABLE items (
    id text PRIMARY KEY, label text, note text, is_active boolean NOT NULL DEFAULT true
);";

const BEFORE: &str = r#"[{"id":"A","label":"a"},{"id":"B","label":"b"},{"id":"C","label":"c"},
                         {"id":"OFF","label":"off","is_active":false}]"#;

/// Every kind of write at once: B is changed, C leaves, D is new, OFF comes back.
const AFTER: &str = r#"[{"id":"A","label":"a"},{"id":"B","label":"b2"},{"id":"D","label":"d"},
                        {"id":"OFF","label":"off"}]"#;

/// Seeded items, and a file that is about to change them.
fn about_to_write(sql: &str) -> Project {
    let project = Project::new(&[ITEMS, &tracked(&["items"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("items", BEFORE);
    project.run(&["seed", "--quiet"]).succeeded();
    project.database.execute(sql);
    project.source("items", AFTER);
    project
}

/// A trigger of that time and event, whose function ends so.
fn trigger(when: &str, ends: &str) -> String {
    format!(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {ends} END $$;
         CREATE TRIGGER meddles {when} ON items FOR EACH ROW EXECUTE FUNCTION meddle();"
    )
}

/// The seed is refused for that reason, in these words, and nothing was changed or is
/// remembered, however often it is tried.
#[track_caller]
fn is_refused(sql: &str, message: &str) {
    let project = about_to_write(sql);
    let rows = project.database.everything();
    for flags in [&[][..], &["--dry-run"], &["--recheck"]] {
        let finished = project.run(&[&["seed"], flags].concat());
        finished.failed_with(&format!(
            "error: items.json: {message}\nerror: 1 problem in the source; nothing was seeded\n"
        ));
        assert_eq!(project.database.everything(), rows, "{flags:?}");
    }
    // Without the meddler the same file is seeded.
    project
        .database
        .execute("DROP TRIGGER IF EXISTS meddles ON items; DROP RULE IF EXISTS meddles ON items");
    project.run(&["seed", "--quiet"]).succeeded();
    assert_eq!(
        project
            .database
            .query("SELECT id, label, is_active FROM items ORDER BY id"),
        ["A|a|t", "B|b2|t", "C|c|f", "D|d|t", "OFF|off|t"]
    );
}

const SWALLOWED: &str = "though PostgreSQL accepted the write";
const LOOK: &str = "look at what the table has: trigger meddles";

#[test]
fn an_update_that_a_trigger_drops_is_refused() {
    is_refused(
        &trigger("BEFORE UPDATE", "RETURN NULL;"),
        &format!(
            "3 rows are not in table items as the file has them, {SWALLOWED}: row \"B\" (\"label\" \
             is not as written), row \"C\" (still active), row \"OFF\" (\"is_active\" is not as \
             written); {LOOK}"
        ),
    );
}

#[test]
fn an_insert_that_a_trigger_drops_is_refused() {
    is_refused(
        &trigger("BEFORE INSERT", "RETURN NULL;"),
        &format!(
            "1 row is not in table items as the file has them, {SWALLOWED}: row \"D\" (missing); \
             {LOOK}"
        ),
    );
}

#[test]
fn a_value_that_a_trigger_changes_before_or_behind_the_write_is_refused() {
    let message = format!(
        "2 rows are not in table items as the file has them, {SWALLOWED}: row \"B\" (\"label\" is \
         not as written), row \"D\" (\"label\" is not as written); {LOOK}"
    );
    is_refused(
        &trigger(
            "BEFORE INSERT OR UPDATE OF label",
            "IF NEW.id IN ('B', 'D') THEN NEW.label := upper(NEW.label); END IF; RETURN NEW;",
        ),
        &message,
    );
    let put_back = "IF NEW.id IN ('B', 'D') AND NEW.label <> 'mine' THEN
                        UPDATE items SET label = 'mine' WHERE id = NEW.id;
                    END IF; RETURN NULL;";
    is_refused(&trigger("AFTER INSERT OR UPDATE", put_back), &message);
    // At the commit, if nobody looked before.
    let deferred = trigger("AFTER INSERT OR UPDATE", put_back)
        .replace("CREATE TRIGGER", "CREATE CONSTRAINT TRIGGER")
        .replace("FOR EACH ROW", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW");
    is_refused(&deferred, &message);
}

#[test]
fn a_rule_that_does_something_instead_is_refused() {
    let look = "look at what the table has: rule meddles";
    is_refused(
        "CREATE RULE meddles AS ON UPDATE TO items DO INSTEAD NOTHING",
        &format!(
            "3 rows are not in table items as the file has them, {SWALLOWED}: row \"B\" (\"label\" \
             is not as written), row \"C\" (still active), row \"OFF\" (\"is_active\" is not as \
             written); {look}"
        ),
    );
    is_refused(
        "CREATE RULE meddles AS ON INSERT TO items DO INSTEAD NOTHING",
        &format!(
            "1 row is not in table items as the file has them, {SWALLOWED}: row \"D\" (missing); \
             {look}"
        ),
    );
}

#[test]
fn a_trigger_that_fills_other_columns_or_looks_on_is_welcome() {
    let project = about_to_write(
        "CREATE TABLE log (id text);
         CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN NEW.note := 'touched'; INSERT INTO log VALUES (NEW.id); RETURN NEW; END $$;
         CREATE TRIGGER stamps BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION stamp();",
    );
    // A column that no row names and that may be null is the file's, and null.
    project
        .database
        .execute("ALTER TABLE items ALTER note SET DEFAULT ''");
    let report = project.json(&["seed"]);
    let table = &report["tables"][0];
    let counts = [
        "inserted",
        "updated",
        "unchanged",
        "deactivated",
        "reactivated",
    ];
    assert_eq!(
        counts.map(|count| table[count].as_u64().unwrap()),
        [1, 1, 1, 1, 1]
    );
    assert_eq!(
        project
            .database
            .query("SELECT id, label, note, is_active FROM items ORDER BY id"),
        [
            "A|a||t",
            "B|b2|touched|t",
            "C|c|touched|f",
            "D|d|touched|t",
            "OFF|off|touched|t"
        ]
    );
}

#[test]
fn a_trigger_that_changes_the_rows_of_another_table_is_refused() {
    let others = "CREATE TABLE others (id text PRIMARY KEY, label text);";
    let project = Project::new(&[ITEMS, others, &tracked(&["items", "others"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
        .source("items", BEFORE)
        .source("others", r#"[{"id":"X","label":"x"}]"#);
    project.run(&["seed", "--quiet"]).succeeded();
    project.database.execute(&trigger(
        "AFTER UPDATE",
        "UPDATE others SET label = 'y'; RETURN NULL;",
    ));
    project.source("items", AFTER);
    let rows = project.database.everything();
    // The other file is known to be unchanged, and so is not read.
    project.run(&["seed"]).failed_with(
        "error: writing the tables changed others, whose files are as they were seeded: a trigger, \
         a rule or a cascade does that; seed with --recheck to see which\n\
         error: 1 problem in the source; nothing was seeded\n",
    );
    project.run(&["seed", "--recheck"]).failed_with(
        "error: others.json: 1 row is not in table others as the file has them, though PostgreSQL \
         accepted the write: row \"X\" (\"label\" is not as written); look at trigger meddles of \
         table items\n\
         error: 1 problem in the source; nothing was seeded\n",
    );
    assert_eq!(project.database.everything(), rows);
}

/// A file that is large enough to be copied straight into its table.
#[test]
fn rows_that_a_trigger_drops_from_a_large_new_table_are_refused() {
    let project = Project::new(&[ITEMS, &tracked(&["items"])]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.database.execute(&trigger(
        "BEFORE INSERT",
        "RETURN CASE WHEN NEW.id = '4' THEN NULL ELSE NEW END;",
    ));
    let rows: Vec<String> = (0..6_000).map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
    project.source("items", &format!("[{}]", rows.join(",")));
    project.run(&["seed"]).failed_with(&format!(
        "error: items.json: 1 row is not in table items as the file has them, {SWALLOWED}: row \"4\" \
         (missing); {LOOK}\n\
         error: 1 problem in the source; nothing was seeded\n"
    ));
    assert_eq!(project.database.query("SELECT count(*) FROM items"), ["0"]);
}

#[test]
fn a_cascade_that_does_the_seeds_work_is_no_loss() {
    let project = Project::new(&[
        "CREATE TABLE makers (id text PRIMARY KEY, code text NOT NULL UNIQUE);
         CREATE TABLE models (id text PRIMARY KEY,
             maker_code text NOT NULL REFERENCES makers (code) ON UPDATE CASCADE);",
        &tracked(&["makers", "models"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.source("makers", r#"[{"id":"A","code":"a"}]"#);
    project.source("models", r#"[{"id":"M","maker_code":"a"}]"#);
    project.run(&["seed", "--quiet"]).succeeded();
    project.source("makers", r#"[{"id":"A","code":"b"}]"#);
    project.source("models", r#"[{"id":"M","maker_code":"b"}]"#);
    project.run(&["seed", "--quiet"]).succeeded();
    assert_eq!(
        project.database.query("SELECT maker_code FROM models"),
        ["b"]
    );
    // The cascade alone is a change, which the triggers count.
    assert_eq!(project.database.versions(), ["makers|2", "models|2"]);
}

#[test]
fn rows_that_a_policy_hides_are_an_error_to_every_command() {
    let project = about_to_write("");
    let role = format!("hidden_{}", std::process::id());
    project.database.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};
         GRANT ALL ON SCHEMA tablecast TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA tablecast TO {role};
         ALTER TABLE items ENABLE ROW LEVEL SECURITY;
         CREATE POLICY most ON items USING (id <> 'B');"
    ));
    let url = project
        .database
        .url()
        .replace("user='postgres'", &format!("user='{role}'"));
    let rows = project.database.everything();
    for command in [
        &["seed"][..],
        &["plan"],
        &["publish"],
        &["parity", "--source", "json-source", "--database"],
    ] {
        let mut command_line = project.command(command);
        command_line.env("DATABASE_URL", &url);
        let finished = crate::support::Finished::of(command_line.output().unwrap());
        assert_eq!(finished.status, Some(1), "{command:?}: {}", finished.stdout);
        assert!(
            finished.stderr.contains(
                "caused by: query would be affected by row-level security policy for table \"items\""
            ),
            "{command:?}: {}",
            finished.stderr
        );
        assert!(
            finished.stderr.ends_with(
                "hint: let the role see every row, by ALTER ROLE ... BYPASSRLS, or connect as the \
                 table's owner\n"
            ),
            "{command:?}: {}",
            finished.stderr
        );
    }
    assert_eq!(project.database.everything(), rows);
    project
        .database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn a_role_whose_sessions_are_replicas_does_not_seed() {
    let project = about_to_write("");
    let role = format!("replica_{}", std::process::id());
    project.database.execute(&format!(
        "CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET session_replication_role = replica"
    ));
    let url = project
        .database
        .url()
        .replace("user='postgres'", &format!("user='{role}'"));
    let mut seed = project.command(&["seed"]);
    seed.env("DATABASE_URL", &url);
    crate::support::Finished::of(seed.output().unwrap()).failed_with(
        "error: session_replication_role is replica for this role: neither triggers nor foreign \
         keys would hold; set it to origin\n",
    );
    project.database.execute(&format!("DROP ROLE {role}"));
}

#[test]
fn a_column_that_no_row_names_is_the_triggers() {
    for settings in ["", "[tables.items]\nignore_columns = [\"slug\"]\n"] {
        let project = Project::new(&[
            "CREATE TABLE items (id text PRIMARY KEY, label text NOT NULL, note text, slug text);",
            &tracked(&["items"]),
        ]);
        project.file("tablecast.toml", settings);
        project.run(&["migrate", "--quiet"]).succeeded();
        project.database.execute(
            "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN NEW.slug := lower(NEW.label); RETURN NEW; END $$;
             CREATE TRIGGER fills BEFORE INSERT OR UPDATE ON items
                 FOR EACH ROW EXECUTE FUNCTION fill();",
        );
        let slug = if settings.is_empty() {
            ""
        } else {
            r#","slug":"not read""#
        };
        let counts = |label: &str| {
            let rows = format!(
                r#"[{{"id":"a","label":"{label}"{slug}}},{{"id":"b","label":"B","note":"n"}}]"#
            );
            project.source("items", &rows);
            project.run(&["plan", "--quiet"]).succeeded();
            let report = project.json(&["seed", "--recheck"]);
            ["inserted", "updated", "unchanged"].map(|n| report["tables"][0][n].as_u64().unwrap())
        };
        assert_eq!(counts("A"), [2, 0, 0], "{settings}");
        assert_eq!(counts("A"), [0, 0, 2], "{settings}");
        assert_eq!(counts("AA"), [0, 1, 1], "{settings}");
        let rows = || {
            project
                .database
                .query("SELECT id, slug FROM items ORDER BY id")
        };
        assert_eq!(rows(), ["a|aa", "b|b"], "{settings}");
        // A column that a row names is the file's in every row.
        project.source(
            "items",
            r#"[{"id":"a","label":"A","slug":"x"},{"id":"b","label":"B"}]"#,
        );
        if settings.is_empty() {
            let told = project.run(&["seed"]).stderr;
            assert!(told.contains(r#"("slug" is not as written)"#), "{told}");
        }
        // Without the trigger it is null, as ever.
        project.database.execute("DROP TRIGGER fills ON items");
        counts("A");
        assert_eq!(
            project.database.query("SELECT count(slug) FROM items"),
            ["0"]
        );
    }
}
