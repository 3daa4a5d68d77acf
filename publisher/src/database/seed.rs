//! The seed: what the files say becomes what the tables hold, in one transaction.
//!
//! stage every file → lock the tables → plan every table → judge the plans → write what
//! differs → deactivate what left → commit. Nothing is ever deleted, and whatever fails
//! rolls everything back.
//!
//! A large file for an empty table needs no plan: it is copied straight into the table when
//! its turn to be written comes, which spares the server staging, joining and single inserts.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use snapshot_format::{ReferenceVersion, TableKey};
use tokio_postgres::{Client, Transaction};

use super::defaults::{VaryingDefaults, varying_defaults};
use super::error::{DatabaseError, PgError};
use super::fixed::changed_identities;
use super::hazards::Hazards;
use super::inheriting::twice_in_table;
use super::metadata::{TableVersion, highest, reference_versions};
use super::read::SnapshotReader;
use super::recheck::{judge_deferred, recheck};
use super::sequences::move_past_rows;
use super::stage::Stage;
use super::unique::{equal_keys, respelled_keys};
use super::write::Writing;
use super::{gate, lock};
use crate::config::Config;
use crate::progress::Progress;
use crate::schema::{Schema, Table};
use crate::source::{Problem, SourceTable};

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
    /// What an operator should know, though nothing failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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
    /// Rows that the file holds no more, or switches off.
    pub deactivated: u64,
    /// Those of them that the file switches off.
    #[serde(skip)]
    pub(super) switched_off: u64,
    /// Deactivated rows that came back.
    pub reactivated: u64,
    /// Rows that belong to an administrator.
    pub admin_owned: u64,
    /// Keys that the file holds and an administrator's row has; the row was left alone.
    pub admin_keys: Vec<String>,
    /// How many such keys there are; those beyond the first 100 are not listed.
    #[serde(skip)]
    pub(super) kept: u64,
    /// Rows that the file does not hold, in a table that cannot deactivate them.
    pub not_in_file: u64,
    /// Columns that only the database decides.
    pub not_in_file_columns: Vec<String>,
    /// The seed's own active rows before: what the guard measures by.
    #[serde(skip)]
    pub(super) active_before: u64,
    /// Whether file and table were known to be unchanged, so that neither was read.
    pub skipped: bool,
    /// The table's number.
    pub version_seq: u64,
    /// How long the table took.
    pub elapsed_ms: u64,
}

impl SeededTable {
    pub(super) fn writes(&self) -> bool {
        self.inserted + self.updated + self.reactivated + self.switched_off > 0
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
    let seeding = begin_seed(client, config, schema, sources, skipped, options, progress);
    seeding.await?.end().await
}

/// A seed that is written and not committed: dropped, it has never been.
pub struct Seeding<'c> {
    tx: Transaction<'c>,
    report: SeedReport,
    config: &'c Config,
    schema: &'c Schema,
    // Those that were compared, and those that were known to be unchanged.
    tables: Vec<&'c Table>,
    skipped: Vec<&'c Table>,
}

impl Seeding<'_> {
    /// The state that the seed would leave behind.
    pub fn reader(&self) -> SnapshotReader<'_> {
        SnapshotReader::within(&self.tx)
    }

    /// Commits, or rolls back where that was asked for.
    ///
    /// # Errors
    /// Where the commit fails, or its answer does not come.
    pub async fn end(self) -> Result<SeedReport, SeedError> {
        let Self {
            tx,
            mut report,
            config,
            schema,
            tables,
            skipped,
        } = self;
        let start = Instant::now();
        let end = if report.dry_run {
            tx.rollback().await
        } else {
            // No rollback moves a sequence back, so this is the last step.
            let moved = move_past_rows(&tx, config, schema, &tables, &skipped).await;
            report.notes.extend(lock::with_holders(&tx, moved).await?);
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
        report.elapsed_ms += millis(start);
        Ok(report)
    }
}

/// The same as [`seed`], up to its end.
///
/// # Errors
/// Where anything at all goes wrong. The tables are then as they were.
pub async fn begin_seed<'c>(
    client: &'c mut Client,
    config: &'c Config,
    schema: &'c Schema,
    sources: &'c [SourceTable],
    skipped: &'c [gate::Unchanged],
    options: &SeedOptions,
    progress: Progress,
) -> Result<Seeding<'c>, SeedError> {
    let mut tx = client
        .transaction()
        .await
        .map_err(|e| DatabaseError::query("begin", e))?;
    let written = write(&mut tx, config, schema, sources, skipped, options, progress).await;
    let (report, tables) = lock::with_holders(&tx, written).await?;
    let skipped = skipped.iter();
    Ok(Seeding {
        tx,
        report,
        config,
        schema,
        tables,
        skipped: skipped
            .filter_map(|unchanged| schema.table(unchanged.key.as_str()))
            .collect(),
    })
}

// Gives what was done, and the tables that were compared.
async fn write<'c>(
    tx: &mut Transaction<'_>,
    config: &'c Config,
    schema: &'c Schema,
    sources: &'c [SourceTable],
    skipped: &[gate::Unchanged],
    options: &SeedOptions,
    progress: Progress,
) -> Result<(SeedReport, Vec<&'c Table>), SeedError> {
    let start = Instant::now();
    prepare(tx, config).await?;
    let before = reference_versions(tx, &config.schema).await?;
    let varying = varying_defaults(tx, config).await?;
    let hazards = Hazards::read(tx, config).await?;
    if hazards.is_replica {
        return Err(replica().into());
    }
    let is_watched = |source: &SourceTable| {
        let table = schema.table(source.key.as_str());
        table.is_some_and(|table| !hazards.of(table).foreign.is_empty())
    };
    // What a trigger may change is compared behind the writing, which needs a stage.
    let may_go_straight = !sources.iter().any(is_watched);
    let mut staged = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        let table = schema
            .table(source.key.as_str())
            .expect("a source belongs to a table");
        let mut stage = Stage::new(index, table, source, config, &varying, hazards.of(table));
        stage.straight = may_go_straight
            && stage.may_go_straight(hazards.of(table))
            && stage.is_empty_table(tx).await?;
        if !stage.straight {
            stage.create(tx).await?;
            stage.fill(tx, config, progress).await?;
        }
        staged.push(stage);
    }
    let tables: Vec<&Table> = staged.iter().map(|stage| stage.table).collect();
    lock::lock_tables(tx, &tables, config.lock_timeout).await?;
    if !gate::still_hold(tx, config, skipped).await? {
        return Err(SeedError::Overtaken);
    }
    let mut reports = Vec::with_capacity(staged.len());
    let mut equal = Vec::new();
    for stage in &staged {
        if hazards.of(stage.table).loose_key {
            equal.extend(equal_keys(tx, stage).await?);
            equal.extend(respelled_keys(tx, stage).await?);
        }
        equal.extend(twice_in_table(tx, stage).await?);
        equal.extend(changed_identities(tx, stage).await?);
        reports.push(stage.plan(tx).await?);
    }
    refuse(equal)?;
    let judged = judge(&staged, &reports, &options.allow_deactivation);
    refuse(judged.problems)?;
    let writer = Writer {
        config,
        hazards: &hazards,
        varying: &varying,
        progress,
    };
    writer.write(tx, &staged, &reports, &before).await?;
    if !gate::still_hold(tx, config, skipped).await? {
        return Err(SeedError::Refused(vec![changed_by_others()]));
    }

    let after = reference_versions(tx, &config.schema).await?;
    gate::remember(tx, config, schema, &staged_sources(&staged), &after).await?;
    let report = SeedReport {
        notes: judged.notes,
        ..report(start, options, schema, reports, skipped, &before, &after)
    };
    Ok((report, tables))
}

fn refuse(problems: Vec<Problem>) -> Result<(), SeedError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(SeedError::Refused(problems))
    }
}

fn replica() -> DatabaseError {
    DatabaseError::Catalog(
        "session_replication_role is replica for this role: neither triggers nor foreign keys would \
         hold; set it to origin"
            .to_owned(),
    )
}

fn changed_by_others() -> Problem {
    Problem {
        place: None,
        message:
            "writing the tables changed others, whose files are as they were seeded: a trigger, \
                  a rule or a cascade does that; seed with --recheck to see which"
                .to_owned(),
    }
}

async fn prepare(tx: &Transaction<'_>, config: &Config) -> Result<(), SeedError> {
    lock::take_transaction_lock(tx, config.lock_timeout).await?;
    set_limits(tx).await
}

/// Gives a transaction that stages files its memory.
pub(super) async fn set_limits(tx: &Transaction<'_>) -> Result<(), SeedError> {
    // The staging tables are this session's own: they want its memory, not the server's.
    let settings = "SET LOCAL work_mem = '64MB'; SET LOCAL temp_buffers = '64MB'";
    let set = tx.batch_execute(settings).await;
    Ok(set.map_err(|source| DatabaseError::query("prepare the session", source))?)
}

fn staged_sources<'s>(staged: &[Stage<'s>]) -> Vec<&'s SourceTable> {
    staged.iter().map(|stage| stage.source).collect()
}

/// What is said of the plans.
#[derive(Default)]
pub(super) struct Judged {
    /// Why nothing may be written.
    pub(super) problems: Vec<Problem>,
    /// What is allowed and only just so.
    pub(super) notes: Vec<String>,
}

/// The guard against a broken file that would take half a table away.
pub(super) fn judge(
    staged: &[Stage<'_>],
    plans: &[SeededTable],
    allow_deactivation: &BTreeMap<TableKey, u64>,
) -> Judged {
    let mut judged = Judged::default();
    for (stage, plan) in staged.iter().zip(plans) {
        let (active, percent) = (plan.active_before, u64::from(stage.allow_percent));
        let (is, limit) = (plan.deactivated * 100, active * percent);
        let allowed = allow_deactivation.get(&stage.table.key);
        let message = match allowed {
            Some(allowed) if *allowed == plan.deactivated => continue,
            Some(allowed) if plan.deactivated > 0 => format!(
                "--allow-deactivation allows {allowed} rows, but {} would be deactivated",
                plan.deactivated
            ),
            None if is > limit => format!(
                "{} of {active} active rows would be deactivated, more than {percent} per cent; if \
                 that is meant, allow it by --allow-deactivation {}={}",
                plan.deactivated, stage.table.key, plan.deactivated
            ),
            None if is == limit && is > 0 => {
                judged.notes.push(format!(
                    "{}: {} of {active} active rows are deactivated, which is all that \
                     max_deactivation_percent = {percent} allows",
                    stage.table.key, plan.deactivated
                ));
                continue;
            }
            _ => continue,
        };
        let place = Some(crate::source::Place::file(&stage.source.file.name));
        judged.problems.push(Problem { place, message });
    }
    judged
}

// What the tables are written with.
struct Writer<'w> {
    config: &'w Config,
    hazards: &'w Hazards,
    varying: &'w VaryingDefaults,
    progress: Progress,
}

impl Writer<'_> {
    async fn write(
        &self,
        tx: &Transaction<'_>,
        staged: &[Stage<'_>],
        plans: &[SeededTable],
        before: &BTreeMap<String, TableVersion>,
    ) -> Result<(), SeedError> {
        let changes = |plan: &SeededTable| plan.writes() || plan.deactivated > 0;
        if !plans.iter().any(changes) {
            return Ok(());
        }
        if !before.is_empty() {
            lock::lock_versions(tx, &self.config.schema).await?;
        }
        let (mut is_doubtful, mut is_overtaken) = (false, false);
        for (stage, plan) in staged.iter().zip(plans) {
            let writing = Writing {
                config: self.config,
                varying: self.varying,
                hazard: self.hazards.of(stage.table),
                is_overtaken,
                progress: self.progress,
            };
            let is_whole = stage.write(tx, plan, &writing).await?;
            is_doubtful |= !is_whole || changes(plan) && !writing.hazard.foreign.is_empty();
            is_overtaken |= changes(plan) && writing.hazard.cascades;
        }
        judge_deferred(tx, staged).await?;
        if is_doubtful {
            refuse(recheck(tx, staged, self.hazards, self.varying).await?)
        } else {
            Ok(())
        }
    }
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
        notes: Vec::new(),
        elapsed_ms: millis(start),
    }
}

pub(super) fn millis(start: Instant) -> u64 {
    start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}
