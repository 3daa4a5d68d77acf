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
mod fault;
mod judge;
mod last;
pub(crate) mod limits;
mod missing;
mod outcome;
pub(crate) mod read_back;
mod rendered;
mod sequence;
mod terms;
mod variants;
mod workers;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use snapshot_format::{Key, Manifest, Version};
use snapshot_store::{Store, spool::Spool};

pub use self::clock::Clock;
pub(crate) use self::error::PublishError;
pub(crate) use self::fault::Fault;
pub(crate) use self::judge::{Judgement, Next, judge};
pub(crate) use self::last::{Last, complete};
pub(crate) use self::outcome::{Event, Published, Timings};
use self::rendered::names_all;
pub use self::rendered::{Rendered, RenderedObject};
pub(crate) use self::sequence::following;
pub use self::terms::Terms;
use self::workers::CONCURRENT_REQUESTS;

/// Makes a rendered state public in `store`.
///
/// # Errors
/// Where the store cannot take it or holds what this program did not write. Whatever
/// was put so far stays and is not put again by the next run. With nothing put:
/// `PublishError::Held` where the last publication is a rollback,
/// `PublishError::Refused` where a guard stops this one.
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
