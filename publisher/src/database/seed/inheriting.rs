//! Tables that inherit: their rows are rows of the table above as well, and no primary key
//! there looks at them.

use tokio_postgres::{GenericClient, Row};

use super::stage::Stage;
use super::unique::key_text;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::sql::{identifier, qualified};
use crate::schema::Table;
use crate::source::{Place, Problem};

// So many keys of a table are named.
const MOST_NAMED: usize = 20;

/// Which rows are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::database) enum Among {
    /// All: a seed writes each row that has a key.
    AllRows,
    /// Those that are published.
    ActiveRows,
}

/// The keys that more than one row of a table has, each told with where the rows are.
///
/// Partitions cannot have any: their key is the table's.
pub(in crate::database) async fn keys_that_stand_twice(
    client: &impl GenericClient,
    table: &Table,
    among: Among,
) -> Result<Vec<String>, DatabaseError> {
    if !table.has_parts {
        return Ok(Vec::new());
    }
    let what = format!("compare the keys of table {}", table.name);
    let name = qualified(table);
    if client.value(&what, IS_PARTITIONED, &[&name]).await? {
        return Ok(Vec::new());
    }
    let told = |row: &Row| {
        let (key, holders): (Vec<Option<String>>, Vec<String>) = (row.try_get(0)?, row.try_get(1)?);
        let key = key_text(table, &key);
        Ok(format!(
            "key {key} stands in more than one row of table {}: in {}; a table that inherits holds a \
             row of the same key, which the primary key of {} does not look at; change or delete \
             all but one of them",
            table.name,
            holders.join(", "),
            table.name,
        ))
    };
    client.list(what, &twice_sql(table, among), &[], told).await
}

const IS_PARTITIONED: &str =
    "SELECT relkind = 'p' FROM pg_catalog.pg_class WHERE oid = $1::text::regclass";

/// The same of a table that has a file, as problems of that.
pub(super) async fn twice_in_table(
    client: &impl GenericClient,
    stage: &Stage<'_>,
) -> Result<Vec<Problem>, DatabaseError> {
    let told = keys_that_stand_twice(client, stage.table, Among::AllRows).await?;
    let problem = |message| Problem {
        place: Some(Place::file(&stage.source.file.name)),
        message,
    };
    Ok(told.into_iter().map(problem).collect())
}

fn twice_sql(table: &Table, among: Among) -> String {
    let names = table.primary_key_names();
    let key: Vec<String> = names
        .iter()
        .map(|name| format!("t.{}", identifier(name)))
        .collect();
    // Of keys that are equal and written otherwise, one is told.
    let texts: Vec<String> = key.iter().map(|c| format!("min({c}::text)")).collect();
    let active = if among == Among::ActiveRows && table.has_is_active() {
        "WHERE t.is_active"
    } else {
        ""
    };
    format!(
        "SELECT ARRAY[{texts}], array_agg(t.tableoid::regclass::text ORDER BY t.tableoid)
         FROM {} AS t {active} GROUP BY {key} HAVING count(*) > 1 ORDER BY {key} LIMIT {MOST_NAMED}",
        qualified(table),
        texts = texts.join(", "),
        key = key.join(", "),
    )
}
