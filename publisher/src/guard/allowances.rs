//! What the operator allows a publication this once, by flags.

use std::collections::BTreeMap;

use clap::Args;
use snapshot_format::{ReferenceVersion, TableKey};

use crate::schema::Schema;

/// Flags of the commands that publish. Numbers are exact, so that a flag that is forgotten
/// somewhere cannot hide a later accident.
#[derive(Debug, Clone, Default, Args)]
pub struct Allowances {
    /// Let TABLE have exactly N rows, fewer than its min_rows; may be given for several
    /// tables, as each of these flags
    #[arg(long = "allow-rows", value_name = "TABLE=N", value_parser = table_and_number)]
    pub rows: Vec<(TableKey, u64)>,

    /// Let exactly N published rows of TABLE be removed, more than the guard allows
    #[arg(long = "allow-removal", value_name = "TABLE=N", value_parser = table_and_number)]
    pub removal: Vec<(TableKey, u64)>,

    /// Let exactly N published rows of TABLE be changed, more than the guard allows
    #[arg(long = "allow-change", value_name = "TABLE=N", value_parser = table_and_number)]
    pub change: Vec<(TableKey, u64)>,

    /// Let exactly N active rows of TABLE point at inactive ones
    #[arg(long = "allow-broken-references", value_name = "TABLE=N", value_parser = table_and_number)]
    pub broken_references: Vec<(TableKey, u64)>,

    /// Let TABLE, which is published, be gone
    #[arg(long = "allow-vanished", value_name = "TABLE")]
    pub vanished: Vec<TableKey>,

    /// Let TABLE lose or retype columns without a raised major schema version
    #[arg(long = "allow-shape", value_name = "TABLE")]
    pub shape: Vec<TableKey>,

    /// Let exactly this state of the database, such as seq:93, follow a newer one that is
    /// public
    #[arg(long = "allow-older", value_name = "SEQ")]
    pub older: Option<ReferenceVersion>,

    /// To lose so many rows, as was already allowed for the seed of the same run. Another
    /// number is no mistake, because the seed counts by the database and this by what is
    /// public.
    #[arg(skip)]
    pub deactivation: BTreeMap<TableKey, u64>,
}

impl Allowances {
    /// The first flag that names a table which is not there. One that vanished has no key
    /// any more.
    pub(crate) fn misspelt(&self, schema: &Schema) -> Option<(&'static str, &TableKey)> {
        let numbered = [
            ("--allow-rows", &self.rows),
            ("--allow-removal", &self.removal),
            ("--allow-change", &self.change),
            ("--allow-broken-references", &self.broken_references),
        ];
        let numbered = numbered
            .into_iter()
            .flat_map(|(flag, tables)| tables.iter().map(move |(table, _)| (flag, table)));
        let shaped = self.shape.iter().map(|table| ("--allow-shape", table));
        let mut all = numbered.chain(shaped);
        all.find(|(_, table)| schema.table(table.as_str()).is_none())
    }
}

/// What a flag allows a table. The last word counts.
pub(super) fn allowed(flag: &[(TableKey, u64)], table: &TableKey) -> Option<u64> {
    let mut of_table = flag.iter().rev().filter(|(key, _)| key == table);
    of_table.next().map(|(_, count)| *count)
}

/// `grips=14`, as `--allow-removal` takes it.
pub(crate) fn table_and_number(text: &str) -> Result<(TableKey, u64), String> {
    let parse = || {
        let (table, count) = text.split_once('=')?;
        Some((table.parse().ok()?, count.parse().ok()?))
    };
    parse().ok_or_else(|| format!("{text:?} is not of the form TABLE=N, such as grips=14"))
}
