//! What only the database can say of the files' rows: whether keys are equal that are
//! written otherwise, whether rows would share a value that must be unique or cannot trade
//! one, and whether a table that inherits holds a row of the same key.
//!
//! The files are staged beside their tables, compared and rolled back; tables without such
//! keys and values are left out.

use std::collections::BTreeSet;

use snapshot_format::TableKey;
use tokio_postgres::{Client, Transaction};

use super::defaults::{VaryingDefaults, varying_defaults};
use super::error::SeedError;
use super::fixed::changed_identities;
use super::hazards::Hazards;
use super::inheriting::twice_in_table;
use super::input::Input;
use super::stage::Stage;
use super::staging::{begin, fill, set_limits, stages};
use super::unique::{conflicts, equal_keys, foresee, may_trade, respelled_keys};
use crate::database::error::DatabaseError;
use crate::database::lock;
use crate::source::Problem;

/// The problems of validated files that need the database's own comparison.
///
/// A role that may not make temporary tables cannot ask; then none is found.
///
/// # Errors
/// Where the database or a file cannot be read.
pub(crate) async fn judge_unique(
    client: &mut Client,
    input: Input<'_>,
) -> Result<Vec<Problem>, SeedError> {
    let judged = judge_all(client, input).await;
    lock::with_holders(client, judged).await
}

async fn judge_all(client: &mut Client, input: Input<'_>) -> Result<Vec<Problem>, SeedError> {
    let hazards = Hazards::read(client, input.config).await?;
    let mut tx = begin(client).await?;
    set_limits(&tx).await?;
    let varying = varying_defaults(&tx, input.config).await?.left_open();
    let mut problems = Vec::new();
    let (mut staged, mut others) = (Vec::new(), Vec::new());
    for stage in stages(input, &varying, &hazards) {
        problems.extend(twice_in_table(&tx, &stage).await?);
        let hazard = hazards.of(stage.table);
        if !hazard.unique && !hazard.loose_key && stage.sql.fixed.is_empty() {
            others.push(stage);
            continue;
        }
        match stage.create(&tx).await {
            Err(error) if may_not_stage(&error) => return Ok(problems),
            created => created?,
        }
        match fill(&stage, &mut tx, input).await? {
            Some(refused) => problems.extend(refused),
            None => staged.push(stage),
        }
    }
    let mut trading = Vec::new();
    for (place, stage) in staged.iter().enumerate() {
        let shared = shared(&tx, stage, &hazards, &varying).await?;
        if shared.is_empty() && may_trade(&tx, stage, hazards.of(stage.table)).await? {
            trading.push(place);
        }
        problems.extend(shared);
    }
    // Of the tables that those point at, rows may still be to come.
    let targets: BTreeSet<&TableKey> = trading
        .iter()
        .flat_map(|&place| &staged[place].table.foreign_keys)
        .map(|key| &key.target)
        .collect();
    for stage in others {
        if targets.contains(&stage.table.key) {
            stage.create(&tx).await?;
            if fill(&stage, &mut tx, input).await?.is_none() {
                staged.push(stage);
            }
        }
    }
    for place in trading {
        problems.extend(foresee(&tx, &staged, place, &varying).await?);
    }
    let rolled_back = tx.rollback().await;
    rolled_back.map_err(|source| DatabaseError::query("roll back", source))?;
    Ok(problems)
}

/// What a staged file's rows share and must not.
pub(super) async fn shared(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    hazards: &Hazards,
    varying: &VaryingDefaults,
) -> Result<Vec<Problem>, DatabaseError> {
    let hazard = hazards.of(stage.table);
    // Rows of one key would each be compared with the same row of the table.
    if hazard.loose_key {
        let mut equal = equal_keys(tx, stage).await?;
        if equal.is_empty() {
            equal = respelled_keys(tx, stage).await?;
        }
        if !equal.is_empty() {
            return Ok(equal);
        }
    }
    let mut problems = changed_identities(tx, stage).await?;
    if hazard.unique {
        problems.extend(conflicts(tx, stage, varying).await?);
    }
    Ok(problems)
}

// No right to make temporary tables, or a server that only reads.
pub(super) fn may_not_stage(error: &DatabaseError) -> bool {
    let DatabaseError::Query { source, .. } = error else {
        return false;
    };
    matches!(source.sqlstate.as_deref(), Some("42501" | "25006"))
}
