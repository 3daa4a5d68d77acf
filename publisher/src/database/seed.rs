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

use super::answer::PgError;
use super::defaults::{VaryingDefaults, varying_defaults};
use super::error::DatabaseError;
use super::fixed::changed_identities;
use super::hazards::Hazards;
use super::inheriting::twice_in_table;
use super::limit::judge;
use super::metadata::{TableVersion, highest, reference_versions};
use super::read::SnapshotReader;
use super::recheck::{judge_deferred, recheck};
use super::seed_error::SeedError;
use super::seeded::SeededTable;
use super::sequences::move_past_rows;
use super::stage::Stage;
use super::staging::set_limits;
use super::unique::{equal_keys, respelled_keys};
use super::write::Writing;
use super::{gate, lock};
use crate::config::Config;
use crate::duration::millis;
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
        report.elapsed_ms += millis(start.elapsed());
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

fn staged_sources<'s>(staged: &[Stage<'s>]) -> Vec<&'s SourceTable> {
    staged.iter().map(|stage| stage.source).collect()
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
        elapsed_ms: millis(start.elapsed()),
    }
}
