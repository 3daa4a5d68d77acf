//! The sequences behind a table's numbers: after a seed, the next number is none that a row
//! has.
//!
//! A default may also build a text or another number from the sequence's: `'k' || nextval('s')`.
//! Then the numbers of the rows are the digits in them that build the same again.
//!
//! `setval` is not undone by a rollback, so it comes last, and only ever moves a sequence
//! on: a gap in the numbers is all that a lost commit would leave.

use std::collections::BTreeMap;

use snapshot_format::ColumnType;
use tokio_postgres::{Row, Transaction};

use crate::config::Config;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::sql::{identifier, qualified};
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
    // The default, where it builds something from the number, which it has as NUMBER.
    built: Option<String>,
}

// No name of PostgreSQL's own, nor of a table's column.
const NUMBER: &str = "\"the number\"";

/// Where a sequence stands, and how far the rows are.
struct State {
    last: i64,
    is_called: bool,
    furthest: Option<i64>,
}

/// Moves every sequence behind the seeded tables past their rows. `skipped` are tables
/// that nobody has read: of those, a built value is looked for only where the next one is
/// taken.
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
    let is_skipped = |source: &Source<'_>| skipped.iter().any(|t| t.name == source.table.name);
    for (source, mut state) in readable.iter().zip(states(tx, &readable).await?) {
        if let Some(built) = &source.built {
            let only_if_taken = is_skipped(source);
            state.furthest = furthest_built(tx, source, built, &state, only_if_taken).await?;
        }
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
    let looked_at = read.iter().chain(skipped).any(|table| table.name == name);
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
    let is_bare: bool = row.try_get("is_bare")?;
    let built: Option<String> = row.try_get("built")?;
    let built = built.filter(|_| !is_bare || !is_number);
    if !is_number && built.is_none() {
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
        built,
    }))
}

async fn states(tx: &Transaction<'_>, sources: &[Source<'_>]) -> Result<Vec<State>, DatabaseError> {
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let each = sources.iter().enumerate().map(|(index, source)| {
        let column = format!("t.{}", identifier(&source.column));
        let furthest = if source.built.is_some() {
            "NULL".to_owned()
        } else {
            format!(
                "(SELECT {}({column}) FROM {} AS t WHERE {column} BETWEEN ({}) AND ({}))",
                source.furthest(),
                qualified(source.table),
                source.least,
                source.most,
            )
        };
        format!(
            "SELECT {index} AS place, number.last_value, number.is_called, {furthest}::bigint
             FROM {} AS number",
            source.sequence,
        )
    });
    let sql = format!(
        "{} ORDER BY place",
        each.collect::<Vec<_>>().join(" UNION ALL ")
    );
    let state = |row: &Row| {
        Ok(State {
            last: row.try_get(1)?,
            is_called: row.try_get(2)?,
            furthest: row.try_get(3)?,
        })
    };
    tx.list("look at the sequences", &sql, &[], state).await
}

// The furthest number from which a row's value is built. A default that cannot be asked, for it
// refuses a number, has none.
async fn furthest_built(
    tx: &Transaction<'_>,
    source: &Source<'_>,
    built: &str,
    state: &State,
    only_if_taken: bool,
) -> Result<Option<i64>, DatabaseError> {
    const SAVEPOINT: &str = "tablecast_number";
    let failed = |source| DatabaseError::query("look at the sequences", source);
    let end = |verb: &str| format!("{verb} SAVEPOINT {SAVEPOINT}");
    tx.batch_execute(&end("")).await.map_err(failed)?;
    let asked = async {
        if only_if_taken && !is_taken(tx, source, built, state).await? {
            return Ok(None);
        }
        let row = tx.query_one(&source.furthest_built_sql(built), &[]).await?;
        row.try_get(0)
    };
    let asked: Result<Option<i64>, tokio_postgres::Error> = asked.await;
    if asked.is_err() {
        let back = end("ROLLBACK TO");
        tx.batch_execute(&back).await.map_err(failed)?;
    }
    let release = end("RELEASE");
    tx.batch_execute(&release).await.map_err(failed)?;
    Ok(asked.unwrap_or_default())
}

// Whether a row has what the next number builds.
async fn is_taken(
    tx: &Transaction<'_>,
    source: &Source<'_>,
    built: &str,
    state: &State,
) -> Result<bool, tokio_postgres::Error> {
    let next = if state.is_called {
        state.last.saturating_add(source.step)
    } else {
        state.last
    };
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {} AS t, (SELECT $1::bigint AS {NUMBER}) AS number
                        WHERE t.{} = ({built}))",
        qualified(source.table),
        identifier(&source.column)
    );
    let row = tx.query_one(&sql, &[&next]).await?;
    row.try_get(0)
}

impl Source<'_> {
    fn furthest(&self) -> &'static str {
        if self.step > 0 { "max" } else { "min" }
    }

    // Every run of digits within the value may be the number; built again, the right one gives
    // the value.
    fn furthest_built_sql(&self, built: &str) -> String {
        let column = format!("t.{}", identifier(&self.column));
        format!(
            "SELECT {}({NUMBER})
             FROM {} AS t
             CROSS JOIN LATERAL regexp_matches({column}::text, '[0-9]{{1,40}}', 'g') AS run (digits)
             CROSS JOIN LATERAL generate_series(1, length(run.digits[1])) AS place
             CROSS JOIN LATERAL generate_series(1, least(19, length(run.digits[1]) - place + 1)) AS width
             CROSS JOIN LATERAL (SELECT substr(run.digits[1], place, width)::numeric AS digits) AS found
             CROSS JOIN LATERAL (
                 SELECT CASE WHEN found.digits BETWEEN ({}) AND ({}) THEN found.digits::bigint END
                     AS {NUMBER}
             ) AS number
             WHERE {NUMBER} IS NOT NULL AND {column} = ({built})",
            self.furthest(),
            qualified(self.table),
            self.least,
            self.most,
        )
    }

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

// A column owns a sequence, is an identity, or has a default that asks one, once.
const SEQUENCES: &str = r#"
    WITH call AS (
        SELECT sequence.oid AS sequence, initial.adrelid AS table, initial.adnum AS number,
               initial.adbin::text AS nodes,
               pg_catalog.pg_get_expr(initial.adbin, initial.adrelid) AS expression
        FROM pg_catalog.pg_attrdef AS initial
        JOIN pg_catalog.pg_depend AS depends
          ON depends.classid = 'pg_catalog.pg_attrdef'::regclass AND depends.objid = initial.oid
         AND depends.refclassid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class AS sequence
          ON sequence.oid = depends.refobjid AND sequence.relkind = 'S'
    ), asked AS (
        SELECT call.sequence, call.table, call.number,
               call.expression ~ '^\(*nextval\(''.*''::regclass\)\)?(::[a-z ]+)?$' AS is_bare,
               regexp_replace(call.expression, 'nextval\(''.*''::regclass\)', '"the number"') AS built
        FROM call
        WHERE (SELECT count(*) FROM regexp_matches(call.expression, 'nextval', 'g')) = 1
          AND NOT EXISTS (
              SELECT FROM regexp_matches(call.nodes, ':(?:func|opfunc)id (\d+)', 'g') AS called
              JOIN pg_catalog.pg_proc AS function ON function.oid = called[1]::oid
              WHERE function.provolatile = 'v'
                AND function.oid <> 'pg_catalog.nextval(regclass)'::regprocedure)
    ), source AS (
        SELECT owned.objid AS sequence, owned.refobjid AS table, owned.refobjsubid::int2 AS number
        FROM pg_catalog.pg_depend AS owned
        WHERE owned.classid = 'pg_catalog.pg_class'::regclass
          AND owned.refclassid = 'pg_catalog.pg_class'::regclass
          AND owned.refobjsubid > 0 AND owned.deptype IN ('a', 'i')
        UNION
        SELECT asked.sequence, asked.table, asked.number FROM asked
    )
    SELECT class.relname::text AS table_name, attribute.attname::text AS column_name,
           format('%I.%I', home.nspname, named.relname) AS sequence,
           numbers.seqincrement AS step, numbers.seqmin AS least, numbers.seqmax AS most,
           has_sequence_privilege(numbers.seqrelid, 'SELECT')
               AND has_schema_privilege(home.oid, 'USAGE') AS may_read,
           has_sequence_privilege(numbers.seqrelid, 'UPDATE') AS may_set,
           asked.built, coalesce(asked.is_bare, false) AS is_bare
    FROM source
    LEFT JOIN asked ON asked.sequence = source.sequence AND asked.table = source.table
                   AND asked.number = source.number
    JOIN pg_catalog.pg_class AS class ON class.oid = source.table
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_attribute AS attribute
      ON attribute.attrelid = class.oid AND attribute.attnum = source.number
    JOIN pg_catalog.pg_sequence AS numbers ON numbers.seqrelid = source.sequence
    JOIN pg_catalog.pg_class AS named ON named.oid = source.sequence
    JOIN pg_catalog.pg_namespace AS home ON home.oid = named.relnamespace
    WHERE namespace.nspname = $1 AND class.relkind IN ('r', 'p')
    ORDER BY 1, 2, 3"#;

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
