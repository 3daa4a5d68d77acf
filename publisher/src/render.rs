//! Rows as bytes: what PostgreSQL sends in its binary format becomes the canonical JSON
//! of a row.
//!
//! ```text
//! {"id":"NEUTRAL","is_active":true,"label":"Neutral","sort_order":1}
//! ```
//!
//! Pure, and the one place that decides how a value of each SQL type looks in JSON. What
//! would be published with another value than the database holds is refused, by table,
//! row and column. Bytes that PostgreSQL would not send are an error, never a panic.

mod error;
mod interval;
mod network;
mod numeric;
mod value;

#[cfg(test)]
mod tests;

use snapshot_format::json::Parser;
use snapshot_format::{ColumnType, RowShape, TableKey};

use crate::schema::{Column, Table};

pub(crate) use error::ValueError;
use error::shortened;
use value::has_form;

/// Renders the rows of one table.
#[derive(Debug, Clone)]
pub(crate) struct RowRenderer {
    table: TableKey,
    shape: RowShape,
    columns: Vec<RenderedColumn>,
    // Names, in the key's order.
    primary_key: Vec<String>,
}

/// Why a table or a row cannot be published.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// The table has nothing to publish.
    #[error("{table}: has no column that is published")]
    NoColumns {
        /// The table.
        table: TableKey,
    },
    /// A column's type has no form in JSON.
    #[error("{table}: column {column:?}: the type {sql_type} has no form in JSON")]
    Type {
        /// The table.
        table: TableKey,
        /// The column.
        column: String,
        /// The type, as PostgreSQL prints it.
        sql_type: String,
    },
    /// A value has no form in JSON.
    #[error("{table}: row {row}: column {column:?}: {reason}")]
    Value {
        /// The table.
        table: TableKey,
        /// The row, by its primary key: `"NEUTRAL"`, `7`, `("A", 7)`.
        row: String,
        /// The column.
        column: String,
        /// What is wrong with the value.
        reason: Box<ValueError>,
    },
}

impl RenderError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        let (table, column) = match self {
            Self::NoColumns { .. } => return None,
            Self::Type { table, column, .. } => (table, column),
            Self::Value { reason, .. } if !reason.is_cured_by_text() => return None,
            Self::Value { table, column, .. } => (table, column),
        };
        Some(format!(
            "publish it as a string: add as_text = [{column:?}] under [tables.{table}] in tablecast.toml"
        ))
    }
}

impl RowRenderer {
    /// A renderer for the published columns of `table`, in their order.
    ///
    /// # Errors
    /// [`RenderError::Type`] where a column's type is published only as text, and the
    /// configuration does not say so; [`RenderError::NoColumns`].
    pub(crate) fn new(table: &Table) -> Result<Self, RenderError> {
        let columns: Vec<_> = table
            .published()
            .map(|column| RenderedColumn::new(table, column))
            .collect::<Result<_, _>>()?;
        if columns.is_empty() {
            let table = table.key.clone();
            return Err(RenderError::NoColumns { table });
        }
        Ok(Self {
            table: table.key.clone(),
            shape: RowShape::new(columns.iter().map(|column| column.name.as_str())),
            columns,
            primary_key: table.primary_key_names(),
        })
    }

    /// Renders one row into `row`, which is cleared first.
    ///
    /// `values` are those of the published columns, in their order: the bytes of
    /// PostgreSQL's binary format, `None` for NULL. A column that is published as text is
    /// to be selected as `column::text`.
    ///
    /// # Errors
    /// [`RenderError::Value`] where a value has no form in JSON; `row` then holds nothing
    /// to be published.
    ///
    /// # Panics
    /// Where there are fewer values than columns.
    pub(crate) fn row<'v>(
        &self,
        values: impl Iterator<Item = Option<&'v [u8]>>,
        row: &mut Vec<u8>,
    ) -> Result<(), RenderError> {
        let mut refused = None;
        row.clear();
        let mut values = values;
        for (index, column) in self.columns.iter().enumerate() {
            let value = values.next().expect("there is a value for each column");
            self.shape.begin_value(index, row);
            let start = row.len();
            if let Err(reason) = column.write(value, row) {
                // The row goes on, because the columns that name it may come behind.
                row.truncate(start);
                row.extend_from_slice(b"null");
                refused.get_or_insert((column, reason));
            }
        }
        self.shape.end_row(row);
        match refused {
            None => Ok(()),
            Some((column, reason)) => Err(self.refuse(column, reason, row)),
        }
    }

    fn refuse(&self, column: &RenderedColumn, reason: ValueError, row: &[u8]) -> RenderError {
        RenderError::Value {
            table: self.table.clone(),
            row: self.name_of(row, column, &reason),
            column: column.name.clone(),
            reason: Box::new(reason),
        }
    }

    // Reads the primary key out of the rendered row, where the refused value is null.
    fn name_of(&self, row: &[u8], refused: &RenderedColumn, reason: &ValueError) -> String {
        let row = String::from_utf8_lossy(row);
        let mut members = Vec::new();
        // Whatever ends the reading costs the name, not the error.
        let _ = Parser::new(&row).object(|member| members.push(member));
        let mut key = self.primary_key.iter().map(|name| {
            let member = members.iter().find(|member| member.key == *name);
            match member {
                _ if *name == refused.name => reason.value().unwrap_or("?").to_owned(),
                Some(member) => shortened(member.raw),
                None => "?".to_owned(),
            }
        });
        match self.primary_key.len() {
            1 => key.next().expect("there is one"),
            _ => format!("({})", key.collect::<Vec<_>>().join(", ")),
        }
    }
}

#[derive(Debug, Clone)]
struct RenderedColumn {
    name: String,
    published: ColumnType,
}

impl RenderedColumn {
    fn new(table: &Table, column: &Column) -> Result<Self, RenderError> {
        let published = if column.as_text {
            ColumnType::Text(None)
        } else {
            column.kind.clone()
        };
        if !has_form(&published) {
            return Err(RenderError::Type {
                table: table.key.clone(),
                column: column.name.clone(),
                sql_type: column.sql_type.clone(),
            });
        }
        let name = column.name.clone();
        Ok(Self { name, published })
    }

    fn write(&self, value: Option<&[u8]>, row: &mut Vec<u8>) -> Result<(), ValueError> {
        match value {
            Some(value) => value::write(&self.published, value, row),
            None => {
                row.extend_from_slice(b"null");
                Ok(())
            }
        }
    }
}
