//! One row of a file as the values of a table's columns, each as PostgreSQL's text.
//!
//! Every value is checked against its column here, so that the database never has to
//! guess: it would take `"12"` for a number, round `2.675`, or keep half of an object
//! with the same key twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;

use base64::Engine;
use jiff::civil;
use snapshot_format::canonical::{self, CanonicalError};
use snapshot_format::json::{Parser, SyntaxError, Value};
use snapshot_format::number;

use super::problem::{Place, Problems};
use super::split::{RawRow, position_behind};
use crate::config::{Config, TableConfig};
use crate::render::{MAX_JSON_DEPTH, is_too_deep};
use crate::schema::{Column, Kind, SOURCE_TYPE, Table};
use crate::suggest::closest;

/// Decodes the rows of one table, one after another, into the same buffers.
pub struct RowDecoder<'t> {
    table: &'t Table,
    settings: TableConfig,
    note_prefix: Option<String>,
    columns: HashMap<&'t str, usize>,
    // The text of every value of the row, one behind the other.
    text: String,
    fields: Vec<Field>,
    // Where each column's value stands; 0, the row's start, where it has none.
    offsets: Vec<usize>,
    // Columns that an entry's key of a map filled, and that the row has not named since.
    from_key: Vec<usize>,
    found: Vec<Found>,
    canonical: Vec<u8>,
}

/// The row that was decoded last.
pub type DecodedRow<'d, 't> = &'d RowDecoder<'t>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Absent,
    Null,
    Text(Range<usize>),
}

// A problem of the row, before its key is known.
struct Found {
    offset: usize,
    column: Option<String>,
    message: String,
}

type Converted = Result<(), String>;

impl<'t> RowDecoder<'t> {
    /// A decoder for the rows of `table`.
    pub fn new(table: &'t Table, config: &Config) -> Self {
        let columns = table.columns.iter().enumerate();
        Self {
            table,
            settings: config.table(table),
            note_prefix: config.note_prefix.clone(),
            columns: columns
                .map(|(index, column)| (column.name.as_str(), index))
                .collect(),
            text: String::new(),
            fields: Vec::new(),
            offsets: Vec::new(),
            from_key: Vec::new(),
            found: Vec::new(),
            canonical: Vec::new(),
        }
    }

    /// Decodes a row and notes everything that is wrong with it. Gives whether nothing is.
    pub fn decode(&mut self, file: &str, row: &RawRow<'_>, problems: &mut Problems) -> bool {
        self.text.clear();
        self.found.clear();
        self.from_key.clear();
        self.fields.clear();
        self.fields.resize(self.table.columns.len(), Field::Absent);
        self.offsets.clear();
        self.offsets.resize(self.table.columns.len(), 0);
        match std::str::from_utf8(row.bytes) {
            Ok(text) => self.decode_text(text, row),
            Err(error) => {
                let offset = row.value_offset + error.valid_up_to();
                self.note(offset, None, "not UTF-8; the file must be saved as UTF-8");
            }
        }
        self.report(file, row, problems)
    }

    /// Where a column's value stands, for [`RawRow::position_of`].
    pub fn offset(&self, column: usize) -> usize {
        self.offsets[column]
    }

    /// The text of a column's value; `None` for null and for a column that the row lacks.
    pub fn value(&self, column: usize) -> Option<&str> {
        match &self.fields[column] {
            Field::Text(range) => Some(&self.text[range.clone()]),
            Field::Null | Field::Absent => None,
        }
    }

    /// A text that two values of a column share where PostgreSQL takes them for equal;
    /// `None` for null.
    pub fn comparable(&self, column: usize) -> Option<Cow<'_, str>> {
        let value = self.value(column)?;
        let Column { kind, sql_type, .. } = &self.table.columns[column];
        Some(match kind {
            Kind::Float4 | Kind::Float8 | Kind::Numeric(_) => number_key(value).into(),
            // The spaces that fill up a char(n) say nothing.
            Kind::Text(_) if sql_type.starts_with("character(") => {
                value.trim_end_matches(' ').into()
            }
            Kind::Text(_) if sql_type == "citext" => value.to_lowercase().into(),
            _ => value.into(),
        })
    }

    /// Whether the row names the column.
    pub fn names(&self, column: usize) -> bool {
        self.fields[column] != Field::Absent
    }

    /// The primary key for a message: `"NEUTRAL"`, `(7)`, or `(1, "b")`.
    pub fn key_text(&self) -> Option<String> {
        let parts: Option<Vec<String>> = self
            .table
            .primary_key
            .iter()
            .map(|&index| {
                let value = self.value(index)?;
                Some(match self.table.columns[index].kind {
                    Kind::Text(_) | Kind::Enum(_) | Kind::Uuid => format!("{value:?}"),
                    _ => value.to_owned(),
                })
            })
            .collect();
        // Behind a row's number, a bare 7 would be one number too many.
        match parts?.as_slice() {
            [one] if one.starts_with('"') => Some(one.clone()),
            many => Some(format!("({})", many.join(", "))),
        }
    }

    /// Appends the row for COPY in text format: the columns' values, tabs, a line end.
    /// Source: <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format".
    pub fn copy_line(&self, columns: &[usize], out: &mut Vec<u8>) {
        for (position, &column) in columns.iter().enumerate() {
            if position > 0 {
                out.push(b'\t');
            }
            match self.value(column) {
                None => out.extend_from_slice(b"\\N"),
                Some(text) => copy_escaped(text, out),
            }
        }
        out.push(b'\n');
    }

    fn decode_text(&mut self, text: &str, row: &RawRow<'_>) {
        let base = row.value_offset;
        let mut parser = Parser::new(text);
        let mut members = Vec::new();
        let mut scalar = None;
        let read = match (row.key, text.as_bytes().first()) {
            (_, Some(b'{')) => parser.object(|member| members.push(member)),
            (Some(_), _) => parser.value().map(|value| scalar = Some(value)),
            (None, _) => match parser.value() {
                Ok(value) => {
                    let message =
                        format!("expected an object with columns, found {}", value.kind());
                    return self.note(base, None, message);
                }
                Err(error) => Err(error),
            },
        };
        if let Some(key) = row.key {
            self.decode_map_key(key);
        }
        for member in members {
            self.decode_member(&member.key, base + member.offset, &member.value, member.raw);
        }
        if let Some(value) = scalar {
            self.decode_map_value(base, &value, text);
        }
        if let Err(SyntaxError { offset, message }) = read.and_then(|()| parser.end()) {
            // A row is only handed out without its end where the file has no more.
            let cut_off = offset == text.len() && text.starts_with(['{', '[', '"']);
            let message = match cut_off {
                true => "the file ends within this row; it may be cut off, or a bracket or quote \
                         is missing"
                    .into(),
                false => message,
            };
            // The rest of the row is unread, so nothing can be said of what it lacks.
            return self.note(base + offset, None, message);
        }
        for fault in parser.into_faults() {
            self.note(base + fault.offset, None, fault.kind.to_string());
        }
        self.note_missing(base);
    }

    fn decode_map_key(&mut self, key: &[u8]) {
        let columns = match &self.settings.map_key {
            Some(names) => names
                .iter()
                .filter_map(|n| self.columns.get(n.as_str()))
                .copied()
                .collect(),
            None => self.table.primary_key.clone(),
        };
        for &column in &columns {
            // Named, whatever becomes of it: what is broken is not missing as well.
            self.fields[column] = Field::Null;
        }
        let Ok(key) = std::str::from_utf8(key) else {
            let message = "the key is not UTF-8; the file must be saved as UTF-8";
            return self.note(0, None, message);
        };
        let mut parser = Parser::new(key);
        let value = match parser.value() {
            Ok(value) => value,
            Err(error) => return self.note(error.offset, None, error.message),
        };
        for fault in parser.into_faults() {
            self.note(fault.offset, None, fault.kind.to_string());
        }
        for column in columns {
            self.decode_key_value(column, &value);
        }
    }

    // A map's keys are strings whatever the column is: `{"7": …}` for an integer key.
    fn decode_key_value(&mut self, column: usize, key: &Value<'_>) {
        let number = match key {
            Value::String(text) if is_number(&self.table.columns[column].kind) => Parser::new(text)
                .value()
                .ok()
                .filter(|value| matches!(value, Value::Number(_))),
            _ => None,
        };
        self.set(column, 0, number.as_ref().unwrap_or(key), "");
        self.from_key.push(column);
    }

    // The entry `"A": {"id": "B"}` would be two rows at once.
    fn compare_with_key(&mut self, column: usize, offset: usize, value: &Value<'_>, raw: &str) {
        let key = self.fields[column].clone();
        self.set(column, offset, value, raw);
        let own = std::mem::replace(&mut self.fields[column], key);
        let (Field::Text(own), Field::Text(key)) = (own, &self.fields[column]) else {
            return;
        };
        let (own, key) = (&self.text[own], &self.text[key.clone()]);
        if own != key {
            let message = format!("is {own:?} here and {key:?} in the entry's key");
            let name = &self.table.columns[column].name;
            self.note(offset, Some(name), message);
        }
    }

    fn decode_map_value(&mut self, offset: usize, value: &Value<'_>, raw: &str) {
        let name = self
            .settings
            .map_value
            .clone()
            .unwrap_or_else(|| "value".to_owned());
        match self.columns.get(name.as_str()) {
            Some(&column) => self.set(column, offset, value, raw),
            None => {
                let message = format!(
                    "expected an object with columns, found {}; table {} has no column {name:?} \
                     that could take it",
                    value.kind(),
                    self.table.name
                );
                self.note(offset, None, message);
            }
        }
    }

    fn decode_member(&mut self, name: &str, offset: usize, value: &Value<'_>, raw: &str) {
        let note = self
            .note_prefix
            .as_deref()
            .is_some_and(|prefix| name.starts_with(prefix));
        if self.settings.ignore_columns.contains(name) {
            return;
        }
        match self.columns.get(name) {
            _ if name == SOURCE_TYPE && self.table.has_source_type() => {
                self.note(
                    offset,
                    Some(name),
                    "is kept by the database alone; remove it",
                );
            }
            Some(&column) if self.table.columns[column].generated => {
                self.note(offset, Some(name), "is computed by the database; remove it");
            }
            Some(&column) if self.from_key.contains(&column) => {
                self.from_key.retain(|other| *other != column);
                self.compare_with_key(column, offset, value, raw);
            }
            // A duplicate key is noted by the parser; the first value stands.
            Some(&column) if self.fields[column] != Field::Absent => {}
            Some(&column) => self.set(column, offset, value, raw),
            None if note => {}
            None => {
                let message = unknown_column(name, self.table);
                self.note(offset, Some(name), message);
            }
        }
    }

    fn set(&mut self, index: usize, offset: usize, value: &Value<'_>, raw: &str) {
        let table = self.table;
        let column = &table.columns[index];
        self.offsets[index] = offset;
        if *value == Value::Null || self.stands_for_null(column, value) {
            self.fields[index] = Field::Null;
            if !column.nullable {
                self.note(
                    offset,
                    Some(&column.name),
                    "is null, and the column must not be",
                );
            }
            return;
        }
        let start = self.text.len();
        let context = Context {
            as_text: column.as_text,
            canonical: &mut self.canonical,
        };
        match convert(&column.kind, value, raw, context, &mut self.text) {
            Ok(()) => self.fields[index] = Field::Text(start..self.text.len()),
            Err(message) => {
                self.text.truncate(start);
                // Named, but without a value: what it lacks is not reported twice.
                self.fields[index] = Field::Null;
                self.note(offset, Some(&column.name), message);
            }
        }
    }

    fn stands_for_null(&self, column: &Column, value: &Value<'_>) -> bool {
        let Value::String(text) = value else {
            return false;
        };
        let words = self.settings.null_values.get(&column.name);
        words.is_some_and(|words| words.contains(text.as_ref()))
    }

    fn note_missing(&mut self, offset: usize) {
        let table = self.table;
        for (index, column) in table.columns.iter().enumerate() {
            let in_key = table.primary_key.contains(&index);
            let given = column.default.is_some() && !in_key || column.generated;
            if !column.nullable
                && !given
                && column.name != SOURCE_TYPE
                && self.fields[index] == Field::Absent
            {
                self.note(
                    offset,
                    Some(&column.name),
                    "is missing, and the column must have a value",
                );
            }
        }
    }

    fn note(&mut self, offset: usize, column: Option<&str>, message: impl Into<Cow<'static, str>>) {
        let message: Cow<'static, str> = message.into();
        let column = column.map(str::to_owned);
        self.found.push(Found {
            offset,
            column,
            message: message.into_owned(),
        });
    }

    fn report(&mut self, file: &str, row: &RawRow<'_>, problems: &mut Problems) -> bool {
        if self.found.is_empty() {
            return true;
        }
        let row_key = self.key_text();
        for found in std::mem::take(&mut self.found) {
            let place = Place {
                file: file.to_owned(),
                position: Some(row.position_of(found.offset)),
                row: Some(row.number),
                row_key: row_key.clone(),
                column: found.column,
            };
            problems.push(place, found.message);
        }
        false
    }
}

impl RawRow<'_> {
    /// Line and column of the byte at `offset` from the row's (or its key's) first.
    pub fn position_of(&self, offset: usize) -> (usize, usize) {
        let (start, bytes, passed) = match (offset.checked_sub(self.value_offset), self.key) {
            (None, Some(key)) => (self.position, key, offset),
            (passed, _) => (self.value_position, self.bytes, passed.unwrap_or_default()),
        };
        position_behind(start, &bytes[..passed.min(bytes.len())])
    }
}

struct Context<'c> {
    as_text: bool,
    canonical: &'c mut Vec<u8>,
}

// Appends the value's text for the column, or says why it has none.
fn convert(
    kind: &Kind,
    value: &Value<'_>,
    raw: &str,
    context: Context<'_>,
    out: &mut String,
) -> Converted {
    let expected = |what: &str| Err(format!("expected {what}, found {}", describe(value)));
    match (kind, value) {
        (Kind::Bool, Value::Bool(value)) => push(out, if *value { "t" } else { "f" }),
        (Kind::Bool, _) => expected("true or false"),
        (Kind::Int2 | Kind::Int4 | Kind::Int8, Value::Number(text)) => {
            convert_integer(kind, text, context.as_text, out)
        }
        (Kind::Int8, Value::String(text)) if context.as_text && is_number_text(text) => {
            convert_integer(kind, text, true, out)
        }
        (Kind::Int2 | Kind::Int4 | Kind::Int8, _) => expected("a whole number"),
        (Kind::Float4 | Kind::Float8, Value::Number(text)) => convert_float(kind, text, out),
        (Kind::Numeric(limits), Value::Number(text)) => {
            convert_numeric(*limits, text, context, out)
        }
        (Kind::Numeric(limits), Value::String(text)) if context.as_text && is_number_text(text) => {
            convert_numeric(*limits, text, context, out)
        }
        (Kind::Float4 | Kind::Float8 | Kind::Numeric(_), _) => expected("a number"),
        (Kind::Json | Kind::Jsonb, _) => convert_json(raw, context, out),
        (Kind::Array(element), Value::Array(raw)) => convert_array(element, raw, context, out),
        (Kind::Array(_), _) => expected("an array"),
        (Kind::Other, Value::Number(text)) => push(out, text),
        (_, Value::String(text)) => convert_string(kind, text, out),
        _ => expected(string_form(kind)),
    }
}

fn convert_string(kind: &Kind, text: &str, out: &mut String) -> Converted {
    let malformed = || Err(format!("expected {}, found {text:?}", string_form(kind)));
    match kind {
        Kind::Text(Some(most)) if text.chars().nth(*most as usize).is_some() => {
            let count = text.chars().count();
            Err(format!(
                "has {count} characters, and the column takes {most}"
            ))
        }
        Kind::Uuid if !is_uuid(text) => malformed(),
        Kind::Uuid => push(out, &text.to_ascii_lowercase()),
        Kind::Date => match text.parse::<civil::Date>() {
            Ok(date) if text.len() == 10 && date.year() > 0 => push(out, &date.to_string()),
            _ => malformed(),
        },
        Kind::Time => match text.parse::<civil::Time>() {
            Ok(time) if time.subsec_nanosecond() % 1000 == 0 && !is_leap_second(text) => {
                push(out, &time.to_string())
            }
            _ => malformed(),
        },
        Kind::Timestamp => convert_timestamp(text, out).map_or_else(malformed, Ok),
        Kind::TimestampTz => convert_timestamp_tz(text, out).map_or_else(malformed, Ok),
        Kind::Bytea => match base64::engine::general_purpose::STANDARD.decode(text) {
            Ok(bytes) => {
                out.push_str("\\x");
                bytes
                    .iter()
                    .try_for_each(|b| write!(out, "{b:02x}"))
                    .map_err(|e| e.to_string())
            }
            Err(_) => malformed(),
        },
        Kind::Enum(labels) if !labels.iter().any(|label| label == text) => {
            let labels: Vec<String> = labels.iter().map(|label| format!("{label:?}")).collect();
            Err(format!("{text:?} is none of {}", labels.join(", ")))
        }
        _ => push(out, text),
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

fn convert_integer(kind: &Kind, text: &str, as_text: bool, out: &mut String) -> Converted {
    let (least, most) = match kind {
        Kind::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Kind::Int4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let Some(value) = parse_integer(text) else {
        return match is_whole(text) {
            true => Err(format!(
                "{text} is out of range; the column takes {least} to {most}"
            )),
            false => Err(format!("expected a whole number, found {text}")),
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

fn convert_float(kind: &Kind, text: &str, out: &mut String) -> Converted {
    let mut shortest = Vec::new();
    let (written, name) = match kind {
        Kind::Float4 => {
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
        if is_too_deep(raw) {
            return Err(format!(
                "nests deeper than {MAX_JSON_DEPTH} levels, which some readers refuse; name the \
                 column in as_text to publish it as a string"
            ));
        }
    }
    push(out, raw)
}

fn unpublishable(text: &str, error: number::NumberError) -> String {
    format!("{text} {error}; name the column in as_text to publish it as a string")
}

// PostgreSQL's array literal: `{a,"b c",NULL}`, nested for several dimensions.
// Source: <https://www.postgresql.org/docs/current/arrays.html>, "Array Input".
fn convert_array(element: &Kind, raw: &str, context: Context<'_>, out: &mut String) -> Converted {
    const MAX_DIMENSIONS: usize = 6;
    if !raw[1..raw.len() - 1].trim().is_empty() {
        let Some(lengths) = dimensions(element, &Value::Array(raw)) else {
            return Err("nested arrays must have elements, and as many as one another".to_owned());
        };
        if lengths.len() > MAX_DIMENSIONS {
            return Err(format!(
                "an array nests at most {MAX_DIMENSIONS} deep, and this one {}",
                lengths.len()
            ));
        }
    }
    write_array(element, raw, context, out)
}

// How many elements there are at each depth; `None` where that differs, or is none.
fn dimensions(element: &Kind, value: &Value<'_>) -> Option<Vec<usize>> {
    // An array within a jsonb[] is one jsonb.
    let Value::Array(raw) = value else {
        return Some(Vec::new());
    };
    let is_leaf = |value: &Value<'_>| {
        !matches!(value, Value::Array(_)) || matches!(element, Kind::Json | Kind::Jsonb)
    };
    let (mut leaves, mut nested) = (0, Vec::new());
    let read = Parser::new(raw).array(|_, value| match is_leaf(&value) {
        true => leaves += 1,
        false => nested.push(dimensions(element, &value)),
    });
    read.ok()?;
    match (leaves, nested.first()) {
        (0, None) => None,
        (count, None) => Some(vec![count]),
        (0, Some(first)) if nested.iter().all(|other| other == first) => {
            let mut lengths = vec![nested.len()];
            lengths.extend(first.as_ref()?);
            Some(lengths)
        }
        _ => None,
    }
}

fn write_array(element: &Kind, raw: &str, context: Context<'_>, out: &mut String) -> Converted {
    let mut elements = Vec::new();
    let mut parser = Parser::new(raw);
    let read = parser.array(|offset, value| elements.push((offset, value)));
    read.map_err(|error| error.to_string())?;
    out.push('{');
    let mut text = String::new();
    for (index, (offset, value)) in elements.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let context = Context {
            as_text: context.as_text,
            canonical: &mut *context.canonical,
        };
        let written = match value {
            Value::Null => push(out, "NULL"),
            Value::Array(raw) if !matches!(element, Kind::Json | Kind::Jsonb) => {
                write_array(element, raw, context, out)
            }
            _ => {
                text.clear();
                let end = elements
                    .get(index + 1)
                    .map_or(raw.len() - 1, |(next, _)| *next);
                let raw = raw[*offset..end].trim_end_matches([',', ' ', '\n', '\r', '\t']);
                convert(element, value, raw, context, &mut text).map(|()| push_quoted(&text, out))
            }
        };
        written.map_err(|message| format!("element {}: {message}", index + 1))?;
    }
    out.push('}');
    Ok(())
}

fn push_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

fn push(out: &mut String, text: &str) -> Converted {
    out.push_str(text);
    Ok(())
}

fn copy_escaped(text: &str, out: &mut Vec<u8>) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        out.extend_from_slice(escape);
        plain = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

fn describe(value: &Value<'_>) -> String {
    match value {
        Value::Number(text) => format!("the number {text}"),
        Value::String(text) if text.chars().count() <= 40 => format!("the string {text:?}"),
        Value::Bool(value) => value.to_string(),
        other => other.kind().to_owned(),
    }
}

fn string_form(kind: &Kind) -> &'static str {
    match kind {
        Kind::Uuid => "a UUID such as \"0190163d-8694-739b-aea5-966c26f8ad91\"",
        Kind::Date => "a date such as \"2026-02-24\"",
        Kind::Time => "a time such as \"13:12:04\"",
        Kind::Timestamp => "a time in UTC such as \"2026-02-24T13:12:04Z\", to the microsecond",
        Kind::TimestampTz => {
            "a time with zone such as \"2026-02-24T13:12:04Z\", to the microsecond"
        }
        Kind::Bytea => "bytes in base64",
        _ => "a string",
    }
}

fn is_zero_in_last(places: usize, plain: &str) -> bool {
    // By exponent only what is out of range anyway.
    plain == "0" || plain.contains('e') || plain.ends_with(&"0".repeat(places))
}

// A decimal without a second spelling: whole numbers as they are, others by exponent.
fn number_key(text: &str) -> String {
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

fn is_number(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Float4 | Kind::Float8 | Kind::Numeric(_)
    )
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

fn unknown_column(name: &str, table: &Table) -> String {
    match closest(name, table.columns.iter().map(|c| c.name.as_str())) {
        Some(known) => format!("table {} has no such column; it has {known:?}", table.name),
        None => format!("table {} has no such column", table.name),
    }
}
