//! Statements, each with what it is for: an error then says what could not be done.

use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{GenericClient, Row};

use super::error::DatabaseError;

/// A statement's parameters.
type Parameters<'p> = &'p [&'p (dyn ToSql + Sync)];

/// What is asked of a session. `what` completes "failed to ...".
pub(super) trait Ask: GenericClient {
    /// Runs what has no result.
    async fn run(&self, what: impl Into<String>, sql: &str) -> Result<(), DatabaseError> {
        let done = self.batch_execute(sql).await;
        done.map_err(|source| DatabaseError::query(what, source))
    }

    /// The first column of the only row.
    async fn value<T: for<'r> FromSql<'r>>(
        &self,
        what: impl Into<String>,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<T, DatabaseError> {
        let row = self.query_one(sql, parameters).await;
        let value = row.and_then(|row| row.try_get(0));
        value.map_err(|source| DatabaseError::query(what, source))
    }

    /// All rows, each as `read` takes it.
    async fn list<T, L: FromIterator<T>>(
        &self,
        what: impl Into<String>,
        sql: &str,
        parameters: Parameters<'_>,
        read: impl FnMut(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<L, DatabaseError> {
        let rows = self.query(sql, parameters).await;
        let list = rows.and_then(|rows| rows.iter().map(read).collect());
        list.map_err(|source| DatabaseError::query(what, source))
    }

    /// The first column of all rows.
    async fn column<T: for<'r> FromSql<'r>, L: FromIterator<T>>(
        &self,
        what: impl Into<String>,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<L, DatabaseError> {
        self.list(what, sql, parameters, |row| row.try_get(0)).await
    }
}

impl<C: GenericClient> Ask for C {}
