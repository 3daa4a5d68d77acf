//! Makes the variants of objects, on every core at once.

use parking_lot::Mutex;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use snapshot_format::{Encoding, Key, compress};
use snapshot_store::spool::{Spool, Staging};

use super::error::PublishError;
use super::missing::MissingObject;
use super::outcome::Event;
use super::workers;
use crate::blocking::blocking;

type Report = Arc<dyn Fn(Event) + Send + Sync>;

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
        let (missing, variants) = compress_all(missing, &staging, &report, &stopped)?;
        let objects = missing.into_iter().filter(|missing| missing.itself);
        let mut files: Vec<_> = objects.map(|m| (m.object.key, m.object.bytes)).collect();
        files.extend(variants);
        Ok(files)
    };
    blocking(work).await
}

// Blocking threads are not stopped with the future that waits for them.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

// One variant of one of the objects.
#[derive(Debug, Clone, Copy)]
struct Job {
    missing: usize,
    encoding: Encoding,
}

// What the threads that compress have in common.
struct Work {
    missing: Vec<MissingObject>,
    jobs: Vec<Job>,
    next: AtomicUsize,
    results: Mutex<Vec<Result<(Key, Spool), PublishError>>>,
    staging: Staging,
    meter: Meter,
}

// Gives the objects back, with their variants.
type Compressed = (Vec<MissingObject>, Vec<(Key, Spool)>);

fn compress_all(
    missing: Vec<MissingObject>,
    staging: &Staging,
    report: &Report,
    stopped: &Arc<AtomicBool>,
) -> Result<Compressed, PublishError> {
    let jobs = in_order_of_cost(&missing);
    let sizes = jobs.iter().map(|job| job.size_bytes(&missing));
    let meter = Meter {
        done_bytes: AtomicU64::new(0),
        total_bytes: sizes.sum(),
        report: Arc::clone(report),
        stopped: Arc::clone(stopped),
    };
    let work = Arc::new(Work {
        results: Mutex::new(Vec::with_capacity(jobs.len())),
        missing,
        next: AtomicUsize::new(0),
        staging: staging.clone(),
        meter,
        jobs,
    });
    let shared = Arc::clone(&work);
    workers::on_each(work.jobs.len(), move || shared.compress());
    let work = Arc::into_inner(work).expect("every thread has ended its part");
    let results = work.results.into_inner();
    let results = results;
    let variants = results.into_iter().collect::<Result<_, _>>()?;
    Ok((work.missing, variants))
}

// The longest first, so that no core has one before it when the others are done.
fn in_order_of_cost(missing: &[MissingObject]) -> Vec<Job> {
    let mut jobs: Vec<Job> = missing
        .iter()
        .enumerate()
        .flat_map(|(index, missing)| {
            let encodings = missing.encodings.iter();
            encodings.map(move |&encoding| Job {
                missing: index,
                encoding,
            })
        })
        .collect();
    jobs.sort_by_key(|job| {
        let size_bytes = job.size_bytes(missing);
        std::cmp::Reverse((size_bytes, job.encoding == Encoding::Brotli))
    });
    jobs
}

impl Job {
    fn size_bytes(self, missing: &[MissingObject]) -> u64 {
        missing[self.missing].object.digest.size
    }
}

impl Work {
    // Takes one job after the other, until none is left.
    fn compress(&self) {
        while let Some(job) = self.jobs.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let result = self.run(*job);
            let failed = result.is_err();
            // Before the others are stopped: the first result that failed has the reason.
            self.results.lock().push(result);
            if failed {
                self.meter.stopped.store(true, Ordering::Relaxed);
            }
        }
    }

    fn run(&self, Job { missing, encoding }: Job) -> Result<(Key, Spool), PublishError> {
        let object = &self.missing[missing].object;
        let key = object.key.with_encoding(Some(encoding));
        let mut variant = Spool::new(&self.staging);
        let metered = Metered {
            inner: object.bytes.reader(),
            meter: &self.meter,
        };
        let mut bytes = BufReader::with_capacity(READ_SIZE, metered);
        match compress(encoding, object.digest.size, &mut bytes, &mut variant) {
            Ok(()) => Ok((key, variant)),
            Err(source) => Err(PublishError::Variant {
                key: key.path(),
                source,
            }),
        }
    }
}

const READ_SIZE: usize = 256 * 1024;

struct Meter {
    done_bytes: AtomicU64,
    total_bytes: u64,
    report: Report,
    stopped: Arc<AtomicBool>,
}

struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter,
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
    use snapshot_store::Disk;

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
        let made = compress_all(vec![missing], &staging, &report, &stopped);
        let (missing, variants) = made.expect("wanted");
        assert_eq!(variants.len(), 3);
        drop(stop);
        let made = compress_all(missing, &staging, &report, &stopped);
        let error = made.map(drop).expect_err("unwanted");
        let cause = std::error::Error::source(&error).expect("a cause");
        assert_eq!(cause.to_string(), "the publication was given up");
    }
}
