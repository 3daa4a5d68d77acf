//! Rows trade unique values: `a` has 1 and wants 2, `b` has 2 and wants 1.
//!
//! PostgreSQL looks at a unique index after each row, so the rows that change step aside
//! first, to values that nobody has, and then take the values that they want. Whether a
//! table takes such a value (a CHECK, a foreign key, a length may forbid it) is found by
//! trying, each try within a savepoint. Where too few values are free, the rows go one after
//! the other; where none is, they cannot trade, since a seed deletes no row, not for a moment
//! either. A constraint that is DEFERRABLE needs none of this: it is looked at behind the
//! statement.

use tokio_postgres::Transaction;

use super::aside::{Rows, SAVEPOINT, changing, execute, rollback, step_aside};
use super::conflicts::{conflicts, key_text, numbered};
use super::in_order::in_order;
use super::interim::{Interim, ways};
use super::{UniqueIndex, unique_indexes};
use crate::database::answer::PgError;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::seed::defaults::VaryingDefaults;
use crate::database::seed::error::SeedError;
use crate::database::seed::stage::Stage;
use crate::source::{Place, Problem};

// Each try adds an index or goes on to its next way, and no index has more ways.
const MOST_WAYS: usize = 20;

// Of rows that cannot trade, so many are named.
const MOST_NAMED: usize = 20;

/// What came of a trade.
pub(super) enum Traded {
    /// So many rows were changed.
    Updated(u64),
    /// The table leaves no way: these rows cannot trade.
    Stuck(Vec<Problem>),
}

/// Runs the `update` of a table, which has just failed because two rows would have shared
/// a value for a moment. Gives how many rows it changed.
pub(in crate::database) async fn trade(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    varying: &VaryingDefaults,
    update: &str,
    failed: PgError,
) -> Result<u64, SeedError> {
    match try_trade(tx, stage, varying, update, failed).await? {
        Traded::Updated(updated) => Ok(updated),
        Traded::Stuck(problems) => Err(SeedError::Refused(problems)),
    }
}

/// The same; rows that cannot trade are no error.
pub(super) async fn try_trade(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    varying: &VaryingDefaults,
    update: &str,
    failed: PgError,
) -> Result<Traded, SeedError> {
    let problems = conflicts(tx, stage, varying).await?;
    if !problems.is_empty() {
        return Err(SeedError::Refused(problems));
    }
    // A foreign key that may wait need not see the values in between.
    let defer = format!(
        "RELEASE SAVEPOINT {SAVEPOINT}; SET CONSTRAINTS ALL DEFERRED; SAVEPOINT {SAVEPOINT}"
    );
    execute(tx, &defer).await?;
    let indexes = unique_indexes(tx, stage.table).await?;
    let mut tries: Vec<Try<'_>> = Vec::new();
    let mut failed = failed;
    let mut at = next_try(stage, &indexes, &mut tries, &failed);
    for _ in 0..indexes.len() * MOST_WAYS {
        let Some(to_try) = at else {
            return Err(stage.refused_write(failed));
        };
        let tried = &tries[to_try];
        if tried.way().is_none() {
            rollback(tx).await?;
            let ordered = in_order(tx, stage, tried.index, &tried.ways, update);
            if let Some(updated) = ordered.await? {
                return Ok(Traded::Updated(updated));
            }
            let problems = cannot_trade(tx, stage, tried.index, &failed).await?;
            return Ok(Traded::Stuck(problems));
        }
        rollback(tx).await?;
        match one_try(tx, stage, &tries, update).await {
            Ok(updated) => return Ok(Traded::Updated(updated)),
            Err(TryError::Way(refused)) => {
                tries[refused].next += 1;
                at = Some(refused);
            }
            Err(TryError::Update(error)) if error.is_shared_value() => {
                for tried in &mut tries {
                    tried.is_spent = true;
                }
                at = next_try(stage, &indexes, &mut tries, &error);
                failed = error;
            }
            Err(TryError::Update(error)) => return Err(stage.refused_write(error)),
        }
    }
    Err(stage.refused_write(failed))
}

// How the rows step aside in one index.
struct Try<'i> {
    index: &'i UniqueIndex,
    ways: Vec<Interim>,
    next: usize,
    // Whether the way was taken, and the update failed nevertheless.
    is_spent: bool,
}

impl Try<'_> {
    fn way(&self) -> Option<&Interim> {
        self.ways.get(self.next)
    }
}

// The index in which rows have to step aside, or otherwise than before.
fn next_try<'i>(
    stage: &Stage<'_>,
    indexes: &'i [UniqueIndex],
    tries: &mut Vec<Try<'i>>,
    failed: &PgError,
) -> Option<usize> {
    let name = failed.constraint.as_deref().unwrap_or_default();
    let tried = |tries: &[Try<'_>], index: &UniqueIndex| {
        tries.iter().position(|t| t.index.name == index.name)
    };
    // A partition's index has another name than the table's.
    let named = indexes.iter().find(|index| index.name == name);
    let index = named.or_else(|| indexes.iter().find(|index| tried(tries, index).is_none()))?;
    if let Some(at) = tried(tries, index) {
        if tries[at].is_spent {
            tries[at].next += 1;
            tries[at].is_spent = false;
        }
        return Some(at);
    }
    tries.push(Try {
        index,
        ways: ways(stage.table, index, &stage.source.columns),
        next: 0,
        is_spent: false,
    });
    Some(tries.len() - 1)
}

enum TryError {
    // The table refuses a value in between.
    Way(usize),
    Update(PgError),
}

async fn one_try(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    tries: &[Try<'_>],
    update: &str,
) -> Result<u64, TryError> {
    for (at, tried) in tries.iter().enumerate() {
        if let Some(interim) = tried.way() {
            match step_aside(tx, stage, tried.index, interim, Rows::All).await {
                Ok(true) => {}
                Ok(false) => return Err(TryError::Way(at)),
                Err(error) => {
                    let error = PgError::from(error);
                    // Without an answer there is nothing to try any more.
                    return Err(match error.sqlstate {
                        Some(_) => TryError::Way(at),
                        None => TryError::Update(error),
                    });
                }
            }
        }
    }
    let updated = tx.execute(update, &[]).await;
    updated.map_err(|error| TryError::Update(error.into()))
}

async fn cannot_trade(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    index: &UniqueIndex,
    refused: &PgError,
) -> Result<Vec<Problem>, DatabaseError> {
    rollback(tx).await?;
    let sql = format!(
        "SELECT ARRAY[{}], s.\"the row\" {} ORDER BY s.\"the row\" LIMIT {MOST_NAMED}",
        stage.sql.key_texts(),
        changing(stage, index, &format!("({})", numbered(stage)))
    );
    let what = format!("name the rows of {}", stage.source.file.name);
    let problem = |row: &tokio_postgres::Row| {
        let key: Vec<Option<String>> = row.try_get(0)?;
        let number: i64 = row.try_get(1)?;
        Ok(Problem {
            place: Some(Place {
                row: usize::try_from(number).ok(),
                row_key: Some(key_text(stage.table, &key)),
                column: Some(index.columns.join(", ")),
                ..Place::file(&stage.source.file.name)
            }),
            message: format!(
                "trades a unique value with other rows, and the table allows no value in between; {}",
                index.remedy()
            ),
        })
    };
    let mut problems: Vec<Problem> = tx.list(what, &sql, &[], problem).await?;
    if problems.is_empty() {
        problems.push(Problem {
            place: Some(Place::file(&stage.source.file.name)),
            message: format!(
                "table {}: {}; {}",
                stage.table.name,
                refused.message,
                index.remedy()
            ),
        });
    }
    Ok(problems)
}
