//! The values that the database gives where a file's row names none.

use std::collections::BTreeSet;

use tokio_postgres::{GenericClient, Row};

use crate::config::Config;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::sql::{identifier, literal, qualified};
use crate::schema::Table;
use crate::source::SourceTable;

/// The columns whose default is another value each time it is asked.
pub(in crate::database) struct VaryingDefaults {
    // Tables and columns, by their SQL names.
    columns: BTreeSet<(String, String)>,
    asked: bool,
}

impl VaryingDefaults {
    /// Nobody asks them: a plan takes no number from a sequence. Null stands for the value
    /// that a new row will have.
    pub(super) fn left_open(self) -> Self {
        Self {
            asked: false,
            ..self
        }
    }

    /// Whether a column has such a default.
    pub(in crate::database) fn has(&self, table: &Table, column: &str) -> bool {
        let name = (table.name.clone(), column.to_owned());
        self.columns.contains(&name)
    }
}

/// The columns whose default gives another value each time it is asked: a number from a
/// sequence, a random uuid, the time. `adbin` spells the expression's nodes out.
/// Source: PostgreSQL's src/include/nodes/primnodes.h.
pub(in crate::database) async fn varying_defaults(
    client: &impl GenericClient,
    config: &Config,
) -> Result<VaryingDefaults, DatabaseError> {
    let query = r"
        SELECT class.relname::text, attribute.attname::text
        FROM pg_catalog.pg_attribute AS attribute
        JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
        LEFT JOIN pg_catalog.pg_attrdef AS initial
               ON initial.adrelid = attribute.attrelid AND initial.adnum = attribute.attnum
        WHERE namespace.nspname = $1 AND (attribute.attidentity <> ''
              OR initial.adbin::text ~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR) '
              OR EXISTS (
                  SELECT FROM regexp_matches(initial.adbin::text, ':(?:func|opfunc)id (\d+)', 'g') AS called
                  JOIN pg_catalog.pg_proc AS function ON function.oid = called[1]::oid
                  WHERE function.provolatile <> 'i'
              ))";
    let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let columns = client
        .list("read the catalog", query, &[&config.schema], read)
        .await?;
    Ok(VaryingDefaults {
        columns,
        asked: true,
    })
}

/// The value of a column in a staged row, also where the file leaves it out.
pub(super) fn staged_expression(
    table: &Table,
    source: &SourceTable,
    index: usize,
    varying: &VaryingDefaults,
) -> String {
    let column = &table.columns[index];
    let staged = format!("s.{}", identifier(&column.name));
    let default = || match column.default.as_deref() {
        Some("DEFAULT") => format!(
            "nextval(pg_get_serial_sequence({}, {}))",
            literal(&qualified(table)),
            literal(&column.name)
        ),
        Some(default) => format!("({default})"),
        // Being active is what a row of the file is unless it says otherwise.
        None => "true".to_owned(),
    };
    if !source.columns.contains(&index) {
        default()
    } else if source.defaulted.contains(&index) {
        // Asked again, it would be another value in every seed: what the row has stays.
        let stored = match varying.has(table, &column.name) {
            true if !varying.asked => {
                return format!("coalesce({staged}, t.{})", identifier(&column.name));
            }
            true => format!("t.{}, ", identifier(&column.name)),
            false => String::new(),
        };
        // A sequence gives a bigint, whatever the column is.
        format!(
            "coalesce({staged}, {stored}{}::{})",
            default(),
            column.sql_type
        )
    } else {
        staged
    }
}
