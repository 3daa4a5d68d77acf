//! What is compared of one table, and how, as values.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::Rule;

/// What a row has where it does not name a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// Null, as for any column that a file does not name (N7).
    Null,
    /// What the database gives, in normal form (N8).
    Default(String),
    /// What only the database knows: it is listed, and nobody can judge it (N8, N21).
    Open,
}

/// One column of a table, with all that decides how its values are compared.
#[derive(Debug, Clone)]
pub struct ComparedColumn {
    /// The name of the column, by which keys of a row are matched.
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
    /// Whether strings are trimmed on every side (N5).
    pub trim: bool,
    /// Whether the empty string is null on every side (N9).
    pub empty_is_null: bool,
    /// Whether its arrays are sets (N16).
    pub set: bool,
    /// The words that stand for null in a file (N10).
    pub null_words: BTreeSet<String>,
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
    /// Spaces around a string were taken away (N5).
    Trimmed,
    /// The empty string was taken for null (N9).
    EmptyIsNull,
    /// A word of the settings was taken for null (N10).
    NullWord,
    /// An array was taken for a set, and sorted (N16).
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
    pub fn pass_over(&mut self, key: &str) {
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
    /// The published columns, in order of name: they are found by it.
    pub columns: Vec<ComparedColumn>,
    /// Indexes into `columns`, in the order of the key.
    pub primary_key: Vec<usize>,
    /// What the keys of editors' notes begin with; `None` where there are no notes (N20).
    pub note_prefix: Option<String>,
    /// Keys of the file that are passed over (N20).
    pub ignored: BTreeSet<String>,
    /// Of a file that is a map: the columns that an entry's key fills; `None` for those of
    /// the primary key (N24).
    pub map_key: Option<Vec<String>>,
    /// Of a file that is a map: the column of an entry that is no object (N24).
    pub map_value: String,
}

impl Contract {
    /// The index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        let found = self
            .columns
            .binary_search_by(|column| column.name.as_str().cmp(name));
        found.ok()
    }

    /// Whether a key of the file's, in its quotes or without, is an editor's note (N20).
    pub fn is_note(&self, key: &str) -> bool {
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
    /// Whether its values come as PostgreSQL spells them, because nothing else could be
    /// told from what is published.
    pub fn is_spelled_by_database(&self) -> bool {
        self.as_text && matches!(self.rule, Rule::Array(_) | Rule::Exact)
    }
}
