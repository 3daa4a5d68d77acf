//! Rows that trade one after the other: a chain from its free end, and a circle once one of
//! its rows has stepped aside. So one free value is enough for any number of rows.

use tokio_postgres::Transaction;

use super::UniqueIndex;
use super::aside::{Rows, changing, execute, rollback, step_aside};
use super::interim::Interim;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::seed::error::SeedError;
use crate::database::seed::stage::Stage;

// So many passes over the table.
const MOST_ROUNDS: usize = 1_000;

// So many rows are asked to step aside, of which one does.
const MOST_ASKED: usize = 8;

const ASIDE: &str = "tablecast_aside";

/// Changes in each round the rows whose value nobody has. `None` where rows remain.
pub(super) async fn in_order(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    index: &UniqueIndex,
    ways: &[Interim],
    update: &str,
) -> Result<Option<u64>, SeedError> {
    rollback(tx).await?;
    if !index.is_plain() {
        return Ok(None);
    }
    let round = round(stage, index, update);
    let mut updated = 0;
    for _ in 0..MOST_ROUNDS {
        match tx.execute(&round, &[]).await {
            Ok(0) if !has_rows(tx, stage, index).await? => break,
            Ok(0) if !one_aside(tx, stage, index, ways).await? => return Ok(None),
            Ok(more) => updated += more,
            Err(_) => return Ok(None),
        }
    }
    match tx.execute(update, &[]).await {
        Ok(rest) => Ok(Some(updated + rest)),
        Err(_) => Ok(None),
    }
}

fn round(stage: &Stage<'_>, index: &UniqueIndex, update: &str) -> String {
    let same: Vec<String> = index
        .wanted(&stage.sql)
        .iter()
        .map(|(name, wanted)| format!("other.{name} = {wanted}"))
        .collect();
    format!(
        "{update} AND NOT EXISTS (SELECT FROM {} AS other WHERE {})",
        stage.sql.table,
        same.join(" AND ")
    )
}

async fn has_rows(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    index: &UniqueIndex,
) -> Result<bool, DatabaseError> {
    let sql = format!(
        "SELECT EXISTS (SELECT {})",
        changing(stage, index, &stage.sql.stage)
    );
    tx.value("let rows trade values", &sql, &[]).await
}

// Gives whether the table takes a value for one row that is still to change.
async fn one_aside(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    index: &UniqueIndex,
    ways: &[Interim],
) -> Result<bool, DatabaseError> {
    let asked = (0..MOST_ASKED).flat_map(|row| ways.iter().map(move |way| (row, way)));
    for (row, interim) in asked {
        execute(tx, &format!("SAVEPOINT {ASIDE}")).await?;
        let is_aside = step_aside(tx, stage, index, interim, Rows::One(row)).await;
        let end = if matches!(is_aside, Ok(true)) {
            format!("RELEASE SAVEPOINT {ASIDE}")
        } else {
            format!("ROLLBACK TO SAVEPOINT {ASIDE}; RELEASE SAVEPOINT {ASIDE}")
        };
        execute(tx, &end).await?;
        if matches!(is_aside, Ok(true)) {
            return Ok(true);
        }
    }
    Ok(false)
}
