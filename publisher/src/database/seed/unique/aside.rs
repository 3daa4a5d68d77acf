//! Rows step aside: they take values that nobody has, until they can take those that they want.

use std::collections::HashSet;

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::UniqueIndex;
use super::interim::{Interim, Way, gap, series, texts};
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::seed::stage::Stage;
use crate::database::sql::identifier;

/// The savepoint to which the caller has rolled back.
pub(in crate::database) const SAVEPOINT: &str = "tablecast_write";

/// How many rows step aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// All that change.
    All,
    /// One of them, behind so many others.
    One(usize),
}

/// Gives whether there is a value for every row.
pub(super) async fn step_aside(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    index: &UniqueIndex,
    interim: &Interim,
    how_many: Rows,
) -> Result<bool, tokio_postgres::Error> {
    let column = &stage.table.columns[interim.column];
    let name = identifier(&column.name);
    let rows = format!(
        "SELECT t.tableoid::text, t.ctid::text, t.{name}::text {}{}",
        changing(stage, index, &stage.sql.stage),
        match how_many {
            Rows::All => String::new(),
            Rows::One(behind) => format!(" LIMIT 1 OFFSET {behind}"),
        }
    );
    let (mut parts, mut places, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for row in tx.query(&rows, &[]).await? {
        parts.push(row.try_get::<_, String>(0)?);
        places.push(row.try_get::<_, String>(1)?);
        values.push(row.try_get::<_, Option<String>>(2)?);
    }
    let Some(free) = interim_values(tx, stage, interim, values.clone()).await? else {
        return Ok(false);
    };
    // One row that stays where it is helps nobody.
    if how_many != Rows::All && values == free {
        return Ok(false);
    }
    let update = format!(
        "UPDATE {} AS t SET {name} = v.value::{}
         FROM unnest($1::text[], $2::text[], $3::text[]) AS v (part, place, value)
         WHERE t.tableoid = v.part::oid AND t.ctid = v.place::tid",
        stage.sql.table, column.sql_type
    );
    tx.execute(&update, &[&parts, &places, &free]).await?;
    Ok(true)
}

/// The rows whose values in the index change, from FROM on.
pub(super) fn changing(stage: &Stage<'_>, index: &UniqueIndex, staged_rows: &str) -> String {
    format!(
        "FROM {staged_rows} AS s JOIN {} AS t ON {}",
        stage.sql.table,
        changing_by(stage, index.deciding())
    )
}

/// What is true of the rows `s` and `t` where one of these columns changes.
pub(super) fn changing_by<'c>(
    stage: &Stage<'_>,
    columns: impl Iterator<Item = &'c String>,
) -> String {
    let sql = &stage.sql;
    let names: Vec<String> = columns.map(|name| identifier(name)).collect();
    let compared: Vec<_> = sql
        .compared
        .iter()
        .filter(|c| names.contains(&c.name))
        .collect();
    let stored: Vec<String> = compared.iter().map(|c| format!("t.{}", c.name)).collect();
    let staged: Vec<&str> = compared.iter().map(|c| c.staged.as_str()).collect();
    format!(
        "{} AND {}ROW({})::record *<> ROW({})::record",
        sql.join(),
        sql.owner(),
        stored.join(", "),
        staged.join(", "),
    )
}

async fn interim_values(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    interim: &Interim,
    values: Vec<Option<String>>,
) -> Result<Option<Vec<Option<String>>>, tokio_postgres::Error> {
    let column = &stage.table.columns[interim.column];
    let name = identifier(&column.name);
    let in_use = format!(
        "SELECT t.{name} AS value FROM {} AS t UNION ALL SELECT s.{name} FROM {} AS s",
        stage.sql.table, stage.sql.stage
    );
    let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
    let free = match interim.way {
        Way::Null => return Ok(Some(vec![None; values.len()])),
        Way::Same(text) => return Ok(Some(vec![Some(text.to_owned()); values.len()])),
        Way::Below | Way::Above | Way::Between => format!(
            "SELECT ({})::{}::text
             FROM (SELECT min(u.value) AS low, max(u.value) AS high FROM ({in_use}) AS u) AS ends,
                  generate_series(1, $1::bigint) AS number",
            series(&column.kind, interim.way),
            column.sql_type
        ),
        Way::Gap => gap(column, &in_use),
        Way::Random => "SELECT gen_random_uuid()::text FROM generate_series(1, $1::bigint)".into(),
        Way::Referenced => {
            let of_column: [&(dyn ToSql + Sync); 2] = [&stage.sql.table, &column.name];
            let Some(target) = tx.query_opt(TARGET, &of_column).await? else {
                return Ok(None);
            };
            format!(
                "SELECT p.value::text
                 FROM (SELECT DISTINCT {} AS value FROM {}) AS p
                 WHERE p.value NOT IN (SELECT u.value FROM ({in_use}) AS u WHERE u.value IS NOT NULL)
                 LIMIT $1",
                target.try_get::<_, String>(0)?,
                target.try_get::<_, String>(1)?
            )
        }
        way => {
            let sql = format!(
                "SELECT DISTINCT lower(u.value::text) FROM ({in_use}) AS u WHERE u.value IS NOT NULL"
            );
            let rows = tx.query(&sql, &[]).await?;
            let in_use: HashSet<String> = rows
                .iter()
                .map(|row| row.try_get(0))
                .collect::<Result<_, _>>()?;
            return Ok(texts(&column.kind, way, &values, &in_use));
        }
    };
    let rows = tx.query(&free, &[&count]).await?;
    let free: Vec<Option<String>> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    Ok(Some(free).filter(|free| free.len() == values.len()))
}

// The column that a foreign key of one column points at, and its table.
const TARGET: &str = "
    SELECT quote_ident(target.attname), referrer.confrelid::regclass::text
    FROM pg_catalog.pg_constraint AS referrer
    JOIN pg_catalog.pg_attribute AS attribute
      ON attribute.attrelid = referrer.conrelid AND attribute.attnum = referrer.conkey[1]
    JOIN pg_catalog.pg_attribute AS target
      ON target.attrelid = referrer.confrelid AND target.attnum = referrer.confkey[1]
    WHERE referrer.contype = 'f' AND referrer.conrelid = $1::text::regclass
      AND cardinality(referrer.conkey) = 1 AND attribute.attname = $2
    ORDER BY referrer.conname COLLATE \"C\" LIMIT 1";

/// Undoes all since the savepoint.
pub(super) async fn rollback(tx: &Transaction<'_>) -> Result<(), DatabaseError> {
    execute(tx, &format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")).await
}

/// Runs what has no result.
pub(super) async fn execute(tx: &Transaction<'_>, sql: &str) -> Result<(), DatabaseError> {
    tx.run("let rows trade values", sql).await
}
