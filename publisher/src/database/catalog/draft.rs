//! Tables as they are put together from the catalog's rows.

use std::collections::HashMap;

use snapshot_format::{ColumnType, TableKey};
use tokio_postgres::Row;

use super::types::Types;
use crate::config::Config;
use crate::database::error::DatabaseError;
use crate::schema::{Column, ForeignKey, Part, Schema, Table};

/// A table while its parts come in.
pub(super) struct Draft {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) key: Vec<i16>,
    // Each with its attribute number.
    pub(super) columns: Vec<(i16, Column)>,
    pub(super) events: i32,
    pub(super) has_parts: bool,
    // Those that are not tracked.
    pub(super) parts: Vec<Part>,
}

impl Draft {
    pub(super) fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            oid: row.try_get("table")?,
            name: row.try_get("name")?,
            namespace: row.try_get("namespace")?,
            key: row.try_get("key")?,
            columns: Vec::new(),
            events: 0,
            has_parts: false,
            parts: Vec::new(),
        })
    }

    pub(super) fn table(&self, config: &Config) -> Result<Table, DatabaseError> {
        let unusable = |error| {
            DatabaseError::Catalog(format!(
                "table {} cannot be published: {error}; exclude it in tablecast.toml",
                self.name
            ))
        };
        let key = TableKey::from_sql(&self.name).map_err(unusable)?;
        let settings = config.tables.get(key.as_str());
        let mut columns: Vec<Column> = Vec::new();
        for (_, column) in self.sorted_columns() {
            let as_text = settings.is_some_and(|table| table.as_text.contains(&column.name));
            // A column name has the form of a table key's, for the same reasons.
            column.name.parse::<TableKey>().map_err(unusable)?;
            let mut column = column.clone();
            // As text, PostgreSQL's own spellings of these are taken as well.
            if as_text && column.kind.is_spelled() {
                column.kind = ColumnType::Named(column.sql_type.clone());
            }
            columns.push(Column { as_text, ..column });
        }
        Ok(Table {
            key,
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            columns,
            primary_key: self
                .key
                .iter()
                .filter_map(|number| self.index(*number))
                .collect(),
            foreign_keys: Vec::new(),
            missing_triggers: missing_events(self.events),
            has_parts: self.has_parts,
            untracked_parts: self.parts.clone(),
        })
    }

    fn sorted_columns(&self) -> Vec<&(i16, Column)> {
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        columns
    }

    fn index(&self, number: i16) -> Option<usize> {
        self.sorted_columns()
            .iter()
            .position(|(other, _)| *other == number)
    }
}

pub(super) fn read_column(
    row: &Row,
    types: &Types,
) -> Result<(i16, Column), tokio_postgres::Error> {
    let sql_type: String = row.try_get("sql_type")?;
    let (kind, domain_not_null) = types.resolve(row.try_get("type")?, &sql_type);
    let not_null: bool = row.try_get("not_null")?;
    let default: Option<String> = row.try_get("default")?;
    // An identity column takes its next number where the file names none.
    let identity: bool = row.try_get("identity")?;
    let column = Column {
        name: row.try_get("name")?,
        sql_type,
        kind,
        nullable: !not_null && !domain_not_null,
        default: default.or_else(|| identity.then(|| "DEFAULT".to_owned())),
        generated: row.try_get("generated")?,
        is_fixed: row.try_get("is_fixed")?,
        as_text: false,
    };
    Ok((row.try_get("number")?, column))
}

pub(super) fn add_foreign_key(
    schema: &mut Schema,
    drafts: &HashMap<u32, Draft>,
    row: &Row,
) -> Result<(), tokio_postgres::Error> {
    let (from, to): (u32, u32) = (row.try_get("table")?, row.try_get("target")?);
    let (Some(from), Some(to)) = (drafts.get(&from), drafts.get(&to)) else {
        return Ok(());
    };
    let columns: Vec<i16> = row.try_get("columns")?;
    let key_of = |name: &str| {
        schema
            .tables
            .iter()
            .find(|t| t.name == name)
            .map(|t| t.key.clone())
    };
    let Some(target) = key_of(&to.name) else {
        return Ok(());
    };
    let foreign_key = ForeignKey {
        name: row.try_get("name")?,
        columns: columns
            .into_iter()
            .filter_map(|number| from.index(number))
            .collect(),
        target,
        target_columns: row.try_get("target_columns")?,
    };
    if let Some(table) = schema
        .tables
        .iter_mut()
        .find(|table| table.name == from.name)
    {
        table.foreign_keys.push(foreign_key);
    }
    Ok(())
}

pub(super) fn read_part(row: &Row) -> Result<Option<Part>, tokio_postgres::Error> {
    let part = Part {
        name: row.try_get("name")?,
        namespace: row.try_get("namespace")?,
        is_foreign: row.try_get("is_foreign")?,
        missing_triggers: missing_events(row.try_get("events")?),
    };
    Ok(Some(part).filter(|part| part.is_foreign || !part.missing_triggers.is_empty()))
}

fn missing_events(events: i32) -> Vec<&'static str> {
    let missing = EVENTS.iter().filter(|(bit, _)| events & bit == 0);
    missing.map(|(_, event)| *event).collect()
}

const EVENTS: [(i32, &str); 4] = [
    (4, "INSERT"),
    (16, "UPDATE"),
    (8, "DELETE"),
    (32, "TRUNCATE"),
];
