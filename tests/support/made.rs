//! A snapshot made by hand, for tests and benchmarks that need no database.

use std::collections::BTreeMap;

use snapshot_format::{
    BootstrapHeader, BootstrapWriter, Digest, FORMAT_VERSION, Key, Manifest, ObjectRef,
    ReferenceVersion, SchemaVersion, TableEntry, TableKey, TableWriter, Version, content_hash,
};

/// A table and its rows, as JSON texts with an `id`.
pub(crate) type Tables<'a> = &'a [(&'a str, Vec<String>)];

const SCHEMA: SchemaVersion = SchemaVersion { major: 1, minor: 0 };
const GENERATED_AT: &str = "2026-02-24T13:12:04Z";

/// What a manifest names, and the manifest.
pub(crate) struct Made {
    /// The tables, then the bootstrap; without variants.
    pub(crate) objects: Vec<(Key, Vec<u8>)>,
    /// The manifest.
    pub(crate) manifest: Manifest,
}

impl Made {
    /// The state of the database with that number.
    pub(crate) fn of(number: u64, tables: Tables<'_>) -> Self {
        let header = BootstrapHeader {
            schema_version: SCHEMA,
            reference_version: ReferenceVersion(number),
            generated_at: GENERATED_AT.to_owned(),
        };
        let mut bootstrap = BootstrapWriter::new(Vec::new(), &header).expect("memory");
        let (mut objects, mut entries) = (Vec::new(), BTreeMap::new());
        for (name, rows) in tables {
            let table: TableKey = name.parse().expect("a table key");
            let mut writer = TableWriter::new(Vec::new(), SCHEMA, &table).expect("memory");
            bootstrap.table(&table).expect("memory");
            for row in rows {
                writer.row(row.as_bytes()).expect("memory");
                bootstrap.row(row.as_bytes()).expect("memory");
            }
            let (bytes, count) = writer.finish().expect("memory");
            let digest = Digest::of(&bytes);
            objects.push((Key::Table(table.clone(), digest.hash, None), bytes));
            entries.insert(table, entry(digest, count, number));
        }
        let bytes = bootstrap.finish().expect("memory");
        let digest = Digest::of(&bytes);
        objects.push((Key::Bootstrap(digest.hash, None), bytes));
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            schema_version: SCHEMA,
            reference_version: ReferenceVersion(number),
            generated_at: GENERATED_AT.to_owned(),
            content_hash: content_hash(entries.iter().map(|(key, entry)| (key, entry.hash))),
            bootstrap: digest.into(),
            tables: entries,
        };
        Self { objects, manifest }
    }

    /// It as the publication of that number in a store.
    #[allow(dead_code, reason = "who has a publisher makes no version by hand")]
    pub(crate) fn version(&self, sequence: u64) -> Version {
        let manifest = Digest::of(&self.manifest.to_bytes());
        let bootstrap = &self.manifest.bootstrap;
        Version {
            format_version: FORMAT_VERSION,
            epoch: 1_771_938_724,
            sequence,
            schema_version: SCHEMA,
            reference_version: self.manifest.reference_version,
            lineage: None,
            generated_at: GENERATED_AT.to_owned(),
            published_at: "2026-02-24T13:12:09Z".to_owned(),
            manifest: ObjectRef {
                hash: manifest.hash,
                size: manifest.size,
            },
            bootstrap: ObjectRef {
                hash: bootstrap.hash,
                size: bootstrap.size,
            },
            rollback: None,
        }
    }
}

fn entry(digest: Digest, rows: u64, version_seq: u64) -> TableEntry {
    let columns = BTreeMap::from([("id".to_owned(), "text".to_owned())]);
    let primary_key = vec!["id".to_owned()];
    TableEntry::new(digest, rows, version_seq, columns, primary_key)
}
