//! Which tables a migration has changed, for no trigger tells.

use std::collections::{BTreeMap, BTreeSet};

use snapshot_format::ColumnType;
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row};

use crate::config::Config;
use crate::database::ask::Ask;
use crate::database::catalog::read_schema;
use crate::database::error::DatabaseError;
use crate::database::lock;
use crate::database::sql::identifier;
use crate::schema::Table;

/// What of a table decides its published bytes without a trigger telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    // Name, type and, for an enumeration, its labels.
    columns: Vec<(String, String, ColumnType)>,
    primary_key: Vec<String>,
    // What was done before there were triggers is not known.
    is_tracked: bool,
    // The file in which PostgreSQL keeps the rows: another one once ALTER TABLE ... USING
    // has rewritten them.
    stored_in: Option<u32>,
}

pub(super) type Shapes = BTreeMap<String, Shape>;

/// By SQL name, of every published table. None where the tables cannot be published as
/// they are, which a migration may be about to change.
pub(super) async fn read_shapes(
    client: &impl GenericClient,
    config: &Config,
) -> Result<Option<Shapes>, DatabaseError> {
    let schema = match read_schema(client, config).await {
        Err(DatabaseError::Catalog(_)) => return Ok(None),
        other => other?,
    };
    let query = "SELECT class.relname::text, pg_catalog.pg_relation_filenode(class.oid)
                 FROM pg_catalog.pg_class AS class
                 JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
                 WHERE namespace.nspname = $1";
    let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let of_schema: [&(dyn ToSql + Sync); 1] = [&config.schema];
    let files = client.list("read the catalog", query, &of_schema, read);
    let files: BTreeMap<String, Option<u32>> = files.await?;
    let shape = |table: &Table| {
        let columns = table.published();
        Shape {
            columns: columns
                .map(|c| (c.name.clone(), c.sql_type.clone(), c.kind.clone()))
                .collect(),
            primary_key: table.primary_key_names(),
            is_tracked: table.is_tracked(),
            stored_in: files.get(&table.name).copied().flatten(),
        }
    };
    let shapes = schema
        .tables
        .iter()
        .map(|table| (table.name.clone(), shape(table)));
    Ok(Some(shapes.collect()))
}

/// The tables that are published otherwise now, those that are new, and those that are gone.
pub(super) fn reshaped(before: &Shapes, after: &Shapes) -> BTreeSet<String> {
    let names = before.keys().chain(after.keys());
    let changed = names.filter(|name| before.get(*name) != after.get(*name));
    changed.cloned().collect()
}

pub(super) async fn count_as_changed(
    client: &impl GenericClient,
    config: &Config,
    tables: &BTreeSet<String>,
) -> Result<(), DatabaseError> {
    let failed = |source| DatabaseError::query("note the changed tables", source);
    let metadata = format!("{}.reference_metadata", identifier(&config.schema));
    // Asked first: a query that fails would end the transaction.
    let exists = client
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&metadata])
        .await;
    let exists: bool = exists.and_then(|row| row.try_get(0)).map_err(failed)?;
    if !exists || tables.is_empty() {
        return Ok(());
    }
    lock::lock_versions(client, &config.schema).await?;
    // Before the first change there is no state that a new one could be taken for.
    let statement = format!(
        "UPDATE {metadata}
         SET version_seq = (SELECT max(version_seq) + 1 FROM {metadata}),
             last_updated = greatest(clock_timestamp(), (SELECT max(last_updated) FROM {metadata}))
         WHERE table_name = ANY ($1) AND (SELECT max(version_seq) > 0 FROM {metadata})"
    );
    let tables: Vec<&String> = tables.iter().collect();
    client
        .execute(&statement, &[&tables])
        .await
        .map_err(failed)?;
    Ok(())
}
