//! What is loaded, and what is known of the cache: the state that refresh and cache share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use snapshot_format::{Manifest, ObjectHash, Version};

/// `(epoch, sequence)`, what versions sort by.
pub(crate) type Order = (u64, u64);

/// One version whose objects are all loaded.
#[derive(Debug, Clone)]
pub(crate) struct Generation {
    pub(crate) version: Version,
    pub(crate) manifest: Arc<Manifest>,
}

/// The verified objects that a client has loaded, and what it knows of its cache.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Verified manifests and table objects, by hash.
    pub(crate) loaded: HashMap<ObjectHash, Arc<[u8]>>,
    /// The hashes of objects that are known to be stored and right.
    pub(crate) stored: HashSet<ObjectHash>,
    /// The head as it was last read or written.
    pub(crate) head: Head,
    /// The newest generation that was seen whole in the cache.
    pub(crate) whole: Option<Generation>,
    /// The highest order that was ever verified whole.
    pub(crate) mark: Option<Order>,
}

/// What is known of the key `head`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Head {
    /// Nobody has looked, or what was found was dropped.
    #[default]
    Unknown,
    /// It was looked at, and this was there; `None` where nothing was.
    Seen(Option<Vec<u8>>),
}

impl Generation {
    /// The manifest's and the table objects' hashes, each once.
    pub(crate) fn objects(&self) -> Vec<ObjectHash> {
        let tables = self.manifest.tables.values().map(|entry| entry.hash);
        let mut seen = HashSet::new();
        std::iter::once(self.version.manifest.hash)
            .chain(tables)
            .filter(|hash| seen.insert(*hash))
            .collect()
    }
}

impl Memory {
    /// Raises the mark to this order, or leaves it where it is higher.
    pub(crate) fn raise_mark(&mut self, order: Order) {
        self.mark = self.mark.max(Some(order));
    }

    /// Drops the objects of other generations: no snapshot and no refresh needs them.
    pub(crate) fn retain(&mut self, generation: &Generation) {
        let objects: HashSet<_> = generation.objects().into_iter().collect();
        self.loaded.retain(|hash, _| objects.contains(hash));
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_memory::{manifest, version};
    use super::*;

    #[test]
    fn the_mark_never_falls() {
        let mut memory = Memory::default();
        for order in [(1, 5), (1, 4), (0, 9)] {
            memory.raise_mark(order);
            assert_eq!(memory.mark, Some((1, 5)));
        }
        memory.raise_mark((2, 1));
        assert_eq!(memory.mark, Some((2, 1)));
    }

    #[test]
    fn objects_of_other_generations_are_dropped() {
        let generation = |name: &str| Generation {
            version: version(name),
            manifest: Arc::new(manifest(name)),
        };
        let (one, every) = (generation("one"), generation("every"));
        let mut memory = Memory::default();
        for hash in one.objects().into_iter().chain(every.objects()) {
            memory.loaded.insert(hash, Arc::default());
        }
        memory.retain(&every);
        let loaded: HashSet<_> = memory.loaded.into_keys().collect();
        assert_eq!(loaded, every.objects().into_iter().collect());
    }
}
