//! A manifest's tables: from what the app ships, from the bootstrap object, or one by one.

use snapshot_format::{
    BootstrapHeader, BootstrapReader, Key, Manifest, ObjectHash, ObjectRef, ReadError, TableEntry,
    TableKey, TableWriter, Version,
};

use super::super::io::Io;
use super::super::memory::Memory;
use super::objects::{Wanted, fetch_objects};
use super::rules::RefreshRules;
use crate::error::Error;

// What a request costs beside its body, in bytes: headers both ways.
const REQUEST_BYTES: u64 = 512;

// What the app shipped need not be fetched. Sizes come first: a hash costs more.
pub(super) fn load_bundled(memory: &mut Memory, rules: &RefreshRules, manifest: &Manifest) {
    let Some(bundled) = &rules.bundled else {
        return;
    };
    for (key, entry) in missing_tables(memory, manifest) {
        let object = bundled.object(manifest.schema_version, &key);
        if let Some(object) = object.filter(|object| object.len() as u64 == entry.size) {
            load_if_right(memory, entry.hash, object);
        }
    }
}

pub(super) fn fetch_tables(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &RefreshRules,
    version: &Version,
    manifest: &Manifest,
) -> Result<(), Error> {
    let tables = missing_tables(memory, manifest);
    if is_bootstrap_cheaper(version.bootstrap.size, &tables) {
        let hash = version.bootstrap.hash;
        let wanted = Wanted {
            key: Key::Bootstrap(hash, None),
            object: version.bootstrap,
            limit_bytes: rules.max_object_bytes,
        };
        fetch_objects(io, memory, rules, vec![wanted])?;
        if let Some(bootstrap) = memory.loaded.remove(&hash) {
            // What cannot be taken out of it is fetched below, one by one.
            let _ = load_bootstrap(memory, manifest, &bootstrap);
        }
    }
    let wanted = missing_tables(memory, manifest)
        .into_iter()
        .map(|(key, entry)| Wanted {
            key: Key::Table(key, entry.hash, None),
            object: ObjectRef {
                hash: entry.hash,
                size: entry.size,
            },
            limit_bytes: rules.max_object_bytes,
        });
    fetch_objects(io, memory, rules, wanted.collect())
}

fn missing_tables(memory: &Memory, manifest: &Manifest) -> Vec<(TableKey, TableEntry)> {
    let tables = manifest.tables.iter();
    tables
        .filter(|(_, entry)| !memory.loaded.contains_key(&entry.hash))
        .map(|(key, entry)| (key.clone(), entry.clone()))
        .collect()
}

/// Whether the bootstrap, with the tables that it leaves out, has fewer bytes than these tables one
/// by one.
fn is_bootstrap_cheaper(bootstrap_size: u64, tables: &[(TableKey, TableEntry)]) -> bool {
    let apart = tables.iter().filter(|(_, entry)| !entry.in_bootstrap);
    let by_bootstrap = cost(apart.map(|(_, entry)| entry.size).chain([bootstrap_size]));
    by_bootstrap < cost(tables.iter().map(|(_, entry)| entry.size))
}

fn cost(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, |sum, size| {
        sum.saturating_add(size).saturating_add(REQUEST_BYTES)
    })
}

fn load_bootstrap(
    memory: &mut Memory,
    manifest: &Manifest,
    object: &[u8],
) -> Result<(), ReadError> {
    let header = BootstrapHeader {
        schema_version: manifest.schema_version,
        reference_version: manifest.reference_version,
        generated_at: manifest.generated_at.clone(),
    };
    let mut reader = BootstrapReader::new(object, &header)?;
    while let Some(key) = reader.next_table()? {
        let mut table = TableWriter::new(Vec::new(), manifest.schema_version, &key)?;
        while let Some(row) = reader.next_row()? {
            table.row(row)?;
        }
        let (object, _) = table.finish()?;
        if let Some(entry) = manifest.tables.get(&key) {
            load_if_right(memory, entry.hash, object);
        }
    }
    Ok(())
}

fn load_if_right(memory: &mut Memory, hash: ObjectHash, object: Vec<u8>) {
    if ObjectHash::of(&object) == hash {
        memory.loaded.insert(hash, object.into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::in_memory::manifest;
    use super::*;

    #[track_caller]
    fn check(bootstrap_size: u64, tables: &[(u64, bool)], expected: bool) {
        let entries = manifest("one").tables.into_iter().zip(tables);
        let tables: Vec<_> = entries
            .map(|((key, mut entry), (size, in_bootstrap))| {
                (entry.size, entry.in_bootstrap) = (*size, *in_bootstrap);
                (key, entry)
            })
            .collect();
        assert_eq!(is_bootstrap_cheaper(bootstrap_size, &tables), expected);
    }

    #[test]
    fn the_bootstrap_is_fetched_where_it_is_fewer_bytes_and_requests() {
        check(100, &[(100, true)], false);
        check(99, &[(100, true)], true);
        // A request is worth 512 bytes.
        check(711, &[(100, true), (100, true)], true);
        check(712, &[(100, true), (100, true)], false);
        // What it leaves out is fetched all the same.
        check(100, &[(100, true), (5000, false)], false);
        check(99, &[(100, true), (5000, false)], true);
        check(u64::MAX, &[(u64::MAX, true), (u64::MAX, true)], false);
    }
}
