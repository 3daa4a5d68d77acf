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
use snapshot_format::ColumnType;
use tokio_postgres::{Client, GenericClient};

use super::answer::{PgError, is_one_of};
use super::catalog::read_schema;
use super::error::DatabaseError;
use super::sql::identifier;
use super::{gate, lineage, lock};
use crate::config::Config;
use crate::duration::millis;
use crate::schema::Table;

/// One file of the migrations folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Migration {
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
pub(crate) struct AppliedMigrations {
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
    /// A file without any statement, as a failed redirection leaves it.
    #[error("{0} holds no statement")]
    Empty(String),
    /// A file ends the transaction that it runs in.
    #[error(
        "{file}: a migration runs in one transaction, which it must not end; it changed nothing"
    )]
    EndsTransaction {
        /// The file.
        file: String,
        /// What PostgreSQL says to it.
        source: PgError,
    },
    /// A file that runs without a transaction of ours has begun its own, and not ended it.
    #[error("{0}: the migration left a transaction open, which was rolled back")]
    LeftOpen(String),
    /// A file fails.
    #[error("{file}{}: the migration failed; {}", at_line(line), left_behind(*in_transaction))]
    Failed {
        /// The file.
        file: String,
        /// The line of the failing statement, where PostgreSQL says it.
        line: Option<usize>,
        /// Whether everything that it did was rolled back.
        in_transaction: bool,
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
            Self::Empty(_) => Some(
                "write the statements that it is meant to have, or `SELECT;` if there are none"
                    .to_owned(),
            ),
            Self::EndsTransaction { .. } => Some(format!(
                "leave out BEGIN, COMMIT, ROLLBACK, SAVEPOINT and the like, also in DO and in \
                 procedures; what needs no transaction goes into a file that begins with the line \
                 `{NO_TRANSACTION}`"
            )),
            Self::LeftOpen(_) => {
                Some("let the file end each transaction that it begins".to_owned())
            }
            Self::Failed { source, .. } if source.message.contains("SELECT ... INTO") => {
                Some("write CREATE TABLE ... AS SELECT instead of SELECT ... INTO".to_owned())
            }
            Self::Failed { source, .. }
                if source.sqlstate.as_deref() == Some("25001")
                    && !source.message.contains("SET TRANSACTION") =>
            {
                Some(format!(
                    "begin the file with the line `{NO_TRANSACTION}`, and leave it that one statement"
                ))
            }
            Self::Failed { source, .. } => source.advice(),
            Self::Database(error) => error.hint(),
            Self::Read { .. } => Some("name the folder of migrations with --sql".to_owned()),
            Self::Name(_) | Self::SameNumber(..) => None,
        }
    }
}

fn left_behind(in_transaction: bool) -> &'static str {
    if in_transaction {
        "it changed nothing"
    } else {
        // CREATE INDEX CONCURRENTLY leaves an invalid index; a file may COMMIT by itself.
        "outside of a transaction it may have left something behind"
    }
}

fn at_line(line: &Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

/// Reads the migrations of a folder, in order.
///
/// # Errors
/// Where a file cannot be read, has another name, or shares its number.
pub(crate) fn load_migrations(folder: &Path) -> Result<Vec<Migration>, MigrationError> {
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
        let sql = snapshot_store::read_to_string(&path).map_err(failed(&path))?;
        // Some editors begin a file with a mark that PostgreSQL does not know.
        let sql = sql.strip_prefix('\u{feff}').unwrap_or(&sql).to_owned();
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

// White space, comments and semicolons are no statement.
fn has_no_statement(sql: &str) -> bool {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, behind)| behind);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = behind_comment(comment);
        } else {
            return rest.is_empty();
        }
    }
}

// PostgreSQL's comments have comments in them.
fn behind_comment(mut rest: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let ends = (rest.find("*/"), rest.find("/*"));
        rest = match ends {
            (Some(end), Some(begin)) if begin < end => {
                depth += 1;
                &rest[begin + 2..]
            }
            (Some(end), _) => {
                depth -= 1;
                &rest[end + 2..]
            }
            (None, _) => return "",
        };
    }
    rest
}

// The history, and what a seed notes. They have a schema of their own, so that the
// configured one holds nothing but the user's tables.
async fn create_bookkeeping(client: &Client) -> Result<(), DatabaseError> {
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
    let created = client.batch_execute(&create).await;
    created.map_err(|source| DatabaseError::query("create the migration history", source))
}

async fn has_history(client: &Client) -> Result<bool, DatabaseError> {
    let row = client
        .query_one("SELECT to_regclass('tablecast.migration') IS NOT NULL", &[])
        .await;
    let exists = row.and_then(|row| row.try_get(0));
    exists.map_err(|source| DatabaseError::query("look for the migration history", source))
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

// What of a table decides its published bytes without a trigger telling.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    // Name, type and, for an enumeration, its labels.
    columns: Vec<(String, String, ColumnType)>,
    primary_key: Vec<String>,
    // What was done before there were triggers is not known.
    is_tracked: bool,
    // The file in which PostgreSQL keeps the rows: another one once ALTER TABLE ... USING
    // has rewritten them.
    stored_in: Option<u32>,
}

type Shapes = BTreeMap<String, Shape>;

// By SQL name, of every published table. None where the tables cannot be published as
// they are, which a migration may be about to change.
async fn read_shapes(
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
    let rows = client.query(query, &[&config.schema]).await;
    let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let files: Result<BTreeMap<String, Option<u32>>, _> =
        rows.and_then(|rows| rows.iter().map(read).collect());
    let files = files.map_err(|source| DatabaseError::query("read the catalog", source))?;
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

// The tables that are published otherwise now, those that are new, and those that are gone.
fn reshaped(before: &Shapes, after: &Shapes) -> BTreeSet<String> {
    let names = before.keys().chain(after.keys());
    let changed = names.filter(|name| before.get(*name) != after.get(*name));
    changed.cloned().collect()
}

async fn count_as_changed(
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

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: i64, checksum: &str) -> Migration {
        let file = format!("V{version:04}__x.sql");
        Migration {
            version,
            file,
            sql: "SELECT;".to_owned(),
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
    fn a_file_without_a_statement_is_known() {
        for sql in [
            "",
            " \n",
            "-- later",
            "-- a\n/* b /* c */ d */ ;",
            "\u{feff}",
            "/* open",
        ] {
            assert!(has_no_statement(sql), "{sql:?}");
        }
        for sql in ["SELECT", "-- a\nSELECT", "/* a */ x", "/* a /* */ */ ;-"] {
            assert!(!has_no_statement(sql), "{sql:?}");
        }
    }

    #[test]
    fn a_block_ends_where_no_text_of_the_file_does() {
        for sql in [
            "$tablecast_0$",
            "$tablecast_1$ $tablecast_0$",
            "$tablecast_0",
            "'",
        ] {
            let block = within_a_block(sql);
            let words: Vec<&str> = block.split(char::is_whitespace).collect();
            let outer = words[3];
            let inner = words[words.len() - 3].trim_end_matches(';');
            assert!(
                outer != inner && !sql.contains(outer) && !sql.contains(inner),
                "{block}"
            );
            assert_eq!(block.matches(outer).count(), 2, "{block}");
            assert_eq!(block.matches(inner).count(), 2, "{block}");
        }
    }

    #[test]
    fn a_place_is_counted_in_characters() {
        assert_eq!(line_at("ä\nb\nc", 1), 1);
        assert_eq!(line_at("ä\nb\nc", 3), 2);
        assert_eq!(line_at("ä\nb\nc", 5), 3);
    }
}
