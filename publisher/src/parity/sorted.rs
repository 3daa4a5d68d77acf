//! Rows in order of their keys, however many: what does not fit into memory is sorted in
//! parts, which go to temporary files and are merged as they are read.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How many bytes of one side's rows stay in memory.
const MEMORY_BYTES: usize = 32 * 1024 * 1024;

/// What a row costs beside its bytes.
const ROW_OVERHEAD: usize = 64;

/// A normalized row under its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// A text that stands among others as the row's primary key among the keys.
    pub key: Box<[u8]>,
    /// The normalized row.
    pub row: Box<str>,
    /// Whether it was deactivated.
    pub inactive: bool,
    /// Whether it belongs to an administrator.
    pub admin: bool,
}

/// Takes rows in any order.
#[derive(Debug)]
pub struct Sorter {
    memory_bytes: usize,
    held_bytes: usize,
    held: Vec<Record>,
    runs: Vec<Arc<File>>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::within(MEMORY_BYTES)
    }
}

impl Sorter {
    fn within(memory_bytes: usize) -> Self {
        Self {
            memory_bytes,
            held_bytes: 0,
            held: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes a row.
    ///
    /// # Errors
    /// Where rows cannot be put aside.
    pub fn push(&mut self, record: Record) -> io::Result<()> {
        self.held_bytes += record.key.len() + record.row.len() + ROW_OVERHEAD;
        self.held.push(record);
        match self.held_bytes > self.memory_bytes {
            true => self.put_aside(),
            false => Ok(()),
        }
    }

    /// The rows in order of their keys; those with one key in the order in which they came.
    ///
    /// # Errors
    /// Where rows cannot be put aside.
    pub fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.held.sort_by(|a, b| a.key.cmp(&b.key));
            return Ok(Sorted::Held(self.held));
        }
        self.put_aside()?;
        Ok(Sorted::Runs(self.runs))
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.held.sort_by(|a, b| a.key.cmp(&b.key));
        // Without a name: it is gone with the process, however that ends.
        let mut file = BufWriter::new(tempfile::tempfile()?);
        for record in self.held.drain(..) {
            record.write(&mut file)?;
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        self.runs.push(Arc::new(file));
        self.held_bytes = 0;
        Ok(())
    }
}

/// Rows in order of their keys, which may be read more than once.
#[derive(Debug)]
pub enum Sorted {
    /// In memory.
    Held(Vec<Record>),
    /// In files, each sorted.
    Runs(Vec<Arc<File>>),
}

impl Default for Sorted {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

impl Sorted {
    /// Reads them from the beginning.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn read(&self) -> io::Result<Box<dyn Iterator<Item = io::Result<Record>> + '_>> {
        match self {
            Self::Held(records) => Ok(Box::new(records.iter().cloned().map(Ok))),
            Self::Runs(runs) => Ok(Box::new(Merged::of(runs)?)),
        }
    }
}

struct Merged {
    runs: Vec<BufReader<At>>,
    next: BinaryHeap<Reverse<Head>>,
}

// The first record that a run has left.
struct Head {
    record: Record,
    run: usize,
}

impl Merged {
    fn of(files: &[Arc<File>]) -> io::Result<Self> {
        let at = |file: &Arc<File>| {
            BufReader::new(At {
                file: Arc::clone(file),
                offset: 0,
            })
        };
        let mut merged = Self {
            runs: files.iter().map(at).collect(),
            next: BinaryHeap::new(),
        };
        for run in 0..merged.runs.len() {
            merged.refill(run)?;
        }
        Ok(merged)
    }

    fn refill(&mut self, run: usize) -> io::Result<()> {
        if let Some(record) = Record::read(&mut self.runs[run])? {
            self.next.push(Reverse(Head { record, run }));
        }
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse(head) = self.next.pop()?;
        match self.refill(head.run) {
            Ok(()) => Some(Ok(head.record)),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = self.record.key.cmp(&other.record.key);
        by_key.then(self.run.cmp(&other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

// Several may read one file at once, each from where it has come to.
struct At {
    file: Arc<File>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

const INACTIVE: u8 = 1;
const ADMIN: u8 = 2;

impl Record {
    // Two lengths, the flags, the key, the row.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let length = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            Ok::<_, io::Error>(length.to_le_bytes())
        };
        let flags = u8::from(self.inactive) * INACTIVE + u8::from(self.admin) * ADMIN;
        out.write_all(&length(&self.key)?)?;
        out.write_all(&length(self.row.as_bytes())?)?;
        out.write_all(&[flags])?;
        out.write_all(&self.key)?;
        out.write_all(self.row.as_bytes())
    }

    fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 9];
        match input.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let [a, b, c, d, e, f, g, h, flags] = head;
        let key_size = u32::from_le_bytes([a, b, c, d]) as usize;
        let row_size = u32::from_le_bytes([e, f, g, h]) as usize;
        let mut key = vec![0; key_size];
        input.read_exact(&mut key)?;
        let mut row = vec![0; row_size];
        input.read_exact(&mut row)?;
        Ok(Some(Self {
            key: key.into(),
            row: String::from_utf8(row).map_err(io::Error::other)?.into(),
            inactive: flags & INACTIVE != 0,
            admin: flags & ADMIN != 0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(key: u8, row: usize) -> Record {
        Record {
            key: vec![key].into(),
            row: format!("row {row} é").into(),
            inactive: key.is_multiple_of(2),
            admin: key.is_multiple_of(3),
        }
    }

    fn sorted(keys: &[u8], memory_bytes: usize) -> Sorted {
        let mut sorter = Sorter::within(memory_bytes);
        for (row, key) in keys.iter().enumerate() {
            sorter.push(record(*key, row)).expect("a temporary file");
        }
        sorter.finish().expect("a temporary file")
    }

    fn read(sorted: &Sorted) -> Vec<Record> {
        let records = sorted.read().expect("a temporary file");
        records.collect::<io::Result<_>>().expect("records")
    }

    proptest! {
        #[test]
        fn rows_come_in_order_of_key_then_as_they_came_whether_they_fit_or_not(
            keys in proptest::collection::vec(any::<u8>(), 0..60),
            memory_bytes in 100_usize..2000,
        ) {
            let mut expected: Vec<Record> =
                keys.iter().enumerate().map(|(row, key)| record(*key, row)).collect();
            expected.sort_by(|a, b| a.key.cmp(&b.key));
            let in_files = sorted(&keys, memory_bytes);
            prop_assert_eq!(&read(&in_files), &expected);
            prop_assert_eq!(&read(&in_files), &expected);
            prop_assert_eq!(&read(&sorted(&keys, usize::MAX)), &expected);
        }
    }
}
