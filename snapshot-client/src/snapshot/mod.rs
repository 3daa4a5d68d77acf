//! A version and all its tables, verified; it never changes.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use snapshot_format::{TableKey, Version};

use crate::core::memory::{Generation, Memory};
use crate::error::{Error, ErrorCode};

pub use table::Table;

/// Where a snapshot came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// Shipped with the app.
    Bundled,
    /// Fetched by an earlier process, or by another one.
    Cache,
    /// Fetched by this provider.
    Network,
}

/// A version and all its tables, verified; it never changes.
#[derive(Debug)]
pub struct Snapshot {
    version: Version,
    source: Source,
    tables: BTreeMap<TableKey, Table>,
}

impl Source {
    /// The name that all clients share: `bundled`, `cache` or `network`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Cache => "cache",
            Self::Network => "network",
        }
    }
}

impl Snapshot {
    pub(crate) fn new(
        version: Version,
        source: Source,
        tables: impl IntoIterator<Item = Table>,
    ) -> Self {
        let tables = tables
            .into_iter()
            .map(|table| (table.table_key().clone(), table));
        Self {
            version,
            source,
            tables: tables.collect(),
        }
    }

    /// The snapshot of a generation whose objects are all loaded.
    pub(crate) fn of(generation: &Generation, source: Source, memory: &Memory) -> Self {
        let tables = generation.manifest.tables.iter().map(|(key, entry)| {
            let object = Arc::clone(&memory.loaded[&entry.hash]);
            Table::new(key.clone(), object, Some(entry.clone()))
        });
        Self::new(generation.version.clone(), source, tables)
    }

    /// The `version.json` that points at this snapshot.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Where the snapshot came from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The keys of its tables, sorted.
    pub fn table_keys(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(TableKey::as_str)
    }

    /// Whether it has a table of this key.
    pub fn has(&self, key: &str) -> bool {
        self.tables.contains_key(key)
    }

    /// The table of this key, such as `exerciseCategories`.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownTable`] if the snapshot has no table of this key; it is never an empty
    /// table.
    pub fn table(&self, key: &str) -> Result<Table, Error> {
        self.tables.get(key).cloned().ok_or_else(|| {
            let keys: Vec<_> = self.table_keys().collect();
            let message = format!("no table \"{key}\"; there are {}", keys.join(", "));
            Error::new(ErrorCode::UnknownTable, message)
        })
    }
}

/// The keys of the tables that are not the same in both, sorted.
pub(crate) fn changed_tables(from: Option<&Snapshot>, to: &Snapshot) -> Vec<String> {
    let before = from.into_iter().flat_map(Snapshot::table_keys);
    let keys: BTreeSet<_> = before.chain(to.table_keys()).collect();
    let table_in = |snapshot: &Snapshot, key: &str| snapshot.tables.get(key).cloned();
    keys.into_iter()
        .filter(
            |key| match (from.and_then(|from| table_in(from, key)), table_in(to, key)) {
                (Some(before), Some(after)) => !before.has_rows_of(&after),
                _ => true,
            },
        )
        .map(str::to_owned)
        .collect()
}
