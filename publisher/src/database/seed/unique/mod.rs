//! Values that no two rows of a table may share: the unique indexes and exclusions beside
//! its primary key, whom a file would break them with, and how rows trade such values.

mod aside;
mod conflicts;
mod foresee;
mod in_order;
mod interim;
mod trade;

use std::collections::BTreeMap;

use tokio_postgres::{GenericClient, Row};

use super::stage::StageSql;
use crate::database::ask::Ask;
use crate::database::error::DatabaseError;
use crate::database::sql::{identifier, qualified};
use crate::schema::Table;

pub(super) use aside::SAVEPOINT;
pub(super) use conflicts::{conflicts, equal_keys, key_text, numbered, respelled_keys};
pub(super) use foresee::{foresee, may_trade};
pub(super) use trade::trade;

/// A unique index, or the index of an exclusion.
#[derive(Debug, Clone)]
pub(super) struct UniqueIndex {
    /// Its name, which is that of its constraint.
    name: String,
    /// Whether it excludes by other operators than equality.
    is_exclusion: bool,
    /// Whether two nulls are equal to it.
    nulls_are_equal: bool,
    /// Whether it is looked at after each row: it is not DEFERRABLE.
    is_immediate: bool,
    /// Which rows it holds, where not all.
    predicate: Option<String>,
    /// What it compares, as SQL over the table's columns.
    expressions: Vec<String>,
    /// Whether one of them is more than a column.
    computes: bool,
    /// The columns that it depends on.
    columns: Vec<String>,
    /// Those of them that are generated, with the SQL of each.
    generated: BTreeMap<String, String>,
    /// The columns that those are computed from.
    bases: Vec<String>,
    /// Whether it is that of a constraint, which alone can be DEFERRABLE.
    is_constraint: bool,
    /// A foreign key that points at it, one that holds a value fast before others.
    referrer: Option<Referrer>,
}

/// A foreign key that points at a unique index.
#[derive(Debug, Clone)]
struct Referrer {
    name: String,
    /// Whether a value that it points at cannot change, not even for a moment.
    holds_fast: bool,
}

impl UniqueIndex {
    /// The columns that decide the values that it compares.
    fn deciding(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().chain(&self.bases)
    }

    /// Whether it compares columns and nothing else, of all rows.
    fn is_plain(&self) -> bool {
        !self.computes
            && self.generated.is_empty()
            && self.predicate.is_none()
            && !self.is_exclusion
    }

    /// Its columns, each with the value that a staged row wants.
    fn wanted(&self, sql: &StageSql) -> Vec<(String, String)> {
        let wanted = |name: &String| {
            let name = identifier(name);
            let compared = sql.compared.iter().find(|c| c.name == name);
            let wanted = compared.map_or_else(|| format!("t.{name}"), |c| c.staged.clone());
            (name, wanted)
        };
        self.columns.iter().map(wanted).collect()
    }

    /// What helps where no row can step aside in it.
    fn remedy(&self) -> String {
        let name = &self.name;
        match &self.referrer {
            Some(Referrer {
                name: key,
                holds_fast: true,
            }) => format!(
                "declare the foreign key {key}, which references {name}, ON UPDATE CASCADE by a \
                 migration"
            ),
            Some(Referrer { name: key, .. }) => format!(
                "{name} cannot be DEFERRABLE, for the foreign key {key} references it: let the table \
                 allow one more value, by a migration"
            ),
            None if self.is_constraint => {
                format!("declare the constraint {name} DEFERRABLE by a migration")
            }
            // An index cannot be DEFERRABLE. A constraint compares by expressions or some of the
            // rows only where it is an exclusion.
            None => {
                let kind = if self.is_plain() { "UNIQUE" } else { "EXCLUDE" };
                format!(
                    "replace the index {name} by a constraint, {kind} ... DEFERRABLE, by a migration"
                )
            }
        }
    }
}

/// Those of a table, without that of its primary key.
pub(super) async fn unique_indexes(
    client: &impl GenericClient,
    table: &Table,
) -> Result<Vec<UniqueIndex>, DatabaseError> {
    let read = |row: &Row| {
        Ok(UniqueIndex {
            name: row.try_get(0)?,
            is_exclusion: row.try_get(1)?,
            nulls_are_equal: row.try_get(2)?,
            is_immediate: row.try_get(12)?,
            computes: row.try_get(13)?,
            predicate: row.try_get(3)?,
            expressions: row.try_get(4)?,
            columns: row.try_get(5)?,
            generated: {
                let names: Vec<String> = row.try_get(6)?;
                names
                    .into_iter()
                    .zip(row.try_get::<_, Vec<String>>(7)?)
                    .collect()
            },
            bases: row.try_get(8)?,
            is_constraint: row.try_get(9)?,
            referrer: {
                let name: Option<String> = row.try_get(10)?;
                let holds_fast: Option<bool> = row.try_get(11)?;
                name.map(|name| Referrer {
                    name,
                    holds_fast: holds_fast.unwrap_or_default(),
                })
            },
        })
    };
    let of_table = qualified(table);
    client
        .list("read the catalog", UNIQUE_INDEXES, &[&of_table], read)
        .await
}

// PostgreSQL 14 and older know no `indnullsnotdistinct`: as JSON it is then null. They keep
// what a generated column depends on as the column's own, later ones as its expression's.
const UNIQUE_INDEXES: &str = "
    WITH own AS (
        SELECT index.indexrelid AS oid, attribute.attnum AS number, attribute.attname::text AS name,
               attribute.attgenerated <> '' AS generated
        FROM pg_catalog.pg_index AS index
        JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = index.indrelid
        WHERE index.indrelid = $1::text::regclass AND attribute.attnum > 0
          AND (attribute.attnum = ANY (index.indkey::int2[]) OR EXISTS (
              SELECT FROM pg_catalog.pg_depend AS depends
              WHERE depends.classid = 'pg_catalog.pg_class'::regclass
                AND depends.objid = index.indexrelid
                AND depends.refclassid = 'pg_catalog.pg_class'::regclass
                AND depends.refobjid = index.indrelid
                AND depends.refobjsubid = attribute.attnum))
    )
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
           ARRAY(SELECT own.name FROM own WHERE own.oid = index.indexrelid ORDER BY own.number),
           ARRAY(SELECT own.name FROM own WHERE own.oid = index.indexrelid AND own.generated
                 ORDER BY own.number),
           ARRAY(SELECT pg_catalog.pg_get_expr(initial.adbin, initial.adrelid)
                 FROM own JOIN pg_catalog.pg_attrdef AS initial
                   ON initial.adrelid = index.indrelid AND initial.adnum = own.number
                 WHERE own.oid = index.indexrelid AND own.generated ORDER BY own.number),
           ARRAY(SELECT DISTINCT attribute.attname::text
                 FROM own
                 JOIN pg_catalog.pg_attrdef AS initial
                   ON initial.adrelid = index.indrelid AND initial.adnum = own.number
                 JOIN pg_catalog.pg_depend AS depends
                   ON (depends.classid = 'pg_catalog.pg_attrdef'::regclass
                       AND depends.objid = initial.oid)
                   OR (depends.classid = 'pg_catalog.pg_class'::regclass
                       AND depends.objid = index.indrelid AND depends.objsubid = own.number)
                 JOIN pg_catalog.pg_attribute AS attribute
                   ON attribute.attrelid = index.indrelid AND attribute.attnum = depends.refobjsubid
                 WHERE own.oid = index.indexrelid AND own.generated AND attribute.attnum <> own.number
                   AND depends.refclassid = 'pg_catalog.pg_class'::regclass
                   AND depends.refobjid = index.indrelid),
           constrained.oid IS NOT NULL, referrer.name, referrer.holds_fast, index.indimmediate,
           index.indexprs IS NOT NULL
    FROM pg_catalog.pg_index AS index
    JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
    LEFT JOIN pg_catalog.pg_constraint AS constrained
           ON constrained.conindid = index.indexrelid AND constrained.conrelid = index.indrelid
          AND constrained.contype IN ('u', 'x')
    LEFT JOIN LATERAL (
        SELECT foreign_key.conname::text AS name,
               foreign_key.confupdtype = 'r'
                   OR foreign_key.confupdtype = 'a' AND NOT foreign_key.condeferrable AS holds_fast
        FROM pg_catalog.pg_constraint AS foreign_key
        WHERE foreign_key.conindid = index.indexrelid AND foreign_key.contype = 'f'
        ORDER BY 2 DESC, foreign_key.conname COLLATE \"C\" LIMIT 1
    ) AS referrer ON true
    WHERE index.indrelid = $1::text::regclass AND NOT index.indisprimary
      AND (index.indisunique OR constrained.contype = 'x')
    ORDER BY class.relname COLLATE \"C\"";
