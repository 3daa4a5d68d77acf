//! The transaction of a seed.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use snapshot_format::{ReferenceVersion, TableKey};
use tokio_postgres::{Client, Transaction};

use super::defaults::{VaryingDefaults, varying_defaults};
use super::error::SeedError;
use super::fixed::changed_identities;
use super::gate;
use super::hazards::Hazards;
use super::inheriting::twice_in_table;
use super::input::Input;
use super::limit::judge;
use super::recheck::{judge_deferred, recheck};
use super::report::SeededTable;
use super::sequences::move_past_rows;
use super::stage::Stage;
use super::staging::{set_limits, stages};
use super::unique::{equal_keys, respelled_keys};
use super::write::Writing;
use crate::config::Config;
use crate::database::answer::PgError;
use crate::database::error::DatabaseError;
use crate::database::lock;
use crate::database::metadata::{TableVersion, highest, reference_versions};
use crate::database::read::SnapshotReader;
use crate::duration::millis;
use crate::schema::{Schema, Table};
use crate::source::Problem;

/// What the operator asks of a seed.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeedOptions {
    /// Roll back at the end.
    pub dry_run: bool,
    /// Tables that may lose more rows than the guard allows, with exactly how many.
    pub allow_deactivation: BTreeMap<TableKey, u64>,
}

/// What a seed did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeedReport {
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
pub(crate) async fn seed(
    client: &mut Client,
    input: Input<'_>,
    skipped: &[gate::Unchanged],
    options: &SeedOptions,
) -> Result<SeedReport, SeedError> {
    let seeding = begin_seed(client, input, skipped, options);
    seeding.await?.end().await
}

/// A seed that is written and not committed: dropped, it has never been.
pub(crate) struct Seeding<'c> {
    tx: Transaction<'c>,
    report: SeedReport,
    input: Input<'c>,
    // Those that were compared, and those that were known to be unchanged.
    tables: Vec<&'c Table>,
    skipped: Vec<&'c Table>,
}

impl Seeding<'_> {
    /// The state that the seed would leave behind.
    pub(crate) fn reader(&self) -> SnapshotReader<'_> {
        SnapshotReader::within(&self.tx)
    }

    /// Commits, or rolls back where that was asked for.
    ///
    /// # Errors
    /// Where the commit fails, or its answer does not come.
    pub(crate) async fn end(self) -> Result<SeedReport, SeedError> {
        let Self {
            tx,
            mut report,
            input,
            tables,
            skipped,
        } = self;
        let start = Instant::now();
        let end = if report.dry_run {
            tx.rollback().await
        } else {
            // No rollback moves a sequence back, so this is the last step.
            let moved = move_past_rows(&tx, input.config, input.schema, &tables, &skipped).await;
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
pub(crate) async fn begin_seed<'c>(
    client: &'c mut Client,
    input: Input<'c>,
    skipped: &'c [gate::Unchanged],
    options: &SeedOptions,
) -> Result<Seeding<'c>, SeedError> {
    let mut tx = client
        .transaction()
        .await
        .map_err(|e| DatabaseError::query("begin", e))?;
    let written = write(&mut tx, input, skipped, options).await;
    let (report, tables) = lock::with_holders(&tx, written).await?;
    let skipped = skipped.iter();
    Ok(Seeding {
        tx,
        report,
        input,
        tables,
        skipped: skipped
            .filter_map(|unchanged| input.schema.table(unchanged.key.as_str()))
            .collect(),
    })
}

// Gives what was done, and the tables that were compared.
async fn write<'c>(
    tx: &mut Transaction<'_>,
    input: Input<'c>,
    skipped: &[gate::Unchanged],
    options: &SeedOptions,
) -> Result<(SeedReport, Vec<&'c Table>), SeedError> {
    let start = Instant::now();
    let config = input.config;
    prepare(tx, config).await?;
    let before = reference_versions(tx, &config.schema).await?;
    let varying = varying_defaults(tx, config).await?;
    let hazards = Hazards::read(tx, config).await?;
    if hazards.is_replica {
        return Err(replica().into());
    }
    let is_watched = |stage: &Stage<'_>| !hazards.of(stage.table).foreign.is_empty();
    let mut staged = stages(input, &varying, &hazards);
    // What a trigger may change is compared behind the writing, which needs a stage.
    let may_go_straight = !staged.iter().any(is_watched);
    for stage in &mut staged {
        stage.straight = may_go_straight
            && stage.may_go_straight(hazards.of(stage.table))
            && stage.is_empty_table(tx).await?;
        if !stage.straight {
            stage.create(tx).await?;
            stage.fill(tx, input).await?;
        }
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
        input,
        hazards: &hazards,
        varying: &varying,
    };
    writer.write(tx, &staged, &reports, &before).await?;
    if !gate::still_hold(tx, config, skipped).await? {
        return Err(SeedError::Refused(vec![changed_by_others()]));
    }

    let after = reference_versions(tx, &config.schema).await?;
    gate::remember(tx, input, &after).await?;
    let report = SeedReport {
        dry_run: options.dry_run,
        from: ReferenceVersion(highest(&before)),
        to: ReferenceVersion(highest(&after)),
        tables: told(input.schema, reports, skipped, &after),
        notes: judged.notes,
        elapsed_ms: millis(start.elapsed()),
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

// What the tables are written with.
struct Writer<'w> {
    input: Input<'w>,
    hazards: &'w Hazards,
    varying: &'w VaryingDefaults,
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
            lock::lock_versions(tx, &self.input.config.schema).await?;
        }
        let (mut is_doubtful, mut is_overtaken) = (false, false);
        for (stage, plan) in staged.iter().zip(plans) {
            let writing = Writing {
                input: self.input,
                varying: self.varying,
                hazard: self.hazards.of(stage.table),
                is_overtaken,
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

// Every table that has a file, with the number that it has now, in key order.
fn told(
    schema: &Schema,
    reports: Vec<SeededTable>,
    skipped: &[gate::Unchanged],
    versions: &BTreeMap<String, TableVersion>,
) -> Vec<SeededTable> {
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
        let version = name.and_then(|name| versions.get(name));
        table.version_seq = version
            .map(|version| version.version_seq)
            .unwrap_or_default();
    }
    tables
}
