//! A row in normal form: its keys, and every rule without which it would be another.

use std::borrow::Cow;
use std::collections::BTreeMap;

use snapshot_format::{
    IS_ACTIVE, SOURCE_TYPE,
    json::{Parser, Value},
};

use super::contract::{ComparedColumn, Contract, Normal, Notes, Spelling, UsedRule};
use super::rule::Rule;
use super::value::{
    number_in, plain, sorted_elements, write_json_string, write_text_form, write_value,
};
use crate::parity::decimal;

impl Contract {
    /// Writes a row in normal form. `key` is that of a map's entry, with its quotes (N24).
    ///
    /// # Errors
    /// Where the text is no row: what is wrong, and at which of its bytes.
    pub fn row(
        &self,
        spelling: Spelling,
        key: Option<&str>,
        text: &str,
        notes: &mut Notes,
    ) -> Result<Normal, (usize, String)> {
        let mut writer = Writer::new(self, spelling, notes);
        writer.read(key, text)?;
        Ok(writer.finish())
    }
}

/// One row on its way.
struct Writer<'c, 'n> {
    contract: &'c Contract,
    spelling: Spelling,
    notes: &'n mut Notes,
    // The normal form of each column that the row names.
    values: Vec<Option<String>>,
    // Columns that a map's key has filled, and that the entry has not named since.
    from_key: Vec<usize>,
    // Keys that are no column's.
    unknown: BTreeMap<String, String>,
    faults: Vec<String>,
    admin: bool,
}

impl<'c, 'n> Writer<'c, 'n> {
    fn new(contract: &'c Contract, spelling: Spelling, notes: &'n mut Notes) -> Self {
        notes.rows += 1;
        notes.named.resize(contract.columns.len(), 0);
        Self {
            contract,
            spelling,
            notes,
            values: vec![None; contract.columns.len()],
            from_key: Vec::new(),
            unknown: BTreeMap::new(),
            faults: Vec::new(),
            admin: false,
        }
    }

    fn read(&mut self, key: Option<&str>, text: &str) -> Result<(), (usize, String)> {
        let place =
            |error: snapshot_format::json::SyntaxError| (error.offset, error.message.into_owned());
        let mut parser = Parser::new(text);
        let mut members = Vec::new();
        let scalar = match text.as_bytes().first() {
            Some(b'{') => {
                parser
                    .object(|member| members.push((member.key, member.value)))
                    .map_err(place)?;
                None
            }
            _ => Some(parser.value().map_err(place)?),
        };
        parser.end().map_err(place)?;
        if let Some(key) = key {
            self.entry(key, scalar)?;
        } else if let Some(value) = scalar {
            return Err((
                0,
                format!("expected an object with columns, found {}", value.kind()),
            ));
        }
        for (key, value) in members {
            self.member(key, &value);
        }
        let faults = parser.into_faults();
        self.faults
            .extend(faults.into_iter().map(|fault| fault.kind.to_string()));
        Ok(())
    }

    // N24: an entry's key names the row, and what it is has the columns, or is one.
    fn entry(&mut self, key: &str, scalar: Option<Value<'_>>) -> Result<(), (usize, String)> {
        let contract = self.contract;
        let key = Parser::new(key).value();
        let key = key.map_err(|error| (error.offset, error.message.into_owned()))?;
        let columns: Vec<usize> = match &contract.map_key {
            Some(names) => names
                .iter()
                .filter_map(|name| contract.column(name))
                .collect(),
            None => contract.primary_key.clone(),
        };
        for column in columns {
            // A map's keys are strings, whatever the column is.
            let number = match (&key, &contract.columns[column].rule) {
                (Value::String(text), Rule::Number | Rule::Real) => number_in(text),
                _ => None,
            };
            self.set(column, number.as_ref().unwrap_or(&key));
            self.from_key.push(column);
        }
        match (scalar, contract.column(&contract.map_value)) {
            (None, _) => {}
            (Some(value), Some(column)) => self.set(column, &value),
            (Some(value), None) => {
                self.unknown
                    .insert(contract.map_value.clone(), plain(&value));
            }
        }
        Ok(())
    }

    // N20: notes and what the settings pass over are counted; any other key that is no
    // column's stays, to be found.
    fn member(&mut self, key: Cow<'_, str>, value: &Value<'_>) {
        let from_source = self.spelling == Spelling::Source;
        if self.spelling == Spelling::Database && key == SOURCE_TYPE {
            self.admin = matches!(value, Value::String(owner) if owner == "admin");
            return;
        }
        if from_source && self.contract.ignored.contains(key.as_ref()) {
            return self.notes.pass_over(&key);
        }
        let Some(column) = self.contract.column(&key) else {
            if from_source && self.contract.is_note(&key) {
                return self.notes.pass_over(&key);
            }
            self.unknown.insert(key.into_owned(), plain(value));
            return;
        };
        let from_key = self.from_key.iter().position(|other| *other == column);
        let before = from_key.map(|at| {
            self.from_key.swap_remove(at);
            self.values[column].take()
        });
        self.set(column, value);
        if before.is_some_and(|before| before != self.values[column]) {
            self.faults
                .push(format!("{key:?} is not what the entry's key says"));
        }
    }

    // Sets a column; of a key that is there twice, the last one stands, as in jsonb.
    fn set(&mut self, index: usize, value: &Value<'_>) {
        let column = &self.contract.columns[index];
        if self.values[index].is_none() {
            self.notes.named[index] += 1;
        }
        let trimmed = match value {
            // N5
            Value::String(text) if column.trim && text.trim() != text => {
                self.use_rule(index, UsedRule::Trimmed);
                Some(Value::String(Cow::Owned(text.trim().to_owned())))
            }
            _ => None,
        };
        let value = trimmed.as_ref().unwrap_or(value);
        let mut out = String::new();
        match value {
            // N9
            Value::String(text) if text.is_empty() && column.empty_is_null => {
                self.use_rule(index, UsedRule::EmptyIsNull);
                out.push_str("null");
            }
            // N10: the words are those of the files.
            Value::String(text)
                if self.spelling == Spelling::Source
                    && column.null_words.contains(text.as_ref()) =>
            {
                self.use_rule(index, UsedRule::NullWord);
                out.push_str("null");
            }
            value => self.write(column, value, &mut out),
        }
        // N16
        if column.set
            && let Some(sorted) = sorted_elements(&out)
            && sorted != out
        {
            self.use_rule(index, UsedRule::Sorted);
            out = sorted;
        }
        self.values[index] = Some(out);
    }

    fn write(&self, column: &ComparedColumn, value: &Value<'_>, out: &mut String) {
        match (self.spelling, value) {
            (Spelling::Published, Value::String(text)) if column.as_text => {
                write_text_form(&column.rule, text, out);
            }
            (Spelling::Source, Value::String(text)) if column.as_text => {
                // N18: digits beyond a double's stand in quotes in the file, too.
                match (&column.rule, number_in(text)) {
                    (Rule::Number, Some(number)) => write_value(&column.rule, &number, out),
                    _ => write_value(&column.rule, value, out),
                }
            }
            (Spelling::Source, Value::Number(text))
                if column.as_text && column.rule == Rule::Exact =>
            {
                write_json_string(text, out);
            }
            _ => write_value(&column.rule, value, out),
        }
    }

    fn use_rule(&mut self, column: usize, rule: UsedRule) {
        let name = self.contract.columns[column].name.clone();
        *self.notes.used.entry((name, rule)).or_default() += 1;
    }

    fn finish(self) -> Normal {
        let contract = self.contract;
        let key = sortable_key(contract, &self.values);
        let value = |name: &str| {
            contract
                .column(name)
                .and_then(|at| self.values[at].as_deref())
        };
        let inactive = value(IS_ACTIVE) == Some("false");
        let named = contract.columns.iter().zip(&self.values);
        let named =
            named.filter_map(|(column, value)| Some((column.name.as_str(), value.as_deref()?)));
        let unknown = self
            .unknown
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let mut members: Vec<(&str, &str)> = named.chain(unknown).collect();
        if !self.unknown.is_empty() {
            members.sort_unstable();
        }
        let mut row = String::from("{");
        for (key, value) in members {
            if row.len() > 1 {
                row.push(',');
            }
            write_json_string(key, &mut row);
            row.push(':');
            row.push_str(value);
        }
        row.push('}');
        Normal {
            key,
            row,
            inactive,
            admin: self.admin,
            faults: self.faults,
        }
    }
}

// N1: numbers by value, everything else by its bytes; the part before a shorter key comes
// first. No value in normal form holds a control character.
fn sortable_key(contract: &Contract, values: &[Option<String>]) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    for &index in &contract.primary_key {
        let value = values[index].as_deref().filter(|value| *value != "null")?;
        match value.as_bytes() {
            [b'"', inner @ .., b'"'] => {
                key.push(b's');
                key.extend_from_slice(inner);
            }
            [b'-' | b'0'..=b'9', ..] => {
                key.push(b'n');
                key.extend_from_slice(decimal::sortable(value).as_bytes());
            }
            other => key.extend_from_slice(other),
        }
        key.push(1);
    }
    (!key.is_empty()).then_some(key)
}
