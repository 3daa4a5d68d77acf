//! Writes a made-up snapshot of any size, for benchmarks and memory tests that
//! need no database: `sample-snapshot FOLDER TABLES BYTES_PER_TABLE`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use snapshot_format::{
    BootstrapHeader, BootstrapWriter, Digest, Encoding, Key, MIN_VARIANT_SIZE, Manifest, ObjectRef,
    ReferenceVersion, SchemaVersion, TableEntry, TableKey, TableWriter, Version, compress,
    content_hash,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, tables, bytes] = &arguments[..] else {
        return Err("usage: sample-snapshot FOLDER TABLES BYTES_PER_TABLE".into());
    };
    write(Path::new(folder), tables.parse()?, bytes.parse()?)
}

pub(crate) fn write(
    folder: &Path,
    tables: usize,
    bytes_per_table: usize,
) -> Result<(), Box<dyn Error>> {
    let schema_version = SchemaVersion { major: 1, minor: 0 };
    let reference_version = ReferenceVersion(42);
    let generated_at = "2026-02-24T13:12:04Z".to_owned();
    let header = BootstrapHeader {
        schema_version,
        reference_version,
        generated_at: generated_at.clone(),
    };
    let mut bootstrap = BootstrapWriter::new(Vec::new(), &header)?;
    let mut entries = BTreeMap::new();
    for number in 0..tables {
        let table: TableKey = format!("table{number:04}").parse()?;
        let mut writer = TableWriter::new(Vec::new(), schema_version, &table)?;
        bootstrap.table(&table)?;
        let mut written = 0;
        for at in 0.. {
            if written >= bytes_per_table {
                break;
            }
            let row = row(number, at);
            written += row.len();
            writer.row(row.as_bytes())?;
            bootstrap.row(row.as_bytes())?;
        }
        let (object, rows) = writer.finish()?;
        let digest = put(
            folder,
            |hash| Key::Table(table.clone(), hash, None),
            &object,
        )?;
        entries.insert(table, entry(digest, rows));
    }
    let digest = put(
        folder,
        |hash| Key::Bootstrap(hash, None),
        &bootstrap.finish()?,
    )?;
    let manifest = Manifest {
        format_version: 1,
        schema_version,
        reference_version,
        generated_at: generated_at.clone(),
        content_hash: content_hash(entries.iter().map(|(key, entry)| (key, entry.hash))),
        bootstrap: digest.into(),
        tables: entries,
    };
    let manifest = put(folder, Key::Manifest, &manifest.to_bytes())?;
    let reference = |digest: Digest| ObjectRef {
        hash: digest.hash,
        size: digest.size,
    };
    let version = Version {
        format_version: 1,
        epoch: 1_771_938_724,
        sequence: 1,
        schema_version,
        reference_version,
        lineage: None,
        published_at: generated_at.clone(),
        generated_at,
        manifest: reference(manifest),
        bootstrap: reference(digest),
        rollback: None,
    };
    fs::write(folder.join(Key::Version.path()), version.to_bytes())?;
    eprintln!("{} and {tables} tables", Key::Bootstrap(digest.hash, None));
    Ok(())
}

/// Words that compress like words: neither noise nor repetition.
fn row(table: usize, at: usize) -> String {
    let hash = Digest::of(format!("{table}-{at}").as_bytes()).hash;
    let [a, b, c, ..] = hash.as_bytes();
    const WORDS: [&str; 8] = [
        "grip",
        "neutral",
        "overhead",
        "supinated",
        "bench",
        "incline",
        "cable",
        "kettlebell",
    ];
    let word = |byte: &u8| WORDS[usize::from(*byte) % WORDS.len()];
    let id = &hash.to_string()[..12];
    format!(
        r#"{{"id":"{id}","is_active":true,"label":"{} {} {}","sort_order":{at}}}"#,
        word(a),
        word(b),
        word(c),
    )
}

/// Puts an object with its variants, as the format wants.
fn put(
    folder: &Path,
    key: impl Fn(snapshot_format::ObjectHash) -> Key,
    object: &[u8],
) -> Result<Digest, Box<dyn Error>> {
    let digest = Digest::of(object);
    let key = key(digest.hash);
    let path = folder.join(key.path());
    fs::create_dir_all(path.parent().ok_or("a key lies in a folder")?)?;
    fs::write(path, object)?;
    if digest.size >= MIN_VARIANT_SIZE && !matches!(key, Key::Manifest(_)) {
        for encoding in Encoding::ALL {
            let variant = fs::File::create(folder.join(key.with_encoding(Some(encoding)).path()))?;
            compress(encoding, digest.size, &mut &object[..], variant)?;
        }
    }
    Ok(digest)
}

fn entry(digest: Digest, rows: u64) -> TableEntry {
    let columns = BTreeMap::from([("id".to_owned(), "text".to_owned())]);
    let primary_key = vec!["id".to_owned()];
    TableEntry::new(digest, rows, 1, columns, primary_key)
}
