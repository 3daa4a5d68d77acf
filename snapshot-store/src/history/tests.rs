//! Names of versions, and histories with something wrong in them.

use std::fs;
use std::time::Duration;

use snapshot_format::{
    FORMAT_VERSION, Key, ObjectHash, ObjectRef, ReferenceVersion, SchemaVersion, Version,
};

use super::*;
use crate::{DirectoryStore, FetchError, MemoryStore, Store};

// A publication, with the reference version for its content.
fn version(epoch: u64, sequence: u64, reference: u64) -> Version {
    let content = ObjectRef {
        hash: ObjectHash::of(&reference.to_be_bytes()),
        size: 1,
    };
    Version {
        format_version: FORMAT_VERSION,
        epoch,
        sequence,
        schema_version: SchemaVersion { major: 1, minor: 0 },
        reference_version: ReferenceVersion(reference),
        lineage: None,
        generated_at: String::new(),
        published_at: String::new(),
        manifest: content,
        bootstrap: content,
        rollback: None,
    }
}

// Sequences 2, 3, 4, 6 of one store and 1, 6 of the one that came after it; 4 is a
// rollback to 2.
fn versions() -> Vec<Version> {
    let of = |(epoch, sequence, reference)| version(epoch, sequence, reference);
    [
        (9, 6, 61),
        (9, 1, 60),
        (7, 6, 24),
        (7, 4, 21),
        (7, 3, 22),
        (7, 2, 21),
    ]
    .map(of)
    .into()
}

#[track_caller]
fn check(name: &str, expected: Result<(u64, u64), &str>) {
    let versions = versions();
    let found = resolve(&versions, name).map(Version::order);
    assert_eq!(
        found.map_err(|error| error.to_string()),
        expected.map_err(str::to_owned)
    );
}

#[test]
fn a_version_has_four_names() {
    check("7-3", Ok((7, 3)));
    check("3", Ok((7, 3)));
    check("seq:22", Ok((7, 3)));
    let hash = version(7, 3, 22).manifest.hash.to_string();
    check(&hash, Ok((7, 3)));
    let digits = hash
        .find(|c: char| c.is_ascii_lowercase())
        .expect("a letter")
        + 1;
    check(&hash[..digits.max(8)], Ok((7, 3)));
}

#[test]
fn of_several_with_one_content_the_newest_is_meant() {
    check("seq:21", Ok((7, 4)));
}

#[test]
fn what_may_be_several_is_refused_with_their_names() {
    check("6", Err("\"6\" may be any of 7-6, 9-6"));
}

#[test]
fn what_is_unknown_is_refused_with_what_there_is() {
    let there = "there are 7-2 to 7-4, 7-6, 9-1, 9-6";
    for name in ["7-7", "8-1", "7", "seq:1", "abcdef"] {
        check(
            name,
            Err(&format!("no version {name:?} is retained; {there}")),
        );
    }
    check("7-1", Err(&format!("version 7-1 was pruned; {there}")));
    check("7-5", Err(&format!("version 7-5 was pruned; {there}")));
    check("5", Err(&format!("version 7-5 was pruned; {there}")));
    check(
        "7-0",
        Err(&format!("no version \"7-0\" is retained; {there}")),
    );
    let none = resolve(&[], "7-1").expect_err("empty").to_string();
    assert_eq!(none, "no version \"7-1\" is retained; the history is empty");
    let one = [version(7, 9, 1)];
    let one = resolve(&one, "8").expect_err("pruned").to_string();
    assert_eq!(one, "version 7-8 was pruned; there is 7-9");
}

#[test]
fn other_texts_are_no_names() {
    for name in [
        "", "-", "7-", "-3", "+3", "7-3-1", "seq:", "seq:x", "abc", "ABCDEF", "latest", "é",
    ] {
        check(name, Err(&format!("{name:?} is no way to name a version")));
    }
}

#[test]
fn digits_alone_are_a_sequence_and_never_a_hash() {
    let hash = |n: u64| version(7, 1, n).manifest.hash.to_string();
    let digits = |n: &u64| hash(*n)[..4].bytes().all(|b| b.is_ascii_digit());
    let reference = (0..).find(digits).expect("one in six");
    let versions = [version(7, 1, reference)];
    resolve(&versions, &hash(reference)[..4]).expect_err("a sequence that is not there");
}

#[tokio::test]
async fn a_folder_is_read_with_what_is_wrong_in_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let wait = Duration::from_secs(60);
    let store = DirectoryStore::open(root, wait, |_| {}).await;
    let store = store.expect("opened");
    let empty = History::read(&store).expect("nothing is there");
    assert!(empty.versions.is_empty());
    fs::create_dir(root.join("versions")).expect("made");
    for of in versions() {
        let path = root.join(format!("versions/{}.json", name(of.order())));
        fs::write(path, of.to_bytes()).expect("written");
    }
    fs::write(root.join("version.json"), version(9, 6, 61).to_bytes()).expect("written");
    fs::write(root.join("versions/7-1.json"), "{").expect("written");
    fs::write(root.join("versions/7-8.json"), version(7, 9, 1).to_bytes()).expect("written");
    fs::write(root.join("versions/README"), "").expect("written");
    let history = History::read(&store).expect("listed");
    assert_eq!(history.current, Some(version(9, 6, 61)));
    assert_eq!(history.versions, versions());
    let wrong: Vec<String> = history.unreadable.iter().map(ToString::to_string).collect();
    assert_eq!(
        wrong,
        [
            "versions/7-1.json: not the JSON of a version: EOF while parsing an object at line 1 column 1; another program wrote it; remove that file and publish again: the last version comes back from versions/",
            "versions/7-8.json: holds another publication than its name says",
        ]
    );
}

#[tokio::test]
async fn a_current_version_without_a_page_is_of_the_history_and_no_page() {
    let store = MemoryStore::new();
    store.swap(&version(9, 2, 7).to_bytes()).await.expect("put");
    let history = History::read(&store).expect("read");
    assert_eq!(history.versions, []);
    assert_eq!(history.all(), [version(9, 2, 7)]);
    assert_eq!(
        history.current().expect("a version"),
        Some(&version(9, 2, 7))
    );
}

#[tokio::test]
async fn a_pointer_that_is_no_version_is_an_error_for_whoever_wants_the_current_one() {
    let store = MemoryStore::new();
    store.swap(b"{").await.expect("put");
    let history = History::read(&store).expect("read").fetched();
    let history = history.expect("it was fetched");
    let error = history.current().expect_err("no version");
    assert!(matches!(error, FetchError::Version { .. }), "{error}");
    assert_eq!(history.unreadable.len(), 1);
    // One that is too long does not even come.
    store.swap(&[b' '; 2000]).await.expect("put");
    let history = History::read(&store).expect("read");
    assert_eq!(history.unreadable[0].key, Key::Version);
    let error = history.fetched().expect_err("too long");
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_no_version() {
    let history = History::read(&MemoryStore::new()).expect("read");
    assert_eq!(history.current().expect("told"), None);
    assert_eq!(history.all(), []);
    assert!(history.unreadable.is_empty());
}
