//! N1 to N13: which rows belong together, and strings, defaults and numbers.

use super::*;

#[test]
fn n1_rows_are_matched_by_their_primary_key() {
    Scenario::of("id integer")
        .source(r#"[{"id":10},{"id":9.0},{"id":1e0}]"#)
        .database(&[r#"{"id":1}"#, r#"{"id":10}"#, r#"{"id":9}"#])
        .check(Source, Database, &[]);
    Scenario::of("id text")
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
    let scenario = Scenario::of("id text; sort_order integer");
    let (a, b, c) = (
        r#"{"id":"A","sort_order":2}"#,
        r#"{"id":"B","sort_order":2}"#,
        r#"{"id":"C","sort_order":1}"#,
    );
    let scenario = scenario.database(&[a, b, c]);
    let scenario = scenario.snapshot(&[c, a, b]);
    scenario.check(Database, Snapshot, &[]);
    let scenario = scenario.snapshot(&[c, b, a]);
    scenario.check(
        Database,
        Snapshot,
        &[r#""A": stands behind a row that it should precede"#],
    );
    let scenario = scenario.snapshot(&[b, a, c]);
    let line = r#""A": stands behind a row that it should precede, and 1 more rows do so"#;
    scenario.check(Database, Snapshot, &[line]);
}

#[test]
fn n3_a_key_is_there_once_on_each_side() {
    Scenario::of("id text; v text")
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
    let scenario = Scenario::of("id text; v text; w text")
        .source("[{\"id\":\"A\",\"v\":\" x\u{a0}\",\"w\":\"x \"}]")
        .database(&[r#"{"id":"A","v":"x","w":"x"}"#])
        .settings("[tables.grips.parity]\nv = { trim = true }");
    scenario.check(
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
    let scenario = Scenario::of("id text; v text?").source(r#"[{"id":"A"}]"#);
    let scenario = scenario.database(&[r#"{"id":"A","v":null}"#]);
    scenario.check(Source, Database, &[]);
    let scenario = scenario.database(&[r#"{"id":"A","v":"x"}"#]);
    scenario.check(Source, Database, &[r#""A" / v: expected null, found "x""#]);
}

#[test]
fn n8_unless_the_database_has_a_default_for_it() {
    let mut scenario = Scenario::of("id text; v integer = 5; w text = gen()")
        .source(r#"[{"id":"A"},{"id":"B","v":1,"w":"x"},{"id":"C"}]"#)
        .database(&[
            r#"{"id":"A","v":5,"w":"y"}"#,
            r#"{"id":"B","v":1,"w":"x"}"#,
            r#"{"id":"C","v":6,"w":"z"}"#,
        ]);
    scenario.fills.defaults = BTreeMap::from([("v".to_owned(), "5.0".to_owned())]);
    scenario.check(
        Source,
        Database,
        &[
            r#""C" / v: expected 5, found 6"#,
            "not judged (N8): w in 2 rows: takes another value each time from the database",
        ],
    );
    scenario.without_catalog = true;
    scenario.check(
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
    let scenario = Scenario::of("id text; is_active boolean").source(r#"[{"id":"A"}]"#);
    let scenario = scenario.database(&[r#"{"id":"A","is_active":true}"#]);
    scenario.check(Source, Database, &[]);
    let scenario = scenario.database(&[r#"{"id":"A","is_active":false}"#]);
    scenario.check(
        Source,
        Database,
        &[r#""A" / is_active: expected true, found false"#],
    );
}

#[test]
fn n9_the_empty_string_is_not_null() {
    values("text", r#""""#, "null", false);
    Scenario::of("id text; v text?")
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
    let scenario = Scenario::of("id text; v text?")
        .source(r#"[{"id":"A","v":"none"},{"id":"B","v":"none"}]"#)
        .database(&[r#"{"id":"A","v":null}"#, r#"{"id":"B","v":"none"}"#])
        .settings("[tables.grips]\nnull_values = { v = [\"none\"] }");
    scenario.check(
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
