//! The plan: what a seed of the same files would change, row by row.
//!
//! stage every file → try in copies whether rows can trade unique values → compare each file
//! with its table → list the rows that differ → roll back. Once files and copies are through,
//! the transaction is read-only: PostgreSQL itself refuses whatever would change a row or take
//! a number from a sequence.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use snapshot_format::{ReferenceVersion, TableKey};
use tokio_postgres::{Client, Transaction};

use super::defaults::{VaryingDefaults, varying_defaults};
use super::error::SeedError;
use super::gate;
use super::hazards::Hazards;
use super::inheriting::twice_in_table;
use super::input::Input;
use super::judge::shared;
use super::limit::judge;
use super::planned_rows::{Listing, PlannedRow};
use super::report::SeededTable;
use super::stage::Stage;
use super::staging::{begin, fill, set_limits, stages};
use super::unique::{foresee, may_trade};
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::lock;
use crate::database::metadata::{highest, reference_versions};
use crate::duration::millis;
use crate::source::Problem;

/// What the operator asks of a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlanOptions {
    /// Tables that may lose more rows than the guard allows, with exactly how many.
    pub allow_deactivation: BTreeMap<TableKey, u64>,
    /// How many rows of each table are listed.
    pub limit: usize,
}

/// What a seed would change.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    /// The state of the database that the files were compared with.
    pub reference_version: ReferenceVersion,
    /// All tables together.
    pub totals: PlannedCounts,
    /// Every table that has a file, in key order, but for those that are among `problems`.
    pub tables: Vec<PlannedTable>,
    /// What the seed would refuse.
    pub problems: Vec<Problem>,
    /// What an operator should know, though nothing would be refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How long everything took.
    pub elapsed_ms: u64,
}

/// How many rows would become what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedCounts {
    /// Rows that are not there yet.
    pub added: u64,
    /// Rows that are otherwise.
    pub changed: u64,
    /// Rows that the file holds no more, or switches off.
    pub deactivated: u64,
    /// Deactivated rows that come back.
    pub reactivated: u64,
    /// Rows of the file that an administrator's row stands for.
    pub skipped: u64,
    /// Rows that are as they should be.
    pub unchanged: u64,
}

impl PlannedCounts {
    /// How many rows a seed would write.
    pub(crate) fn written(&self) -> u64 {
        self.added + self.changed + self.deactivated + self.reactivated
    }

    fn add(&mut self, other: &Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.deactivated += other.deactivated;
        self.reactivated += other.reactivated;
        self.skipped += other.skipped;
        self.unchanged += other.unchanged;
    }
}

/// What would become of one table.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedTable {
    /// The table's key.
    pub table: String,
    /// How many rows would become what.
    pub rows: PlannedCounts,
    /// Rows that the file does not hold, in a table that cannot deactivate them.
    pub not_in_file: u64,
    /// Whether file and table were known to be unchanged, so that neither was read.
    pub skipped: bool,
    /// The rows that would change, in order of their keys, then those that are skipped; at
    /// most so many as were asked for.
    pub changes: Vec<PlannedRow>,
    /// How many more there are.
    pub more: u64,
}

/// Plans a seed of the validated files. Nothing is changed, and nobody is kept from writing.
///
/// # Errors
/// Where the database or a file cannot be read. What a seed would refuse is part of the
/// plan.
pub(crate) async fn plan(
    client: &mut Client,
    input: Input<'_>,
    skipped: &[gate::Unchanged],
    options: &PlanOptions,
) -> Result<Plan, SeedError> {
    let planned = plan_all(client, input, skipped, options).await;
    lock::with_holders(client, planned).await
}

async fn plan_all(
    client: &mut Client,
    input: Input<'_>,
    skipped: &[gate::Unchanged],
    options: &PlanOptions,
) -> Result<Plan, SeedError> {
    let start = Instant::now();
    let mut tx = begin(client).await?;
    set_limits(&tx).await?;
    let reference_version = highest(&reference_versions(&tx, &input.config.schema).await?);
    if !gate::still_hold(&tx, input.config, skipped).await? {
        return Err(SeedError::Overtaken);
    }
    let varying = varying_defaults(&tx, input.config).await?.left_open();
    let hazards = Hazards::read(&tx, input.config).await?;
    let stages: Vec<Stage<'_>> = stages(input, &varying, &hazards);
    for stage in &stages {
        stage.create(&tx).await?;
    }
    let mut planned = Planned::default();
    let mut staged = Vec::with_capacity(stages.len());
    for stage in stages {
        match fill(&stage, &mut tx, input).await? {
            Some(refused) => planned.problems.extend(refused),
            None => staged.push(stage),
        }
    }
    planned
        .problems
        .extend(foresee_all(&tx, &staged, &hazards, &varying).await?);
    set_read_only(&tx).await?;
    for stage in staged {
        planned.problems.extend(twice_in_table(&tx, &stage).await?);
        let shared = shared(&tx, &stage, &hazards, &varying).await?;
        planned.problems.extend(shared);
        planned.table(&tx, stage, &varying, options.limit).await?;
    }
    let rolled_back = tx.rollback().await;
    rolled_back.map_err(|source| DatabaseError::query("roll back", source))?;
    Ok(planned.finish(start, reference_version, skipped, options))
}

async fn foresee_all(
    tx: &Transaction<'_>,
    staged: &[Stage<'_>],
    hazards: &Hazards,
    varying: &VaryingDefaults,
) -> Result<Vec<Problem>, SeedError> {
    let mut problems = Vec::new();
    for (place, stage) in staged.iter().enumerate() {
        if may_trade(tx, stage, hazards.of(stage.table)).await? {
            problems.extend(foresee(tx, staged, place, varying).await?);
        }
    }
    Ok(problems)
}

async fn set_read_only(tx: &Transaction<'_>) -> Result<(), DatabaseError> {
    tx.run("go on read-only", "SET TRANSACTION READ ONLY").await
}

// What is known so far.
#[derive(Default)]
struct Planned<'s> {
    stages: Vec<Stage<'s>>,
    counts: Vec<SeededTable>,
    tables: Vec<PlannedTable>,
    problems: Vec<Problem>,
}

impl<'s> Planned<'s> {
    async fn table(
        &mut self,
        tx: &Transaction<'_>,
        stage: Stage<'s>,
        varying: &VaryingDefaults,
        limit: usize,
    ) -> Result<(), SeedError> {
        let counts = stage.plan(tx).await?;
        let mut table = PlannedTable::of(&counts);
        let rows = table.rows.written() + table.rows.skipped;
        if rows > 0 && limit > 0 {
            table.changes = Listing::new(&stage, varying, limit).read(tx).await?;
        }
        table.more = rows - table.changes.len() as u64;
        self.tables.push(table);
        self.counts.push(counts);
        self.stages.push(stage);
        Ok(())
    }

    fn finish(
        self,
        start: Instant,
        reference_version: u64,
        skipped: &[gate::Unchanged],
        options: &PlanOptions,
    ) -> Plan {
        let Self {
            stages,
            counts,
            mut tables,
            mut problems,
        } = self;
        let judged = judge(&stages, &counts, &options.allow_deactivation);
        problems.extend(judged.problems);
        problems.sort();
        tables.extend(skipped.iter().map(PlannedTable::skipped));
        tables.sort_by(|a, b| a.table.cmp(&b.table));
        let mut totals = PlannedCounts::default();
        for table in &tables {
            totals.add(&table.rows);
        }
        Plan {
            reference_version: ReferenceVersion(reference_version),
            totals,
            tables,
            problems,
            notes: judged.notes,
            elapsed_ms: millis(start.elapsed()),
        }
    }
}

impl PlannedTable {
    fn of(counts: &SeededTable) -> Self {
        Self {
            table: counts.table.clone(),
            rows: PlannedCounts {
                added: counts.inserted,
                changed: counts.updated,
                deactivated: counts.deactivated,
                reactivated: counts.reactivated,
                skipped: counts.skipped_rows,
                unchanged: counts.unchanged,
            },
            not_in_file: counts.not_in_file,
            ..Self::default()
        }
    }

    fn skipped(unchanged: &gate::Unchanged) -> Self {
        Self {
            table: unchanged.key.to_string(),
            rows: PlannedCounts {
                unchanged: unchanged.rows,
                ..PlannedCounts::default()
            },
            skipped: true,
            ..Self::default()
        }
    }
}
