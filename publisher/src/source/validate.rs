//! Everything that can be said of the files before the database is touched.
//!
//! Each value against its column, each primary key against the others, each foreign key
//! against the table that it points at. Nothing stops at the first problem.

use std::collections::BTreeMap;

use snapshot_format::TableKey;

use super::files::SourceFiles;
use super::keys::KeySets;
use super::problem::Place;
use super::problems::Problems;
use super::remembered::Remembered;
use super::table::{Dangling, SourceTable};
use super::table_check::{Pending, TableCheck};
use crate::config::Config;
use crate::progress::Progress;
use crate::schema::{Schema, Table};

/// What is known of a set of files.
#[derive(Debug)]
pub(crate) struct Validated {
    /// The files' tables, each behind those that it points at.
    pub tables: Vec<SourceTable>,
    /// References to rows that no file holds. The database may hold them, as rows of an
    /// administrator or of a table without a file; otherwise each is a problem.
    pub dangling: Vec<Dangling>,
}

/// What a caller that validates again and again knows.
#[derive(Debug)]
pub(crate) struct Known<'k> {
    /// Files that are the same as before, by their tables' keys, with their hashes.
    pub same: &'k BTreeMap<TableKey, blake3::Hash>,
    /// What was found in them. Files that are read are added.
    pub remembered: &'k mut Remembered,
}

/// Files that are to be validated.
#[derive(Clone, Copy)]
pub(crate) struct Files<'f> {
    /// The settings.
    pub config: &'f Config,
    /// The tables that they belong to.
    pub schema: &'f Schema,
    /// The files.
    pub files: &'f SourceFiles,
    /// Shows how far it is.
    pub progress: Progress,
}

/// Reads the files and notes every problem. Files that are known to be the same are not read
/// where what is remembered of them is enough.
///
/// A file that cannot be read is a problem like any other.
pub(crate) fn validate(
    Files {
        config,
        schema,
        files,
        progress,
    }: Files<'_>,
    problems: &mut Problems,
    mut known: Option<Known<'_>>,
) -> Validated {
    let order = schema.in_order_of_reference().unwrap_or_else(|circle| {
        let names: Vec<&str> = circle
            .iter()
            .chain(circle.first())
            .map(TableKey::as_str)
            .collect();
        problems.push(
            None,
            format!(
                "foreign-key cycle between tables: {}; no order of seeding them keeps every key, so \
                 drop one of the keys, or exclude one of the tables in tablecast.toml",
                names.join(" -> ")
            ),
        );
        schema.tables.iter().collect()
    });
    let mut validated = Validated {
        tables: Vec::new(),
        dangling: Vec::new(),
    };
    let mut keys = KeySets::wanted_by(schema);
    let mut pending = Vec::new();
    for table in order {
        let Some(file) = files.by_table.get(table.key.as_str()) else {
            if config.has_file(table) {
                keys.forget(&table.key);
            }
            continue;
        };
        if let Some(message) = unnameable(table) {
            problems.push(Place::file(&file.name), message);
            keys.forget(&table.key);
            continue;
        }
        if let Some(known) = &known
            && let Some(hash) = known.same.get(&table.key)
            && let Some(source) = known.remembered.recall(table, config, *hash, &mut keys)
        {
            validated.tables.push(source.clone());
            continue;
        }
        let before = problems.count();
        let mut check = TableCheck::new(table, file, config, &keys, problems);
        check.gathers = known.is_some();
        let source = check.read(&keys, progress);
        let TableCheck {
            filled,
            open,
            is_known,
            references,
            ..
        } = check;
        keys.fill(filled);
        if let Some(Known { remembered, .. }) = &mut known {
            match &source {
                // A reference that is open may be one that only the database can judge; it
                // is not held then, and the file is read again.
                Some(source) if is_known && problems.count() == before => {
                    remembered.remember(table, config, source, &keys, references);
                }
                _ => remembered.forget(&table.key),
            }
        }
        pending.extend(open);
        if source.is_none() || !is_known {
            keys.forget(&table.key);
        }
        validated.tables.extend(source);
    }
    let unheld = pending.into_iter().filter(|pending: &Pending| {
        let Pending {
            set,
            target,
            dangling,
        } = pending;
        !keys.may_hold(&dangling.target, *set, target)
    });
    validated.dangling = unheld.map(|pending| pending.dangling).collect();
    validated
}

// A seed finds a row again by its key, so the file must be able to say it.
fn unnameable(table: &Table) -> Option<String> {
    let mut key = table.primary_key.iter().map(|&index| &table.columns[index]);
    let column = key.find(|column| column.generated)?;
    Some(format!(
        "the database alone computes {:?} of the primary key, so no file can name a row of table \
         {}; set from_file = false under [tables.{}] in tablecast.toml",
        column.name, table.name, table.key
    ))
}
