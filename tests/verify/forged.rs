//! Forgeries: damage by somebody who makes every hash fit.

use std::fs;
use std::path::Path;

use pretty_assertions::assert_eq;
use snapshot_format::{
    BootstrapEntry, Digest, Encoding, Key, MIN_VARIANT_SIZE, Manifest, ObjectHash, ObjectRef,
    TableEntry, TableKey, Version, compress, content_hash,
};

use super::{faults_of, published, walk};
use crate::support::{Project, without_numbers};

// A copy of the store in which one table's object was edited and everything that names it
// was made to fit; `entry` may change what the manifest says.
pub fn forged(
    project: &Project,
    table: &str,
    object: impl Fn(String) -> String,
    entry: impl Fn(&mut TableEntry),
) -> tempfile::TempDir {
    let copy = copy_of(&project.path("snapshots"));
    let store = copy.path();
    let mut version = Version::parse(&fs::read(store.join("version.json")).unwrap()).unwrap();
    let manifest = fs::read(store.join(Key::Manifest(version.manifest.hash).path())).unwrap();
    let mut manifest = Manifest::parse(&manifest).unwrap();
    let read = |key: &Key| fs::read_to_string(store.join(key.path())).unwrap();

    let key: TableKey = table.parse().unwrap();
    let before = read(&Key::Table(key.clone(), manifest.tables[&key].hash, None));
    let after = object(before.clone());
    let digest = put(
        store,
        |hash| Key::Table(key.clone(), hash, None),
        after.as_bytes(),
    );
    let edited = manifest.tables.get_mut(&key).unwrap();
    (edited.hash, edited.sha256, edited.size) = (digest.hash, digest.sha256, digest.size);
    entry(edited);
    edited.schema_fingerprint = TableEntry::fingerprint(&edited.columns, &edited.primary_key);

    let rows = |object: &str| object[object.find('[').unwrap()..object.len() - 1].to_owned();
    let bootstrap = read(&Key::Bootstrap(manifest.bootstrap.hash, None));
    let bootstrap = bootstrap.replacen(&rows(&before), &rows(&after), 1);
    let digest = put(
        store,
        |hash| Key::Bootstrap(hash, None),
        bootstrap.as_bytes(),
    );
    manifest.bootstrap = BootstrapEntry::from(digest);
    let hashes = manifest.tables.iter().map(|(key, entry)| (key, entry.hash));
    manifest.content_hash = content_hash(hashes);
    point_at(store, &mut version, &manifest);
    copy
}

fn copy_of(store: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in walk(store) {
        let to = copy.path().join(file.strip_prefix(store).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, to).unwrap();
    }
    copy
}

fn put(store: &Path, key: impl Fn(ObjectHash) -> Key, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    let key = key(digest.hash);
    fs::write(store.join(key.path()), bytes).unwrap();
    if digest.size >= MIN_VARIANT_SIZE && !matches!(key, Key::Manifest(_)) {
        for encoding in Encoding::ALL {
            let mut variant = Vec::new();
            compress(encoding, digest.size, &mut &bytes[..], &mut variant).unwrap();
            fs::write(
                store.join(key.with_encoding(Some(encoding)).path()),
                variant,
            )
            .unwrap();
        }
    }
    digest
}

fn point_at(store: &Path, version: &mut Version, manifest: &Manifest) {
    let digest = put(store, Key::Manifest, &manifest.to_bytes());
    version.manifest = ObjectRef {
        hash: digest.hash,
        size: digest.size,
    };
    version.bootstrap = ObjectRef {
        hash: manifest.bootstrap.hash,
        size: manifest.bootstrap.size,
    };
    let (epoch, sequence) = version.order();
    let page = Key::History { epoch, sequence };
    fs::write(store.join(page.path()), version.to_bytes()).unwrap();
    fs::write(store.join("version.json"), version.to_bytes()).unwrap();
}

// The faults without the hashes in their keys.
#[track_caller]
fn faults_of_forged(project: &Project, copy: &tempfile::TempDir) -> Vec<String> {
    let faults = faults_of(project, copy.path());
    let short = |fault: String| {
        let (key, what) = fault.split_once(".json: ").unwrap();
        let (folder, _) = key.rsplit_once('/').unwrap();
        format!("{folder}: {what}")
    };
    faults.into_iter().map(short).collect()
}

#[test]
fn what_no_hash_tells_is_found_in_the_rows() {
    let project = published();
    let check = |table: &str, edit: &dyn Fn(String) -> String, expected: &[&str]| {
        let copy = forged(&project, table, edit, |_| {});
        assert_eq!(faults_of_forged(&project, &copy), expected);
    };
    let swap_rows = |object: String| {
        let mut lines: Vec<&str> = object.split('\n').collect();
        lines.swap(1, 2);
        lines.join("\n")
    };
    check("grips", &|object| object, &[]);
    check(
        "grips",
        &swap_rows,
        &["fault: tables/grips: row 2: stands behind a row that it should precede"],
    );
    check(
        "small",
        &|object| object.replace("9", "8").replace("10", "08"),
        &["fault: tables/small: row 2: byte 42: a number does not start with a zero"],
    );
    // By their numbers, not by their digits.
    check(
        "small",
        &|object| object.replace("\"id\":9", "\"id\":1"),
        &[],
    );
    check(
        "small",
        &|object| object.replace("\"id\":9", "\"id\":11"),
        &["fault: tables/small: row 2: stands behind a row that it should precede"],
    );
    check(
        "small",
        &|object| object.replace("\"id\":9", "\"id\":10"),
        &["fault: tables/small: row 2: primary key 10 was there before"],
    );
    check(
        "small",
        &|object| object.replace("\"id\":9", "\"id\":9.0"),
        &["fault: tables/small: row 1: byte 17: not canonical: expected \"}\", found \".0}\""],
    );
    check(
        "small",
        &|object| object.replace("04.500000Z", "04.5Z"),
        &[
            "fault: tables/small: row 2: column \"at\" of type timestamp with time zone?: \
           expected a moment as 2026-02-24T13:12:04Z or 2026-02-24T13:12:04.500000Z, found \"2026-02-24T13:12:04.5Z\"",
        ],
    );
    check(
        "small",
        &|object| object.replace("\"at\":null,", ""),
        &["fault: tables/small: row 1: lacks the column \"at\""],
    );
    check(
        "grips",
        &|object| object.replacen("\"is_active\":true", "\"is_active\":false", 1),
        &[
            "fault: tables/grips: row 1: column \"is_active\" of type boolean: expected true, found false",
        ],
    );
    check(
        "grips",
        &|object| {
            let mut lines: Vec<&str> = object.split('\n').collect();
            lines.remove(2);
            lines.join("\n")
        },
        &["fault: tables/grips: number of rows: expected 30, found 29"],
    );
    // What is no row ends the reading, in both places.
    let space = |object: String| object.replacen("\n{", "\n {", 1);
    let faults = faults_of_forged(&project, &forged(&project, "grips", space, |_| {}));
    let faults: Vec<String> = faults.iter().map(|fault| without_numbers(fault)).collect();
    assert_eq!(
        faults,
        [
            "fault: bootstrap: byte N: expected a row on a line of its own",
            "fault: tables/grips: byte N: expected a row on a line of its own",
        ]
    );
}

#[test]
fn a_value_that_is_too_deep_for_readers_is_found() {
    let project = published();
    let faults = |depth: usize| {
        let deep = format!("\"at\":{}{}", "[".repeat(depth), "]".repeat(depth));
        let edit = |object: String| object.replace("\"at\":null", &deep);
        let copy = forged(&project, "small", edit, |entry| {
            entry.columns.insert("at".to_owned(), "jsonb?".to_owned());
        });
        faults_of_forged(&project, &copy)
    };
    assert_eq!(faults(100), [""; 0]);
    let told = faults(101);
    let what = "fault: tables/small: row 1: column \"at\" of type jsonb?: expected JSON of at most 100 levels";
    assert!(told[0].starts_with(what), "{told:?}");
}

#[test]
fn what_the_manifest_says_of_a_table_must_be_true() {
    let project = published();
    let check = |entry: &dyn Fn(&mut TableEntry), expected: &[&str]| {
        let copy = forged(&project, "small", |object| object, entry);
        assert_eq!(faults_of_forged(&project, &copy), expected);
    };
    check(&|_| {}, &[]);
    check(
        &|entry| entry.rows = 3,
        &["fault: tables/small: number of rows: expected 3, found 2"],
    );
    let small = project.manifest()["tables"]["small"]["sha256"].to_string();
    let nothing = Digest::of(b"").sha256;
    let small = small.trim_matches('"');
    check(
        &|entry| entry.sha256 = nothing,
        &[&format!(
            "fault: tables/small: SHA-256: expected {nothing}, found {small}"
        )],
    );
    check(
        &|entry| entry.in_bootstrap = false,
        &["fault: bootstrap: holds the table small, which the manifest leaves out"],
    );
    check(
        &|entry| {
            entry.columns.insert("id".to_owned(), "text".to_owned());
        },
        &[
            "fault: tables/small: row 1: column \"id\" of type text: expected a string, found 9",
            "fault: tables/small: row 2: column \"id\" of type text: expected a string, found 10",
        ],
    );
    check(
        &|entry| {
            entry
                .columns
                .insert("source_type".to_owned(), "text".to_owned());
        },
        &[
            "fault: manifests: small: source_type is published",
            "fault: tables/small: row 1: lacks the column \"source_type\"",
            "fault: tables/small: row 2: lacks the column \"source_type\"",
        ],
    );
    check(
        &|entry| entry.primary_key = vec!["no".to_owned()],
        &["fault: manifests: small: primaryKey names \"no\", which is no column"],
    );
    check(
        &|entry| entry.version_seq = 1000,
        &["fault: manifests: small: versionSeq: expected at most 3, found 1000"],
    );
}
