//! Makes a snapshot public: objects, then the manifest, then the history, then the
//! version. Each is durable before the next one names it.
//!
//! The invariants that are kept here, by their numbers in `ARCHITECTURE.md`:
//!
//! 1. An object's name is the hash of its canonical bytes; an object is never changed.
//!    [`RenderedObject`] has no name but the one its own digest gives it, and a store
//!    only creates.
//! 2. A manifest is put only after every object it names, durably; the version only
//!    after its manifest. At every instant, whatever is killed, `version.json` resolves
//!    completely: [`Store::sync`] stands between each of the steps.
//! 5. The version is the only key that is overwritten: [`Store::swap`] is called here
//!    and nowhere else, also for a rollback.
//! 6. Publishing unchanged data writes nothing and leaves `version.json` untouched.
//!
//! A publication is decided once its page of the history is durable. A publisher that
//! is killed between that and the swap leaves a page ahead of the pointer; the next one
//! completes that publication before it begins its own. So no page is ever overwritten,
//! the sequence has neither gap nor repeat, and a lost `version.json` comes back.

mod baseline;
mod changes;
mod clock;
mod error;
mod last;
pub(crate) mod limits;
mod missing;
mod outcome;
pub(crate) mod read_back;
mod variants;
mod workers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use snapshot_format::{
    Digest, DigestWriter, FORMAT_VERSION, Key, MAX_NUMBER, MAX_OBJECT_SIZE, Manifest, ObjectHash,
    ObjectRef, ReferenceVersion, TableEntry, TableKey, Version,
};
use snapshot_store::{Store, spool::Spool};

use self::baseline::{Baseline, baseline};
use self::changes::changes;
pub use self::clock::Clock;
use self::clock::Evidence;
pub use self::error::PublishError;
pub(crate) use self::last::{Last, complete};
pub use self::outcome::{Event, Published, Timings};
pub use self::read_back::Fault;
use self::read_back::read_manifest;
use crate::guard::{Before, Guards, Judged, Provenance};

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
    key: Key,
    digest: Digest,
    bytes: Spool,
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

/// How a state is to be published.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Becomes the version's `publishedAt`, and the store's epoch where this is its first
    /// publication.
    pub clock: Clock,
    /// The most bytes that its readers take of one object.
    pub max_object_bytes: u64,
    /// Whether to publish over a rollback that holds publishing back.
    pub force: bool,
    /// What the publication may do to what is public; `None` for everything.
    pub guards: Option<Guards>,
}

impl Terms {
    /// Without force, and without guards.
    pub fn at(now: Timestamp) -> Self {
        Self {
            clock: Clock::at(now),
            max_object_bytes: MAX_OBJECT_SIZE,
            force: false,
            guards: None,
        }
    }
}

/// Makes a rendered state public in `store`.
///
/// # Errors
/// Where the store cannot take it or holds what this program did not write. Whatever
/// was put so far stays and is not put again by the next run. With nothing put:
/// [`PublishError::Held`] where the last publication is a rollback,
/// [`PublishError::Refused`] where a guard stops this one.
pub async fn publish(
    rendered: Rendered,
    store: &impl Store,
    terms: Terms,
    progress: impl Fn(Event) + Send + Sync + 'static,
) -> Result<Published, PublishError> {
    let last = complete(store).await?;
    publish_after(last, rendered, store, terms, progress).await
}

/// The same with what [`complete`] has found.
pub(crate) async fn publish_after(
    mut last: Last,
    rendered: Rendered,
    store: &impl Store,
    terms: Terms,
    progress: impl Fn(Event) + Send + Sync + 'static,
) -> Result<Published, PublishError> {
    let next = match judge(&mut last, &rendered, store, &terms).await? {
        Judgement::Same(version) if last.completed => {
            return Ok(Published::Completed { version: *version });
        }
        Judgement::Same(version) => return Ok(Published::Unchanged { version: *version }),
        Judgement::Next(next) => next,
    };
    let Next {
        version,
        manifest,
        notes,
    } = *next;
    debug_assert!(
        names_all(&rendered.manifest, &rendered.objects),
        "the objects are the manifest's"
    );
    let objects = put_objects(store, rendered.objects, Arc::new(progress)).await?;
    let start = Instant::now();
    check_objects(store, &rendered.manifest).await?;
    put_manifest(store, &version, manifest).await?;
    announce(store, &version).await?;
    Ok(Published::Changed {
        version,
        notes,
        objects_written: objects.written,
        objects_reused: objects.reused,
        bytes: objects.bytes,
        timings: Timings {
            swap: start.elapsed(),
            ..objects.timings
        },
    })
}

/// What a state's publication would be.
pub(crate) enum Judgement {
    /// None: this version holds the same.
    Same(Box<Version>),
    /// A new version.
    Next(Box<Next>),
}

/// A version that may be published, and its manifest's bytes.
pub(crate) struct Next {
    version: Version,
    manifest: Vec<u8>,
    // What the guards allow and only just so.
    notes: Vec<String>,
}

/// Judges a state by what is public. Reads, and writes nothing.
///
/// # Errors
/// Whatever stands in the way of its publication but for the store's own failures.
pub(crate) async fn judge(
    last: &mut Last,
    rendered: &Rendered,
    store: &impl Store,
    terms: &Terms,
) -> Result<Judgement, PublishError> {
    let manifest = rendered.manifest.to_bytes();
    let named = ObjectRef {
        hash: ObjectHash::of(&manifest),
        size: manifest.len() as u64,
    };
    if let Some(last) = &last.version
        && last.manifest == named
    {
        limits::check_public(last, &rendered.manifest, terms.max_object_bytes)?;
        return Ok(Judgement::Same(Box::new(last.clone())));
    }
    let public = match &last.version {
        Some(last) => Some(read_manifest(store, last).await),
        None => None,
    };
    if let (Some(last), Some(Ok(public))) = (&last.version, &public)
        && has_same_content(public, &rendered.manifest)
    {
        limits::check_public(last, public, terms.max_object_bytes)?;
        return Ok(Judgement::Same(Box::new(last.clone())));
    }
    last.check_hold(terms.force, Some(rendered.manifest.reference_version))?;
    terms.clock.check(&Evidence {
        ahead: rendered.provenance.ahead,
        // Of a store that has its epoch, the last version tells more.
        generated_at: last
            .version
            .is_none()
            .then_some(&rendered.manifest.generated_at),
        last: last.version.as_ref(),
        is_alone: false,
    })?;
    let mut reasons = limits::reasons(&rendered.manifest, manifest.len(), terms.max_object_bytes);
    let mut notes = Vec::new();
    if let Some(guards) = &terms.guards {
        let judged = judge_by_guards(store, last, public, rendered, guards).await?;
        reasons.extend(judged.reasons);
        notes = judged.notes;
    }
    if !reasons.is_empty() {
        return Err(PublishError::Refused(reasons));
    }
    let version = next_version(last.version.as_ref(), rendered, named, &terms.clock)?;
    Ok(Judgement::Next(Box::new(Next {
        version,
        manifest,
        notes,
    })))
}

// Whether readers would find another row, column or settings. The database's numbers may
// differ: a row that was changed and changed back is no news.
fn has_same_content(public: &Manifest, next: &Manifest) -> bool {
    let seen = |manifest: &Manifest| Manifest {
        reference_version: ReferenceVersion(0),
        generated_at: String::new(),
        bootstrap: Digest::of(b"").into(),
        tables: manifest
            .tables
            .iter()
            .map(|(table, entry)| {
                let entry = TableEntry {
                    version_seq: 0,
                    ..entry.clone()
                };
                (table.clone(), entry)
            })
            .collect(),
        ..manifest.clone()
    };
    public.content_hash == next.content_hash && seen(public) == seen(next)
}

async fn judge_by_guards(
    store: &impl Store,
    last: &mut Last,
    public: Option<Result<Manifest, Fault>>,
    rendered: &Rendered,
    guards: &Guards,
) -> Result<Judged, PublishError> {
    let next = &rendered.manifest;
    let (Some(version), Some(public)) = (&last.version, public) else {
        return Ok(guards.judge(None, next, &BTreeMap::new()));
    };
    let public = public.map_err(PublishError::PublicDamaged)?;
    let rows = changes(store, &public, rendered, &mut last.counted).await;
    let rows = rows.map_err(PublishError::PublicDamaged)?;
    let found = baseline(store, version, rendered)?;
    let older;
    let before = match found {
        None => None,
        Some(found) if found.order() == version.order() => Some(Before {
            version,
            manifest: Some(&public),
            rows: &rows,
            is_public: true,
        }),
        Some(found) => {
            older = Baseline::read(store, found, rendered, &mut last.counted).await;
            Some(older.as_before())
        }
    };
    let mut judged = guards.judge(Some(&public), next, &rows);
    let age = guards.judge_age(before, (&rendered.provenance, next));
    judged.reasons.splice(0..0, age);
    Ok(judged)
}

// What is about to be named is read as a reader would, also what lay there before: a disk
// may have lost it since.
async fn check_objects(store: &impl Store, manifest: &Manifest) -> Result<(), PublishError> {
    let faults = read_back::read_back_objects(store, manifest).await;
    if faults.is_empty() {
        Ok(())
    } else {
        Err(PublishError::Damaged(faults))
    }
}

/// Makes `version` the newest: its page, which decides the publication, then the
/// pointer. Everything that it leads to is there and durable.
pub(crate) async fn announce(store: &impl Store, version: &Version) -> Result<(), PublishError> {
    put_page(store, version).await?;
    Ok(store.swap(&version.to_bytes()).await?)
}

// What became of the objects.
struct PutObjects {
    written: usize,
    reused: usize,
    bytes: u64,
    timings: Timings,
}

async fn put_objects(
    store: &impl Store,
    objects: Vec<RenderedObject>,
    progress: Arc<dyn Fn(Event) + Send + Sync>,
) -> Result<PutObjects, PublishError> {
    let start = Instant::now();
    let total = objects.len();
    let missing = missing::missing(store, objects).await?;
    let written = missing.len();
    let files = variants::make(missing, store.staging(), Arc::clone(&progress)).await?;
    let made = Instant::now();
    let bytes = put_all(store, files, &*progress).await?;
    store.sync().await?;
    Ok(PutObjects {
        written,
        reused: total - written,
        bytes,
        timings: Timings {
            variants: made - start,
            put: made.elapsed(),
            swap: Duration::ZERO,
        },
    })
}

async fn put_manifest(
    store: &impl Store,
    version: &Version,
    bytes: Vec<u8>,
) -> Result<(), PublishError> {
    let content = Spool::holding(store.staging(), bytes);
    store
        .put(&Key::Manifest(version.manifest.hash), content)
        .await?;
    Ok(store.sync().await?)
}

async fn put_page(store: &impl Store, version: &Version) -> Result<(), PublishError> {
    let (epoch, sequence) = version.order();
    let content = Spool::holding(store.staging(), version.to_bytes());
    store
        .put(&Key::History { epoch, sequence }, content)
        .await?;
    Ok(store.sync().await?)
}

// Enough to hide the wait for a disk or a network, few enough to keep their files open.
const CONCURRENT_REQUESTS: usize = 16;

async fn put_all(
    store: &impl Store,
    files: Vec<(Key, Spool)>,
    progress: &(dyn Fn(Event) + Send + Sync),
) -> Result<u64, PublishError> {
    let total = files.len();
    let bytes = files.iter().map(|(_, content)| content.len()).sum();
    let mut puts = stream::iter(files)
        .map(|(key, content)| put_one(store, key, content))
        .buffer_unordered(CONCURRENT_REQUESTS);
    let mut done = 0;
    while let Some(()) = puts.try_next().await? {
        done += 1;
        progress(Event::Putting { done, total });
    }
    Ok(bytes)
}

async fn put_one(store: &impl Store, key: Key, content: Spool) -> Result<(), PublishError> {
    Ok(store.put(&key, content).await?)
}

fn next_version(
    last: Option<&Version>,
    rendered: &Rendered,
    named: ObjectRef,
    clock: &Clock,
) -> Result<Version, PublishError> {
    let Rendered {
        manifest,
        provenance,
        ..
    } = rendered;
    let (epoch, sequence) = match last {
        Some(last) => following(last)?,
        // A clock before 1970 is a clock that is not set.
        None => (u64::try_from(clock.now.as_second()).unwrap_or(0), 1),
    };
    Ok(Version {
        format_version: FORMAT_VERSION,
        epoch,
        sequence,
        schema_version: manifest.schema_version,
        reference_version: manifest.reference_version,
        lineage: provenance
            .identity
            .as_ref()
            .map(|identity| identity.lineage.clone()),
        generated_at: manifest.generated_at.clone(),
        published_at: clock.published_at(last),
        manifest: named,
        bootstrap: ObjectRef {
            hash: manifest.bootstrap.hash,
            size: manifest.bootstrap.size,
        },
        rollback: None,
    })
}

pub(crate) fn following(version: &Version) -> Result<(u64, u64), PublishError> {
    if version.sequence < MAX_NUMBER {
        Ok((version.epoch, version.sequence + 1))
    } else {
        Err(PublishError::LastSequence)
    }
}

fn names_all(manifest: &Manifest, objects: &[RenderedObject]) -> bool {
    let holds = |key: Key, size: u64| {
        let mut same = objects.iter().filter(|object| object.key == key);
        same.next().is_some_and(|object| object.digest.size == size)
    };
    objects.len() == manifest.tables.len() + 1
        && manifest
            .objects()
            .all(|(key, digest)| holds(key, digest.size))
}
