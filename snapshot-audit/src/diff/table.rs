//! What became of one table, as it is shown.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use snapshot_format::{ColumnType, TableEntry, TableKey};

use super::columns::{ColumnChange, changed_columns, raw_value};
use super::join::{DiffError, RowChange, RowCounts, members};
use crate::published::{SortKey, compare};

/// A table that differs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableDiff {
    /// The key of the table, as apps see it.
    pub table: TableKey,
    /// What became of it.
    pub change: Change,
    /// What became of its columns.
    #[serde(skip_serializing_if = "ColumnsDiff::is_empty")]
    pub columns: ColumnsDiff,
    /// Where it has another primary key; then no row is taken for one of the other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<KeyChange>,
    /// How many rows became what.
    pub rows: RowCounts,
    /// The rows that differ, in order of their keys; at most so many as were asked for.
    pub changes: Vec<RowDiff>,
    /// How many more there are.
    pub more: u64,
}

/// What became of a table or a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Only the new version has it.
    Added,
    /// Only the old version has it.
    Removed,
    /// Both have it, and its object differs.
    Changed,
}

/// Columns that are not the same on both sides, by name, with their types.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnsDiff {
    /// Columns that only the new version has, with their types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub added: BTreeMap<String, String>,
    /// Those that are gone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub removed: BTreeMap<String, String>,
    /// Those of another type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub retyped: BTreeMap<String, Retyped>,
}

/// The types of one column on both sides, by the manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retyped {
    /// The type that it had.
    pub from: String,
    /// The type that it has.
    pub to: String,
}

/// A table's primary keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// The columns of the key that it had.
    pub from: Vec<String>,
    /// The columns of the key that it has.
    pub to: Vec<String>,
}

/// A row that differs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowDiff {
    /// What became of it.
    pub change: Change,
    /// The row's primary key: its columns and their values as JSON.
    pub key: BTreeMap<String, Box<RawValue>>,
    /// The columns that differ, of a row that is there on both sides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnChange>,
    /// The whole row, where it is there on one side alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<Box<RawValue>>,
}

impl ColumnsDiff {
    /// Compares two states of a table.
    pub fn of(from: &TableEntry, to: &TableEntry) -> Self {
        let lacking = |a: &TableEntry, b: &TableEntry| {
            let columns = a.columns.iter();
            let lacking = columns.filter(|(name, _)| !b.columns.contains_key(*name));
            lacking.map(|(n, t)| (n.clone(), t.clone())).collect()
        };
        let retyped = to.columns.iter().filter_map(|(name, sql_type)| {
            let before = from.columns.get(name)?;
            let types = Retyped {
                from: before.clone(),
                to: sql_type.clone(),
            };
            (before != sql_type).then(|| (name.clone(), types))
        });
        Self {
            added: lacking(to, from),
            removed: lacking(from, to),
            retyped: retyped.collect(),
        }
    }

    /// Whether they are the same.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Keeps the first rows that differ, in order of their keys, of any number.
pub(super) struct Kept {
    limit: usize,
    primary_key: Vec<(String, ColumnType)>,
    // In order.
    rows: Vec<(Place, RowDiff)>,
    count: u64,
}

// By its values; where only PostgreSQL orders those, by how they are written.
struct Place {
    keys: Vec<SortKey>,
    raw: String,
}

impl Kept {
    /// For rows of this table, at most `limit`.
    pub(super) fn new(entry: &TableEntry, limit: usize) -> Self {
        let column = |name: &String| {
            let sql_type = entry.columns.get(name).map_or("text", String::as_str);
            (name.clone(), ColumnType::of(sql_type).0)
        };
        Self {
            limit,
            primary_key: entry.primary_key.iter().map(column).collect(),
            rows: Vec::new(),
            count: 0,
        }
    }

    /// Takes a row in, if it is among the first.
    pub(super) fn row(&mut self, change: RowChange<'_>) -> Result<(), DiffError> {
        self.count += 1;
        let (kind, row) = match change {
            RowChange::Added(row) => (Change::Added, row),
            RowChange::Removed(row) => (Change::Removed, row),
            RowChange::Changed { to, .. } => (Change::Changed, to),
        };
        let (place, key) = self.place_of(row)?;
        let at = self
            .rows
            .partition_point(|(other, _)| other.is_before(&place));
        if at >= self.limit {
            return Ok(());
        }
        let (columns, row) = match change {
            RowChange::Changed { from, to } => (changed_columns(from, to)?, None),
            _ => (Vec::new(), Some(raw_value(row)?)),
        };
        let diff = RowDiff {
            change: kind,
            key,
            columns,
            row,
        };
        self.rows.insert(at, (place, diff));
        self.rows.truncate(self.limit);
        Ok(())
    }

    /// What was kept, and how many more there were.
    pub(super) fn finish(self) -> (Vec<RowDiff>, u64) {
        let more = self.count - self.rows.len() as u64;
        (self.rows.into_iter().map(|(_, row)| row).collect(), more)
    }

    fn place_of(&self, row: &str) -> Result<(Place, BTreeMap<String, Box<RawValue>>), DiffError> {
        let members = members(row)?;
        let (mut place, mut key) = (
            Place {
                keys: Vec::new(),
                raw: String::new(),
            },
            BTreeMap::new(),
        );
        for (name, column) in &self.primary_key {
            let Some(member) = members.iter().find(|member| member.key == *name) else {
                continue;
            };
            place.keys.push(SortKey::of(column, &member.value));
            place.raw.push_str(member.raw);
            key.insert(name.clone(), raw_value(member.raw)?);
        }
        Ok((place, key))
    }
}

impl Place {
    fn is_before(&self, other: &Self) -> bool {
        let order = compare(&self.keys, &other.keys);
        order.unwrap_or_else(|| self.raw.cmp(&other.raw)) == Ordering::Less
    }
}
