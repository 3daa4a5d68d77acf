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
use super::seed::inheriting::{Among, keys_that_stand_twice};
use super::sql::{identifier, in_byte_order, qualified, render};
use crate::config::Config;
use crate::guard::Provenance;
use crate::render::{RenderError, RowRenderer};
use crate::schema::{ForeignKey, Schema, Table};
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
        let set = tx.batch_execute("SET LOCAL work_mem = '256MB'").await;
        set.map_err(|source| DatabaseError::query("begin to read", source))?;
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
        lock::with_holders(&*self.tx, self.find_broken(schema).await).await
    }

    async fn find_broken(
        &self,
        schema: &Schema,
    ) -> Result<BTreeMap<TableKey, Vec<Problem>>, DatabaseError> {
        let mut by_table: BTreeMap<TableKey, Vec<Problem>> = BTreeMap::new();
        for reference in self.broken(references_of(schema)).await? {
            let problems = self.problems_of(&reference).await?;
            let table = reference.table.key.clone();
            by_table.entry(table).or_default().extend(problems);
        }
        Ok(by_table)
    }

    // Those that any row breaks, by one statement: as a rule that is the last one.
    async fn broken<'s>(
        &self,
        references: Vec<Reference<'s>>,
    ) -> Result<Vec<Reference<'s>>, DatabaseError> {
        let each = references.iter().enumerate();
        let each = each.map(|(index, reference)| {
            format!(
                "SELECT {index} WHERE EXISTS (SELECT {})",
                reference.broken_rows()
            )
        });
        let each: Vec<String> = each.collect();
        if each.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |source| DatabaseError::query("check the references of active rows", source);
        let rows = self.tx.query(&each.join(" UNION ALL "), &[]).await;
        let rows = rows.map_err(failed)?;
        let broken: Result<Vec<i32>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        let broken = broken.map_err(failed)?;
        let mut references = references.into_iter().zip(0..).collect::<Vec<_>>();
        references.retain(|(_, index)| broken.contains(index));
        Ok(references
            .into_iter()
            .map(|(reference, _)| reference)
            .collect())
    }

    async fn problems_of(&self, reference: &Reference<'_>) -> Result<Vec<Problem>, DatabaseError> {
        let Reference { table, target, .. } = reference;
        let names = reference.columns();
        let text = |columns: &[&str]| {
            let texts = columns.iter().map(|c| format!("t.{}::text", identifier(c)));
            texts.collect::<Vec<_>>().join(", ")
        };
        let key = table.primary_key_names();
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        let query = format!(
            "SELECT ARRAY[{}], ARRAY[{}] {} ORDER BY ARRAY[{0}] COLLATE \"C\" LIMIT 1000",
            text(&key),
            text(&names),
            reference.broken_rows(),
        );
        let failed = |source| DatabaseError::query("check the references of active rows", source);
        let rows = self.tx.query(&query, &[]).await.map_err(failed)?;
        let problem = |row: &Row| {
            let (key, value): (Vec<String>, Vec<String>) = (row.try_get(0)?, row.try_get(1)?);
            let message = format!(
                "{}: row {}: column {:?}: points at {} in {}, which is not active",
                table.key,
                quoted(&key),
                names.join(", "),
                quoted(&value),
                target.key
            );
            Ok(Problem {
                place: None,
                message,
            })
        };
        rows.iter()
            .map(problem)
            .collect::<Result<_, _>>()
            .map_err(failed)
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

// A foreign key whose target may hold inactive rows.
struct Reference<'s> {
    table: &'s Table,
    foreign_key: &'s ForeignKey,
    target: &'s Table,
}

fn references_of(schema: &Schema) -> Vec<Reference<'_>> {
    let references = schema.tables.iter().flat_map(|table| {
        table.foreign_keys.iter().filter_map(move |foreign_key| {
            let target = schema.table(foreign_key.target.as_str())?;
            target.has_is_active().then_some(Reference {
                table,
                foreign_key,
                target,
            })
        })
    });
    references.collect()
}

impl Reference<'_> {
    fn columns(&self) -> Vec<&str> {
        let columns = self.foreign_key.columns.iter();
        columns
            .map(|&column| self.table.columns[column].name.as_str())
            .collect()
    }

    // The active rows that point at inactive ones, from FROM on.
    fn broken_rows(&self) -> String {
        let joined = self
            .columns()
            .into_iter()
            .zip(&self.foreign_key.target_columns);
        let on: Vec<String> = joined
            .map(|(from, to)| format!("t.{} = p.{}", identifier(from), identifier(to)))
            .collect();
        let active = if self.table.has_is_active() {
            "t.is_active AND "
        } else {
            ""
        };
        format!(
            "FROM {} AS t JOIN {} AS p ON {} WHERE {active}NOT p.is_active",
            qualified(self.table),
            qualified(self.target),
            on.join(" AND "),
        )
    }
}

fn quoted(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    quoted.join(", ")
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
