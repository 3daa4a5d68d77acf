//! The cache: `docs/client.md` section 8 has its keys, and why each write stands where it does.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshot_format::{FORMAT_VERSION, ObjectHash, Version};

use super::io::Io;
use super::memory::{Generation, Head, Memory, Order};
use super::refresh::parse_manifest;
use crate::{Error, ErrorCode};

/// What the provider decides for the cache.
#[derive(Debug, Clone)]
pub(crate) struct LoadRules {
    /// The majors of `schemaVersion` that the app knows.
    pub(crate) schema_majors: Vec<u32>,
    /// The order of the current version; only a newer one is of use.
    pub(crate) current: Option<Order>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    cache_format: u64,
    current: &'a Version,
    previous: Option<&'a Version>,
}

#[derive(Debug)]
enum HeadText {
    None,
    // Of another release of the client, which may run beside this one.
    Foreign,
    Broken,
    Ours {
        current: Box<Version>,
        previous: Option<Box<Version>>,
    },
}

const CACHE_FORMAT: u64 = 1;
// Values have at most this many bytes and so at most as many UTF-16 units, which is what the
// smallest storage of an app can read back. The rest of 2^18 is for the line in front.
const PIECE_BYTES: usize = (1 << 18) - 16;
const CHECK: &[u8] = br#","check":""#;
const HEAD: &str = "head";
const INDEX: &str = "index";

/// Reads the head and, where it is another than last time, the newest whole generation that is
/// of use. What is damaged goes into `reports`, and is no reason to stop.
pub(crate) fn load(
    io: &mut dyn Io,
    memory: &mut Memory,
    rules: &LoadRules,
    reports: &mut Vec<Error>,
) -> Result<Option<Generation>, Error> {
    let text = io.read(HEAD)?;
    let seen = Head::Seen(text);
    if seen == memory.head {
        return Ok(None);
    }
    memory.head = seen;
    memory.stored.clear();
    memory.whole = None;
    let (current, previous) = match parse_head(memory.head.text()) {
        HeadText::None | HeadText::Foreign => return Ok(None),
        HeadText::Broken => {
            reports.push(corrupt("the cache has no head that can be read"));
            return Ok(None);
        }
        HeadText::Ours { current, previous } => (current, previous),
    };
    let knows = |version: &Version| rules.schema_majors.contains(&version.schema_version.major);
    if knows(&current) {
        memory.raise_mark(current.order());
    }
    for version in std::iter::once(current).chain(previous) {
        if !knows(&version) {
            continue;
        }
        if rules
            .current
            .is_some_and(|current| version.order() <= current)
        {
            return Ok(None);
        }
        if let Some(generation) = load_generation(io, memory, *version, reports) {
            memory.whole = Some(generation.clone());
            return Ok(Some(generation));
        }
    }
    Ok(None)
}

/// Writes a generation whose objects are all loaded, and the head that names it last.
pub(crate) fn commit(io: &mut dyn Io, memory: &mut Memory, next: &Generation) -> Result<(), Error> {
    let head = io.read(HEAD)?;
    let parsed = parse_head(head.as_deref());
    let known = parsed.order();
    let next_order = next.version.order();
    if memory.head.text() != head.as_deref() {
        // Another process was here, and may have removed objects.
        memory.stored.clear();
        memory.whole = None;
        if known == Some(next_order) {
            return Ok(());
        }
    }
    if matches!(parsed, HeadText::Foreign) || known.is_some_and(|known| known > next_order) {
        return Ok(());
    }

    let objects = next.objects();
    let mut needed: HashSet<ObjectHash> = objects.iter().copied().collect();
    needed.extend(memory.whole.iter().flat_map(Generation::objects));
    // Before anything is written that may have to be removed: whenever we are killed, the next
    // commit finds it.
    let mut index = read_index(io)?;
    index.extend(&objects);
    io.write(INDEX, index_text(&index))?;
    for hash in objects {
        if !memory.stored.contains(&hash) {
            write_object(io, memory, hash)?;
        }
    }

    if io.read(HEAD)? != head {
        return Ok(());
    }
    let stored = Stored {
        cache_format: CACHE_FORMAT,
        current: &next.version,
        previous: memory.whole.as_ref().map(|whole| &whole.version),
    };
    let text = checked(serde_json::to_vec(&stored).expect("every head is JSON"));
    io.write(HEAD, text.clone())?;
    memory.head = Head::Seen(Some(text));
    memory.whole = Some(next.clone());

    for hash in index.iter().filter(|hash| !needed.contains(*hash)) {
        remove_object(io, memory, *hash)?;
    }
    io.write(INDEX, index_text(&needed))
}

fn load_generation(
    io: &mut dyn Io,
    memory: &mut Memory,
    version: Version,
    reports: &mut Vec<Error>,
) -> Option<Generation> {
    let hash = version.manifest.hash;
    let bytes = read_object(io, memory, hash, "manifest", reports)?;
    let manifest = match parse_manifest(hash, &bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            reports.push(error);
            return None;
        }
    };
    let mut whole = true;
    // All of them, whatever is wrong with one: what is right need not be fetched again.
    for (key, entry) in &manifest.tables {
        let what = format!("table {key}");
        whole &= read_object(io, memory, entry.hash, &what, reports).is_some();
    }
    let manifest = Arc::new(manifest);
    whole.then_some(Generation { version, manifest })
}

fn read_object(
    io: &mut dyn Io,
    memory: &mut Memory,
    hash: ObjectHash,
    what: &str,
    reports: &mut Vec<Error>,
) -> Option<Arc<[u8]>> {
    let loaded = memory.loaded.get(&hash).cloned();
    if loaded.is_some() && memory.stored.contains(&hash) {
        return loaded;
    }
    match read_pieces(io, hash) {
        Ok(Some(bytes)) if ObjectHash::of(&bytes) == hash => {
            let bytes: Arc<[u8]> = bytes.into();
            memory.loaded.insert(hash, Arc::clone(&bytes));
            memory.stored.insert(hash);
            return Some(bytes);
        }
        Ok(_) => {}
        Err(error) => reports.push(error),
    }
    let message = format!("the cached {what} ({hash}) is missing or damaged");
    reports.push(corrupt(&message));
    loaded
}

fn read_pieces(io: &mut dyn Io, hash: ObjectHash) -> Result<Option<Vec<u8>>, Error> {
    let Some(first) = io.read(&piece_key(hash, 0))? else {
        return Ok(None);
    };
    let Some((pieces, text)) = split_first(&first) else {
        return Ok(None);
    };
    let mut bytes = text.to_vec();
    for piece in 1..pieces {
        // Also the end of a number of pieces that is not one of ours.
        let Some(more) = io.read(&piece_key(hash, piece))? else {
            return Ok(None);
        };
        bytes.extend_from_slice(&more);
    }
    Ok(Some(bytes))
}

// The number of pieces and the text behind its line.
fn split_first(first: &[u8]) -> Option<(usize, &[u8])> {
    let end = first.iter().position(|byte| *byte == b'\n')?;
    let pieces = std::str::from_utf8(&first[..end]).ok()?.parse().ok()?;
    Some((pieces, &first[end + 1..]))
}

fn write_object(io: &mut dyn Io, memory: &mut Memory, hash: ObjectHash) -> Result<(), Error> {
    let object = Arc::clone(&memory.loaded[&hash]);
    let pieces = cut(&object);
    // The first piece last: it says how many there are, so whoever finds it finds all.
    for (number, piece) in pieces.iter().enumerate().rev() {
        let value = match number {
            0 => [format!("{}\n", pieces.len()).as_bytes(), *piece].concat(),
            _ => piece.to_vec(),
        };
        io.write(&piece_key(hash, number), value)?;
    }
    memory.stored.insert(hash);
    Ok(())
}

// Between characters: a reader in another language takes each piece for a text.
fn cut(object: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = object;
    while rest.len() > PIECE_BYTES {
        let inside = |at: &usize| rest[*at] & 0xC0 == 0x80;
        let at = (1..=PIECE_BYTES)
            .rev()
            .find(|at| !inside(at))
            .unwrap_or(PIECE_BYTES);
        let (piece, more) = rest.split_at(at);
        pieces.push(piece);
        rest = more;
    }
    pieces.push(rest);
    pieces
}

fn remove_object(io: &mut dyn Io, memory: &mut Memory, hash: ObjectHash) -> Result<(), Error> {
    let first = io.read(&piece_key(hash, 0))?;
    let pieces = first
        .as_deref()
        .and_then(split_first)
        .map_or(1, |(pieces, _)| pieces);
    for piece in (0..pieces.clamp(1, 1024)).rev() {
        io.remove(&piece_key(hash, piece))?;
    }
    memory.stored.remove(&hash);
    Ok(())
}

fn read_index(io: &mut dyn Io) -> Result<HashSet<ObjectHash>, Error> {
    let text = io.read(INDEX)?.unwrap_or_default();
    let names: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
    // Its names become keys, so they must be ours.
    let hashes = names.iter().filter_map(|name| name.as_str()?.parse().ok());
    Ok(hashes.collect())
}

fn index_text(hashes: &HashSet<ObjectHash>) -> Vec<u8> {
    let mut hashes: Vec<_> = hashes.iter().collect();
    hashes.sort();
    serde_json::to_vec(&hashes).expect("hashes are JSON strings")
}

fn piece_key(hash: ObjectHash, piece: usize) -> String {
    format!("{hash}.{piece}")
}

// No hash names a head, and a digit of it that a disk has changed would be believed: a sequence
// too high would refuse every version to come.
fn checked(mut text: Vec<u8>) -> Vec<u8> {
    text.pop();
    let check = check_of(&text);
    text.extend_from_slice(CHECK);
    text.extend_from_slice(check.as_bytes());
    text.extend_from_slice(b"\"}");
    text
}

// A head without a check is one of another client.
fn is_damaged(text: &[u8]) -> bool {
    let Some(at) = text.windows(CHECK.len()).rposition(|part| part == CHECK) else {
        return false;
    };
    let check = text[at + CHECK.len()..].strip_suffix(b"\"}");
    check != Some(check_of(&text[..at]).as_bytes())
}

fn check_of(text: &[u8]) -> String {
    ObjectHash::of(text).to_string()[..16].to_owned()
}

fn parse_head(text: Option<&[u8]>) -> HeadText {
    let Some(text) = text else {
        return HeadText::None;
    };
    if is_damaged(text) {
        return HeadText::Broken;
    }
    let Ok(Value::Object(mut head)) = serde_json::from_slice(text) else {
        return HeadText::Broken;
    };
    match head.get("cacheFormat").map(Value::as_u64) {
        Some(Some(CACHE_FORMAT)) => {}
        Some(_) if head["cacheFormat"].is_number() => return HeadText::Foreign,
        _ => return HeadText::Broken,
    }
    let mut version = |field: &str| {
        let version = Version::deserialize(head.remove(field)?).ok()?;
        (version.format_version == FORMAT_VERSION).then(|| Box::new(version))
    };
    match version("current") {
        Some(current) => HeadText::Ours {
            current,
            previous: version("previous"),
        },
        None => HeadText::Broken,
    }
}

impl HeadText {
    fn order(&self) -> Option<Order> {
        match self {
            Self::Ours { current, .. } => Some(current.order()),
            _ => None,
        }
    }
}

impl Head {
    fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Seen(text) => text.as_deref(),
            Self::Unknown => None,
        }
    }
}

fn corrupt(message: &str) -> Error {
    Error::new(ErrorCode::CacheCorrupt, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::in_memory::{InMemory, rules, version};
    use super::super::refresh::refresh;
    use super::*;

    #[test]
    fn objects_are_written_behind_the_index_that_names_them_and_before_the_head() {
        let mut io = InMemory::serving("one");
        let mut memory = Memory::default();
        let one = refresh(&mut io, &mut memory, &rules(None)).expect("served");
        io.asked();
        let one = one.expect("the first");
        commit(&mut io, &mut memory, &one).expect("memory");
        let mut expected = vec![
            "read head".to_owned(),
            "read index".to_owned(),
            "write index".to_owned(),
        ];
        expected.extend(one.objects().iter().map(|hash| format!("write {hash}.0")));
        expected.extend(["read head", "write head", "write index"].map(str::to_owned));
        assert_eq!(io.asked(), expected);
        let head = parse_head(io.values.get(HEAD).map(Vec::as_slice));
        assert_eq!(head.order(), Some(version("one").order()));
    }

    const VERSION: &str = r#"{"formatVersion":1,"epoch":7,"sequence":12,"schemaVersion":"1.0","referenceVersion":"seq:3","generatedAt":"2026-02-24T13:12:04Z","publishedAt":"2026-02-24T13:12:04Z","manifest":{"hash":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262","size":1},"bootstrap":{"hash":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262","size":1}}"#;

    #[test]
    fn no_bit_of_a_head_changes_the_order_that_it_gives() {
        let text =
            format!(r#"{{"cacheFormat":1,"current":{VERSION},"previous":null}}"#).into_bytes();
        assert_eq!(
            parse_head(Some(&text)).order(),
            Some((7, 12)),
            "another client's"
        );
        let text = checked(text);
        assert_eq!(parse_head(Some(&text)).order(), Some((7, 12)));
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let order = parse_head(Some(&damaged)).order();
            assert!(order.is_none_or(|order| order == (7, 12)), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn a_head_of_any_bytes_is_read_or_refused(bytes: Vec<u8>) {
            let _ = parse_head(Some(&bytes));
            let _ = split_first(&bytes);
        }

        #[test]
        fn pieces_are_texts_and_together_the_object(text in "[aé€😀]{0,40}", times in 1..3000_usize) {
            let object = text.repeat(times);
            let pieces = cut(object.as_bytes());
            prop_assert_eq!(pieces.concat(), object.as_bytes());
            for piece in pieces {
                prop_assert!(piece.len() <= PIECE_BYTES);
                prop_assert!(std::str::from_utf8(piece).is_ok());
            }
        }
    }
}
