//! Makes the variants of objects, on every core at once.

use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use snapshot_format::{Encoding, Key, MIN_VARIANT_SIZE, compress};

use super::missing::MissingObject;
use super::{Event, PublishError};
use crate::spool::{Spool, Staging};

type Report = Arc<dyn Fn(Event) + Send + Sync>;

/// The variants that an object of `size_bytes` has.
pub(super) fn of_size(size_bytes: u64) -> &'static [Encoding] {
    if size_bytes < MIN_VARIANT_SIZE {
        &[]
    } else {
        &Encoding::ALL
    }
}

/// What is missing of the objects as files to put: first the objects, then their
/// variants.
pub(super) async fn make(
    missing: Vec<MissingObject>,
    staging: &Staging,
    report: Report,
) -> Result<Vec<(Key, Spool)>, PublishError> {
    let staging = staging.clone();
    let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop.0);
    let work = move || {
        let variants = compress_all(&missing, &staging, &report, &stopped)?;
        let objects = missing.into_iter().filter(|missing| missing.itself);
        let mut files: Vec<_> = objects.map(|m| (m.object.key, m.object.bytes)).collect();
        files.extend(variants);
        Ok(files)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

// Blocking threads are not stopped with the future that waits for them.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Job<'a> {
    missing: &'a MissingObject,
    encoding: Encoding,
}

impl Job<'_> {
    fn size_bytes(&self) -> u64 {
        self.missing.object.digest.size
    }

    fn key(&self) -> Key {
        self.missing.object.key.with_encoding(Some(self.encoding))
    }
}

fn compress_all(
    missing: &[MissingObject],
    staging: &Staging,
    report: &Report,
    stopped: &AtomicBool,
) -> Result<Vec<(Key, Spool)>, PublishError> {
    let jobs = in_order_of_cost(missing);
    let meter = Meter {
        done_bytes: AtomicU64::new(0),
        total_bytes: jobs.iter().map(Job::size_bytes).sum(),
        report,
        stopped,
    };
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    let worker = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = run(job, staging, &meter);
            let failed = result.is_err();
            // Before the others are stopped: the first result that failed has the reason.
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(result);
            if failed {
                stopped.store(true, Ordering::Relaxed);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores.min(jobs.len()) {
            scope.spawn(worker);
        }
    });
    let results = results.into_inner();
    results
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter()
        .collect()
}

// The longest first, so that no core has one before it when the others are done.
fn in_order_of_cost(missing: &[MissingObject]) -> Vec<Job<'_>> {
    let mut jobs: Vec<Job<'_>> = missing
        .iter()
        .flat_map(|missing| {
            let encodings = missing.encodings.iter();
            encodings.map(move |&encoding| Job { missing, encoding })
        })
        .collect();
    jobs.sort_by_key(|job| std::cmp::Reverse((job.size_bytes(), job.encoding == Encoding::Brotli)));
    jobs
}

fn run(job: &Job<'_>, staging: &Staging, meter: &Meter<'_>) -> Result<(Key, Spool), PublishError> {
    let mut variant = Spool::new(staging);
    let object = Metered {
        inner: job.missing.object.bytes.reader(),
        meter,
    };
    let mut object = BufReader::with_capacity(READ_SIZE, object);
    match compress(job.encoding, job.size_bytes(), &mut object, &mut variant) {
        Ok(()) => Ok((job.key(), variant)),
        Err(source) => Err(PublishError::Variant {
            key: job.key().path(),
            source,
        }),
    }
}

const READ_SIZE: usize = 256 * 1024;

struct Meter<'a> {
    done_bytes: AtomicU64,
    total_bytes: u64,
    report: &'a Report,
    stopped: &'a AtomicBool,
}

struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter<'a>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let meter = self.meter;
        if meter.stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("the publication was given up"));
        }
        let read = self.inner.read(buffer)?;
        let before = meter.done_bytes.fetch_add(read as u64, Ordering::Relaxed);
        (meter.report)(Event::Compressing {
            done_bytes: before + read as u64,
            total_bytes: meter.total_bytes,
        });
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use snapshot_format::DigestWriter;

    use super::super::RenderedObject;
    use snapshot_store::Folder;

    use super::*;
    use crate::store::Disk;

    #[test]
    fn compressing_ends_with_the_publication_that_wanted_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let staging = Staging::on(
            Disk::default(),
            Folder::open(folder.path()).expect("a folder"),
            "",
        );
        let mut written = DigestWriter::new(Spool::new(&staging));
        written.write_all(&[b' '; 4096]).expect("written");
        let missing = MissingObject {
            object: RenderedObject::bootstrap(written),
            itself: true,
            encodings: Encoding::ALL.to_vec(),
        };
        let report: Report = Arc::new(|_| {});
        let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop.0);
        let missing = [missing];
        let made = compress_all(&missing, &staging, &report, &stopped).expect("wanted");
        assert_eq!(made.len(), 3);
        drop(stop);
        let error = compress_all(&missing, &staging, &report, &stopped).expect_err("unwanted");
        let cause = std::error::Error::source(&error).expect("a cause");
        assert_eq!(cause.to_string(), "the publication was given up");
    }
}
