//! Large responses that many clients ask for within the same second.
//!
//! Writing a bundle copies it into the kernel, which is most of its cost. So a
//! response that is asked for again and again is cached whole, head, date and
//! body, in a file without a name, and the kernel takes its pages from there
//! without a copy: one `sendfile` in place of one `writev`. It is good until
//! the date changes. Anything that does not fit is written as ever.
//!
//! A file system may make whoever opens, writes or closes a file wait for its
//! disk, so a thread of its own does all three, and none that serves ever does.

use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock, Weak};

use snapshot_format::Encoding;

use crate::snapshot::content::Content;
use crate::snapshot::state::Resource;
use crate::socket::clock::DateLine;

/// Measured on a busy machine: at 99 kB a copy costs an eighth of nginx's CPU more than
/// `sendfile` does, at 149 kB and 381 kB a third.
pub(crate) const LARGE_BYTES: usize = 64 * 1024;
/// How often in a second before making the file pays: it is a copy itself.
const WORTH_IT: u32 = 4;
const MOST_ENTRIES: usize = 8;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The responses of this second.
#[derive(Default)]
pub(crate) struct ResponseFiles {
    entries: Mutex<Vec<Entry>>,
    /// The thread that handles files; nothing where the system gives none.
    clerk: OnceLock<Option<Sender<Job>>>,
}

struct Entry {
    /// Weak, so that a version that is gone does not stay for its address.
    resource: Weak<Resource>,
    encoding: Option<Encoding>,
    date_line: DateLine,
    asked: u32,
    /// Once it is worth one; filled when the file is there.
    whole: Option<Arc<OnceLock<Whole>>>,
    size_bytes: usize,
}

/// A response from its first byte to its last.
pub(crate) struct Whole {
    file: Option<File>,
    pub(crate) size_bytes: usize,
    clerk: Sender<Job>,
}

enum Job {
    Make {
        resource: Arc<Resource>,
        encoding: Option<Encoding>,
        date_line: DateLine,
        whole: Arc<OnceLock<Whole>>,
        clerk: Sender<Job>,
    },
    Close(File),
}

impl Whole {
    pub(crate) fn file(&self) -> &File {
        self.file.as_ref().expect("taken only when it is dropped")
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Where nobody takes it any more it is closed here.
            let _ = self.clerk.send(Job::Close(file));
        }
    }
}

impl ResponseFiles {
    /// Counts a request for the whole of a large representation; its response
    /// in a file, once that was worth making and is there.
    pub(crate) fn ask(
        &self,
        resource: &Arc<Resource>,
        encoding: Option<Encoding>,
        date_line: &DateLine,
    ) -> Option<Arc<OnceLock<Whole>>> {
        let mut entries = self.entries.lock();
        entries.retain(|entry| entry.date_line == *date_line);
        let asked_for = |entry: &Entry| {
            entry.encoding == encoding
                && std::ptr::eq(entry.resource.as_ptr(), Arc::as_ptr(resource))
        };
        let Some(at) = entries.iter().position(asked_for) else {
            if entries.len() < MOST_ENTRIES {
                entries.push(Entry::new(resource, encoding, *date_line));
            }
            return None;
        };
        let used = entries.iter().filter(|entry| entry.whole.is_some());
        let used: usize = used.map(|entry| entry.size_bytes).sum();
        let entry = &mut entries[at];
        entry.asked = entry.asked.saturating_add(1);
        if let Some(whole) = &entry.whole {
            return whole.get().is_some().then(|| whole.clone());
        }
        if entry.asked >= WORTH_IT && used + entry.size_bytes <= MOST_BYTES {
            let whole = Arc::default();
            entry.whole = Some(Arc::clone(&whole));
            self.make(resource, encoding, *date_line, whole);
        }
        None
    }

    fn make(
        &self,
        resource: &Arc<Resource>,
        encoding: Option<Encoding>,
        date_line: DateLine,
        whole: Arc<OnceLock<Whole>>,
    ) {
        let Some(clerk) = self.clerk.get_or_init(|| start().ok()) else {
            return;
        };
        let job = Job::Make {
            resource: resource.clone(),
            encoding,
            date_line,
            whole,
            clerk: clerk.clone(),
        };
        let _ = clerk.send(job);
    }
}

impl Entry {
    fn new(resource: &Arc<Resource>, encoding: Option<Encoding>, date_line: DateLine) -> Self {
        let representation = resource.representation(encoding);
        let body = usize::try_from(representation.content.size_bytes()).unwrap_or(usize::MAX);
        Self {
            resource: Arc::downgrade(resource),
            encoding,
            date_line,
            asked: 1,
            whole: None,
            size_bytes: body.saturating_add(representation.ok_lines().len() + date_line.len()),
        }
    }
}

/// The thread ends with the last response of the last server.
fn start() -> io::Result<Sender<Job>> {
    let (clerk, jobs) = mpsc::channel();
    let thread = std::thread::Builder::new().name("responses".to_owned());
    thread.spawn(move || {
        for job in jobs {
            match job {
                Job::Close(file) => drop(file),
                Job::Make {
                    resource,
                    encoding,
                    date_line,
                    whole,
                    clerk,
                } => {
                    if let Ok((file, size_bytes)) = write(&resource, encoding, &date_line) {
                        let made = Whole {
                            file: Some(file),
                            size_bytes,
                            clerk,
                        };
                        // Each place is made for one job.
                        let _ = whole.set(made);
                    }
                }
            }
        }
    })?;
    Ok(clerk)
}

fn write(
    resource: &Resource,
    encoding: Option<Encoding>,
    date_line: &DateLine,
) -> io::Result<(File, usize)> {
    let representation = resource.representation(encoding);
    let Content::Memory(body) = &representation.content else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    // In one piece: a file system then takes large pages, which `sendfile` hands on whole.
    let response = [representation.ok_lines(), date_line, body].concat();
    let mut file = nameless_file()?;
    file.write_all(&response)?;
    Ok((file, response.len()))
}

#[cfg(target_os = "linux")]
fn nameless_file() -> io::Result<File> {
    use nix::sys::memfd::{MFdFlags, memfd_create};

    // Memory does too where there is no such folder: small pages, and still no copy.
    tempfile::tempfile().or_else(|_| {
        Ok(File::from(memfd_create(
            c"response",
            MFdFlags::MFD_CLOEXEC,
        )?))
    })
}

/// Elsewhere `sendfile` is spelled differently, and a copy must do.
#[cfg(not(target_os = "linux"))]
fn nameless_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read;
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use snapshot_format::Key;

    use super::*;
    use crate::snapshot::load::without_variants;

    fn resource(bytes: &[u8]) -> Arc<Resource> {
        let object = without_variants(Bytes::copy_from_slice(bytes));
        let key = Key::Bootstrap(object.hash, None);
        Arc::new(Resource::immutable(&key, &object))
    }

    fn date(second: u8) -> DateLine {
        [b'0' + second; 33]
    }

    /// Asks until the file is there.
    fn ask_on(files: &ResponseFiles, resource: &Arc<Resource>, date_line: &DateLine) -> Vec<u8> {
        let begun = Instant::now();
        loop {
            if let Some(whole) = files.ask(resource, None, date_line) {
                let whole = whole.get().expect("given only when it is there");
                let mut bytes = vec![0; whole.size_bytes + 1];
                let count = crate::snapshot::content::read_at(whole.file(), &mut bytes, 0);
                bytes.truncate(count.expect("readable"));
                return bytes;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it is made");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_file_is_the_response_of_this_second() {
        let files = ResponseFiles::default();
        let (first, second) = (resource(b"one body"), resource(b"another"));
        for (resource, body) in [(&first, &b"one body"[..]), (&second, b"another")] {
            for second in 1..4 {
                let found = ask_on(&files, resource, &date(second));
                let head = resource.representation(None).ok_lines();
                assert_eq!(found, [head, &date(second), body].concat());
            }
        }
        // Those of other seconds are gone.
        assert_eq!(files.entries.lock().len(), 1);
    }

    #[test]
    fn what_is_asked_for_once_costs_no_file() {
        let files = ResponseFiles::default();
        let all: Vec<_> = (0..20_u8).map(|n| resource(&[n])).collect();
        for resource in &all {
            assert!(files.ask(resource, None, &date(1)).is_none());
        }
        assert!(files.clerk.get().is_none(), "no thread for nothing");
        assert_eq!(files.entries.lock().len(), MOST_ENTRIES);
    }

    #[test]
    fn a_file_outlives_the_server_while_it_is_sent() {
        let files = ResponseFiles::default();
        let resource = resource(b"a body");
        ask_on(&files, &resource, &date(1));
        let sending = files.ask(&resource, None, &date(1)).expect("it is there");
        drop((files, resource));
        let mut rest = String::new();
        let mut file = sending.get().expect("it is there").file();
        io::Seek::rewind(&mut file).expect("a file");
        file.read_to_string(&mut rest).expect("ASCII");
        assert!(rest.ends_with("a body"));
    }
}
