//! The history of a store: each version, and what it brought by the manifests' words.

use std::collections::HashMap;

use serde::Serialize;
use snapshot_format::{Manifest, ObjectHash, Version};
use snapshot_store::Reader;
use snapshot_store::history::{History, before, name};

use crate::diff::{DiffError, read_manifest};

/// One version of the history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Epoch and sequence, as `EPOCH-SEQUENCE`.
    pub name: String,
    /// Whether it is the one that `version.json` holds.
    pub current: bool,
    /// What it says of itself.
    pub version: Version,
    /// What can be said by its manifest; `None` where that cannot be read.
    pub content: Option<Content>,
}

/// A version's content, in numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// How many tables its manifest names.
    pub tables: usize,
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of all objects, uncompressed.
    pub bytes: u64,
    /// What it brought against the version before it; `None` for the oldest that is retained.
    pub brought: Option<Brought>,
}

/// The newest `limit` versions, the newest first, and what is wrong with their manifests: a
/// version whose manifest cannot be read has no content.
pub fn entries(
    origin: &dyn Reader,
    history: &History,
    limit: usize,
) -> (Vec<HistoryEntry>, Vec<DiffError>) {
    let mut manifests = Manifests::default();
    let current = history.current.as_ref().map(Version::order);
    let all = history.all();
    let shown = all.iter().take(limit);
    let entries = shown.map(|version| {
        let before = before(&all, version);
        HistoryEntry {
            name: name(version.order()),
            current: Some(version.order()) == current,
            version: version.clone(),
            content: manifests.content(origin, version, before),
        }
    });
    (entries.collect(), manifests.problems)
}

// Versions that go back to one content share its manifest.
#[derive(Default)]
struct Manifests {
    read: HashMap<ObjectHash, Option<Manifest>>,
    problems: Vec<DiffError>,
}

impl Manifests {
    fn get(&mut self, origin: &dyn Reader, version: &Version) -> Option<&Manifest> {
        let problems = &mut self.problems;
        let entry = self.read.entry(version.manifest.hash);
        let read = || match read_manifest(origin, version) {
            Ok(manifest) => Some(manifest),
            Err(error) => {
                problems.push(error);
                None
            }
        };
        entry.or_insert_with(read).as_ref()
    }

    fn content(
        &mut self,
        origin: &dyn Reader,
        version: &Version,
        before: Option<&Version>,
    ) -> Option<Content> {
        let before = before.and_then(|before| self.get(origin, before).cloned());
        let manifest = self.get(origin, version)?;
        let tables = manifest.tables.values();
        Some(Content {
            tables: manifest.tables.len(),
            rows: tables.clone().map(|table| table.rows).sum(),
            bytes: tables.map(|table| table.size).sum::<u64>()
                + manifest.bootstrap.size
                + version.manifest.size,
            brought: before.map(|before| Brought::between(&before, manifest)),
        })
    }
}

/// What one version brought, against another: by the manifests alone, which know tables
/// and numbers of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Brought {
    /// How many tables only the newer version has.
    pub tables_added: usize,
    /// Tables that are gone.
    pub tables_removed: usize,
    /// Tables with other rows or columns.
    pub tables_changed: usize,
    /// How many rows there are more; negative where there are fewer.
    pub rows: i64,
}

impl Brought {
    /// What `new` brought against `old`, by their tables and numbers of rows.
    pub fn between(old: &Manifest, new: &Manifest) -> Self {
        let lacking = |a: &Manifest, b: &Manifest| {
            let tables = a.tables.keys();
            tables
                .filter(|table| !b.tables.contains_key(*table))
                .count()
        };
        let changed = new.tables.iter().filter(|(table, entry)| {
            let before = old.tables.get(*table);
            before.is_some_and(|before| {
                before.hash != entry.hash
                    || before.columns != entry.columns
                    || before.primary_key != entry.primary_key
            })
        });
        let rows = |manifest: &Manifest| -> i64 {
            let rows: u64 = manifest.tables.values().map(|table| table.rows).sum();
            i64::try_from(rows).unwrap_or(i64::MAX)
        };
        Self {
            tables_added: lacking(new, old),
            tables_removed: lacking(old, new),
            tables_changed: changed.count(),
            rows: rows(new).saturating_sub(rows(old)),
        }
    }
}
