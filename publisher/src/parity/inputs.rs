//! Everything that is compared.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::ProgressBar;
use snapshot_audit::parity::normalize::Contract;
use snapshot_audit::parity::report::Side;
use snapshot_format::{Manifest, TableKey};
use snapshot_store::Origin;

use crate::database::SnapshotReader;
use crate::schema::Schema;
use crate::source::SourceFile;

/// What says which columns there are, and what the database gives where a file is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Catalog {
    /// The database that is named.
    Database,
    /// The migrations, applied to an empty private database.
    Migrations,
    /// Nothing but the snapshot's manifest, which knows no defaults.
    Manifest,
}

impl Catalog {
    /// In one word, for the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Migrations => "migrations",
            Self::Manifest => "manifest",
        }
    }
}

/// The files of the source side.
#[derive(Debug)]
pub struct SourceInput {
    /// Where they are, for people.
    pub name: String,
    /// By table key.
    pub files: BTreeMap<String, SourceFile>,
}

/// The published side.
#[derive(Debug)]
pub struct SnapshotInput {
    /// Where it is.
    pub origin: Origin,
    /// Which version, for people.
    pub name: String,
    /// What it holds.
    pub manifest: Manifest,
}

/// The database side, for as long as its transaction lives.
pub(crate) struct DatabaseInput<'r, 'c> {
    /// Shows one committed state.
    pub reader: &'r SnapshotReader<'c>,
    /// Where it is, for people.
    pub name: String,
    /// Whether it is compared; otherwise it only tells which rows are an administrator's.
    pub is_side: bool,
}

/// Everything that is compared, and how.
#[derive(Debug)]
pub struct Inputs {
    /// The contract of each table that a catalog or the manifest knows, by its key.
    pub contracts: BTreeMap<String, Contract>,
    /// The tables that the database has; empty where only a manifest is known.
    pub schema: Schema,
    /// What the contracts are made from.
    pub catalog: Catalog,
    /// Keys of tables whose rows live in the database alone.
    pub without_file: BTreeSet<String>,
    /// The files.
    pub source: Option<SourceInput>,
    /// The snapshot.
    pub snapshot: Option<SnapshotInput>,
    /// How many differences of each table are shown.
    pub limit: usize,
    /// Moved by bytes of rows.
    pub bar: ProgressBar,
}

impl Inputs {
    /// Every table that any side has.
    pub(super) fn tables(&self) -> BTreeSet<String> {
        let files = self
            .source
            .iter()
            .flat_map(|source| source.files.keys().cloned());
        self.contracts.keys().cloned().chain(files).collect()
    }

    pub(super) fn entry(&self, key: &str) -> Option<(TableKey, &SnapshotInput)> {
        let snapshot = self.snapshot.as_ref()?;
        let key: TableKey = key.parse().ok()?;
        snapshot
            .manifest
            .tables
            .contains_key(&key)
            .then_some((key, snapshot))
    }

    /// What a database's rows will take is about what they take elsewhere.
    pub(super) fn size_bytes(&self, with_database: bool) -> u64 {
        let file = |key: &str| {
            let file = self
                .source
                .as_ref()
                .and_then(|source| source.files.get(key));
            let size = file.and_then(|file| std::fs::metadata(&file.path).ok());
            size.map_or(0, |metadata| metadata.len())
        };
        let object = |key: &str| {
            self.entry(key)
                .map_or(0, |(key, snapshot)| snapshot.manifest.tables[&key].size)
        };
        let tables = self.tables();
        let sizes = tables.iter().map(|key| {
            let (file, object) = (file(key), object(key));
            let database = if with_database { file.max(object) } else { 0 };
            file + object + database
        });
        sizes.sum::<u64>().max(1)
    }

    pub(super) fn names(&self, database: Option<&DatabaseInput<'_, '_>>) -> BTreeMap<Side, String> {
        let source = self
            .source
            .as_ref()
            .map(|source| (Side::Source, source.name.clone()));
        let database = database.filter(|database| database.is_side);
        let database = database.map(|database| (Side::Database, database.name.clone()));
        let snapshot = self
            .snapshot
            .as_ref()
            .map(|snapshot| (Side::Snapshot, snapshot.name.clone()));
        source.into_iter().chain(database).chain(snapshot).collect()
    }
}
