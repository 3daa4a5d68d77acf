//! Writes a made-up snapshot of any size, for benchmarks and memory tests that
//! need no database: `sample-snapshot FOLDER TABLES BYTES_PER_TABLE`.

use std::error::Error;
use std::fs;
use std::path::Path;

use snapshot_format::{Digest, Encoding, Key, compress};

#[path = "../../tests/support/made.rs"]
mod made;

use made::Made;

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
    let names: Vec<String> = (0..tables)
        .map(|number| format!("table{number:04}"))
        .collect();
    let rows = (0..tables).map(|number| {
        let mut written = 0;
        let enough = |row: &String| {
            let wanted = written < bytes_per_table;
            written += row.len();
            wanted
        };
        (0..).map(|at| row(number, at)).take_while(enough).collect()
    });
    let all: Vec<(&str, Vec<String>)> = names.iter().map(String::as_str).zip(rows).collect();
    let made = Made::of(42, &all);
    for (key, bytes) in &made.objects {
        put(folder, key, bytes)?;
    }
    let version = made.version(1);
    let manifest = Key::Manifest(version.manifest.hash);
    put(folder, &manifest, &made.manifest.to_bytes())?;
    fs::write(folder.join(Key::Version.path()), version.to_bytes())?;
    let bootstrap = Key::Bootstrap(version.bootstrap.hash, None);
    eprintln!("{bootstrap} and {tables} tables");
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
fn put(folder: &Path, key: &Key, object: &[u8]) -> Result<(), Box<dyn Error>> {
    let path = folder.join(key.path());
    fs::create_dir_all(path.parent().ok_or("a key lies in a folder")?)?;
    fs::write(path, object)?;
    let size = object.len() as u64;
    if !matches!(key, Key::Manifest(_)) {
        for &encoding in Encoding::of_object(size) {
            let variant = fs::File::create(folder.join(key.with_encoding(Some(encoding)).path()))?;
            compress(encoding, size, &mut &object[..], variant)?;
        }
    }
    Ok(())
}
