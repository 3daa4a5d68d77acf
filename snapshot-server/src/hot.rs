//! Large responses that many clients ask for within the same second.
//!
//! Writing a bundle copies it into the kernel, which is most of its cost. So a
//! response that is asked for again and again is kept whole, head, date and
//! body, in an anonymous file, and the kernel takes its pages from there
//! without a copy: one `sendfile` in place of one `writev`. It is good until
//! the date changes. Anything that does not fit is written as ever.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, Weak};

use snapshot_format::Encoding;

use crate::connection::DateLine;
use crate::load::lock;
use crate::state::Resource;

/// Measured: at 94 kB a copy costs as much as what `sendfile` does around its
/// pages, at 240 kB half as much again.
pub(crate) const LARGE_BYTES: usize = 128 * 1024;
/// How often in a second before making the file pays: it is a copy itself.
const WORTH_IT: u32 = 4;
const MOST_ENTRIES: usize = 8;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The responses of this second.
#[derive(Default)]
pub(crate) struct Hot {
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    /// Weak, so that a version that is gone is not kept for its address.
    resource: Weak<Resource>,
    encoding: Option<Encoding>,
    date_line: DateLine,
    asked: u32,
    whole: Option<Arc<Whole>>,
}

/// A response from its first byte to its last.
pub(crate) struct Whole {
    pub(crate) file: File,
    pub(crate) size_bytes: usize,
}

impl Hot {
    /// Counts a request for a large response; the file, once it is worth one.
    pub(crate) fn ask(
        &self,
        resource: &Arc<Resource>,
        encoding: Option<Encoding>,
        date_line: &DateLine,
        parts: [&[u8]; 3],
    ) -> Option<Arc<Whole>> {
        let mut entries = lock(&self.entries);
        entries.retain(|entry| entry.date_line == *date_line);
        let held: usize = entries
            .iter()
            .filter_map(|e| Some(e.whole.as_ref()?.size_bytes))
            .sum();
        let asked_for = |entry: &&mut Entry| {
            entry.encoding == encoding
                && std::ptr::eq(entry.resource.as_ptr(), Arc::as_ptr(resource))
        };
        let Some(entry) = entries.iter_mut().find(asked_for) else {
            if entries.len() < MOST_ENTRIES {
                let (resource, date_line) = (Arc::downgrade(resource), *date_line);
                entries.push(Entry {
                    resource,
                    encoding,
                    date_line,
                    asked: 1,
                    whole: None,
                });
            }
            return None;
        };
        entry.asked = entry.asked.saturating_add(1);
        let size: usize = parts.iter().map(|part| part.len()).sum();
        if entry.whole.is_none() && entry.asked >= WORTH_IT && held + size <= MOST_BYTES {
            entry.whole = make(parts, size).ok().map(Arc::new);
        }
        entry.whole.clone()
    }
}

#[cfg(target_os = "linux")]
fn make(parts: [&[u8]; 3], size_bytes: usize) -> io::Result<Whole> {
    use nix::sys::memfd::{MFdFlags, memfd_create};

    let mut file = File::from(memfd_create(c"response", MFdFlags::MFD_CLOEXEC)?);
    parts.iter().try_for_each(|part| file.write_all(part))?;
    Ok(Whole { file, size_bytes })
}

/// Elsewhere files of memory or `sendfile` are spelled differently, and a copy must do.
#[cfg(not(target_os = "linux"))]
fn make(_: [&[u8]; 3], _: usize) -> io::Result<Whole> {
    Err(io::ErrorKind::Unsupported.into())
}
