//! A value in the one spelling that all its equals have.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::civil;
use snapshot_format::json::{Parser, Value};
use snapshot_format::number::{MAX_SAFE_INTEGER, equal_decimals, write_f32};
use snapshot_format::{Interval, Network, canonical, is_uuid};

use super::rule::Rule;
use crate::parity::decimal;

impl Rule {
    /// A value as the database gives it, as JSON, in its one spelling. What is no JSON is
    /// taken for a string.
    pub fn normal_form(&self, json: &str) -> String {
        let mut out = String::new();
        match Parser::new(json).value() {
            Ok(value) => write_value(self, &value, &mut out),
            Err(_) => write_json_string(json, &mut out),
        }
        out
    }
}

/// N4, N11, N12: what has no rule of its own is what it is, under whichever type.
pub(super) fn write_value(rule: &Rule, value: &Value<'_>, out: &mut String) {
    match (rule, value) {
        (Rule::Real, Value::Number(text)) => write_real(text, out),
        (Rule::Array(element), Value::Array(text)) => write_array(element, text, out),
        (_, Value::String(text)) => write_string(rule, text, out),
        _ => write_plain(value, out),
    }
}

/// N18: a string that holds what PostgreSQL prints for the value.
pub(super) fn write_text_form(rule: &Rule, text: &str, out: &mut String) {
    let json = match rule {
        Rule::Boolean | Rule::Number | Rule::Real | Rule::Json => Parser::new(text).value().ok(),
        _ => None,
    };
    match (rule, json) {
        (Rule::Boolean, Some(value @ Value::Bool(_)))
        | (Rule::Number | Rule::Real, Some(value @ Value::Number(_)))
        | (Rule::Json, Some(value)) => write_value(rule, &value, out),
        _ => write_string(rule, text, out),
    }
}

// N13: the shortest decimal that PostgreSQL prints, or the whole number that it stands for.
// Any other decimal is another number, though a real may be nearest to it.
fn write_real(text: &str, out: &mut String) {
    let value: f32 = text.parse().unwrap_or(f32::NAN);
    let mut shortest = Vec::new();
    if write_f32(value, &mut shortest).is_err() {
        return decimal::write(text, out);
    }
    let shortest = String::from_utf8_lossy(&shortest);
    let whole = value.fract() == 0.0 && f64::from(value).abs() <= MAX_SAFE_INTEGER as f64;
    let is_spelling = equal_decimals(text, &shortest)
        || whole && equal_decimals(text, &(f64::from(value) as i64).to_string());
    decimal::write(if is_spelling { &shortest } else { text }, out);
}

fn write_string(rule: &Rule, text: &str, out: &mut String) {
    let by_value = match rule {
        // N6
        Rule::Character => Some(text.trim_end_matches(' ').to_owned()),
        // N14: what is none of its type stays as it is, and differs from what is one.
        Rule::Uuid => is_uuid(text).then(|| text.to_ascii_lowercase()),
        Rule::Date => date(text),
        Rule::Time => time(text),
        Rule::Timestamp => timestamp(text),
        Rule::TimestampTz => timestamp_tz(text),
        Rule::Interval => Interval::parse(text).map(|interval| interval.to_string()),
        Rule::Network => Network::parse(text).map(|network| network.with_prefix()),
        Rule::Bytea => bytes(text),
        _ => None,
    };
    write_json_string(by_value.as_deref().unwrap_or(text), out);
}

fn date(text: &str) -> Option<String> {
    let date: civil::Date = text.parse().ok()?;
    (text.len() == 10 && date.year() > 0).then(|| date.to_string())
}

// The end of the day is a time to PostgreSQL, and no leap second is.
fn time(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("24:00") {
        let fraction = rest.strip_prefix(":00").unwrap_or(rest);
        let is_end = fraction
            .trim_start_matches('.')
            .trim_matches('0')
            .is_empty();
        return is_end.then(|| "24:00:00".to_owned());
    }
    if has_leap_second(text) {
        return None;
    }
    let time: civil::Time = text.parse().ok()?;
    Some(time.to_string())
}

fn timestamp(text: &str) -> Option<String> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (_, time) = text.split_once(['T', 't', ' '])?;
    if time.contains(['+', '-', '[', 'Z', 'z']) || has_leap_second(time) {
        return None;
    }
    moment(text.parse().ok()?)
}

fn timestamp_tz(text: &str) -> Option<String> {
    let (_, time) = text.split_once(['T', 't', ' '])?;
    if has_leap_second(time) {
        return None;
    }
    let moment_of: jiff::Timestamp = text.parse().ok()?;
    moment(moment_of.to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

fn moment(moment: civil::DateTime) -> Option<String> {
    (moment.year() > 0).then(|| format!("{moment}Z"))
}

// 23:59:60, which would be read as the second before it.
fn has_leap_second(time: &str) -> bool {
    time.split(':')
        .nth(2)
        .is_some_and(|seconds| seconds.starts_with("60"))
}

// Base64, or PostgreSQL's hexadecimal digits behind `\x`.
fn bytes(text: &str) -> Option<String> {
    let Some(digits) = text.strip_prefix("\\x") else {
        return Some(BASE64.encode(BASE64.decode(text).ok()?));
    };
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    Some(BASE64.encode(bytes?))
}

// N15: element by element, each by the rule of the column.
fn write_array(element: &Rule, text: &str, out: &mut String) {
    out.push('[');
    let start = out.len();
    // It was read before, so there is an array.
    let _ = Parser::new(text).array(|_, value| {
        if out.len() > start {
            out.push(',');
        }
        match &value {
            // Of several dimensions.
            Value::Array(text) if *element != Rule::Json => write_array(element, text, out),
            value => write_value(element, value, out),
        }
    });
    out.push(']');
}

/// Any JSON value, in normal form.
pub(in crate::parity) fn plain(value: &Value<'_>) -> String {
    let mut out = String::new();
    write_plain(value, &mut out);
    out
}

// N12, N15, N17: any JSON value. A key that is there with null is another thing than one
// that is not there: so it is in the jsonb that both sides hold.
fn write_plain(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(text) => decimal::write(text, out),
        Value::String(text) => write_json_string(text, out),
        Value::Array(text) => write_array(&Rule::Json, text, out),
        Value::Object(text) => {
            let mut members = BTreeMap::new();
            // It was read before; of a key that is there twice the last one stands.
            let _ = Parser::new(text).object(|member| {
                members.insert(member.key, member.value);
            });
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json_string(key, out);
                out.push(':');
                write_plain(value, out);
            }
            out.push('}');
        }
    }
}

/// N16: the elements in order of their bytes; as many as there were.
pub(super) fn sorted_elements(normal: &str) -> Option<String> {
    if !normal.starts_with('[') {
        return None;
    }
    let mut elements = Vec::new();
    Parser::new(normal)
        .array(|_, value| elements.push(plain(&value)))
        .ok()?;
    elements.sort();
    Some(format!("[{}]", elements.join(",")))
}

/// N4, and in it N17's keys.
pub(super) fn write_json_string(text: &str, out: &mut String) {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    canonical::write_string(text, &mut bytes);
    out.push_str(&String::from_utf8_lossy(&bytes));
}

/// The number that a text is, and nothing beside it.
pub(super) fn number_in(text: &str) -> Option<Value<'_>> {
    let value = Parser::new(text).value().ok()?;
    matches!(value, Value::Number(number) if number.len() == text.len()).then_some(value)
}
