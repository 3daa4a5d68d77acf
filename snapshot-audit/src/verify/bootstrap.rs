//! The bootstrap object: the four fields, and the very rows of the tables.

use std::collections::BTreeMap;

use snapshot_format::{
    BootstrapHeader, BootstrapReader, Digest, Key, Manifest, ReadError, TableKey,
};

use super::judge::Judge;
use super::object::TableRows;
use super::object::{RowsDigest, RowsHasher};
use crate::published::ObjectReader;

/// What a bootstrap object holds.
pub(super) type Tables = BTreeMap<TableKey, RowsDigest>;

impl Judge<'_> {
    /// A bootstrap object. Gives its tables where it is the object that its
    /// name says.
    pub(super) fn bootstrap(&self, manifest: &Manifest) -> Option<Tables> {
        let expected = Digest {
            hash: manifest.bootstrap.hash,
            sha256: manifest.bootstrap.sha256,
            size: manifest.bootstrap.size,
        };
        let key = Key::Bootstrap(expected.hash, None);
        let mut source = self.object(&key, expected.size)?;
        let header = BootstrapHeader {
            schema_version: manifest.schema_version,
            reference_version: manifest.reference_version,
            generated_at: manifest.generated_at.clone(),
        };
        let mut tables = Vec::new();
        let read = read_bootstrap(&mut source, &header, &mut tables);
        if self.broke_off(&key, &read) {
            return None;
        }
        let same = self.digest(&key, source, &expected);
        let whole = self.was_read(&key, read);
        if !tables.is_sorted_by(|(a, _), (b, _)| a < b) {
            self.findings
                .fault(&key, "its tables are not in order of key, each once");
        }
        (whole && same).then(|| tables.into_iter().collect())
    }

    /// Whether a bootstrap has the tables that it should have, each with its rows.
    pub(super) fn same_rows(&self, manifest: &Manifest, found: &Tables, tables: &TableRows) {
        let key = Key::Bootstrap(manifest.bootstrap.hash, None);
        for (table, entry) in &manifest.tables {
            match (entry.in_bootstrap, found.get(table)) {
                (true, None) => {
                    let what = format!("lacks the table {table}");
                    self.findings.fault(&key, what);
                }
                (false, Some(_)) => {
                    let what = format!("holds the table {table}, which the manifest leaves out");
                    self.findings.fault(&key, what);
                }
                (true, Some(rows)) => {
                    // Where the table itself could not be read, that was said.
                    let of_table = tables.get(&(table.clone(), entry.hash));
                    if of_table.is_some_and(|of_table| of_table != rows) {
                        let what = format!("its rows of {table} are not those of tables/{table}");
                        self.findings.fault(&key, what);
                    }
                }
                (false, None) => {}
            }
        }
        for table in found.keys() {
            if !manifest.tables.contains_key(table) {
                let what = format!("holds the table {table}, which the manifest does not name");
                self.findings.fault(&key, what);
            }
        }
    }
}

fn read_bootstrap(
    source: &mut ObjectReader,
    header: &BootstrapHeader,
    tables: &mut Vec<(TableKey, RowsDigest)>,
) -> Result<(), ReadError> {
    let mut reader = BootstrapReader::new(source, header)?;
    while let Some(table) = reader.next_table()? {
        let mut hasher = RowsHasher::new();
        while let Some(row) = reader.next_row()? {
            hasher.row(row)?;
        }
        tables.push((table, hasher.finish()));
    }
    Ok(())
}
