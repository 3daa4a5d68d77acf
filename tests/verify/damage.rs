//! Damage of every kind to the files as they lie there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use indicatif::ProgressBar;
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use snapshot_audit::verify::verify;
use snapshot_format::{Digest, Encoding, Key, Version};
use snapshot_store::{Directory, Origin, Reader};

use super::{faults_of, published, walk};
use crate::support::{Project, tracked};

#[derive(Debug, Clone)]
enum Damage {
    FlipBit(Index, u8),
    Cut(Index),
    Append(Vec<u8>),
    Remove,
    // Bytes of another file of the store.
    Replace(Index),
    Swap(Index),
    // A line moved to another place.
    Reorder(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::FlipBit(at, bit)),
        2 => any::<Index>().prop_map(Damage::Cut),
        2 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Damage::Append),
        1 => Just(Damage::Remove),
        2 => any::<Index>().prop_map(Damage::Replace),
        2 => any::<Index>().prop_map(Damage::Swap),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Reorder(from, to)),
    ]
}

impl Damage {
    // What the file holds then, and what the other one that is touched holds.
    fn applied(&self, bytes: &[u8], files: &[PathBuf]) -> (Option<Vec<u8>>, Option<PathBuf>) {
        let mut damaged = bytes.to_owned();
        match self {
            Self::FlipBit(at, bit) => damaged[at.index(bytes.len())] ^= 1 << bit,
            Self::Cut(at) => damaged.truncate(at.index(bytes.len())),
            Self::Append(more) => damaged.extend(more),
            Self::Remove => return (None, None),
            Self::Replace(other) => damaged = fs::read(other.get(files)).unwrap(),
            Self::Swap(other) => {
                let other = other.get(files);
                return (Some(fs::read(other).unwrap()), Some(other.clone()));
            }
            Self::Reorder(from, to) => {
                let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
                let line = lines.remove(from.index(lines.len()));
                lines.insert(to.index(lines.len() + 1), line);
                damaged = lines.concat();
            }
        }
        (Some(damaged), None)
    }
}

fn put_back(path: &Path, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
}

#[test]
fn no_damage_to_a_file_that_can_be_reached_passes() {
    let project = published();
    let store = project.path("snapshots");
    let origin = Origin::named(store.to_str().unwrap()).unwrap();
    let faults = || {
        verify(&origin, true, &ProgressBar::hidden())
            .unwrap()
            .faults
    };
    let files: Vec<PathBuf> = walk(&store)
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(".json"))
        .collect();
    assert_eq!(faults(), []);
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    // Small files are as many as large ones: each is as likely.
    let case = (any::<Index>(), damage());
    let outcome = runner.run(&case, |(file, damage)| {
        let path = file.get(&files);
        let bytes = fs::read(path).unwrap();
        let (damaged, other) = damage.applied(&bytes, &files);
        prop_assume!(damaged.as_ref() != Some(&bytes));
        let held = other.as_ref().map(|other| fs::read(other).unwrap());
        put_back(path, damaged.as_deref());
        if let Some(other) = &other {
            put_back(other, Some(&bytes));
        }
        let found = faults();
        let excused = found.is_empty()
            && [Some(path), other.as_ref()]
                .into_iter()
                .flatten()
                .all(|path| is_still_true(&store, path));
        put_back(path, Some(&bytes));
        if let (Some(other), Some(held)) = (&other, &held) {
            put_back(other, Some(held));
        }
        prop_assert!(!found.is_empty() || excused, "{} passed", path.display());
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(faults(), [], "the store was put back");
}

// What the format does not bind: a variant that still unpacks to its object (a bit of
// gzip's header that says nothing), by the judgement of a program that is not ours; the
// moment that an older page gives for its publication; and that there is an oldest page.
fn is_still_true(store: &Path, path: &Path) -> bool {
    let key = path.strip_prefix(store).unwrap().to_str().unwrap();
    let key = Key::parse(key).unwrap();
    match (&key, key.encoding()) {
        (_, Some(encoding)) => {
            let program = match encoding {
                Encoding::Zstd => "zstd",
                Encoding::Brotli => "brotli",
                Encoding::Gzip => "gzip",
            };
            let unpacked = Command::new(program)
                .arg("-dc")
                .stdin(fs::File::open(path).unwrap())
                .stderr(Stdio::null())
                .output()
                .unwrap();
            let object = fs::read(store.join(key.with_encoding(None).path())).unwrap();
            unpacked.stdout == object
        }
        (Key::History { epoch, sequence }, _) => {
            let Ok(bytes) = fs::read(path) else {
                // As prune removes it: the oldest, so that no page stands before a gap.
                let orders = Directory::new(store).orders().unwrap().unwrap();
                return orders.iter().all(|order| *order > (*epoch, *sequence));
            };
            let page = Version::parse(&bytes).unwrap();
            let current = Version::parse(&fs::read(store.join("version.json")).unwrap()).unwrap();
            page.order() < current.order()
        }
        _ => false,
    }
}

#[test]
fn each_kind_of_damage_is_named() {
    let project = published();
    let store = project.path("snapshots");
    let manifest = project.manifest();
    let path = |table: &str| {
        let hash = manifest["tables"][table]["hash"].as_str().unwrap();
        format!("tables/{table}/{hash}.json")
    };
    let (grips, motions) = (path("grips"), path("motions"));
    let current = project.version();
    let manifest_path = format!(
        "manifests/{}.json",
        current["manifest"]["hash"].as_str().unwrap()
    );
    let check = |files: &[&str], damage: &dyn Fn(&mut Vec<Vec<u8>>), expected: &[String]| {
        let held: Vec<Vec<u8>> = files
            .iter()
            .map(|f| fs::read(store.join(f)).unwrap())
            .collect();
        let mut bytes = held.clone();
        damage(&mut bytes);
        for (file, bytes) in files.iter().zip(&bytes) {
            if bytes.is_empty() {
                fs::remove_file(store.join(file)).unwrap()
            } else {
                fs::write(store.join(file), bytes).unwrap()
            }
        }
        let found = faults_of(&project, &store);
        for (file, bytes) in files.iter().zip(&held) {
            fs::write(store.join(file), bytes).unwrap();
        }
        assert_eq!(found, expected);
    };
    let size = fs::read(store.join(&grips)).unwrap().len();
    let hash = |bytes: &[u8]| Digest::of(bytes).hash;
    let named = &grips["tables/grips/".len()..][..64];

    // A bit flipped.
    let mut flipped = fs::read(store.join(&grips)).unwrap();
    let at = flipped.windows(4).position(|w| w == b"true").unwrap();
    flipped[at + 2] ^= 0x20;
    check(
        &[&grips],
        &|files| files[0].clone_from(&flipped),
        &[
            format!(
                "fault: {grips}: BLAKE3: expected {named}, found {}",
                hash(&flipped)
            ),
            format!(
                "fault: {grips}: row 1: byte {}: expected a value, found 't'",
                at - flipped.iter().position(|b| *b == b'\n').unwrap() - 1
            ),
        ],
    );
    // A byte cut.
    let cut = |files: &mut Vec<Vec<u8>>| {
        files[0].pop();
    };
    let mut shorter = fs::read(store.join(&grips)).unwrap();
    shorter.pop();
    check(
        &[&grips],
        &cut,
        &[
            format!(
                "fault: {grips}: number of bytes: expected {size}, found {}",
                size - 1
            ),
            format!(
                "fault: {grips}: BLAKE3: expected {named}, found {}",
                hash(&shorter)
            ),
            format!("fault: {grips}: byte {}: expected \"}}\"", size - 1),
        ],
    );
    // A byte more.
    check(
        &[&grips],
        &|files| files[0].push(b' '),
        &[
            format!(
                "fault: {grips}: number of bytes: expected {size}, found {}",
                size + 1
            ),
            format!("fault: {grips}: byte {size}: expected the end of the object"),
        ],
    );
    // A file removed.
    let missing = |path: &str| format!("fault: {path}: is missing, though a manifest names it");
    check(&[&grips], &|files| files[0].clear(), &[missing(&grips)]);
    let variant = format!("{grips}.br");
    check(
        &[&variant],
        &|files| files[0].clear(),
        &[format!(
            "fault: {variant}: is missing, though its object has {size} bytes"
        )],
    );
    // Two variants swapped.
    let other = format!("{grips}.gz");
    check(
        &[&variant, &other],
        &|files| files.swap(0, 1),
        &[
            format!("fault: {variant}: does not unpack to its object: is no Brotli stream"),
            format!("fault: {other}: does not unpack to its object: invalid gzip header"),
        ],
    );
    // The variants of two objects swapped.
    let other = format!("{motions}.zst");
    let variant = format!("{grips}.zst");
    let motions_size = fs::read(store.join(&motions)).unwrap().len();
    let motions_hash = &motions["tables/motions/".len()..][..64];
    check(
        &[&variant, &other],
        &|files| files.swap(0, 1),
        &[
            format!(
                "fault: {variant}: does not unpack to its object: unpacks to more than {size} bytes"
            ),
            format!(
                "fault: {other}: unpacks to other bytes than its object's: expected {motions_size} bytes, BLAKE3 {motions_hash}, \
                 found {size} bytes, BLAKE3 {named}"
            ),
        ],
    );
    // The manifest of another store.
    let another = Project::new(&["CREATE TABLE t (id int PRIMARY KEY);", &tracked(&["t"])]);
    another.run(&["migrate", "--quiet"]).succeeded();
    another.run(&["publish", "--quiet"]).succeeded();
    let foreign = another.manifest().to_string().into_bytes();
    let own = fs::read(store.join(&manifest_path)).unwrap().len();
    check(
        &[&manifest_path],
        &|files| files[0].clone_from(&foreign),
        &[
            format!(
                "fault: {manifest_path}: number of bytes: expected {own}, found {}",
                foreign.len()
            ),
            format!(
                "fault: {manifest_path}: BLAKE3: expected {}, found {}",
                current["manifest"]["hash"].as_str().unwrap(),
                hash(&foreign)
            ),
        ],
    );
    // The pointer of another store.
    let pointer = fs::read(another.path("snapshots/version.json")).unwrap();
    let foreign = another.version();
    let epoch = foreign["epoch"].as_u64().unwrap();
    let wanted = foreign["manifest"]["hash"].as_str().unwrap();
    let ahead = current["epoch"].as_u64().unwrap() > epoch;
    assert!(!ahead, "the other store was made later");
    check(
        &["version.json"],
        &|files| files[0].clone_from(&pointer),
        &[
            format!(
                "fault: manifests/{wanted}.json: is missing, though version {epoch}-1 names it"
            ),
            format!(
                "fault: versions/{epoch}-1.json: is missing, though version.json is that version"
            ),
        ],
    );
    // A page of history lost.
    let own_epoch = current["epoch"].as_u64().unwrap();
    let page = format!("versions/{own_epoch}-2.json");
    check(
        &[&page],
        &|files| files[0].clear(),
        &[format!(
            "fault: {page}: is missing between versions {own_epoch}-1 and {own_epoch}-3"
        )],
    );
    assert_eq!(faults_of(&project, &store), [""; 0]);
}

#[test]
fn what_lies_beside_a_snapshot_is_noted_and_no_fault() {
    let project = published();
    let store = project.path("snapshots");
    let (epoch, sequence) = {
        let version = project.version();
        (
            version["epoch"].as_u64().unwrap(),
            version["sequence"].as_u64().unwrap(),
        )
    };
    let orphan = format!("tables/grips/{}.json", Digest::of(b"nobody's").hash);
    fs::write(store.join(&orphan), "nobody's").unwrap();
    fs::write(store.join("notes.txt"), "by hand").unwrap();
    fs::write(store.join(".DS_Store"), "").unwrap();
    fs::write(store.join("README.md"), "").unwrap();
    // As a publisher leaves it that is killed before its swap.
    let mut ahead = Version::parse(&fs::read(store.join("version.json")).unwrap()).unwrap();
    ahead.sequence += 1;
    let page = format!("versions/{epoch}-{}.json", sequence + 1);
    fs::write(store.join(&page), ahead.to_bytes()).unwrap();
    let report = project.json(&["verify", "--all"]);
    let notes: Vec<String> = report["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| {
            format!(
                "{}: {}",
                note["key"].as_str().unwrap(),
                note["what"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        notes,
        [
            "notes.txt: has no place in a snapshot".to_owned(),
            format!("{orphan}: no version that is retained names it; `publisher prune` removes it"),
            format!(
                "{page}: is ahead of version.json: a publisher was interrupted, and the next one goes on from there"
            ),
        ]
    );
    // Two are more than a publisher leaves.
    ahead.sequence += 1;
    let page = format!("versions/{epoch}-{}.json", sequence + 2);
    fs::write(store.join(&page), ahead.to_bytes()).unwrap();
    assert_eq!(
        faults_of(&project, &store),
        [format!(
            "fault: {page}: is newer than version.json, which was put back by something else than a publisher"
        )]
    );
}
