//! Poolers, such as pgbouncer: whether what stands before the server keeps one session for us.
//!
//! A migration holds a lock of its session, and a statement is prepared for one. Both are of
//! no use, or do harm to others, where the next transaction gets another session. So before
//! anything is set or locked, it is found out: a pooler makes up the process number that it
//! names at the log-in. Behind such a one, a second connection begins a transaction right after
//! a query of ours, and we ask again right after it has ended. A pooler that shares sessions
//! hands out the one that became free last: so the second gets ours, or we get the second's.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use super::super::answer::PgError;
use super::super::error::{DatabaseError, Pooling};
use super::{Destination, Session, ask};

const ROUNDS: u32 = 10;

/// How long a pooler may take to find a session.
const PATIENCE: Duration = Duration::from_secs(3);

/// Refuses a pooler that gives each transaction, or each statement, another session.
pub(super) async fn refuse_unless_session(
    destination: &Destination,
    client: &Client,
    first: &str,
) -> Result<(), DatabaseError> {
    let looked = look(destination, client, first).await;
    match looked.map_err(|source| DatabaseError::Connect {
        target: destination.target.clone(),
        source,
    })? {
        None => Ok(()),
        Some(pooling) => Err(DatabaseError::Pooler {
            target: destination.target.clone(),
            pooling,
        }),
    }
}

async fn look(
    destination: &Destination,
    client: &Client,
    first: &str,
) -> Result<Option<Pooling>, PgError> {
    let Ok(other) = destination.attempt(PATIENCE).await else {
        return is_kept(client, first).await;
    };
    let Session {
        client: other,
        connection,
        ..
    } = other;
    let drives = tokio::spawn(connection);
    let found = match timeout(PATIENCE, rounds(client, &other, first)).await {
        Ok(found) => found,
        // The pooler has no session for the second, or none for us.
        Err(_) => is_kept(client, first).await,
    };
    // A transaction that is open ends with its connection.
    drop(other);
    drives.abort();
    found
}

async fn rounds(client: &Client, other: &Client, first: &str) -> Result<Option<Pooling>, PgError> {
    for _ in 0..ROUNDS {
        if let Some(pooling) = round(client, other, first).await? {
            return Ok(Some(pooling));
        }
    }
    Ok(None)
}

async fn round(client: &Client, other: &Client, first: &str) -> Result<Option<Pooling>, PgError> {
    let before = ask(client, PID).await?;
    if let Err(error) = ask(other, "BEGIN").await {
        let error = PgError::from(error);
        return if error.message.contains("statement pooling") {
            Ok(Some(Pooling::Statement))
        } else {
            Err(error)
        };
    }
    let theirs = ask(other, PID).await?;
    ask(other, "ROLLBACK").await?;
    let after = ask(client, PID).await?;
    let is_kept = before == first && after == first && theirs != first;
    Ok((!is_kept).then_some(Pooling::Transaction))
}

// A session that is kept for us answers, whatever others wait for, and is always the same.
async fn is_kept(client: &Client, first: &str) -> Result<Option<Pooling>, PgError> {
    for _ in 0..ROUNDS {
        match timeout(PATIENCE, ask(client, PID)).await {
            Ok(Ok(pid)) if pid == first => sleep(Duration::from_millis(50)).await,
            _ => return Ok(Some(Pooling::Transaction)),
        }
    }
    Ok(None)
}

const PID: &str = "SELECT pg_catalog.pg_backend_pid()";
