//! The objects: each read once, on every core at once, the longest first.

use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use snapshot_format::{
    Digest, Encoding, Key, MIN_VARIANT_SIZE, Manifest, ObjectHash, SchemaVersion, TableEntry,
    TableKey, Version,
};

use super::bootstrap;
use super::judge::{Judge, Manifests};
use super::object::TableRows;

// One piece of work, for whichever core is free.
enum Job<'m> {
    Table(&'m TableKey, &'m TableEntry, SchemaVersion),
    Bootstrap(&'m Manifest),
    Variant(Key, Encoding, Digest),
    // The object's own path, asked for as browsers do.
    Negotiated(Key, Digest),
}

impl Judge<'_> {
    pub(super) fn objects(&self, manifests: &Manifests, current: Option<&Version>) {
        let jobs = self.jobs(manifests, current.map(|version| version.manifest.hash));
        let sizes = jobs.iter().map(Job::size_bytes);
        self.bar.set_length(sizes.sum::<u64>().max(1));
        let tables: Mutex<TableRows> = Mutex::default();
        let bootstraps: Mutex<BTreeMap<ObjectHash, bootstrap::Tables>> = Mutex::default();
        self.in_parallel(&jobs, |judge, job| match job {
            Job::Table(table, entry, schema) => {
                if let Some(rows) = judge.table(table, entry, *schema) {
                    let mut tables = tables.lock();
                    tables.insert(((*table).clone(), entry.hash), rows);
                }
            }
            Job::Bootstrap(manifest) => {
                if let Some(tables) = judge.bootstrap(manifest) {
                    let mut bootstraps = bootstraps.lock();
                    bootstraps.insert(ObjectHash::of(&manifest.to_bytes()), tables);
                }
            }
            Job::Variant(key, encoding, digest) => judge.variant(key, *encoding, digest),
            Job::Negotiated(key, digest) => judge.negotiated(key, digest),
        });
        let tables = tables.into_inner();
        let bootstraps = bootstraps.into_inner();
        let last = self.for_part(jobs.len() + 1);
        for (hash, found) in bootstraps {
            if let Some(manifest) = manifests.get(&hash) {
                last.same_rows(manifest, &found, &tables);
            }
        }
    }

    // What several manifests say alike is looked at once.
    fn jobs<'m>(&self, manifests: &'m Manifests, current: Option<ObjectHash>) -> Vec<Job<'m>> {
        let mut jobs = Vec::new();
        let mut seen = HashSet::new();
        let mut objects: BTreeMap<String, (Key, Digest, bool)> = BTreeMap::new();
        for (hash, manifest) in manifests {
            let is_current = Some(*hash) == current;
            for (key, digest) in manifest.objects() {
                let entry = objects.entry(key.path()).or_insert((key, digest, false));
                entry.2 |= is_current;
            }
            jobs.push(Job::Bootstrap(manifest));
            for (table, entry) in &manifest.tables {
                // The number of a state and the bootstrap are no matter of the object.
                let TableEntry {
                    columns,
                    primary_key,
                    ..
                } = entry;
                let promise = (
                    table,
                    entry.hash,
                    entry.sha256.to_string(),
                    entry.size,
                    entry.rows,
                );
                if seen.insert((
                    promise,
                    columns,
                    primary_key,
                    manifest.schema_version.to_string(),
                )) {
                    jobs.push(Job::Table(table, entry, manifest.schema_version));
                }
            }
        }
        for (key, digest, is_current) in objects.into_values() {
            let encodings = Encoding::ALL.into_iter();
            jobs.extend(encodings.map(|encoding| Job::Variant(key.clone(), encoding, digest)));
            let negotiates = self.origin.site().is_some() && is_current;
            if negotiates && digest.size >= MIN_VARIANT_SIZE {
                jobs.push(Job::Negotiated(key, digest));
            }
        }
        // The longest first, so that no core has one before it when the others are done.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.size_bytes()));
        jobs
    }

    fn in_parallel(&self, jobs: &[Job<'_>], work: impl Fn(&Self, &Job<'_>) + Sync) {
        let next = AtomicUsize::new(0);
        let worker = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(index) else { break };
                work(&self.for_part(index + 1), job);
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.threads().min(jobs.len()) {
                scope.spawn(worker);
            }
        });
    }

    // Over a network most of the time is waiting.
    fn threads(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        if self.origin.site().is_some() {
            cores.max(8)
        } else {
            cores
        }
    }
}

impl Job<'_> {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Table(_, entry, _) => entry.size,
            Self::Bootstrap(manifest) => manifest.bootstrap.size,
            Self::Variant(_, _, digest) | Self::Negotiated(_, digest) => digest.size,
        }
    }
}
