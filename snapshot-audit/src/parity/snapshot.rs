//! The snapshot side: a table object, in a folder or behind a URL.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use indicatif::ProgressBar;
use snapshot_format::json::Parser;
use snapshot_format::{ColumnType, Manifest, SORT_ORDER, TableEntry, TableKey};
use snapshot_store::Reader;

use super::normalize::{Contract, Notes, Spelling};
use super::report::{Difference, Kind, Side, raw};
use super::side::{Gathering, TableSide, key_of};
use crate::diff::DiffError;
use crate::published::{PublishedRows, Rows, SortKey, compare};

/// Reads a table's object, whose hash is checked on the way.
///
/// # Errors
/// Where it is not there, or not what its name says, or rows cannot be put aside.
pub fn gather(
    table: &TableKey,
    contract: &Contract,
    origin: &dyn Reader,
    manifest: &Manifest,
    entry: &TableEntry,
    limit: usize,
    bar: &ProgressBar,
) -> Result<TableSide, DiffError> {
    let mut rows = PublishedRows::open(origin, table, entry, manifest.schema_version, bar)?;
    let (columns, primary_key) = (&entry.columns, &entry.primary_key);
    gather_rows(
        table.as_str(),
        contract,
        columns,
        primary_key,
        &mut rows,
        limit,
    )
}

/// The same of rows that come from anywhere; `columns` and `primary_key` are what the
/// manifest says of the table.
///
/// # Errors
/// Where rows do not come, or cannot be put aside.
pub fn gather_rows(
    table: &str,
    contract: &Contract,
    columns: &BTreeMap<String, String>,
    primary_key: &[String],
    rows: &mut dyn Rows,
    limit: usize,
) -> Result<TableSide, DiffError> {
    let mut gathering = Gathering::new(Side::Snapshot, table, contract, limit);
    let mut order = DeclaredOrder::of(columns, primary_key);
    let mut number: u64 = 0;
    while let Some(row) = rows.next_row()? {
        number += 1;
        let place = |offset: usize| format!("row {number}: byte {}", offset + 1);
        let Ok(text) = std::str::from_utf8(row) else {
            gathering.unreadable(&format!("{}: is not UTF-8", place(0)));
            continue;
        };
        order.take(contract, table, text);
        gathering.row(None, text, place).map_err(DiffError::Spill)?;
    }
    if let Some(difference) = order.finish() {
        gathering.unreadable.note(|| difference);
    }
    let mut side = gathering.finish().map_err(DiffError::Spill)?;
    side.types = Some(columns.clone());
    side.primary_key = Some(primary_key.to_vec());
    Ok(side)
}

// N2: `sort_order` first, where there is one, then the primary key.
struct DeclaredOrder {
    columns: Vec<(String, ColumnType)>,
    last: Option<Vec<SortKey>>,
    first_out_of_order: Option<Difference>,
    out_of_order: u64,
}

impl DeclaredOrder {
    fn of(columns: &BTreeMap<String, String>, primary_key: &[String]) -> Self {
        let sort_order = columns.get_key_value(SORT_ORDER).map(|(name, _)| name);
        let names = sort_order.into_iter().chain(primary_key);
        let column = |name: &String| {
            let sql_type = columns.get(name).map_or("text", String::as_str);
            (name.clone(), ColumnType::of(sql_type).0)
        };
        Self {
            columns: names.map(column).collect(),
            last: None,
            first_out_of_order: None,
            out_of_order: 0,
        }
    }

    // However many rows stand wrong, the order is one thing, and the first tells where.
    fn take(&mut self, contract: &Contract, table: &str, row: &str) {
        let keys = self.keys_of(row);
        let before = self.last.replace(keys.clone());
        if before.and_then(|before| compare(&before, &keys)) != Some(Ordering::Greater) {
            return;
        }
        self.out_of_order += 1;
        if self.first_out_of_order.is_none() {
            let normal = contract.row(Spelling::Published, None, row, &mut Notes::default());
            let row = normal.map(|normal| normal.row).unwrap_or_default();
            self.first_out_of_order = Some(Difference {
                key: key_of(contract, &row),
                actual: raw(&row),
                ..Difference::of_table(table, Kind::RowOrder)
            });
        }
    }

    fn keys_of(&self, row: &str) -> Vec<SortKey> {
        let mut keys = vec![SortKey::Null; self.columns.len()];
        // What is no row is reported by whoever normalizes it.
        let _ = Parser::new(row).object(|member| {
            for (index, (name, column)) in self.columns.iter().enumerate() {
                if member.key == *name {
                    keys[index] = SortKey::of(column, &member.value);
                }
            }
        });
        keys
    }

    fn finish(self) -> Option<Difference> {
        let mut difference = self.first_out_of_order?;
        let others = match self.out_of_order {
            1 => String::new(),
            count => format!(", and {} more rows do so", count - 1),
        };
        difference.note = Some(format!(
            "stands behind a row that it should precede{others}"
        ));
        Some(difference)
    }
}
