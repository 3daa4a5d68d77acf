//! Parity: whether source files, database and published snapshot hold the same data, and
//! if they do not, where.
//!
//! ```text
//! source    ──gather──▶ ┐
//! database  ──gather──▶ ├ normalize (one contract) ──sort──▶ compare, pair by pair ──▶ report
//! snapshot  ──gather──▶ ┘
//! ```
//!
//! The snapshot's side, the contract, the comparison and the report are
//! [`snapshot_audit::parity`]; here are the two sides that need the publisher's own words:
//! files and database.
//!
//! What counts as the same is written down in `docs/normalization.md`, and decided in
//! [`snapshot_audit::parity::normalize`] alone. No side goes through the code that made another: files are not
//! read by the seed's decoder, rows of the database not by the renderer.

mod contract;
mod error;
mod inputs;
pub(crate) mod sides;
mod table_sides;

use std::collections::BTreeMap;
use std::sync::Arc;

use snapshot_audit::parity::TableSide;
use snapshot_audit::parity::normalize::Contract;
use snapshot_audit::parity::report::{PairReport, Report, Side, TableReport};
use snapshot_format::Manifest;

pub(crate) use self::error::ParityError;
pub(crate) use self::inputs::DatabaseInput;
pub use self::inputs::{Catalog, Inputs, SnapshotInput, SourceInput};
pub use self::table_sides::TableSides;
use crate::blocking::blocking;
use crate::config::Config;
use crate::database::WhichRows;
use crate::schema::{Fills, Schema, Table};

/// The contract of every table that is known: by the catalog, else by the manifest.
pub fn contracts(
    config: &Config,
    schema: &Schema,
    fills: &BTreeMap<String, Fills>,
    manifest: Option<&Manifest>,
) -> BTreeMap<String, Contract> {
    let none = Fills::default();
    let published = manifest.into_iter().flat_map(|manifest| &manifest.tables);
    let published = published.map(|(key, entry)| {
        let contract =
            contract::of_published(key.as_str(), &entry.columns, &entry.primary_key, config);
        (key.to_string(), contract)
    });
    let known = schema.tables.iter().map(|table| {
        let fills = fills.get(table.key.as_str()).unwrap_or(&none);
        (
            table.key.to_string(),
            contract::of_table(table, config, fills),
        )
    });
    // Of a table that both know, the catalog's word counts.
    published.chain(known).collect()
}

/// Compares every pair of sides, table by table.
///
/// # Errors
/// Where a side cannot be read.
pub(crate) async fn parity(
    inputs: Arc<Inputs>,
    database: Option<&DatabaseInput<'_, '_>>,
    config: &Config,
) -> Result<Report, ParityError> {
    let pairs = pairs_of(&inputs, database);
    let mut reports: Vec<Vec<TableReport>> = pairs.iter().map(|_| Vec::new()).collect();
    inputs
        .bar
        .set_length(inputs.size_bytes(database.is_some_and(|database| database.is_side)));
    for key in inputs.tables() {
        inputs.bar.set_message(format!("parity {key}"));
        let in_database = gather_database(&inputs, database, &key).await?;
        let (inputs, pairs) = (Arc::clone(&inputs), pairs.clone());
        let compared = blocking(move || {
            let sides = TableSides::gather(&inputs, &key, in_database)?;
            let reports = pairs.iter().map(|pair| sides.compare(&inputs, &key, *pair));
            reports.collect::<Result<Vec<_>, ParityError>>()
        });
        for (tables, report) in reports.iter_mut().zip(compared.await?) {
            tables.extend(report);
        }
    }
    let pairs = pairs.into_iter().zip(reports);
    let pairs = pairs.map(|((expected, actual), tables)| PairReport::of(expected, actual, tables));
    let mut report = Report {
        passed: false,
        difference_count: 0,
        sides: inputs.names(database),
        catalog: inputs.catalog.name(),
        excluded: config.exclude.iter().cloned().collect(),
        ignored_files: config.ignore_files.iter().cloned().collect(),
        pairs: pairs.collect(),
    };
    report.settle();
    Ok(report)
}

// In the order source, database, snapshot, each with those behind it.
fn pairs_of(inputs: &Inputs, database: Option<&DatabaseInput<'_, '_>>) -> Vec<(Side, Side)> {
    let is_there = |side: &Side| match side {
        Side::Source => inputs.source.is_some(),
        Side::Database => database.is_some_and(|database| database.is_side),
        Side::Snapshot => inputs.snapshot.is_some(),
    };
    let all = [
        (Side::Source, Side::Database),
        (Side::Source, Side::Snapshot),
        (Side::Database, Side::Snapshot),
    ];
    all.into_iter()
        .filter(|(a, b)| is_there(a) && is_there(b))
        .collect()
}

async fn gather_database(
    inputs: &Inputs,
    database: Option<&DatabaseInput<'_, '_>>,
    key: &str,
) -> Result<Option<TableSide>, ParityError> {
    let table: Option<&Table> = inputs.schema.table(key);
    let (Some(database), Some(table), Some(contract)) =
        (database, table, inputs.contracts.get(key))
    else {
        return Ok(None);
    };
    let which = if database.is_side {
        WhichRows::All
    } else {
        WhichRows::OfAdministrators
    };
    let (limit, bar) = (inputs.limit, &inputs.bar);
    let side = sides::database::gather(table, contract, database.reader, which, limit, bar).await?;
    Ok(Some(side))
}

#[cfg(test)]
mod tests;
