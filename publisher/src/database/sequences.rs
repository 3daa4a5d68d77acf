//! The sequences behind a table's numbers: after a seed, the next number is none that a row
//! has.
//!
//! `setval` is not undone by a rollback, so it comes last, and only ever moves a sequence
//! on: a gap in the numbers is all that a lost commit would leave.

use std::collections::BTreeMap;

use snapshot_format::ColumnType;
use tokio_postgres::{Row, Transaction};

use super::error::DatabaseError;
use super::sql::{identifier, qualified};
use crate::config::Config;
use crate::schema::{Schema, Table};

/// A sequence, and a column that takes its numbers.
struct Source<'s> {
    table: &'s Table,
    column: String,
    // As SQL writes it.
    sequence: String,
    step: i64,
    least: i64,
    most: i64,
    may_read: bool,
    may_set: bool,
}

/// Where a sequence stands, and how far the rows are.
struct State {
    last: i64,
    is_called: bool,
    furthest: Option<i64>,
}

/// Moves every sequence behind the seeded tables past their rows. `skipped` are tables
/// that nobody has read: of those, what an index answers is looked at.
///
/// Gives what an operator has to do where we may not.
pub(super) async fn move_past_rows(
    tx: &Transaction<'_>,
    config: &Config,
    schema: &Schema,
    read: &[&Table],
    skipped: &[&Table],
) -> Result<Vec<String>, DatabaseError> {
    let failed = |source| DatabaseError::query("look at the sequences", source);
    let rows = tx
        .query(SEQUENCES, &[&config.schema])
        .await
        .map_err(failed)?;
    let mut sources = Vec::new();
    for row in &rows {
        sources.extend(source(row, schema, read, skipped).map_err(failed)?);
    }
    let (readable, hidden): (Vec<_>, Vec<_>) = sources.into_iter().partition(|s| s.may_read);
    let mut notes: Vec<String> = hidden.iter().map(Source::ask_for_right).collect();
    let mut wanted: BTreeMap<String, (i64, &Source<'_>)> = BTreeMap::new();
    for (source, state) in readable.iter().zip(states(tx, &readable).await?) {
        if let Some(last) = source.wanted(&state) {
            let entry = wanted
                .entry(source.sequence.clone())
                .or_insert((last, source));
            entry.0 = if source.step > 0 {
                entry.0.max(last)
            } else {
                entry.0.min(last)
            };
        }
    }
    for (sequence, (last, source)) in wanted {
        if !source.may_set {
            notes.push(source.ask_for_right());
            continue;
        }
        let set = source.set_sql(&sequence);
        let set = tx.execute(&set, &[&sequence, &last]).await;
        set.map_err(|source| {
            DatabaseError::query(format!("move {sequence} past its rows"), source)
        })?;
    }
    notes.sort();
    notes.dedup();
    Ok(notes)
}

fn source<'s>(
    row: &Row,
    schema: &'s Schema,
    read: &[&Table],
    skipped: &[&Table],
) -> Result<Option<Source<'s>>, tokio_postgres::Error> {
    let (name, column): (String, String) =
        (row.try_get("table_name")?, row.try_get("column_name")?);
    let is_indexed: bool = row.try_get("is_indexed")?;
    let looked_at = read.iter().any(|table| table.name == name)
        || is_indexed && skipped.iter().any(|table| table.name == name);
    let table = schema.tables.iter().find(|table| table.name == name);
    let Some(table) = table.filter(|_| looked_at) else {
        return Ok(None);
    };
    let is_number = table.column(&column).is_some_and(|(_, column)| {
        matches!(
            column.kind,
            ColumnType::SmallInt
                | ColumnType::Integer
                | ColumnType::BigInt
                | ColumnType::Numeric(_)
        )
    });
    if !is_number {
        return Ok(None);
    }
    Ok(Some(Source {
        table,
        column,
        sequence: row.try_get("sequence")?,
        step: row.try_get("step")?,
        least: row.try_get("least")?,
        most: row.try_get("most")?,
        may_read: row.try_get("may_read")?,
        may_set: row.try_get("may_set")?,
    }))
}

async fn states(tx: &Transaction<'_>, sources: &[Source<'_>]) -> Result<Vec<State>, DatabaseError> {
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let each = sources.iter().enumerate().map(|(index, source)| {
        let column = format!("t.{}", identifier(&source.column));
        format!(
            "SELECT {index} AS place, number.last_value, number.is_called,
                    (SELECT {}({column}) FROM {} AS t WHERE {column} BETWEEN ({}) AND ({}))::bigint
             FROM {} AS number",
            if source.step > 0 { "max" } else { "min" },
            qualified(source.table),
            source.least,
            source.most,
            source.sequence,
        )
    });
    let sql = format!(
        "{} ORDER BY place",
        each.collect::<Vec<_>>().join(" UNION ALL ")
    );
    let rows = tx.query(&sql, &[]).await;
    let state = |row: &Row| {
        Ok(State {
            last: row.try_get(1)?,
            is_called: row.try_get(2)?,
            furthest: row.try_get(3)?,
        })
    };
    let states = rows.and_then(|rows| rows.iter().map(state).collect());
    states.map_err(|source| DatabaseError::query("look at the sequences", source))
}

impl Source<'_> {
    // The number that the sequence is to have given last; `None` where its next one is
    // past all rows.
    fn wanted(&self, state: &State) -> Option<i64> {
        last_number(state.last, state.is_called, self.step, state.furthest?)
            .and_then(|last| i64::try_from(last).ok())
    }

    // In one statement, so that nobody who takes numbers meanwhile is thrown back.
    fn set_sql(&self, sequence: &str) -> String {
        let behind = if self.step > 0 { "<" } else { ">" };
        format!(
            "SELECT pg_catalog.setval($1::text::regclass, $2::bigint, true) FROM {sequence} AS number
             WHERE number.last_value {behind} $2 OR number.last_value = $2 AND NOT number.is_called"
        )
    }

    fn ask_for_right(&self) -> String {
        format!(
            "{0}: the seed may not move the sequence {1}, so a next row may get a number that is \
             taken; run `GRANT SELECT, UPDATE ON SEQUENCE {1} TO` the role that seeds",
            self.table.key, self.sequence
        )
    }
}

// The last number before the rows end: the one behind it is free. The numbers that a
// sequence gives lie `step` apart, and stay so.
fn last_number(last: i64, is_called: bool, step: i64, furthest: i64) -> Option<i128> {
    let (last, step, furthest) = (i128::from(last), i128::from(step), i128::from(furthest));
    let next = if is_called { last + step } else { last };
    let is_past = if step > 0 {
        next > furthest
    } else {
        next < furthest
    };
    if step == 0 || is_past {
        return None;
    }
    Some(last + (furthest - last) / step * step)
}

// A column owns a sequence, is an identity, or has a default that asks one by itself.
const SEQUENCES: &str = r"
    WITH source AS (
        SELECT owned.objid AS sequence, owned.refobjid AS table, owned.refobjsubid::int2 AS number
        FROM pg_catalog.pg_depend AS owned
        WHERE owned.classid = 'pg_catalog.pg_class'::regclass
          AND owned.refclassid = 'pg_catalog.pg_class'::regclass
          AND owned.refobjsubid > 0 AND owned.deptype IN ('a', 'i')
        UNION
        SELECT asked.refobjid, initial.adrelid, initial.adnum
        FROM pg_catalog.pg_attrdef AS initial
        JOIN pg_catalog.pg_depend AS asked
          ON asked.classid = 'pg_catalog.pg_attrdef'::regclass AND asked.objid = initial.oid
         AND asked.refclassid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class AS sequence
          ON sequence.oid = asked.refobjid AND sequence.relkind = 'S'
        WHERE pg_catalog.pg_get_expr(initial.adbin, initial.adrelid)
              ~ '^\(*nextval\(''.*''::regclass\)\)?(::[a-z ]+)?$'
    )
    SELECT class.relname::text AS table_name, attribute.attname::text AS column_name,
           format('%I.%I', home.nspname, named.relname) AS sequence,
           numbers.seqincrement AS step, numbers.seqmin AS least, numbers.seqmax AS most,
           has_sequence_privilege(numbers.seqrelid, 'SELECT')
               AND has_schema_privilege(home.oid, 'USAGE') AS may_read,
           has_sequence_privilege(numbers.seqrelid, 'UPDATE') AS may_set,
           EXISTS (SELECT FROM pg_catalog.pg_index AS index
                   JOIN pg_catalog.pg_class AS kind ON kind.oid = index.indexrelid
                   JOIN pg_catalog.pg_am AS method ON method.oid = kind.relam
                   WHERE index.indrelid = class.oid AND index.indkey[0] = attribute.attnum
                     AND index.indisvalid AND index.indpred IS NULL
                     AND method.amname = 'btree') AS is_indexed
    FROM source
    JOIN pg_catalog.pg_class AS class ON class.oid = source.table
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_attribute AS attribute
      ON attribute.attrelid = class.oid AND attribute.attnum = source.number
    JOIN pg_catalog.pg_sequence AS numbers ON numbers.seqrelid = source.sequence
    JOIN pg_catalog.pg_class AS named ON named.oid = source.sequence
    JOIN pg_catalog.pg_namespace AS home ON home.oid = named.relnamespace
    WHERE namespace.nspname = $1 AND class.relkind IN ('r', 'p')
    ORDER BY 1, 2, 3";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(last: i64, is_called: bool, step: i64, furthest: i64, expected: Option<i128>) {
        assert_eq!(last_number(last, is_called, step, furthest), expected);
    }

    #[test]
    fn a_sequence_moves_past_the_rows_in_its_own_steps_and_never_back() {
        check(1, false, 1, 3, Some(3));
        check(1, false, 1, 0, None);
        check(1, false, 1, 1, Some(1));
        check(3, true, 1, 3, None);
        check(9, true, 1, 3, None);
        check(2, true, 1, 3, Some(3));
        check(1, true, 2, 4, Some(3));
        check(1, true, 10, 11, Some(11));
        check(-1, false, -1, -3, Some(-3));
        check(-1, true, -5, -7, Some(-6));
        check(-9, true, -1, -3, None);
        check(i64::MAX - 1, true, 1, i64::MAX, Some(i128::from(i64::MAX)));
        check(i64::MIN, false, 1, i64::MAX, Some(i128::from(i64::MAX)));
    }
}
