//! A value that is no array.

use std::fmt::Write;

use base64::Engine;
use jiff::civil;
use snapshot_format::canonical::{self, CanonicalError};
use snapshot_format::json::{Value, nests_deeper_than};
use snapshot_format::{ColumnType, Interval, MAX_VALUE_DEPTH, Network, is_uuid};

use super::context::{Context, Converted, describe, push, unpublishable};
use super::number::{convert_float, convert_integer, convert_numeric, is_number_text};
use super::time::{convert_timestamp, convert_timestamp_tz, is_end_of_day, is_leap_second};
use crate::source::problem::shortened;

/// Appends the value's text for the column, or says why it has none.
pub(super) fn convert(
    kind: &ColumnType,
    value: &Value<'_>,
    raw: &str,
    context: Context<'_>,
    out: &mut String,
) -> Converted {
    let expected = |what: &str| Err(format!("expected {what}, found {}", describe(value)));
    match (kind, value) {
        (kind, Value::String(text)) if context.as_text && is_infinite(kind, text) => {
            push(out, text)
        }
        (ColumnType::Boolean, Value::Bool(value)) => push(out, if *value { "t" } else { "f" }),
        (ColumnType::Boolean, _) => expected("true or false"),
        (ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt, Value::Number(text)) => {
            convert_integer(kind, text, context.as_text, out)
        }
        (ColumnType::BigInt, Value::String(text)) if context.as_text && is_number_text(text) => {
            convert_integer(kind, text, true, out)
        }
        (ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt, _) => {
            expected("a whole number")
        }
        (ColumnType::Real | ColumnType::Double, Value::Number(text)) => {
            convert_float(kind, text, out)
        }
        (ColumnType::Numeric(limits), Value::Number(text)) => {
            convert_numeric(*limits, text, context, out)
        }
        (ColumnType::Numeric(limits), Value::String(text))
            if context.as_text && is_number_text(text) =>
        {
            convert_numeric(*limits, text, context, out)
        }
        (ColumnType::Real | ColumnType::Double | ColumnType::Numeric(_), _) => expected("a number"),
        (kind, _) if kind.is_json() => convert_json(raw, context, out),
        (ColumnType::Named(_), Value::Number(text)) => push(out, text),
        (_, Value::String(text)) => convert_string(kind, text, out),
        _ => expected(string_form(kind)),
    }
}

fn convert_string(kind: &ColumnType, text: &str, out: &mut String) -> Converted {
    let malformed = || {
        let found = shortened(text);
        Err(format!("expected {}, found {found:?}", string_form(kind)))
    };
    match kind {
        ColumnType::Text(Some(most)) | ColumnType::Character(Some(most))
            if text.chars().nth(*most as usize).is_some() =>
        {
            let count = text.chars().count();
            Err(format!(
                "has {count} characters, and the column takes {most}"
            ))
        }
        ColumnType::Uuid if !is_uuid(text) => malformed(),
        ColumnType::Uuid => push(out, &text.to_ascii_lowercase()),
        ColumnType::Date => match text.parse::<civil::Date>() {
            Ok(date) if text.len() == 10 && date.year() > 0 => push(out, &date.to_string()),
            _ => malformed(),
        },
        ColumnType::Time if is_end_of_day(text) => push(out, "24:00:00"),
        ColumnType::Time => match text.parse::<civil::Time>() {
            Ok(time) if time.subsec_nanosecond() % 1000 == 0 && !is_leap_second(text) => {
                push(out, &time.to_string())
            }
            _ => malformed(),
        },
        ColumnType::Timestamp => convert_timestamp(text, out).map_or_else(malformed, Ok),
        ColumnType::TimestampTz => convert_timestamp_tz(text, out).map_or_else(malformed, Ok),
        ColumnType::Interval => match Interval::parse(text) {
            Some(interval) => push(out, &interval.to_string()),
            None => malformed(),
        },
        ColumnType::Inet => match Network::parse(text) {
            Some(network) => push(out, &network.to_string()),
            None => malformed(),
        },
        ColumnType::Cidr => match Network::parse(text) {
            Some(network) if network.is_network() => push(out, &network.with_prefix()),
            _ => malformed(),
        },
        ColumnType::Bytea => match base64::engine::general_purpose::STANDARD.decode(text) {
            Ok(bytes) => {
                out.push_str("\\x");
                bytes
                    .iter()
                    .try_for_each(|b| write!(out, "{b:02x}"))
                    .map_err(|e| e.to_string())
            }
            Err(_) => malformed(),
        },
        ColumnType::Enum { labels, .. } if !labels.iter().any(|label| label == text) => Err(
            format!("{:?} is none of {}", shortened(text), in_short(labels)),
        ),
        _ => push(out, text),
    }
}

fn convert_json(raw: &str, context: Context<'_>, out: &mut String) -> Converted {
    if !context.as_text {
        context.canonical.clear();
        // Other faults were noted by the reader, at their places.
        if let Err(CanonicalError::Number { text, error }) =
            canonical::write_json(raw, context.canonical)
        {
            return Err(unpublishable(&text, error));
        }
        if nests_deeper_than(MAX_VALUE_DEPTH, raw) {
            return Err(format!(
                "nests deeper than {MAX_VALUE_DEPTH} levels, which some readers refuse; name the \
                 column in as_text to publish it as a string"
            ));
        }
    }
    push(out, raw)
}

// The labels of an enum, of many the first.
fn in_short(labels: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown = labels.iter().take(SHOWN).map(|label| format!("{label:?}"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if labels.len() > SHOWN {
        text += &format!(" and {} more", labels.len() - SHOWN);
    }
    text
}

fn string_form(kind: &ColumnType) -> &'static str {
    match kind {
        ColumnType::Uuid => "a UUID such as \"0190163d-8694-739b-aea5-966c26f8ad91\"",
        ColumnType::Date => "a date such as \"2026-02-24\"",
        ColumnType::Time => "a time such as \"13:12:04\"",
        ColumnType::Timestamp => {
            "a time in UTC such as \"2026-02-24T13:12:04Z\", to the microsecond"
        }
        ColumnType::TimestampTz => {
            "a time with zone such as \"2026-02-24T13:12:04Z\", to the microsecond"
        }
        ColumnType::Interval => "a duration such as \"P1DT2H30M\", to the microsecond",
        ColumnType::Inet => "an address such as \"10.0.0.1\" or \"10.1.0.0/16\"",
        ColumnType::Cidr => "a network such as \"10.1.0.0/16\", without bits behind its prefix",
        ColumnType::Bytea => "bytes in base64",
        _ => "a string",
    }
}

// A moment that is no date. As text it is published as PostgreSQL prints it.
fn is_infinite(kind: &ColumnType, text: &str) -> bool {
    match kind {
        ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz => {
            matches!(text, "infinity" | "-infinity")
        }
        _ => false,
    }
}
