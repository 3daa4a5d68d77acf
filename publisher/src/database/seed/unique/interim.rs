//! Values that rows have for a moment while they trade unique ones: values that no row
//! has or will have. Pure, but for what is handed in.

use std::collections::HashSet;
use std::net::Ipv6Addr;

use snapshot_format::{ColumnType, IS_ACTIVE, Network, SOURCE_TYPE};

use super::UniqueIndex;
use crate::schema::{Column, Table};

/// A way to step out of another row's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interim {
    /// The column that is changed for the moment.
    pub(super) column: usize,
    /// To what.
    pub(super) way: Way,
}

/// What a column holds for the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Null, which is equal to nothing.
    Null,
    /// One text in every row.
    Same(&'static str),
    /// What lies below everything in use.
    Below,
    /// What lies above it.
    Above,
    /// What lies within it and is not in use.
    Between,
    /// The numbers or days within it that nobody has.
    Gap,
    /// What the row may point at, and no row does.
    Referenced,
    /// A text that names us, and a number.
    Marked,
    /// A text of the same shape: `AAA` becomes `AAB`.
    Shaped,
    /// A random UUID.
    Random,
    /// A label that is not in use.
    Label,
    /// An array of one such element, at a place that no other array begins at.
    Array(&'static str),
    /// An address of a private network.
    Address,
    /// A hardware address that no maker gave.
    Hardware,
}

/// The ways for an index, the likeliest first.
///
/// `decided` are the columns that the file decides: the others are the same before and
/// after, and so are of no use.
pub(super) fn ways(table: &Table, index: &UniqueIndex, decided: &[usize]) -> Vec<Interim> {
    let columns = table.columns.iter().enumerate().filter(|(at, column)| {
        index.deciding().any(|name| *name == column.name)
            && (decided.contains(at) || column.name == IS_ACTIVE)
            && !table.primary_key.contains(at)
            && !column.generated
            && column.name != SOURCE_TYPE
    });
    let all = columns.flat_map(|(column, shape)| {
        let ways = ways_of(shape, index);
        ways.into_iter().map(move |way| Interim { column, way })
    });
    let mut all: Vec<Interim> = all.collect();
    all.sort_by_key(|interim| interim.way != Way::Null);
    all
}

fn ways_of(column: &Column, index: &UniqueIndex) -> Vec<Way> {
    let mut ways = Vec::new();
    if column.nullable && !index.nulls_are_equal {
        ways.push(Way::Null);
    }
    ways.extend(match &column.kind {
        ColumnType::Boolean if column.name == IS_ACTIVE && index.predicate.is_some() => {
            &[Way::Same("f")][..]
        }
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt | ColumnType::Date => {
            &[Way::Below, Way::Above, Way::Gap]
        }
        ColumnType::Numeric(_)
        | ColumnType::Real
        | ColumnType::Double
        | ColumnType::Timestamp
        | ColumnType::TimestampTz => &[Way::Below, Way::Above, Way::Between],
        ColumnType::Text(_) | ColumnType::Citext | ColumnType::Character(_) => {
            &[Way::Marked, Way::Shaped]
        }
        ColumnType::Bytea
        | ColumnType::Time
        | ColumnType::Interval
        | ColumnType::Inet
        | ColumnType::Cidr
        | ColumnType::Json
        | ColumnType::Jsonb => &[Way::Marked],
        ColumnType::Uuid => &[Way::Random],
        ColumnType::Enum { .. } => &[Way::Label],
        ColumnType::Boolean => &[Way::Same("true"), Way::Same("false")],
        ColumnType::Array(_) => &[Way::Array("NULL"), Way::Array("0")],
        // Ranges overlap with nothing then. Addresses that are published as text have no other
        // type here. What is none of these refuses the text, so a type that has no line above
        // is asked for all of them.
        _ => &[
            Way::Same("empty"),
            Way::Address,
            Way::Hardware,
            Way::Below,
            Way::Above,
        ],
    });
    ways.push(Way::Referenced);
    ways
}

/// The SQL of the `$1` values that lie below, above or between the column's `low` and
/// `high`.
pub(super) fn series(kind: &ColumnType, way: Way) -> String {
    let (low, high, unit) = match kind {
        ColumnType::Date | ColumnType::Timestamp => {
            ("low::timestamp", "high::timestamp", "interval '1 day'")
        }
        ColumnType::TimestampTz => ("low", "high", "interval '1 day'"),
        _ => ("low::numeric", "high::numeric", "1::numeric"),
    };
    match way {
        Way::Below => format!("{low} - number * {unit}"),
        Way::Above => format!("{high} + number * {unit}"),
        _ => format!("{low} + ({high} - {low}) * (number / ($1::bigint + 1.0))"),
    }
}

/// The SQL of the first `$1` numbers or days that none of the values `in_use` is, as texts.
/// So many beyond the lowest as there are in use hold as many that are free.
pub(super) fn gap(column: &Column, in_use: &str) -> String {
    let (base, unit) = match column.kind {
        ColumnType::Date => ("timestamp", "interval '1 day'"),
        _ => ("numeric", "1::numeric"),
    };
    format!(
        "WITH used AS MATERIALIZED ({in_use}),
              ends AS (SELECT min(value)::{base} AS low, max(value)::{base} AS high,
                              count(*) + $1::bigint AS room FROM used)
         SELECT free.value::{sql_type}::text
         FROM ends, generate_series(low, least(high, low + room * {unit}), {unit}) AS free (value)
         WHERE free.value NOT IN (SELECT value::{base} FROM used WHERE value IS NOT NULL)
         LIMIT $1",
        sql_type = column.sql_type
    )
}

/// As many texts as there are `values`, none of which is in use. `in_use` is in lower
/// case, for an index may not tell the cases apart.
pub(super) fn texts(
    kind: &ColumnType,
    way: Way,
    values: &[Option<String>],
    in_use: &HashSet<String>,
) -> Option<Vec<Option<String>>> {
    let mut taken = HashSet::new();
    let mut free = |text: &String| {
        let lower = text.to_lowercase();
        !in_use.contains(&lower) && taken.insert(lower)
    };
    let numbers = 0..in_use.len() + 2 * values.len() + 1;
    let mut numbered = numbers.map(|number| numbered(kind, way, number));
    let mut labels = match kind {
        ColumnType::Enum { labels, .. } => labels.clone(),
        _ => Vec::new(),
    }
    .into_iter();
    let text = |value: &Option<String>| match way {
        Way::Marked | Way::Array(_) | Way::Address | Way::Hardware => numbered.find(&mut free),
        Way::Label => labels.find(&mut free),
        Way::Shaped => {
            let most = in_use.len() + values.len() + 1;
            shapes(value.as_deref()?).take(most).find(&mut free)
        }
        _ => None,
    };
    let texts: Option<Vec<String>> = values.iter().map(text).collect();
    Some(texts?.into_iter().map(Some).collect())
}

fn numbered(kind: &ColumnType, way: Way, number: usize) -> String {
    match way {
        Way::Array(element) => format!("[{0}:{0}]={{{element}}}", number + 2),
        Way::Address => format!("fd74:6162:6c65::{:x}:{:x}", number >> 16, number & 0xffff),
        Way::Hardware => {
            let byte = |shift: usize| number >> shift & 0xff;
            format!("02:74:61:{:02x}:{:02x}:{:02x}", byte(16), byte(8), byte(0))
        }
        _ => marked(kind, number),
    }
}

fn marked(kind: &ColumnType, number: usize) -> String {
    match kind {
        ColumnType::Bytea => format!("\\x7461626c6563617374{number:016x}"),
        ColumnType::Time => format!(
            "23:{:02}:{:02}.{:06}",
            number / 1_000_000 / 60 % 60,
            number / 1_000_000 % 60,
            number % 1_000_000
        ),
        // Nearly as long as an interval can be.
        ColumnType::Interval => format!(
            "PT2562047788H{}.{:06}S",
            number / 1_000_000,
            number % 1_000_000
        ),
        // Of the network that leads nowhere, RFC 6666.
        ColumnType::Inet | ColumnType::Cidr => {
            let address = Ipv6Addr::from_bits((0x0100 << 112) | (number as u128 + 1));
            let network = Network {
                address: address.into(),
                prefix: 128,
            };
            match kind {
                ColumnType::Inet => network.to_string(),
                _ => network.with_prefix(),
            }
        }
        ColumnType::Json | ColumnType::Jsonb => format!("\"tablecast {number}\""),
        _ => format!("tablecast {number}"),
    }
}

// The texts of one shape, in order: letters and digits are counted up within their kind.
fn shapes(text: &str) -> impl Iterator<Item = String> {
    let mut next: Vec<char> = text.chars().collect();
    std::iter::from_fn(move || {
        // Behind the last one comes the first.
        let _carried = next.iter_mut().rev().any(|c| {
            let (first, last) = match *c {
                'a'..='z' => ('a', 'z'),
                'A'..='Z' => ('A', 'Z'),
                '0'..='9' => ('0', '9'),
                _ => return false,
            };
            let is_last = *c == last;
            *c = if is_last {
                first
            } else {
                char::from(*c as u8 + 1)
            };
            !is_last
        });
        Some(next.iter().collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(way: Way, values: &[&str], in_use: &[&str], expected: Option<&[&str]>) {
        let values: Vec<_> = values.iter().map(|v| Some((*v).to_owned())).collect();
        let in_use = in_use.iter().map(|v| (*v).to_owned()).collect();
        let texts = texts(&ColumnType::Text(None), way, &values, &in_use);
        let expected = expected.map(|e| e.iter().map(|v| Some((*v).to_owned())).collect());
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_text_steps_aside_within_its_shape_and_meets_nobody() {
        check(
            Way::Shaped,
            &["AA", "AB"],
            &["aa", "ab"],
            Some(&["AC", "AD"]),
        );
        check(Way::Shaped, &["a-9"], &["a-9", "b-0"], Some(&["b-1"]));
        check(Way::Shaped, &["Zz9"], &["zz9"], Some(&["Aa0"]));
        check(Way::Shaped, &["--"], &["--"], None);
        let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
        let digits: Vec<&str> = digits.iter().map(String::as_str).collect();
        check(Way::Shaped, &["1"], &digits, None);
    }

    #[test]
    fn a_marked_text_is_none_that_is_in_use() {
        check(
            Way::Marked,
            &["a", "b"],
            &["tablecast 0", "tablecast 2"],
            Some(&["tablecast 1", "tablecast 3"]),
        );
    }
}
