//! Locks that are waited for a while, and whose holders are named.
//!
//! Advisory locks are polled rather than waited for: a session that sleeps in
//! `pg_advisory_lock` holds a snapshot, against which `CREATE INDEX CONCURRENTLY` of the
//! holder waits in turn.

use std::time::{Duration, Instant};

use tokio_postgres::{GenericClient, Row, Transaction};

use super::answer::{PgError, is_one_of};
use super::error::{DatabaseError, MayWait};
use super::holder::{Holder, holders};
use super::sql::identifier;
use crate::database::ask::Ask;
use crate::schema::Table;

/// The one lock among those who write: migrate and seed. (`"tablecast"` as a number.)
const ADVISORY_LOCK: i64 = 0x7461_626c_6563_6173;

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Takes the lock of migrate and seed until the session or [`release_session_lock`] ends it.
pub(super) async fn take_session_lock(
    client: &impl GenericClient,
    timeout: Duration,
) -> Result<(), DatabaseError> {
    poll_advisory(
        client,
        "SELECT pg_catalog.pg_try_advisory_lock($1)",
        timeout,
    )
    .await
}

/// Gives back what [`take_session_lock`] took.
pub(super) async fn release_session_lock(client: &impl GenericClient) -> Result<(), DatabaseError> {
    let released = client.execute(
        "SELECT pg_catalog.pg_advisory_unlock($1)",
        &[&ADVISORY_LOCK],
    );
    released
        .await
        .map(drop)
        .map_err(|source| DatabaseError::query("release the lock", source))
}

/// Takes the lock of migrate and seed until the transaction ends.
pub(super) async fn take_transaction_lock(
    tx: &Transaction<'_>,
    timeout: Duration,
) -> Result<(), DatabaseError> {
    poll_advisory(
        tx,
        "SELECT pg_catalog.pg_try_advisory_xact_lock($1)",
        timeout,
    )
    .await
}

async fn poll_advisory(
    client: &impl GenericClient,
    try_lock: &str,
    timeout: Duration,
) -> Result<(), DatabaseError> {
    let start = Instant::now();
    loop {
        if client
            .value("take the lock", try_lock, &[&ADVISORY_LOCK])
            .await?
        {
            return Ok(());
        }
        if start.elapsed() >= timeout {
            return Err(DatabaseError::Locked {
                what: "the lock of `migrate` and `seed`".to_owned(),
                waited: start.elapsed(),
                held_by: advisory_holders(client).await?,
            });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Keeps everybody else from writing the tables until the transaction ends; they can
/// still be read.
///
/// Taken for all tables before the first is written, so that no writer can hold a row
/// that we want while it waits for a number that we hold.
pub(super) async fn lock_tables(
    tx: &mut Transaction<'_>,
    tables: &[&Table],
    timeout: Duration,
) -> Result<(), DatabaseError> {
    if tables.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = tables.iter().map(|t| super::sql::qualified(t)).collect();
    let statement = format!(
        "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE NOWAIT",
        names.join(", ")
    );
    let start = Instant::now();
    loop {
        let savepoint = tx.savepoint("lock_tables").await;
        let savepoint =
            savepoint.map_err(|source| DatabaseError::query("lock the tables", source))?;
        let locked = savepoint.batch_execute(&statement).await;
        let ended = match &locked {
            Ok(()) => savepoint.commit().await,
            Err(_) => savepoint.rollback().await,
        };
        ended.map_err(|source| DatabaseError::query("lock the tables", source))?;
        match locked {
            Ok(()) => return Ok(()),
            Err(error) if !is_one_of(&error, &["55P03"]) => {
                return Err(DatabaseError::query("lock the tables", error));
            }
            Err(_) if start.elapsed() >= timeout => {
                return Err(DatabaseError::Locked {
                    what: "the tables to seed".to_owned(),
                    waited: start.elapsed(),
                    held_by: table_writers(tx, &names).await?,
                });
            }
            Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

async fn advisory_holders(client: &impl GenericClient) -> Result<Vec<Holder>, DatabaseError> {
    let query = format!(
        "{HOLDERS} WHERE lock.locktype = 'advisory' AND lock.granted
           AND lock.classid = ($1::bigint >> 32)::int::oid
           AND lock.objid = ($1::bigint & 4294967295)::oid AND lock.objsubid = 1
           AND lock.database = (SELECT oid FROM pg_catalog.pg_database
                                WHERE datname = pg_catalog.current_database())
         ORDER BY 1"
    );
    client
        .list(ASK, &query, &[&ADVISORY_LOCK], read_holder)
        .await
}

async fn table_writers(
    client: &impl GenericClient,
    names: &[String],
) -> Result<Vec<Holder>, DatabaseError> {
    let query = format!(
        "{HOLDERS} WHERE lock.locktype = 'relation' AND lock.granted
           AND lock.relation = ANY ($1::text[]::regclass[])
           AND lock.pid <> pg_catalog.pg_backend_pid()
           AND lock.mode NOT IN ('AccessShareLock', 'RowShareLock')
         ORDER BY 1"
    );
    client.list(ASK, &query, &[&names], read_holder).await
}

/// Says who holds the lock, where an error is that it was waited for too long. Its
/// transaction is over then.
pub(super) async fn with_holders<T, E: MayWait>(
    client: &impl GenericClient,
    result: Result<T, E>,
) -> Result<T, E> {
    let mut error = match result {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if let Some(database) = error.database() {
        let locked = match database {
            DatabaseError::Query { what, source } if source.is_lock_timeout() => {
                Some(locked(client, what).await)
            }
            _ => None,
        };
        // Who cannot be asked for stays unnamed.
        if let Some(Ok(locked)) = locked {
            *database = locked;
        }
    }
    Err(error)
}

/// Hints at who holds the lock, where an error is that it was waited for too long.
pub(super) async fn hint_at_holders(client: &impl GenericClient, error: &mut PgError) {
    if error.is_lock_timeout()
        && let Ok(held_by) = strongest_holders(client).await
    {
        error.set_hint(format!(
            "{}; wait for the other session to end, or allow more time with --lock-timeout",
            holders(&held_by)
        ));
    }
}

async fn locked(client: &impl GenericClient, what: &str) -> Result<DatabaseError, DatabaseError> {
    client.run(ASK, "ROLLBACK").await?;
    let waited = "SELECT extract(epoch FROM current_setting('lock_timeout')::interval)::float8";
    let waited: f64 = client.value(ASK, waited, &[]).await?;
    Ok(DatabaseError::Locked {
        what: format!("a lock to {what}"),
        waited: Duration::from_secs_f64(waited),
        held_by: strongest_holders(client).await?,
    })
}

// Those whose locks on our tables keep most others away: who reads is no hindrance to a
// reader.
async fn strongest_holders(client: &impl GenericClient) -> Result<Vec<Holder>, DatabaseError> {
    let query = format!(
        "WITH held AS (
             SELECT mine.pid, max(CASE mine.mode WHEN 'AccessExclusiveLock' THEN 3
                                  WHEN 'AccessShareLock' THEN 1 ELSE 2 END) AS strength
             FROM pg_catalog.pg_locks AS mine
             JOIN pg_catalog.pg_class AS class ON class.oid = mine.relation
             JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
             WHERE mine.locktype = 'relation' AND mine.granted
               AND mine.database = (SELECT oid FROM pg_catalog.pg_database
                                    WHERE datname = pg_catalog.current_database())
               AND mine.pid <> pg_catalog.pg_backend_pid()
               AND namespace.nspname IN (pg_catalog.current_schema(), 'tablecast')
             GROUP BY mine.pid
         )
         {HOLDERS} JOIN held USING (pid)
         WHERE held.strength = (SELECT max(strength) FROM held)
         ORDER BY 1"
    );
    client.list(ASK, &query, &[], read_holder).await
}

const HOLDERS: &str = "
    SELECT DISTINCT session.pid, coalesce(nullif(session.application_name, ''), 'a session'),
           coalesce(session.usename::text, '?'), coalesce(session.state, '?'),
           coalesce(extract(epoch FROM clock_timestamp() - session.state_change)::bigint, 0)
    FROM pg_catalog.pg_locks AS lock
    JOIN pg_catalog.pg_stat_activity AS session USING (pid)";

const ASK: &str = "ask who holds the lock";

fn read_holder(row: &Row) -> Result<Holder, tokio_postgres::Error> {
    Ok(Holder {
        pid: row.try_get(0)?,
        application: row.try_get(1)?,
        user: row.try_get(2)?,
        state: row.try_get(3)?,
        seconds: row.try_get(4)?,
    })
}

/// Locks the counter rows of every table, in one order for everybody.
pub(super) async fn lock_versions(
    tx: &impl GenericClient,
    schema: &str,
) -> Result<(), DatabaseError> {
    let statement = format!(
        "SELECT FROM {}.reference_metadata ORDER BY table_name FOR UPDATE",
        identifier(schema)
    );
    let locked = tx.execute(&statement, &[]).await;
    locked
        .map(drop)
        .map_err(|source| DatabaseError::query("lock reference_metadata", source))
}
