//! The database side: every row of a table, as PostgreSQL writes it.

use indicatif::ProgressBar;
use snapshot_audit::parity::normalize::{ComparedColumn, Contract};
use snapshot_audit::parity::report::Side;
use snapshot_audit::parity::{Gathering, TableSide};

use crate::database::{ReadError, SnapshotReader, WhichRows};
use crate::schema::Table;

/// Reads a table's rows within the reader's transaction.
///
/// # Errors
/// Where the query fails, or rows cannot be put aside.
pub async fn gather(
    table: &Table,
    contract: &Contract,
    reader: &SnapshotReader<'_>,
    which: WhichRows,
    limit: usize,
    bar: &ProgressBar,
) -> Result<TableSide, ReadError> {
    let key = table.key.as_str();
    let mut gathering = Gathering::new(Side::Database, key, contract, limit);
    let own_spelling = contract
        .columns
        .iter()
        .filter(|column| column.is_spelled_by_database());
    let as_text: Vec<&str> = own_spelling.map(name_of).collect();
    let mut number: u64 = 0;
    reader
        .whole_rows(table, &as_text, which, |row| {
            number += 1;
            bar.inc(row.len() as u64);
            gathering.row(None, row, |_| format!("row {number} of {}", table.name))
        })
        .await?;
    let put_aside = |source| ReadError::Write {
        table: key.to_owned(),
        source,
    };
    let mut side = gathering.finish().map_err(put_aside)?;
    side.has_source_type = table.has_source_type();
    Ok(side)
}

fn name_of(column: &ComparedColumn) -> &str {
    &column.name
}
