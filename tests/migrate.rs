//! Migrations: each file once, whole or not at all, and nothing behind our back.

use std::process::Stdio;

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::{Finished, Project, tracked, without_numbers};

const COUNTRIES: &str = "CREATE TABLE countries (id text PRIMARY KEY, label text NOT NULL);";

// What is applied, and when

#[test]
fn migrating_twice_changes_nothing() {
    let project = Project::new(&[COUNTRIES, "CREATE TABLE rivers (id text PRIMARY KEY);"]);
    let first = project.run(&["migrate"]);
    first.succeeded();
    assert_eq!(
        without_numbers(&first.stderr),
        "applied VN__m.sql\n\
         applied VN__m.sql\n\
         migrated: N applied, N had been before (N ms)\n\
         warning: table countries has no trigger that records INSERT, UPDATE, DELETE, TRUNCATE; \
         its changes do not raise the reference version\n\
         warning: table rivers has no trigger that records INSERT, UPDATE, DELETE, TRUNCATE; \
         its changes do not raise the reference version\n\
         warning: write the missing migration by `publisher migrate --print-triggers`\n"
    );
    let before = project.database.everything();

    let second = project.json(&["migrate"]);

    assert_eq!(
        (&second["applied"], &second["alreadyApplied"]),
        (&json!([]), &json!(2))
    );
    assert_eq!(project.database.everything(), before);
}

#[test]
fn line_ends_of_another_system_are_no_edit() {
    let project = Project::new(&["CREATE TABLE a (id text PRIMARY KEY);\n-- two lines\n"]);
    project.run(&["migrate"]).succeeded();
    project.file(
        "sql/migrations/V0001__m.sql",
        "CREATE TABLE a (id text PRIMARY KEY);\r\n-- two lines\r\n",
    );
    project.run(&["migrate"]).succeeded();
}

#[test]
fn twenty_runs_at_once_apply_each_file_once() {
    let project = Project::new(&[
        "CREATE TABLE log (number int);",
        "INSERT INTO log VALUES (2);",
        "INSERT INTO log VALUES (3);",
    ]);
    let mut migrate = project.command(&["migrate", "--json", "--quiet", "--lock-timeout", "10m"]);
    migrate.stdout(Stdio::piped()).stderr(Stdio::piped());
    let runs: Vec<_> = (0..20).map(|_| migrate.spawn().unwrap()).collect();

    let mut applied = 0;
    for run in runs {
        let finished = Finished::of(run.wait_with_output().unwrap());
        finished.succeeded();
        let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        applied += report["applied"].as_array().unwrap().len();
    }
    assert_eq!(applied, 3);
    assert_eq!(
        project.database.query("SELECT number FROM log ORDER BY 1"),
        ["2", "3"]
    );
    let history = "SELECT version, file FROM tablecast.migration ORDER BY 1";
    assert_eq!(
        project.database.query(history),
        ["1|V0001__m.sql", "2|V0002__m.sql", "3|V0003__m.sql"]
    );
}

// A history that does not match the folder

#[track_caller]
fn refused_after(change: impl Fn(&Project), stderr: &str) {
    let project = Project::new(&[COUNTRIES, "CREATE TABLE rivers (id text PRIMARY KEY);"]);
    project.run(&["migrate", "--quiet"]).succeeded();
    let before = project.database.everything();
    change(&project);
    project.run(&["migrate"]).failed_with(stderr);
    assert_eq!(project.database.everything(), before);
}

#[test]
fn an_edited_file_is_refused() {
    refused_after(
        |project| {
            project.file("sql/migrations/V0001__m.sql", "CREATE TABLE other ();");
        },
        "error: V0001__m.sql was edited after it had been applied\n  \
         hint: put the file back as it was, and write the change as a new migration\n",
    );
}

#[test]
fn a_removed_file_is_refused() {
    refused_after(
        |project| std::fs::remove_file(project.path("sql/migrations/V0002__m.sql")).unwrap(),
        "error: V0002__m.sql was applied to this database, and is not in the folder any more\n  \
         hint: put the file back; the history is part of the schema\n",
    );
}

#[test]
fn a_file_that_comes_too_late_is_refused() {
    refused_after(
        |project| {
            project.file("sql/migrations/V0000__late.sql", "SELECT 1;");
        },
        "error: V0000__late.sql comes before V0002__m.sql, which has been applied already\n  \
         hint: give the file a number behind the highest one\n",
    );
}

#[test]
fn a_file_with_another_name_is_refused() {
    refused_after(
        |project| {
            project.file("sql/migrations/0003_more.sql", "SELECT 1;");
        },
        "error: 0003_more.sql: a migration is named V<number>__<name>.sql, such as V0007__add_bands.sql\n",
    );
}

#[test]
fn two_files_with_one_number_are_refused() {
    refused_after(
        |project| {
            project.file("sql/migrations/V2__again.sql", "SELECT 1;");
        },
        "error: V0002__m.sql and V2__again.sql have the same number\n",
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let project = Project::new(&[]);
    project.run(&["migrate", "--sql", "nowhere"]).failed_with(
        "error: failed to read nowhere\n  caused by: No such file or directory (os error 2)\n  \
         hint: name the folder of migrations with --sql\n",
    );
}

// A file that fails

#[test]
fn a_failing_file_is_named_with_its_line_and_leaves_nothing_of_itself() {
    let project = Project::new(&[
        COUNTRIES,
        "CREATE TABLE rivers (id text PRIMARY KEY);\n-- ä line in between\nINSERT INTO lakes VALUES (1);\n",
    ]);
    project.run(&["migrate", "--quiet"]).failed_with(
        "error: V0002__m.sql:3: the migration failed; it changed nothing\n  \
         caused by: relation \"lakes\" does not exist\n",
    );
    let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(project.database.query(tables), ["countries"]);
    let history = "SELECT file FROM tablecast.migration";
    assert_eq!(project.database.query(history), ["V0001__m.sql"]);

    project.file(
        "sql/migrations/V0002__m.sql",
        "CREATE TABLE rivers (id text PRIMARY KEY);",
    );
    project.run(&["migrate"]).succeeded();
}

#[test]
fn a_constraint_that_only_the_commit_finds_broken_undoes_the_file() {
    let project = Project::new(&[
        "CREATE TABLE a (id int PRIMARY KEY, b int REFERENCES a DEFERRABLE INITIALLY DEFERRED);",
        "INSERT INTO a VALUES (1, 2);",
    ]);
    project.run(&["migrate", "--quiet"]).failed_with(
        "error: V0002__m.sql: the migration failed; it changed nothing\n  \
         caused by: insert or update on table \"a\" violates foreign key constraint \"a_b_fkey\" \
         (Key (b)=(2) is not present in table \"a\".)\n",
    );
    assert_eq!(project.database.query("SELECT FROM a").len(), 0);
    assert_eq!(
        project
            .database
            .query("SELECT file FROM tablecast.migration"),
        ["V0001__m.sql"]
    );
}

#[test]
fn a_file_that_ends_its_transaction_is_refused_and_leaves_nothing() {
    for ends in [
        "COMMIT;",
        "commit work;",
        "END;",
        "ROLLBACK;",
        "ABORT;",
        "COMMIT AND CHAIN;",
        "ROLLBACK AND CHAIN;",
        "PREPARE TRANSACTION 'x';",
        "BEGIN; CREATE TABLE b (); COMMIT;",
        "COMMIT; BEGIN;",
        "DO $$ BEGIN COMMIT; END $$;",
        "DO $$ BEGIN ROLLBACK; END $$;",
        "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$; CALL p();",
        "CREATE PROCEDURE p() LANGUAGE sql AS $$ COMMIT $$; CALL p();",
        "/* a comment */ COMMIT -- and another",
    ] {
        for (before, behind) in [
            ("", ""),
            ("CREATE TABLE a ();", ""),
            ("CREATE TABLE a ();", "CREATE TABLE c ();"),
        ] {
            let file = format!("{before}\n{ends}\n{behind}");
            let project = Project::new(&[COUNTRIES, &file, "CREATE TABLE d ();"]);
            let finished = project.run(&["migrate", "--quiet"]);
            assert_eq!(finished.status, Some(1), "{file}");
            assert!(
                finished.stderr.starts_with("error: V0002__m.sql")
                    && finished.stderr.contains("it changed nothing"),
                "{file}: {}",
                finished.stderr
            );
            let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
            assert_eq!(project.database.query(tables), ["countries"], "{file}");
            let history = "SELECT file FROM tablecast.migration";
            assert_eq!(project.database.query(history), ["V0001__m.sql"], "{file}");
        }
    }
}

#[test]
fn who_ends_the_transaction_is_told_what_to_leave_out() {
    let hint = "hint: leave out BEGIN, COMMIT, ROLLBACK, SAVEPOINT and the like, also in DO and in \
                procedures; what needs no transaction goes into a file that begins with the line \
                `-- tablecast: no transaction`\n";
    for (file, cause) in [
        (
            "CREATE TABLE a (); COMMIT;",
            "EXECUTE of transaction commands is not implemented",
        ),
        (
            "DO $$ BEGIN COMMIT; END $$",
            "invalid transaction termination",
        ),
    ] {
        Project::new(&[file]).run(&["migrate", "--quiet"]).failed_with(&format!(
            "error: V0001__m.sql: a migration runs in one transaction, which it must not end; it changed nothing\n  \
             caused by: {cause}\n  {hint}"
        ));
    }
}

#[test]
fn a_file_without_a_transaction_that_leaves_its_own_open_is_refused() {
    let project = Project::new(&["-- tablecast: no transaction\nBEGIN; CREATE TABLE a ();"]);
    project.run(&["migrate", "--quiet"]).failed_with(
        "error: V0001__m.sql: the migration left a transaction open, which was rolled back\n  \
         hint: let the file end each transaction that it begins\n",
    );
    assert_eq!(
        project
            .database
            .query("SELECT count(*) FROM tablecast.migration"),
        ["0"]
    );
    let whole = "-- tablecast: no transaction\nBEGIN; CREATE TABLE a (); COMMIT;";
    project.file("sql/migrations/V0001__m.sql", whole);
    project.run(&["migrate", "--quiet"]).succeeded();
    assert_eq!(
        project
            .database
            .query("SELECT count(*) FROM tablecast.migration"),
        ["1"]
    );
}

#[test]
fn a_file_without_a_statement_is_refused() {
    for empty in [
        "",
        "\n \n",
        "-- soon\n",
        "/* soon */;",
        "-- tablecast: no transaction\n",
    ] {
        let project = Project::new(&[COUNTRIES, empty]);
        let stderr = "error: V0002__m.sql holds no statement\n  \
             hint: write the statements that it is meant to have, or `SELECT;` if there are none\n";
        project.run(&["migrate", "--quiet"]).failed_with(stderr);
        let mut check = project.command(&["check", "--quiet"]);
        check.env_remove("DATABASE_URL");
        Finished::of(check.output().unwrap()).failed_with(stderr);
        // None of the files was applied.
        let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(project.database.query(tables).len(), 0);
        project.file("sql/migrations/V0002__m.sql", "SELECT;");
        project.run(&["migrate", "--quiet"]).succeeded();
    }
}

#[test]
fn a_temporary_table_of_one_file_is_not_there_for_the_next() {
    let project = Project::new(&[
        "CREATE TABLE a (id int); CREATE TEMP TABLE b (id int); CREATE TEMP TABLE a (id int);",
        "INSERT INTO a VALUES (1); DO $$ BEGIN ASSERT to_regclass('b') IS NULL; END $$;",
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    assert_eq!(project.database.query("SELECT id FROM a"), ["1"]);
}

#[test]
fn a_statement_that_refuses_a_transaction_gets_none_where_the_file_says_so() {
    let index = "CREATE INDEX CONCURRENTLY by_label ON countries (label);";
    let project = Project::new(&[COUNTRIES, index]);
    project.run(&["migrate", "--quiet"]).failed_with(
        "error: V0002__m.sql: the migration failed; it changed nothing\n  \
         caused by: CREATE INDEX CONCURRENTLY cannot run inside a transaction block\n  \
         hint: begin the file with the line `-- tablecast: no transaction`, and leave it that one statement\n",
    );
    let file = format!("-- tablecast: no transaction\n{index}\n");
    project.file("sql/migrations/V0002__m.sql", file);
    project.run(&["migrate", "--quiet"]).succeeded();
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_label'::regclass";
    assert_eq!(project.database.query(valid), ["t"]);
    assert_eq!(
        project
            .database
            .query("SELECT count(*) FROM tablecast.migration"),
        ["2"]
    );
}

#[test]
fn a_failing_file_without_a_transaction_may_have_left_something() {
    let project = Project::new(&[
        "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1);",
        "-- tablecast: no transaction\nCREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id);",
    ]);
    project.run(&["migrate", "--quiet"]).failed_with(
        "error: V0002__m.sql: the migration failed; outside of a transaction it may have left \
         something behind\n  caused by: could not create unique index \"a_id\" \
         (Key (id)=(1) is duplicated.)\n",
    );
}

// Others

#[test]
fn who_holds_the_lock_is_named() {
    let project = Project::new(&[COUNTRIES]);
    let editor = project.database.connect();
    let lock = "SET application_name = 'an editor';
                SELECT pg_advisory_lock(('x' || encode('tablecas', 'hex'))::bit(64)::bigint)";
    project
        .database
        .block_on(editor.batch_execute(lock))
        .unwrap();

    let finished = project.run(&["migrate", "--lock-timeout", "150ms"]);

    assert_eq!(finished.status, Some(1));
    assert_eq!(
        without_numbers(&finished.stderr),
        "error: gave up waiting for the lock of `migrate` and `seed` after N.N s: it is held by \
         \"an editor\" (process N, user postgres, idle for N s)\n  \
         hint: wait for the other session to end, or allow more time with --lock-timeout\n"
    );
    drop(editor);
    project.run(&["migrate"]).succeeded();
}

#[test]
fn a_table_in_use_is_not_waited_for_for_ever() {
    let project = Project::new(&[COUNTRIES, "ALTER TABLE countries ADD COLUMN area int;"]);
    project.database.execute(COUNTRIES);
    std::fs::remove_file(project.path("sql/migrations/V0001__m.sql")).unwrap();
    let editor = project.database.connect();
    let hold =
        "SET application_name = 'an editor'; BEGIN; LOCK TABLE countries IN ACCESS SHARE MODE";
    project
        .database
        .block_on(editor.batch_execute(hold))
        .unwrap();

    let finished = project.run(&["migrate", "--lock-timeout", "150ms"]);
    assert_eq!(finished.status, Some(1));
    assert_eq!(
        without_numbers(&finished.stderr),
        "error: VN__m.sql: the migration failed; it changed nothing\n  \
         caused by: canceling statement due to lock timeout\n  \
         hint: it is held by \"an editor\" (process N, user postgres, idle in transaction for N s); \
         wait for the other session to end, or allow more time with --lock-timeout\n"
    );
}

#[test]
fn what_a_file_does_to_the_session_ends_with_it() {
    // As pg_dump begins.
    let dump = "SELECT pg_catalog.set_config('search_path', '', false);
                SET default_transaction_read_only = on; SET datestyle = 'SQL, DMY';
                CREATE TABLE public.a (id text PRIMARY KEY);";
    let role = "CREATE TABLE b (id text PRIMARY KEY); SET ROLE pg_monitor;";
    let project = Project::new(&[dump, role, "CREATE TABLE c (id text PRIMARY KEY);"]);
    project.run(&["migrate"]).succeeded();
    let tables = "SELECT schemaname, tablename, tableowner FROM pg_tables
                  WHERE schemaname = 'public' ORDER BY tablename";
    let owner = project.database.query("SELECT current_user").remove(0);
    let expected = ["a", "b", "c"].map(|table| format!("public|{table}|{owner}"));
    assert_eq!(project.database.query(tables), expected);
}

// What no trigger tells

fn with_a_country() -> Project {
    let project = Project::new(&[COUNTRIES, &tracked(&["countries"])]);
    project.source("countries", r#"[{"id":"NO","label":"Norge"}]"#);
    project.run(&["run", "--quiet"]).succeeded();
    assert_eq!(project.database.versions(), ["countries|1"]);
    project
}

#[track_caller]
fn moves_the_version(sql: &str, versions: &[&str]) {
    let project = with_a_country();
    let before = project.version();
    project.file("sql/migrations/V0003__more.sql", sql);
    project.run(&["migrate", "--quiet"]).succeeded();
    assert_eq!(project.database.versions(), versions);
    project.run(&["publish", "--quiet"]).succeeded();
    let after = project.version();
    assert_ne!(before["referenceVersion"], after["referenceVersion"]);
    assert_ne!(before["bootstrap"]["hash"], after["bootstrap"]["hash"]);
}

#[test]
fn an_added_column_raises_the_tables_version() {
    moves_the_version(
        "ALTER TABLE countries ADD COLUMN area int;",
        &["countries|2"],
    );
}

#[test]
fn rows_that_a_retyping_has_rewritten_raise_the_tables_version() {
    moves_the_version(
        "ALTER TABLE countries ALTER COLUMN label TYPE text USING upper(label);",
        &["countries|2"],
    );
}

#[test]
fn an_added_table_raises_the_version() {
    moves_the_version(
        "CREATE TABLE rivers (id text PRIMARY KEY);
         INSERT INTO reference_metadata (table_name) VALUES ('rivers');",
        &["countries|1", "rivers|2"],
    );
}

#[test]
fn a_dropped_table_raises_the_version() {
    let project = with_a_country();
    project.file(
        "sql/migrations/V0003__more.sql",
        "CREATE TABLE rivers (id text PRIMARY KEY);",
    );
    project.file("sql/migrations/V0004__gone.sql", "DROP TABLE countries");
    project.run(&["migrate", "--quiet"]).succeeded();
    assert_eq!(project.database.versions(), ["countries|2"]);
}

#[test]
fn an_added_index_raises_nothing() {
    let project = with_a_country();
    let before = project.version();
    project.file(
        "sql/migrations/V0003__more.sql",
        "CREATE INDEX ON countries (label);",
    );
    project.run(&["run", "--quiet"]).succeeded();
    assert_eq!(project.database.versions(), ["countries|1"]);
    assert_eq!(project.version(), before);
}

#[test]
fn a_change_that_a_failing_file_follows_is_counted() {
    let project = with_a_country();
    project.file(
        "sql/migrations/V0003__more.sql",
        "ALTER TABLE countries ADD COLUMN area int;",
    );
    project.file("sql/migrations/V0004__bad.sql", "SELECT 1/0;");
    project.run(&["migrate", "--quiet"]).failed_with(
        "error: V0004__bad.sql: the migration failed; it changed nothing\n  \
         caused by: division by zero\n",
    );
    assert_eq!(project.database.versions(), ["countries|2"]);
}

// Triggers for a schema that has none

#[track_caller]
fn printed_triggers_end_the_warnings(schema: &str) {
    let tables = format!(
        "CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema};
         CREATE TABLE countries (id text PRIMARY KEY);
         CREATE TABLE \"Odd\" (id int PRIMARY KEY);"
    );
    let project = Project::new(&[&tables]);
    let flags = ["--schema", schema];
    let warnings = "\
        warning: table Odd has no trigger that records INSERT, UPDATE, DELETE, TRUNCATE; \
        its changes do not raise the reference version\n\
        warning: table countries has no trigger that records INSERT, UPDATE, DELETE, TRUNCATE; \
        its changes do not raise the reference version\n\
        warning: write the missing migration by `publisher migrate --print-triggers`\n";
    let migrated = project.run(&[&["migrate", "--quiet"][..], &flags].concat());
    assert_eq!(migrated.succeeded().stderr, warnings);
    project
        .source("countries", r#"[{"id":"NO"}]"#)
        .source("Odd", r#"[{"id":1}]"#);
    let checked = project.run(&[&["check", "--quiet"][..], &flags].concat());
    assert_eq!(checked.succeeded().stderr, warnings);

    let printed = project.run(&[&["migrate", "--print-triggers"][..], &flags].concat());
    assert_eq!(printed.succeeded().stderr, "");
    project.file("sql/migrations/V0002__triggers.sql", &printed.stdout);

    let migrated = project.run(&[&["migrate", "--quiet"][..], &flags].concat());
    assert_eq!(migrated.succeeded().stderr, "");
    let seeded = project.json(&[&["seed"][..], &flags].concat());
    assert_eq!(
        (&seeded["from"], &seeded["to"]),
        (&"seq:0".into(), &"seq:1".into())
    );
    project
        .database
        .execute(&format!("UPDATE {schema}.countries SET id = 'SE'"));
    project
        .database
        .execute(&format!("TRUNCATE {schema}.\"Odd\""));
    let versions =
        format!("SELECT * FROM {schema}.reference_metadata ORDER BY table_name COLLATE \"C\"");
    let versions = project.database.query(&versions);
    assert_eq!(
        versions
            .iter()
            .map(|row| &row[..row.rfind('|').unwrap()])
            .collect::<Vec<_>>(),
        ["Odd|3", "countries|2"]
    );

    let again = project.run(&[&["migrate", "--print-triggers"][..], &flags].concat());
    assert_eq!(
        again.succeeded().stderr,
        "every published table has its triggers\n"
    );
    assert_eq!(again.stdout, "");
}

/// One is applied to our own tables, the other is printed for everybody else's.
#[test]
fn printed_triggers_are_those_of_our_own_migrations() {
    const TABLE: &str = "CREATE TABLE countries (id text PRIMARY KEY);";
    let ours = Project::exercise_app();
    ours.run(&["migrate", "--quiet"]).succeeded();
    let printed = Project::new(&[TABLE]);
    printed.run(&["migrate", "--quiet"]).succeeded();
    let migration = printed
        .run(&["migrate", "--print-triggers", "--quiet"])
        .stdout;
    printed.file("sql/migrations/V0002__triggers.sql", migration);
    printed.run(&["migrate", "--quiet"]).succeeded();

    // What PostgreSQL made of them; of the text, all but comments, quotes and white space.
    let function = r#"SELECT regexp_replace(regexp_replace(pg_get_functiondef(oid), '--[^\n]*|"', '', 'g'), '\s+', ' ', 'g'), proacl
                     FROM pg_proc WHERE proname = 'record_table_change'"#;
    let [function_of_ours, function_printed] =
        [&ours, &printed].map(|project| project.database.query(function));
    assert_eq!(function_of_ours.len(), 1);
    assert_eq!(function_of_ours, function_printed);

    let triggers = "SELECT replace(pg_get_triggerdef(trigger.oid), relname, '...'), tgenabled
                    FROM pg_trigger AS trigger JOIN pg_class AS class ON class.oid = tgrelid
                    WHERE NOT tgisinternal AND relname IN ('countries', 'muscles') ORDER BY 1";
    let [triggers_of_ours, triggers_printed] =
        [&ours, &printed].map(|project| project.database.query(triggers));
    assert_eq!(triggers_of_ours.len(), 4);
    assert_eq!(triggers_of_ours, triggers_printed);
}

#[test]
fn a_table_that_is_excluded_and_does_not_exist_is_an_error() {
    let project = Project::new(&["CREATE TABLE secrets (id text PRIMARY KEY);"]);
    project.file("tablecast.toml", "exclude = [\"secret\"]\n");
    project
        .run(&["migrate", "--quiet"])
        .failed_with("error: tablecast.toml excludes secret, which schema public does not have\n");
}

#[test]
fn printed_triggers_end_the_warnings_in_the_usual_schema() {
    printed_triggers_end_the_warnings("public");
}

#[test]
fn printed_triggers_end_the_warnings_in_another_schema() {
    printed_triggers_end_the_warnings("reference");
}

#[test]
fn without_a_table_there_is_no_trigger_to_print() {
    let project = Project::new(&[]);
    let printed = project.run(&["migrate", "--print-triggers"]);
    assert_eq!(
        printed.succeeded().stderr,
        "the schema \"public\" has no table with a primary key\n"
    );
    assert_eq!(printed.stdout, "");
}

#[test]
fn a_trigger_that_does_not_always_fire_counts_as_missing() {
    let project = with_a_country();
    project.database.execute(
        "ALTER TABLE countries DISABLE TRIGGER d;
         ALTER TABLE countries ENABLE REPLICA TRIGGER i;
         DROP TRIGGER u ON countries;
         CREATE TRIGGER u AFTER UPDATE OF id ON countries
             FOR EACH STATEMENT EXECUTE FUNCTION record_table_change();",
    );
    let migrated = project.run(&["migrate", "--quiet"]);
    assert_eq!(
        migrated.succeeded().stderr,
        "warning: table countries has no trigger that records INSERT, UPDATE, DELETE; \
         its changes do not raise the reference version\n\
         warning: write the missing migration by `publisher migrate --print-triggers`\n"
    );
}
