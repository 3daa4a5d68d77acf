//! A state that was read, as the bytes that are published.

use snapshot_format::{Digest, DigestWriter, Key, Manifest, TableKey};
use snapshot_store::spool::Spool;

use crate::guard::Provenance;

/// A database state as the bytes that are published.
#[derive(Debug)]
pub struct Rendered {
    /// Every object that the manifest names: the tables and the bootstrap.
    pub objects: Vec<RenderedObject>,
    /// The manifest.
    pub manifest: Manifest,
    /// Where it was read.
    pub provenance: Provenance,
}

/// One object, named by the digest of its own bytes.
#[derive(Debug)]
pub struct RenderedObject {
    pub(super) key: Key,
    pub(super) digest: Digest,
    pub(super) bytes: Spool,
}

impl RenderedObject {
    /// A table object, all of whose bytes went through `written`.
    pub fn table(table: TableKey, written: DigestWriter<Spool>) -> Self {
        let (bytes, digest) = written.finish();
        let key = Key::Table(table, digest.hash, None);
        Self { key, digest, bytes }
    }

    /// The bootstrap object, all of whose bytes went through `written`.
    pub fn bootstrap(written: DigestWriter<Spool>) -> Self {
        let (bytes, digest) = written.finish();
        let key = Key::Bootstrap(digest.hash, None);
        Self { key, digest, bytes }
    }

    /// Where it goes.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What the manifest says of it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Spool {
        &self.bytes
    }
}

/// Whether the objects are those that the manifest names, and no others.
pub(super) fn names_all(manifest: &Manifest, objects: &[RenderedObject]) -> bool {
    let holds = |key: Key, size: u64| {
        let mut same = objects.iter().filter(|object| object.key == key);
        same.next().is_some_and(|object| object.digest.size == size)
    };
    objects.len() == manifest.tables.len() + 1
        && manifest
            .objects()
            .all(|(key, digest)| holds(key, digest.size))
}
