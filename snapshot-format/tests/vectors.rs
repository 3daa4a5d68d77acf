//! The vectors in `tests/vectors/`, which every implementation of the format must pass.
//!
//! Their expected values come from a program without a line of this crate
//! (`tests/vectors/generate.py`). The publisher's tests run `postgres-binary.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use pretty_assertions::assert_eq;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use snapshot_format::canonical::{self, CanonicalError};
use snapshot_format::json::FaultKind;
use snapshot_format::number::{self, NumberError};
use snapshot_format::{
    BootstrapHeader, BootstrapWriter, Cache, Digest, Encoding, Key, Manifest, ManifestError,
    ObjectHash, ReferenceVersion, SchemaVersion, TableEntry, TableKey, TableWriter, Version,
    VersionError, content_hash,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

fn cases<Case: DeserializeOwned>(file: &str) -> Vec<Case> {
    #[derive(Deserialize)]
    struct File<Case> {
        cases: Vec<Case>,
    }
    let path = folder().join(file);
    let text = std::fs::read_to_string(&path).expect("the vectors are in the repository");
    let File { cases } = serde_json::from_str(&text).expect(file);
    assert!(!cases.is_empty(), "{file} has no cases");
    cases
}

/// What a case expects: a value, or the class of the refusal.
#[derive(Deserialize)]
struct Expected {
    #[serde(alias = "canonical", alias = "key")]
    value: Option<String>,
    refused: Option<String>,
}

impl Expected {
    #[track_caller]
    fn check(&self, name: &str, actual: Result<&str, &str>) {
        let refused = || self.refused.as_deref().expect("either");
        let expected = self.value.as_deref().ok_or_else(refused);
        assert_eq!(actual, expected, "{name}");
    }
}

fn written<E>(write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<String, E> {
    let mut out = Vec::new();
    write(&mut out)?;
    Ok(String::from_utf8(out).expect("JSON is UTF-8"))
}

#[test]
fn canonical_json() {
    #[derive(Deserialize)]
    struct Case {
        name: String,
        input: String,
        #[serde(flatten)]
        expected: Expected,
    }
    for case in cases::<Case>("canonical-json.json") {
        let actual = written(|out| canonical::write_json(&case.input, out));
        case.expected
            .check(&case.name, actual.as_deref().map_err(class));
        // The canonical form is its own.
        if let Ok(once) = actual {
            let twice = written(|out| canonical::write_json(&once, out));
            assert_eq!(twice, Ok(once), "{}", case.name);
        }
    }
}

fn class(error: &CanonicalError) -> &'static str {
    match error {
        CanonicalError::Syntax(error) if error.message.starts_with("nested deeper") => "depth",
        CanonicalError::Syntax(_) => "syntax",
        CanonicalError::Fault(FaultKind::DuplicateKey(_)) => "duplicate-key",
        CanonicalError::Fault(FaultKind::LoneSurrogate(_)) => "lone-surrogate",
        CanonicalError::Fault(FaultKind::Nul) => "nul",
        CanonicalError::Number { error, .. } => number_class(error),
    }
}

fn number_class(error: &NumberError) -> &'static str {
    match error {
        NumberError::UnsafeInteger => "unsafe-integer",
        NumberError::Inexact => "inexact",
        NumberError::NotFinite => "not-finite",
    }
}

#[test]
fn numbers() {
    #[derive(Deserialize)]
    struct Case {
        decimal: String,
        #[serde(flatten)]
        expected: Expected,
    }
    for case in cases::<Case>("numbers.json") {
        let actual = written(|out| number::write_decimal(&case.decimal, out));
        let actual = actual.as_deref().map_err(number_class);
        case.expected.check(&case.decimal, actual);
    }
}

#[test]
fn doubles() {
    #[derive(Deserialize)]
    struct Case {
        bits: String,
        #[serde(flatten)]
        expected: Expected,
    }
    for case in cases::<Case>("doubles.json") {
        let bits = u64::from_str_radix(&case.bits, 16).expect("sixteen digits");
        let actual = written(|out| number::write_f64(f64::from_bits(bits), out));
        let actual = actual.as_deref().map_err(number_class);
        case.expected.check(&case.bits, actual);
    }
}

#[test]
fn table_keys() {
    #[derive(Deserialize)]
    struct Case {
        name: String,
        #[serde(flatten)]
        expected: Expected,
    }
    for case in cases::<Case>("table-keys.json") {
        let key = TableKey::from_sql(&case.name);
        let actual = key.as_ref().map(TableKey::as_str).map_err(|_| "name");
        case.expected.check(&case.name, actual);
    }
}

#[test]
fn paths() {
    #[derive(Deserialize)]
    struct Case {
        path: String,
        key: Option<Parts>,
        cache: Option<String>,
    }
    #[derive(Deserialize)]
    struct Parts {
        kind: String,
        epoch: Option<u64>,
        sequence: Option<u64>,
        table: Option<TableKey>,
        hash: Option<ObjectHash>,
        variant: Option<String>,
    }
    impl Parts {
        fn key(self) -> Key {
            let hash = || self.hash.expect("has a hash");
            let extension = self.variant.as_deref();
            let variant = extension.map(|e| Encoding::from_extension(e).expect("a variant"));
            match self.kind.as_str() {
                "version" => Key::Version,
                "history" => Key::History {
                    epoch: self.epoch.expect("has an epoch"),
                    sequence: self.sequence.expect("has a sequence"),
                },
                "manifest" => Key::Manifest(hash()),
                "bootstrap" => Key::Bootstrap(hash(), variant),
                "table" => Key::Table(self.table.clone().expect("has a table"), hash(), variant),
                other => panic!("unknown kind {other}"),
            }
        }
    }
    for Case { path, key, cache } in cases("paths.json") {
        let expected = key.map(Parts::key);
        let actual = Key::parse(&path);
        assert_eq!(actual, expected, "{path}");
        let Some(key) = actual else { continue };
        assert_eq!(key.path(), path);
        let kept = match key.cache() {
            Cache::Briefly => "brief",
            Cache::Forever => "forever",
        };
        assert_eq!(Some(kept), cache.as_deref(), "{path}");
    }
}

/// The hashes of a case's bytes.
#[derive(Deserialize, Debug, PartialEq)]
struct Hashes {
    size: u64,
    blake3: String,
    sha256: String,
}

impl Hashes {
    fn of(bytes: &[u8]) -> Self {
        let Digest { hash, sha256, size } = Digest::of(bytes);
        Self {
            size,
            blake3: hash.to_string(),
            sha256: sha256.to_string(),
        }
    }
}

#[test]
fn hashes() {
    #[derive(Deserialize)]
    struct Case {
        text: String,
        #[serde(default = "once")]
        times: usize,
        #[serde(flatten)]
        hashes: Hashes,
    }
    fn once() -> usize {
        1
    }
    for case in cases::<Case>("hashes.json") {
        let bytes = case.text.repeat(case.times).into_bytes();
        assert_eq!(Hashes::of(&bytes), case.hashes, "{:?}", case.text);
    }
}

#[test]
fn table_objects() {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        name: String,
        schema_version: SchemaVersion,
        table: TableKey,
        rows: Vec<String>,
        object: String,
        #[serde(flatten)]
        hashes: Hashes,
    }
    for case in cases::<Case>("table-objects.json") {
        let mut writer =
            TableWriter::new(Vec::new(), case.schema_version, &case.table).expect("memory");
        for row in &case.rows {
            writer.row(row.as_bytes()).expect("memory");
        }
        let (bytes, count) = writer.finish().expect("memory");
        assert_eq!(count, case.rows.len() as u64);
        assert_eq!(Hashes::of(&bytes), case.hashes, "{}", case.name);
        assert_eq!(String::from_utf8(bytes).expect("UTF-8"), case.object);
    }
}

#[test]
fn bootstrap_objects() {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        name: String,
        schema_version: SchemaVersion,
        reference_version: ReferenceVersion,
        generated_at: String,
        tables: BTreeMap<TableKey, Vec<String>>,
        object: String,
        #[serde(flatten)]
        hashes: Hashes,
    }
    for case in cases::<Case>("bootstrap-objects.json") {
        let header = BootstrapHeader {
            schema_version: case.schema_version,
            reference_version: case.reference_version,
            generated_at: case.generated_at,
        };
        let mut writer = BootstrapWriter::new(Vec::new(), &header).expect("memory");
        for (table, rows) in &case.tables {
            writer.table(table).expect("memory");
            for row in rows {
                writer.row(row.as_bytes()).expect("memory");
            }
        }
        let bytes = writer.finish().expect("memory");
        assert_eq!(Hashes::of(&bytes), case.hashes, "{}", case.name);
        assert_eq!(String::from_utf8(bytes).expect("UTF-8"), case.object);
    }
}

#[test]
fn content_hashes() {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        tables: BTreeMap<TableKey, ObjectHash>,
        hashed: String,
        content_hash: ObjectHash,
    }
    for case in cases::<Case>("content-hashes.json") {
        let hash = content_hash(case.tables.iter().map(|(key, hash)| (key, *hash)));
        assert_eq!(hash, case.content_hash, "{}", case.hashed);
    }
}

#[test]
fn fingerprints() {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        columns: BTreeMap<String, String>,
        primary_key: Vec<String>,
        hashed: String,
        schema_fingerprint: String,
    }
    for case in cases::<Case>("fingerprints.json") {
        let fingerprint = TableEntry::fingerprint(&case.columns, &case.primary_key);
        assert_eq!(fingerprint, case.schema_fingerprint, "{}", case.hashed);
    }
}

#[test]
fn versions() {
    #[derive(Deserialize)]
    struct Case {
        name: String,
        text: String,
        order: Option<(u64, u64)>,
        manifest: Option<ObjectHash>,
        refused: Option<String>,
    }
    for case in cases::<Case>("versions.json") {
        let refusal = match Version::parse(case.text.as_bytes()) {
            Ok(version) => {
                assert_eq!(Some(version.order()), case.order, "{}", case.name);
                assert_eq!(Some(version.manifest.hash), case.manifest, "{}", case.name);
                None
            }
            Err(VersionError::TooLarge(_)) => Some("size"),
            Err(VersionError::TooNew(_)) => Some("format"),
            Err(VersionError::Json(_) | VersionError::Beyond { .. }) => Some("json"),
        };
        assert_eq!(refusal, case.refused.as_deref(), "{}", case.name);
    }
}

#[test]
fn manifests() {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        name: String,
        text: String,
        content_hash: Option<ObjectHash>,
        tables: Option<BTreeMap<TableKey, ObjectHash>>,
        refused: Option<String>,
    }
    for case in cases::<Case>("manifests.json") {
        let refusal = match Manifest::parse(case.text.as_bytes()) {
            Ok(manifest) => {
                let tables = manifest.tables.iter();
                let tables = tables
                    .map(|(key, entry)| (key.clone(), entry.hash))
                    .collect();
                assert_eq!(Some(tables), case.tables, "{}", case.name);
                assert_eq!(
                    Some(manifest.content_hash),
                    case.content_hash,
                    "{}",
                    case.name
                );
                None
            }
            Err(ManifestError::TooLarge(_)) => Some("size"),
            Err(ManifestError::TooNew(_)) => Some("format"),
            Err(ManifestError::ContentHash { .. }) => Some("content-hash"),
            Err(ManifestError::Json(_)) => Some("json"),
        };
        assert_eq!(refusal, case.refused.as_deref(), "{}", case.name);
    }
}

#[test]
fn order() {
    #[derive(Deserialize)]
    struct Case {
        older: (u64, u64),
        newer: (u64, u64),
    }
    let version = cases::<serde_json::Value>("versions.json").remove(0);
    let text = version["text"].as_str().expect("text");
    let version = Version::parse(text.as_bytes()).expect("the first is a version");
    let order_of = |(epoch, sequence)| {
        let version = Version {
            epoch,
            sequence,
            ..version.clone()
        };
        version.order()
    };
    for Case { older, newer } in cases("order.json") {
        assert!(order_of(older) < order_of(newer), "{older:?} {newer:?}");
    }
}

// A new file of vectors is not forgotten.
#[test]
fn every_file_is_run() {
    let run: BTreeSet<String> = include_str!("vectors.rs")
        .split('"')
        .filter(|text| text.ends_with(".json") && !text.contains(' '))
        .map(str::to_owned)
        .chain(["postgres-binary.json".to_owned()])
        .filter(|name| name != ".json")
        .collect();
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the vectors are in the repository")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert_eq!(there, run);
}
