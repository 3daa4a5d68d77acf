//! Rows for parity: every one of a table, as PostgreSQL's own `row_to_json` writes it.
//!
//! Neither the seed nor the renderer has a hand in it: what parity finds equal is not equal
//! because both sides went through the same mistake.

use std::collections::BTreeMap;
use std::io;

use futures_util::TryStreamExt;
use snapshot_format::SOURCE_TYPE;
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;

use super::error::DatabaseError;
use super::lock;
use super::read::{ReadError, SnapshotReader};
use super::seed::defaults::varying_defaults;
use super::seed::hazards::Hazards;
use super::sql::{identifier, qualified};
use crate::config::Config;
use crate::database::ask::Ask;
use crate::schema::{Fills, Schema, Table};

/// Which rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichRows {
    /// All, the inactive ones too.
    All,
    /// Those of administrators; of a table whose rows have no owner, none.
    OfAdministrators,
}

impl SnapshotReader<'_> {
    /// Lets the transaction wait for as long as files and objects are read beside it.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn wait_for_other_sides(&self) -> Result<(), DatabaseError> {
        let set = "SET LOCAL idle_in_transaction_session_timeout = 0";
        self.transaction().run("begin to read", set).await
    }

    /// Reads a table's rows in no order, each as a JSON object of all its columns; those
    /// of `as_text` as PostgreSQL prints them.
    ///
    /// Only one row is in memory at a time.
    ///
    /// # Errors
    /// Where the query fails, or `each` does.
    pub async fn whole_rows(
        &self,
        table: &Table,
        as_text: &[&str],
        which: WhichRows,
        each: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        let read = self.read_whole_rows(table, as_text, which, each).await;
        lock::with_holders(self.transaction(), read).await
    }

    async fn read_whole_rows(
        &self,
        table: &Table,
        as_text: &[&str],
        which: WhichRows,
        mut each: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        if which == WhichRows::OfAdministrators && !table.has_source_type() {
            return Ok(());
        }
        let failed = |source| DatabaseError::query(format!("read table {}", table.name), source);
        let no_parameters = std::iter::empty::<&(dyn ToSql + Sync)>();
        let sql = whole_rows_sql(table, as_text, which);
        let rows = self.transaction().query_raw(&sql, no_parameters).await;
        let mut rows = std::pin::pin!(rows.map_err(failed)?);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            each(row.try_get(0).map_err(failed)?).map_err(|source| ReadError::Write {
                table: table.key.to_string(),
                source,
            })?;
        }
        Ok(())
    }
}

fn whole_rows_sql(table: &Table, as_text: &[&str], which: WhichRows) -> String {
    let column = |name: &str| {
        let quoted = identifier(name);
        if as_text.contains(&name) {
            format!("t.{quoted}::text AS {quoted}")
        } else {
            format!("t.{quoted}")
        }
    };
    let columns: Vec<String> = table.columns.iter().map(|c| column(&c.name)).collect();
    let chosen = match which {
        WhichRows::All => String::new(),
        WhichRows::OfAdministrators => format!(" WHERE t.{} = 'admin'", identifier(SOURCE_TYPE)),
    };
    format!(
        // `whole_row` alone would be the column of that name, where there is one.
        "SELECT row_to_json(whole_row.*)::text FROM (SELECT {} FROM {} AS t{chosen}) AS whole_row",
        columns.join(", "),
        qualified(table)
    )
}

/// What the database gives to columns that a row does not name, by table key.
///
/// # Errors
/// Where a query fails.
pub async fn fills(
    client: &impl GenericClient,
    config: &Config,
    schema: &Schema,
) -> Result<BTreeMap<String, Fills>, DatabaseError> {
    let varying = varying_defaults(client, config).await?;
    let hazards = Hazards::read(client, config).await?;
    let mut fills = BTreeMap::new();
    for table in &schema.tables {
        let mut defaults = BTreeMap::new();
        for column in table
            .columns
            .iter()
            .filter(|c| !varying.has(table, &c.name))
        {
            let Some(default) = &column.default else {
                continue;
            };
            let sql = format!(
                "SELECT coalesce(to_json(({default})::{}), 'null')::text",
                column.sql_type
            );
            let failed = |source| {
                DatabaseError::query(format!("ask for the default of {}", column.name), source)
            };
            let row = client.query_one(&sql, &[]).await.map_err(failed)?;
            defaults.insert(column.name.clone(), row.try_get(0).map_err(failed)?);
        }
        let fill = Fills {
            defaults,
            by_trigger: hazards.of(table).has_triggers(),
        };
        fills.insert(table.key.to_string(), fill);
    }
    Ok(fills)
}
