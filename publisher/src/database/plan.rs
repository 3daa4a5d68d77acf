//! The plan: what a seed of the same files would change, row by row.
//!
//! stage every file → compare it with its table → list the rows that differ → roll back.
//! Once the staging tables stand, the transaction is read-only: PostgreSQL itself refuses
//! whatever would change a row or take a number from a sequence.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::TryStreamExt;
use serde::Serialize;
use serde_json::value::RawValue;
use snapshot_format::{ReferenceVersion, TableKey};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::defaults::{VaryingDefaults, varying_defaults};
use super::error::DatabaseError;
use super::gate;
use super::metadata::{highest, reference_versions};
use super::seed::{SeedError, SeededTable, millis, refusals, set_limits};
use super::sql::{identifier, in_byte_order, render};
use super::stage::{Stage, StageSql};
use crate::config::Config;
use crate::diff::ColumnChange;
use crate::progress::Progress;
use crate::schema::{Column, Kind, Schema};
use crate::source::{Problem, SourceTable};

/// What the operator asks of a plan.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Tables that may lose more rows than the guard allows, with exactly how many.
    pub allow_deactivation: BTreeMap<TableKey, u64>,
    /// How many rows of each table are listed.
    pub limit: usize,
}

/// What a seed would change.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The state of the database that the files were compared with.
    pub reference_version: ReferenceVersion,
    /// All tables together.
    pub totals: PlannedCounts,
    /// Every table that has a file, in key order, but for those that are among `problems`.
    pub tables: Vec<PlannedTable>,
    /// What the seed would refuse.
    pub problems: Vec<Problem>,
    /// How long everything took.
    pub elapsed_ms: u64,
}

/// How many rows would become what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCounts {
    /// Rows that are not there yet.
    pub added: u64,
    /// Rows that are otherwise.
    pub changed: u64,
    /// Rows that the file holds no more.
    pub deactivated: u64,
    /// Deactivated rows that come back.
    pub reactivated: u64,
    /// Rows of the file that an administrator's row stands for.
    pub kept: u64,
    /// Rows that are as they should be.
    pub unchanged: u64,
}

impl PlannedCounts {
    /// How many rows a seed would write.
    pub fn written(&self) -> u64 {
        self.added + self.changed + self.deactivated + self.reactivated
    }

    fn add(&mut self, other: &Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.deactivated += other.deactivated;
        self.reactivated += other.reactivated;
        self.kept += other.kept;
        self.unchanged += other.unchanged;
    }
}

/// What would become of one table.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedTable {
    /// The table's key.
    pub table: String,
    /// How many rows would become what.
    pub rows: PlannedCounts,
    /// Rows that the file does not hold, in a table that cannot deactivate them.
    pub not_in_file: u64,
    /// Whether file and table were known to be unchanged, so that neither was read.
    pub skipped: bool,
    /// The rows that would change, in order of their keys, then those that are kept; at
    /// most so many as were asked for.
    pub changes: Vec<PlannedRow>,
    /// How many more there are.
    pub more: u64,
}

/// What would become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PlannedChange {
    /// It is new.
    Added,
    /// It has other values.
    Changed,
    /// It left the file.
    Deactivated,
    /// It came back.
    Reactivated,
    /// It belongs to an administrator, and stays as it is.
    Kept,
}

/// A row that a seed would change, or keep because it belongs to an administrator.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedRow {
    /// What would become of it.
    pub change: PlannedChange,
    /// Its primary key.
    pub key: BTreeMap<String, Box<RawValue>>,
    /// The columns that differ, of a row that is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnChange>,
    /// The values that the file gives a new row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<BTreeMap<String, Box<RawValue>>>,
    /// Columns of a new row whose values the database makes when it is written, such as
    /// the next number of a sequence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defaulted: Vec<String>,
}

/// Plans a seed of the validated files. Nothing is changed, and nobody is kept from writing.
///
/// # Errors
/// Where the database or a file cannot be read. What a seed would refuse is part of the
/// plan.
pub async fn plan(
    client: &mut Client,
    config: &Config,
    schema: &Schema,
    sources: &[SourceTable],
    skipped: &[gate::Unchanged],
    options: &PlanOptions,
    progress: Progress,
) -> Result<Plan, SeedError> {
    let start = Instant::now();
    let mut tx = begin(client).await?;
    set_limits(&tx, config).await?;
    let reference_version = highest(&reference_versions(&tx, &config.schema).await?);
    if !gate::still_hold(&tx, config, skipped).await? {
        return Err(SeedError::Overtaken);
    }
    let varying = varying_defaults(&tx, config).await?.left_open();
    let stages: Vec<Stage<'_>> = stages(config, schema, sources, &varying);
    for stage in &stages {
        stage.create(&tx).await?;
    }
    set_read_only(&tx).await?;

    let mut planned = Planned::default();
    for stage in stages {
        match fill(&stage, &mut tx, config, progress).await? {
            Some(refused) => planned.problems.extend(refused),
            None => planned.table(&tx, stage, &varying, options.limit).await?,
        }
    }
    let rolled_back = tx.rollback().await;
    rolled_back.map_err(|source| DatabaseError::query("roll back", source))?;
    Ok(planned.finish(start, reference_version, skipped, options))
}

// The files are compared with one committed state.
async fn begin(client: &mut Client) -> Result<Transaction<'_>, DatabaseError> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead);
    let begun = transaction.start().await;
    begun.map_err(|source| DatabaseError::query("begin", source))
}

async fn set_read_only(tx: &Transaction<'_>) -> Result<(), DatabaseError> {
    let set = tx.batch_execute("SET TRANSACTION READ ONLY").await;
    set.map_err(|source| DatabaseError::query("go on read-only", source))
}

fn stages<'s>(
    config: &Config,
    schema: &'s Schema,
    sources: &'s [SourceTable],
    varying: &VaryingDefaults,
) -> Vec<Stage<'s>> {
    let stage = |(index, source): (usize, &'s SourceTable)| {
        let table = schema.table(source.key.as_str());
        let table = table.expect("a source belongs to a table");
        Stage::new(index, table, source, config, varying)
    };
    sources.iter().enumerate().map(stage).collect()
}

// Gives what PostgreSQL refuses to stage; the other files are planned nevertheless.
async fn fill(
    stage: &Stage<'_>,
    tx: &mut Transaction<'_>,
    config: &Config,
    progress: Progress,
) -> Result<Option<Vec<Problem>>, SeedError> {
    let failed = |source| DatabaseError::query("stage a file", source);
    let savepoint = tx.savepoint("stage").await.map_err(failed)?;
    match stage.fill(&savepoint, config, progress).await {
        Ok(()) => {
            savepoint.commit().await.map_err(failed)?;
            Ok(None)
        }
        Err(SeedError::Refused(problems)) => {
            savepoint.rollback().await.map_err(failed)?;
            Ok(Some(problems))
        }
        Err(error) => Err(error),
    }
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
        let rows = table.rows.written() + table.rows.kept;
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
        problems.extend(refusals(&stages, &counts, &options.allow_deactivation));
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
            elapsed_ms: millis(start),
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
                kept: counts.kept,
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

// The query that lists a table's rows, and how its answer is read.
struct Listing<'s> {
    stage: &'s Stage<'s>,
    key: Vec<&'s Column>,
    listed: Vec<Listed<'s>>,
    limit: usize,
}

// A column that may differ.
struct Listed<'s> {
    column: &'s Column,
    staged: &'s str,
    // Whether a new row's null stands for what the database makes.
    left_open: bool,
}

#[derive(Serialize)]
struct ListingSql<'s> {
    #[serde(flatten)]
    stage: &'s StageSql,
    key: Vec<String>,
    listed: Vec<ListedSql>,
    order: Vec<String>,
    limit: usize,
}

#[derive(Serialize)]
struct ListedSql {
    differs: String,
    old: String,
    new: String,
}

impl<'s> Listing<'s> {
    fn new(stage: &'s Stage<'s>, varying: &VaryingDefaults, limit: usize) -> Self {
        let table = stage.table;
        let listed = table
            .columns
            .iter()
            .enumerate()
            .filter_map(|(index, column)| {
                let name = identifier(&column.name);
                let compared = stage.sql.compared.iter().find(|c| c.name == name)?;
                Some(Listed {
                    column,
                    staged: &compared.staged,
                    left_open: stage.source.defaulted.contains(&index)
                        && varying.has(table, &column.name),
                })
            });
        Self {
            stage,
            key: table
                .primary_key
                .iter()
                .map(|&c| &table.columns[c])
                .collect(),
            listed: listed.collect(),
            limit,
        }
    }

    fn sql(&self) -> String {
        let either = |column: &Column| {
            let name = identifier(&column.name);
            format!("coalesce(s.{name}, t.{name})")
        };
        let listed = self.listed.iter().map(|listed| {
            let (old, new) = (
                format!("t.{}", identifier(&listed.column.name)),
                listed.staged,
            );
            ListedSql {
                differs: format!("ROW({old})::record *<> ROW({new})::record"),
                old: as_json(listed.column, &old),
                new: as_json(listed.column, new),
            }
        });
        let key = self.key.iter();
        render(
            "planned_rows.sql",
            &ListingSql {
                stage: &self.stage.sql,
                key: key.clone().map(|c| as_json(c, &either(c))).collect(),
                listed: listed.collect(),
                order: key.map(|c| in_byte_order(c, &either(c))).collect(),
                limit: self.limit,
            },
        )
    }

    async fn read(&self, tx: &Transaction<'_>) -> Result<Vec<PlannedRow>, DatabaseError> {
        let what = format!("compare {} with its table", self.stage.source.file.name);
        let failed = |source| DatabaseError::query(&what, source);
        let no_parameters = std::iter::empty::<&(dyn ToSql + Sync)>();
        let rows = tx.query_raw(&self.sql(), no_parameters).await;
        let rows = rows.map_err(failed)?;
        rows.and_then(|row| async move { self.row(&row) })
            .try_collect()
            .await
            .map_err(failed)
    }

    fn row(&self, row: &Row) -> Result<PlannedRow, tokio_postgres::Error> {
        let change = match row.try_get("change")? {
            "added" => PlannedChange::Added,
            "changed" => PlannedChange::Changed,
            "deactivated" => PlannedChange::Deactivated,
            "reactivated" => PlannedChange::Reactivated,
            _ => PlannedChange::Kept,
        };
        let keys: Vec<Option<String>> = row.try_get("key_values")?;
        let names = self.key.iter().map(|column| column.name.clone());
        let key: BTreeMap<_, _> = names.zip(keys.into_iter().map(json)).collect();
        let mut planned = PlannedRow {
            change,
            key,
            columns: Vec::new(),
            row: None,
            defaulted: Vec::new(),
        };
        match change {
            PlannedChange::Added => self.read_new(row, &mut planned)?,
            PlannedChange::Deactivated => {}
            _ => planned.columns = self.read_differing(row)?,
        }
        Ok(planned)
    }

    fn read_new(&self, row: &Row, planned: &mut PlannedRow) -> Result<(), tokio_postgres::Error> {
        let values: Vec<Option<String>> = row.try_get("new_values")?;
        let mut new = planned.key.clone();
        for (listed, value) in self.listed.iter().zip(values) {
            let name = listed.column.name.clone();
            match value {
                None if listed.left_open => planned.defaulted.push(name),
                value => drop(new.insert(name, json(value))),
            }
        }
        planned.row = Some(new);
        Ok(())
    }

    fn read_differing(&self, row: &Row) -> Result<Vec<ColumnChange>, tokio_postgres::Error> {
        let differing: Vec<bool> = row.try_get("differing")?;
        let old: Vec<Option<String>> = row.try_get("old_values")?;
        let new: Vec<Option<String>> = row.try_get("new_values")?;
        let sides = self
            .listed
            .iter()
            .zip(differing)
            .zip(old.into_iter().zip(new));
        let differing = sides.filter(|((_, differs), _)| *differs);
        let change = |((listed, _), (old, new)): ((&Listed<'_>, bool), _)| {
            ColumnChange::of(listed.column.name.clone(), json(old), json(new))
        };
        Ok(differing.map(change).collect())
    }
}

// A value as JSON text, as a file would say it.
fn as_json(column: &Column, value: &str) -> String {
    match column.kind {
        Kind::Bytea => format!("to_json(replace(encode({value}, 'base64'), E'\\n', ''))::text"),
        _ => format!("to_json({value})::text"),
    }
}

// What PostgreSQL wrote as JSON, without white space; the absent value is null.
fn json(text: Option<String>) -> Box<RawValue> {
    let text = compact(&text.unwrap_or_else(|| "null".to_owned()));
    // Too deep for a reader of ours, it is shown as a string.
    let raw =
        RawValue::from_string(text.clone()).or_else(|_| serde_json::value::to_raw_value(&text));
    raw.expect("a string is JSON")
}

// JSON without the white space outside of its strings.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let kept = json.chars().filter(|&c| {
        let keep = in_string || !c.is_ascii_whitespace();
        match c {
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && c == '\\' && !escaped;
        keep
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_stays_in_strings_alone() {
        let check = |json: &str, expected: &str| assert_eq!(compact(json), expected);
        check(r#"{"a b": [1, 2]}"#, r#"{"a b":[1,2]}"#);
        check("{\n  \"a\": null\t}", r#"{"a":null}"#);
        check(r#"["\" , \\", " "]"#, r#"["\" , \\"," "]"#);
        check(r#"["\\\" ", 1]"#, r#"["\\\" ",1]"#);
    }
}
