//! Bytes on their way to a store: in memory while they are few, in a file beyond that.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::directory::{Disk, Staged};
use crate::folder::Folder;

/// What a spool keeps in memory before it goes on in a file.
///
/// Two hundred tables of that size are 50 MiB. What has to be stored is written to a
/// file anyway, so a higher bound would only spare the unchanged ones that write.
pub const MEMORY_LIMIT: usize = 256 * 1024;

/// The folder for what is not yet named: on the file system of the store, where a file
/// becomes public by one rename.
#[derive(Debug, Clone)]
pub struct Staging {
    inner: Arc<Inner>,
}

// `None` where nothing is ever written to a disk.
#[derive(Debug)]
struct Inner(Option<Place>);

#[derive(Debug)]
struct Place {
    store: Folder,
    // Below the store's root.
    folder: PathBuf,
    disk: Disk,
}

impl Staging {
    /// Stages in `folder` below a store's root, which must be there when the first spool
    /// outgrows its memory.
    pub fn on(disk: Disk, store: Folder, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let place = Place {
            store,
            folder,
            disk,
        };
        Self {
            inner: Arc::new(Inner(Some(place))),
        }
    }

    /// Stages in memory, however much that is.
    pub fn in_memory() -> Self {
        Self {
            inner: Arc::new(Inner(None)),
        }
    }

    /// The path of the folder, for messages; of memory the word.
    pub fn folder(&self) -> PathBuf {
        match &self.inner.0 {
            Some(place) => place.store.path_of(&place.folder),
            None => PathBuf::from("memory"),
        }
    }

    fn is_in_memory(&self) -> bool {
        self.inner.0.is_none()
    }

    fn place(&self) -> io::Result<&Place> {
        let place = self.inner.0.as_ref();
        place.ok_or_else(|| io::Error::other("what is staged in memory has no file"))
    }

    fn create(&self) -> io::Result<Staged> {
        let Place {
            store,
            folder,
            disk,
        } = self.place()?;
        disk.create_temporary(store, folder)
    }

    fn append(&self, file: &Staged, bytes: &[u8], offset: u64) -> io::Result<()> {
        let disk = &self.place()?.disk;
        disk.write_at(file.as_file(), &file.path(), bytes, offset)
    }
}

/// Bytes that are written once and then read from the start, any number of times.
///
/// Small data touches no disk. The file of large data is gone when the spool is dropped,
/// unless a store gave it a name.
pub struct Spool {
    staging: Staging,
    // The first `file_bytes` bytes, where there are so many; the others are in `tail`.
    file: Option<Staged>,
    file_bytes: u64,
    tail: Vec<u8>,
}

impl Spool {
    /// An empty spool whose file, if it needs one, stands in `staging`.
    pub fn new(staging: &Staging) -> Self {
        Self::holding(staging, Vec::new())
    }

    /// A spool that holds `bytes`, in memory.
    pub fn holding(staging: &Staging, bytes: Vec<u8>) -> Self {
        Self {
            staging: staging.clone(),
            file: None,
            file_bytes: 0,
            tail: bytes,
        }
    }

    /// How many bytes were written to it.
    pub fn len(&self) -> u64 {
        self.file_bytes + self.tail.len() as u64
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from the start. Readers do not disturb each other.
    pub fn reader(&self) -> SpoolReader<'_> {
        SpoolReader { spool: self, at: 0 }
    }

    /// All bytes as a file in the staging folder; it goes when the value is dropped.
    ///
    /// # Errors
    /// What making and writing the file gives; where it is staged in memory.
    pub fn into_file(mut self) -> io::Result<Staged> {
        self.spill()?;
        match self.file.take() {
            Some(file) => Ok(file),
            None => self.staging.create(),
        }
    }

    /// All bytes, in memory.
    ///
    /// # Errors
    /// What reading the file gives.
    pub fn into_bytes(mut self) -> io::Result<Vec<u8>> {
        if self.file.is_none() {
            return Ok(std::mem::take(&mut self.tail));
        }
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => self.staging.create()?,
        };
        let file = self.file.insert(file);
        // By offset: what a failed write left behind is written over, not appended to.
        self.staging.append(file, &self.tail, self.file_bytes)?;
        self.file_bytes += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(MEMORY_LIMIT)];
        if !self.staging.is_in_memory() && self.tail.len() + bytes.len() > MEMORY_LIMIT {
            self.spill()?;
        }
        self.tail.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    // Nothing waits: a reader sees what is in memory too.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("len", &self.len())
            .field("file", &self.file)
            .finish()
    }
}

/// Reads a [`Spool`] from its start.
#[derive(Debug)]
pub struct SpoolReader<'a> {
    spool: &'a Spool,
    at: u64,
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &self.spool.file {
            Some(file) if self.at < self.spool.file_bytes => {
                let left = self.spool.file_bytes - self.at;
                read_file(file.as_file(), self.at, left, buffer)?
            }
            _ => {
                let behind = usize::try_from(self.at - self.spool.file_bytes);
                let mut rest = &self.spool.tail[behind.expect("within memory")..];
                rest.read(buffer)?
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

// Reads by offset, so that the file's own position, which all readers share, is not used.
fn read_file(file: &File, at: u64, left: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    match file.read_at(&mut buffer[..most], at)? {
        0 if most > 0 => {
            let message = "the staged file was cut short by another program";
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
        }
        read => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staging_in(disk: Disk, folder: &tempfile::TempDir) -> Staging {
        Staging::on(disk, Folder::open(folder.path()).expect("a folder"), "")
    }

    fn staging() -> (tempfile::TempDir, Staging) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let staging = staging_in(Disk::default(), &folder);
        (folder, staging)
    }

    fn files(folder: &std::path::Path) -> usize {
        folder.read_dir().expect("the staging folder").count()
    }

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i * i / 7) as u8).collect()
    }

    fn spooled(staging: &Staging, bytes: &[u8], piece: usize) -> Spool {
        let mut spool = Spool::new(staging);
        for piece in bytes.chunks(piece) {
            spool.write_all(piece).expect("written");
        }
        spool
    }

    fn read(spool: &Spool) -> Vec<u8> {
        let mut all = Vec::new();
        spool.reader().read_to_end(&mut all).expect("read");
        all
    }

    #[test]
    fn what_was_written_is_read_as_often_as_one_likes() {
        let (_folder, staging) = staging();
        for size in [0, 1, MEMORY_LIMIT, MEMORY_LIMIT + 1, 3 * MEMORY_LIMIT + 17] {
            let all = bytes(size);
            for piece in [977, 10 * MEMORY_LIMIT] {
                let spool = spooled(&staging, &all, piece);
                assert_eq!(spool.len(), size as u64);
                assert_eq!(spool.is_empty(), size == 0);
                assert!(read(&spool) == all, "{size} bytes by {piece}");
                assert!(read(&spool) == all, "{size} bytes by {piece}, again");
            }
        }
    }

    #[test]
    fn readers_do_not_disturb_each_other() {
        let (_folder, staging) = staging();
        let all = bytes(2 * MEMORY_LIMIT + 5);
        let spool = spooled(&staging, &all, 4096);
        let (mut slow, mut seen) = (spool.reader(), Vec::new());
        let mut piece = [0; 100_000];
        loop {
            let read_bytes = slow.read(&mut piece).expect("read");
            if read_bytes == 0 {
                break;
            }
            seen.extend_from_slice(&piece[..read_bytes]);
            assert!(read(&spool) == all);
        }
        assert!(seen == all);
    }

    #[test]
    fn small_data_touches_no_disk_and_large_data_leaves_nothing_there() {
        let (folder, staging) = staging();
        let small = spooled(&staging, &bytes(MEMORY_LIMIT), 1000);
        assert_eq!(files(folder.path()), 0);
        let large = spooled(&staging, &bytes(MEMORY_LIMIT + 1), 1000);
        assert_eq!(files(folder.path()), 1);
        drop((small, large));
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn a_spool_of_any_size_becomes_a_file() {
        let (_folder, staging) = staging();
        for size in [0, 5, 2 * MEMORY_LIMIT + 3] {
            let all = bytes(size);
            let file = spooled(&staging, &all, 5000).into_file().expect("a file");
            assert!(std::fs::read(file.path()).expect("readable") == all);
        }
    }

    #[test]
    fn a_failed_write_can_be_tried_again() {
        let (folder, _) = staging();
        let failures = std::sync::atomic::AtomicUsize::new(1);
        let disk = Disk::with_hook(move |step, _| {
            use std::sync::atomic::Ordering::SeqCst;
            let fails = step == crate::Step::Write
                && failures
                    .fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1))
                    .is_ok();
            if fails {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(())
            }
        });
        let staging = staging_in(disk, &folder);
        let all = bytes(MEMORY_LIMIT);
        let mut spool = spooled(&staging, &all, 1000);
        let error = spool.write_all(b"more").expect_err("the disk is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        spool.write_all(b"more").expect("there is space again");
        assert!(read(&spool) == [&all[..], b"more"].concat());
    }

    #[test]
    fn a_staged_file_that_was_cut_short_is_an_error_and_no_short_object() {
        let (_folder, staging) = staging();
        let spool = spooled(&staging, &bytes(2 * MEMORY_LIMIT), 1000);
        let file = spool.file.as_ref().expect("too large for memory");
        file.as_file().set_len(10).expect("cut");
        let error = io::copy(&mut spool.reader(), &mut io::sink()).expect_err("cut short");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
