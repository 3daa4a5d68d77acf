//! The flags that allow a publication what its guards would stop.

use std::collections::BTreeMap;

use clap::Args;
use snapshot_format::{ReferenceVersion, TableKey};

use super::check::parse_allowance;
use crate::error::Error;
use crate::guard::Allowances;
use crate::schema::Schema;

/// Flags of the commands that publish.
#[derive(Debug, Clone, Default, Args)]
pub struct GuardFlags {
    /// Let TABLE have exactly N rows, fewer than its min_rows; may be given for several
    /// tables, as each of these flags
    #[arg(long, value_name = "TABLE=N", value_parser = parse_allowance)]
    allow_rows: Vec<(TableKey, u64)>,

    /// Let exactly N published rows of TABLE be removed, more than the guard allows
    #[arg(long, value_name = "TABLE=N", value_parser = parse_allowance)]
    allow_removal: Vec<(TableKey, u64)>,

    /// Let exactly N published rows of TABLE be changed, more than the guard allows
    #[arg(long, value_name = "TABLE=N", value_parser = parse_allowance)]
    allow_change: Vec<(TableKey, u64)>,

    /// Let exactly N active rows of TABLE point at inactive ones
    #[arg(long, value_name = "TABLE=N", value_parser = parse_allowance)]
    allow_broken_references: Vec<(TableKey, u64)>,

    /// Let TABLE, which is published, be gone
    #[arg(long, value_name = "TABLE")]
    allow_vanished: Vec<TableKey>,

    /// Let TABLE lose or retype columns without a raised major schema version
    #[arg(long, value_name = "TABLE")]
    allow_shape: Vec<TableKey>,

    /// Let exactly this state of the database, such as seq:93, follow a newer one that is
    /// public
    #[arg(long, value_name = "SEQ")]
    allow_older: Option<ReferenceVersion>,
}

impl GuardFlags {
    /// What the flags allow, on top of what the seed of the same run was allowed.
    ///
    /// # Errors
    /// Where a flag names a table that is not there: a mistake of the command line.
    pub(super) fn allowances(
        &self,
        schema: &Schema,
        deactivation: BTreeMap<TableKey, u64>,
    ) -> Result<Allowances, Error> {
        self.check(schema)?;
        let numbers = |flags: &[(TableKey, u64)]| flags.iter().cloned().collect();
        Ok(Allowances {
            rows: numbers(&self.allow_rows),
            removal: numbers(&self.allow_removal),
            deactivation,
            change: numbers(&self.allow_change),
            broken_references: numbers(&self.allow_broken_references),
            vanished: self.allow_vanished.iter().cloned().collect(),
            shape: self.allow_shape.iter().cloned().collect(),
            older: self.allow_older,
        })
    }

    // A table that vanished has no key any more.
    fn check(&self, schema: &Schema) -> Result<(), Error> {
        let numbered = [
            ("--allow-rows", &self.allow_rows),
            ("--allow-removal", &self.allow_removal),
            ("--allow-change", &self.allow_change),
            ("--allow-broken-references", &self.allow_broken_references),
        ];
        let numbered = numbered
            .into_iter()
            .flat_map(|(flag, tables)| tables.iter().map(move |(table, _)| (flag, table)));
        let shaped = self
            .allow_shape
            .iter()
            .map(|table| ("--allow-shape", table));
        match numbered
            .chain(shaped)
            .find(|(_, table)| schema.table(table.as_str()).is_none())
        {
            None => Ok(()),
            Some((flag, table)) => Err(Error::Usage(format!(
                "{flag} {table}: no table has that key"
            ))),
        }
    }
}
