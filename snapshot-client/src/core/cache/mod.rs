//! The cache: `docs/client.md` section 8 has its keys, and why each write stands where it does.

mod head;
mod objects;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;
use snapshot_format::{ObjectHash, Version};

use super::io::Io;
use super::memory::{Generation, Head, Memory, Order};
use super::parse::parse_manifest;
use crate::error::Error;

use head::{CACHE_FORMAT, HeadText, Stored, checked, parse_head};
use objects::{corrupt, read_object, remove_object, write_object};

/// What the provider decides for the cache.
#[derive(Debug, Clone)]
pub(crate) struct LoadRules {
    /// The majors of `schemaVersion` that the app knows.
    pub(crate) schema_majors: Vec<u32>,
    /// The order of the current version; only a newer one is of use.
    pub(crate) current: Option<Order>,
}

const HEAD: &str = "head";
const INDEX: &str = "index";

/// Reads the head and, if it has changed since the last time, the newest whole generation that is
/// of use. What is damaged goes into `reports` and is passed over.
///
/// # Errors
/// If the head cannot be read.
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

/// Writes a generation whose objects are all loaded; the head that names it comes last.
///
/// # Errors
/// If the storage fails; the head then names what it named before, whole.
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

impl Head {
    fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Seen(text) => text.as_deref(),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
