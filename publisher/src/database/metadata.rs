//! `reference_metadata`: what changed last.

use std::collections::BTreeMap;

use tokio_postgres::GenericClient;

use super::error::DatabaseError;
use super::lock;
use super::sql::identifier;
use crate::database::ask::Ask;

/// A table's row of `reference_metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableVersion {
    /// The number of the transaction that changed the table last.
    pub version_seq: u64,
    /// When that was: RFC 3339 in UTC, to the second.
    pub last_updated: String,
}

/// The rows of `reference_metadata`, by SQL table name; none where there is no such table.
///
/// # Errors
/// Where the query fails.
pub(crate) async fn reference_versions(
    client: &impl GenericClient,
    schema: &str,
) -> Result<BTreeMap<String, TableVersion>, DatabaseError> {
    lock::with_holders(client, read_versions(client, schema).await).await
}

async fn read_versions(
    client: &impl GenericClient,
    schema: &str,
) -> Result<BTreeMap<String, TableVersion>, DatabaseError> {
    // Before the first migration there is no such table or schema.
    if !is_there(client, schema).await? {
        return Ok(BTreeMap::new());
    }
    let query = format!(
        "SELECT table_name, version_seq::bigint,
                to_char(last_updated AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
         FROM {}.reference_metadata",
        identifier(schema)
    );
    let failed = |source| DatabaseError::query("read reference_metadata", source);
    let rows = client.query(&query, &[]).await.map_err(failed)?;
    let read = |row: &tokio_postgres::Row| {
        let version_seq: i64 = row.try_get(1)?;
        let last_updated = row.try_get(2)?;
        let version = TableVersion {
            version_seq: version_seq.unsigned_abs(),
            last_updated,
        };
        Ok((row.try_get(0)?, version))
    };
    let versions: Result<_, tokio_postgres::Error> = rows.iter().map(read).collect();
    versions.map_err(failed)
}

// Asked beforehand, for a query that fails takes its transaction with it.
async fn is_there(client: &impl GenericClient, schema: &str) -> Result<bool, DatabaseError> {
    let name = format!("{}.reference_metadata", identifier(schema));
    client
        .value(
            "look for reference_metadata",
            "SELECT to_regclass($1) IS NOT NULL",
            &[&name],
        )
        .await
}

/// The highest `version_seq` of all: the database's reference version.
pub(super) fn highest(versions: &BTreeMap<String, TableVersion>) -> u64 {
    versions
        .values()
        .map(|version| version.version_seq)
        .max()
        .unwrap_or_default()
}
