//! The order of published rows (`docs/snapshot-format.md`, section 4).

use std::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use snapshot_format::ColumnType;
use snapshot_format::json::{Parser, Value};

/// Where a value stands among others of its column.
#[derive(Debug, Clone, PartialEq)]
pub enum SortKey {
    /// `null`, which comes last.
    Null,
    /// A boolean: false stands before true.
    Bool(bool),
    /// A number, ordered by its value.
    Number(f64),
    /// A text or anything else, ordered by its bytes.
    Bytes(Vec<u8>),
    /// Element by element, then the shorter one first.
    List(Vec<Self>),
    /// A string of a type that somebody made: an enumeration's, whose order is that of
    /// its bytes, or a domain's over moments, among which `…:04Z` comes before `…:04.5Z`.
    Named(String),
    /// A value whose order only PostgreSQL knows.
    Unknown,
}

impl SortKey {
    /// The place of a value of this type.
    pub fn of(column: &ColumnType, value: &Value<'_>) -> Self {
        match (column, value) {
            (_, Value::Null) => Self::Null,
            (ColumnType::Json | ColumnType::Jsonb, _) => Self::Unknown,
            (_, Value::Bool(value)) => Self::Bool(*value),
            (_, Value::Number(text)) => text.parse().map_or(Self::Unknown, Self::Number),
            // PostgreSQL orders these by value, where they are elements.
            (ColumnType::Array(element), _) if element.is_ordered_by_string() => Self::Unknown,
            (ColumnType::Array(element), Value::Array(text)) => Self::of_array(element, text),
            (_, Value::String(text)) => Self::of_text(column, text),
            _ => Self::Unknown,
        }
    }

    fn of_text(column: &ColumnType, text: &str) -> Self {
        match column {
            ColumnType::Timestamp | ColumnType::TimestampTz => {
                Self::bytes(text.strip_suffix('Z').unwrap_or(text))
            }
            // The spaces that fill it up do not count.
            ColumnType::Character(_) => Self::bytes(text.trim_end_matches(' ')),
            ColumnType::Bytea => BASE64.decode(text).map_or(Self::Unknown, Self::Bytes),
            ColumnType::Named(_) => Self::Named(text.to_owned()),
            _ => Self::bytes(text),
        }
    }

    fn bytes(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_owned())
    }

    // All elements in a row, whatever the dimensions; those count only among equals.
    fn of_array(element: &ColumnType, text: &str) -> Self {
        let mut list = Vec::new();
        let read = Parser::new(text).array(|_, value| match &value {
            Value::Array(inner) if !element.is_json() => match Self::of_array(element, inner) {
                Self::List(inner) => list.extend(inner),
                other => list.push(other),
            },
            value => list.push(Self::of(element, value)),
        });
        match read {
            Ok(()) => Self::List(list),
            Err(_) => Self::Unknown,
        }
    }
}

/// Compares two rows by their sort keys, column after column; `None` where only
/// PostgreSQL could tell.
pub fn compare(a: &[SortKey], b: &[SortKey]) -> Option<Ordering> {
    for (a, b) in a.iter().zip(b) {
        match compare_one(a, b)? {
            Ordering::Equal => {}
            decided => return Some(decided),
        }
    }
    Some(a.len().cmp(&b.len()))
}

fn compare_one(a: &SortKey, b: &SortKey) -> Option<Ordering> {
    use SortKey::{Bool, Bytes, List, Named, Null, Number};
    match (a, b) {
        (Null, Null) => Some(Ordering::Equal),
        (Null, _) => Some(Ordering::Greater),
        (_, Null) => Some(Ordering::Less),
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        (Number(a), Number(b)) => a.partial_cmp(b),
        (Bytes(a), Bytes(b)) => Some(a.cmp(b)),
        (List(a), List(b)) => compare(a, b),
        (Named(a), Named(b)) => {
            let as_moments = |text: &str| text.trim_end_matches('Z').to_owned();
            let (texts, moments) = (a.cmp(b), as_moments(a).cmp(&as_moments(b)));
            (texts == moments).then_some(texts)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The values in ascending order; `None` where none may be told from the next.
    #[track_caller]
    fn ascending(sql_type: &str, values: &[&str]) {
        let (column, _) = ColumnType::of(sql_type);
        let key = |json: &&str| {
            let value = Parser::new(json).value().expect("JSON");
            vec![SortKey::of(&column, &value)]
        };
        for pair in values.windows(2) {
            let (a, b) = (key(&pair[0]), key(&pair[1]));
            assert_eq!(compare(&a, &b), Some(Ordering::Less), "{pair:?}");
            assert_eq!(compare(&b, &a), Some(Ordering::Greater), "{pair:?}");
        }
    }

    #[test]
    fn values_are_ordered_as_the_format_says() {
        ascending("integer?", &["-2", "9", "10", "null"]);
        ascending(
            "text?",
            &["\"\"", "\"10\"", "\"9\"", "\"a\"", "\"ä\"", "null"],
        );
        ascending("boolean", &["false", "true"]);
        ascending("double precision", &["-1e+300", "0", "1e-7", "0.5"]);
        ascending(
            "timestamp with time zone",
            &[
                "\"2026-02-24T13:12:04Z\"",
                "\"2026-02-24T13:12:04.500000Z\"",
                "\"2026-02-24T13:12:05Z\"",
            ],
        );
        ascending("interval", &["\"P10D\"", "\"P1D\"", "\"PT36H\""]);
        ascending("inet", &["\"10.0.0.1\"", "\"9.0.0.1\"", "\"::1\""]);
        // 0x00 0xff, 0xfb: the digits would say the opposite.
        ascending("bytea", &["\"AP8=\"", "\"+w==\""]);
        ascending("character(3)", &["\"a  \"", "\"a\\t \""]);
        ascending(
            "integer[]",
            &["[]", "[1]", "[1,2]", "[1,null]", "[[2,3],[4,5]]"],
        );
        ascending("mood", &["\"fine\"", "\"sad\""]);
    }

    #[test]
    fn what_only_postgresql_orders_is_left_to_it() {
        let key = |sql_type: &str, json: &str| {
            let value = Parser::new(json).value().expect("JSON");
            [SortKey::of(&ColumnType::of(sql_type).0, &value)]
        };
        assert_eq!(compare(&key("jsonb", "1"), &key("jsonb", "2")), None);
        let (whole, half) = (
            "\"2026-02-24T13:12:04Z\"",
            "\"2026-02-24T13:12:04.500000Z\"",
        );
        assert_eq!(compare(&key("moment", whole), &key("moment", half)), None);
    }
}
