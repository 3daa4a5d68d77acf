//! The normalization contract, clause by clause: what makes two rows the same data.
//!
//! Pure. Each side, whatever it is, gives a row as JSON; [`Contract::row`] writes it in the
//! one way in which equal data is equal text, and notes every rule without which it would
//! not have been. The clauses are those of `docs/normalization.md`:
//!
//! | clause | kept in |
//! | --- | --- |
//! | N1 rows are matched by their primary key | `row`, `compare` |
//! | N2 published rows stand in their declared order | `sides::snapshot` |
//! | N3 a key is there once on each side | `compare` |
//! | N4 a string is what it is, to the code point | `value` |
//! | N5 strings are trimmed where the settings say so | `row` |
//! | N6 the spaces that fill up a `char(n)` say nothing | `value` |
//! | N7 a missing column is null | [`Contract::fills`] |
//! | N8 unless the database has a default for it | [`Contract::fills`] |
//! | N9 the empty string is not null, unless the settings say so | `row` |
//! | N10 words that stand for null | `row` |
//! | N11 `true` and `false` are no numbers and no strings | `value` |
//! | N12 numbers are equal by value, exactly | `decimal::write` |
//! | N13 a `real` has two spellings | `value` |
//! | N14 moments, intervals, addresses, uuids and bytes are equal by value | `value` |
//! | N15 arrays keep their order | `value`, `values` |
//! | N16 unless the settings say that it is a set | `row` |
//! | N17 objects are compared by key | `value`, `values` |
//! | N18 what is published as text is read back | `value` |
//! | N19 types without a rule are compared as text | [`Rule::Exact`] |
//! | N20 keys that are no data are listed | `row` |
//! | N21 columns of the database alone are listed | [`Contract::fills`] |
//! | N22 inactive rows are not published | `compare` |
//! | N23 rows of administrators stand apart | `compare` |
//! | N24 a map's entries are rows | `row` |
//! | N25 a table is there on both sides | `compare` |

mod row;
mod rule;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use snapshot_format::ColumnType;
use snapshot_format::json::Parser;

use self::row::Writer;
use self::value::{write_json_string, write_value};
use crate::config::{Config, TableConfig};
use crate::schema::{Column, Fills, IS_ACTIVE, Table};

pub use self::rule::Rule;
pub(super) use self::value::plain;

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
    /// Whether the database keeps what it has, or its trigger fills it, where no source row
    /// names it (N21).
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
    /// For a table of the catalog.
    pub fn of_table(table: &Table, config: &Config, fills: &Fills) -> Self {
        let settings = config.table(table);
        let columns: Vec<ComparedColumn> = table
            .published()
            .map(|column| ComparedColumn::of_catalog(column, &settings, fills))
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
            .map(|(index, column)| {
                if column.kept_if_unnamed && !named(index) {
                    Fill::Open
                } else {
                    column.missing.clone()
                }
            })
            .collect()
    }
}

impl ComparedColumn {
    fn of_catalog(column: &Column, settings: &TableConfig, fills: &Fills) -> Self {
        let rule = Rule::of(&column.kind);
        let constant = || {
            fills
                .defaults
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
        // Part of the key it is not, since that is never null.
        let may_trigger = fills.by_trigger && column.nullable;
        Self {
            as_text: column.as_text,
            missing,
            kept_if_unnamed: (column.default.is_some() || may_trigger) && column.name != IS_ACTIVE,
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
            missing: if is_active {
                Fill::Default("true".to_owned())
            } else {
                missing
            },
            kept_if_unnamed: !is_active,
            ..Self::of_rule(
                name,
                Rule::of(&ColumnType::parse(plain)),
                sql_type,
                settings,
            )
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
