//! The seed: what the files say becomes what the tables hold, in one transaction.
//!
//! stage every file → lock the tables → plan every table → judge the plans → write what
//! differs → deactivate what left → commit. Nothing is ever deleted, and whatever fails
//! rolls everything back.
//!
//! A large file for an empty table needs no plan: it is copied straight into the table when
//! its turn to be written comes, which spares the server staging, joining and single inserts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;
use futures_util::SinkExt;
use serde::Serialize;
use snapshot_format::{ReferenceVersion, TableKey};
use tokio_postgres::{Client, GenericClient, Transaction};

use super::error::{DatabaseError, PgError};
use super::metadata::{TableVersion, highest, reference_versions};
use super::sql::{identifier, literal, qualified, render};
use super::{gate, lock};
use crate::config::Config;
use crate::progress::Progress;
use crate::schema::{IS_ACTIVE, SOURCE_TYPE, Schema, Table};
use crate::source::{Problem, Problems, RowDecoder, RowReader, SourceTable};

/// What the operator asks of a seed.
#[derive(Debug, Clone, Default)]
pub struct SeedOptions {
    /// Roll back at the end.
    pub dry_run: bool,
    /// Tables that may lose more rows than the guard allows, with exactly how many.
    pub allow_deactivation: BTreeMap<TableKey, u64>,
}

/// What a seed did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeedReport {
    /// Whether it was rolled back because that was asked for.
    pub dry_run: bool,
    /// The reference version before.
    pub from: ReferenceVersion,
    /// The reference version behind.
    pub to: ReferenceVersion,
    /// Every table that has a file, in key order.
    pub tables: Vec<SeededTable>,
    /// How long everything took.
    pub elapsed_ms: u64,
}

/// What a seed did to one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeededTable {
    /// The table's key.
    pub table: String,
    /// Rows that were not there.
    pub inserted: u64,
    /// Rows that were otherwise.
    pub updated: u64,
    /// Rows that were as they should be.
    pub unchanged: u64,
    /// Rows that the file holds no more.
    pub deactivated: u64,
    /// Deactivated rows that came back.
    pub reactivated: u64,
    /// Rows that belong to an administrator.
    pub admin_owned: u64,
    /// Keys that the file holds and an administrator's row has; the row was left alone.
    pub admin_keys: Vec<String>,
    /// Rows that the file does not hold, in a table that cannot deactivate them.
    pub not_in_file: u64,
    /// Columns that only the database decides.
    pub not_in_file_columns: Vec<String>,
    /// The seed's own active rows before: what the guard measures by.
    #[serde(skip)]
    active_before: u64,
    /// Whether file and table were known to be unchanged, so that neither was read.
    pub skipped: bool,
    /// The table's number.
    pub version_seq: u64,
    /// How long the table took.
    pub elapsed_ms: u64,
}

impl SeededTable {
    fn writes(&self) -> bool {
        self.inserted + self.updated + self.reactivated > 0
    }
}

/// Why a seed changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// PostgreSQL, or a guard, refuses what the files say.
    #[error("the database refuses the source")]
    Refused(Vec<Problem>),
    /// A file cannot be read again.
    #[error("failed to read {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not the one that was validated.
    #[error("{file} was changed while it was read")]
    Changed {
        /// The file.
        file: String,
    },
    /// The connection broke between the commit and its answer.
    #[error(
        "the connection broke at the commit; the seed is either whole in the database or not at all"
    )]
    Unanswered(#[source] PgError),
    /// A table was changed between the look at it and the lock on it.
    #[error("a table was changed by somebody else while the files were read")]
    Overtaken,
}

impl SeedError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
            Self::Changed { .. } | Self::Overtaken => Some("run the command again".to_owned()),
            Self::Unanswered(_) => {
                Some("run the command again: it writes only what is not written yet".to_owned())
            }
            Self::Refused(_) | Self::Read { .. } => None,
        }
    }
}

/// Seeds the validated files.
///
/// `skipped` are the tables whose file and rows are known to be as they were; the
/// transaction makes sure that they still are.
///
/// # Errors
/// Where anything at all goes wrong. The tables are then as they were.
pub async fn seed(
    client: &mut Client,
    config: &Config,
    schema: &Schema,
    sources: &[SourceTable],
    skipped: &[gate::Unchanged],
    options: &SeedOptions,
    progress: Progress,
) -> Result<SeedReport, SeedError> {
    let start = Instant::now();
    let mut tx = client
        .transaction()
        .await
        .map_err(|e| DatabaseError::query("begin", e))?;
    prepare(&tx, config).await?;
    let before = reference_versions(&tx, &config.schema).await?;
    let varying = varying_defaults(&tx, config).await?;
    let mut staged = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        let table = schema
            .table(source.key.as_str())
            .expect("a source belongs to a table");
        let mut stage = Stage::new(index, table, source, config, &varying);
        stage.straight = stage.may_go_straight() && stage.is_empty_table(&tx).await?;
        if !stage.straight {
            stage.fill(&tx, config, progress).await?;
        }
        staged.push(stage);
    }
    let tables: Vec<&Table> = staged.iter().map(|stage| stage.table).collect();
    lock::lock_tables(&mut tx, &tables, config.lock_timeout).await?;
    if !gate::still_hold(&tx, config, skipped).await? {
        return Err(SeedError::Overtaken);
    }
    let mut reports = Vec::with_capacity(staged.len());
    for stage in &staged {
        reports.push(stage.plan(&tx).await?);
    }
    judge(&staged, &reports, options)?;
    write(&tx, config, &staged, &reports, &before, progress).await?;

    let after = reference_versions(&tx, &config.schema).await?;
    gate::remember(&tx, config, schema, &staged_sources(&staged), &after).await?;
    let end = if options.dry_run {
        tx.rollback().await
    } else {
        tx.commit().await
    };
    end.map_err(|source| match PgError::from(source) {
        source if source.sqlstate.is_none() => SeedError::Unanswered(source),
        source => DatabaseError::Query {
            what: "commit".to_owned(),
            source,
        }
        .into(),
    })?;
    Ok(report(
        start, options, schema, reports, skipped, &before, &after,
    ))
}

async fn prepare(tx: &Transaction<'_>, config: &Config) -> Result<(), SeedError> {
    lock::take_transaction_lock(tx, config.lock_timeout).await?;
    // The staging tables are this session's own: they want its memory, not the server's.
    let settings = format!(
        "SET LOCAL lock_timeout = {}; SET LOCAL work_mem = '64MB'; SET LOCAL temp_buffers = '64MB'",
        config.lock_timeout.as_millis()
    );
    let set = tx.batch_execute(&settings).await;
    Ok(set.map_err(|source| DatabaseError::query("prepare the session", source))?)
}

fn staged_sources<'s>(staged: &[Stage<'s>]) -> Vec<&'s SourceTable> {
    staged.iter().map(|stage| stage.source).collect()
}

// What the templates are told of a table.
#[derive(Serialize)]
struct StageSql {
    stage: String,
    table: String,
    primary_key: Vec<String>,
    // The columns of the staging table.
    columns: Vec<String>,
    // What makes a row differ.
    compared: Vec<StagedColumn>,
    // What a new row is given.
    written: Vec<StagedColumn>,
    is_active: bool,
    staged_is_active: String,
    source_type: bool,
}

#[derive(Serialize, Clone)]
struct StagedColumn {
    name: String,
    staged: String,
}

struct Stage<'s> {
    table: &'s Table,
    source: &'s SourceTable,
    allow_percent: u8,
    // Not staged: the table is empty, and takes the file as it is.
    straight: bool,
    sql: StageSql,
}

// Beyond so many rows it matters how PostgreSQL goes about them.
const MANY_ROWS: u64 = 5_000;

impl<'s> Stage<'s> {
    fn new(
        index: usize,
        table: &'s Table,
        source: &'s SourceTable,
        config: &Config,
        varying: &VaryingDefaults,
    ) -> Self {
        let staged = |column: usize| StagedColumn {
            name: identifier(&table.columns[column].name),
            staged: staged_expression(table, source, column, varying),
        };
        let mut written: Vec<StagedColumn> = source.columns.iter().map(|&c| staged(c)).collect();
        let is_active = table.column(IS_ACTIVE).filter(|_| table.has_is_active());
        if let Some((index, _)) = is_active.filter(|(index, _)| !source.columns.contains(index)) {
            written.push(staged(index));
        }
        let key: Vec<String> = table
            .primary_key_names()
            .iter()
            .map(|name| identifier(name))
            .collect();
        let compared = written
            .iter()
            .filter(|c| !key.contains(&c.name))
            .cloned()
            .collect();
        if table.has_source_type() {
            let name = identifier(SOURCE_TYPE);
            written.push(StagedColumn {
                name,
                staged: "'seed'".to_owned(),
            });
        }
        let name_of = |&column: &usize| identifier(&table.columns[column].name);
        let sql = StageSql {
            stage: identifier(&format!("tablecast_stage_{index}")),
            table: qualified(table),
            primary_key: key,
            columns: source.columns.iter().map(name_of).collect(),
            compared,
            written,
            is_active: is_active.is_some(),
            staged_is_active: is_active
                .map(|(index, _)| staged(index).staged)
                .unwrap_or_default(),
            source_type: table.has_source_type(),
        };
        Self {
            table,
            source,
            allow_percent: config.max_deactivation_percent(table),
            straight: false,
            sql,
        }
    }

    // Whether COPY gives the rows what staging would: a column that no row names its default,
    // and no column now a value and now the default.
    fn may_go_straight(&self) -> bool {
        let is_active = self.table.column(IS_ACTIVE).filter(|_| self.sql.is_active);
        let is_known = is_active.is_none_or(|(index, column)| {
            self.source.columns.contains(&index) || column.default.is_some()
        });
        self.source.rows > MANY_ROWS && self.source.defaulted.is_empty() && is_known
    }

    async fn is_empty_table(&self, tx: &Transaction<'_>) -> Result<bool, DatabaseError> {
        let query = format!("SELECT NOT EXISTS (SELECT FROM {})", self.sql.table);
        let row = tx.query_one(&query, &[]).await;
        let empty = row.and_then(|row| row.try_get(0));
        empty.map_err(|source| DatabaseError::query("look whether a table is empty", source))
    }

    async fn fill(
        &self,
        tx: &Transaction<'_>,
        config: &Config,
        progress: Progress,
    ) -> Result<(), SeedError> {
        let what = format!("stage {}", self.source.file.name);
        let created = tx.batch_execute(&render("stage.sql", &self.sql)).await;
        created.map_err(|source| DatabaseError::query(&what, source))?;
        let bar = progress.bytes(&what, self.source.size);
        self.copy(tx, config, &self.sql.stage, &bar).await?;
        bar.finish_and_clear();
        // A temporary table is never analysed by itself, and the join needs to know its size.
        if self.source.rows > MANY_ROWS {
            let analyze = format!("ANALYZE {}", self.sql.stage);
            let analyzed = tx.batch_execute(&analyze).await;
            analyzed.map_err(|source| DatabaseError::query(&what, source))?;
        }
        Ok(())
    }

    async fn copy(
        &self,
        tx: &Transaction<'_>,
        config: &Config,
        to: &str,
        bar: &indicatif::ProgressBar,
    ) -> Result<(), SeedError> {
        let refused = |source: tokio_postgres::Error| self.refused_row(source);
        let mut columns = self.sql.columns.clone();
        let mut last_value = None;
        if self.straight && self.sql.source_type {
            columns.push(identifier(SOURCE_TYPE));
            last_value = Some("seed");
        }
        let statement = format!("COPY {to} ({}) FROM STDIN", columns.join(", "));
        let sink = tx.copy_in::<_, Bytes>(&statement).await.map_err(refused)?;
        let mut sink = std::pin::pin!(sink);
        let (sender, mut lines) = tokio::sync::mpsc::channel::<Bytes>(4);
        let (table, source) = (self.table.clone(), self.source.clone());
        let (config, bar) = (config.clone(), bar.clone());
        // Reading files and decoding rows is work for a thread, not for the runtime.
        let reading = tokio::task::spawn_blocking(move || {
            read_lines(&table, &source, &config, last_value, &bar, |chunk| {
                sender.blocking_send(chunk).is_ok()
            })
        });
        while let Some(chunk) = lines.recv().await {
            sink.send(chunk).await.map_err(refused)?;
        }
        reading.await.expect("the reader does not panic")?;
        sink.finish().await.map_err(refused)?;
        Ok(())
    }

    // PostgreSQL names the row in the context: `COPY tablecast_stage_3, line 5, column x`.
    fn refused_row(&self, source: tokio_postgres::Error) -> SeedError {
        let source = PgError::from(source);
        let context = source.context.as_deref().unwrap_or_default();
        let row = context.split_once(", line ").and_then(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        });
        let column = context
            .split_once(", column ")
            .and_then(|(_, rest)| rest.split(':').next());
        if row.is_none() && self.straight {
            return self.refused_write(source);
        }
        if row.is_none() {
            let what = format!("stage {}", self.source.file.name);
            return DatabaseError::Query { what, source }.into();
        }
        let mut place = crate::source::Place::file(&self.source.file.name);
        place.row = row;
        place.column = column.map(str::to_owned);
        SeedError::Refused(vec![Problem {
            place: Some(place),
            message: source.message.clone(),
        }])
    }

    async fn plan(&self, tx: &Transaction<'_>) -> Result<SeededTable, SeedError> {
        let start = Instant::now();
        if self.straight {
            return self.plan_straight(tx).await;
        }
        let what = format!("compare {} with its table", self.source.file.name);
        let failed = |source| DatabaseError::query(&what, source);
        let row = tx
            .query_one(&render("plan.sql", &self.sql), &[])
            .await
            .map_err(failed)?;
        let count = |name: &str| -> Result<u64, DatabaseError> {
            let count: i64 = row.try_get(name).map_err(failed)?;
            Ok(count.unsigned_abs())
        };
        let leaving = count("leaving")?;
        let (deactivated, not_in_file) = if self.sql.is_active {
            (leaving, 0)
        } else {
            (0, leaving)
        };
        let admin_keys = match count("admin_keys")? {
            0 => Vec::new(),
            _ => self.admin_keys(tx).await?,
        };
        Ok(SeededTable {
            table: self.table.key.to_string(),
            inserted: count("inserted")?,
            updated: count("updated")?,
            unchanged: count("unchanged")?,
            deactivated,
            reactivated: count("reactivated")?,
            admin_owned: count("admin_owned")?,
            admin_keys,
            not_in_file,
            not_in_file_columns: self.not_in_file_columns(),
            active_before: count("active")?,
            skipped: false,
            version_seq: 0,
            elapsed_ms: millis(start),
        })
    }

    // Nobody can write the table any more: what it holds now is what it will hold.
    async fn plan_straight(&self, tx: &Transaction<'_>) -> Result<SeededTable, SeedError> {
        if !self.is_empty_table(tx).await? {
            return Err(SeedError::Overtaken);
        }
        Ok(SeededTable {
            table: self.table.key.to_string(),
            inserted: self.source.rows,
            not_in_file_columns: self.not_in_file_columns(),
            ..SeededTable::default()
        })
    }

    async fn admin_keys(&self, tx: &Transaction<'_>) -> Result<Vec<String>, DatabaseError> {
        let key = &self.sql.primary_key;
        let text: Vec<String> = key.iter().map(|c| format!("t.{c}::text")).collect();
        let join: Vec<String> = key.iter().map(|c| format!("t.{c} = s.{c}")).collect();
        let query = format!(
            "SELECT concat_ws(', ', {text}) FROM {} AS s JOIN {} AS t ON {}
             WHERE t.source_type = 'admin' ORDER BY concat_ws(', ', {text}) COLLATE \"C\" LIMIT 100",
            self.sql.stage,
            self.sql.table,
            join.join(" AND "),
            text = text.join(", "),
        );
        let rows = tx.query(&query, &[]).await;
        let keys = rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
        keys.map_err(|source| DatabaseError::query("list an administrator's rows", source))
    }

    fn not_in_file_columns(&self) -> Vec<String> {
        let unnamed = self.table.published().filter(|column| {
            let (index, _) = self
                .table
                .column(&column.name)
                .expect("is one of its columns");
            column.name != IS_ACTIVE && !self.source.columns.contains(&index)
        });
        unnamed.map(|column| column.name.clone()).collect()
    }

    async fn write(
        &self,
        tx: &Transaction<'_>,
        config: &Config,
        plan: &SeededTable,
        progress: Progress,
    ) -> Result<(), SeedError> {
        let what = format!("write {}", self.table.key);
        if self.straight {
            let bar = progress.bytes(&what, self.source.size);
            self.copy(tx, config, &self.sql.table, &bar).await?;
            bar.finish_and_clear();
            return Ok(());
        }
        let bar = progress.step(&what);
        let refused = |source| self.refused_write(PgError::from(source));
        if plan.writes() {
            let written = tx.batch_execute(&render("write.sql", &self.sql)).await;
            written.map_err(refused)?;
        }
        if plan.deactivated > 0 {
            let deactivated = tx.batch_execute(&render("deactivate.sql", &self.sql)).await;
            deactivated.map_err(refused)?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    // A constraint that only the database knows: CHECK, UNIQUE, a trigger of the user's.
    fn refused_write(&self, source: PgError) -> SeedError {
        match &source.constraint {
            Some(_) => {
                let place = crate::source::Place::file(&self.source.file.name);
                let message = source.message.clone();
                SeedError::Refused(vec![Problem {
                    place: Some(place),
                    message,
                }])
            }
            None => {
                let what = format!("write table {}", self.table.name);
                DatabaseError::Query { what, source }.into()
            }
        }
    }
}

// Tables and columns, by their SQL names.
type VaryingDefaults = BTreeSet<(String, String)>;

// The columns whose default gives another value each time it is asked: a number from a
// sequence, a random uuid, the time. `adbin` spells the expression's nodes out.
// Source: PostgreSQL's src/include/nodes/primnodes.h.
async fn varying_defaults(
    client: &impl GenericClient,
    config: &Config,
) -> Result<VaryingDefaults, DatabaseError> {
    let query = r"
        SELECT class.relname::text, attribute.attname::text
        FROM pg_catalog.pg_attribute AS attribute
        JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        LEFT JOIN pg_catalog.pg_attrdef AS initial
               ON initial.adrelid = attribute.attrelid AND initial.adnum = attribute.attnum
        WHERE namespace.nspname = $1 AND (attribute.attidentity <> ''
              OR initial.adbin::text ~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR) '
              OR EXISTS (
                  SELECT FROM regexp_matches(initial.adbin::text, ':(?:func|opfunc)id (\d+)', 'g') AS called
                  JOIN pg_catalog.pg_proc AS function ON function.oid = called[1]::oid
                  WHERE function.provolatile <> 'i'
              ))";
    let rows = client.query(query, &[&config.schema]).await;
    let read = |row: tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let columns = rows.and_then(|rows| rows.into_iter().map(read).collect());
    columns.map_err(|source| DatabaseError::query("read the catalog", source))
}

// The value of a column in a staged row, also where the file leaves it out.
fn staged_expression(
    table: &Table,
    source: &SourceTable,
    index: usize,
    varying: &VaryingDefaults,
) -> String {
    let column = &table.columns[index];
    let staged = format!("s.{}", identifier(&column.name));
    let default = || match column.default.as_deref() {
        Some("DEFAULT") => format!(
            "nextval(pg_get_serial_sequence({}, {}))",
            literal(&qualified(table)),
            literal(&column.name)
        ),
        Some(default) => format!("({default})"),
        // Being active is what a row of the file is unless it says otherwise.
        None => "true".to_owned(),
    };
    if !source.columns.contains(&index) {
        default()
    } else if source.defaulted.contains(&index) {
        // Asked again, it would be another value in every seed: what the row has stays.
        let stored = match varying.contains(&(table.name.clone(), column.name.clone())) {
            true => format!("t.{}, ", identifier(&column.name)),
            false => String::new(),
        };
        // A sequence gives a bigint, whatever the column is.
        format!(
            "coalesce({staged}, {stored}{}::{})",
            default(),
            column.sql_type
        )
    } else {
        staged
    }
}

// The second reading of a file. What it gives has passed the first.
fn read_lines(
    table: &Table,
    source: &SourceTable,
    config: &Config,
    // The value of a further column, the same in every row.
    last_value: Option<&str>,
    bar: &indicatif::ProgressBar,
    mut send: impl FnMut(Bytes) -> bool,
) -> Result<(), SeedError> {
    const CHUNK_SIZE: usize = 128 * 1024;
    let file = source.file.name.clone();
    let failed = |error| SeedError::Read {
        file: source.file.name.clone(),
        source: error,
    };
    let input = source.file.open().map_err(failed)?;
    let changed = || SeedError::Changed { file: file.clone() };
    let reader = RowReader::new(bar.wrap_read(input)).map_err(|_| changed())?;
    let mut reader = reader.without_notes(config.note_prefix.as_deref());
    let mut decoder = RowDecoder::new(table, config);
    let mut problems = Problems::default();
    let mut lines = Vec::with_capacity(CHUNK_SIZE * 2);
    while let Some(row) = reader.next_row().map_err(|_| changed())? {
        if !decoder.decode(&file, &row, &mut problems) {
            return Err(changed());
        }
        decoder.copy_line(&source.columns, &mut lines);
        if let Some(value) = last_value {
            lines.pop();
            lines.extend_from_slice(format!("\t{value}\n").as_bytes());
        }
        if lines.len() >= CHUNK_SIZE {
            let full = std::mem::replace(&mut lines, Vec::with_capacity(CHUNK_SIZE * 2));
            if !send(full.into()) {
                // The copy has failed, and says why.
                return Ok(());
            }
        }
    }
    if reader.finish().map_err(failed)? != source.hash {
        return Err(changed());
    }
    send(lines.into());
    Ok(())
}

// The guard against a broken file that would take half a table away.
fn judge(
    staged: &[Stage<'_>],
    plans: &[SeededTable],
    options: &SeedOptions,
) -> Result<(), SeedError> {
    let mut problems = Vec::new();
    for (stage, plan) in staged.iter().zip(plans) {
        let active = plan.active_before;
        let too_many = plan.deactivated * 100 > active * u64::from(stage.allow_percent);
        let allowed = options.allow_deactivation.get(&stage.table.key);
        let message = match allowed {
            Some(allowed) if *allowed == plan.deactivated => continue,
            Some(allowed) if plan.deactivated > 0 => format!(
                "--allow-deactivation allows {allowed} rows, but {} would be deactivated",
                plan.deactivated
            ),
            None if too_many => format!(
                "{} of {active} active rows would be deactivated, more than {} per cent; if that \
                 is meant, allow it by --allow-deactivation {}={}",
                plan.deactivated, stage.allow_percent, stage.table.key, plan.deactivated
            ),
            _ => continue,
        };
        let place = Some(crate::source::Place::file(&stage.source.file.name));
        problems.push(Problem { place, message });
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(SeedError::Refused(problems))
    }
}

async fn write(
    tx: &Transaction<'_>,
    config: &Config,
    staged: &[Stage<'_>],
    plans: &[SeededTable],
    before: &BTreeMap<String, TableVersion>,
    progress: Progress,
) -> Result<(), SeedError> {
    let changes = |plan: &SeededTable| plan.writes() || plan.deactivated > 0;
    if !plans.iter().any(changes) {
        return Ok(());
    }
    if !before.is_empty() {
        lock::lock_versions(tx, &config.schema).await?;
    }
    for (stage, plan) in staged.iter().zip(plans) {
        stage.write(tx, config, plan, progress).await?;
    }
    Ok(())
}

fn report(
    start: Instant,
    options: &SeedOptions,
    schema: &Schema,
    reports: Vec<SeededTable>,
    skipped: &[gate::Unchanged],
    before: &BTreeMap<String, TableVersion>,
    after: &BTreeMap<String, TableVersion>,
) -> SeedReport {
    let skipped = skipped.iter().map(|unchanged| SeededTable {
        table: unchanged.key.to_string(),
        unchanged: unchanged.rows,
        admin_owned: unchanged.admin_owned,
        skipped: true,
        ..SeededTable::default()
    });
    let mut tables: Vec<SeededTable> = reports.into_iter().chain(skipped).collect();
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    for table in &mut tables {
        let name = schema.table(&table.table).map(|table| table.name.as_str());
        let version = name.and_then(|name| after.get(name));
        table.version_seq = version
            .map(|version| version.version_seq)
            .unwrap_or_default();
    }
    SeedReport {
        dry_run: options.dry_run,
        from: ReferenceVersion(highest(before)),
        to: ReferenceVersion(highest(after)),
        tables,
        elapsed_ms: millis(start),
    }
}

fn millis(start: Instant) -> u64 {
    start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}

/// Of references that no file holds, those that the database does not hold either.
///
/// A row counts that a seed will leave as it is: an administrator's, or one of a table
/// without a file.
///
/// # Errors
/// Where a query fails.
pub async fn still_dangling(
    client: &impl GenericClient,
    config: &Config,
    schema: &Schema,
    dangling: Vec<crate::source::Dangling>,
) -> Result<Vec<crate::source::Dangling>, DatabaseError> {
    let mut groups: BTreeMap<(TableKey, Vec<String>), Vec<crate::source::Dangling>> =
        BTreeMap::new();
    for reference in dangling {
        let group = (reference.target.clone(), reference.target_columns.clone());
        groups.entry(group).or_default().push(reference);
    }
    let mut still = Vec::new();
    for ((target, columns), references) in groups {
        let table = schema.table(target.as_str()).expect("a target is a table");
        let kept = match (config.has_file(table), table.has_source_type()) {
            (false, _) => "true",
            (true, true) => "t.source_type = 'admin'",
            (true, false) => "false",
        };
        let held = held_keys(client, table, &columns, &references, kept).await?;
        let unheld = references
            .into_iter()
            .filter(|reference| !held.contains(&reference.values));
        still.extend(unheld);
    }
    Ok(still)
}

async fn held_keys(
    client: &impl GenericClient,
    table: &Table,
    columns: &[String],
    references: &[crate::source::Dangling],
    kept: &str,
) -> Result<BTreeSet<Vec<String>>, DatabaseError> {
    let texts: Vec<String> = columns
        .iter()
        .map(|column| format!("t.{}::text", identifier(column)))
        .collect();
    let parameters: Vec<String> = (1..=columns.len())
        .map(|index| format!("${index}::text[]"))
        .collect();
    let query = format!(
        "SELECT ARRAY[{texts}] FROM {} AS t
         WHERE {kept} AND ({texts}) IN (SELECT * FROM unnest({}))",
        qualified(table),
        parameters.join(", "),
        texts = texts.join(", "),
    );
    let values: Vec<Vec<&str>> = (0..columns.len())
        .map(|column| {
            references
                .iter()
                .map(|r| r.values[column].as_str())
                .collect()
        })
        .collect();
    let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
        values.iter().map(|column| column as _).collect();
    let rows = client.query(&query, &values).await;
    let held = rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
    held.map_err(|source| DatabaseError::query("look for referenced rows", source))
}
