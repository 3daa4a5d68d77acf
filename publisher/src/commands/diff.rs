//! `publisher diff`

use std::fmt::Write;

use clap::Args;
use snapshot_audit::diff::{
    Change, ColumnsDiff, RowCounts, RowDiff, SnapshotDiff, TableDiff, VersionName, diff_snapshots,
};
use snapshot_format::Version;
use snapshot_store::{
    Origin,
    history::{before, name, resolve},
};

use super::changes::{GONE, HEAD, NEW, OTHER, counted, describe_column, shortened};
use super::history::read_history;
use crate::blocking::blocking;
use crate::error::Error;
use crate::flags::{Reading, StoreFlag};

/// Flags of `publisher diff`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DiffArgs {
    /// The version to go from [default: the one before TO]
    #[arg(value_name = "FROM")]
    from: Option<String>,

    /// The version to go to [default: the current one]
    #[arg(value_name = "TO")]
    to: Option<String>,

    /// How many rows of each table to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,

    #[command(flatten)]
    store: StoreFlag,

    #[command(flatten)]
    reading: Reading,
}

const AFTER_HELP: &str = "\
A version is named as EPOCH-SEQUENCE, SEQUENCE, seq:N (the database's state), or by four or more
digits of its manifest's hash. The numbers are those of all rows, however few are shown.";

/// Compares two versions.
pub(crate) async fn run(args: DiffArgs) -> Result<(), Error> {
    let origin = args.reading.origin(args.store.out.as_deref())?;
    let bar = args.reading.output.progress().bytes("diff", 1);
    let shown = bar.clone();
    let (from, to, limit) = (args.from, args.to, args.limit);
    let diff = blocking(move || -> Result<SnapshotDiff, Error> {
        let history = read_history(&origin)?;
        if to.is_none() {
            history.current()?;
        }
        let (all, current) = (history.all(), history.current.as_ref());
        let (from, to) = chosen(&origin, &all, current, from.as_deref(), to.as_deref())?;
        Ok(diff_snapshots(&origin, from, to, limit, &shown)?)
    })
    .await;
    bar.finish_and_clear();
    let diff = diff?;
    args.reading.output.answer(&diff, &describe(&diff))
}

fn chosen<'v>(
    origin: &Origin,
    all: &'v [Version],
    current: Option<&'v Version>,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(&'v Version, &'v Version), Error> {
    let to = match (to, current) {
        (Some(named), _) => resolve(all, named)?,
        (None, Some(current)) => current,
        (None, None) => &all[0],
    };
    let from = match from {
        Some(named) => resolve(all, named)?,
        None => before(all, to).ok_or_else(|| {
            let name = name(to.order());
            Error::Usage(format!(
                "{origin} retains no version before {name}; name the one to go from"
            ))
        })?,
    };
    Ok((from, to))
}

fn describe(diff: &SnapshotDiff) -> String {
    let mut text = String::new();
    let name =
        |version: &VersionName| format!("{} ({})", version.version, version.reference_version);
    let (from, to) = (name(&diff.from), name(&diff.to));
    if diff.tables.is_empty() {
        let _ = writeln!(text, "{from} and {to} have the same tables");
        return text;
    }
    for table in &diff.tables {
        text.push_str(&describe_table(table));
        text.push('\n');
    }
    let totals = &diff.totals;
    let tables = [
        (totals.tables_changed as u64, "changed"),
        (totals.tables_added as u64, "added"),
        (totals.tables_removed as u64, "removed"),
    ];
    let (tables, rows) = (counted("table", tables), in_rows(&totals.rows));
    let _ = writeln!(text, "{from} to {to}: {tables}; {rows}");
    text
}

fn in_rows(rows: &RowCounts) -> String {
    let rows = [
        (rows.changed, "changed"),
        (rows.added, "added"),
        (rows.removed, "removed"),
    ];
    counted("row", rows)
}

fn describe_table(table: &TableDiff) -> String {
    let mut text = String::new();
    let rows = in_rows(&table.rows);
    let (style, what) = match table.change {
        Change::Added => (NEW, "table added; "),
        Change::Removed => (GONE, "table removed; "),
        Change::Changed => (HEAD, ""),
    };
    let _ = writeln!(text, "{style}{}{style:#}: {what}{rows}", table.table);
    if let Some(key) = &table.primary_key {
        let (from, to) = (key.from.join(", "), key.to.join(", "));
        let _ = writeln!(text, "  {OTHER}~{OTHER:#} primary key: {from} -> {to}");
    }
    text.push_str(&describe_columns(&table.columns));
    for row in &table.changes {
        text.push_str(&describe_row(row));
    }
    if table.more > 0 {
        let _ = writeln!(text, "  and {} more", table.more);
    }
    text
}

fn describe_columns(columns: &ColumnsDiff) -> String {
    let mut text = String::new();
    for (column, sql_type) in &columns.removed {
        let _ = writeln!(text, "  {GONE}-{GONE:#} column {column} {sql_type}");
    }
    for (column, sql_type) in &columns.added {
        let _ = writeln!(text, "  {NEW}+{NEW:#} column {column} {sql_type}");
    }
    for (column, types) in &columns.retyped {
        let (from, to) = (&types.from, &types.to);
        let _ = writeln!(text, "  {OTHER}~{OTHER:#} column {column}: {from} -> {to}");
    }
    text
}

fn describe_row(row: &RowDiff) -> String {
    let key: Vec<&str> = row.key.values().map(|value| value.get()).collect();
    let key = key.join(", ");
    let whole = row.row.as_ref().map_or("", |row| row.get());
    match row.change {
        Change::Added => format!("  {NEW}+ {key}{NEW:#} {}\n", shortened(whole)),
        Change::Removed => format!("  {GONE}- {key}{GONE:#} {}\n", shortened(whole)),
        Change::Changed => {
            let columns: String = row.columns.iter().map(describe_column).collect();
            format!("  {OTHER}~ {key}{OTHER:#}\n{columns}")
        }
    }
}
