//! The files that are compared with their tables, and all that this takes.

use crate::config::Config;
use crate::progress::Progress;
use crate::schema::{Schema, Table};
use crate::source::SourceTable;

/// What a seed, a plan and a check are given.
#[derive(Clone, Copy)]
pub(crate) struct Input<'i> {
    /// The settings.
    pub config: &'i Config,
    /// The database's tables.
    pub schema: &'i Schema,
    /// The validated files, each behind those that it points at.
    pub sources: &'i [SourceTable],
    /// Shows how far it is.
    pub progress: Progress,
}

impl<'i> Input<'i> {
    /// The table of a file.
    pub(super) fn table_of(&self, source: &SourceTable) -> &'i Table {
        let table = self.schema.table(source.key.as_str());
        table.expect("a source belongs to a table")
    }
}
