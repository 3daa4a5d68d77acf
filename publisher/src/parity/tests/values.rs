//! N14 to N17: values that are written in several ways.

use super::*;

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
    let scenario = Scenario::of("id text; v jsonb; w jsonb")
        .settings("[tables.grips.parity]\nv = { set = true }")
        .source(r#"[{"id":"A","v":["b","a"],"w":["b","a"]}]"#);
    let scenario = scenario.database(&[r#"{"id":"A","v":["a","b"],"w":["b","a"]}"#]);
    scenario.check(
        Source,
        Database,
        &["a set in another order (N16): v of the source: 1 value"],
    );
    let scenario = scenario.database(&[r#"{"id":"A","v":["a","b","b"],"w":["a","b"]}"#]);
    scenario.check(
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
    Scenario::of("id text; label text")
        .source(r#"[{"id":"A","labell":"x"},{"id":"B","label":"y"}]"#)
        .database(&[r#"{"id":"A","label":"x"}"#, r#"{"id":"B","label":"y"}"#])
        .check(
            Source,
            Database,
            &[r#""A" / label: expected the keys {"labell":"x"}, found {"label":"x"}"#],
        );
}
