//! What is known of a table's file once it has been read.

use snapshot_format::TableKey;

use super::files::SourceFile;
use super::problem::{Place, shortened};

/// A table's file, read once.
#[derive(Debug, Clone)]
pub(crate) struct SourceTable {
    /// The table's key.
    pub key: TableKey,
    /// Its file.
    pub file: SourceFile,
    /// The file's BLAKE3 hash.
    pub hash: blake3::Hash,
    /// Number of rows.
    pub rows: u64,
    /// Number of bytes.
    pub size: u64,
    /// The columns that the file decides, as indexes into the table's columns: those that
    /// a row names, and those that are null where no row does.
    pub columns: Vec<usize>,
    /// Columns of `columns` that take their default in the rows that do not name them.
    pub defaulted: Vec<usize>,
    /// Columns of `columns` that no row names: they are null, unless a trigger fills them.
    pub unnamed: Vec<usize>,
}

/// A reference to a row that no file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dangling {
    /// Where the reference stands.
    pub place: Place,
    /// The table that it points at.
    pub target: TableKey,
    /// The columns there.
    pub target_columns: Vec<String>,
    /// The values, as text, one for each of `target_columns`.
    pub values: Vec<String>,
    /// How many rows behind it refer to the same, and are only counted.
    pub also: usize,
}

impl Dangling {
    /// The problem that it is, where the database has no such row either.
    pub(crate) fn message(&self) -> String {
        let values: Vec<String> = self
            .values
            .iter()
            .map(|value| format!("{:?}", shortened(value)))
            .collect();
        match values.as_slice() {
            [one] => format!("no row {one} in {}", self.target),
            many => format!("no row ({}) in {}", many.join(", "), self.target),
        }
    }
}
