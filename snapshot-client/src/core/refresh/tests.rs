use snapshot_format::{BootstrapHeader, BootstrapWriter, Digest, TableKey, TableReader};

use super::super::in_memory::{InMemory, kit, manifest, named, rules, version};
use super::*;
use crate::bundled::Bundled;
use snapshot_format::MAX_OBJECT_SIZE;

fn fetched(io: &mut InMemory, memory: &mut Memory, rules: &RefreshRules) -> Option<Generation> {
    refresh(io, memory, rules).expect("served")
}

#[track_caller]
fn refused(io: &mut InMemory, memory: &mut Memory, rules: &RefreshRules) -> ErrorCode {
    refresh(io, memory, rules).expect_err("refused").code()
}

/// A client whose current version is this, with all its objects loaded.
fn at(name: &str) -> (InMemory, Memory, RefreshRules) {
    let mut io = InMemory::serving(name);
    let mut memory = Memory::default();
    let generation = fetched(&mut io, &mut memory, &rules(None)).expect("the first");
    memory.raise_mark(generation.version.order());
    io.asked();
    (io, memory, rules(Some(version(name))))
}

fn path_of(name: &str, table: &str) -> String {
    let hash = manifest(name).tables[table].hash;
    format!("tables/{table}/{hash}.json")
}

fn manifest_path(name: &str) -> String {
    Key::Manifest(version(name).manifest.hash).path()
}

fn bootstrap_path(name: &str) -> String {
    Key::Bootstrap(version(name).bootstrap.hash, None).path()
}

#[test]
fn a_version_is_followed_to_its_manifest_and_only_to_objects_that_differ() {
    let mut io = InMemory::serving("one");
    let mut memory = Memory::default();
    let one = fetched(&mut io, &mut memory, &rules(None));
    assert_eq!(one.expect("the first").version, version("one"));
    let fetch = |path: String| format!("fetch {path}");
    let paths = [manifest_path("one"), bootstrap_path("one")].map(fetch);
    assert_eq!(io.asked()[1..], paths);

    io.publish("two");
    let two = fetched(&mut io, &mut memory, &rules(Some(version("one"))));
    assert!(two.is_some());
    let paths = [manifest_path("two"), path_of("two", "grips")].map(fetch);
    assert_eq!(io.asked()[1..], paths);

    let none = fetched(&mut io, &mut memory, &rules(Some(version("two"))));
    assert!(none.is_none(), "the newest is current");
    assert_eq!(io.asked(), ["fetch version.json"]);
}

#[test]
fn the_version_of_the_mark_is_accepted() {
    let (mut io, mut memory, rules) = at("one");
    memory.raise_mark(version("two").order());
    io.publish("two");
    assert!(fetched(&mut io, &mut memory, &rules).is_some());
}

#[test]
fn a_version_below_the_mark_is_asked_for_once_more_past_the_caches() {
    let (mut io, mut memory, rules) = at("two");
    io.publish("one");
    assert_eq!(
        refused(&mut io, &mut memory, &rules),
        ErrorCode::VersionRegressed
    );
    assert_eq!(io.asked(), ["fetch version.json", "again version.json"]);
}

#[test]
fn a_pointer_that_follows_an_old_one_is_checked_too() {
    let (mut io, mut memory, rules) = at("two");
    io.serve("version.json", vec![named("one"), named("major")]);
    assert_eq!(
        refused(&mut io, &mut memory, &rules),
        ErrorCode::SchemaUnsupported
    );
}

#[test]
fn a_pointer_that_follows_a_missing_object_is_checked_too() {
    let (mut io, mut memory, rules) = at("one");
    io.serve("version.json", vec![named("two"), named("major")]);
    io.serve(&path_of("two", "grips"), vec![Vec::new()]);
    assert_eq!(
        refused(&mut io, &mut memory, &rules),
        ErrorCode::SchemaUnsupported
    );
    assert_eq!(io.asked()[3], "again version.json");
}

#[test]
fn a_missing_object_of_the_newest_version_is_asked_for_once() {
    let (mut io, mut memory, rules) = at("one");
    io.publish("two");
    let grips = path_of("two", "grips");
    io.serve(&grips, vec![Vec::new()]);
    assert_eq!(
        refused(&mut io, &mut memory, &rules),
        ErrorCode::ObjectMissing
    );
    let asked = io.asked();
    assert_eq!(
        asked
            .iter()
            .filter(|action| action.ends_with(&grips))
            .count(),
        1
    );
    assert_eq!(asked.last().expect("asked"), "again version.json");
}

#[test]
fn a_newer_version_is_followed_when_an_object_is_missing() {
    let (mut io, mut memory, rules) = at("one");
    io.serve("version.json", vec![named("two"), named("every")]);
    io.serve(&path_of("two", "grips"), vec![Vec::new()]);
    let next = fetched(&mut io, &mut memory, &rules).expect("a newer one");
    assert_eq!(next.version, version("every"));
}

#[test]
fn the_current_version_with_another_manifest_is_a_conflict() {
    let (mut io, mut memory, rules) = at("two");
    io.publish("other-two");
    assert_eq!(
        refused(&mut io, &mut memory, &rules),
        ErrorCode::VersionConflict
    );
}

#[test]
fn an_unknown_schema_is_refused_before_anything_of_it_is_fetched() {
    let (mut io, mut memory, rules) = at("one");
    io.publish("major");
    let error = refresh(&mut io, &mut memory, &rules).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::SchemaUnsupported);
    assert_eq!(error.offered(), Some("2.0"));
    assert_eq!(io.asked(), ["fetch version.json"]);
}

#[test]
fn a_version_that_was_announced_is_asked_for_past_the_caches() {
    let (mut io, mut memory, mut rules) = at("one");
    rules.fresh = true;
    assert!(fetched(&mut io, &mut memory, &rules).is_none());
    assert_eq!(io.asked(), ["again version.json"]);
}

#[test]
fn a_version_without_a_required_table_is_refused() {
    let (mut io, mut memory, mut rules) = at("one");
    rules.required_tables = vec!["grips".to_owned(), "icons".to_owned()];
    io.publish("two");
    let error = refresh(&mut io, &mut memory, &rules).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::TableMissing);
    assert!(error.to_string().ends_with(" lacks icons"), "{error}");
}

#[test]
fn what_the_app_ships_is_not_fetched() {
    let mut io = InMemory::serving("two");
    let bootstrap = kit(&bootstrap_path("one"));
    let bundled = Bundled::from_bytes(&named("one"), &bootstrap).expect("published");
    let mut rules = rules(None);
    rules.bundled = Some(Arc::new(bundled));
    assert!(fetched(&mut io, &mut Memory::default(), &rules).is_some());
    assert_eq!(
        io.asked()[2..],
        [format!("fetch {}", path_of("two", "grips"))]
    );
}

#[test]
fn what_was_verified_is_not_fetched_again_after_a_failure() {
    let mut io = InMemory::serving("one");
    let mut memory = Memory::default();
    io.serve(&bootstrap_path("one"), vec![b"another object".to_vec()]);
    assert_eq!(
        refused(&mut io, &mut memory, &rules(None)),
        ErrorCode::HashMismatch
    );
    io.asked();
    refused(&mut io, &mut memory, &rules(None));
    let bootstrap = bootstrap_path("one");
    let expected = [
        "fetch version.json".to_owned(),
        format!("fetch {bootstrap}"),
        format!("again {bootstrap}"),
    ];
    assert_eq!(io.asked(), expected);
}

// Its own hash is right, so only the tables' hashes are left to notice it.
#[test]
fn rows_of_a_bootstrap_that_are_not_the_tables_are_fetched_apart() {
    let manifest = manifest("one");
    let header = BootstrapHeader {
        schema_version: manifest.schema_version,
        reference_version: manifest.reference_version,
        generated_at: manifest.generated_at.clone(),
    };
    let mut writer = BootstrapWriter::new(Vec::new(), &header).expect("memory");
    for key in manifest.tables.keys() {
        writer.table(key).expect("memory");
        let object = kit(&path_of("one", key.as_str()));
        let mut rows =
            TableReader::new(&object[..], manifest.schema_version, key).expect("a table");
        let grips: TableKey = "grips".parse().expect("a key");
        let mut skip = *key == grips;
        while let Some(row) = rows.next_row().expect("a row") {
            if !std::mem::take(&mut skip) {
                writer.row(row).expect("memory");
            }
        }
    }
    let bootstrap = writer.finish().expect("memory");
    let mut pointer = version("one");
    let Digest { hash, size, .. } = Digest::of(&bootstrap);
    (pointer.bootstrap.hash, pointer.bootstrap.size) = (hash, size);
    let mut io = InMemory::default();
    io.serve("version.json", vec![pointer.to_bytes()]);
    io.serve(&Key::Bootstrap(hash, None).path(), vec![bootstrap]);
    let mut memory = Memory::default();
    let one = fetched(&mut io, &mut memory, &rules(None)).expect("the first");
    assert_eq!(
        io.asked()[3..],
        [format!("fetch {}", path_of("one", "grips"))]
    );
    for hash in one.objects() {
        assert_eq!(ObjectHash::of(&memory.loaded[&hash]), hash);
    }
}

#[test]
fn an_object_may_have_32_mib_or_what_the_app_says_and_no_byte_more() {
    let check = |most: u64, size: u64, asked: usize| {
        let mut manifest = manifest("one");
        manifest.tables.retain(|key, _| key.as_str() == "grips");
        for entry in manifest.tables.values_mut() {
            (entry.size, entry.in_bootstrap) = (size, false);
        }
        let mut rules = rules(None);
        rules.max_object_bytes = most;
        let mut io = InMemory::default();
        let memory = &mut Memory::default();
        let error = fetch_tables(&mut io, memory, &rules, &version("one"), &manifest);
        error.expect_err("neither is the object");
        assert_eq!(io.asked().len(), asked, "{size}");
    };
    assert_eq!(MAX_OBJECT_SIZE, 33_554_432);
    assert_eq!(rules(None).max_object_bytes, MAX_OBJECT_SIZE);
    check(MAX_OBJECT_SIZE, MAX_OBJECT_SIZE, 2);
    check(MAX_OBJECT_SIZE, MAX_OBJECT_SIZE + 1, 0);
    // An app may take more, or less.
    check(MAX_OBJECT_SIZE + 1, MAX_OBJECT_SIZE + 1, 2);
    check(MAX_OBJECT_SIZE + 1, MAX_OBJECT_SIZE + 2, 0);
    check(100, 100, 2);
    check(100, 101, 0);
}
