//! One row of a file as the values of a table's columns, each as PostgreSQL's text.
//!
//! Every value is checked against its column here, so that the database never has to
//! guess: it would take `"12"` for a number, round `2.675`, or keep half of an object
//! with the same key twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use snapshot_format::{
    ColumnType, Interval, SOURCE_TYPE,
    json::{Parser, SyntaxError, Value},
};

use super::convert::{Context, convert, number_key};
use super::positions::Positions;
use super::problem::{Place, Problem};
use super::problems::{Problems, Subject};
use super::raw_row::RawRow;
use crate::config::{Config, TableConfig};
use crate::schema::{Column, Table};
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
    suggestions: Suggestions<'t>,
    canonical: Vec<u8>,
}

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
            suggestions: Suggestions::default(),
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

    /// Where a column's value stands, for `RawRow::position_of`.
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
            ColumnType::Real | ColumnType::Double | ColumnType::Numeric(_) => {
                number_key(value).into()
            }
            // The spaces that fill up a char(n) say nothing.
            ColumnType::Character(_) => value.trim_end_matches(' ').into(),
            // Of a domain over it, the database tells.
            ColumnType::Citext if ColumnType::parse(sql_type) == *kind => {
                value.to_lowercase().into()
            }
            ColumnType::Interval => match Interval::parse(value) {
                Some(interval) => interval.span().to_string().into(),
                None => value.into(),
            },
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
                if self.table.columns[index].is_quoted() {
                    return Some(format!("{value:?}"));
                }
                Some(value.to_owned())
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
        let mut scalar = None;
        if let Some(key) = row.key {
            self.decode_map_key(key);
        }
        let read = match (row.key, text.as_bytes().first()) {
            (_, Some(b'{')) => parser.object(|member| {
                self.decode_member(&member.key, base + member.offset, &member.value, member.raw);
            }),
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
        if let Some(value) = scalar {
            self.decode_map_value(base, &value, text);
        }
        if let Err(SyntaxError { offset, message }) = read.and_then(|()| parser.end()) {
            // A row is only handed out without its end where the file has no more.
            let cut_off = offset == text.len() && text.starts_with(['{', '[', '"']);
            let message = if cut_off {
                "the file ends within this row; it may be cut off, or a bracket or quote \
                 is missing"
                    .into()
            } else {
                message
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
            Value::String(text) if self.table.columns[column].kind.is_number() => Parser::new(text)
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
            None => self.note(
                offset,
                Some(name),
                format!("table {} has no such column", self.table.name),
            ),
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

    // Nothing is made for a problem that is only counted.
    fn report(&mut self, file: &str, row: &RawRow<'_>, problems: &mut Problems) -> bool {
        if self.found.is_empty() {
            return true;
        }
        let mut found = std::mem::take(&mut self.found);
        // So that the row is gone through once for all their places.
        found.sort_by_key(|found| found.offset);
        let mut positions = Positions::of(*row);
        for found in &found {
            let subject = Subject {
                file,
                row: Some(row.number),
                column: found.column.as_deref(),
                message: &found.message,
            };
            problems.add(subject, || Problem {
                place: Some(Place {
                    file: file.to_owned(),
                    position: Some(positions.at(found.offset)),
                    row: Some(row.number),
                    row_key: self.key_text(),
                    column: found.column.clone(),
                    alike: None,
                }),
                message: self.with_suggestion(found),
            });
        }
        found.clear();
        self.found = found;
        false
    }

    fn with_suggestion(
        &mut self,
        Found {
            column, message, ..
        }: &Found,
    ) -> String {
        let Some(name) = column.as_deref().filter(|name| self.is_unknown(name)) else {
            return message.clone();
        };
        match self.suggestions.of(name, self.table) {
            Some(known) => format!("{message}; it has {known:?}"),
            None => message.clone(),
        }
    }

    fn is_unknown(&self, name: &str) -> bool {
        let is_known = self.columns.contains_key(name);
        !is_known && (name != SOURCE_TYPE || !self.table.has_source_type())
    }
}

// What may have been meant by names that no column has. Rows have them alike.
#[derive(Default)]
struct Suggestions<'t>(HashMap<String, Option<&'t str>>);

impl<'t> Suggestions<'t> {
    fn of(&mut self, name: &str, table: &'t Table) -> Option<&'t str> {
        const REMEMBERED: usize = 256;
        if let Some(known) = self.0.get(name) {
            return *known;
        }
        let known = closest(name, table.columns.iter().map(|c| c.name.as_str()));
        if self.0.len() < REMEMBERED {
            self.0.insert(name.to_owned(), known);
        }
        known
    }
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
