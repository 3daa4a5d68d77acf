//! Migrations: `V0001__name.sql` files, each applied once and then never edited.
//!
//! One session lock keeps two runs apart (refinery, for one, takes none). Each file is one
//! transaction together with its line in the history, so a run that dies leaves whole
//! files or nothing. A file that cannot run in a transaction (`CREATE INDEX
//! CONCURRENTLY`) says so in its first line: `-- tablecast: no transaction`.

mod error;
mod files;
mod history;
mod shapes;

#[cfg(test)]
mod tests;

use std::time::Instant;

use serde::Serialize;
use tokio_postgres::{Client, GenericClient};

pub(crate) use self::error::MigrationError;
use self::error::NO_TRANSACTION;
use self::files::Migration;
pub(crate) use self::files::load_migrations;
use self::history::{create_bookkeeping, has_history, note_applied, pending, read_history};
use self::shapes::{Shapes, count_as_changed, read_shapes, reshaped};
use super::answer::{PgError, is_one_of};
use super::error::DatabaseError;
use super::lock;
use crate::config::Config;
use crate::duration::millis;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppliedMigrations {
    /// The files that were applied now, in order.
    pub applied: Vec<String>,
    /// How many had been applied before.
    pub already_applied: usize,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// Applies what has not been applied, under the lock.
///
/// A table that a migration created, dropped or altered counts as changed: no trigger
/// tells of it, and yet other bytes will be published.
///
/// # Errors
/// Where the lock is not to be had, the history and the folder disagree, or a file fails.
/// Files before the failing one stay applied.
pub(crate) async fn migrate(
    client: &mut Client,
    config: &Config,
    migrations: &[Migration],
) -> Result<AppliedMigrations, MigrationError> {
    let start = Instant::now();
    lock::take_session_lock(client, config.lock_timeout).await?;
    let result = migrate_locked(client, config, migrations).await;
    // On failure the connection may be gone, and the lock with it.
    let released = lock::release_session_lock(client).await;
    let mut applied = match result {
        Ok(applied) => applied,
        Err(mut error) => {
            if let MigrationError::Failed { source, .. } = &mut error {
                lock::hint_at_holders(client, source).await;
            }
            return Err(error);
        }
    };
    released?;
    applied.elapsed_ms = millis(start.elapsed());
    Ok(applied)
}

/// The files that have not been applied, in order; looks, and changes nothing.
///
/// # Errors
/// Where the history cannot be read, or disagrees with the folder.
pub(crate) async fn pending_migrations(
    client: &Client,
    migrations: &[Migration],
) -> Result<Vec<String>, MigrationError> {
    let history = if has_history(client).await? {
        read_history(client).await?
    } else {
        Vec::new()
    };
    let pending = pending(&history, migrations)?.into_iter();
    Ok(pending.map(|migration| migration.file).collect())
}

async fn migrate_locked(
    client: &mut Client,
    config: &Config,
    migrations: &[Migration],
) -> Result<AppliedMigrations, MigrationError> {
    create_bookkeeping(client).await?;
    let history = read_history(client).await?;
    let pending = pending(&history, migrations)?;
    for migration in &pending {
        apply(client, config, migration).await?;
    }
    Ok(AppliedMigrations {
        applied: pending
            .iter()
            .map(|migration| migration.file.clone())
            .collect(),
        already_applied: history.len(),
        elapsed_ms: 0,
    })
}

async fn apply(
    client: &mut Client,
    config: &Config,
    migration: &Migration,
) -> Result<(), MigrationError> {
    let failed = |in_transaction, source| migration.failed(in_transaction, source);
    if migration.sql.starts_with(NO_TRANSACTION) {
        let before = read_shapes(client, config).await?;
        let applied = client.batch_execute(&migration.sql).await;
        applied.map_err(|source| failed(false, source))?;
        end_what_is_open(client, migration).await?;
        return Ok(record(client, config, migration, before).await?);
    }
    let tx = client
        .transaction()
        .await
        .map_err(|source| failed(true, source))?;
    let before = read_shapes(&tx, config).await?;
    // A table that somebody uses is waited for as long as any lock, not for ever.
    let timeout = config.lock_timeout.as_millis();
    let sql = tx
        .batch_execute(&format!("SET LOCAL lock_timeout = {timeout}"))
        .await;
    sql.map_err(|source| failed(true, source))?;
    let applied = tx.batch_execute(&within_a_block(&migration.sql)).await;
    applied.map_err(|source| failed(true, source))?;
    record(&tx, config, migration, before).await?;
    tx.commit().await.map_err(|source| failed(true, source))
}

// Sent as it is, a file could end the transaction: what stands before a COMMIT in it would
// stay, what stands behind would run without one, and its line in the history might be lost.
// Within a block of PL/pgSQL, PostgreSQL refuses that, and all of it is undone.
fn within_a_block(sql: &str) -> String {
    let tags = (0..).map(|number: u32| format!("$tablecast_{number}$"));
    let mut free = tags.filter(|tag| !sql.contains(tag.as_str()));
    let mut next = || free.next().expect("a text has an end");
    let (outer, inner) = (next(), next());
    // The line end keeps the last word of the file and the tag apart.
    format!("DO LANGUAGE plpgsql {outer} BEGIN EXECUTE {inner}{sql}\n{inner}; END {outer}")
}

// Within an open transaction the line of the history would be lost with it.
async fn end_what_is_open(client: &Client, migration: &Migration) -> Result<(), MigrationError> {
    // 25P01: there is no transaction to set a savepoint in.
    match client.batch_execute("SAVEPOINT tablecast").await {
        Err(error) if is_one_of(&error, &["25P01"]) => Ok(()),
        _ => {
            let ended = client.batch_execute("ROLLBACK").await;
            ended.map_err(|source| migration.failed(false, source))?;
            Err(MigrationError::LeftOpen(migration.file.clone()))
        }
    }
}

impl Migration {
    fn failed(&self, in_transaction: bool, source: tokio_postgres::Error) -> MigrationError {
        let source = PgError::from(source);
        if in_transaction && ends_transaction(&source) {
            let file = self.file.clone();
            return MigrationError::EndsTransaction { file, source };
        }
        let line = source.position.map(|position| line_at(&self.sql, position));
        MigrationError::Failed {
            file: self.file.clone(),
            line,
            in_transaction,
            source,
        }
    }
}

// 2D000: COMMIT in a procedure or a block. 0A000: that or the like as a statement of the file.
fn ends_transaction(source: &PgError) -> bool {
    match source.sqlstate.as_deref() {
        Some("2D000") => true,
        Some("0A000") => source.message.contains("transaction command"),
        _ => false,
    }
}

// In the file's own transaction: a file without its line would be applied again, and a
// change without its number would never be noticed.
async fn record(
    client: &impl GenericClient,
    config: &Config,
    migration: &Migration,
    before: Option<Shapes>,
) -> Result<(), DatabaseError> {
    // A file may leave the session with another role and other settings; what pg_dump
    // writes begins with an empty search_path. Nor do its temporary tables stand in for others.
    let dropped = client
        .batch_execute("CLOSE ALL; DISCARD TEMP; UNLISTEN *")
        .await;
    dropped.map_err(|source| DatabaseError::query("set up the session", source))?;
    let restored = super::set_up_session(client, config).await;
    restored.map_err(|source| DatabaseError::query("set up the session", source))?;
    let after = read_shapes(client, config).await?;
    if let (Some(before), Some(after)) = (before, after) {
        count_as_changed(client, config, &reshaped(&before, &after)).await?;
    }
    note_applied(client, migration).await
}

// PostgreSQL counts characters from 1.
fn line_at(sql: &str, position: u32) -> usize {
    let before = sql.chars().take((position as usize).saturating_sub(1));
    before.filter(|c| *c == '\n').count() + 1
}
