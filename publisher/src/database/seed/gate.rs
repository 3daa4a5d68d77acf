//! The gate: a table whose file and rows are both as the last seed left them is skipped.
//!
//! A seed notes for each table the file's hash and the table's number. Whatever changes
//! the rows moves the number, so a hand edit opens the gate again; and the table must
//! have all its triggers, or nothing would tell.

use std::collections::{BTreeMap, BTreeSet};

use snapshot_format::TableKey;
use tokio_postgres::{GenericClient, Transaction};

use super::input::Input;
use crate::config::Config;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::lock;
use crate::database::metadata::{TableVersion, reference_versions};
use crate::database::sql::qualified;
use crate::schema::{Schema, Table};
use crate::source::SourceFiles;

/// Raised when a seed would write other rows from the same file.
const SEED_FORMAT: u32 = 2;

/// A table that need not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unchanged {
    /// The table's key.
    pub key: TableKey,
    /// How many rows the file holds.
    pub rows: u64,
    /// How many rows belong to an administrator.
    pub admin_owned: u64,
    /// The file's BLAKE3 hash.
    pub hash: blake3::Hash,
    table: String,
    version_seq: u64,
}

/// The tables that were seeded from exactly these files and not changed since, but for those
/// that have to be read to judge another file.
///
/// # Errors
/// Where a query fails or a file cannot be read.
pub(crate) async fn unchanged(
    client: &impl GenericClient,
    config: &Config,
    schema: &Schema,
    files: &SourceFiles,
) -> Result<Vec<Unchanged>, DatabaseError> {
    let all = unchanged_each(client, config, schema, files).await?;
    Ok(connected_only(schema, files, all))
}

/// Every table that was seeded from exactly its file and not changed since.
///
/// # Errors
/// Where a query fails or a file cannot be read.
pub(crate) async fn unchanged_each(
    client: &impl GenericClient,
    config: &Config,
    schema: &Schema,
    files: &SourceFiles,
) -> Result<Vec<Unchanged>, DatabaseError> {
    lock::with_holders(client, look(client, config, schema, files).await).await
}

async fn look(
    client: &impl GenericClient,
    config: &Config,
    schema: &Schema,
    files: &SourceFiles,
) -> Result<Vec<Unchanged>, DatabaseError> {
    let notes = read_notes(client).await?;
    let versions = reference_versions(client, &config.schema).await?;
    let mut unchanged = Vec::new();
    for (key, file) in &files.by_table {
        let Some(table) = schema.table(key) else {
            continue;
        };
        let (Some(note), Some(version)) = (notes.get(&qualified(table)), versions.get(&table.name))
        else {
            continue;
        };
        let same = table.is_tracked()
            && note.version_seq == version.version_seq
            && note.shape == shape(table, config);
        let hash = if same {
            file.open().and_then(hash_of).ok()
        } else {
            None
        };
        if let Some(hash) = hash.filter(|hash| hash.to_string() == note.source) {
            unchanged.push(Unchanged {
                key: table.key.clone(),
                rows: note.rows,
                admin_owned: 0,
                hash,
                table: table.name.clone(),
                version_seq: version.version_seq,
            });
        }
    }
    count_admin_owned(client, schema, &mut unchanged).await?;
    Ok(unchanged)
}

/// Whether the skipped tables are still as they were, as the transaction sees them.
pub(super) async fn still_hold(
    tx: &Transaction<'_>,
    config: &Config,
    skipped: &[Unchanged],
) -> Result<bool, DatabaseError> {
    if skipped.is_empty() {
        return Ok(true);
    }
    let versions = reference_versions(tx, &config.schema).await?;
    Ok(skipped.iter().all(|unchanged| {
        let version = versions.get(&unchanged.table);
        version.is_some_and(|version| version.version_seq == unchanged.version_seq)
    }))
}

/// Notes what was seeded, in the seed's own transaction: a note without its rows would
/// keep them out for ever.
pub(super) async fn remember(
    tx: &Transaction<'_>,
    input: Input<'_>,
    versions: &BTreeMap<String, TableVersion>,
) -> Result<(), DatabaseError> {
    if !has_notes(tx).await? {
        return Ok(());
    }
    let failed = |source| DatabaseError::query("note what was seeded", source);
    for source in input.sources {
        let table = input.table_of(source);
        let Some(version) = versions.get(&table.name) else {
            continue;
        };
        let (seq, rows) = (signed(version.version_seq), signed(source.rows));
        let (hash, shape) = (source.hash.to_string(), shape(table, input.config));
        tx.execute(UPSERT, &[&qualified(table), &hash, &shape, &seq, &rows])
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// The table of notes, for the publisher's own schema.
pub(in crate::database) const CREATE_NOTES: &str = "
    CREATE TABLE IF NOT EXISTS tablecast.seeded (
        table_name   text PRIMARY KEY,
        source_hash  text NOT NULL,
        shape_hash   text NOT NULL,
        version_seq  bigint NOT NULL,
        row_count    bigint NOT NULL
    )";

const UPSERT: &str = "
    INSERT INTO tablecast.seeded (table_name, source_hash, shape_hash, version_seq, row_count)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (table_name) DO UPDATE
        SET source_hash = excluded.source_hash, shape_hash = excluded.shape_hash,
            version_seq = excluded.version_seq, row_count = excluded.row_count
        WHERE ROW(seeded.source_hash, seeded.shape_hash, seeded.version_seq, seeded.row_count)
            <> ROW(excluded.source_hash, excluded.shape_hash, excluded.version_seq, excluded.row_count)";

struct Note {
    source: String,
    shape: String,
    version_seq: u64,
    rows: u64,
}

async fn has_notes(client: &impl GenericClient) -> Result<bool, DatabaseError> {
    client
        .value(
            "look for what was seeded",
            "SELECT to_regclass('tablecast.seeded') IS NOT NULL",
            &[],
        )
        .await
}

async fn read_notes(client: &impl GenericClient) -> Result<BTreeMap<String, Note>, DatabaseError> {
    if !has_notes(client).await? {
        return Ok(BTreeMap::new());
    }
    let query = "SELECT table_name, source_hash, shape_hash, version_seq, row_count
                 FROM tablecast.seeded";
    let read = |row: &tokio_postgres::Row| {
        let (version_seq, rows): (i64, i64) = (row.try_get(3)?, row.try_get(4)?);
        let note = Note {
            source: row.try_get(1)?,
            shape: row.try_get(2)?,
            version_seq: version_seq.unsigned_abs(),
            rows: rows.unsigned_abs(),
        };
        Ok((row.try_get(0)?, note))
    };
    client.list("read what was seeded", query, &[], read).await
}

// By one statement: twenty would cost more than all the rest of a look at unchanged files.
async fn count_admin_owned(
    client: &impl GenericClient,
    schema: &Schema,
    unchanged: &mut [Unchanged],
) -> Result<(), DatabaseError> {
    let counted = unchanged.iter().enumerate().filter_map(|(index, skipped)| {
        let table = schema.table(skipped.key.as_str())?;
        table.has_source_type().then(|| {
            format!(
                "SELECT {index}, count(*) FROM {} WHERE source_type = 'admin'",
                qualified(table)
            )
        })
    });
    let counted: Vec<String> = counted.collect();
    if counted.is_empty() {
        return Ok(());
    }
    let failed = |source| DatabaseError::query("count an administrator's rows", source);
    let rows = client.query(&counted.join(" UNION ALL "), &[]).await;
    for row in rows.map_err(failed)? {
        let index: i32 = row.try_get(0).map_err(failed)?;
        let count: i64 = row.try_get(1).map_err(failed)?;
        let index = usize::try_from(index).expect("an index is not negative");
        unchanged[index].admin_owned = count.unsigned_abs();
    }
    Ok(())
}

// What decides, beside the file, which rows it gives.
fn shape(table: &Table, config: &Config) -> String {
    let settings = (&config.note_prefix, config.table(table));
    let text = format!(
        "{SEED_FORMAT} {:?} {:?} {settings:?}",
        table.columns, table.primary_key
    );
    blake3::hash(text.as_bytes()).to_string()
}

fn hash_of(file: std::fs::File) -> std::io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(hasher.finalize())
}

/// Those of `unchanged` that no foreign keys tie to a table that is not. A changed file may
/// break references to it, and may only be judged with what it refers to.
pub(crate) fn connected_only(
    schema: &Schema,
    files: &SourceFiles,
    mut unchanged: Vec<Unchanged>,
) -> Vec<Unchanged> {
    let known: BTreeSet<&TableKey> = unchanged.iter().map(|table| &table.key).collect();
    let with_file = schema
        .tables
        .iter()
        .filter(|t| files.by_table.contains_key(t.key.as_str()));
    let mut read: BTreeSet<TableKey> = with_file
        .map(|table| table.key.clone())
        .filter(|key| !known.contains(key))
        .collect();
    let mut ties: BTreeMap<&TableKey, Vec<&TableKey>> = BTreeMap::new();
    for table in &schema.tables {
        for fk in &table.foreign_keys {
            ties.entry(&table.key).or_default().push(&fk.target);
            ties.entry(&fk.target).or_default().push(&table.key);
        }
    }
    let mut next: Vec<TableKey> = read.iter().cloned().collect();
    while let Some(key) = next.pop() {
        for tied in ties.get(&key).into_iter().flatten() {
            if read.insert((*tied).clone()) {
                next.push((*tied).clone());
            }
        }
    }
    unchanged.retain(|table| !read.contains(&table.key));
    unchanged
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
