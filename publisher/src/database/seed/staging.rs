//! Files staged to be compared, and not to be written.

use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::defaults::VaryingDefaults;
use super::error::SeedError;
use super::hazards::Hazards;
use super::input::Input;
use super::stage::Stage;
use crate::database::error::DatabaseError;
use crate::source::Problem;

/// Begins: the files are compared with one committed state.
pub(super) async fn begin(client: &mut Client) -> Result<Transaction<'_>, DatabaseError> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead);
    let begun = transaction.start().await;
    begun.map_err(|source| DatabaseError::query("begin", source))
}

/// Gives a transaction that stages files its memory.
pub(super) async fn set_limits(tx: &Transaction<'_>) -> Result<(), SeedError> {
    // The staging tables are this session's own: they want its memory, not the server's.
    let settings = "SET LOCAL work_mem = '64MB'; SET LOCAL temp_buffers = '64MB'";
    let set = tx.batch_execute(settings).await;
    Ok(set.map_err(|source| DatabaseError::query("prepare the session", source))?)
}

/// One for each file.
pub(super) fn stages<'s>(
    input: Input<'s>,
    varying: &VaryingDefaults,
    hazards: &Hazards,
) -> Vec<Stage<'s>> {
    let stage = |index| Stage::new(index, input, varying, hazards);
    (0..input.sources.len()).map(stage).collect()
}

/// Gives what PostgreSQL refuses to stage; the other files are planned nevertheless.
pub(super) async fn fill(
    stage: &Stage<'_>,
    tx: &mut Transaction<'_>,
    input: Input<'_>,
) -> Result<Option<Vec<Problem>>, SeedError> {
    let failed = |source| DatabaseError::query("stage a file", source);
    let savepoint = tx.savepoint("stage").await.map_err(failed)?;
    match stage.fill(&savepoint, input).await {
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
