//! Values that no two rows of a table may share: the unique indexes and exclusions beside
//! its primary key, whom a file would break them with, and how rows trade such values.

mod conflicts;
mod interim;
mod trade;

use tokio_postgres::GenericClient;

use super::error::DatabaseError;
use super::sql::qualified;
use crate::schema::Table;

pub(super) use conflicts::{conflicts, equal_keys, key_text};
pub(super) use trade::{SAVEPOINT, trade};

/// A unique index, or the index of an exclusion.
#[derive(Debug, Clone)]
pub(super) struct UniqueIndex {
    /// Its name, which is that of its constraint.
    name: String,
    /// Whether it excludes by other operators than equality.
    is_exclusion: bool,
    /// Whether two nulls are equal to it.
    nulls_are_equal: bool,
    /// Which rows it holds, where not all.
    predicate: Option<String>,
    /// What it compares, as SQL over the table's columns.
    expressions: Vec<String>,
    /// The columns that it depends on.
    columns: Vec<String>,
}

/// Those of a table, without that of its primary key.
pub(super) async fn unique_indexes(
    client: &impl GenericClient,
    table: &Table,
) -> Result<Vec<UniqueIndex>, DatabaseError> {
    let rows = client.query(UNIQUE_INDEXES, &[&qualified(table)]).await;
    let read = |row: tokio_postgres::Row| {
        Ok(UniqueIndex {
            name: row.try_get(0)?,
            is_exclusion: row.try_get(1)?,
            nulls_are_equal: row.try_get(2)?,
            predicate: row.try_get(3)?,
            expressions: row.try_get(4)?,
            columns: row.try_get(5)?,
        })
    };
    let indexes = rows.and_then(|rows| rows.into_iter().map(read).collect());
    indexes.map_err(|source| DatabaseError::query("read the catalog", source))
}

// PostgreSQL 14 and older know no `indnullsnotdistinct`: as JSON it is then null.
const UNIQUE_INDEXES: &str = "
    SELECT class.relname::text, coalesce(constrained.contype = 'x', false),
           coalesce((to_json(index.*) ->> 'indnullsnotdistinct')::boolean, false),
           pg_catalog.pg_get_expr(index.indpred, index.indrelid),
           ARRAY(SELECT '(' || pg_catalog.pg_get_indexdef(index.indexrelid, key.place::int, false)
                     || ')' || coalesce(' COLLATE ' || quote_ident(namespace.nspname) || '.'
                                        || quote_ident(locale.collname), '')
                 FROM unnest(index.indcollation::oid[]) WITH ORDINALITY AS key (locale, place)
                 LEFT JOIN pg_catalog.pg_collation AS locale ON locale.oid = key.locale
                 LEFT JOIN pg_catalog.pg_namespace AS namespace
                        ON namespace.oid = locale.collnamespace
                 ORDER BY key.place),
           ARRAY(SELECT attribute.attname::text
                 FROM pg_catalog.pg_attribute AS attribute
                 WHERE attribute.attrelid = index.indrelid AND attribute.attnum > 0
                   AND (attribute.attnum = ANY (index.indkey::int2[]) OR EXISTS (
                       SELECT FROM pg_catalog.pg_depend AS depends
                       WHERE depends.classid = 'pg_catalog.pg_class'::regclass
                         AND depends.objid = index.indexrelid
                         AND depends.refclassid = 'pg_catalog.pg_class'::regclass
                         AND depends.refobjid = index.indrelid
                         AND depends.refobjsubid = attribute.attnum))
                 ORDER BY attribute.attnum)
    FROM pg_catalog.pg_index AS index
    JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
    LEFT JOIN pg_catalog.pg_constraint AS constrained
           ON constrained.conindid = index.indexrelid AND constrained.conrelid = index.indrelid
          AND constrained.contype IN ('u', 'x')
    WHERE index.indrelid = $1::text::regclass AND NOT index.indisprimary
      AND (index.indisunique OR constrained.contype = 'x')
    ORDER BY class.relname COLLATE \"C\"";
