//! Rows that trade where no value is free: taken out of the table and put back as the file
//! has them, in one statement. Behind it no row is missing.
//!
//! Others would notice, where something stands beside the table: a trigger or a rule of the
//! user's, or a foreign key that references it. Then it is not done.

use std::collections::BTreeSet;

use tokio_postgres::Transaction;

use super::UniqueIndex;
use super::trade::{changing_by, rollback};
use crate::database::error::DatabaseError;
use crate::database::hazards::Hazard;
use crate::database::seed::SeedError;
use crate::database::sql::{identifier, qualified};
use crate::database::stage::Stage;

/// Takes the rows whose unique values change out and puts them back, then runs the `update`
/// for the others. `None` where the table does not let us.
pub(super) async fn take_out(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    indexes: &[UniqueIndex],
    update: &str,
) -> Result<Option<u64>, SeedError> {
    rollback(tx).await?;
    let Ok(put_back) = tx.execute(&take_out_sql(stage, indexes), &[]).await else {
        return Ok(None);
    };
    match tx.execute(update, &[]).await {
        Ok(rest) => Ok(Some(put_back + rest)),
        Err(_) => Ok(None),
    }
}

/// Whether nobody would notice, each row is put back where it was, and we may do it. A row of
/// a table that inherits would move up.
pub(super) async fn may_take_out(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    hazard: &Hazard,
) -> Result<bool, DatabaseError> {
    if !hazard.foreign.is_empty() {
        return Ok(false);
    }
    let row = tx.query_one(IS_ALONE, &[&qualified(stage.table)]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(|source| DatabaseError::query("read the catalog", source))
}

const IS_ALONE: &str = "
    SELECT NOT EXISTS (
               SELECT FROM pg_catalog.pg_constraint AS referrer
               WHERE referrer.contype = 'f' AND (referrer.confrelid = class.oid OR referrer.confrelid IN (
                   SELECT part.relid FROM pg_catalog.pg_partition_tree(class.oid) AS part)))
       AND (class.relkind = 'p' OR NOT EXISTS (
               SELECT FROM pg_catalog.pg_inherits AS inherits WHERE inherits.inhparent = class.oid))
       AND pg_catalog.has_table_privilege(class.oid, 'INSERT')
       AND pg_catalog.has_table_privilege(class.oid, 'DELETE')
    FROM pg_catalog.pg_class AS class WHERE class.oid = $1::text::regclass";

// PostgreSQL counts what is taken out before it puts a row back: all are out by then.
fn take_out_sql(stage: &Stage<'_>, indexes: &[UniqueIndex]) -> String {
    let (sql, table) = (&stage.sql, stage.table);
    let deciding: BTreeSet<&String> = indexes.iter().flat_map(UniqueIndex::deciding).collect();
    let columns = table.columns.iter().filter(|column| !column.generated);
    let names: Vec<String> = columns.map(|column| identifier(&column.name)).collect();
    let values: Vec<String> = names
        .iter()
        .map(|name| {
            let compared = sql.compared.iter().find(|c| c.name == *name);
            compared.map_or_else(|| format!("t.{name}"), |c| c.staged.clone())
        })
        .collect();
    let join: Vec<String> = sql
        .primary_key
        .iter()
        .map(|name| format!("t.{name} = s.{name}"))
        .collect();
    format!(
        "WITH gone AS (DELETE FROM {table} AS t USING {stage} AS s WHERE {changing} RETURNING t.*)
         INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE
         SELECT {values} FROM gone AS t JOIN {stage} AS s ON {join}
         WHERE (SELECT count(*) FROM gone) > 0",
        table = sql.table,
        stage = sql.stage,
        changing = changing_by(stage, deciding.into_iter()),
        names = names.join(", "),
        values = values.join(", "),
        join = join.join(" AND "),
    )
}
