//! What was applied to a database, and what is still to be.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, GenericClient, Row};

use super::error::MigrationError;
use super::files::{Migration, has_no_statement};
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::lineage;
use crate::database::seed::gate;

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) version: i64,
    pub(super) file: String,
    pub(super) checksum: String,
}

/// Pure: what is left to do, if the folder goes on where the history ends.
pub(super) fn pending(
    history: &[Applied],
    available: &[Migration],
) -> Result<Vec<Migration>, MigrationError> {
    let newest = history.iter().max_by_key(|applied| applied.version);
    let by_version: BTreeMap<i64, &Migration> = available.iter().map(|m| (m.version, m)).collect();
    for applied in history {
        match by_version.get(&applied.version) {
            None => {
                return Err(MigrationError::Gone {
                    file: applied.file.clone(),
                });
            }
            Some(migration) if migration.checksum != applied.checksum => {
                return Err(MigrationError::Edited {
                    file: migration.file.clone(),
                });
            }
            Some(_) => {}
        }
    }
    let applied: BTreeSet<i64> = history.iter().map(|applied| applied.version).collect();
    let pending: Vec<Migration> = available
        .iter()
        .filter(|m| !applied.contains(&m.version))
        .cloned()
        .collect();
    if let Some(empty) = pending.iter().find(|m| has_no_statement(&m.sql)) {
        return Err(MigrationError::Empty(empty.file.clone()));
    }
    match (newest, pending.first()) {
        (Some(newest), Some(first)) if first.version < newest.version => {
            let (file, newest) = (first.file.clone(), newest.file.clone());
            Err(MigrationError::OutOfOrder { file, newest })
        }
        _ => Ok(pending),
    }
}

/// The history, and what a seed notes. They have a schema of their own, so that the
/// configured one holds nothing but the user's tables.
pub(super) async fn create_bookkeeping(client: &Client) -> Result<(), DatabaseError> {
    // Without rights to create, what exists is enough.
    if has_history(client).await? {
        return Ok(());
    }
    let create = format!(
        "CREATE SCHEMA IF NOT EXISTS tablecast;
         {};
         CREATE TABLE tablecast.migration (
             version     bigint PRIMARY KEY,
             file        text NOT NULL,
             checksum    text NOT NULL,
             applied_at  timestamptz NOT NULL DEFAULT now()
         );
         {}",
        gate::CREATE_NOTES,
        lineage::GIVE_LINEAGE,
    );
    client.run("create the migration history", &create).await
}

pub(super) async fn has_history(client: &Client) -> Result<bool, DatabaseError> {
    client
        .value(
            "look for the migration history",
            "SELECT to_regclass('tablecast.migration') IS NOT NULL",
            &[],
        )
        .await
}

pub(super) async fn read_history(client: &Client) -> Result<Vec<Applied>, DatabaseError> {
    let query = "SELECT version, file, checksum FROM tablecast.migration ORDER BY version";
    let read = |row: &Row| {
        let (version, file, checksum) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(Applied {
            version,
            file,
            checksum,
        })
    };
    client
        .list("read the migration history", query, &[], read)
        .await
}

pub(super) async fn note_applied(
    client: &impl GenericClient,
    migration: &Migration,
) -> Result<(), DatabaseError> {
    let insert = "INSERT INTO tablecast.migration (version, file, checksum) VALUES ($1, $2, $3)";
    let Migration {
        version,
        file,
        checksum,
        ..
    } = migration;
    let inserted = client.execute(insert, &[version, file, checksum]).await;
    inserted
        .map(drop)
        .map_err(|source| DatabaseError::query("write the migration history", source))
}
