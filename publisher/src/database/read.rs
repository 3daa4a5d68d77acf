//! Reading for a snapshot: one repeatable-read transaction shows one state.

use std::collections::BTreeMap;
use std::ops::Deref;

use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use snapshot_format::{SORT_ORDER, TableKey};
use snapshot_store::hint_for;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::error::{DatabaseError, MayWait};
use super::lineage;
use super::lock;
use super::metadata::{TableVersion, reference_versions};
use super::references::broken_references;
use super::seed::inheriting::{Among, keys_that_stand_twice};
use super::sql::{identifier, in_byte_order, qualified, render};
use crate::config::Config;
use crate::database::ask::Ask;
use crate::guard::Provenance;
use crate::render::{RenderError, RowRenderer};
use crate::schema::{Schema, Table};
use crate::source::Problem;

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A value has no place in a snapshot.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The rows cannot be written where they go.
    #[error("failed to write the rows of {table}")]
    Write {
        /// The table's key.
        table: String,
        /// Why.
        source: std::io::Error,
    },
}

impl ReadError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.hint(),
            Self::Render(error) => error.hint(),
            Self::Write { source, .. } => hint_for(source).map(str::to_owned),
        }
    }
}

impl MayWait for ReadError {
    fn database(&mut self) -> Option<&mut DatabaseError> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

/// One state of the database, for as long as it lives.
pub struct SnapshotReader<'c> {
    tx: Reading<'c>,
}

enum Reading<'c> {
    Own(Transaction<'c>),
    Within(&'c Transaction<'c>),
}

impl<'c> Deref for Reading<'c> {
    type Target = Transaction<'c>;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Own(tx) => tx,
            Self::Within(tx) => tx,
        }
    }
}

/// What is known of a table's rows once they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRows {
    /// How many there are.
    pub rows: u64,
}

impl<'c> SnapshotReader<'c> {
    /// Begins the transaction. Invariant 3: a snapshot shows one committed state.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn begin(client: &'c mut Client) -> Result<Self, DatabaseError> {
        let begun = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await;
        let tx = begun.map_err(|source| DatabaseError::query("begin to read", source))?;
        // Sorting a large table in memory, if it fits.
        tx.run("begin to read", "SET LOCAL work_mem = '256MB'")
            .await?;
        Ok(Self {
            tx: Reading::Own(tx),
        })
    }

    /// What a transaction that writes would leave behind. It sees what others commit
    /// meanwhile: good for a judgement, not for a snapshot.
    pub(super) fn within(tx: &'c Transaction<'c>) -> Self {
        Self {
            tx: Reading::Within(tx),
        }
    }

    /// The transaction, for queries that stand elsewhere.
    pub(super) fn transaction(&self) -> &Transaction<'c> {
        &self.tx
    }

    /// What changed last, by SQL table name.
    ///
    /// # Errors
    /// Where the query fails.
    pub async fn versions(
        &self,
        config: &Config,
    ) -> Result<BTreeMap<String, TableVersion>, DatabaseError> {
        reference_versions(&*self.tx, &config.schema).await
    }

    /// Which database this is, and by how much our clock is ahead of its.
    ///
    /// # Errors
    /// Where a query fails.
    pub async fn provenance(&self, schema: &Schema) -> Result<Provenance, DatabaseError> {
        let untracked = schema.tables.iter();
        let untracked = untracked.filter(|table| !table.missing_triggers.is_empty());
        Ok(Provenance {
            identity: lineage::identity(&*self.tx).await?,
            untracked: untracked.map(|table| table.key.clone()).collect(),
            ahead: Some(self.ahead().await?),
        })
    }

    async fn ahead(&self) -> Result<SignedDuration, DatabaseError> {
        let failed = |source| DatabaseError::query("ask for the time", source);
        let query = "SELECT extract(epoch FROM clock_timestamp())::float8";
        let row = self.tx.query_one(query, &[]).await.map_err(failed)?;
        let now = Timestamp::now();
        let theirs: f64 = row.try_get(0).map_err(failed)?;
        // Seconds decide: what a double loses of them is nothing.
        let theirs = SignedDuration::try_from_secs_f64(theirs).unwrap_or(SignedDuration::MAX);
        Ok(now.as_duration().saturating_sub(theirs))
    }

    /// Active rows that point at inactive ones, by the table that holds them: an app would
    /// look up what it never gets. Of each foreign key, the first thousand.
    ///
    /// # Errors
    /// Where a query fails.
    pub async fn broken_references(
        &self,
        schema: &Schema,
    ) -> Result<BTreeMap<TableKey, Vec<Problem>>, DatabaseError> {
        lock::with_holders(&*self.tx, broken_references(&self.tx, schema).await).await
    }

    /// Reads a table's active rows in their order, each as its canonical bytes.
    ///
    /// Only one row is in memory at a time.
    ///
    /// # Errors
    /// Where the query fails, a value cannot be published, or `each` fails.
    pub async fn rows(
        &self,
        table: &Table,
        each: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<TableRows, ReadError> {
        lock::with_holders(&*self.tx, self.read_rows(table, each).await).await
    }

    async fn read_rows(
        &self,
        table: &Table,
        mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<TableRows, ReadError> {
        let renderer = RowRenderer::new(table)?;
        let twice = keys_that_stand_twice(&*self.tx, table, Among::ActiveRows).await?;
        if !twice.is_empty() {
            return Err(DatabaseError::Catalog(twice.join("\n")).into());
        }
        let failed = |source| DatabaseError::query(format!("read table {}", table.name), source);
        let no_parameters = std::iter::empty::<&(dyn ToSql + Sync)>();
        let rows = self
            .tx
            .query_raw(&rows_sql(table), no_parameters)
            .await
            .map_err(failed)?;
        let mut rows = std::pin::pin!(rows);
        let (mut bytes, mut count) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            renderer.row(raw_values(&row), &mut bytes)?;
            each(&bytes).map_err(|source| ReadError::Write {
                table: table.key.to_string(),
                source,
            })?;
            count += 1;
        }
        Ok(TableRows { rows: count })
    }
}

#[derive(Serialize)]
struct RowsSql {
    table: String,
    columns: Vec<String>,
    order: Vec<String>,
    is_active: bool,
}

fn rows_sql(table: &Table) -> String {
    let column = |name: &str| format!("t.{}", identifier(name));
    let published = table.published().map(|c| {
        if c.as_text {
            format!("{}::text", column(&c.name))
        } else {
            column(&c.name)
        }
    });
    let key = table.primary_key.iter().map(|&index| &table.columns[index]);
    let sort_order = table.column(SORT_ORDER).map(|(_, column)| column);
    let order = sort_order.into_iter().chain(key);
    render(
        "rows.sql",
        &RowsSql {
            table: qualified(table),
            columns: published.collect(),
            order: order.map(|c| in_byte_order(c, &column(&c.name))).collect(),
            is_active: table.has_is_active(),
        },
    )
}

fn raw_values(row: &Row) -> impl Iterator<Item = Option<&[u8]>> {
    (0..row.len()).map(|index| row.get::<_, Raw<'_>>(index).0)
}

// A value's bytes as PostgreSQL sent them.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
