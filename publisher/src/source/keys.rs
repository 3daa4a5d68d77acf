//! The keys that foreign keys point at.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use snapshot_format::TableKey;

use super::decode::RowDecoder;
use crate::schema::{Schema, Table};

/// 128 bits stand for a key's values: no two keys of a table are alike by chance.
pub(super) type KeyHash = [u8; 16];

/// The rows that a file refers to, for each foreign key of its table.
pub(super) type References = Vec<HashSet<KeyHash>>;

/// The keys of every table that a foreign key points at.
pub(super) struct KeySets {
    // A table and some of its columns, with the index of their set.
    indexes: BTreeMap<(TableKey, Vec<String>), usize>,
    sets: Vec<Arc<HashSet<KeyHash>>>,
    // Tables of which some rows could not be read: what is not in a set may yet be there.
    unknown: BTreeSet<TableKey>,
}

/// A set that is filled while its table is read.
pub(super) struct FilledSet {
    /// Which of the sets it is.
    pub(super) index: usize,
    /// The columns whose values make a key.
    pub(super) columns: Vec<usize>,
    /// The keys so far.
    pub(super) keys: HashSet<KeyHash>,
}

impl KeySets {
    pub(super) fn wanted_by(schema: &Schema) -> Self {
        let all = schema.tables.iter().flat_map(|table| &table.foreign_keys);
        let wanted: BTreeSet<_> = all
            .filter(|fk| schema.table(fk.target.as_str()).is_some())
            .map(|fk| (fk.target.clone(), fk.target_columns.clone()))
            .collect();
        let sets = vec![Arc::default(); wanted.len()];
        Self {
            indexes: wanted.into_iter().zip(0..).collect(),
            sets,
            unknown: BTreeSet::new(),
        }
    }

    /// The sets that `table` fills, until they are given back.
    pub(super) fn filled_by(&self, table: &Table) -> Vec<FilledSet> {
        let own = self.indexes.iter();
        let own = own.filter(|((target, _), _)| *target == table.key);
        own.map(|((_, names), &index)| {
            let columns = names.iter().filter_map(|name| table.column(name));
            FilledSet {
                index,
                columns: columns.map(|(index, _)| index).collect(),
                keys: HashSet::new(),
            }
        })
        .collect()
    }

    /// Takes in what a table's rows filled.
    pub(super) fn fill(&mut self, filled: Vec<FilledSet>) {
        for set in filled {
            self.sets[set.index] = Arc::new(set.keys);
        }
    }

    /// The keys of a table, by the columns that make them.
    pub(super) fn of(&self, table: &Table) -> BTreeMap<Vec<String>, Arc<HashSet<KeyHash>>> {
        let own = self.indexes.iter();
        let own = own.filter(|((target, _), _)| *target == table.key);
        own.map(|((_, columns), index)| (columns.clone(), Arc::clone(&self.sets[*index])))
            .collect()
    }

    /// Takes in the keys of a table that are known without reading it. Gives whether every
    /// set of the table is among them.
    pub(super) fn recall(
        &mut self,
        table: &Table,
        known: &BTreeMap<Vec<String>, Arc<HashSet<KeyHash>>>,
    ) -> bool {
        let own = self.indexes.iter();
        let own = own.filter(|((target, _), _)| *target == table.key);
        let mut whole = true;
        for ((_, columns), index) in own {
            match known.get(columns) {
                Some(keys) => self.sets[*index] = Arc::clone(keys),
                None => whole = false,
            }
        }
        whole
    }

    /// The set that each foreign key of `table` points into. `None` for a table that is
    /// not published: it is out of sight, and the database judges.
    pub(super) fn pointed_at_by(&self, table: &Table) -> Vec<Option<usize>> {
        let set = |fk: &crate::schema::ForeignKey| (fk.target.clone(), fk.target_columns.clone());
        let keys = table.foreign_keys.iter();
        keys.map(|fk| self.indexes.get(&set(fk)).copied()).collect()
    }

    pub(super) fn forget(&mut self, table: &TableKey) {
        self.unknown.insert(table.clone());
    }

    pub(super) fn holds(&self, set: usize, key: &KeyHash) -> bool {
        self.sets[set].contains(key)
    }

    /// Whether some row of `target` has the key, or may have it for all that is known.
    pub(super) fn may_hold(&self, target: &TableKey, set: usize, key: &KeyHash) -> bool {
        self.unknown.contains(target) || self.holds(set, key)
    }
}

/// The hash of some columns' values in the row that was decoded last; `None` where one of
/// them is null.
pub(super) fn hash_of(decoder: &RowDecoder<'_>, columns: &[usize]) -> Option<KeyHash> {
    let mut hasher = blake3::Hasher::new();
    for &column in columns {
        let value = decoder.comparable(column)?;
        hasher.update(&(value.len() as u64).to_le_bytes());
        hasher.update(value.as_bytes());
    }
    let mut hash = KeyHash::default();
    hasher.finalize_xof().fill(&mut hash);
    Some(hash)
}
