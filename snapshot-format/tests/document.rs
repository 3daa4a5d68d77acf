//! `docs/snapshot-format.md` is true: its examples belong together, by this crate's own
//! reading, and its figures are the code's.

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;
use snapshot_format::{
    BootstrapEntry, Cache, Digest, Encoding, Key, MAX_MANIFEST_SIZE, MAX_VERSION_SIZE,
    MIN_VARIANT_SIZE, Manifest, ObjectRef, TableEntry, Version,
};

const DOCUMENT: &str = include_str!("../../docs/snapshot-format.md");

// The examples: a path in a line of its own, then the file.
fn examples() -> BTreeMap<String, &'static str> {
    let blocks = DOCUMENT.split("`:\n\n```json\n").collect::<Vec<_>>();
    let example = |pair: &[&'static str]| {
        let (_, path) = pair[0].rsplit_once('`').expect("a path in backticks");
        let (file, _) = pair[1].split_once("\n```").expect("the block ends");
        (path.to_owned(), file)
    };
    blocks.windows(2).map(example).collect()
}

#[test]
fn the_examples_are_one_snapshot() {
    let examples = examples();
    assert_eq!(examples.len(), 4, "{:?}", examples.keys());
    for (path, file) in &examples {
        let key = Key::parse(path).expect("is a path of the format");
        let hash = Digest::of(file.as_bytes()).hash;
        assert_eq!(key.hash().unwrap_or(hash), hash, "{path}");
    }
    let version = Version::parse(examples["version.json"].as_bytes()).expect("a version");
    let ObjectRef { hash, size } = version.manifest;
    let manifest = examples[&Key::Manifest(hash).path()];
    assert_eq!(size, manifest.len() as u64);
    let manifest = Manifest::parse(manifest.as_bytes()).expect("a manifest");
    assert_eq!(manifest.schema_version, version.schema_version);
    assert_eq!(manifest.reference_version, version.reference_version);
    assert_eq!(manifest.generated_at, version.generated_at);
    let bootstrap = examples[&Key::Bootstrap(version.bootstrap.hash, None).path()];
    let bootstrap = Digest::of(bootstrap.as_bytes());
    assert_eq!(manifest.bootstrap, BootstrapEntry::from(bootstrap));
    assert_eq!(version.bootstrap.size, bootstrap.size);
    for (table, entry) in &manifest.tables {
        let fingerprint = TableEntry::fingerprint(&entry.columns, &entry.primary_key);
        assert_eq!(entry.schema_fingerprint, fingerprint, "{table}");
    }
    let (table, entry) = manifest.tables.last_key_value().expect("has a table");
    let object = examples[&Key::Table(table.clone(), entry.hash, None).path()];
    let Digest { hash, sha256, size } = Digest::of(object.as_bytes());
    assert_eq!((entry.hash, entry.sha256, entry.size), (hash, sha256, size));
}

#[test]
fn the_figures_are_the_codes() {
    let mut said = vec![
        format!("At most {MAX_VERSION_SIZE} bytes."),
        format!("({MAX_MANIFEST_SIZE} bytes)"),
        format!("at least {MIN_VARIANT_SIZE} bytes"),
        format!("| `version.json` | `{}`", Cache::Briefly.control()),
        format!("| all others | `{}`", Cache::Forever.control()),
    ];
    for encoding in Encoding::ALL {
        said.push(format!("`.{}`", encoding.extension()));
        said.push(format!("`{}`", encoding.content_coding()));
        said.push(format!("`{}`", encoding.media_type()));
    }
    for words in said {
        assert!(
            DOCUMENT.contains(&words),
            "the document does not say: {words}"
        );
    }
}
