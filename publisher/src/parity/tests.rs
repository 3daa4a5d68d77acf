//! The contract, clause by clause; [`spellings`]: that no spelling of the same data ever fails.

mod spellings;

use std::collections::BTreeMap;
use std::io::Write;

use indicatif::ProgressBar;
use snapshot_audit::parity::normalize::Contract;
use snapshot_audit::parity::report::{PairReport, Side, TableReport};
use snapshot_audit::parity::text::{notes, sentence};
use snapshot_audit::parity::{Gathering, TablePair, TableSide, compare, snapshot};
use snapshot_audit::published::{Rows, RowsError};
use snapshot_format::{ColumnType, TableKey};

use super::sides::source;
use super::{Catalog, Inputs, TableSides, contract};
use crate::config::{Config, ConfigFile};
use crate::schema::{Column, Fills, Schema, Table};
use crate::source::SourceFile;

// One table, as each side has it; what is not said is empty.
#[derive(Default)]
struct Story {
    columns: Vec<Column>,
    settings: &'static str,
    fills: Fills,
    source: String,
    database: Vec<String>,
    snapshot: Vec<String>,
    without_catalog: bool,
}

// `id text`, which is the primary key, and others: `price numeric(10,2)?`,
// `level integer = 5`.
fn columns(all: &str) -> Vec<Column> {
    let column = |text: &str| {
        let (text, default) = match text.split_once(" = ") {
            Some((text, default)) => (text, Some(default.to_owned())),
            None => (text, None),
        };
        let (name, sql_type) = text.trim().split_once(' ').expect("a name and a type");
        let (sql_type, nullable) = match sql_type.strip_suffix('?') {
            Some(sql_type) => (sql_type, true),
            None => (sql_type, false),
        };
        Column {
            name: name.to_owned(),
            sql_type: sql_type.to_owned(),
            kind: ColumnType::parse(sql_type),
            nullable,
            default,
            generated: false,
            is_fixed: false,
            as_text: false,
        }
    };
    let mut columns: Vec<Column> = all.split("; ").map(column).collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    columns
}

fn config(settings: &str) -> Config {
    let file: ConfigFile = toml::from_str(settings).expect("settings");
    file.settle()
}

impl Story {
    fn of(all: &str) -> Self {
        Self {
            columns: columns(all),
            ..Self::default()
        }
    }

    fn source(mut self, rows: &str) -> Self {
        self.source = rows.to_owned();
        self
    }

    fn database(mut self, rows: &[&str]) -> Self {
        self.database = rows.iter().map(|row| (*row).to_owned()).collect();
        self
    }

    fn snapshot(mut self, rows: &[&str]) -> Self {
        self.snapshot = rows.iter().map(|row| (*row).to_owned()).collect();
        self
    }

    fn settings(mut self, settings: &'static str) -> Self {
        self.settings = settings;
        self
    }

    fn contract(&self) -> Contract {
        let config = config(self.settings);
        let key: TableKey = "grips".parse().expect("a key");
        let mut columns = self.columns.clone();
        for column in &mut columns {
            column.as_text = config
                .tables
                .get("grips")
                .is_some_and(|t| t.as_text.contains(&column.name));
        }
        let id = columns
            .iter()
            .position(|column| column.name == "id")
            .expect("an id");
        let table = Table {
            key,
            name: "grips".to_owned(),
            namespace: "public".to_owned(),
            columns,
            primary_key: vec![id],
            foreign_keys: Vec::new(),
            missing_triggers: Vec::new(),
            has_parts: false,
            untracked_parts: Vec::new(),
        };
        if self.without_catalog {
            let key = ["id".to_owned()];
            contract::of_published("grips", &table.published_types(), &key, &config)
        } else {
            contract::of_table(&table, &config, &self.fills)
        }
    }

    fn side(&self, contract: &Contract, side: Side) -> TableSide {
        match side {
            Source => {
                let mut file = tempfile::NamedTempFile::new().expect("a file");
                file.write_all(self.source.as_bytes()).expect("a file");
                let file = SourceFile {
                    name: "grips.json".to_owned(),
                    path: file.path().to_owned(),
                };
                let bar = ProgressBar::hidden();
                source::gather("grips", contract, &file, 20, &bar).expect("a side")
            }
            Database => database_rows(contract, &self.database),
            Snapshot => published_rows(contract, &self.snapshot),
        }
    }

    fn report(&self, expected: Side, actual: Side) -> TableReport {
        let contract = self.contract();
        let (from, to) = (self.side(&contract, expected), self.side(&contract, actual));
        let database = self.side(&contract, Database);
        let pair = TablePair {
            table: "grips",
            contract: &contract,
            knows_defaults: !self.without_catalog,
            expected: (expected, &from),
            actual: (actual, &to),
            admins: Some(&database.rows),
            limit: 20,
        };
        compare(&pair).expect("a report")
    }

    // The differences without the table's name, then the notes.
    #[track_caller]
    fn check(&self, expected: Side, actual: Side, lines: &[&str]) {
        let report = self.report(expected, actual);
        let pair = PairReport::of(expected, actual, Vec::new());
        let differences = report.differences.iter().map(|d| sentence(&pair, d));
        let differences = differences.map(|line| line.replacen("grips / ", "", 1));
        let found: Vec<String> = differences.chain(notes(&report)).collect();
        pretty_assertions::assert_eq!(found, lines);
        assert_eq!(report.passed, report.difference_count == 0);
    }
}

fn database_rows(contract: &Contract, rows: &[String]) -> TableSide {
    let mut gathering = Gathering::new(Database, "grips", contract, 20);
    for row in rows {
        gathering
            .row(None, row, |offset| format!("byte {offset}"))
            .expect("a temporary file");
    }
    gathering.finish().expect("a temporary file")
}

fn published_rows(contract: &Contract, rows: &[String]) -> TableSide {
    let columns = contract.columns.iter();
    let types = columns.map(|column| (column.name.clone(), column.sql_type.clone()));
    let key = contract.primary_key.iter();
    let key: Vec<String> = key
        .map(|index| contract.columns[*index].name.clone())
        .collect();
    let mut rows = Given(rows.iter());
    let side = snapshot::gather_rows("grips", contract, &types.collect(), &key, &mut rows, 20);
    side.expect("a side")
}

struct Given<'r>(std::slice::Iter<'r, String>);

impl Rows for Given<'_> {
    fn next_row(&mut self) -> Result<Option<&[u8]>, RowsError> {
        Ok(self.0.next().map(String::as_bytes))
    }
}

use Side::{Database, Snapshot, Source};

// Values of one column in the source and in the database: the same, or a difference.
#[track_caller]
fn values(sql_type: &str, source: &str, database: &str, same: bool) {
    let story = Story::of(&format!("id text; v {sql_type}?"))
        .source(&format!(r#"[{{"id":"A","v":{source}}}]"#))
        .database(&[&format!(r#"{{"id":"A","v":{database}}}"#)]);
    let report = story.report(Source, Database);
    assert_eq!(
        report.passed, same,
        "{sql_type}: {source} {database} {:?}",
        report.differences
    );
    assert_eq!(report.difference_count, u64::from(!same));
}

#[test]
fn n1_rows_are_matched_by_their_primary_key() {
    Story::of("id integer")
        .source(r#"[{"id":10},{"id":9.0},{"id":1e0}]"#)
        .database(&[r#"{"id":1}"#, r#"{"id":10}"#, r#"{"id":9}"#])
        .check(Source, Database, &[]);
    Story::of("id text")
        .source(r#"[{"id":"a"}]"#)
        .database(&[r#"{"id":"A"}"#])
        .check(
            Source,
            Database,
            &[
                r#""A": the row is not in the source; found {"id":"A"}"#,
                r#""a": the row is missing in the database; expected {"id":"a"}"#,
            ],
        );
}

#[test]
fn n2_published_rows_stand_in_their_declared_order() {
    let story = Story::of("id text; sort_order integer");
    let (a, b, c) = (
        r#"{"id":"A","sort_order":2}"#,
        r#"{"id":"B","sort_order":2}"#,
        r#"{"id":"C","sort_order":1}"#,
    );
    let story = story.database(&[a, b, c]);
    let story = story.snapshot(&[c, a, b]);
    story.check(Database, Snapshot, &[]);
    let story = story.snapshot(&[c, b, a]);
    story.check(
        Database,
        Snapshot,
        &[r#""A": stands behind a row that it should precede"#],
    );
    let story = story.snapshot(&[b, a, c]);
    let line = r#""A": stands behind a row that it should precede, and 1 more rows do so"#;
    story.check(Database, Snapshot, &[line]);
}

#[test]
fn n3_a_key_is_there_once_on_each_side() {
    Story::of("id text; v text")
        .source(r#"[{"id":"A","v":"1"},{"id":"B","v":"1"},{"id":"A","v":"2"}]"#)
        .database(&[r#"{"id":"A","v":"1"}"#, r#"{"id":"B","v":"1"}"#])
        .check(
            Source,
            Database,
            &[r#""A": the source has another row under this key"#],
        );
}

#[test]
fn n4_strings_are_what_they_are() {
    values("text", r#""\u00e9\/\n""#, "\"é/\\n\"", true);
    for (a, b) in [
        ("a", "A"),
        ("a", "a "),
        ("a b", "a  b"),
        ("é", "e\u{301}"),
        ("a", "\u{430}"),
        (" ", "\u{a0}"),
    ] {
        values("text", &format!("{a:?}"), &format!("\"{b}\""), false);
    }
}

#[test]
fn n5_strings_are_trimmed_where_the_settings_say_so() {
    let story = Story::of("id text; v text; w text")
        .source("[{\"id\":\"A\",\"v\":\" x\u{a0}\",\"w\":\"x \"}]")
        .database(&[r#"{"id":"A","v":"x","w":"x"}"#])
        .settings("[tables.grips.parity]\nv = { trim = true }");
    story.check(
        Source,
        Database,
        &[
            r#""A" / w: expected "x ", found "x" (character 2: expected U+0020, found the end)"#,
            "trimmed (N5): v of the source: 1 value",
        ],
    );
}

#[test]
fn n6_the_spaces_that_fill_up_a_char_say_nothing() {
    values("character(4)", r#""ab""#, r#""ab  ""#, true);
    values("character(4)", r#"" ab""#, r#""ab""#, false);
    values("text", r#""ab""#, r#""ab  ""#, false);
}

#[test]
fn n7_a_missing_column_is_null() {
    let story = Story::of("id text; v text?").source(r#"[{"id":"A"}]"#);
    let story = story.database(&[r#"{"id":"A","v":null}"#]);
    story.check(Source, Database, &[]);
    let story = story.database(&[r#"{"id":"A","v":"x"}"#]);
    story.check(Source, Database, &[r#""A" / v: expected null, found "x""#]);
}

#[test]
fn n8_unless_the_database_has_a_default_for_it() {
    let mut story = Story::of("id text; v integer = 5; w text = gen()")
        .source(r#"[{"id":"A"},{"id":"B","v":1,"w":"x"},{"id":"C"}]"#)
        .database(&[
            r#"{"id":"A","v":5,"w":"y"}"#,
            r#"{"id":"B","v":1,"w":"x"}"#,
            r#"{"id":"C","v":6,"w":"z"}"#,
        ]);
    story.fills.defaults = BTreeMap::from([("v".to_owned(), "5.0".to_owned())]);
    story.check(
        Source,
        Database,
        &[
            r#""C" / v: expected 5, found 6"#,
            "not judged (N8): w in 2 rows: takes another value each time from the database",
        ],
    );
    story.without_catalog = true;
    story.check(
        Source,
        Database,
        &[
            "not judged (N8): v in 2 rows: only the database's catalog tells what it has where a file is silent",
            "not judged (N8): w in 2 rows: only the database's catalog tells what it has where a file is silent",
        ],
    );
}

#[test]
fn n8_a_row_that_does_not_say_whether_it_is_active_is() {
    let story = Story::of("id text; is_active boolean").source(r#"[{"id":"A"}]"#);
    let story = story.database(&[r#"{"id":"A","is_active":true}"#]);
    story.check(Source, Database, &[]);
    let story = story.database(&[r#"{"id":"A","is_active":false}"#]);
    story.check(
        Source,
        Database,
        &[r#""A" / is_active: expected true, found false"#],
    );
}

#[test]
fn n9_the_empty_string_is_not_null() {
    values("text", r#""""#, "null", false);
    Story::of("id text; v text?")
        .source(r#"[{"id":"A","v":""},{"id":"B","v":null}]"#)
        .database(&[r#"{"id":"A","v":null}"#, r#"{"id":"B","v":""}"#])
        .settings("[tables.grips.parity]\nv = { empty_is_null = true }")
        .check(
            Source,
            Database,
            &[
                "empty, taken for null (N9): v of the source: 1 value",
                "empty, taken for null (N9): v of the database: 1 value",
            ],
        );
}

#[test]
fn n10_words_that_stand_for_null_are_those_of_files() {
    let story = Story::of("id text; v text?")
        .source(r#"[{"id":"A","v":"none"},{"id":"B","v":"none"}]"#)
        .database(&[r#"{"id":"A","v":null}"#, r#"{"id":"B","v":"none"}"#])
        .settings("[tables.grips]\nnull_values = { v = [\"none\"] }");
    story.check(
        Source,
        Database,
        &[
            r#""B" / v: expected null, found "none""#,
            "a word that stands for null (N10): v of the source: 2 values",
        ],
    );
}

#[test]
fn n11_booleans_are_neither_numbers_nor_strings() {
    values("boolean", "true", "true", true);
    for other in ["1", "\"true\"", "\"t\"", "null", "false"] {
        values("boolean", "true", other, false);
    }
    values("jsonb", "{\"a\":0}", "{\"a\":false}", false);
}

#[test]
fn n12_numbers_are_equal_by_value_exactly() {
    for (a, b) in [
        ("1.0", "1"),
        ("1e2", "100"),
        ("-0", "0"),
        ("0.10", "1e-1"),
        ("12E+1", "120.00"),
    ] {
        values("numeric", a, b, true);
        values("jsonb", &format!("[{a}]"), &format!("[{b}]"), true);
    }
    for (a, b) in [
        ("1", "\"1\""),
        ("0.1", "0.10000000000000001"),
        ("0.30000000000000004", "0.3"),
        ("12345678901234567", "12345678901234568"),
        ("9007199254740993", "9007199254740992"),
        ("1", "-1"),
    ] {
        for sql_type in ["numeric", "double precision", "bigint", "jsonb"] {
            values(sql_type, a, b, false);
        }
    }
}

#[test]
fn n13_a_real_has_two_spellings() {
    values("real", "84154740", "8.415474e+07", true);
    values("real", "84154736", "8.415474e+07", true);
    values("real", "84154737", "8.415474e+07", false);
    values("real", "0.1", "0.1", true);
    values("real", "0.100000001", "0.1", false);
    values("real", "\"NaN\"", "\"NaN\"", true);
}

#[test]
fn n14_moments_uuids_and_bytes_are_equal_by_value() {
    let zoned = "timestamp with time zone";
    values(
        zoned,
        r#""2026-02-24T14:12:04.5+01:00""#,
        r#""2026-02-24T13:12:04.5+00:00""#,
        true,
    );
    values(
        zoned,
        r#""2026-02-24 13:12:04Z""#,
        r#""2026-02-24T13:12:04.000000Z""#,
        true,
    );
    values(
        zoned,
        r#""2026-02-24T13:12:04Z""#,
        r#""2026-02-24T13:12:04.000001Z""#,
        false,
    );
    values(
        zoned,
        r#""2026-02-24T23:59:60Z""#,
        r#""2026-02-24T23:59:59Z""#,
        false,
    );
    values(
        zoned,
        r#""2026-02-24T13:12:04""#,
        r#""2026-02-24T13:12:04Z""#,
        false,
    );
    let plain = "timestamp without time zone";
    values(
        plain,
        r#""2026-02-24T13:12:04Z""#,
        r#""2026-02-24T13:12:04""#,
        true,
    );
    values(
        plain,
        r#""2026-02-24T13:12:04+01:00""#,
        r#""2026-02-24T13:12:04""#,
        false,
    );
    values("date", r#""2026-02-24""#, r#""2026-02-24""#, true);
    values("date", r#""2026-02-24""#, r#""2026-02-25""#, false);
    values("date", r#""20260224""#, r#""2026-02-24""#, false);
    let time = "time without time zone";
    values(time, r#""13:12:04.500""#, r#""13:12:04.5""#, true);
    values(time, r#""24:00:00""#, r#""24:00:00""#, true);
    values(time, r#""24:00:00""#, r#""00:00:00""#, false);
    let uuid = "0190163d-8694-739b-aea5-966c26f8ad91";
    values(
        "uuid",
        &format!("{:?}", uuid.to_uppercase()),
        &format!("{uuid:?}"),
        true,
    );
    values(
        "uuid",
        &format!("{uuid:?}"),
        &format!("{:?}", uuid.replace("91", "92")),
        false,
    );
    values(
        "text",
        &format!("{:?}", uuid.to_uppercase()),
        &format!("{uuid:?}"),
        false,
    );
    values("bytea", r#""AAE=""#, r#""\\x0001""#, true);
    values("bytea", r#""AAE=""#, r#""\\x0002""#, false);
    values("bytea", r#""AAE""#, r#""\\x0001""#, false);
}

#[test]
fn n15_arrays_keep_their_order() {
    values("text[]", r#"["a", null]"#, r#"["a",null]"#, true);
    values("integer[]", "[[1,2.0],[3,4]]", "[[1,2],[3,4]]", true);
    values("integer[]", "[1,2]", "[2,1]", false);
    values("integer[]", "[1,2]", "[1,2,2]", false);
    values("jsonb", r#"[{"a":[1]},2]"#, r#"[2,{"a":[1]}]"#, false);
    values(
        "uuid[]",
        r#"["A0000000-0000-0000-0000-000000000000"]"#,
        r#"["a0000000-0000-0000-0000-000000000000"]"#,
        true,
    );
}

#[test]
fn n16_unless_the_settings_say_that_it_is_a_set() {
    let story = Story::of("id text; v jsonb; w jsonb")
        .settings("[tables.grips.parity]\nv = { set = true }")
        .source(r#"[{"id":"A","v":["b","a"],"w":["b","a"]}]"#);
    let story = story.database(&[r#"{"id":"A","v":["a","b"],"w":["b","a"]}"#]);
    story.check(
        Source,
        Database,
        &["a set in another order (N16): v of the source: 1 value"],
    );
    let story = story.database(&[r#"{"id":"A","v":["a","b","b"],"w":["a","b"]}"#]);
    story.check(
        Source,
        Database,
        &[
            r#""A" / v: expected ["a","b"], found more or fewer elements: ["a","b","b"]"#,
            r#""A" / w: expected ["b","a"], found the elements in another order: ["a","b"]"#,
            "a set in another order (N16): v of the source: 1 value",
        ],
    );
}

#[test]
fn n17_objects_are_compared_by_key() {
    values(
        "jsonb",
        r#"{"b": 1, "a": {"d": [], "c": null}}"#,
        r#"{"a":{"c":null,"d":[]},"b":1}"#,
        true,
    );
    values("jsonb", r#"{"a":null}"#, "{}", false);
    values(
        "jsonb",
        r#"{"a":{"b":{"c":1}}}"#,
        r#"{"a":{"b":{"d":1}}}"#,
        false,
    );
    // The keys of a row, too.
    Story::of("id text; label text")
        .source(r#"[{"id":"A","labell":"x"},{"id":"B","label":"y"}]"#)
        .database(&[r#"{"id":"A","label":"x"}"#, r#"{"id":"B","label":"y"}"#])
        .check(
            Source,
            Database,
            &[r#""A" / label: expected the keys {"labell":"x"}, found {"label":"x"}"#],
        );
}

#[test]
fn n18_what_is_published_as_text_is_read_back() {
    let story = Story::of("id text; big bigint; flag boolean; j jsonb; list integer[]; t text")
        .settings("[tables.grips]\nas_text = [\"big\", \"flag\", \"j\", \"list\", \"t\"]")
        .source(r#"[{"id":"A","big":"9007199254740993","flag":true,"j":{"b":1,"a":"x"},"list":[1],"t":"1"}]"#)
        .database(&[r#"{"id":"A","big":9007199254740993,"flag":true,"j":{"a":"x","b":1.0},"list":"{1}","t":"1"}"#]);
    let story = story.snapshot(&[
        r#"{"id":"A","big":"9007199254740993","flag":"true","j":"{\"a\": \"x\", \"b\": 1.0}","list":"{1}","t":"1"}"#,
    ]);
    let not_judged = "not judged (N8): list in 1 row: is published in PostgreSQL's own spelling";
    story.check(Source, Database, &[not_judged]);
    story.check(Source, Snapshot, &[not_judged]);
    story.check(Database, Snapshot, &[]);
    let story = story.snapshot(&[
        r#"{"id":"A","big":"9007199254740992","flag":"false","j":"{\"a\": \"y\", \"b\": 1.0}","list":"{2}","t":"2"}"#,
    ]);
    story.check(
        Database,
        Snapshot,
        &[
            r#""A" / big: expected 9007199254740993, found 9007199254740992"#,
            r#""A" / flag: expected true, found false"#,
            r#""A" / j /a: expected "x", found "y""#,
            r#""A" / list: expected "{1}", found "{2}""#,
            r#""A" / t: expected "1", found "2""#,
        ],
    );
}

#[test]
fn n14_intervals_and_addresses_are_equal_by_value() {
    for (sql_type, source, database, same) in [
        ("interval", "PT90M", "PT1H30M", true),
        ("interval", "P2W", "P14D", true),
        ("interval", "P0D", "PT0S", true),
        ("interval", "PT0.50S", "PT0.5S", true),
        // Equal to PostgreSQL, and printed otherwise.
        ("interval", "P30D", "P1M", false),
        ("interval", "PT24H", "P1D", false),
        ("interval", "PT1S", "PT-1S", false),
        ("inet", "10.0.0.1/32", "10.0.0.1", true),
        ("inet", "2001:DB8:0:0:0:0:0:1", "2001:db8::1", true),
        ("inet", "10.0.0.1/8", "10.0.0.1", false),
        ("cidr", "10.0.0.1", "10.0.0.1/32", true),
        ("cidr", "10.0.0.0/8", "10.0.0.0/9", false),
    ] {
        let quoted = |text: &str| format!("{text:?}");
        values(sql_type, &quoted(source), &quoted(database), same);
    }
    values(
        "interval[]",
        r#"["PT90M",null]"#,
        r#"["PT1H30M",null]"#,
        true,
    );
}

#[test]
fn n19_types_without_a_rule_are_compared_as_text() {
    let story = Story::of("id text; v macaddr").source(r#"[{"id":"A","v":"08-00-2b-01-02-03"}]"#);
    let story = story.database(&[r#"{"id":"A","v":"08:00:2b:01:02:03"}"#]);
    story.check(
        Source,
        Database,
        &[
            r#""A" / v: expected "08-00-2b-01-02-03", found "08:00:2b:01:02:03""#,
            "compared as text (N19): v",
        ],
    );
}

#[test]
fn n20_keys_that_are_no_data_are_listed() {
    Story::of("id text")
        .settings("[tables.grips]\nignore_columns = [\"old\"]")
        .source(r#"[{"id":"A","_note":"x","old":1},{"id":"B","_note":2,"typo":3}]"#)
        .database(&[r#"{"id":"A"}"#, r#"{"id":"B"}"#])
        .check(
            Source,
            Database,
            &[
                r#""B" / typo: expected 3, found no such key"#,
                "no data (N20): _note in 2 rows, old in 1 row",
            ],
        );
}

#[test]
fn n21_columns_of_the_database_alone_are_listed() {
    let mut story = Story::of("id text; made text; source_type text = 'seed'; v integer = 5")
        .source(r#"[{"id":"A"}]"#)
        .database(&[r#"{"id":"A","made":"x","source_type":"seed","v":7}"#])
        .snapshot(&[r#"{"id":"A","made":"y","v":8}"#]);
    story
        .columns
        .iter_mut()
        .find(|c| c.name == "made")
        .expect("made")
        .generated = true;
    let listed = "only in the database (N21): made, v";
    story.check(Source, Database, &[listed]);
    story.check(Source, Snapshot, &[listed]);
    story.check(
        Database,
        Snapshot,
        &[
            r#""A" / made: expected "x", found "y""#,
            r#""A" / v: expected 7, found 8"#,
        ],
    );
}

#[test]
fn n22_inactive_rows_are_not_published() {
    let story = Story::of("id text; is_active boolean")
        .source(r#"[{"id":"A"},{"id":"B","is_active":false}]"#)
        .database(&[
            r#"{"id":"A","is_active":true}"#,
            r#"{"id":"B","is_active":false}"#,
            r#"{"id":"GONE","is_active":false}"#,
        ]);
    let story = story.snapshot(&[r#"{"id":"A","is_active":true}"#]);
    story.check(Source, Database, &[]);
    assert_eq!(story.report(Source, Database).rows.retired, 1);
    story.check(Source, Snapshot, &[]);
    assert_eq!(story.report(Source, Snapshot).rows.unpublished, 1);
    story.check(Database, Snapshot, &[]);
    assert_eq!(story.report(Database, Snapshot).rows.unpublished, 2);
    let story = story.snapshot(&[
        r#"{"id":"A","is_active":true}"#,
        r#"{"id":"B","is_active":true}"#,
    ]);
    let line = r#""B" / is_active: is published, and should not be: it is inactive"#;
    story.check(Source, Snapshot, &[line]);
    story.check(Database, Snapshot, &[line]);
    let story = story.database(&[
        r#"{"id":"A","is_active":true}"#,
        r#"{"id":"B","is_active":false}"#,
        r#"{"id":"GONE","is_active":true}"#,
    ]);
    let line = r#""GONE": the row is not in the source; found {"id":"GONE","is_active":true}"#;
    story.check(Source, Database, &[line]);
}

#[test]
fn n23_rows_of_administrators_stand_apart() {
    let story = Story::of("id text; source_type text = 'seed'; v text")
        .source(r#"[{"id":"A","v":"x"},{"id":"BOTH","v":"theirs"}]"#)
        .database(&[
            r#"{"id":"A","source_type":"seed","v":"x"}"#,
            r#"{"id":"BOTH","source_type":"admin","v":"mine"}"#,
            r#"{"id":"OWN","source_type":"admin","v":"y"}"#,
        ])
        .snapshot(&[
            r#"{"id":"A","v":"x"}"#,
            r#"{"id":"BOTH","v":"mine"}"#,
            r#"{"id":"OWN","v":"z"}"#,
        ]);
    let apart =
        "owned by administrators (N23): 2 rows: \"BOTH\", \"OWN\"; 1 of them in the source too";
    story.check(Source, Database, &[apart]);
    story.check(Source, Snapshot, &[apart]);
    story.check(
        Database,
        Snapshot,
        &[r#""OWN" / v: expected "y", found "z""#],
    );
}

#[test]
fn n24_a_maps_entries_are_rows() {
    Story::of("id integer; other text; value text?")
        .settings("[tables.grips]\nmap_key = [\"id\", \"other\"]")
        .source(r#"{"7":"x","_note":"n","8":{"value":"y"},"9":null,"10":{"id":11}}"#)
        .database(&[
            r#"{"id":7,"other":"7","value":"x"}"#,
            r#"{"id":8,"other":"8","value":"y"}"#,
            r#"{"id":9,"other":"9","value":null}"#,
        ])
        .check(
            Source,
            Database,
            &[
                r#"11: grips.json:1:54: "id" is not what the entry's key says"#,
                r#"11: the row is missing in the database; expected {"id":11,"other":"10"}"#,
                "no data (N20): _note in 1 row",
            ],
        );
}

#[test]
fn n25_a_table_is_there_on_both_sides() {
    let story = Story::of("id text; v text?").source(r#"[{"id":"A","v":"x"}]"#);
    let story = story
        .database(&[r#"{"id":"A","v":"x"}"#])
        .snapshot(&[r#"{"id":"A","w":"x"}"#]);
    let contract = story.contract();
    let inputs = |without_file: &[&str]| Inputs {
        contracts: BTreeMap::from([("grips".to_owned(), story.contract())]),
        schema: Schema::default(),
        catalog: Catalog::Database,
        without_file: without_file.iter().map(|key| (*key).to_owned()).collect(),
        source: None,
        snapshot: None,
        limit: 20,
        bar: ProgressBar::hidden(),
    };
    let mut sides = TableSides {
        source: Some(story.side(&contract, Source)),
        ..TableSides::default()
    };
    let outcome = |sides: &TableSides, without_file: &[&str], pair| {
        let report = sides
            .compare(&inputs(without_file), "grips", pair)
            .expect("a report");
        report.map(
            |report| match (report.skipped, report.differences.first()) {
                (Some(why), _) => why.to_owned(),
                (None, Some(difference)) => {
                    assert_eq!(report.difference_count, 1);
                    sentence(&PairReport::of(pair.0, pair.1, Vec::new()), difference)
                }
                (None, None) => "the same".to_owned(),
            },
        )
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(outcome(&sides, &[], (Database, Snapshot)), None);
    assert_eq!(
        outcome(&sides, &[], (Source, Database)),
        text("grips: the table is missing in the database")
    );
    assert_eq!(
        outcome(&sides, &["grips"], (Source, Database)),
        text("its rows live in the database alone (from_file)")
    );
    sides.database = Some(story.side(&contract, Database));
    assert_eq!(outcome(&sides, &[], (Source, Database)), text("the same"));
    sides.source = None;
    assert_eq!(
        outcome(&sides, &[], (Source, Database)),
        text("grips: the table is not in the source")
    );
    // A column that the snapshot lacks, and one that it should not have.
    let mut snapshot = story.side(&contract, Snapshot);
    snapshot.types = Some(BTreeMap::from([
        ("id".to_owned(), "character varying(9)".to_owned()),
        ("w".to_owned(), "text?".to_owned()),
    ]));
    sides.snapshot = Some(snapshot);
    let report = sides
        .compare(&inputs(&[]), "grips", (Database, Snapshot))
        .expect("a report")
        .expect("one");
    let pair = PairReport::of(Database, Snapshot, Vec::new());
    let lines: Vec<String> = report
        .differences
        .iter()
        .map(|d| sentence(&pair, d))
        .collect();
    assert_eq!(
        lines,
        [
            r#"grips / id: expected a column of type "text", found "character varying(9)""#,
            r#"grips / v: expected a column of type "text?", found nothing"#,
            r#"grips / w: expected a column of type nothing, found "text?""#,
        ]
    );
}

#[test]
fn what_is_no_row_is_a_difference_and_hides_no_other() {
    Story::of("id text; v jsonb?")
        .source("[{\"id\":\"A\"}, 7, {\"v\":1}, {\"id\":\"B\",\"v\":{\"x\":1,\"x\":2}}, {\"id\":\"C\",]")
        .database(&[r#"{"id":"A","v":null}"#, r#"{"id":"B","v":{"x":2}}"#])
        .check(
            Source,
            Database,
            &[
                "grips: grips.json:1:14: expected an object with columns, found a number",
                "grips: grips.json:1:17: has no value for the primary key",
                r#""B": grips.json:1:26: duplicate key "x" in one object"#,
                "grips: grips.json:1:66: expected a key in double quotes, found ']'",
                "grips: grips.json:1:67: the file ends before the closing `]`; it may be cut off",
            ],
        );
}

#[test]
fn each_clause_of_the_document_stands_in_the_module_and_has_a_test() {
    let document = include_str!("../../../docs/normalization.md");
    let module = include_str!("../../../snapshot-audit/src/parity/normalize/mod.rs");
    let tests = include_str!("tests.rs");
    let clauses: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("### N")?.split(' ').next())
        .collect();
    let expected: Vec<String> = (1..=clauses.len())
        .map(|number| number.to_string())
        .collect();
    assert_eq!(clauses, expected);
    for clause in &clauses {
        assert!(
            module.contains(&format!("//! | N{clause} ")),
            "N{clause} is not in the module"
        );
        assert!(
            tests.contains(&format!("fn n{clause}_")),
            "N{clause} has no test"
        );
    }
    let cited = module
        .lines()
        .filter(|line| line.starts_with("//! | N"))
        .count();
    assert_eq!(
        cited,
        clauses.len(),
        "the module names clauses that the document has not"
    );
}
