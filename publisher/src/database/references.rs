//! Active rows that point at inactive ones: an app would look up what it never gets.

use std::collections::BTreeMap;

use snapshot_format::TableKey;
use tokio_postgres::{Row, Transaction};

use super::error::DatabaseError;
use super::sql::{identifier, qualified};
use crate::database::ask::Ask;
use crate::schema::{ForeignKey, Schema, Table};
use crate::source::Problem;

const CHECK: &str = "check the references of active rows";

/// Those of each table. Of each foreign key, the first thousand.
pub(super) async fn broken_references(
    tx: &Transaction<'_>,
    schema: &Schema,
) -> Result<BTreeMap<TableKey, Vec<Problem>>, DatabaseError> {
    let mut by_table: BTreeMap<TableKey, Vec<Problem>> = BTreeMap::new();
    for reference in broken(tx, references_of(schema)).await? {
        let problems = problems_of(tx, &reference).await?;
        let table = reference.table.key.clone();
        by_table.entry(table).or_default().extend(problems);
    }
    Ok(by_table)
}

// Those that any row breaks, by one statement: as a rule that is the last one.
async fn broken<'s>(
    tx: &Transaction<'_>,
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
    let broken: Vec<i32> = tx.column(CHECK, &each.join(" UNION ALL "), &[]).await?;
    let mut references = references.into_iter().zip(0..).collect::<Vec<_>>();
    references.retain(|(_, index)| broken.contains(index));
    Ok(references
        .into_iter()
        .map(|(reference, _)| reference)
        .collect())
}

async fn problems_of(
    tx: &Transaction<'_>,
    reference: &Reference<'_>,
) -> Result<Vec<Problem>, DatabaseError> {
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
    tx.list(CHECK, &query, &[], problem).await
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
