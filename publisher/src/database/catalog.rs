//! The catalog: what the tables look like, as PostgreSQL knows it.
//! Source: <https://www.postgresql.org/docs/current/catalogs.html>.

mod draft;
mod types;

use std::collections::HashMap;

use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;

use self::draft::{Draft, add_foreign_key, read_column, read_part};
use self::types::Types;
use super::error::DatabaseError;
use super::lock;
use crate::config::Config;
use crate::schema::Schema;

/// Reads the shape of every table that is published: those of the configured schema that
/// have a primary key and are not excluded.
///
/// # Errors
/// Where a query fails, or two tables would be published under one key.
pub async fn read_schema(
    client: &impl GenericClient,
    config: &Config,
) -> Result<Schema, DatabaseError> {
    lock::with_holders(client, read_catalog(client, config).await).await
}

async fn read_catalog(
    client: &impl GenericClient,
    config: &Config,
) -> Result<Schema, DatabaseError> {
    let failed = |source| DatabaseError::query("read the catalog", source);
    // At once: each is an answer to wait for, and none needs another's.
    let of_schema: [&(dyn ToSql + Sync); 1] = [&config.schema];
    let (types, columns, keys, references, triggers, parts) = tokio::try_join!(
        Types::read(client),
        client.query(COLUMNS, &of_schema),
        client.query(PRIMARY_KEYS, &of_schema),
        client.query(FOREIGN_KEYS, &of_schema),
        client.query(TRIGGERS, &of_schema),
        client.query(PARTS, &of_schema),
    )
    .map_err(failed)?;

    check_excluded(client, config).await?;
    let mut tables: HashMap<u32, Draft> = HashMap::new();
    for row in keys {
        let draft = Draft::read(&row).map_err(failed)?;
        if draft.name != METADATA_TABLE && !config.exclude.contains(&draft.name) {
            tables.insert(draft.oid, draft);
        }
    }
    for row in columns {
        let oid: u32 = row.try_get("table").map_err(failed)?;
        if let Some(draft) = tables.get_mut(&oid) {
            draft
                .columns
                .push(read_column(&row, &types).map_err(failed)?);
        }
    }
    for row in triggers {
        let oid: u32 = row.try_get("table").map_err(failed)?;
        if let Some(draft) = tables.get_mut(&oid) {
            draft.events = row.try_get("events").map_err(failed)?;
        }
    }
    for row in parts {
        let oid: u32 = row.try_get("table").map_err(failed)?;
        if let Some(draft) = tables.get_mut(&oid) {
            draft.has_parts = true;
            draft.parts.extend(read_part(&row).map_err(failed)?);
        }
    }
    let mut schema = Schema { tables: Vec::new() };
    for draft in tables.values() {
        schema.tables.push(draft.table(config)?);
    }
    schema.tables.sort_by(|a, b| a.key.cmp(&b.key));
    refuse_equal_keys(&schema)?;
    for row in references {
        add_foreign_key(&mut schema, &tables, &row).map_err(failed)?;
    }
    Ok(schema)
}

/// The table in which the triggers note changes. It is not published.
const METADATA_TABLE: &str = "reference_metadata";

// Ordinary and partitioned tables, without the partitions.
const PRIMARY_KEYS: &str = "
    SELECT class.oid AS table, class.relname AS name, namespace.nspname AS namespace,
           (SELECT array_agg(key.attnum ORDER BY key.place)
            FROM unnest(index.indkey::int2[]) WITH ORDINALITY AS key (attnum, place)) AS key
    FROM pg_catalog.pg_index AS index
    JOIN pg_catalog.pg_class AS class ON class.oid = index.indrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = $1 AND index.indisprimary
      AND class.relkind IN ('r', 'p') AND NOT class.relispartition";

const COLUMNS: &str = "
    SELECT attribute.attrelid AS table, attribute.attnum AS number, attribute.attname AS name,
           pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) AS sql_type,
           attribute.atttypid AS type,
           attribute.attnotnull AS not_null,
           CASE WHEN attribute.attgenerated = ''
                THEN pg_catalog.pg_get_expr(initial.adbin, initial.adrelid) END AS default,
           attribute.attgenerated <> '' AS generated,
           attribute.attidentity <> '' AS identity, attribute.attidentity = 'a' AS is_fixed
    FROM pg_catalog.pg_attribute AS attribute
    JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_attrdef AS initial
           ON initial.adrelid = attribute.attrelid AND initial.adnum = attribute.attnum
    WHERE namespace.nspname = $1 AND class.relkind IN ('r', 'p')
      AND attribute.attnum > 0 AND NOT attribute.attisdropped";

const FOREIGN_KEYS: &str = "
    SELECT referrer.conrelid AS table, referrer.conname AS name, referrer.confrelid AS target,
           referrer.conkey AS columns,
           (SELECT array_agg(attribute.attname::text ORDER BY key.place)
            FROM unnest(referrer.confkey) WITH ORDINALITY AS key (attnum, place)
            JOIN pg_catalog.pg_attribute AS attribute
              ON attribute.attrelid = referrer.confrelid AND attribute.attnum = key.attnum
           ) AS target_columns
    FROM pg_catalog.pg_constraint AS referrer
    JOIN pg_catalog.pg_class AS class ON class.oid = referrer.conrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE namespace.nspname = $1 AND referrer.contype = 'f' AND referrer.conparentid = 0
    ORDER BY referrer.conname COLLATE \"C\"";

// Only those that fire at every such statement: neither disabled nor for replication
// alone, without a condition and without a list of columns.
// Bits of tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate, 64 instead.
// Source: PostgreSQL's src/include/catalog/pg_trigger.h.
const TRIGGERS: &str = "
    SELECT trigger.tgrelid AS table, bit_or(trigger.tgtype::int) AS events
    FROM pg_catalog.pg_trigger AS trigger
    JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
    WHERE namespace.nspname = $1 AND function.proname = 'record_table_change'
      AND trigger.tgnargs = 0
      AND trigger.tgenabled IN ('O', 'A') AND trigger.tgtype & (1 | 2 | 64) = 0
      AND trigger.tgqual IS NULL AND trigger.tgattr = ''::pg_catalog.int2vector
    GROUP BY trigger.tgrelid";

// Partitions, and tables that inherit, each with the events that count for the tables above.
const PARTS: &str = "
    WITH RECURSIVE part AS (
        SELECT class.oid AS table, inherits.inhrelid AS oid
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = class.oid
        WHERE namespace.nspname = $1 AND class.relkind IN ('r', 'p')
        UNION
        SELECT part.table, inherits.inhrelid
        FROM part JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = part.oid
    )
    SELECT part.table, class.relname AS name, namespace.nspname AS namespace,
           class.relkind = 'f' AS is_foreign,
           coalesce((
               SELECT bit_or(trigger.tgtype::int)
               FROM pg_catalog.pg_trigger AS trigger
               JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.tgfoid
               WHERE trigger.tgrelid = part.oid AND function.proname = 'record_table_change'
                 AND trigger.tgnargs > 0
                 AND trigger.tgenabled IN ('O', 'A') AND trigger.tgtype & (1 | 2 | 64) = 0
                 AND trigger.tgqual IS NULL AND trigger.tgattr = ''::pg_catalog.int2vector
           ), 0) AS events
    FROM part
    JOIN pg_catalog.pg_class AS class ON class.oid = part.oid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    ORDER BY namespace.nspname COLLATE \"C\", class.relname COLLATE \"C\"";

// A misspelt name would publish the very table that was to stay private.
async fn check_excluded(client: &impl GenericClient, config: &Config) -> Result<(), DatabaseError> {
    let excluded: Vec<&String> = config.exclude.iter().collect();
    let row = client
        .query_one(UNKNOWN_TABLES, &[&excluded, &config.schema])
        .await;
    let unknown: Option<String> = row
        .and_then(|row| row.try_get(0))
        .map_err(|source| DatabaseError::query("look for the excluded tables", source))?;
    match unknown {
        None => Ok(()),
        Some(names) => Err(DatabaseError::Catalog(format!(
            "tablecast.toml excludes {names}, which schema {} does not have",
            config.schema
        ))),
    }
}

const UNKNOWN_TABLES: &str = r#"
    SELECT string_agg(name, ', ' ORDER BY name COLLATE "C")
    FROM unnest($1::text[]) AS name
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        WHERE namespace.nspname = $2 AND class.relname = name)"#;

fn refuse_equal_keys(schema: &Schema) -> Result<(), DatabaseError> {
    match schema
        .tables
        .windows(2)
        .find(|pair| pair[0].key == pair[1].key)
    {
        None => Ok(()),
        Some(pair) => Err(DatabaseError::Catalog(format!(
            "tables {} and {} would both be published as {}; exclude one in tablecast.toml",
            pair[0].name, pair[1].name, pair[0].key
        ))),
    }
}
