//! Migrations: `V0001__name.sql` files, each applied once and then never edited.
//!
//! One session lock keeps two runs apart (refinery, for one, takes none). Each file is one
//! transaction together with its line in the history, so a run that dies leaves whole
//! files or nothing. A file that cannot run in a transaction (`CREATE INDEX
//! CONCURRENTLY`) says so in its first line: `-- tablecast: no transaction`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use tokio_postgres::{Client, GenericClient};

use super::catalog::read_schema;
use super::error::{DatabaseError, PgError};
use super::sql::identifier;
use super::{gate, lock, metadata};
use crate::config::Config;
use crate::schema::Schema;

/// One file of the migrations folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The number behind the `V`.
    pub version: i64,
    /// The file's name.
    pub file: String,
    /// Its text.
    pub sql: String,
    /// BLAKE3 of its text, line ends taken as `\n`: a checkout on Windows is no edit.
    pub checksum: String,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedMigrations {
    /// The files that were applied now, in order.
    pub applied: Vec<String>,
    /// How many had been applied before.
    pub already_applied: usize,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// Why the migrations cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The folder or a file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file's name is not `V<number>__<name>.sql`.
    #[error("{0}: a migration is named V<number>__<name>.sql, such as V0007__add_bands.sql")]
    Name(String),
    /// Two files have one number.
    #[error("{0} and {1} have the same number")]
    SameNumber(String, String),
    /// An applied file was changed.
    #[error("{file} was edited after it had been applied")]
    Edited {
        /// The file.
        file: String,
    },
    /// An applied file is gone.
    #[error("{file} was applied to this database, and is not in the folder any more")]
    Gone {
        /// The file.
        file: String,
    },
    /// A file comes before one that has been applied.
    #[error("{file} comes before {newest}, which has been applied already")]
    OutOfOrder {
        /// The file.
        file: String,
        /// The highest number that has been applied.
        newest: String,
    },
    /// A file fails.
    #[error("{file}{}: the migration failed; it changed nothing", at_line(line))]
    Failed {
        /// The file.
        file: String,
        /// The line of the failing statement, where PostgreSQL says it.
        line: Option<usize>,
        /// Why.
        source: PgError,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl MigrationError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Edited { .. } => Some(
                "put the file back as it was, and write the change as a new migration".to_owned(),
            ),
            Self::Gone { .. } => {
                Some("put the file back; the history is part of the schema".to_owned())
            }
            Self::OutOfOrder { .. } => {
                Some("give the file a number behind the highest one".to_owned())
            }
            Self::Failed { source, .. } => source.hint.clone(),
            Self::Database(error) => error.hint(),
            Self::Read { .. } => Some("name the folder of migrations with --sql".to_owned()),
            Self::Name(_) | Self::SameNumber(..) => None,
        }
    }
}

fn at_line(line: &Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

/// Reads the migrations of a folder, in order.
///
/// # Errors
/// Where a file cannot be read, has another name, or shares its number.
pub fn load_migrations(folder: &Path) -> Result<Vec<Migration>, MigrationError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| MigrationError::Read { path, source }
    };
    let mut migrations: BTreeMap<i64, Migration> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !file.ends_with(".sql") || file.starts_with('.') {
            continue;
        }
        let version = version_of(&file).ok_or_else(|| MigrationError::Name(file.clone()))?;
        let sql = std::fs::read_to_string(&path).map_err(failed(&path))?;
        let checksum = blake3::hash(sql.replace("\r\n", "\n").as_bytes()).to_string();
        let migration = Migration {
            version,
            file,
            sql,
            checksum,
        };
        if let Some(other) = migrations.insert(version, migration.clone()) {
            let (first, second) = (other.file.min(migration.file.clone()), migration.file);
            return Err(MigrationError::SameNumber(first, second));
        }
    }
    Ok(migrations.into_values().collect())
}

fn version_of(file: &str) -> Option<i64> {
    let (number, name) = file
        .strip_prefix('V')?
        .strip_suffix(".sql")?
        .split_once("__")?;
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    (digits && !name.is_empty()).then(|| number.parse().ok())?
}

/// Applies what has not been applied, under the lock.
///
/// A table whose columns a migration changed counts as changed: no trigger tells of
/// `ALTER TABLE`, and yet other bytes will be published.
///
/// # Errors
/// Where the lock is not to be had, the history and the folder disagree, or a file fails.
/// Files before the failing one stay applied.
pub async fn migrate(
    client: &mut Client,
    config: &Config,
    migrations: &[Migration],
) -> Result<AppliedMigrations, MigrationError> {
    let start = Instant::now();
    lock::take_session_lock(client, config.lock_timeout).await?;
    let result = migrate_locked(client, config, migrations).await;
    // On failure the connection may be gone, and the lock with it.
    let released = lock::release_session_lock(client).await;
    let mut applied = result?;
    released?;
    applied.elapsed_ms = start.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
    Ok(applied)
}

async fn migrate_locked(
    client: &mut Client,
    config: &Config,
    migrations: &[Migration],
) -> Result<AppliedMigrations, MigrationError> {
    create_bookkeeping(client).await?;
    let history = read_history(client).await?;
    let pending = pending(&history, migrations)?;
    let before = match pending.is_empty() {
        true => None,
        false => Some(read_schema(client, config).await?),
    };
    for migration in &pending {
        apply(client, config, migration).await?;
    }
    if let Some(before) = before {
        let after = read_schema(client, config).await?;
        count_as_changed(client, config, &reshaped(&before, &after)).await?;
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

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Applied {
    version: i64,
    file: String,
    checksum: String,
}

// Pure: what is left to do, if the folder goes on where the history ends.
fn pending(history: &[Applied], available: &[Migration]) -> Result<Vec<Migration>, MigrationError> {
    let newest = history.iter().max_by_key(|applied| applied.version);
    for applied in history {
        match available
            .iter()
            .find(|migration| migration.version == applied.version)
        {
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
    let is_applied = |m: &Migration| history.iter().any(|applied| applied.version == m.version);
    let pending: Vec<Migration> = available
        .iter()
        .filter(|m| !is_applied(m))
        .cloned()
        .collect();
    match (newest, pending.first()) {
        (Some(newest), Some(first)) if first.version < newest.version => {
            let (file, newest) = (first.file.clone(), newest.file.clone());
            Err(MigrationError::OutOfOrder { file, newest })
        }
        _ => Ok(pending),
    }
}

// The history, and what a seed notes. They have a schema of their own, so that the
// configured one holds nothing but the user's tables.
async fn create_bookkeeping(client: &Client) -> Result<(), DatabaseError> {
    // Without rights to create, what exists is enough.
    let exists = client.query_one("SELECT to_regclass('tablecast.migration') IS NOT NULL", &[]);
    let exists: Result<bool, _> = exists.await.and_then(|row| row.try_get(0));
    if exists.map_err(|source| DatabaseError::query("look for the migration history", source))? {
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
         )",
        gate::CREATE_NOTES
    );
    let created = client.batch_execute(&create).await;
    created.map_err(|source| DatabaseError::query("create the migration history", source))
}

async fn read_history(client: &Client) -> Result<Vec<Applied>, DatabaseError> {
    let query = "SELECT version, file, checksum FROM tablecast.migration ORDER BY version";
    let read = |row: tokio_postgres::Row| {
        let (version, file, checksum) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(Applied {
            version,
            file,
            checksum,
        })
    };
    let rows = client.query(query, &[]).await;
    let history = rows.and_then(|rows| rows.into_iter().map(read).collect());
    history.map_err(|source| DatabaseError::query("read the migration history", source))
}

const NO_TRANSACTION: &str = "-- tablecast: no transaction";

async fn apply(
    client: &mut Client,
    config: &Config,
    migration: &Migration,
) -> Result<(), MigrationError> {
    let failed = |source: tokio_postgres::Error| {
        let source = PgError::from(source);
        let line = source
            .position
            .map(|position| line_at(&migration.sql, position));
        MigrationError::Failed {
            file: migration.file.clone(),
            line,
            source,
        }
    };
    if migration.sql.starts_with(NO_TRANSACTION) {
        client.batch_execute(&migration.sql).await.map_err(failed)?;
        return Ok(note_applied(client, migration).await?);
    }
    let tx = client.transaction().await.map_err(failed)?;
    // A table that somebody uses is waited for as long as any lock, not for ever.
    let timeout = format!(
        "SET LOCAL lock_timeout = {}",
        config.lock_timeout.as_millis()
    );
    tx.batch_execute(&timeout).await.map_err(failed)?;
    tx.batch_execute(&migration.sql).await.map_err(failed)?;
    note_applied(&tx, migration).await?;
    tx.commit().await.map_err(failed)
}

async fn note_applied(
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

// PostgreSQL counts characters from 1.
fn line_at(sql: &str, position: u32) -> usize {
    let before = sql.chars().take((position as usize).saturating_sub(1));
    before.filter(|c| *c == '\n').count() + 1
}

// SQL names of the tables that were there before and are published otherwise now.
fn reshaped(before: &Schema, after: &Schema) -> BTreeSet<String> {
    let shape = |schema: &Schema, name: &str| {
        let table = schema.tables.iter().find(|table| table.name == name)?;
        let columns = table
            .published()
            .map(|c| (c.name.clone(), c.sql_type.clone()));
        Some((columns.collect::<Vec<_>>(), table.primary_key_names()))
    };
    let names = before.tables.iter().map(|table| &table.name);
    let changed = names.filter(|name| {
        let now = shape(after, name);
        now.is_some() && now != shape(before, name)
    });
    changed.cloned().collect()
}

async fn count_as_changed(
    client: &mut Client,
    config: &Config,
    tables: &BTreeSet<String>,
) -> Result<(), DatabaseError> {
    let tracked = metadata::reference_versions(client, &config.schema).await?;
    let tables: Vec<&String> = tables.iter().filter(|t| tracked.contains_key(*t)).collect();
    if tables.is_empty() {
        return Ok(());
    }
    let failed = |source| DatabaseError::query("note the changed tables", source);
    let tx = client.transaction().await.map_err(failed)?;
    lock::lock_versions(&tx, &config.schema).await?;
    let statement = format!(
        "UPDATE {schema}.reference_metadata
         SET version_seq = (SELECT max(version_seq) + 1 FROM {schema}.reference_metadata),
             last_updated = greatest(clock_timestamp(), last_updated)
         WHERE table_name = ANY ($1)",
        schema = identifier(&config.schema)
    );
    tx.execute(&statement, &[&tables]).await.map_err(failed)?;
    tx.commit().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: i64, checksum: &str) -> Migration {
        let file = format!("V{version:04}__x.sql");
        Migration {
            version,
            file,
            sql: String::new(),
            checksum: checksum.to_owned(),
        }
    }

    fn applied(version: i64, checksum: &str) -> Applied {
        let Migration {
            version,
            file,
            checksum,
            ..
        } = migration(version, checksum);
        Applied {
            version,
            file,
            checksum,
        }
    }

    #[track_caller]
    fn check(history: &[Applied], available: &[Migration], expected: Result<&[i64], &str>) {
        let pending = pending(history, available).map_err(|error| error.to_string());
        let versions = pending.map(|p| p.iter().map(|m| m.version).collect::<Vec<_>>());
        assert_eq!(versions.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn what_the_history_lacks_is_pending() {
        check(&[], &[migration(1, "a"), migration(2, "b")], Ok(&[1, 2]));
        check(
            &[applied(1, "a")],
            &[migration(1, "a"), migration(2, "b")],
            Ok(&[2]),
        );
        check(&[applied(1, "a")], &[migration(1, "a")], Ok(&[]));
    }

    #[test]
    fn a_history_that_does_not_match_the_folder_is_refused() {
        let edited = "V0001__x.sql was edited after it had been applied";
        check(&[applied(1, "a")], &[migration(1, "b")], Err(edited));
        let gone = "V0001__x.sql was applied to this database, and is not in the folder any more";
        check(&[applied(1, "a")], &[migration(2, "b")], Err(gone));
        let late = "V0001__x.sql comes before V0002__x.sql, which has been applied already";
        check(
            &[applied(2, "b")],
            &[migration(1, "a"), migration(2, "b")],
            Err(late),
        );
    }

    #[test]
    fn a_migration_is_known_by_its_name() {
        assert_eq!(version_of("V0001__create_country.sql"), Some(1));
        for file in [
            "V1.sql",
            "V1__.sql",
            "1__a.sql",
            "V1_a.sql",
            "V__a.sql",
            "Vx__a.sql",
        ] {
            assert_eq!(version_of(file), None, "{file}");
        }
    }

    #[test]
    fn a_place_is_counted_in_characters() {
        assert_eq!(line_at("ä\nb\nc", 1), 1);
        assert_eq!(line_at("ä\nb\nc", 3), 2);
        assert_eq!(line_at("ä\nb\nc", 5), 3);
    }
}
