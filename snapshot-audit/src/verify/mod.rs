//! Verifying: whether a snapshot is what the format says, down to the last byte.
//!
//! ```text
//! version.json ──▶ page of history
//!      └─▶ manifest ──▶ tables ──▶ their variants
//!               └─────▶ bootstrap ──▶ its variants      rows = the tables' rows
//! ```
//!
//! It looks at what a reader can reach, from a folder or over HTTP, and names everything
//! that is wrong in one run: the key, what, what was expected and what is there. An
//! object is read once, in pieces, on every core at once, so tables of any size pass
//! through little memory; what grows with a table is 16 bytes for each row of one that
//! has a `sort_order`, to find a primary key that is there twice.
//!
//! Nothing vouches for what a page of history that is not the current one says of the
//! publication alone: `publishedAt` and `rollback`. Everything else that is kept is bound
//! to a hash or said twice.

mod bootstrap;
mod finding;
mod headers;
mod history;
mod manifest;
mod object;
mod row;
mod site;
mod special;
mod strays;
mod version;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use indicatif::ProgressBar;
use serde::Serialize;
use snapshot_format::{
    Digest, Encoding, Key, MAX_OBJECT_SIZE, MIN_VARIANT_SIZE, Manifest, ObjectHash, SchemaVersion,
    TableEntry, TableKey, Version,
};
use snapshot_store::{FetchError, Origin};

use self::finding::{Finder, Findings};
pub use self::finding::{Finding, Severity};
use self::object::RowsDigest;

/// What was looked at, and what was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The folder or URL.
    pub origin: String,
    /// The current version; `None` where there is none that can be read.
    pub version: Option<Version>,
    /// What was looked at.
    pub checked: Counts,
    /// What is not as the format says, in order of key.
    pub faults: Vec<Finding>,
    /// What works and costs: caches that keep too little, pages that may not read.
    pub warnings: Vec<Finding>,
    /// What is none of the format's concern, such as files that no version names.
    pub notes: Vec<Finding>,
}

/// How much was looked at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Versions, the current one included.
    pub versions: usize,
    /// Manifests, table objects and bootstrap objects.
    pub objects: usize,
    /// Their variants.
    pub variants: usize,
    /// Rows of table objects.
    pub rows: u64,
    /// Bytes of objects, uncompressed, without those of variants.
    pub bytes: u64,
}

/// The same as [`verify_within`] by what clients take unless they are told otherwise.
///
/// # Errors
/// As [`verify_within`].
pub fn verify(origin: &Origin, all: bool, bar: &ProgressBar) -> Result<Report, FetchError> {
    verify_within(origin, all, MAX_OBJECT_SIZE, bar)
}

/// Looks at the current version or, with `all`, also at every page of history and, in a
/// folder, at what else lies there.
///
/// Blocks: it reads, unpacks and hashes on threads of its own. `bar` is moved by bytes.
///
/// # Errors
/// Where the place cannot be read at all. What is wrong with what can be read is in the
/// report; so is an object of more than `max_object_bytes`, which clients refuse.
pub fn verify_within(
    origin: &Origin,
    all: bool,
    max_object_bytes: u64,
    bar: &ProgressBar,
) -> Result<Report, FetchError> {
    let (findings, counts) = (Findings::default(), Mutex::default());
    let judge = Judge {
        origin,
        findings: findings.part(0),
        all_findings: &findings,
        counts: &counts,
        max_object_bytes,
        bar,
    };
    let current = judge.current()?;
    if let Origin::Directory(directory) = origin {
        judge.special(directory)?;
    }
    let mut versions: Vec<Version> = current.iter().cloned().collect();
    if all {
        versions.extend(judge.history(current.as_ref())?);
    }
    judge.count(|counts| counts.versions = versions.len());
    let manifests = judge.manifests(&versions);
    judge.objects(&manifests, current.as_ref());
    if let Origin::Site(site) = origin {
        judge.what_is_missing(site, &manifests);
        judge.what_is_refused(site, &manifests);
    }
    if let (true, Origin::Directory(directory)) = (all, origin) {
        judge.strays(directory, &versions, &manifests)?;
    }
    let checked = *counts.lock().unwrap_or_else(PoisonError::into_inner);
    let [faults, warnings, notes] = findings.into_sorted();
    Ok(Report {
        origin: origin.to_string(),
        version: current,
        checked,
        faults,
        warnings,
        notes,
    })
}

// One look at one origin. The files of this module each have a part of what it can judge.
struct Judge<'o> {
    origin: &'o Origin,
    findings: Finder<'o>,
    all_findings: &'o Findings,
    counts: &'o Mutex<Counts>,
    max_object_bytes: u64,
    bar: &'o ProgressBar,
}

// By hash: several versions may name one.
type Manifests = BTreeMap<ObjectHash, Manifest>;

// One piece of work, for whichever core is free.
enum Job<'m> {
    Table(&'m TableKey, &'m TableEntry, SchemaVersion),
    Bootstrap(&'m Manifest),
    Variant(Key, Encoding, Digest),
    // The object's own path, asked for as browsers do.
    Negotiated(Key, Digest),
}

type TableRows = HashMap<(TableKey, ObjectHash), RowsDigest>;

impl Judge<'_> {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn objects(&self, manifests: &Manifests, current: Option<&Version>) {
        let jobs = self.jobs(manifests, current.map(|version| version.manifest.hash));
        let sizes = jobs.iter().map(Job::size_bytes);
        self.bar.set_length(sizes.sum::<u64>().max(1));
        let tables: Mutex<TableRows> = Mutex::default();
        let bootstraps: Mutex<BTreeMap<ObjectHash, bootstrap::Tables>> = Mutex::default();
        self.in_parallel(&jobs, |judge, job| match job {
            Job::Table(table, entry, schema) => {
                if let Some(rows) = judge.table(table, entry, *schema) {
                    let mut tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
                    tables.insert(((*table).clone(), entry.hash), rows);
                }
            }
            Job::Bootstrap(manifest) => {
                if let Some(tables) = judge.bootstrap(manifest) {
                    let mut bootstraps = bootstraps.lock().unwrap_or_else(PoisonError::into_inner);
                    bootstraps.insert(ObjectHash::of(&manifest.to_bytes()), tables);
                }
            }
            Job::Variant(key, encoding, digest) => judge.variant(key, *encoding, digest),
            Job::Negotiated(key, digest) => judge.negotiated(key, digest),
        });
        let tables = tables.into_inner().unwrap_or_else(PoisonError::into_inner);
        let bootstraps = bootstraps.into_inner();
        let last = self.for_part(jobs.len() + 1);
        for (hash, found) in bootstraps.unwrap_or_else(PoisonError::into_inner) {
            if let Some(manifest) = manifests.get(&hash) {
                last.same_rows(manifest, &found, &tables);
            }
        }
    }

    fn for_part(&self, part: usize) -> Self {
        Self {
            findings: self.all_findings.part(part),
            ..*self
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
            let negotiates = matches!(self.origin, Origin::Site(_)) && is_current;
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
        match self.origin {
            Origin::Directory(_) => cores,
            Origin::Site(_) => cores.max(8),
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
