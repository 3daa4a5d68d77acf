//! One table, gathered from every side and compared.

use snapshot_audit::parity::report::{Kind, Side, TableReport};
use snapshot_audit::parity::{TablePair, TableSide, compare, on_one_side, snapshot};

use super::error::ParityError;
use super::inputs::{Catalog, Inputs, SnapshotInput};
use super::sides;

/// One table on every side that has it.
#[derive(Debug, Default)]
pub struct TableSides {
    /// In the files.
    pub source: Option<TableSide>,
    /// In the database.
    pub database: Option<TableSide>,
    /// As it is published.
    pub snapshot: Option<TableSide>,
}

impl TableSides {
    /// Reads a table's file and its object; `database` was read before.
    ///
    /// # Errors
    /// Where one of them cannot be read.
    pub fn gather(
        inputs: &Inputs,
        key: &str,
        database: Option<TableSide>,
    ) -> Result<Self, ParityError> {
        let mut sides = Self {
            database,
            ..Self::default()
        };
        let Some(contract) = inputs.contracts.get(key) else {
            return Ok(sides);
        };
        let file = inputs
            .source
            .as_ref()
            .and_then(|source| source.files.get(key));
        if let Some(file) = file.filter(|_| !inputs.without_file.contains(key)) {
            let gathered = sides::source::gather(key, contract, file, inputs.limit, &inputs.bar);
            sides.source = Some(gathered.map_err(|source| ParityError::File {
                file: file.name.clone(),
                source,
            })?);
        }
        if let Some((
            key,
            SnapshotInput {
                origin, manifest, ..
            },
        )) = inputs.entry(key)
        {
            let (entry, limit) = (&manifest.tables[&key], inputs.limit);
            let gathered =
                snapshot::gather(&key, contract, origin, manifest, entry, limit, &inputs.bar);
            sides.snapshot = Some(gathered?);
        }
        Ok(sides)
    }

    fn side(&self, side: Side) -> Option<&TableSide> {
        match side {
            Side::Source => self.source.as_ref(),
            Side::Database => self.database.as_ref(),
            Side::Snapshot => self.snapshot.as_ref(),
        }
    }

    /// Compares two of the sides; `None` where neither has the table.
    ///
    /// # Errors
    /// Where rows that were put aside cannot be read again.
    pub fn compare(
        &self,
        inputs: &Inputs,
        key: &str,
        (expected, actual): (Side, Side),
    ) -> Result<Option<TableReport>, ParityError> {
        if expected == Side::Source && inputs.without_file.contains(key) {
            return Ok(Some(TableReport::skipped(
                key,
                "its rows live in the database alone (from_file)",
            )));
        }
        let is_in_source = inputs
            .source
            .as_ref()
            .is_some_and(|source| source.files.contains_key(key));
        let sides = (self.side(expected), self.side(actual));
        let report = match (inputs.contracts.get(key), sides) {
            (Some(contract), (Some(from), Some(to))) => {
                let pair = TablePair {
                    table: key,
                    contract,
                    knows_defaults: inputs.catalog != Catalog::Manifest,
                    expected: (expected, from),
                    actual: (actual, to),
                    admins: self.database.as_ref().map(|side| &side.rows),
                    limit: inputs.limit,
                };
                compare(&pair).map_err(ParityError::PutAside)?
            }
            (_, (Some(_), None)) => on_one_side(key, Kind::MissingTable, inputs.limit),
            (_, (None, Some(_))) => on_one_side(key, Kind::ExtraTable, inputs.limit),
            // A file of which nobody knows the table.
            (None, _) if expected == Side::Source && is_in_source => {
                on_one_side(key, Kind::MissingTable, inputs.limit)
            }
            _ => return Ok(None),
        };
        Ok(Some(report))
    }
}
