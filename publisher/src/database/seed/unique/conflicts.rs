//! Rows that cannot all be as the file has them, because they would share a unique value.

use snapshot_format::{ColumnType, IS_ACTIVE};
use tokio_postgres::{GenericClient, Row, Transaction};

use super::{UniqueIndex, unique_indexes};
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::seed::defaults::VaryingDefaults;
use crate::database::seed::stage::Stage;
use crate::database::sql::identifier;
use crate::schema::{Column, Table};
use crate::source::{Place, Problem};

// Of each index, as many rows are told.
const MOST: usize = 1_000;

/// The rows of a staged file that would share a unique value with another row of the
/// table, once it is as the file has it.
pub(in crate::database) async fn conflicts(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    varying: &VaryingDefaults,
) -> Result<Vec<Problem>, DatabaseError> {
    let mut problems = Vec::new();
    for index in unique_indexes(tx, stage.table).await? {
        // An identity's next number is not known before it is written, and operators of an
        // exclusion have no order to group by.
        let computed = index
            .columns
            .iter()
            .any(|name| is_computed(stage.table, name) && !index.generated.contains_key(name));
        if !index.is_exclusion && !computed {
            let rows = shared(tx, stage, &index, varying).await?;
            problems.extend(told(stage, &index, rows));
        }
    }
    problems.sort();
    Ok(problems)
}

fn is_computed(table: &Table, name: &str) -> bool {
    let column = table.column(name);
    column.is_some_and(|(_, column)| column.generated)
}

// A row that shares its values with another.
struct Sharing {
    group: i64,
    values: Vec<Option<String>>,
    key: Vec<Option<String>>,
    // Where it stands in the file, of a row that the file decides.
    row: Option<i64>,
    is_admin: bool,
}

async fn shared(
    tx: &Transaction<'_>,
    stage: &Stage<'_>,
    index: &UniqueIndex,
    varying: &VaryingDefaults,
) -> Result<Vec<Sharing>, DatabaseError> {
    let what = format!("compare the unique values of {}", stage.source.file.name);
    let sql = shared_sql(stage, index, varying);
    let sharing = |row: &Row| {
        Ok(Sharing {
            group: row.try_get(0)?,
            values: row.try_get(1)?,
            key: row.try_get(2)?,
            row: row.try_get(3)?,
            is_admin: row.try_get(4)?,
        })
    };
    tx.list(what, &sql, &[], sharing).await
}

// A name with a space in it is none of a table's columns.
fn shared_sql(stage: &Stage<'_>, index: &UniqueIndex, varying: &VaryingDefaults) -> String {
    let values = index.expressions.join(", ");
    let texts: Vec<String> = index
        .expressions
        .iter()
        .map(|e| format!("({e})::text"))
        .collect();
    let mut held: Vec<String> = Vec::new();
    held.extend(
        index
            .predicate
            .iter()
            .map(|predicate| format!("({predicate})")),
    );
    if !index.nulls_are_equal {
        held.extend(
            index
                .expressions
                .iter()
                .map(|e| format!("({e}) IS NOT NULL")),
        );
    }
    if held.is_empty() {
        held.push("true".to_owned());
    }
    format!(
        r#"SELECT "the group", "the values", "the key", "the row", "is admin"
           FROM (
               SELECT dense_rank() OVER (ORDER BY {values}) AS "the group",
                      count(*) OVER (PARTITION BY {values}) AS "how many",
                      ARRAY[{texts}] AS "the values", "the key", "the row", "is admin"
               FROM ({final_rows}) AS "final rows"
               WHERE {held}
           ) AS "all values"
           WHERE "how many" > 1
           ORDER BY "the group", "the row" NULLS LAST, "the key" COLLATE "C"
           LIMIT {MOST}"#,
        texts = texts.join(", "),
        final_rows = computed(stage, index, &final_rows(stage, varying)),
        held = held.join(" AND "),
    )
}

// The same rows with what the database will generate from their other columns.
fn computed(stage: &Stage<'_>, index: &UniqueIndex, rows: &str) -> String {
    if index.generated.is_empty() {
        return rows.to_owned();
    }
    let column = |column: &Column| {
        let name = identifier(&column.name);
        match index.generated.get(&column.name) {
            Some(generated) => format!("({generated})::{} AS {name}", column.sql_type),
            None => name,
        }
    };
    let columns: Vec<String> = stage.table.columns.iter().map(column).collect();
    format!(
        r#"SELECT {}, "the key", "is admin", "the row" FROM ({rows}) AS "written rows""#,
        columns.join(", ")
    )
}

// Every row of the table as it will be, its columns under their own names.
fn final_rows(stage: &Stage<'_>, varying: &VaryingDefaults) -> String {
    let (sql, table) = (&stage.sql, stage.table);
    let first_key = &sql.primary_key[0];
    let admin = if table.has_source_type() {
        "coalesce(t.source_type = 'admin', false)"
    } else {
        "false"
    };
    let by_file = format!("s.{first_key} IS NOT NULL AND NOT {admin}");
    let column = |column: &Column| {
        let name = identifier(&column.name);
        if sql.primary_key.contains(&name) {
            return format!("coalesce(s.{name}, t.{name}) AS {name}");
        }
        let stays = if sql.is_active && column.name == IS_ACTIVE {
            format!("(t.{name} AND {admin})")
        } else {
            format!("t.{name}")
        };
        let default = column
            .default
            .as_deref()
            .filter(|default| *default != "DEFAULT");
        let default = default.filter(|_| !varying.has(table, &column.name));
        if let Some(fixed) = sql.fixed.iter().find(|c| c.name == name) {
            return format!(
                "CASE WHEN t.{first_key} IS NULL THEN {} ELSE {stays} END AS {name}",
                fixed.staged
            );
        }
        match (sql.compared.iter().find(|c| c.name == name), default) {
            (Some(compared), _) => format!(
                "CASE WHEN {by_file} THEN {} ELSE {stays} END AS {name}",
                compared.staged
            ),
            (None, Some(default)) => {
                format!(
                    "CASE WHEN t.{first_key} IS NULL THEN ({default}) ELSE {stays} END AS {name}"
                )
            }
            (None, None) => format!("{stays} AS {name}"),
        }
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let key: Vec<String> = sql
        .primary_key
        .iter()
        .map(|name| format!("coalesce(s.{name}, t.{name})::text"))
        .collect();
    format!(
        r#"SELECT {columns}, ARRAY[{key}] AS "the key", {admin} AS "is admin",
                  CASE WHEN {by_file} THEN s."the row" END AS "the row"
           FROM ({numbered}) AS s FULL JOIN {table} AS t ON {join}"#,
        columns = columns.join(", "),
        key = key.join(", "),
        numbered = numbered(stage),
        table = sql.table,
        join = sql.join(),
    )
}

// A staging table's rows lie in the file's order.
pub(in crate::database) fn numbered(stage: &Stage<'_>) -> String {
    format!(
        r#"SELECT staged.*, row_number() OVER (ORDER BY staged.ctid) AS "the row" FROM {} AS staged"#,
        stage.sql.stage
    )
}

fn told(stage: &Stage<'_>, index: &UniqueIndex, rows: Vec<Sharing>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for group in rows.chunk_by(|a, b| a.group == b.group) {
        let (first, others) = (&group[0], &group[1..]);
        for other in others {
            problems.push(match other.row {
                Some(_) => told_of(stage, index, other, first),
                None => told_of(stage, index, first, other),
            });
        }
    }
    problems
}

fn told_of(stage: &Stage<'_>, index: &UniqueIndex, row: &Sharing, other: &Sharing) -> Problem {
    let values: Vec<String> = row
        .values
        .iter()
        .map(|value| quoted(value.as_deref()))
        .collect();
    let values = match values.as_slice() {
        [one] => one.clone(),
        many => format!("({})", many.join(", ")),
    };
    let key = key_text(stage.table, &other.key);
    let who = match other.row {
        Some(number) => format!("row {number} {key} has it too"),
        None if other.is_admin => format!("row {key} of an administrator has it"),
        None => format!("row {key}, which the file does not hold, keeps it, active or not"),
    };
    Problem {
        place: Some(Place {
            row: row.row.and_then(|number| usize::try_from(number).ok()),
            row_key: Some(key_text(stage.table, &row.key)),
            column: Some(index.columns.join(", ")),
            ..Place::file(&stage.source.file.name)
        }),
        message: format!("{values} must be unique ({}), and {who}", index.name),
    }
}

fn quoted(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("{value:?}"))
}

/// A row's key as the messages of a file have it.
pub(in crate::database) fn key_text(table: &Table, key: &[Option<String>]) -> String {
    let columns = table.primary_key.iter().map(|&index| &table.columns[index]);
    let parts: Vec<String> = columns
        .zip(key)
        .map(|(column, value)| {
            if column.is_quoted() {
                quoted(value.as_deref())
            } else {
                value.clone().unwrap_or_default()
            }
        })
        .collect();
    match parts.as_slice() {
        [one] if one.starts_with('"') => one.clone(),
        many => format!("({})", many.join(", ")),
    }
}

/// Rows of a staged file whose primary keys are written otherwise and are equal.
pub(in crate::database) async fn equal_keys(
    client: &impl GenericClient,
    stage: &Stage<'_>,
) -> Result<Vec<Problem>, DatabaseError> {
    let key: Vec<String> = stage
        .sql
        .primary_key
        .iter()
        .map(|c| format!("staged.{c}"))
        .collect();
    let texts: Vec<String> = key.iter().map(|c| format!("{c}::text")).collect();
    let sql = format!(
        r#"SELECT "the key", "the row", "the first", "its key"
           FROM (
               SELECT ARRAY[{texts}] AS "the key", staged."the row",
                      first_value(staged."the row") OVER same AS "the first",
                      first_value(ARRAY[{texts}]) OVER same AS "its key"
               FROM ({numbered}) AS staged
               WINDOW same AS (PARTITION BY {key} ORDER BY staged."the row")
           ) AS "all keys"
           WHERE "the row" <> "the first"
           ORDER BY "the row" LIMIT {MOST}"#,
        texts = texts.join(", "),
        key = key.join(", "),
        numbered = numbered(stage),
    );
    let what = format!("compare the keys of {}", stage.source.file.name);
    let problem = |row: &Row| {
        let (key, its): (Vec<Option<String>>, Vec<Option<String>>) =
            (row.try_get(0)?, row.try_get(3)?);
        let (number, first): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Problem {
            place: Some(Place {
                row: usize::try_from(number).ok(),
                row_key: Some(key_text(stage.table, &key)),
                ..Place::file(&stage.source.file.name)
            }),
            message: format!(
                "duplicate primary key: to the database it is equal to {} in row {first}",
                key_text(stage.table, &its)
            ),
        })
    };
    client.list(what, &sql, &[], problem).await
}

/// Rows of a staged file whose primary key is equal to a stored one and written otherwise.
/// A seed finds a row by its key, and so never writes the key.
///
/// Only texts are looked at: a case or an accent is what people change.
pub(in crate::database) async fn respelled_keys(
    client: &impl GenericClient,
    stage: &Stage<'_>,
) -> Result<Vec<Problem>, DatabaseError> {
    let table = stage.table;
    let key = |side: &str| -> Vec<String> {
        let names = stage.sql.primary_key.iter();
        names.map(|name| format!("{side}.{name}")).collect()
    };
    let (staged, stored) = (key("s"), key("t"));
    let texts = |key: &[String]| -> String {
        let texts: Vec<String> = key.iter().map(|c| format!("{c}::text")).collect();
        texts.join(", ")
    };
    let pairs = staged.iter().zip(&stored);
    let same: Vec<String> = pairs.clone().map(|(s, t)| format!("{t} = {s}")).collect();
    let is_text = |index: &usize| {
        matches!(
            table.columns[*index].kind,
            ColumnType::Text(_) | ColumnType::Citext | ColumnType::Character(_)
        )
    };
    let otherwise: Vec<String> = pairs
        .zip(&table.primary_key)
        .filter(|(_, index)| is_text(index))
        .map(|((s, t), _)| format!(r#"{s}::text COLLATE "C" <> {t}::text COLLATE "C""#))
        .collect();
    if otherwise.is_empty() {
        return Ok(Vec::new());
    }
    let owner = stage.sql.owner();
    let sql = format!(
        r#"SELECT ARRAY[{}], s."the row", ARRAY[{}]
           FROM ({}) AS s JOIN {} AS t ON {}
           WHERE {owner}({}) ORDER BY s."the row" LIMIT {MOST}"#,
        texts(&staged),
        texts(&stored),
        numbered(stage),
        stage.sql.table,
        same.join(" AND "),
        otherwise.join(" OR "),
    );
    let what = format!("compare the keys of {}", stage.source.file.name);
    let problem = |row: &Row| {
        let (key, its): (Vec<Option<String>>, Vec<Option<String>>) =
            (row.try_get(0)?, row.try_get(2)?);
        let number: i64 = row.try_get(1)?;
        Ok(Problem {
            place: Some(Place {
                row: usize::try_from(number).ok(),
                row_key: Some(key_text(table, &key)),
                ..Place::file(&stage.source.file.name)
            }),
            message: format!(
                "the primary key is written {} in table {}, which to the database is equal; a seed \
                 does not rewrite keys: change it there by SQL first, or keep its spelling in the file",
                key_text(table, &its),
                table.name
            ),
        })
    };
    client.list(what, &sql, &[], problem).await
}
