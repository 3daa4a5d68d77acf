//! The bytes of a representation: in memory while the budget allows, else
//! in an open file that requests read in bounded pieces.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// Ready to be sent, and never changed. Cloning shares.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// In memory.
    Memory(Bytes),
    /// In a file that stays readable while somebody has it, even when it is
    /// pruned or the folder is replaced.
    File {
        /// Opened once, read at positions.
        file: Arc<File>,
        /// Its length when it was verified.
        size_bytes: u64,
    },
}

impl Content {
    /// Number of bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File { size_bytes, .. } => *size_bytes,
        }
    }

    /// A fresh reader from the first byte.
    pub(crate) fn reader(&self) -> Box<dyn Read + '_> {
        match self {
            Content::Memory(bytes) => Box::new(&bytes[..]),
            Content::File { file, .. } => Box::new(AtPosition { file, position: 0 }),
        }
    }
}

/// How many bytes of objects may be in memory. Clones share one sum.
///
/// What is in memory returns its share when its last user lets go of it: the
/// snapshot that has it, or a response that is still being written.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    left_bytes: Arc<AtomicU64>,
    whole_bytes: u64,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            left_bytes: Arc::new(AtomicU64::new(bytes)),
            whole_bytes: bytes,
        }
    }

    /// How much of it is taken.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.whole_bytes - self.left_bytes.load(Ordering::Acquire)
    }

    /// Takes the file into memory if its bytes fit, else keeps it open.
    ///
    /// The share is taken before anything is read, so two readers never take
    /// the same room.
    pub(crate) fn take_in(&self, file: File, size_bytes: u64) -> io::Result<Content> {
        let Some(share) = self.reserve(size_bytes) else {
            return Ok(Content::File {
                file: Arc::new(file),
                size_bytes,
            });
        };
        let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
        // A file that grows while it is read is not an object; its hash tells.
        (&file).take(size_bytes + 1).read_to_end(&mut bytes)?;
        Ok(Content::Memory(Bytes::from_owner(Owned {
            bytes,
            _share: share,
        })))
    }

    fn reserve(&self, bytes: u64) -> Option<Share> {
        self.left_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(bytes)
            })
            .ok()
            .map(|_| Share {
                bytes,
                budget: self.clone(),
            })
    }
}

struct Share {
    bytes: u64,
    budget: Budget,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget
            .left_bytes
            .fetch_add(self.bytes, Ordering::AcqRel);
    }
}

struct Owned {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads without moving the file's own position, which all readers share.
struct AtPosition<'a> {
    file: &'a File,
    position: u64,
}

impl Read for AtPosition<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = read_at(self.file, buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// One read at a position, whatever the platform calls it.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, position);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, position);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("room on the disk");
        io::Seek::rewind(&mut file).expect("a file can be rewound");
        file
    }

    fn in_memory(content: &Content) -> bool {
        matches!(content, Content::Memory(_))
    }

    #[test]
    fn what_does_not_fit_stays_in_its_file() {
        let budget = Budget::new(10);
        let first = budget.take_in(file_of(b"12345678"), 8).expect("readable");
        let second = budget.take_in(file_of(b"abc"), 3).expect("readable");
        assert!(in_memory(&first) && !in_memory(&second));

        let mut text = String::new();
        second.reader().read_to_string(&mut text).expect("readable");
        assert_eq!((text.as_str(), second.size_bytes()), ("abc", 3));
    }

    #[test]
    fn a_share_comes_back_with_its_last_user() {
        let budget = Budget::new(3);
        let Content::Memory(loaded) = budget.take_in(file_of(b"abc"), 3).expect("readable") else {
            panic!("three bytes fit into three");
        };
        let being_sent = loaded.slice(1..);
        drop(loaded);
        assert!(!in_memory(
            &budget.take_in(file_of(b"x"), 1).expect("readable")
        ));
        drop(being_sent);
        assert!(in_memory(
            &budget.take_in(file_of(b"x"), 1).expect("readable")
        ));
    }
}
