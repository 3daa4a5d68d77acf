use super::super::in_memory::{InMemory, rules, version};
use super::super::refresh::refresh;
use super::objects::piece_key;
use super::*;
use crate::error::ErrorCode;

/// A process on a cache.
#[derive(Default)]
struct Process {
    memory: Memory,
}

const ANY: LoadRules = LoadRules {
    schema_majors: Vec::new(),
    current: None,
};

fn load_rules(current: Option<&str>) -> LoadRules {
    LoadRules {
        schema_majors: vec![1],
        current: current.map(|name| version(name).order()),
    }
}

impl Process {
    /// Fetches the kit's version of this name, whatever is current.
    fn fetch(&mut self, io: &mut InMemory, name: &str) -> Generation {
        io.publish(name);
        let mut rules = rules(None);
        rules.schema_majors = vec![1, 2];
        let fetched = refresh(io, &mut self.memory, &rules).expect("served");
        fetched.expect("nothing was current")
    }

    /// Fetches and commits it; what was asked of the storage.
    fn commit(&mut self, io: &mut InMemory, name: &str) -> Vec<String> {
        let generation = self.fetch(io, name);
        io.asked();
        commit(io, &mut self.memory, &generation).expect("memory");
        io.asked()
    }

    /// Loads; the version, and how many faults were reported.
    fn load(&mut self, io: &mut InMemory, rules: &LoadRules) -> (Option<Version>, usize) {
        let mut reports = Vec::new();
        let loaded = load(io, &mut self.memory, rules, &mut reports).expect("memory");
        let is_ours = |error: &Error| error.code() == ErrorCode::CacheCorrupt;
        assert!(reports.iter().all(is_ours), "{reports:?}");
        (loaded.map(|loaded| loaded.version), reports.len())
    }
}

/// A cache in which these versions were committed, one after the other.
fn cache_of(names: &[&str]) -> InMemory {
    let mut io = InMemory::default();
    let mut process = Process::default();
    for name in names {
        process.commit(&mut io, name);
    }
    io
}

fn objects_of(name: &str) -> Vec<ObjectHash> {
    Process::default()
        .fetch(&mut InMemory::default(), name)
        .objects()
}

fn damage(io: &mut InMemory, hash: ObjectHash) {
    let value = io.values.get_mut(&piece_key(hash, 0)).expect("cached");
    value.truncate(value.len() - 1);
}

fn head_of(io: &InMemory) -> HeadText {
    parse_head(io.values.get(HEAD).map(Vec::as_slice))
}

#[test]
fn objects_are_written_behind_the_index_that_names_them_and_before_the_head() {
    let mut io = InMemory::default();
    let asked = Process::default().commit(&mut io, "one");
    let mut expected = vec![
        "read head".to_owned(),
        "read index".to_owned(),
        "write index".to_owned(),
    ];
    expected.extend(
        objects_of("one")
            .iter()
            .map(|hash| format!("write {hash}.0")),
    );
    expected.extend(["read head", "write head", "write index"].map(str::to_owned));
    assert_eq!(asked, expected);
    assert_eq!(head_of(&io).order(), Some(version("one").order()));
}

#[test]
fn a_cache_has_two_generations_and_nothing_else() {
    let io = cache_of(&["one", "two", "every", "added"]);
    let mut hashes = objects_of("every");
    hashes.extend(objects_of("added"));
    let mut expected: Vec<_> = hashes.iter().map(|hash| piece_key(*hash, 0)).collect();
    expected.extend([HEAD.to_owned(), INDEX.to_owned()]);
    expected.sort();
    expected.dedup();
    assert!(io.values.keys().eq(&expected));
}

#[test]
fn what_a_killed_process_had_named_in_the_index_is_removed() {
    let mut io = InMemory::default();
    let left = ObjectHash::of(b"left");
    io.values
        .insert(INDEX.to_owned(), serde_json::to_vec(&[left]).expect("JSON"));
    io.values.insert(piece_key(left, 0), b"1\nleft".to_vec());
    Process::default().commit(&mut io, "one");
    assert!(!io.values.contains_key(&piece_key(left, 0)));
}

#[test]
fn the_previous_generation_is_loaded_where_the_current_one_is_damaged() {
    let mut io = cache_of(&["one", "two"]);
    damage(&mut io, version("two").manifest.hash);
    let mut process = Process::default();
    let loaded = process.load(&mut io, &load_rules(None));
    assert_eq!(loaded, (Some(version("one")), 1));
    assert_eq!(process.memory.mark, Some(version("two").order()));
}

#[test]
fn a_table_is_verified_when_it_is_read() {
    let mut io = cache_of(&["one"]);
    damage(&mut io, *objects_of("one").last().expect("tables"));
    let loaded = Process::default().load(&mut io, &load_rules(None));
    assert_eq!(loaded, (None, 1));
}

#[test]
fn what_is_loaded_is_verified_in_the_cache_too() {
    let mut io = cache_of(&["one"]);
    damage(&mut io, *objects_of("one").last().expect("tables"));
    let mut process = Process::default();
    process.fetch(&mut io, "one");
    let loaded = process.load(&mut io, &load_rules(None));
    assert_eq!(loaded, (Some(version("one")), 1));
}

#[test]
fn an_unchanged_head_is_all_that_is_read() {
    let mut io = cache_of(&["one"]);
    let mut process = Process::default();
    process.load(&mut io, &load_rules(None));
    io.asked();
    assert_eq!(process.load(&mut io, &load_rules(None)), (None, 0));
    assert_eq!(io.asked(), ["read head"]);
}

#[test]
fn only_a_version_newer_than_the_current_one_is_loaded() {
    let mut io = cache_of(&["one", "two"]);
    for (current, loaded) in [("one", Some("two")), ("two", None), ("three", None)] {
        io.asked();
        let found = Process::default().load(&mut io, &load_rules(Some(current)));
        assert_eq!(found, (loaded.map(version), 0), "{current}");
        assert_eq!(io.asked().len() == 1, loaded.is_none(), "{current}");
    }
}

#[test]
fn a_version_of_an_unknown_schema_is_passed_over_and_is_no_mark() {
    let mut io = cache_of(&["one", "major"]);
    let mut process = Process::default();
    assert_eq!(
        process.load(&mut io, &load_rules(None)),
        (Some(version("one")), 0)
    );
    assert_eq!(process.memory.mark, None);
    assert_eq!(Process::default().load(&mut io, &ANY), (None, 0));
}

#[test]
fn a_head_that_another_process_wrote_has_each_object_read_again() {
    let mut io = InMemory::default();
    let mut process = Process::default();
    process.commit(&mut io, "one");
    let mut other = Process::default();
    other.load(&mut io, &load_rules(None));
    other.commit(&mut io, "two");
    let muscles = super::super::in_memory::manifest("two").tables["muscles"].hash;
    damage(&mut io, muscles);
    let loaded = process.load(&mut io, &load_rules(Some("one")));
    assert_eq!(loaded, (Some(version("two")), 1));
}

#[test]
fn objects_that_another_process_removed_are_written_again() {
    let mut io = InMemory::default();
    let mut process = Process::default();
    process.commit(&mut io, "one");
    let mut other = Process::default();
    other.load(&mut io, &load_rules(None));
    for name in ["two", "three", "every"] {
        other.commit(&mut io, name);
    }
    // The rows of "one" once more.
    process.commit(&mut io, "rolled-back");
    let loaded = Process::default().load(&mut io, &load_rules(None));
    assert_eq!(loaded, (Some(version("rolled-back")), 0));
    let HeadText::Ours { previous, .. } = head_of(&io) else {
        panic!("a head was written");
    };
    assert_eq!(
        previous, None,
        "this process has seen no other whole generation"
    );
}

#[test]
fn nothing_is_written_over_what_is_as_new_newer_or_foreign() {
    let check = |io: &mut InMemory| {
        let before = io.values.clone();
        assert_eq!(Process::default().commit(io, "two"), ["read head"]);
        assert_eq!(io.values, before);
    };
    check(&mut cache_of(&["two"]));
    check(&mut cache_of(&["three"]));
    let mut io = InMemory::default();
    io.values
        .insert(HEAD.to_owned(), br#"{"cacheFormat":2}"#.to_vec());
    check(&mut io);
}

#[test]
fn a_head_that_another_process_writes_meanwhile_stays() {
    let other = cache_of(&["three"]).values.remove(HEAD).expect("a head");
    for at in ["read index", "write index"] {
        let mut io = InMemory {
            meanwhile: Some((at, HEAD.to_owned(), other.clone())),
            ..InMemory::default()
        };
        Process::default().commit(&mut io, "one");
        assert_eq!(io.values.get(HEAD), Some(&other), "{at}");
    }
}

#[test]
fn a_large_object_is_written_and_removed_from_its_last_piece_on() {
    let mut io = InMemory::default();
    let mut process = Process::default();
    let asked = process.commit(&mut io, "large");
    let large = super::super::in_memory::manifest("large").tables["large"].hash;
    let of_large = |asked: Vec<String>, verb: &str| -> Vec<String> {
        let start = format!("{verb} {large}.");
        let pieces = asked
            .iter()
            .filter_map(|action| action.strip_prefix(&start));
        pieces.map(str::to_owned).collect()
    };
    assert_eq!(of_large(asked, "write"), ["1", "0"]);
    assert_eq!(
        Process::default().load(&mut io, &load_rules(None)),
        (Some(version("large")), 0)
    );

    process.commit(&mut io, "minor");
    let asked = process.commit(&mut io, "rolled-back");
    assert_eq!(of_large(asked, "remove"), ["1", "0"]);
}

#[test]
fn a_first_piece_that_lies_about_its_number_costs_a_bounded_time() {
    let mut io = InMemory::default();
    let left = ObjectHash::of(b"left");
    io.values
        .insert(INDEX.to_owned(), serde_json::to_vec(&[left]).expect("JSON"));
    io.values
        .insert(piece_key(left, 0), b"100000\nleft".to_vec());
    let asked = Process::default().commit(&mut io, "one");
    assert_eq!(
        asked
            .iter()
            .filter(|action| action.starts_with("remove"))
            .count(),
        1024
    );
}

#[test]
fn a_head_that_cannot_be_read_is_reported_once() {
    let mut io = InMemory::default();
    let mut process = Process::default();
    io.values.insert(HEAD.to_owned(), b"?".to_vec());
    assert_eq!(process.load(&mut io, &load_rules(None)), (None, 1));
    assert_eq!(process.load(&mut io, &load_rules(None)), (None, 0));
}
