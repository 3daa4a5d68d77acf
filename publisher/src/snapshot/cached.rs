//! Rows as they were rendered last, for whoever publishes again and again.

use std::collections::BTreeMap;

use snapshot_format::TableKey;

use crate::schema::Table;

/// Tables above that size are read again each time.
const MEMORY_LIMIT: usize = 32 * 1024 * 1024;

/// All rows together take no more than that; the first tables come first.
const TOTAL_LIMIT: usize = 64 * 1024 * 1024;

/// The rows of small tables, to be used again while the table's number stands: whatever
/// changes a row moves it.
///
/// A number tells of one life of one database, so this is for one connection: another
/// one, another migration, other settings want a new value.
#[derive(Debug, Default)]
pub struct CachedRows {
    tables: BTreeMap<TableKey, Cached>,
}

#[derive(Debug)]
struct Cached {
    // As it was when they were rendered: its columns decide how they look.
    table: Table,
    version_seq: u64,
    rows: Vec<Box<[u8]>>,
    size_bytes: usize,
}

impl CachedRows {
    /// The rows of a table, in their order, where they are known to be the same.
    pub(super) fn of(&self, table: &Table, version_seq: u64) -> Option<&[Box<[u8]>]> {
        let cached = self.tables.get(&table.key)?;
        let same = cached.version_seq == version_seq && cached.table == *table;
        same.then_some(cached.rows.as_slice())
    }

    pub(super) fn cache(&mut self, table: &Table, version_seq: u64, rows: Caching) {
        self.tables.remove(&table.key);
        // Without all its triggers, or without a number, nothing tells of a change.
        if rows.too_many || version_seq == 0 || !table.is_tracked() {
            return;
        }
        let others: usize = self.tables.values().map(|cached| cached.size_bytes).sum();
        if others + rows.size_bytes > TOTAL_LIMIT {
            return;
        }
        let cached = Cached {
            table: table.clone(),
            version_seq,
            size_bytes: rows.size_bytes,
            rows: rows.rows,
        };
        self.tables.insert(table.key.clone(), cached);
    }
}

/// Rows while they are rendered.
#[derive(Debug, Default)]
pub(super) struct Caching {
    rows: Vec<Box<[u8]>>,
    size_bytes: usize,
    too_many: bool,
}

impl Caching {
    pub(super) fn push(&mut self, row: &[u8]) {
        // A row's place takes some memory, too.
        self.size_bytes += row.len() + size_of::<Box<[u8]>>();
        if self.size_bytes > MEMORY_LIMIT {
            self.too_many = true;
            self.rows = Vec::new();
        }
        if !self.too_many {
            self.rows.push(row.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            key: "grips".parse().expect("a key"),
            name: "grips".to_owned(),
            namespace: "public".to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
            missing_triggers: Vec::new(),
            has_parts: false,
            untracked_parts: Vec::new(),
        }
    }

    fn caching(rows: &[&[u8]]) -> Caching {
        let mut caching = Caching::default();
        rows.iter().for_each(|row| caching.push(row));
        caching
    }

    #[test]
    fn rows_are_cached_for_their_number_and_their_shape() {
        let (mut cached, table) = (CachedRows::default(), table());
        cached.cache(&table, 7, caching(&[b"a", b"b"]));
        let rows = cached.of(&table, 7).expect("cached");
        assert_eq!(rows, [Box::from(&b"a"[..]), Box::from(&b"b"[..])]);
        assert_eq!(cached.of(&table, 8), None);
        let mut other = table.clone();
        other.name = "holds".to_owned();
        assert_eq!(cached.of(&other, 7), None);
    }

    #[test]
    fn what_may_change_without_a_trace_is_not_cached() {
        let (mut cached, table) = (CachedRows::default(), table());
        cached.cache(&table, 0, caching(&[b"a"]));
        assert_eq!(cached.of(&table, 0), None);
        let untracked = Table {
            missing_triggers: vec!["UPDATE"],
            ..table
        };
        cached.cache(&untracked, 7, caching(&[b"a"]));
        assert_eq!(cached.of(&untracked, 7), None);
    }

    #[test]
    fn a_large_table_is_not_cached() {
        let (mut cached, table) = (CachedRows::default(), table());
        cached.cache(&table, 7, caching(&[b"a"]));
        cached.cache(&table, 8, caching(&[&vec![b' '; MEMORY_LIMIT], b"b"]));
        assert_eq!(cached.of(&table, 8), None);
        assert_eq!(cached.of(&table, 7), None);
    }
}
