//! What a table looks like: the database's catalog as plain values.
//!
//! `database::catalog` reads it; loading, validating, seeding and rendering decide by it.
//! Nothing here, and nothing anywhere else in this crate, knows a table by name.

use std::collections::{BTreeMap, HashSet};

use snapshot_format::{ColumnType, IS_ACTIVE, SOURCE_TYPE, TableKey};

/// Every table that is published, in key order.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// The tables.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The name that apps see, and the name of the source file.
    pub key: TableKey,
    /// The name in SQL, not quoted.
    pub name: String,
    /// The SQL schema it lives in, not quoted.
    pub namespace: String,
    /// The columns in order of name by UTF-8 bytes: the order in which they are published.
    pub columns: Vec<Column>,
    /// Indexes into `columns`, in the order of the key.
    pub primary_key: Vec<usize>,
    /// The foreign keys, in order of name.
    pub foreign_keys: Vec<ForeignKey>,
    /// The events (`INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`) for which no enabled
    /// statement-level trigger records the change.
    pub missing_triggers: Vec<&'static str>,
    /// Whether it has partitions, or tables that inherit from it.
    pub has_parts: bool,
    /// Those of them whose own changes are not all recorded.
    pub untracked_parts: Vec<Part>,
}

/// A table whose rows are rows of another: a partition, or one that inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The name in SQL, not quoted.
    pub name: String,
    /// The SQL schema it lives in, not quoted.
    pub namespace: String,
    /// Whether its rows are kept elsewhere, where no trigger of ours sees them.
    pub is_foreign: bool,
    /// The events for which no enabled statement-level trigger records the change.
    pub missing_triggers: Vec<&'static str>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The name, in SQL and in JSON.
    pub name: String,
    /// The type as PostgreSQL prints it: `text`, `numeric(10,2)`, `text[]`.
    pub sql_type: String,
    /// What its values are; for a domain, the type below it.
    pub kind: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// The SQL of its default.
    pub default: Option<String>,
    /// Whether the database alone computes it (`GENERATED ALWAYS AS (...)`).
    pub generated: bool,
    /// Whether a row keeps the value that it has been inserted with (`GENERATED ALWAYS AS
    /// IDENTITY`).
    pub is_fixed: bool,
    /// Whether it is published as a string, whatever its type (`as_text` in
    /// `tablecast.toml`).
    pub as_text: bool,
}

/// One foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The constraint's name.
    pub name: String,
    /// Indexes into the table's `columns`.
    pub columns: Vec<usize>,
    /// The key of the table that it points at.
    pub target: TableKey,
    /// Names of the columns there, one for each of `columns`.
    pub target_columns: Vec<String>,
}

impl Schema {
    /// The table with that key.
    pub fn table(&self, key: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.key.as_str() == key)
    }

    /// The tables in an order in which each comes behind those it points at.
    ///
    /// # Errors
    /// The keys of the tables that point at each other in a circle. A table that points
    /// at itself is no circle.
    pub fn in_order_of_reference(&self) -> Result<Vec<&Table>, Vec<TableKey>> {
        let mut waiting: Vec<&Table> = self.tables.iter().collect();
        let mut ordered: Vec<&Table> = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let keys: HashSet<&TableKey> = waiting.iter().map(|table| &table.key).collect();
            let blocked = |table: &Table| {
                let mut targets = table.foreign_keys.iter().map(|fk| &fk.target);
                targets.any(|t| *t != table.key && keys.contains(t))
            };
            let (later, ready): (Vec<_>, Vec<_>) = waiting.iter().partition(|t| blocked(t));
            if ready.is_empty() {
                return Err(circle(&later));
            }
            ordered.extend(ready);
            waiting = later;
        }
        Ok(ordered)
    }
}

// Follows references among tables that all wait for another, until one comes twice.
fn circle(waiting: &[&Table]) -> Vec<TableKey> {
    let by_key: BTreeMap<&TableKey, &&Table> = waiting.iter().map(|t| (&t.key, t)).collect();
    let mut path: Vec<&TableKey> = vec![&waiting[0].key];
    loop {
        let table = by_key[path[path.len() - 1]];
        let mut targets = table.foreign_keys.iter().map(|fk| &fk.target);
        let next = targets
            .find(|t| **t != table.key && by_key.contains_key(t))
            .expect("a waiting table points at a waiting table");
        if let Some(start) = path.iter().position(|key| *key == next) {
            return path[start..].iter().map(|key| (*key).clone()).collect();
        }
        path.push(next);
    }
}

impl Table {
    /// The column with that name, and its index.
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .find(|(_, column)| column.name == name)
    }

    /// Whether every change of its rows is recorded.
    pub fn is_tracked(&self) -> bool {
        self.missing_triggers.is_empty() && self.untracked_parts.is_empty()
    }

    /// Whether rows can be deactivated.
    pub fn has_is_active(&self) -> bool {
        self.column(IS_ACTIVE)
            .is_some_and(|(_, column)| column.kind == ColumnType::Boolean)
    }

    /// Whether rows can belong to an administrator.
    pub fn has_source_type(&self) -> bool {
        self.column(SOURCE_TYPE).is_some()
    }

    /// The columns that are published, in order of name.
    pub fn published(&self) -> impl Iterator<Item = &Column> {
        self.columns
            .iter()
            .filter(|column| column.name != SOURCE_TYPE)
    }

    /// The columns as the manifest has them: the type of each, by name.
    pub fn published_types(&self) -> BTreeMap<String, String> {
        self.published()
            .map(|column| (column.name.clone(), column.published_type()))
            .collect()
    }

    /// The names of the primary key's columns, in the key's order.
    pub fn primary_key_names(&self) -> Vec<String> {
        self.primary_key
            .iter()
            .map(|&index| self.columns[index].name.clone())
            .collect()
    }
}

impl Column {
    /// Whether its values stand in quotes where a message names them.
    pub fn is_quoted(&self) -> bool {
        self.kind.is_text() || matches!(self.kind, ColumnType::Enum { .. } | ColumnType::Uuid)
    }

    /// The type that is published, with a `?` where the column may be null.
    pub fn published_type(&self) -> String {
        let sql_type = if self.as_text { "text" } else { &self.sql_type };
        let nullable = if self.nullable { "?" } else { "" };
        format!("{sql_type}{nullable}")
    }
}

/// What the database gives the columns of a row that does not name them.
#[derive(Debug, Clone, Default)]
pub struct Fills {
    /// The defaults that are the same each time they are asked, as JSON, by column.
    pub defaults: BTreeMap<String, String>,
    /// Whether a trigger of the user's stands on the table, which may fill what no row names.
    pub by_trigger: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(key: &str, targets: &[&str]) -> Table {
        Table {
            key: key.parse().expect("a key"),
            name: key.to_owned(),
            namespace: "public".to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            foreign_keys: targets
                .iter()
                .map(|target| ForeignKey {
                    name: format!("{key}_{target}"),
                    columns: vec![0],
                    target: target.parse().expect("a key"),
                    target_columns: vec!["id".to_owned()],
                })
                .collect(),
            missing_triggers: Vec::new(),
            has_parts: false,
            untracked_parts: Vec::new(),
        }
    }

    fn order(tables: Vec<Table>) -> Result<Vec<String>, Vec<String>> {
        let text = |key: &TableKey| key.to_string();
        let schema = Schema { tables };
        match schema.in_order_of_reference() {
            Ok(tables) => Ok(tables.iter().map(|t| text(&t.key)).collect()),
            Err(keys) => Err(keys.iter().map(text).collect()),
        }
    }

    #[test]
    fn a_table_comes_behind_those_it_points_at() {
        let tables = vec![
            table("a", &["b", "a"]),
            table("b", &["c"]),
            table("c", &[]),
            table("d", &[]),
        ];
        assert_eq!(
            order(tables),
            Ok(vec!["c".into(), "d".into(), "b".into(), "a".into()])
        );
    }

    #[test]
    fn a_circle_is_named_without_those_that_only_wait_for_it() {
        let tables = vec![table("a", &["b"]), table("b", &["c"]), table("c", &["b"])];
        assert_eq!(order(tables), Err(vec!["b".into(), "c".into()]));
    }

    // Minutes, where each table is compared with each for each level.
    #[test]
    fn a_long_chain_of_references_is_ordered_too() {
        let key = |index: usize| format!("t{index:04}");
        let chain = (0..1500).map(|index| table(&key(index), &[&key(index + 1)]));
        let ordered = order(chain.collect()).expect("no circle");
        assert_eq!((&ordered[0], &ordered[1499]), (&key(1499), &key(0)));
    }

    #[test]
    fn a_reference_out_of_the_schema_does_not_wait() {
        assert_eq!(
            order(vec![table("a", &["elsewhere"])]),
            Ok(vec!["a".into()])
        );
    }
}
