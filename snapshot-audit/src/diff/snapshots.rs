//! Differences between two versions of one store.

use indicatif::ProgressBar;
use serde::Serialize;
use snapshot_format::{
    Key, MAX_MANIFEST_SIZE, Manifest, ObjectHash, ReferenceVersion, SchemaVersion, TableEntry,
    TableKey, Version,
};
use snapshot_store::{Reader, history::name};

use super::join::{DiffError, RowChange, RowCounts, RowShape, diff_rows};
use super::table::{Change, ColumnsDiff, Kept, KeyChange, TableDiff};
use crate::published::{PublishedRows, Rows, RowsError};

/// Two versions, and what differs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotDiff {
    /// The version that it goes from.
    pub from: VersionName,
    /// The version that it goes to.
    pub to: VersionName,
    /// What differs, in numbers.
    pub totals: DiffTotals,
    /// The tables that differ, in order of key.
    pub tables: Vec<TableDiff>,
}

/// What a person calls a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionName {
    /// Epoch and sequence, as `EPOCH-SEQUENCE`.
    pub version: String,
    /// The database's version, as the version document states it.
    pub reference_version: ReferenceVersion,
    /// The version of the tables' shape.
    pub schema_version: SchemaVersion,
    /// When it was published.
    pub published_at: String,
}

/// What differs, in numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffTotals {
    /// How many tables only the new version has.
    pub tables_added: usize,
    /// Tables that are gone.
    pub tables_removed: usize,
    /// Tables with other rows or columns.
    pub tables_changed: usize,
    /// Rows of all tables that differ.
    pub rows: RowCounts,
}

impl From<&Version> for VersionName {
    fn from(version: &Version) -> Self {
        Self {
            version: name(version.order()),
            reference_version: version.reference_version,
            schema_version: version.schema_version,
            published_at: version.published_at.clone(),
        }
    }
}

/// Compares two versions, and keeps at most `limit` rows of each table.
///
/// Blocks. `bar` is moved by bytes of table objects.
///
/// # Errors
/// Where one of them cannot be read, or is damaged.
pub fn diff_snapshots(
    origin: &dyn Reader,
    from: &Version,
    to: &Version,
    limit: usize,
    bar: &ProgressBar,
) -> Result<SnapshotDiff, DiffError> {
    let old = read_manifest(origin, from)?;
    let new = read_manifest(origin, to)?;
    let pairs = differing(&old, &new);
    let sizes = pairs.iter().flat_map(|pair| [pair.from, pair.to]).flatten();
    bar.set_length(sizes.map(|entry| entry.size).sum::<u64>().max(1));
    let side = |manifest: &Manifest| Side {
        origin,
        schema: manifest.schema_version,
        bar: bar.clone(),
    };
    let (old, new) = (side(&old), side(&new));
    let mut totals = DiffTotals::default();
    let mut tables = Vec::new();
    for pair in &pairs {
        let diff = pair.diff(&old, &new, limit)?;
        totals.add(&diff);
        tables.push(diff);
    }
    Ok(SnapshotDiff {
        from: from.into(),
        to: to.into(),
        totals,
        tables,
    })
}

/// The manifest that a version names, its hash checked.
///
/// # Errors
/// [`DiffError::Manifest`], or where it cannot be fetched.
pub fn read_manifest(origin: &dyn Reader, version: &Version) -> Result<Manifest, DiffError> {
    let key = Key::Manifest(version.manifest.hash);
    let wrong = |what: String| DiffError::Manifest {
        location: origin.location(&key),
        what,
    };
    let bytes = origin
        .get(&key, MAX_MANIFEST_SIZE)
        .map_err(RowsError::from)?;
    let Some(bytes) = bytes else {
        let what = format!(
            "is missing, though version {} names it",
            name(version.order())
        );
        return Err(wrong(what));
    };
    if ObjectHash::of(&bytes) != version.manifest.hash {
        return Err(wrong(
            "is damaged: its hash is not the one of its name".to_owned(),
        ));
    }
    Manifest::parse(&bytes).map_err(|error| {
        let cause = std::error::Error::source(&error);
        let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        wrong(format!("cannot be read: {error}{cause}"))
    })
}

// A table, as it is on either side.
struct Pair<'m> {
    table: &'m TableKey,
    from: Option<&'m TableEntry>,
    to: Option<&'m TableEntry>,
}

fn differing<'m>(old: &'m Manifest, new: &'m Manifest) -> Vec<Pair<'m>> {
    let gone = old.tables.keys();
    let gone = gone.filter(|table| !new.tables.contains_key(*table));
    let mut tables: Vec<&TableKey> = new.tables.keys().chain(gone).collect();
    tables.sort();
    let pairs = tables.into_iter().map(|table| Pair {
        table,
        from: old.tables.get(table),
        to: new.tables.get(table),
    });
    let differs = |pair: &Pair<'_>| match (pair.from, pair.to) {
        (Some(from), Some(to)) => {
            from.hash != to.hash || from.columns != to.columns || from.primary_key != to.primary_key
        }
        _ => true,
    };
    pairs.filter(differs).collect()
}

struct Side<'o> {
    origin: &'o dyn Reader,
    schema: SchemaVersion,
    bar: ProgressBar,
}

impl Side<'_> {
    fn rows(
        &self,
        table: &TableKey,
        entry: Option<&TableEntry>,
    ) -> Result<Box<dyn Rows>, RowsError> {
        Ok(match entry {
            Some(entry) => Box::new(PublishedRows::open(
                self.origin,
                table,
                entry,
                self.schema,
                &self.bar,
            )?),
            None => Box::new(NoRows),
        })
    }
}

struct NoRows;

impl Rows for NoRows {
    fn next_row(&mut self) -> Result<Option<&[u8]>, RowsError> {
        Ok(None)
    }
}

impl Pair<'_> {
    fn diff(&self, old: &Side<'_>, new: &Side<'_>, limit: usize) -> Result<TableDiff, DiffError> {
        let entry = self.to.or(self.from).expect("a pair has a side");
        let mut kept = Kept::new(entry, limit);
        let mut failed = Ok(());
        let mut each = |change: RowChange<'_>| {
            if failed.is_ok() {
                failed = kept.row(change);
            }
        };
        let mut from = old.rows(self.table, self.from)?;
        let mut to = new.rows(self.table, self.to)?;
        let both = self.from.zip(self.to);
        let shape = match both {
            Some((from, to)) => RowShape::of(from, to),
            None => RowShape::of(entry, entry),
        };
        let rows = match shape {
            Some(shape) => diff_rows(&shape, &mut *from, &mut *to, &mut each)?,
            None => all_anew(&mut *from, &mut *to, &mut each)?,
        };
        failed?;
        let (changes, more) = kept.finish();
        let key_change = |(from, to): (&TableEntry, &TableEntry)| {
            let change = KeyChange {
                from: from.primary_key.clone(),
                to: to.primary_key.clone(),
            };
            (change.from != change.to).then_some(change)
        };
        Ok(TableDiff {
            table: self.table.clone(),
            change: match (self.from, self.to) {
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                _ => Change::Changed,
            },
            columns: both.map_or_else(ColumnsDiff::default, |(from, to)| ColumnsDiff::of(from, to)),
            primary_key: both.and_then(key_change),
            rows,
            changes,
            more,
        })
    }
}

// No row of one side is a row of the other.
fn all_anew(
    from: &mut dyn Rows,
    to: &mut dyn Rows,
    each: &mut dyn FnMut(RowChange<'_>),
) -> Result<RowCounts, DiffError> {
    let not_utf8 = |_| DiffError::Row("it is not UTF-8".to_owned());
    let mut counts = RowCounts::default();
    while let Some(row) = from.next_row()? {
        counts.removed += 1;
        each(RowChange::Removed(
            std::str::from_utf8(row).map_err(not_utf8)?,
        ));
    }
    while let Some(row) = to.next_row()? {
        counts.added += 1;
        each(RowChange::Added(
            std::str::from_utf8(row).map_err(not_utf8)?,
        ));
    }
    Ok(counts)
}

impl DiffTotals {
    fn add(&mut self, table: &TableDiff) {
        match table.change {
            Change::Added => self.tables_added += 1,
            Change::Removed => self.tables_removed += 1,
            Change::Changed => self.tables_changed += 1,
        }
        self.rows.added += table.rows.added;
        self.rows.removed += table.rows.removed;
        self.rows.changed += table.rows.changed;
        self.rows.unchanged += table.rows.unchanged;
    }
}
