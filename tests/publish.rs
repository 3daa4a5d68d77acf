//! Publishing: one committed state, active rows only, the same bytes everywhere.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::{Finished, Project, TestDatabase, repository, tracked};

const PLACES: &str = "CREATE TABLE places (
    id          text PRIMARY KEY,
    sort_order  int,
    is_active   boolean NOT NULL DEFAULT true,
    source_type text NOT NULL DEFAULT 'seed'
);";

/// A migrated project with these tables and rows.
fn holding(tables: &str, names: &[&str], rows: &str) -> Project {
    let project = Project::new(&[tables, &tracked(names)]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project.database.execute(rows);
    project
}

fn text(project: &Project, path: &str) -> String {
    std::fs::read_to_string(project.path("snapshots").join(path)).unwrap()
}

/// The bytes of a table's object.
fn object(project: &Project, table: &str) -> String {
    let hash = project.manifest()["tables"][table]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    text(project, &format!("tables/{table}/{hash}.json"))
}

fn sequence(project: &Project) -> u64 {
    let version = project.version();
    version["referenceVersion"].as_str().unwrap()[4..]
        .parse()
        .unwrap()
}

/// `python3 tests/independent/…` must find nothing wrong.
#[track_caller]
fn judged_by(script: &str, arguments: &[&str], project: &Project) {
    let mut python = Command::new("python3");
    python
        .arg("-B")
        .arg(repository().join("tests/independent").join(script));
    let output = python
        .args(arguments)
        .current_dir(project.path(""))
        .output()
        .unwrap();
    let finished = Finished::of(output);
    assert_eq!(
        finished.status,
        Some(0),
        "{}{}",
        finished.stdout,
        finished.stderr
    );
}

// The bytes

#[test]
fn the_bytes_are_those_of_the_format() {
    let project = holding(
        &format!("{PLACES} CREATE TABLE no_rows (id int PRIMARY KEY);"),
        &["places", "no_rows"],
        "INSERT INTO places VALUES ('b', 1, true, 'seed'), ('a', 2, true, 'seed'), ('gone', 0, false, 'seed'),
                                   ('mine', NULL, true, 'admin')",
    );
    project
        .database
        .execute("UPDATE reference_metadata SET last_updated = '2026-02-24 14:12:04.9+01'");
    project
        .run(&["publish", "--quiet", "--schema-version", "2.1"])
        .succeeded();

    assert_eq!(
        object(&project, "places"),
        "{\"schemaVersion\":\"2.1\",\"table\":\"places\",\"rows\":[\n\
         {\"id\":\"b\",\"is_active\":true,\"sort_order\":1},\n\
         {\"id\":\"a\",\"is_active\":true,\"sort_order\":2},\n\
         {\"id\":\"mine\",\"is_active\":true,\"sort_order\":null}\n\
         ]}"
    );
    assert_eq!(
        object(&project, "noRows"),
        "{\"schemaVersion\":\"2.1\",\"table\":\"noRows\",\"rows\":[]}"
    );
    let version = project.version();
    let bootstrap = version["bootstrap"]["hash"].as_str().unwrap();
    assert_eq!(
        text(&project, &format!("bootstrap/{bootstrap}.json")),
        "{\"schemaVersion\":\"2.1\",\"referenceVersion\":\"seq:1\",\"generatedAt\":\"2026-02-24T13:12:04Z\",\
         \"tables\":{\"noRows\":[],\"places\":[\n\
         {\"id\":\"b\",\"is_active\":true,\"sort_order\":1},\n\
         {\"id\":\"a\",\"is_active\":true,\"sort_order\":2},\n\
         {\"id\":\"mine\",\"is_active\":true,\"sort_order\":null}\n\
         ]}}"
    );
    assert!(text(&project, "version.json").len() <= 1024);
}

#[test]
fn other_programs_find_nothing_wrong() {
    let project = Project::exercise_app();
    project.run(&["run", "--quiet"]).succeeded();
    let grips = std::fs::read_to_string(project.path("json-source/grips.json")).unwrap();
    let edited = grips.replacen("\"label\": \"", "\"label\": \"Edited ", 1);
    project
        .source("grips", &edited)
        .run(&["run", "--quiet"])
        .succeeded();
    // b3sum, sha256, zstd -d, brotli -d and gunzip on every file; the order of tables and rows.
    judged_by("check_snapshot.py", &["snapshots"], &project);
    judged_by("compare_rows.py", &["json-source", "snapshots"], &project);
}

#[test]
fn a_table_may_stay_out_of_the_bootstrap() {
    let project = holding(PLACES, &["places"], "INSERT INTO places VALUES ('a')");
    project.file("tablecast.toml", "[tables.places]\nbootstrap = false\n");
    project.run(&["publish", "--quiet"]).succeeded();
    let bootstrap = project.version()["bootstrap"]["hash"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        project.stored(&format!("bootstrap/{bootstrap}.json"))["tables"],
        json!({})
    );
    assert_eq!(project.manifest()["tables"]["places"]["inBootstrap"], false);
    assert_eq!(
        project.published("places"),
        json!([{"id": "a", "is_active": true, "sort_order": null}])
    );
    judged_by("check_snapshot.py", &["snapshots"], &project);
}

// Order

#[track_caller]
fn in_order(table: &str, rows: &str, expected: &[Value]) {
    for database in [TestDatabase::new(), german()] {
        let mut project = Project::new(&[table, &tracked(&["t"])]);
        project.database = database;
        project.run(&["migrate", "--quiet"]).succeeded();
        project.database.execute(rows);
        project.run(&["publish", "--quiet"]).succeeded();
        let published = project.published("t");
        let ids: Vec<&Value> = published
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["id"])
            .collect();
        assert_eq!(ids, expected.iter().collect::<Vec<_>>());
    }
}

/// A database that sorts text as a dictionary does, where the server can.
fn german() -> TestDatabase {
    let plain = TestDatabase::new();
    let has_icu = plain.query(
        "SELECT current_setting('server_version_num')::int >= 150000
                AND EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i')",
    );
    if has_icu == ["f"] {
        eprintln!("this PostgreSQL has no ICU: only byte order is tried");
        return plain;
    }
    let database = TestDatabase::with("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE'");
    let sorted =
        database.query("SELECT v FROM (VALUES ('a'), ('B'), ('ä'), ('_')) AS t (v) ORDER BY v");
    assert_eq!(sorted, ["_", "a", "ä", "B"]);
    database
}

#[test]
fn rows_stand_in_the_order_of_sort_order_and_of_their_keys_bytes() {
    in_order(
        "CREATE TABLE t (id text PRIMARY KEY, sort_order int);",
        "INSERT INTO t VALUES ('ä', 1), ('a', 1), ('Z', 1), ('_', 1), ('B', 1), ('10', 1), ('9', 1), ('', 1),
                              ('last', NULL), ('late', 2), ('first', -1)",
        &["first", "", "10", "9", "B", "Z", "_", "a", "ä", "late", "last"].map(Value::from),
    );
}

#[test]
fn a_sort_order_of_text_is_ordered_by_bytes_too() {
    in_order(
        "CREATE TABLE t (id int PRIMARY KEY, sort_order text);",
        "INSERT INTO t VALUES (1, 'a'), (2, 'B'), (3, 'ä'), (4, '_'), (5, 'Z')",
        &[2, 5, 4, 1, 3].map(Value::from),
    );
}

#[test]
fn a_key_that_is_an_array_or_a_word_of_a_list_is_ordered_by_bytes_too() {
    in_order(
        "CREATE TABLE t (id text[] PRIMARY KEY);",
        "INSERT INTO t VALUES ('{a}'), ('{B}'), ('{B,a}'), ('{ä}'), ('{_}')",
        &[
            json!(["B"]),
            json!(["B", "a"]),
            json!(["_"]),
            json!(["a"]),
            json!(["ä"]),
        ],
    );
    in_order(
        "CREATE TYPE word AS ENUM ('b', 'a', 'B', 'ä'); CREATE TABLE t (id word PRIMARY KEY);",
        "INSERT INTO t VALUES ('ä'), ('b'), ('a'), ('B')",
        &["B", "a", "b", "ä"].map(Value::from),
    );
}

#[test]
fn a_key_of_several_columns_orders_by_each_in_turn() {
    in_order(
        "CREATE TABLE t (id int, a text, b int, PRIMARY KEY (a, b));",
        "INSERT INTO t VALUES (1, 'b', 1), (2, 'a', 10), (3, 'a', 9), (4, 'B', 3)",
        &[4, 3, 2, 1].map(Value::from),
    );
}

// What must not be published

#[test]
fn an_active_row_that_points_at_an_inactive_one_is_refused_by_name() {
    let project = holding(
        "CREATE TABLE makers (id text, year int, is_active boolean NOT NULL, PRIMARY KEY (id, year));
         CREATE TABLE models (id text PRIMARY KEY, maker text, made int, next text REFERENCES models,
                              is_active boolean NOT NULL, FOREIGN KEY (maker, made) REFERENCES makers);
         CREATE TABLE parts (id int PRIMARY KEY, model text REFERENCES models);",
        &["makers", "models", "parts"],
        "INSERT INTO makers VALUES ('A', 1, true), ('B', 2, false);
         INSERT INTO models VALUES ('fine', 'A', 1, NULL, true), ('old', 'B', 2, NULL, false),
                                   ('bad', 'B', 2, 'old', true);
         INSERT INTO parts VALUES (1, 'fine'), (2, 'old')",
    );
    project.run(&["publish", "--quiet"]).failed_with(
        "error: models: row \"bad\": column \"maker, made\": points at \"B\", \"2\" in makers, which is not active\n\
         error: models: row \"bad\": column \"next\": points at \"old\" in models, which is not active\n\
         error: parts: row \"2\": column \"model\": points at \"old\" in models, which is not active\n\
         error: 3 problems in the database; nothing was published; if that is meant, allow it by --allow-broken-references models=2 --allow-broken-references parts=1\n",
    );
    assert!(!project.path("snapshots/version.json").exists());

    project.database.execute(
        "UPDATE models SET is_active = false WHERE id = 'bad'; DELETE FROM parts WHERE id = 2",
    );
    project.run(&["publish", "--quiet"]).succeeded();
}

#[test]
fn a_database_that_nobody_tracks_is_refused() {
    let project = Project::new(&["CREATE TABLE t (id int PRIMARY KEY);"]);
    project.run(&["migrate"]).succeeded();
    let finished = project.run(&["publish", "--quiet"]);
    assert_eq!(finished.status, Some(1));
    assert_eq!(
        finished.stderr,
        "warning: table t has no trigger that records INSERT, UPDATE, DELETE, TRUNCATE; \
         its changes do not raise the reference version\n\
         warning: write the missing migration by `publisher migrate --print-triggers`\n\
         error: the database has no reference_metadata, from which the reference version is taken\n  \
         hint: write the missing migration by `publisher migrate --print-triggers`, then apply it\n"
    );
}

#[test]
fn a_schema_without_tables_is_refused() {
    let project = Project::new(&[]);
    project.run(&["publish"]).failed_with(
        "error: the schema \"public\" has no table with a primary key\n  \
         hint: run `publisher migrate`, or name another schema with --schema\n",
    );
}

#[test]
fn rows_that_a_policy_hides_are_not_silently_missing() {
    let project = holding(
        PLACES,
        &["places"],
        "INSERT INTO places VALUES ('seen'), ('hidden')",
    );
    let role = project
        .database
        .query("SELECT 'reader_' || current_database()")
        .remove(0);
    project.database.execute(&format!(
        "CREATE ROLE {role} LOGIN;
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
         ALTER TABLE places ENABLE ROW LEVEL SECURITY;
         CREATE POLICY seen_only ON places FOR SELECT TO {role} USING (id = 'seen')"
    ));
    let url = project
        .database
        .url()
        .replace("user='postgres'", &format!("user='{role}'"));
    let finished = project.run(&["publish", "--quiet", "--database-url", &url]);
    project
        .database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    finished.failed_with(
        "error: failed to read table places\n  \
         caused by: query would be affected by row-level security policy for table \"places\"\n  \
         hint: let the role see every row, by ALTER ROLE ... BYPASSRLS, or connect as the table's owner\n",
    );
}

// Values

#[derive(serde::Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    r#type: String,
    sql: String,
    text: String,
    json: Option<String>,
}

impl Case {
    fn column_type(&self) -> &str {
        self.r#type.strip_prefix("pg_temp.").unwrap_or(&self.r#type)
    }
}

/// Values of every type, as an independent implementation publishes them; the key is one
/// of ours.
fn vectors() -> Vec<Case> {
    let path = repository().join("tests/vectors/postgres-binary.json");
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut cases = vectors.cases;
    // A type of PostgreSQL's own tables, not for applications.
    cases.retain(|case| case.r#type != "\"char\"");
    cases
}

/// Tables `t0`, `t1` and so on, one for each type, and the values of each in order.
fn tables_of<'c>(cases: impl Iterator<Item = &'c Case>) -> (Project, Vec<Vec<&'c Case>>) {
    let mut by_type: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        by_type.entry(case.column_type()).or_default().push(case);
    }
    let mut sql = "CREATE TYPE grip AS ENUM ('NEUTRAL', 'übergriff', 'it''s \"mixed\"');
                   CREATE DOMAIN sku AS text CHECK (VALUE <> '');
                   CREATE DOMAIN amount AS numeric(12,2);\n"
        .to_owned();
    let (mut names, mut rows) = (Vec::new(), String::new());
    for (table, (sql_type, cases)) in by_type.iter().enumerate() {
        names.push(format!("t{table}"));
        sql += &format!("CREATE TABLE t{table} (id int PRIMARY KEY, v {sql_type});\n");
        for (id, case) in cases.iter().enumerate() {
            rows += &format!("INSERT INTO t{table} VALUES ({id}, {});\n", case.sql);
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let project = holding(&sql, &names, &rows);
    (project, by_type.into_values().collect())
}

#[test]
fn every_kind_of_value_is_published_as_the_format_says() {
    let vectors = vectors();
    let (project, tables) = tables_of(vectors.iter().filter(|case| case.json.is_some()));
    assert!(tables.len() > 30);
    project.run(&["publish", "--quiet"]).succeeded();
    for (table, cases) in tables.iter().enumerate() {
        let object = object(&project, &format!("t{table}"));
        let rows: Vec<&str> = object
            .lines()
            .skip(1)
            .map(|row| row.trim_end_matches(','))
            .collect();
        for (id, case) in cases.iter().enumerate() {
            let expected = format!("{{\"id\":{id},\"v\":{}}}", case.json.as_ref().unwrap());
            assert_eq!(rows[id], expected, "{} {}", case.r#type, case.sql);
        }
    }
}

#[test]
fn every_lossy_value_is_published_as_text() {
    let vectors = vectors();
    let (project, tables) = tables_of(vectors.iter().filter(|case| case.json.is_none()));
    assert!(tables.len() > 10);
    assert_eq!(project.run(&["publish", "--quiet"]).status, Some(1));
    let settings = (0..tables.len()).map(|table| format!("[tables.t{table}]\nas_text = [\"v\"]\n"));
    project.file("tablecast.toml", settings.collect::<String>());
    project.run(&["publish", "--quiet"]).succeeded();
    for (table, cases) in tables.iter().enumerate() {
        let rows = project.published(&format!("t{table}"));
        for (id, case) in cases.iter().enumerate() {
            assert_eq!(
                rows[id]["v"],
                case.text.as_str(),
                "{} {}",
                case.r#type,
                case.sql
            );
        }
    }
}

#[track_caller]
fn refused(sql_type: &str, value: &str, reason: &str, as_text: &str) {
    let table = format!("CREATE TABLE some_values (id text PRIMARY KEY, v {sql_type});");
    let row = format!("INSERT INTO some_values VALUES ('K', {value})");
    let project = holding(&table, &["some_values"], &row);
    project.run(&["publish", "--quiet"]).failed_with(&format!(
        "error: someValues: {reason}\n  hint: publish it as a string: add as_text = [\"v\"] under \
         [tables.someValues] in tablecast.toml\n"
    ));
    assert!(!project.path("snapshots/version.json").exists());
    project.file("tablecast.toml", "[tables.someValues]\nas_text = [\"v\"]\n");
    project.run(&["publish", "--quiet"]).succeeded();
    assert_eq!(
        project.published("someValues"),
        json!([{"id": "K", "v": as_text}])
    );
    assert_eq!(
        project.manifest()["tables"]["someValues"]["columns"]["v"],
        "text?"
    );
}

#[test]
fn a_value_that_readers_would_round_is_refused_and_cured_as_text() {
    refused(
        "bigint",
        "9007199254740993",
        "row \"K\": column \"v\": 9007199254740993 is beyond 2^53-1, where readers round integers",
        "9007199254740993",
    );
    refused(
        "numeric",
        "0.12345678901234567890",
        "row \"K\": column \"v\": 0.1234567890123456789 has more digits than a double holds",
        "0.12345678901234567890",
    );
    refused(
        "double precision",
        "'-Infinity'",
        "row \"K\": column \"v\": -Infinity is not a finite number, and JSON has no other",
        "-Infinity",
    );
    refused(
        "timestamptz",
        "'0044-03-15 12:00+00 BC'",
        "row \"K\": column \"v\": the year 44 BC is outside of the years 0001 to 9999, which RFC 3339 can write",
        "0044-03-15 12:00:00+00 BC",
    );
    refused(
        "int[]",
        "'[0:1]={1,2}'",
        "row \"K\": column \"v\": the array's subscripts start at 0, not 1, and JSON would lose that",
        "[0:1]={1,2}",
    );
    refused(
        "jsonb",
        "'{\"deep\": [9007199254740993]}'",
        "row \"K\": column \"v\": number 9007199254740993 is beyond 2^53-1, where readers round integers",
        "{\"deep\": [9007199254740993]}",
    );
    refused(
        "macaddr",
        "'08-00-2b-01-02-03'",
        "column \"v\": the type macaddr has no form in JSON",
        "08:00:2b:01:02:03",
    );
}

// The same data anywhere

const KINDS: &str = "
    CREATE TYPE word AS ENUM ('b', 'a');
    CREATE TABLE kinds (
        id text PRIMARY KEY, moment timestamptz, local timestamp, day date, hour time, raw bytea,
        ratio float8, small float4, price numeric, tags text[], word word, span interval, doc jsonb,
        sort_order text
    );";

#[test]
fn two_databases_with_the_same_rows_give_the_same_tables() {
    let simple = Project::exercise_app();
    let mut other = Project::exercise_app();
    other.database = german();
    let name = other.database.query("SELECT current_database()").remove(0);
    for setting in [
        "timezone = 'Asia/Kathmandu'",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = 'postgres_verbose'",
        "bytea_output = 'escape'",
        "extra_float_digits = -7",
        "standard_conforming_strings = off",
        "default_transaction_isolation = 'serializable'",
        "search_path = 'nowhere'",
        "enable_indexscan = off",
        "enable_bitmapscan = off",
    ] {
        other
            .database
            .execute(&format!("ALTER DATABASE {name} SET {setting}"));
    }
    for project in [&simple, &other] {
        project.file(
            "sql/migrations/V0009__kinds.sql",
            format!("{KINDS}\n{}", triggers("kinds")),
        );
        let settings = std::fs::read_to_string(project.path("tablecast.toml")).unwrap();
        let more = "\n[tables.kinds]\nfrom_file = false\nas_text = [\"span\"]\n";
        project.file("tablecast.toml", settings + more);
        project.run(&["migrate", "--quiet"]).succeeded();
    }
    let rows = [
        "'a', '2026-02-24 13:12:04.5+00', '2026-02-24 13:12:04', '2026-02-24', '13:12:04.25', E'\\\\xdeadbeef',
         0.1, 1.5e-7, 1.10, '{b,a}', 'b', '1 day 02:03:00', '{\"z\": 1.0, \"A\": [null]}', 'b'",
        "'B', '2026-02-24 13:12:04+00', NULL, '0001-01-01', '00:00', E'\\\\x', 123456.789012345678, 0.1, 2, '{}', 'a',
         NULL, '[]', 'B'",
        "'ä', NULL, NULL, NULL, NULL, NULL, 5e-324, 3.4e38, NULL, NULL, NULL, '-1 month', NULL, 'ä'",
        "'_', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    ];
    let settled = "SET datestyle = 'ISO, YMD'; SET standard_conforming_strings = on; SET search_path = public;";
    for row in rows {
        simple
            .database
            .execute(&format!("INSERT INTO kinds VALUES ({row})"));
    }
    simple.run(&["run", "--quiet"]).succeeded();

    // The long way: rows in another order, written and deleted and written again, retired
    // and brought back, first from other files.
    for row in rows.iter().rev() {
        let insert = format!("INSERT INTO kinds VALUES ({row});");
        other
            .database
            .execute(&format!("{settled} {insert} DELETE FROM kinds; {insert}"));
    }
    let longer = rows[1..]
        .iter()
        .rev()
        .map(|row| format!("INSERT INTO kinds VALUES ({row});"));
    other
        .database
        .execute(&format!("{settled} {}", longer.collect::<String>()));
    let muscles = std::fs::read_to_string(other.path("json-source/muscles.json")).unwrap();
    other.source(
        "muscles",
        &muscles.replacen("\"label\": \"", "\"label\": \"Other ", 3),
    );
    other.run(&["run", "--quiet"]).succeeded();
    other.database.execute(
        "UPDATE public.grips SET is_active = false; UPDATE public.stance_widths SET label = 'x'",
    );
    other.database.execute("INSERT INTO public.grips (id, label, source_type, is_active) VALUES ('mine', 'x', 'admin', false)");
    other
        .source("muscles", &muscles)
        .run(&["run", "--quiet"])
        .succeeded();

    let (one, two) = (simple.manifest(), other.manifest());
    for (table, entry) in one["tables"].as_object().unwrap() {
        assert_eq!(object(&simple, table), object(&other, table));
        for part in ["hash", "schemaFingerprint", "sha256", "size", "rows"] {
            assert_eq!(entry[part], two["tables"][table][part], "{table} {part}");
        }
    }
    assert_eq!(one["contentHash"], two["contentHash"]);
    assert!(
        one["referenceVersion"] != two["referenceVersion"],
        "the histories differ"
    );
}

// `tracked` without what our own migrations have made already.
fn triggers(table: &str) -> String {
    let all = tracked(&[table]);
    all[all.find("CREATE TRIGGER").unwrap()..].to_owned()
}

// Versions

#[test]
fn a_later_commit_carries_a_higher_version_whoever_began_first() {
    let tables = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);";
    let project = holding(tables, &["a", "b"], "INSERT INTO a VALUES (0)");
    let published = || {
        project.run(&["publish", "--quiet"]).succeeded();
        let rows = |table| project.published(table).as_array().unwrap().len();
        (sequence(&project), rows("a"), rows("b"))
    };
    let database = &project.database;
    let (first, second) = (database.connect(), database.connect());
    assert_eq!(published(), (1, 1, 0));

    // The first one to write commits last: the second waits for it.
    database
        .block_on(first.batch_execute("BEGIN; INSERT INTO a VALUES (1)"))
        .unwrap();
    let pid = database
        .block_on(second.query_one("SELECT pg_backend_pid()", &[]))
        .unwrap();
    #[expect(clippy::async_yields_async, reason = "it is to wait while we go on")]
    let waiting = database.block_on(async {
        tokio::spawn(async move {
            second
                .batch_execute("BEGIN; INSERT INTO b VALUES (1)")
                .await
                .unwrap();
            second
        })
    });
    let waits = format!(
        "SELECT FROM pg_stat_activity WHERE pid = {} AND wait_event_type = 'Lock'",
        pid.get::<_, i32>(0)
    );
    while database.query(&waits).is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(published(), (1, 1, 0));
    database.block_on(first.batch_execute("COMMIT")).unwrap();
    let second = database.block_on(waiting).unwrap();
    assert_eq!(published(), (2, 2, 0));
    database.block_on(second.batch_execute("COMMIT")).unwrap();
    assert_eq!(published(), (3, 2, 1));

    // The one that begins first writes last.
    database
        .block_on(first.batch_execute("BEGIN; SELECT * FROM a"))
        .unwrap();
    database
        .block_on(second.batch_execute("BEGIN; INSERT INTO b VALUES (2)"))
        .unwrap();
    database.block_on(second.batch_execute("COMMIT")).unwrap();
    assert_eq!(published(), (4, 2, 2));
    database
        .block_on(first.batch_execute("INSERT INTO a VALUES (2); COMMIT"))
        .unwrap();
    assert_eq!(published(), (5, 3, 2));

    // One that is rolled back leaves no gap and no version of its own.
    database
        .block_on(first.batch_execute("BEGIN; INSERT INTO a VALUES (3); ROLLBACK"))
        .unwrap();
    assert_eq!(published(), (5, 3, 2));
    database
        .block_on(second.batch_execute("INSERT INTO b VALUES (3)"))
        .unwrap();
    assert_eq!(published(), (6, 3, 3));
}

#[test]
fn a_snapshot_taken_among_writers_shows_one_committed_state() {
    let tables = "CREATE TABLE debit (id int PRIMARY KEY, n int); CREATE TABLE credit (id int PRIMARY KEY, n int);";
    let rows = "BEGIN; INSERT INTO debit SELECT i, 100 FROM generate_series(1, 50) AS i;
                INSERT INTO credit SELECT i, 0 FROM generate_series(1, 50) AS i; COMMIT";
    let project = holding(tables, &["debit", "credit"], rows);
    let (done, written) = (AtomicBool::new(false), std::sync::atomic::AtomicU32::new(0));
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (done, written) = (&done, &written);
            let url = project.database.url().to_owned();
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                        .await
                        .unwrap();
                    tokio::spawn(connection);
                    let mut id = writer;
                    while !done.load(Ordering::Relaxed) {
                        id = id % 50 + 1;
                        let transfer = format!(
                            "BEGIN; UPDATE debit SET n = n - 1 WHERE id = {id};
                             UPDATE credit SET n = n + 1 WHERE id = {id}; COMMIT"
                        );
                        client.batch_execute(&transfer).await.unwrap();
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                });
            });
        }
        // Also where an assertion fails, or the writers would write for ever.
        let stop = Raised(&done);
        let mut last = 0;
        for _ in 0..6 {
            let before = written.load(Ordering::Relaxed);
            project.run(&["publish", "--quiet"]).succeeded();
            let sum = |table| -> i64 {
                let rows = project.published(table);
                rows.as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["n"].as_i64().unwrap())
                    .sum()
            };
            let (debit, credit) = (sum("debit"), sum("credit"));
            assert_eq!(debit + credit, 5000);
            // Each transfer is a transaction, and has a number.
            assert_eq!(i64::try_from(sequence(&project)).unwrap(), credit + 1);
            let tables = &project.manifest()["tables"];
            assert_eq!(
                tables["debit"]["versionSeq"],
                tables["credit"]["versionSeq"]
            );
            assert!(sequence(&project) >= last);
            last = sequence(&project);
            while written.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
        }
        drop(stop);
        assert!(last > 1, "somebody wrote in between");
    });
    judged_by("check_snapshot.py", &["snapshots"], &project);
}

/// A flag that is raised when this goes.
struct Raised<'f>(&'f AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
