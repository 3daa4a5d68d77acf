//! Whether rows could trade, told without writing them: the trade is tried in a temporary copy
//! of the table, with its rows, its constraints and the foreign keys beside its unique values.
//! No trigger of the user's runs, and nobody is waited for.

use tokio_postgres::{Row, Transaction};

use super::aside::{SAVEPOINT, changing};
use super::trade::{Traded, try_trade};
use super::{UniqueIndex, unique_indexes};
use crate::database::answer::PgError;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::seed::defaults::VaryingDefaults;
use crate::database::seed::error::SeedError;
use crate::database::seed::hazards::Hazard;
use crate::database::seed::stage::Stage;
use crate::database::sql::{identifier, qualified, render};
use crate::source::Problem;

const FORESIGHT: &str = "tablecast_foresight";

/// The rows of the file at that `place` that trade a unique value and cannot: the table leaves
/// them no value in between.
///
/// The table may point at rows of the other `staged` files. What cannot be copied, such as a
/// table that we may not read, is not foreseen.
pub(in crate::database) async fn foresee(
    tx: &Transaction<'_>,
    staged: &[Stage<'_>],
    place: usize,
    varying: &VaryingDefaults,
) -> Result<Vec<Problem>, SeedError> {
    execute(tx, &format!("SAVEPOINT {FORESIGHT}")).await?;
    let stuck = in_copy(tx, staged, &staged[place], varying).await;
    let end = format!("ROLLBACK TO SAVEPOINT {FORESIGHT}; RELEASE SAVEPOINT {FORESIGHT}");
    execute(tx, &end).await?;
    // Any other refusal is not of a trade, and is the seed's to tell.
    Ok(stuck.unwrap_or_default())
}

/// Whether a row takes a unique value that another has, as far as a comparison can tell.
pub(in crate::database) async fn may_trade(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    hazard: &Hazard,
) -> Result<bool, DatabaseError> {
    if !hazard.unique || stage.sql.compared.is_empty() {
        return Ok(false);
    }
    let indexes = unique_indexes(tx, stage.table).await?;
    let immediate = indexes.iter().filter(|index| index.is_immediate);
    let asked: Vec<String> = immediate.map(|index| takes_a_value(stage, index)).collect();
    if asked.is_empty() {
        return Ok(false);
    }
    let sql = format!("SELECT {}", asked.join(" OR "));
    let what = format!("compare the unique values of {}", stage.source.file.name);
    tx.value(what, &sql, &[]).await
}

fn takes_a_value(stage: &Stage<'_>, index: &UniqueIndex) -> String {
    let changing = changing(stage, index, &stage.sql.stage);
    if !index.is_plain() {
        return format!("EXISTS (SELECT {changing})");
    }
    let same: Vec<String> = index
        .wanted(&stage.sql)
        .iter()
        .map(|(name, wanted)| format!("other.{name} = {wanted}"))
        .collect();
    format!(
        "EXISTS (SELECT {changing} AND EXISTS (SELECT FROM {} AS other WHERE {}))",
        stage.sql.table,
        same.join(" AND ")
    )
}

async fn in_copy(
    tx: &Transaction<'_>,
    staged: &[Stage<'_>],
    stage: &Stage<'_>,
    varying: &VaryingDefaults,
) -> Result<Vec<Problem>, SeedError> {
    // By the table's own name, for messages tell it.
    let copy = stage.written_to(format!("pg_temp.{}", identifier(&stage.table.name)));
    fill(tx, &copy, stage).await?;
    reference(tx, &copy, stage, staged).await?;
    if copy.sql.is_active {
        execute(tx, &render("deactivate.sql", &copy.sql)).await?;
    }
    let update = render("update.sql", &copy.sql);
    execute(tx, &format!("SAVEPOINT {SAVEPOINT}")).await?;
    let Err(error) = tx.execute(&update, &[]).await else {
        return Ok(Vec::new());
    };
    let error = PgError::from(error);
    if !error.is_shared_value() {
        return Ok(Vec::new());
    }
    execute(tx, &format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")).await?;
    match try_trade(tx, &copy, varying, &update, error).await? {
        Traded::Updated(_) => Ok(Vec::new()),
        Traded::Stuck(problems) => Ok(problems),
    }
}

// The rows, and what is true of each and of all.
async fn fill(
    tx: &Transaction<'_>,
    copy: &Stage<'_>,
    stage: &Stage<'_>,
) -> Result<(), DatabaseError> {
    let (to, from) = (&copy.sql.table, &stage.sql.table);
    let columns = stage.table.columns.iter().filter(|c| !c.generated);
    let names: Vec<String> = columns.map(|column| identifier(&column.name)).collect();
    let names = names.join(", ");
    let rows = format!(
        "CREATE TEMPORARY TABLE {to} (LIKE {from} INCLUDING CONSTRAINTS INCLUDING GENERATED) ON COMMIT DROP;
         INSERT INTO {to} ({names}) SELECT {names} FROM {from}"
    );
    execute(tx, &rows).await?;
    execute_listed(tx, UNIQUE, stage, to).await
}

// The foreign keys that say which values a row may have, and which it may not give up.
async fn reference(
    tx: &Transaction<'_>,
    copy: &Stage<'_>,
    stage: &Stage<'_>,
    staged: &[Stage<'_>],
) -> Result<(), DatabaseError> {
    let rows = tx.query(TARGETS, &[&stage.sql.table]).await;
    for (place, row) in rows.map_err(failed)?.iter().enumerate() {
        let (target, columns, definition) = read_target(row).map_err(failed)?;
        let mut held = vec![format!("SELECT {} FROM {target}", columns.join(", "))];
        let other = staged.iter().find(|other| other.sql.table == target);
        held.extend(other.and_then(|other| staged_values(other, &columns)));
        let name = format!("pg_temp.tablecast_target_{place}");
        let create = format!(
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS
                 SELECT DISTINCT {columns} FROM ({held}) AS held WHERE num_nulls({columns}) = 0;
             ALTER TABLE {name} ADD UNIQUE ({columns});
             ALTER TABLE {copy} ADD {definition}",
            columns = columns.join(", "),
            held = held.join(" UNION ALL "),
            copy = copy.sql.table,
            definition = definition.replace(PLACEHOLDER, &name),
        );
        execute(tx, &create).await?;
    }
    execute_listed(tx, REFERRERS, stage, &copy.sql.table).await
}

// A table, its columns, and the foreign key that points at them.
fn read_target(row: &Row) -> Result<(String, Vec<String>, String), tokio_postgres::Error> {
    let (namespace, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let columns: Vec<String> = row.try_get(2)?;
    let target = format!("{}.{}", identifier(&namespace), identifier(&name));
    let columns = columns.iter().map(|name| identifier(name)).collect();
    Ok((target, columns, row.try_get(3)?))
}

fn staged_values(other: &Stage<'_>, columns: &[String]) -> Option<String> {
    let written = |name: &String| other.sql.written.iter().find(|c| c.name == *name);
    let values: Option<Vec<&str>> = columns
        .iter()
        .map(|name| Some(written(name)?.staged.as_str()))
        .collect();
    Some(format!(
        "SELECT {} FROM {} AS s LEFT JOIN {} AS t ON {}",
        values?.join(", "),
        other.sql.stage,
        other.sql.table,
        other.sql.join()
    ))
}

// Runs the statements that a query gives for a table and its copy.
async fn execute_listed(
    tx: &Transaction<'_>,
    query: &str,
    stage: &Stage<'_>,
    copy: &String,
) -> Result<(), DatabaseError> {
    let rows = tx.query(query, &[&qualified(stage.table), copy]).await;
    let statements = rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
    let statements: Vec<String> = statements.map_err(failed)?;
    execute(tx, &statements.join(";")).await
}

async fn execute(tx: &Transaction<'_>, sql: &str) -> Result<(), DatabaseError> {
    tx.batch_execute(sql).await.map_err(failed)
}

fn failed(source: tokio_postgres::Error) -> DatabaseError {
    DatabaseError::query("try whether rows can trade values", source)
}

// Under the same names, by which PostgreSQL says which one refuses.
const UNIQUE: &str = "
    SELECT CASE WHEN constrained.oid IS NOT NULL
           THEN 'ALTER TABLE ' || $2::text || ' ADD CONSTRAINT ' || quote_ident(constrained.conname)
                || ' ' || pg_catalog.pg_get_constraintdef(constrained.oid)
           ELSE 'CREATE UNIQUE INDEX ' || quote_ident(class.relname) || ' ON ' || $2::text
                || substr(definition.text, strpos(definition.text, ' USING ')) END
    FROM pg_catalog.pg_index AS index
    JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
    LEFT JOIN pg_catalog.pg_constraint AS constrained
           ON constrained.conindid = index.indexrelid AND constrained.conrelid = index.indrelid
          AND constrained.contype IN ('p', 'u', 'x')
    CROSS JOIN LATERAL (
        SELECT substr(pg_catalog.pg_get_indexdef(index.indexrelid),
                      length('CREATE UNIQUE INDEX ' || quote_ident(class.relname)) + 1) AS text
    ) AS definition
    WHERE index.indrelid = $1::text::regclass AND index.indisvalid
      AND (index.indisunique OR constrained.contype = 'x')
    ORDER BY NOT index.indisprimary, index.indexrelid";

const PLACEHOLDER: &str = "tablecast_placeholder";

// Those of columns that a unique index compares, but for a table's references to itself.
const TARGETS: &str = "
    SELECT namespace.nspname::text, class.relname::text,
           ARRAY(SELECT attribute.attname::text
                 FROM unnest(referrer.confkey) WITH ORDINALITY AS key (number, place)
                 JOIN pg_catalog.pg_attribute AS attribute
                   ON attribute.attrelid = referrer.confrelid AND attribute.attnum = key.number
                 ORDER BY key.place),
           'CONSTRAINT ' || quote_ident(referrer.conname) || ' '
               || regexp_replace(pg_catalog.pg_get_constraintdef(referrer.oid),
                                 ' REFERENCES .*?[(]', ' REFERENCES tablecast_placeholder(')
    FROM pg_catalog.pg_constraint AS referrer
    JOIN pg_catalog.pg_class AS class ON class.oid = referrer.confrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE referrer.contype = 'f' AND referrer.conrelid = $1::text::regclass
      AND referrer.confrelid <> referrer.conrelid
      AND EXISTS (SELECT FROM pg_catalog.pg_index AS index
                  WHERE index.indrelid = referrer.conrelid AND index.indisunique
                    AND NOT index.indisprimary AND index.indkey::int2[] && referrer.conkey)
    ORDER BY referrer.conname COLLATE \"C\"";

// Those that point at a unique index, the table's own among them.
const REFERRERS: &str = "
    SELECT CASE WHEN referrer.conrelid = referrer.confrelid
           THEN format('ALTER TABLE %s ADD %s', $2::text, definition.text)
           ELSE format('CREATE TEMPORARY TABLE %1$s ON COMMIT DROP AS SELECT DISTINCT %2$s FROM %3$I.%4$I
                            WHERE num_nulls(%2$s) = 0;
                        ALTER TABLE %1$s ADD %5$s',
                       'pg_temp.tablecast_referrer_' || referrer.oid, columns.names, namespace.nspname,
                       class.relname, definition.text) END
    FROM pg_catalog.pg_constraint AS referrer
    JOIN pg_catalog.pg_class AS class ON class.oid = referrer.conrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_index AS index ON index.indexrelid = referrer.conindid
    CROSS JOIN LATERAL (
        SELECT 'CONSTRAINT ' || quote_ident(referrer.conname) || ' '
               || regexp_replace(pg_catalog.pg_get_constraintdef(referrer.oid),
                                 ' REFERENCES .*?[(]', ' REFERENCES ' || $2::text || '(') AS text
    ) AS definition
    CROSS JOIN LATERAL (
        SELECT string_agg(quote_ident(attribute.attname), ', ' ORDER BY key.place) AS names
        FROM unnest(referrer.conkey) WITH ORDINALITY AS key (number, place)
        JOIN pg_catalog.pg_attribute AS attribute
          ON attribute.attrelid = referrer.conrelid AND attribute.attnum = key.number
    ) AS columns
    WHERE referrer.contype = 'f' AND referrer.confrelid = $1::text::regclass
      AND referrer.conparentid = 0 AND NOT index.indisprimary
    ORDER BY referrer.conname COLLATE \"C\"";
