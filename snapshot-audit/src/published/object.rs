//! An object on its way, hashed while it is read.

use std::io::{self, BufRead, BufReader, Read, Take, Write};

use indicatif::ProgressBar;
use snapshot_format::{Digest, DigestWriter};
use snapshot_store::Fetched;

/// Reads the bytes of an object, at most one more than it has, and takes their digest on
/// the way.
pub struct ObjectReader {
    reader: BufReader<Digesting>,
    stated_bytes: Option<u64>,
}

struct Digesting {
    inner: Take<Fetched>,
    digest: DigestWriter<io::Sink>,
    bar: ProgressBar,
}

const BUFFER_SIZE: usize = 256 * 1024;

impl ObjectReader {
    /// For an object of `size_bytes`; `bar` is moved by what is read.
    pub fn new(fetched: Fetched, size_bytes: u64, bar: &ProgressBar) -> Self {
        let stated_bytes = fetched.size_bytes;
        let digesting = Digesting {
            inner: fetched.take(size_bytes.saturating_add(1)),
            digest: DigestWriter::new(io::sink()),
            bar: bar.clone(),
        };
        Self {
            reader: BufReader::with_capacity(BUFFER_SIZE, digesting),
            stated_bytes,
        }
    }

    /// The number of bytes that was told before the first of them.
    pub fn stated_bytes(&self) -> Option<u64> {
        self.stated_bytes
    }

    /// Reads what is left, and gives the digest of all.
    ///
    /// # Errors
    /// What reading gives.
    pub fn finish(&mut self) -> io::Result<Digest> {
        io::copy(&mut self.reader, &mut io::sink())?;
        let nothing = DigestWriter::new(io::sink());
        let digest = std::mem::replace(&mut self.reader.get_mut().digest, nothing);
        Ok(digest.finish().1)
    }
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digest.write_all(&buffer[..read])?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl BufRead for ObjectReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}
