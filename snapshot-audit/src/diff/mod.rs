//! Differences between two states: tables, columns, rows.
//!
//! [`diff_rows`] compares the rows of one table on two sides, each read once and in the
//! order in which it comes. [`diff_snapshots`] does it for every table of two versions
//! whose hashes differ, and keeps what a person wants to see of it.

mod columns;
mod join;
mod snapshots;
mod spill;
mod table;

pub use columns::{ColumnChange, PointerChange, changed_columns};
pub use join::{DiffError, RowChange, RowCounts, RowShape, diff_rows};
pub use snapshots::{DiffTotals, SnapshotDiff, VersionName, diff_snapshots, read_manifest};
pub use table::{Change, ColumnsDiff, KeyChange, Retyped, RowDiff, TableDiff};
