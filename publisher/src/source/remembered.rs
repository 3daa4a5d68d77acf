//! What is known of files that were read before, for whoever reads them again and again.
//!
//! A file that is as it was has the rows that it had. What may have changed is whether the
//! rows that it refers to are still there; for that its references are enough.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use snapshot_format::TableKey;

use super::keys::{KeyHash, KeySets, References};
use super::table::SourceTable;
use crate::config::{Config, TableConfig};
use crate::schema::Table;

/// Files with more keys and references than that are read again each time.
const MOST_KEYS: usize = 1_000_000;

/// Files without a problem, by the key of their table.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    files: BTreeMap<TableKey, File>,
}

#[derive(Debug)]
struct File {
    // What decides what its rows are.
    table: Table,
    settings: TableConfig,
    note_prefix: Option<String>,
    source: SourceTable,
    keys: BTreeMap<Vec<String>, Arc<HashSet<KeyHash>>>,
    references: References,
}

impl Remembered {
    /// Takes in the keys of a table's file that is known to be the same, with this hash. Gives
    /// the file where that is possible, and every row that it refers to is there.
    pub(super) fn recall(
        &self,
        table: &Table,
        config: &Config,
        hash: blake3::Hash,
        keys: &mut KeySets,
    ) -> Option<&SourceTable> {
        let file = self.files.get(&table.key)?;
        let same = file.source.hash == hash
            && file.table == *table
            && file.settings == config.table(table)
            && file.note_prefix == config.note_prefix;
        if !same || !keys.recall(table, &file.keys) {
            return None;
        }
        let sets = keys.pointed_at_by(table);
        let targets = sets.iter().zip(&file.references);
        let held = targets.into_iter().all(|(set, references)| {
            set.is_none_or(|set| references.iter().all(|target| keys.holds(set, target)))
        });
        held.then_some(&file.source)
    }

    /// Takes in a file that has no problem.
    pub(super) fn remember(
        &mut self,
        table: &Table,
        config: &Config,
        source: &SourceTable,
        keys: &KeySets,
        references: References,
    ) {
        let keys = keys.of(table);
        let sizes = keys.values().map(|keys| keys.len());
        let count: usize = sizes.chain(references.iter().map(HashSet::len)).sum();
        if count > MOST_KEYS {
            self.forget(&table.key);
            return;
        }
        let file = File {
            table: table.clone(),
            settings: config.table(table),
            note_prefix: config.note_prefix.clone(),
            source: source.clone(),
            keys,
            references,
        };
        self.files.insert(table.key.clone(), file);
    }

    pub(super) fn forget(&mut self, table: &TableKey) {
        self.files.remove(table);
    }
}
