//! What a seed does to one table.

use serde::Serialize;

/// What a seed did to one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeededTable {
    /// The table's key.
    pub table: String,
    /// Rows that were not there.
    pub inserted: u64,
    /// Rows that were otherwise.
    pub updated: u64,
    /// Rows that were as they should be.
    pub unchanged: u64,
    /// Rows that the file holds no more, or switches off.
    pub deactivated: u64,
    /// Those of them that the file switches off.
    #[serde(skip)]
    pub(super) switched_off: u64,
    /// Deactivated rows that came back.
    pub reactivated: u64,
    /// Rows that belong to an administrator.
    pub admin_owned: u64,
    /// Keys that the file holds and an administrator's row has; the row was left alone.
    pub admin_keys: Vec<String>,
    /// How many such keys there are; those beyond the first 100 are not listed.
    #[serde(skip)]
    pub(super) skipped_rows: u64,
    /// Rows that the file does not hold, in a table that cannot deactivate them.
    pub not_in_file: u64,
    /// Columns that only the database decides.
    pub not_in_file_columns: Vec<String>,
    /// The seed's own active rows before: what the guard measures by.
    #[serde(skip)]
    pub(super) active_before: u64,
    /// Whether file and table were known to be unchanged, so that neither was read.
    pub skipped: bool,
    /// The table's number.
    pub version_seq: u64,
    /// How long the table took.
    pub elapsed_ms: u64,
}

impl SeededTable {
    pub(super) fn writes(&self) -> bool {
        self.inserted + self.updated + self.reactivated + self.switched_off > 0
    }
}
