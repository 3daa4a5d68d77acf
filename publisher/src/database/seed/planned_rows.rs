//! The rows that a seed would change, each with its old and new values, as PostgreSQL
//! compares and writes them.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use serde::Serialize;
use serde_json::value::RawValue;
use snapshot_audit::diff::ColumnChange;
use snapshot_format::ColumnType;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Transaction};

use super::defaults::VaryingDefaults;
use super::stage::{Stage, StageSql};
use crate::database::error::DatabaseError;
use crate::database::sql::{identifier, in_byte_order, render};
use crate::schema::Column;

/// What would become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PlannedChange {
    /// It is new.
    Added,
    /// It has other values.
    Changed,
    /// It left the file, or the file switches it off.
    Deactivated,
    /// It came back.
    Reactivated,
    /// It belongs to an administrator, and stays as it is.
    Skipped,
}

/// A row that a seed would change, or keep because it belongs to an administrator.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedRow {
    /// What would become of it.
    pub change: PlannedChange,
    /// Its primary key.
    pub key: BTreeMap<String, Box<RawValue>>,
    /// The columns that differ, of a row that is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnChange>,
    /// The values that the file gives a new row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<BTreeMap<String, Box<RawValue>>>,
    /// Columns of a new row whose values the database makes when it is written, such as
    /// the next number of a sequence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defaulted: Vec<String>,
}

/// The query that lists a table's rows, and how its answer is read.
pub(super) struct Listing<'s> {
    stage: &'s Stage<'s>,
    key: Vec<&'s Column>,
    listed: Vec<Listed<'s>>,
    limit: usize,
}

// A column that may differ.
struct Listed<'s> {
    column: &'s Column,
    staged: &'s str,
    // Whether a new row's null stands for what the database makes.
    left_open: bool,
}

#[derive(Serialize)]
struct ListingSql<'s> {
    #[serde(flatten)]
    stage: &'s StageSql,
    key: Vec<String>,
    listed: Vec<ListedSql>,
    order: Vec<String>,
    limit: usize,
}

#[derive(Serialize)]
struct ListedSql {
    differs: String,
    old: String,
    new: String,
}

impl<'s> Listing<'s> {
    pub(super) fn new(stage: &'s Stage<'s>, varying: &VaryingDefaults, limit: usize) -> Self {
        let table = stage.table;
        let listed = table
            .columns
            .iter()
            .enumerate()
            .filter_map(|(index, column)| {
                let name = identifier(&column.name);
                let compared = stage.sql.compared.iter().find(|c| c.name == name)?;
                Some(Listed {
                    column,
                    staged: &compared.staged,
                    left_open: stage.source.defaulted.contains(&index)
                        && varying.has(table, &column.name),
                })
            });
        Self {
            stage,
            key: table
                .primary_key
                .iter()
                .map(|&c| &table.columns[c])
                .collect(),
            listed: listed.collect(),
            limit,
        }
    }

    fn sql(&self) -> String {
        let either = |column: &Column| {
            let name = identifier(&column.name);
            format!("coalesce(s.{name}, t.{name})")
        };
        let listed = self.listed.iter().map(|listed| {
            let (old, new) = (
                format!("t.{}", identifier(&listed.column.name)),
                listed.staged,
            );
            ListedSql {
                differs: format!("ROW({old})::record *<> ROW({new})::record"),
                old: as_json(listed.column, &old),
                new: as_json(listed.column, new),
            }
        });
        let key = self.key.iter();
        render(
            "planned_rows.sql",
            &ListingSql {
                stage: &self.stage.sql,
                key: key.clone().map(|c| as_json(c, &either(c))).collect(),
                listed: listed.collect(),
                order: key.map(|c| in_byte_order(c, &either(c))).collect(),
                limit: self.limit,
            },
        )
    }

    pub(super) async fn read(
        &self,
        tx: &Transaction<'_>,
    ) -> Result<Vec<PlannedRow>, DatabaseError> {
        let what = format!("compare {} with its table", self.stage.source.file.name);
        let failed = |source| DatabaseError::query(&what, source);
        let no_parameters = std::iter::empty::<&(dyn ToSql + Sync)>();
        let rows = tx.query_raw(&self.sql(), no_parameters).await;
        let rows = rows.map_err(failed)?;
        rows.and_then(|row| async move { self.row(&row) })
            .try_collect()
            .await
            .map_err(failed)
    }

    fn row(&self, row: &Row) -> Result<PlannedRow, tokio_postgres::Error> {
        let change = match row.try_get("change")? {
            "added" => PlannedChange::Added,
            "changed" => PlannedChange::Changed,
            "deactivated" => PlannedChange::Deactivated,
            "reactivated" => PlannedChange::Reactivated,
            _ => PlannedChange::Skipped,
        };
        let keys: Vec<Option<String>> = row.try_get("key_values")?;
        let names = self.key.iter().map(|column| column.name.clone());
        let key: BTreeMap<_, _> = names.zip(keys.into_iter().map(json)).collect();
        let mut planned = PlannedRow {
            change,
            key,
            columns: Vec::new(),
            row: None,
            defaulted: Vec::new(),
        };
        match change {
            PlannedChange::Added => self.read_new(row, &mut planned)?,
            // A row that left the file has no other values.
            PlannedChange::Deactivated if !row.try_get("staged")? => {}
            _ => planned.columns = self.read_differing(row)?,
        }
        Ok(planned)
    }

    fn read_new(&self, row: &Row, planned: &mut PlannedRow) -> Result<(), tokio_postgres::Error> {
        let values: Vec<Option<String>> = row.try_get("new_values")?;
        let mut new = planned.key.clone();
        for (listed, value) in self.listed.iter().zip(values) {
            let name = listed.column.name.clone();
            match value {
                None if listed.left_open => planned.defaulted.push(name),
                value => drop(new.insert(name, json(value))),
            }
        }
        planned.row = Some(new);
        Ok(())
    }

    fn read_differing(&self, row: &Row) -> Result<Vec<ColumnChange>, tokio_postgres::Error> {
        let differing: Vec<bool> = row.try_get("differing")?;
        let old: Vec<Option<String>> = row.try_get("old_values")?;
        let new: Vec<Option<String>> = row.try_get("new_values")?;
        let sides = self
            .listed
            .iter()
            .zip(differing)
            .zip(old.into_iter().zip(new));
        let differing = sides.filter(|((_, differs), _)| *differs);
        let change = |((listed, _), (old, new)): ((&Listed<'_>, bool), _)| {
            ColumnChange::of(listed.column.name.clone(), json(old), json(new))
        };
        Ok(differing.map(change).collect())
    }
}

// A value as JSON text, as a file would say it.
fn as_json(column: &Column, value: &str) -> String {
    match column.kind {
        ColumnType::Bytea => {
            format!("to_json(replace(encode({value}, 'base64'), E'\\n', ''))::text")
        }
        _ => format!("to_json({value})::text"),
    }
}

// What PostgreSQL wrote as JSON, without white space; the absent value is null.
fn json(text: Option<String>) -> Box<RawValue> {
    let text = compact(&text.unwrap_or_else(|| "null".to_owned()));
    // Too deep for a reader of ours, it is shown as a string.
    let raw =
        RawValue::from_string(text.clone()).or_else(|_| serde_json::value::to_raw_value(&text));
    raw.expect("a string is JSON")
}

// JSON without the white space outside of its strings.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let kept = json.chars().filter(|&c| {
        let keep = in_string || !c.is_ascii_whitespace();
        match c {
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && c == '\\' && !escaped;
        keep
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_stays_in_strings_alone() {
        let check = |json: &str, expected: &str| assert_eq!(compact(json), expected);
        check(r#"{"a b": [1, 2]}"#, r#"{"a b":[1,2]}"#);
        check("{\n  \"a\": null\t}", r#"{"a":null}"#);
        check(r#"["\" , \\", " "]"#, r#"["\" , \\"," "]"#);
        check(r#"["\\\" ", 1]"#, r#"["\\\" ",1]"#);
    }
}
