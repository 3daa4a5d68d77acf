//! The normalization contract, clause by clause: what makes two rows the same data.
//!
//! Pure. Each side, whatever it is, gives a row as JSON; [`Contract::row`] writes it in the
//! one way in which equal data is equal text, and notes every rule without which it would
//! not have been. The clauses are those of `docs/normalization.md`:
//!
//! | clause | kept in |
//! | --- | --- |
//! | N1 rows are matched by their primary key | [`Contract::row`], `merge` |
//! | N2 published rows stand in their declared order | `sides::snapshot` |
//! | N3 a key is there once on each side | `merge` |
//! | N4 a string is what it is, to the code point | `write_value` |
//! | N5 strings are trimmed where the settings say so | `Writer::set` |
//! | N6 the spaces that fill up a `char(n)` say nothing | `write_string` |
//! | N7 a missing column is null | [`Contract::fills`] |
//! | N8 unless the database has a default for it | [`Contract::fills`] |
//! | N9 the empty string is not null, unless the settings say so | `Writer::set` |
//! | N10 words that stand for null | `Writer::set` |
//! | N11 `true` and `false` are no numbers and no strings | `write_value` |
//! | N12 numbers are equal by value, exactly | `decimal::write` |
//! | N13 a `real` has two spellings | `write_real` |
//! | N14 moments, uuids and bytes are equal by value | `write_string` |
//! | N15 arrays keep their order | `write_array`, `values` |
//! | N16 unless the settings say that it is a set | `Writer::set` |
//! | N17 objects are compared by key | `write_plain`, `values` |
//! | N18 what is published as text is read back | `write_text_form` |
//! | N19 types without a rule are compared as text | [`Rule::Exact`] |
//! | N20 keys that are no data are listed | `Writer::member` |
//! | N21 columns of the database alone are listed | [`Contract::fills`] |
//! | N22 inactive rows are not published | `merge` |
//! | N23 rows of administrators stand apart | `merge` |
//! | N24 a map's entries are rows | `Writer::entry` |
//! | N25 a table is there on both sides | `compare` |

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::civil;
use snapshot_format::canonical;
use snapshot_format::json::{Parser, Value};
use snapshot_format::number::{MAX_SAFE_INTEGER, equal_decimals, write_f32};

use super::decimal;
use crate::config::{Config, TableConfig};
use crate::schema::{Column, IS_ACTIVE, Kind, SOURCE_TYPE, Table};

/// What two values of a column must share to be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Booleans (N11).
    Boolean,
    /// Numbers by their exact value (N12).
    Number,
    /// Numbers of single precision (N13).
    Real,
    /// Text, to the code point (N4).
    Text,
    /// `character(n)` (N6).
    Character,
    /// `uuid` (N14).
    Uuid,
    /// `date` (N14).
    Date,
    /// `time` (N14).
    Time,
    /// `timestamp`, taken to be UTC (N14).
    Timestamp,
    /// `timestamp with time zone` (N14).
    TimestampTz,
    /// `bytea` (N14).
    Bytea,
    /// `json`, `jsonb` (N17).
    Json,
    /// An array of one of these (N15).
    Array(Box<Self>),
    /// Any other type (N19).
    Exact,
}

impl Rule {
    /// The rule for a column of the catalog.
    pub fn of_column(column: &Column) -> Self {
        Self::of_kind(&column.kind, &column.sql_type)
    }

    fn of_kind(kind: &Kind, sql_type: &str) -> Self {
        match kind {
            Kind::Bool => Self::Boolean,
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Float8 | Kind::Numeric(_) => Self::Number,
            Kind::Float4 => Self::Real,
            Kind::Text(_) if sql_type.starts_with("character(") => Self::Character,
            Kind::Text(_) | Kind::Enum(_) => Self::Text,
            Kind::Uuid => Self::Uuid,
            Kind::Date => Self::Date,
            Kind::Time => Self::Time,
            Kind::Timestamp => Self::Timestamp,
            Kind::TimestampTz => Self::TimestampTz,
            Kind::Bytea => Self::Bytea,
            Kind::Json | Kind::Jsonb => Self::Json,
            Kind::Array(element) => Self::Array(Box::new(Self::of_kind(element, sql_type))),
            Kind::Other => Self::Exact,
        }
    }

    /// The rule for a type as the manifest has it, without the `?` of what may be null.
    pub fn of_type(sql_type: &str) -> Self {
        if let Some(element) = sql_type.strip_suffix("[]") {
            return Self::Array(Box::new(Self::of_type(element)));
        }
        // `timestamp(3) with time zone` without the `(3)`.
        let plain = match (sql_type.find('('), sql_type.find(')')) {
            (Some(from), Some(to)) if from < to => {
                [&sql_type[..from], &sql_type[to + 1..]].concat()
            }
            _ => sql_type.to_owned(),
        };
        match plain.as_str() {
            "boolean" => Self::Boolean,
            "smallint" | "integer" | "bigint" | "numeric" | "double precision" => Self::Number,
            "real" => Self::Real,
            "text" | "character varying" | "name" | "citext" => Self::Text,
            "character" => Self::Character,
            "uuid" => Self::Uuid,
            "date" => Self::Date,
            "time without time zone" => Self::Time,
            "timestamp without time zone" => Self::Timestamp,
            "timestamp with time zone" => Self::TimestampTz,
            "bytea" => Self::Bytea,
            "json" | "jsonb" => Self::Json,
            _ => Self::Exact,
        }
    }
}

/// What a row has where it does not name a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// Null (N7).
    Null,
    /// What the database gives, in normal form (N8).
    Default(String),
    /// What only the database knows: it is listed, and nobody can judge it (N8, N21).
    Open,
}

/// One column of a table, with all that decides how its values are compared.
#[derive(Debug, Clone)]
pub struct ComparedColumn {
    /// Its name.
    pub name: String,
    /// What makes two values the same.
    pub rule: Rule,
    /// Whether it is published as a string, whatever its type (N18).
    pub as_text: bool,
    /// What a source row has that does not name it, where others do.
    pub missing: Fill,
    /// Whether the database keeps what it has where no source row names it (N21).
    pub kept_if_unnamed: bool,
    /// The type, as the catalog or the manifest has it, for people.
    pub sql_type: String,
    trim: bool,
    empty_is_null: bool,
    set: bool,
    null_words: BTreeSet<String>,
}

/// Which side a row comes from, as far as its spelling depends on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As people write it.
    Source,
    /// As PostgreSQL's `row_to_json` writes it.
    Database,
    /// As a table object has it.
    Published,
}

/// A rule without which a value would not have been what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UsedRule {
    /// N5
    Trimmed,
    /// N9
    EmptyIsNull,
    /// N10
    NullWord,
    /// N16
    Sorted,
}

impl UsedRule {
    /// The clause of `docs/normalization.md`.
    pub fn clause(self) -> &'static str {
        match self {
            Self::Trimmed => "N5",
            Self::EmptyIsNull => "N9",
            Self::NullWord => "N10",
            Self::Sorted => "N16",
        }
    }

    /// What it did, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::EmptyIsNull => "empty, taken for null",
            Self::NullWord => "a word that stands for null",
            Self::Sorted => "a set in another order",
        }
    }
}

/// What normalizing some rows has needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// How many rows there were.
    pub rows: u64,
    /// How many rows name each column, by its index.
    pub named: Vec<u64>,
    /// How many values each rule has changed, by column.
    pub used: BTreeMap<(String, UsedRule), u64>,
    /// Keys of editors, and those that the settings pass over, with how many rows have
    /// them (N20).
    pub passed_over: BTreeMap<String, u64>,
}

impl Notes {
    /// Counts a key that is no data.
    pub(super) fn pass_over(&mut self, key: &str) {
        *self.passed_over.entry(key.to_owned()).or_default() += 1;
    }
}

/// A row in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normal {
    /// A text that stands among others as the row's primary key among the keys; `None`
    /// where the row has none.
    pub key: Option<Vec<u8>>,
    /// The row: its keys in order, each value in its one spelling.
    pub row: String,
    /// Whether it was deactivated.
    pub inactive: bool,
    /// Whether it belongs to an administrator.
    pub admin: bool,
    /// What is wrong with the row, though it can be read.
    pub faults: Vec<String>,
}

/// What is compared of one table, and how.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The published columns, in order of name.
    pub columns: Vec<ComparedColumn>,
    /// Indexes into `columns`, in the order of the key.
    pub primary_key: Vec<usize>,
    note_prefix: Option<String>,
    ignored: BTreeSet<String>,
    map_key: Option<Vec<String>>,
    map_value: String,
}

impl Contract {
    /// For a table of the catalog; `defaults` are its constant ones, as JSON, by column.
    pub fn of_table(table: &Table, config: &Config, defaults: &BTreeMap<String, String>) -> Self {
        let settings = config.table(table);
        let columns: Vec<ComparedColumn> = table
            .published()
            .map(|column| ComparedColumn::of_catalog(column, &settings, defaults))
            .collect();
        Self::of(columns, &table.primary_key_names(), config, &settings)
    }

    /// For a table of which only the manifest is known: nothing tells what the database
    /// would have given.
    pub fn of_published(
        table: &str,
        types: &BTreeMap<String, String>,
        primary_key: &[String],
        config: &Config,
    ) -> Self {
        let settings = config.tables.get(table).cloned().unwrap_or_default();
        let columns: Vec<ComparedColumn> = types
            .iter()
            .map(|(name, sql_type)| ComparedColumn::of_manifest(name, sql_type, &settings))
            .collect();
        Self::of(columns, primary_key, config, &settings)
    }

    fn of(
        columns: Vec<ComparedColumn>,
        primary_key: &[String],
        config: &Config,
        settings: &TableConfig,
    ) -> Self {
        let index = |name: &String| columns.iter().position(|column| column.name == *name);
        Self {
            primary_key: primary_key.iter().filter_map(index).collect(),
            columns,
            note_prefix: config.note_prefix.clone(),
            ignored: settings.ignore_columns.clone(),
            map_key: settings.map_key.clone(),
            map_value: settings
                .map_value
                .clone()
                .unwrap_or_else(|| "value".to_owned()),
        }
    }

    /// The index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        let found = self
            .columns
            .binary_search_by(|column| column.name.as_str().cmp(name));
        found.ok()
    }

    /// Whether a key of the file's, in its quotes or without, is an editor's note (N20).
    pub(super) fn is_note(&self, key: &str) -> bool {
        let prefix = self.note_prefix.as_deref();
        prefix.is_some_and(|prefix| key.starts_with(prefix))
    }

    /// Names of the columns whose types have no rule (N19).
    pub fn compared_as_text(&self) -> Vec<String> {
        let exact = self
            .columns
            .iter()
            .filter(|column| column.rule == Rule::Exact);
        exact.map(|column| column.name.clone()).collect()
    }

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

    /// What stands for each column in rows of the source that do not name it, by how
    /// often it is named (N7, N8, N21).
    pub fn fills(&self, notes: &Notes) -> Vec<Fill> {
        let named = |index: usize| notes.named.get(index).is_some_and(|count| *count > 0);
        let columns = self.columns.iter().enumerate();
        columns
            .map(
                |(index, column)| match column.kept_if_unnamed && !named(index) {
                    true => Fill::Open,
                    false => column.missing.clone(),
                },
            )
            .collect()
    }
}

impl ComparedColumn {
    fn of_catalog(
        column: &Column,
        settings: &TableConfig,
        defaults: &BTreeMap<String, String>,
    ) -> Self {
        let rule = Rule::of_column(column);
        let constant = || {
            defaults
                .get(&column.name)
                .map(|json| normal_form(&rule, json))
        };
        let missing = match (&column.default, column.name == IS_ACTIVE) {
            _ if column.generated => Fill::Open,
            // PostgreSQL's spelling of an array, which no file has.
            _ if column.as_text && matches!(rule, Rule::Array(_)) => Fill::Open,
            (None, true) => Fill::Default("true".to_owned()),
            (Some(_), true) => constant().map_or(Fill::Open, Fill::Default),
            (Some(_), false) if !column.nullable => constant().map_or(Fill::Open, Fill::Default),
            _ => Fill::Null,
        };
        Self {
            as_text: column.as_text,
            missing,
            kept_if_unnamed: column.default.is_some() && column.name != IS_ACTIVE,
            ..Self::of_rule(&column.name, rule, &column.published_type(), settings)
        }
    }

    fn of_manifest(name: &str, sql_type: &str, settings: &TableConfig) -> Self {
        let (plain, missing) = match sql_type.strip_suffix('?') {
            Some(plain) => (plain, Fill::Null),
            None => (sql_type, Fill::Open),
        };
        let is_active = name == IS_ACTIVE;
        Self {
            missing: match is_active {
                true => Fill::Default("true".to_owned()),
                false => missing,
            },
            kept_if_unnamed: !is_active,
            ..Self::of_rule(name, Rule::of_type(plain), sql_type, settings)
        }
    }

    fn of_rule(name: &str, rule: Rule, sql_type: &str, settings: &TableConfig) -> Self {
        let own = settings.parity.get(name).copied().unwrap_or_default();
        Self {
            name: name.to_owned(),
            rule,
            as_text: false,
            missing: Fill::Null,
            kept_if_unnamed: false,
            sql_type: sql_type.to_owned(),
            trim: own.trim,
            empty_is_null: own.empty_is_null,
            set: own.set,
            null_words: settings.null_values.get(name).cloned().unwrap_or_default(),
        }
    }

    /// Whether its values come as PostgreSQL spells them, because nothing else could be
    /// told from what is published.
    pub fn is_spelled_by_database(&self) -> bool {
        self.as_text && matches!(self.rule, Rule::Array(_) | Rule::Exact)
    }
}

// The normal form of a value, as the database gives it.
fn normal_form(rule: &Rule, json: &str) -> String {
    let mut out = String::new();
    match Parser::new(json).value() {
        Ok(value) => write_value(rule, &value, &mut out),
        Err(_) => write_json_string(json, &mut out),
    }
    out
}

// One row on its way.
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

// The number that a text is, and nothing beside it.
fn number_in(text: &str) -> Option<Value<'_>> {
    let value = Parser::new(text).value().ok()?;
    matches!(value, Value::Number(number) if number.len() == text.len()).then_some(value)
}

// N4, N11, N12: what has no rule of its own is what it is, under whichever type.
fn write_value(rule: &Rule, value: &Value<'_>, out: &mut String) {
    match (rule, value) {
        (Rule::Real, Value::Number(text)) => write_real(text, out),
        (Rule::Array(element), Value::Array(text)) => write_array(element, text, out),
        (_, Value::String(text)) => write_string(rule, text, out),
        _ => write_plain(value, out),
    }
}

// N18: a string that holds what PostgreSQL prints for the value.
fn write_text_form(rule: &Rule, text: &str, out: &mut String) {
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
        Rule::Bytea => bytes(text),
        _ => None,
    };
    write_json_string(by_value.as_deref().unwrap_or(text), out);
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn date(text: &str) -> Option<String> {
    let date: civil::Date = text.parse().ok()?;
    (text.len() == 10 && date.year() > 0).then(|| date.to_string())
}

// The end of the day is a time to PostgreSQL, and no leap second is.
fn time(text: &str) -> Option<String> {
    if text == "24:00:00" || has_leap_second(text) {
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
pub(super) fn plain(value: &Value<'_>) -> String {
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

// N16: the elements in order of their bytes; as many as there were.
fn sorted_elements(normal: &str) -> Option<String> {
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

// N4, and in it N17's keys.
fn write_json_string(text: &str, out: &mut String) {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    canonical::write_string(text, &mut bytes);
    out.push_str(&String::from_utf8_lossy(&bytes));
}
