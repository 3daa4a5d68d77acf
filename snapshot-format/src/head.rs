//! What an object says before its first row: the same to who writes it and who reads it.

use crate::{ReferenceVersion, SchemaVersion, TableKey};

/// What the bootstrap object says before its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapHeader {
    /// The version of the tables' shape.
    pub schema_version: SchemaVersion,
    /// The state of the database that the rows are of: `seq:N`, where N grows with each change.
    pub reference_version: ReferenceVersion,
    /// The moment of the last change of the data, RFC 3339 in UTC.
    pub generated_at: String,
}

pub(crate) fn table_head(schema: SchemaVersion, table: &TableKey) -> String {
    format!(r#"{{"schemaVersion":"{schema}","table":"{table}","rows":["#)
}

pub(crate) fn bootstrap_head(header: &BootstrapHeader) -> String {
    let BootstrapHeader {
        schema_version,
        reference_version,
        generated_at,
    } = header;
    format!(
        r#"{{"schemaVersion":"{schema_version}","referenceVersion":"{reference_version}","generatedAt":"{generated_at}","tables":{{"#
    )
}
