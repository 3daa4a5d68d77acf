//! One value of a file as PostgreSQL's text of its column's type, or why it has none.

mod array;

use std::fmt::Write;

use base64::Engine;
use jiff::civil;
use snapshot_format::canonical::{self, CanonicalError};
use snapshot_format::json::{Parser, Value, nests_deeper_than};
use snapshot_format::number;
use snapshot_format::{ColumnType, Interval, MAX_VALUE_DEPTH, Network};

use array::convert_array;

use super::problem::shortened;

// Without a value it says why there is none.
pub(super) type Converted = Result<(), String>;

/// What a conversion needs beside the value.
pub(super) struct Context<'c> {
    /// Whether the column is published as text.
    pub(super) as_text: bool,
    /// Room for JSON in its canonical form.
    pub(super) canonical: &'c mut Vec<u8>,
}

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
        (ColumnType::Array(element), Value::Array(raw)) => {
            convert_array(element, raw, context, out)
        }
        (ColumnType::Array(_), _) => expected("an array"),
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

// PostgreSQL has the end of the day beside its beginning.
fn is_end_of_day(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("24:00") else {
        return false;
    };
    let fraction = rest.strip_prefix(":00.").unwrap_or("0");
    let is_whole = matches!(rest, "" | ":00") || rest.starts_with(":00.");
    is_whole && (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte == b'0')
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

// Without a zone it is UTC, which is how it is published.
fn convert_timestamp(text: &str, out: &mut String) -> Option<()> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (_, time) = text.split_once(['T', 't', ' '])?;
    if time.contains(['+', '-', '[', 'Z', 'z']) || is_leap_second(time) {
        return None;
    }
    let moment: civil::DateTime = text.parse().ok()?;
    let exact = moment.subsec_nanosecond() % 1000 == 0 && moment.year() > 0;
    exact.then(|| out.push_str(&moment.to_string()))
}

fn convert_timestamp_tz(text: &str, out: &mut String) -> Option<()> {
    let (_, time) = text.split_once(['T', 't', ' '])?;
    if is_leap_second(time) {
        return None;
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    let civil = moment.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let exact = civil.subsec_nanosecond() % 1000 == 0 && civil.year() > 0;
    exact.then(|| out.push_str(&moment.to_string()))
}

// 23:59:60 would be read as the second before it.
fn is_leap_second(time: &str) -> bool {
    let digits: Vec<char> = time
        .trim_start_matches(['T', 't'])
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ':')
        .filter(char::is_ascii_digit)
        .collect();
    digits.get(4..6) == Some(&['6', '0'])
}

fn convert_integer(kind: &ColumnType, text: &str, as_text: bool, out: &mut String) -> Converted {
    let (least, most) = match kind {
        ColumnType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        ColumnType::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let Some(value) = parse_integer(text) else {
        return if is_whole(text) {
            Err(format!(
                "{text} is out of range; the column takes {least} to {most}"
            ))
        } else {
            Err(format!("expected a whole number, found {text}"))
        };
    };
    if value < least || value > most {
        return Err(format!(
            "{value} is out of range; the column takes {least} to {most}"
        ));
    }
    if !as_text && value.unsigned_abs() > number::MAX_SAFE_INTEGER.unsigned_abs() {
        return Err(unpublishable(text, number::NumberError::UnsafeInteger));
    }
    write!(out, "{value}").map_err(|error| error.to_string())
}

// `1`, and also `1.0` and `1e2`, whose values are whole.
fn parse_integer(text: &str) -> Option<i64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let value: f64 = text.parse().ok()?;
    let near = value.abs() <= number::MAX_SAFE_INTEGER as f64;
    let candidate = (near && value.fract() == 0.0).then_some(value as i64)?;
    number::equal_decimals(text, &candidate.to_string()).then_some(candidate)
}

fn is_whole(text: &str) -> bool {
    let (_, fraction_digits) = number::decimal_digits(text);
    fraction_digits == 0
}

fn convert_float(kind: &ColumnType, text: &str, out: &mut String) -> Converted {
    let mut shortest = Vec::new();
    let (written, name) = match kind {
        ColumnType::Real => {
            let value = text.parse().unwrap_or(f32::NAN);
            (number::write_f32(value, &mut shortest), "real")
        }
        _ => {
            let value = text.parse().unwrap_or(f64::NAN);
            (number::write_f64(value, &mut shortest), "double precision")
        }
    };
    if written.is_err() {
        return Err(format!("{text} is out of range for {name}"));
    }
    let shortest = String::from_utf8_lossy(&shortest);
    if !number::equal_decimals(text, &shortest) {
        return Err(format!(
            "{text} is no value of {name}; it would become {shortest}"
        ));
    }
    push(out, text)
}

fn convert_numeric(
    limits: Option<(u16, i16)>,
    text: &str,
    context: Context<'_>,
    out: &mut String,
) -> Converted {
    // PostgreSQL's own bounds where the column declares none.
    let (precision, scale) = limits.map_or((131_072 + 16_383, 16_383), |(precision, scale)| {
        (i64::from(precision), i64::from(scale))
    });
    let (whole_digits, fraction_digits) = number::decimal_digits(text);
    if fraction_digits > scale.max(0) {
        return Err(format!(
            "{text} has more digits behind the point than the column takes, which is {}",
            scale.max(0)
        ));
    }
    let rounded = usize::try_from(-scale).unwrap_or_default();
    if rounded > 0 && !is_zero_in_last(rounded, &number_key(text)) {
        return Err(format!(
            "{text} would be rounded: the column takes no digits in its last {rounded} places before \
             the point"
        ));
    }
    if whole_digits > precision - scale {
        return Err(format!(
            "{text} is out of range; the column takes {} digits before the point",
            precision - scale
        ));
    }
    if !context.as_text {
        context.canonical.clear();
        if let Err(error) = number::write_decimal(text, context.canonical) {
            return Err(unpublishable(text, error));
        }
    }
    push(out, text)
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

fn unpublishable(text: &str, error: number::NumberError) -> String {
    format!("{text} {error}; name the column in as_text to publish it as a string")
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

fn push(out: &mut String, text: &str) -> Converted {
    out.push_str(text);
    Ok(())
}

fn describe(value: &Value<'_>) -> String {
    match value {
        Value::Number(text) => format!("the number {text}"),
        Value::String(text) if text.chars().count() <= 40 => format!("the string {text:?}"),
        Value::Bool(value) => value.to_string(),
        other => other.kind().to_owned(),
    }
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

fn is_zero_in_last(places: usize, plain: &str) -> bool {
    // By exponent only what is out of range anyway.
    plain == "0" || plain.contains('e') || plain.ends_with(&"0".repeat(places))
}

/// A decimal without a second spelling: whole numbers as they are, others by exponent.
pub(super) fn number_key(text: &str) -> String {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => ("-", text),
        None => ("", text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let dropped = (digits.len() - significant.len()) as i64;
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 4);
    match exponent - fraction.len() as i64 + dropped {
        zeros @ 0..=40 => format!("{negative}{significant}{}", "0".repeat(zeros as usize)),
        power => format!("{negative}{significant}e{power}"),
    }
}

fn is_number_text(text: &str) -> bool {
    let mut parser = Parser::new(text);
    matches!(parser.value(), Ok(Value::Number(number)) if number.len() == text.len())
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let digits = groups
        .iter()
        .all(|group| group.bytes().all(|b| b.is_ascii_hexdigit()));
    lengths == [8, 4, 4, 4, 12] && digits
}
