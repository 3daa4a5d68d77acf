//! What differs within two values in normal form, each thing once and at its place (N15, N17).

use std::collections::BTreeMap;

use snapshot_format::json::Parser;

use super::normalize::plain;
use super::report::Kind;

/// One difference within a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Within {
    /// The place, as a JSON pointer (RFC 6901); empty for the value itself.
    pub pointer: String,
    /// What kind of difference.
    pub kind: Kind,
    /// What was expected there, in normal form; `None` for nothing.
    pub expected: Option<String>,
    /// What is there.
    pub actual: Option<String>,
}

/// Every difference between two values in normal form.
pub(super) fn differences(expected: &str, actual: &str) -> Vec<Within> {
    let mut found = Vec::new();
    compare(expected, actual, "", &mut found);
    found
}

fn compare(expected: &str, actual: &str, pointer: &str, found: &mut Vec<Within>) {
    if expected == actual {
        return;
    }
    match (expected.as_bytes().first(), actual.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => compare_objects(expected, actual, pointer, found),
        (Some(b'['), Some(b'[')) => compare_arrays(expected, actual, pointer, found),
        _ => found.push(Within::whole(pointer, Kind::Value, expected, actual)),
    }
}

fn compare_objects(expected: &str, actual: &str, pointer: &str, found: &mut Vec<Within>) {
    let (mut expected, mut actual) = (members(expected), members(actual));
    let common: Vec<String> = expected
        .keys()
        .filter(|key| actual.contains_key(*key))
        .cloned()
        .collect();
    for key in common {
        if let (Some(expected), Some(actual)) = (expected.remove(&key), actual.remove(&key)) {
            compare(&expected, &actual, &below(pointer, &key), found);
        }
    }
    // Keys on either side alone are taken for one thing with other names: it is reported
    // once, at the object, with all of them.
    if !expected.is_empty() && !actual.is_empty() {
        let (expected, actual) = (object(&expected), object(&actual));
        return found.push(Within::whole(pointer, Kind::RenamedKey, &expected, &actual));
    }
    for (key, value) in expected {
        found.push(Within {
            pointer: below(pointer, &key),
            kind: Kind::MissingKey,
            expected: Some(value),
            actual: None,
        });
    }
    for (key, value) in actual {
        found.push(Within {
            pointer: below(pointer, &key),
            kind: Kind::ExtraKey,
            expected: None,
            actual: Some(value),
        });
    }
}

// Where an element came or went, the places behind it say little.
fn compare_arrays(expected: &str, actual: &str, pointer: &str, found: &mut Vec<Within>) {
    let (from, to) = (elements(expected), elements(actual));
    let kind = if from.len() != to.len() {
        Kind::ElementCount
    } else if sorted(&from) == sorted(&to) {
        Kind::ElementOrder
    } else {
        for (index, (expected, actual)) in from.iter().zip(&to).enumerate() {
            compare(expected, actual, &below(pointer, &index.to_string()), found);
        }
        return;
    };
    found.push(Within::whole(pointer, kind, expected, actual));
}

impl Within {
    fn whole(pointer: &str, kind: Kind, expected: &str, actual: &str) -> Self {
        Self {
            pointer: pointer.to_owned(),
            kind,
            expected: Some(expected.to_owned()),
            actual: Some(actual.to_owned()),
        }
    }
}

/// The members of an object in normal form.
pub(super) fn members(object: &str) -> BTreeMap<String, String> {
    let mut members = BTreeMap::new();
    // Normal form is JSON; whatever is not has no members.
    let _ = Parser::new(object).object(|member| {
        members.insert(member.key.into_owned(), member.raw.to_owned());
    });
    members
}

/// An object in normal form.
pub(super) fn object(members: &BTreeMap<String, String>) -> String {
    let key = |key: &str| plain(&snapshot_format::json::Value::String(key.into()));
    let members = members
        .iter()
        .map(|(name, value)| format!("{}:{value}", key(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn elements(array: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let _ = Parser::new(array).array(|_, value| elements.push(plain(&value)));
    elements
}

fn sorted(elements: &[String]) -> Vec<&String> {
    let mut sorted: Vec<&String> = elements.iter().collect();
    sorted.sort();
    sorted
}

// RFC 6901 §3
fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: &str, actual: &str, places: &[(&str, Kind)]) {
        let found = differences(expected, actual);
        let found: Vec<(&str, Kind)> = found
            .iter()
            .map(|within| (within.pointer.as_str(), within.kind))
            .collect();
        assert_eq!(found, places, "{expected} {actual}");
    }

    #[test]
    fn each_difference_is_reported_once_and_at_its_place() {
        check("1", "1", &[]);
        check("1", "true", &[("", Kind::Value)]);
        check("\"1\"", "1", &[("", Kind::Value)]);
        check("null", "\"\"", &[("", Kind::Value)]);
        check("[]", "{}", &[("", Kind::Value)]);
        check(
            r#"{"a/b":{"c~":1}}"#,
            r#"{"a/b":{"c~":2}}"#,
            &[("/a~1b/c~0", Kind::Value)],
        );
        check(
            r#"{"a":1,"b":2}"#,
            r#"{"a":1}"#,
            &[("/b", Kind::MissingKey)],
        );
        check(
            r#"{"a":1}"#,
            r#"{"a":1,"b":null}"#,
            &[("/b", Kind::ExtraKey)],
        );
        check(
            r#"{"a":{"b":{"c":1}}}"#,
            r#"{"a":{"b":{"d":1}}}"#,
            &[("/a/b", Kind::RenamedKey)],
        );
        check("[1,2,3]", "[1,4,3]", &[("/1", Kind::Value)]);
        check("[1,2,3]", "[2,1,3]", &[("", Kind::ElementOrder)]);
        check("[1,2,3]", "[2,3]", &[("", Kind::ElementCount)]);
        check(r#"[{"a":1}]"#, r#"[{"a":2}]"#, &[("/0/a", Kind::Value)]);
        check(
            r#"{"a":1,"b":[1,2]}"#,
            r#"{"a":2,"b":[2,1]}"#,
            &[("/a", Kind::Value), ("/b", Kind::ElementOrder)],
        );
    }
}
