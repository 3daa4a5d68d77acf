//! `publisher show`

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::Style;
use clap::Args;
use serde::Serialize;
use snapshot_audit::diff::{Change, read_manifest};
use snapshot_audit::history::Brought;
use snapshot_format::{Manifest, TableEntry, TableKey, Version};
use snapshot_store::{
    Origin,
    history::{before, name, resolve},
};

use super::history::{in_words, read_history};
use crate::blocking::blocking;
use crate::error::Error;
use crate::flags::{Reading, StoreFlag};

/// Flags of `publisher show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The version: EPOCH-SEQUENCE, SEQUENCE, seq:N, or four or more digits of its
    /// manifest's hash [default: the current one]
    #[arg(value_name = "VERSION")]
    version: Option<String>,

    #[command(flatten)]
    store: StoreFlag,

    #[command(flatten)]
    reading: Reading,
}

/// One version, with its manifest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    /// `EPOCH-SEQUENCE`.
    pub name: String,
    /// Whether it is the one that `version.json` holds.
    pub current: bool,
    /// What it says of itself.
    pub version: Version,
    /// What it names.
    pub manifest: Manifest,
    /// The version before it, `EPOCH-SEQUENCE`, against which the rest is said; `None`
    /// for the oldest that is retained.
    pub before: Option<String>,
    /// What it brought.
    pub brought: Option<Brought>,
    /// The tables that differ from those of the version before.
    pub changes: BTreeMap<TableKey, TableChange>,
}

/// A table that differs.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TableChange {
    /// What became of it.
    pub change: Change,
    /// How many rows it had; 0 where it was not there.
    pub rows_before: u64,
}

/// Shows a version.
pub(crate) async fn run(args: ShowArgs) -> Result<(), Error> {
    let origin = args.reading.origin(args.store.out.as_deref())?;
    let shown = blocking(move || show(&origin, args.version.as_deref())).await?;
    args.reading.output.answer(&shown, &describe(&shown))
}

fn show(origin: &Origin, named: Option<&str>) -> Result<Shown, Error> {
    let history = read_history(origin)?;
    if named.is_none() {
        history.current()?;
    }
    let all = history.all();
    let newest = &all[0];
    let version = match named {
        Some(named) => resolve(&all, named)?,
        None => history.current.as_ref().unwrap_or(newest),
    };
    let manifest = read_manifest(origin, version)?;
    let before = before(&all, version);
    let old = before
        .map(|before| read_manifest(origin, before))
        .transpose()?;
    Ok(Shown {
        name: name(version.order()),
        current: history.current.as_ref().map(Version::order) == Some(version.order()),
        version: version.clone(),
        before: before.map(|before| name(before.order())),
        brought: old.as_ref().map(|old| Brought::between(old, &manifest)),
        changes: old.map_or_else(BTreeMap::new, |old| changes(&old, &manifest)),
        manifest,
    })
}

fn changes(old: &Manifest, new: &Manifest) -> BTreeMap<TableKey, TableChange> {
    let mut changes = BTreeMap::new();
    for (table, entry) in &new.tables {
        let before = old.tables.get(table);
        let change = match before {
            None => Change::Added,
            Some(before) if is_same(before, entry) => continue,
            Some(_) => Change::Changed,
        };
        let rows_before = before.map_or(0, |before| before.rows);
        changes.insert(
            table.clone(),
            TableChange {
                change,
                rows_before,
            },
        );
    }
    for (table, entry) in &old.tables {
        if !new.tables.contains_key(table) {
            let change = TableChange {
                change: Change::Removed,
                rows_before: entry.rows,
            };
            changes.insert(table.clone(), change);
        }
    }
    changes
}

fn is_same(a: &TableEntry, b: &TableEntry) -> bool {
    a.hash == b.hash && a.columns == b.columns && a.primary_key == b.primary_key
}

const HEAD: Style = Style::new().bold();

fn describe(shown: &Shown) -> String {
    let Shown {
        name,
        version,
        manifest,
        ..
    } = shown;
    let mut text = String::new();
    let current = if shown.current { ", current" } else { "" };
    let _ = writeln!(text, "{HEAD}version {name}{HEAD:#}{current}");
    let mut line = |field: &str, value: String| {
        let _ = writeln!(text, "  {field:16}{value}");
    };
    line("published", version.published_at.clone());
    line(
        "data",
        format!(
            "{}, changed last at {}",
            version.reference_version, version.generated_at
        ),
    );
    line("schema version", version.schema_version.to_string());
    if let Some(back) = version.rollback {
        let target = snapshot_store::history::name((back.epoch, back.sequence));
        line("rollback to", target);
    }
    let sized = |hash: String, size: u64| format!("{hash}, {size} bytes");
    line(
        "manifest",
        sized(version.manifest.hash.to_string(), version.manifest.size),
    );
    line(
        "bootstrap",
        sized(version.bootstrap.hash.to_string(), version.bootstrap.size),
    );
    line("content hash", manifest.content_hash.to_string());
    match (&shown.before, &shown.brought) {
        (Some(before), Some(brought)) => {
            line("brought", format!("{} since {before}", in_words(brought)));
        }
        _ => line("brought", "it is the oldest that is retained".to_owned()),
    }
    text.push('\n');
    text.push_str(&tables(shown));
    text
}

fn tables(shown: &Shown) -> String {
    let mut text = String::new();
    let tables = &shown.manifest.tables;
    let keys = tables.keys().chain(shown.changes.keys());
    let width = keys.map(|key| key.as_str().len()).max().unwrap_or(0).max(5);
    let _ = writeln!(
        text,
        "{HEAD}{:width$}  {:>9}  {:>11}  hash{HEAD:#}",
        "table", "rows", "bytes"
    );
    for (table, entry) in tables {
        let hash = &entry.hash.to_string()[..16];
        let change = shown.changes.get(table).map_or_else(String::new, |change| {
            let by = i128::from(entry.rows) - i128::from(change.rows_before);
            match (change.change, by) {
                (Change::Added, _) => "  added".to_owned(),
                (_, 0) => "  changed".to_owned(),
                (_, 1 | -1) => format!("  changed, {by:+} row"),
                _ => format!("  changed, {by:+} rows"),
            }
        });
        let _ = writeln!(
            text,
            "{:width$}  {:>9}  {:>11}  {hash}{change}",
            table.as_str(),
            entry.rows,
            entry.size
        );
    }
    for (table, change) in &shown.changes {
        if change.change == Change::Removed {
            let rows = change.rows_before;
            let _ = writeln!(
                text,
                "{:width$}  removed, it had {rows} rows",
                table.as_str()
            );
        }
    }
    text
}
