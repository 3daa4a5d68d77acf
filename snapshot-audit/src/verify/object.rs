//! Objects and variants: fetched once, hashed while they are read.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};

use indicatif::ProgressBar;
use snapshot_format::{
    Digest, DigestWriter, Encoding, Key, MIN_VARIANT_SIZE, ObjectHash, ReadError, SchemaVersion,
    TableEntry, TableKey, TableReader, unpack,
};
use snapshot_store::{FetchError, Fetched, Reader};

use super::finding::in_one_line;
use super::judge::Judge;
use super::row::RowJudge;
use crate::published::ObjectReader;

/// The rows of one table, in few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowsDigest {
    pub(super) rows: u64,
    pub(super) hash: ObjectHash,
}

/// Takes the digest of rows.
pub(super) struct RowsHasher {
    rows: u64,
    hasher: DigestWriter<io::Sink>,
}

impl RowsHasher {
    pub(super) fn new() -> Self {
        Self {
            rows: 0,
            hasher: DigestWriter::new(io::sink()),
        }
    }

    pub(super) fn row(&mut self, row: &[u8]) -> io::Result<()> {
        self.rows += 1;
        self.hasher.write_all(row)?;
        self.hasher.write_all(b"\n")
    }

    pub(super) fn finish(self) -> RowsDigest {
        RowsDigest {
            rows: self.rows,
            hash: self.hasher.finish().1.hash,
        }
    }
}

/// What was found of each table object that is what its name says.
pub(super) type TableRows = HashMap<(TableKey, ObjectHash), RowsDigest>;

impl Judge<'_> {
    /// What lies under a key that is small and read whole.
    pub(super) fn small(&self, key: &Key, limit: usize) -> Result<Option<Vec<u8>>, FetchError> {
        let fetched = self.open(key)?;
        let whole = |fetched: Fetched| fetched.read_whole(&self.origin.location(key), limit);
        fetched.map(whole).transpose()
    }

    /// Opens a key; over HTTP its header fields are judged on the way.
    pub(super) fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        match self.origin.site() {
            Some(site) => self.open_at(site, key),
            None => self.origin.open(key),
        }
    }

    // The bytes of an object, at most one more than it has.
    pub(super) fn object(&self, key: &Key, size_bytes: u64) -> Option<ObjectReader> {
        match self.open(key) {
            Ok(Some(fetched)) => Some(ObjectReader::new(fetched, size_bytes, self.bar)),
            Ok(None) => {
                let what = "is missing, though a manifest names it";
                self.findings.fault(key, what);
                None
            }
            Err(error) => {
                self.findings.fault(key, in_one_line(&error));
                None
            }
        }
    }

    /// A table object. Gives its rows where it is the object that its name says.
    pub(super) fn table(
        &self,
        table: &TableKey,
        entry: &TableEntry,
        schema: SchemaVersion,
    ) -> Option<RowsDigest> {
        let key = entry.key(table);
        let mut source = self.object(&key, entry.size)?;
        let mut judge = RowJudge::new(entry);
        let mut hasher = RowsHasher::new();
        let read = read_table(&mut source, schema, table, |row| {
            judge.row(row);
            hasher.row(row)
        });
        if self.broke_off(&key, &read) {
            return None;
        }
        let rows = hasher.finish();
        let same = self.digest(&key, source, &entry.digest());
        let whole = self.was_read(&key, read);
        if whole && rows.rows != entry.rows {
            self.findings
                .differs(&key, "number of rows", entry.rows, rows.rows);
        }
        for fault in judge.into_faults() {
            self.findings.fault(&key, fault);
        }
        self.count(|counts| counts.rows += rows.rows);
        (whole && same).then_some(rows)
    }

    /// Whether the bytes ceased to come; what is there of them says nothing then.
    pub(super) fn broke_off(&self, key: &Key, read: &Result<(), ReadError>) -> bool {
        let Err(ReadError::Io(error)) = read else {
            return false;
        };
        let what = format!("failed to read: {}", in_one_line(error));
        self.findings.fault(key, what);
        true
    }

    /// Whether it was read to its end.
    pub(super) fn was_read(&self, key: &Key, read: Result<(), ReadError>) -> bool {
        if let Err(error) = &read {
            self.findings.fault(key, error.to_string());
        }
        read.is_ok()
    }

    /// Whether the whole object, also behind what could not be read, has this digest.
    pub(super) fn digest(&self, key: &Key, mut source: ObjectReader, expected: &Digest) -> bool {
        let stated = source.stated_bytes();
        let found = match source.finish() {
            Ok(found) => found,
            Err(error) => {
                let what = format!("failed to read: {}", in_one_line(&error));
                self.findings.fault(key, what);
                return false;
            }
        };
        self.count(|counts| {
            counts.objects += 1;
            counts.bytes += found.size;
        });
        let differs = |what: &str, expected: String, found: String| {
            self.findings.differs(key, what, expected, found);
        };
        if found.size > expected.size {
            // Where it ends was not looked for.
            let found = stated.map_or("more".to_owned(), |bytes| bytes.to_string());
            differs("number of bytes", expected.size.to_string(), found);
            return false;
        }
        if found.size != expected.size {
            let (expected, found) = (expected.size.to_string(), found.size.to_string());
            differs("number of bytes", expected, found);
        }
        if found.hash != expected.hash {
            differs("BLAKE3", expected.hash.to_string(), found.hash.to_string());
        } else if found.sha256 != expected.sha256 {
            let (expected, found) = (expected.sha256.to_string(), found.sha256.to_string());
            differs("SHA-256", expected, found);
        }
        found == *expected
    }

    /// One variant of an object: there exactly where the object's size says so, and
    /// unpacking to exactly the object.
    pub(super) fn variant(&self, object: &Key, encoding: Encoding, digest: &Digest) {
        let key = object.with_encoding(Some(encoding));
        let wanted = digest.size >= MIN_VARIANT_SIZE;
        if !wanted {
            return self.no_variant(&key, digest.size);
        }
        let fetched = match self.open(&key) {
            Ok(Some(fetched)) => fetched,
            Ok(None) => {
                let what = format!("is missing, though its object has {} bytes", digest.size);
                return self.findings.fault(&key, what);
            }
            Err(error) => return self.findings.fault(&key, in_one_line(&error)),
        };
        if self.unpacks_to(&key, encoding, fetched, digest) {
            self.count(|counts| counts.variants += 1);
        }
    }

    fn no_variant(&self, key: &Key, size_bytes: u64) {
        match self.exists(key) {
            Ok(false) => {}
            Ok(true) => {
                let what = format!(
                    "stands beside an object of {size_bytes} bytes, and those below {MIN_VARIANT_SIZE} have none"
                );
                self.findings.fault(key, what);
            }
            Err(error) => self.findings.fault(key, in_one_line(&error)),
        }
    }

    fn exists(&self, key: &Key) -> Result<bool, FetchError> {
        match (self.origin.site(), self.origin.directory()) {
            (Some(site), _) => self.exists_at(site, key),
            (_, Some(directory)) => Ok(directory.metadata(key.path())?.is_some()),
            _ => Ok(self.origin.open(key)?.is_some()),
        }
    }

    pub(super) fn unpacks_to(
        &self,
        key: &Key,
        encoding: Encoding,
        variant: Fetched,
        expected: &Digest,
    ) -> bool {
        let mut object = Metered {
            inner: DigestWriter::new(io::sink()),
            bar: self.bar,
        };
        let variant = BufReader::with_capacity(BUFFER_SIZE, variant);
        if let Err(error) = unpack(encoding, variant, &mut object, expected.size) {
            let what = format!("does not unpack to its object: {}", in_one_line(&error));
            self.findings.fault(key, what);
            return false;
        }
        let found = object.inner.finish().1;
        let same = (found.hash, found.size) == (expected.hash, expected.size);
        if !same {
            let what = "unpacks to other bytes than its object's";
            let text = |digest: &Digest| format!("{} bytes, BLAKE3 {}", digest.size, digest.hash);
            self.findings
                .differs(key, what, text(expected), text(&found));
        }
        same
    }
}

fn read_table(
    source: &mut ObjectReader,
    schema: SchemaVersion,
    table: &TableKey,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), ReadError> {
    let mut reader = TableReader::new(source, schema, table)?;
    while let Some(row) = reader.next_row()? {
        each(row)?;
    }
    Ok(())
}

const BUFFER_SIZE: usize = 256 * 1024;

// Moves the bar by what is written.
struct Metered<'j, W> {
    inner: W,
    bar: &'j ProgressBar,
}

impl<W: Write> Write for Metered<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bar.inc(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
