//! Parity: whether source files, database and published snapshot hold the same data, and
//! if they do not, where.
//!
//! ```text
//! source    ──gather──▶ ┐
//! database  ──gather──▶ ├ normalize (one contract) ──sort──▶ compare, pair by pair ──▶ report
//! snapshot  ──gather──▶ ┘
//! ```
//!
//! The snapshot's side, the contract, the comparison and the report are
//! [`snapshot_audit::parity`]; here are the two sides that need the publisher's own words:
//! files and database.
//!
//! What counts as the same is written down in `docs/normalization.md`, and decided in
//! [`snapshot_audit::parity::normalize`] alone. No side goes through the code that made another: files are not
//! read by the seed's decoder, rows of the database not by the renderer.

mod contract;
pub(crate) mod sides;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use indicatif::ProgressBar;
use snapshot_audit::diff::DiffError;
use snapshot_audit::parity::normalize::Contract;
use snapshot_audit::parity::report::{Kind, PairReport, Report, Side, TableReport};
use snapshot_audit::parity::{TablePair, TableSide, compare, on_one_side, snapshot};
use snapshot_format::{Manifest, TableKey};
use snapshot_store::Origin;

use crate::config::Config;
use crate::database::{ReadError, SnapshotReader, WhichRows};
use crate::schema::{Fills, Schema, Table};
use crate::source::SourceFile;

/// Why the sides cannot be compared. That they differ is no reason: it is the report.
#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    /// A file of the source cannot be read.
    #[error("failed to read {file}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The database's rows do not come.
    #[error(transparent)]
    Database(#[from] ReadError),
    /// The snapshot's rows do not come.
    #[error(transparent)]
    Snapshot(#[from] DiffError),
    /// What does not fit into memory cannot be put aside.
    #[error("failed to put rows aside in {}", std::env::temp_dir().display())]
    PutAside(#[source] io::Error),
}

impl ParityError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { .. } => {
                Some("`publisher check` names every problem of the files".to_owned())
            }
            Self::Database(error) => error.hint(),
            Self::Snapshot(error) => error.hint().map(str::to_owned),
            Self::PutAside(_) => Some("name a folder with more room in TMPDIR".to_owned()),
        }
    }
}

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

/// The contract of every table that is known: by the catalog, else by the manifest.
pub fn contracts(
    config: &Config,
    schema: &Schema,
    fills: &BTreeMap<String, Fills>,
    manifest: Option<&Manifest>,
) -> BTreeMap<String, Contract> {
    let none = Fills::default();
    let published = manifest.into_iter().flat_map(|manifest| &manifest.tables);
    let published = published.map(|(key, entry)| {
        let contract =
            contract::of_published(key.as_str(), &entry.columns, &entry.primary_key, config);
        (key.to_string(), contract)
    });
    let known = schema.tables.iter().map(|table| {
        let fills = fills.get(table.key.as_str()).unwrap_or(&none);
        (
            table.key.to_string(),
            contract::of_table(table, config, fills),
        )
    });
    // Of a table that both know, the catalog's word counts.
    published.chain(known).collect()
}

/// Compares every pair of sides, table by table.
///
/// # Errors
/// Where a side cannot be read.
pub(crate) async fn parity(
    inputs: Arc<Inputs>,
    database: Option<&DatabaseInput<'_, '_>>,
    config: &Config,
) -> Result<Report, ParityError> {
    let pairs = pairs_of(&inputs, database);
    let mut reports: Vec<Vec<TableReport>> = pairs.iter().map(|_| Vec::new()).collect();
    inputs
        .bar
        .set_length(inputs.size_bytes(database.is_some_and(|database| database.is_side)));
    for key in inputs.tables() {
        inputs.bar.set_message(format!("parity {key}"));
        let in_database = gather_database(&inputs, database, &key).await?;
        let (inputs, pairs) = (Arc::clone(&inputs), pairs.clone());
        let compared = blocking(move || {
            let sides = TableSides::gather(&inputs, &key, in_database)?;
            let reports = pairs.iter().map(|pair| sides.compare(&inputs, &key, *pair));
            reports.collect::<Result<Vec<_>, ParityError>>()
        });
        for (tables, report) in reports.iter_mut().zip(compared.await?) {
            tables.extend(report);
        }
    }
    let pairs = pairs.into_iter().zip(reports);
    let pairs = pairs.map(|((expected, actual), tables)| PairReport::of(expected, actual, tables));
    let mut report = Report {
        passed: false,
        difference_count: 0,
        sides: inputs.names(database),
        catalog: inputs.catalog.name(),
        excluded: config.exclude.iter().cloned().collect(),
        ignored_files: config.ignore_files.iter().cloned().collect(),
        pairs: pairs.collect(),
    };
    report.settle();
    Ok(report)
}

// In the order source, database, snapshot, each with those behind it.
fn pairs_of(inputs: &Inputs, database: Option<&DatabaseInput<'_, '_>>) -> Vec<(Side, Side)> {
    let is_there = |side: &Side| match side {
        Side::Source => inputs.source.is_some(),
        Side::Database => database.is_some_and(|database| database.is_side),
        Side::Snapshot => inputs.snapshot.is_some(),
    };
    let all = [
        (Side::Source, Side::Database),
        (Side::Source, Side::Snapshot),
        (Side::Database, Side::Snapshot),
    ];
    all.into_iter()
        .filter(|(a, b)| is_there(a) && is_there(b))
        .collect()
}

async fn gather_database(
    inputs: &Inputs,
    database: Option<&DatabaseInput<'_, '_>>,
    key: &str,
) -> Result<Option<TableSide>, ParityError> {
    let table: Option<&Table> = inputs.schema.table(key);
    let (Some(database), Some(table), Some(contract)) =
        (database, table, inputs.contracts.get(key))
    else {
        return Ok(None);
    };
    let which = if database.is_side {
        WhichRows::All
    } else {
        WhichRows::OfAdministrators
    };
    let (limit, bar) = (inputs.limit, &inputs.bar);
    let side = sides::database::gather(table, contract, database.reader, which, limit, bar).await?;
    Ok(Some(side))
}

// Work that reads, sorts and compares, away from the runtime's own thread: the database's
// connection and Ctrl-C are served there.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

impl Inputs {
    // Every table that any side has.
    fn tables(&self) -> BTreeSet<String> {
        let files = self
            .source
            .iter()
            .flat_map(|source| source.files.keys().cloned());
        self.contracts.keys().cloned().chain(files).collect()
    }

    fn entry(&self, key: &str) -> Option<(TableKey, &SnapshotInput)> {
        let snapshot = self.snapshot.as_ref()?;
        let key: TableKey = key.parse().ok()?;
        snapshot
            .manifest
            .tables
            .contains_key(&key)
            .then_some((key, snapshot))
    }

    // What a database's rows will take is about what they take elsewhere.
    fn size_bytes(&self, with_database: bool) -> u64 {
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

    fn names(&self, database: Option<&DatabaseInput<'_, '_>>) -> BTreeMap<Side, String> {
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

/// One table on every side that has it.
#[derive(Debug, Default)]
pub struct TableSides {
    /// In the files.
    pub source: Option<TableSide>,
    /// In the database.
    pub database: Option<TableSide>,
    /// As it is published.
    pub snapshot: Option<TableSide>,
}

impl TableSides {
    /// Reads a table's file and its object; `database` was read before.
    ///
    /// # Errors
    /// Where one of them cannot be read.
    pub fn gather(
        inputs: &Inputs,
        key: &str,
        database: Option<TableSide>,
    ) -> Result<Self, ParityError> {
        let mut sides = Self {
            database,
            ..Self::default()
        };
        let Some(contract) = inputs.contracts.get(key) else {
            return Ok(sides);
        };
        let file = inputs
            .source
            .as_ref()
            .and_then(|source| source.files.get(key));
        if let Some(file) = file.filter(|_| !inputs.without_file.contains(key)) {
            let gathered = sides::source::gather(key, contract, file, inputs.limit, &inputs.bar);
            sides.source = Some(gathered.map_err(|source| ParityError::File {
                file: file.name.clone(),
                source,
            })?);
        }
        if let Some((
            key,
            SnapshotInput {
                origin, manifest, ..
            },
        )) = inputs.entry(key)
        {
            let (entry, limit) = (&manifest.tables[&key], inputs.limit);
            let gathered =
                snapshot::gather(&key, contract, origin, manifest, entry, limit, &inputs.bar);
            sides.snapshot = Some(gathered?);
        }
        Ok(sides)
    }

    fn side(&self, side: Side) -> Option<&TableSide> {
        match side {
            Side::Source => self.source.as_ref(),
            Side::Database => self.database.as_ref(),
            Side::Snapshot => self.snapshot.as_ref(),
        }
    }

    /// Compares two of the sides; `None` where neither has the table.
    ///
    /// # Errors
    /// Where rows that were put aside cannot be read again.
    pub fn compare(
        &self,
        inputs: &Inputs,
        key: &str,
        (expected, actual): (Side, Side),
    ) -> Result<Option<TableReport>, ParityError> {
        if expected == Side::Source && inputs.without_file.contains(key) {
            return Ok(Some(TableReport::skipped(
                key,
                "its rows live in the database alone (from_file)",
            )));
        }
        let is_in_source = inputs
            .source
            .as_ref()
            .is_some_and(|source| source.files.contains_key(key));
        let sides = (self.side(expected), self.side(actual));
        let report = match (inputs.contracts.get(key), sides) {
            (Some(contract), (Some(from), Some(to))) => {
                let pair = TablePair {
                    table: key,
                    contract,
                    knows_defaults: inputs.catalog != Catalog::Manifest,
                    expected: (expected, from),
                    actual: (actual, to),
                    admins: self.database.as_ref().map(|side| &side.rows),
                    limit: inputs.limit,
                };
                compare(&pair).map_err(ParityError::PutAside)?
            }
            (_, (Some(_), None)) => on_one_side(key, Kind::MissingTable, inputs.limit),
            (_, (None, Some(_))) => on_one_side(key, Kind::ExtraTable, inputs.limit),
            // A file of which nobody knows the table.
            (None, _) if expected == Side::Source && is_in_source => {
                on_one_side(key, Kind::MissingTable, inputs.limit)
            }
            _ => return Ok(None),
        };
        Ok(Some(report))
    }
}

#[cfg(test)]
mod tests;
