//! After the writing: whether the tables hold what the files say.
//!
//! A trigger, a rule or a cascade may drop a write or change it, in its own table or in
//! another, and PostgreSQL calls it done. Where one of those stands beside a table that
//! was written, or fewer rows were written than planned, every file is compared once more.

use tokio_postgres::Transaction;

use super::defaults::VaryingDefaults;
use super::error::SeedError;
use super::hazards::Hazards;
use super::planned_rows::{Listing, PlannedChange, PlannedRow};
use super::report::SeededTable;
use super::stage::Stage;
use crate::database::answer::PgError;
use crate::database::error::DatabaseError;
use crate::source::{Place, Problem};
use crate::words::counted;

// So many rows of a table are named.
const MOST_NAMED: usize = 3;

/// Has the constraints judge that wait for the commit: then nobody could say which file
/// they refuse.
pub(super) async fn judge_deferred(
    tx: &Transaction<'_>,
    staged: &[Stage<'_>],
) -> Result<(), SeedError> {
    let judged = tx.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await;
    judged.map_err(|error| {
        let error = PgError::from(error);
        let of_table = |stage: &&Stage<'_>| Some(&stage.table.name) == error.table.as_ref();
        match staged.iter().find(of_table) {
            Some(stage) => stage.refused_write(error),
            None => DatabaseError::Query {
                what: "check the deferred constraints".to_owned(),
                source: error,
            }
            .into(),
        }
    })
}

/// Compares every staged file with its table again; gives what is not as it should be.
pub(super) async fn recheck(
    tx: &Transaction<'_>,
    staged: &[Stage<'_>],
    hazards: &Hazards,
    varying: &VaryingDefaults,
) -> Result<Vec<Problem>, SeedError> {
    let mut problems = Vec::new();
    for stage in staged.iter().filter(|stage| !stage.straight) {
        let plan = stage.plan(tx).await?;
        if plan.writes() || plan.deactivated > 0 {
            let rows = Listing::new(stage, varying, MOST_NAMED).read(tx).await?;
            problems.push(told(stage, &plan, &rows, hazards, staged));
        }
    }
    Ok(problems)
}

fn told(
    stage: &Stage<'_>,
    plan: &SeededTable,
    rows: &[PlannedRow],
    hazards: &Hazards,
    staged: &[Stage<'_>],
) -> Problem {
    let count = plan.inserted + plan.updated + plan.reactivated + plan.deactivated;
    let named: Vec<String> = rows.iter().map(named).collect();
    let more = if count > named.len() as u64 {
        ", …"
    } else {
        ""
    };
    let are = if count == 1 { "is" } else { "are" };
    let subject = format!("{} {are}", counted(count, "row"));
    Problem {
        place: Some(Place::file(&stage.source.file.name)),
        message: format!(
            "{subject} not in table {} as the file has them, though PostgreSQL accepted the \
             write: {}{more}; {}",
            stage.table.name,
            named.join(", "),
            cause(stage, hazards, staged)
        ),
    }
}

fn named(row: &PlannedRow) -> String {
    let key: Vec<&str> = row.key.values().map(|value| value.get()).collect();
    let key = key.join(", ");
    let why = match row.change {
        PlannedChange::Added => "missing".to_owned(),
        PlannedChange::Deactivated => "still active".to_owned(),
        _ => row
            .columns
            .iter()
            .map(|change| format!("{:?} is not as written", change.column))
            .collect::<Vec<_>>()
            .join(", "),
    };
    format!("row {key} ({why})")
}

// Who may have done it: what stands beside the table itself, else beside another.
fn cause(stage: &Stage<'_>, hazards: &Hazards, staged: &[Stage<'_>]) -> String {
    let own: Vec<&str> = hazards
        .of(stage.table)
        .foreign
        .iter()
        .map(String::as_str)
        .collect();
    if !own.is_empty() {
        return format!("look at what the table has: {}", own.join(", "));
    }
    let others = staged
        .iter()
        .filter(|s| !hazards.of(s.table).foreign.is_empty());
    let others: Vec<String> = others
        .map(|s| {
            let foreign = &hazards.of(s.table).foreign;
            let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
            format!("{} of table {}", foreign.join(", "), s.table.name)
        })
        .collect();
    if others.is_empty() {
        "look for what changes the table while it is written".to_owned()
    } else {
        format!("look at {}", others.join(", "))
    }
}
