//! Rows in order of their keys, however many: what does not fit into memory is sorted in
//! parts, which go to a temporary file and are merged as they are read.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How many bytes of one side's rows stay in memory. A gigabyte of rows becomes 256 parts,
/// each of which takes a buffer while they are merged.
const MEMORY_BYTES: usize = 4 * 1024 * 1024;

/// What a row costs beside its bytes.
const ROW_OVERHEAD: usize = 64;

/// A normalized row under its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// A text that stands among others as the row's primary key among the keys.
    pub key: Box<[u8]>,
    /// The row in normal form.
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
    // Without a name: it is gone with the process, however that ends.
    file: Option<BufWriter<File>>,
    // How far each part goes; the next one begins there.
    ends: Vec<u64>,
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
            file: None,
            ends: Vec::new(),
        }
    }

    /// Takes a row.
    ///
    /// # Errors
    /// Where rows cannot be put aside.
    pub fn push(&mut self, record: Record) -> io::Result<()> {
        self.held_bytes += record.key.len() + record.row.len() + ROW_OVERHEAD;
        self.held.push(record);
        if self.held_bytes > self.memory_bytes {
            self.put_aside()
        } else {
            Ok(())
        }
    }

    /// The rows in order of their keys; those with one key in the order in which they came.
    ///
    /// # Errors
    /// Where rows cannot be put aside.
    pub fn finish(mut self) -> io::Result<Sorted> {
        if self.file.is_some() {
            self.put_aside()?;
        }
        match self.file {
            Some(file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                Ok(Sorted::Parts(Arc::new(file), self.ends))
            }
            None => {
                self.held.sort_by(|a, b| a.key.cmp(&b.key));
                Ok(Sorted::Held(self.held))
            }
        }
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.held.sort_by(|a, b| a.key.cmp(&b.key));
        let mut file = match self.file.take() {
            Some(file) => file,
            None => BufWriter::new(tempfile::tempfile()?),
        };
        let mut end = self.ends.last().copied().unwrap_or_default();
        for record in self.held.drain(..) {
            end += record.write(&mut file)?;
        }
        self.ends.push(end);
        self.file = Some(file);
        self.held_bytes = 0;
        Ok(())
    }
}

/// Rows in order of their keys, which may be read more than once.
#[derive(Debug)]
pub enum Sorted {
    /// In memory.
    Held(Vec<Record>),
    /// In a file, in parts that are sorted, and how far each of them goes.
    Parts(Arc<File>, Vec<u64>),
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
            Self::Parts(file, ends) => Ok(Box::new(Merged::of(file, ends)?)),
        }
    }
}

struct Merged {
    parts: Vec<BufReader<Part>>,
    next: BinaryHeap<Reverse<Head>>,
}

// The first record that a part has left.
struct Head {
    record: Record,
    part: usize,
}

impl Merged {
    fn of(file: &Arc<File>, ends: &[u64]) -> io::Result<Self> {
        let starts = std::iter::once(&0).chain(ends);
        let part = |(&offset, &end): (&u64, &u64)| {
            BufReader::new(Part {
                file: Arc::clone(file),
                offset,
                end,
            })
        };
        let mut merged = Self {
            parts: starts.zip(ends).map(part).collect(),
            next: BinaryHeap::new(),
        };
        for part in 0..merged.parts.len() {
            merged.refill(part)?;
        }
        Ok(merged)
    }

    fn refill(&mut self, part: usize) -> io::Result<()> {
        if let Some(record) = Record::read(&mut self.parts[part])? {
            self.next.push(Reverse(Head { record, part }));
        }
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse(head) = self.next.pop()?;
        match self.refill(head.part) {
            Ok(()) => Some(Ok(head.record)),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = self.record.key.cmp(&other.record.key);
        by_key.then(self.part.cmp(&other.part))
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

// Several parts are read at once, each from where it has come to.
struct Part {
    file: Arc<File>,
    offset: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let size = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..size], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

const INACTIVE: u8 = 1;
const ADMIN: u8 = 2;

impl Record {
    // Two lengths, the flags, the key, the row. Gives how many bytes that is.
    fn write(&self, out: &mut impl Write) -> io::Result<u64> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        let (key, row) = (length(&self.key)?, length(self.row.as_bytes())?);
        let flags = u8::from(self.inactive) * INACTIVE + u8::from(self.admin) * ADMIN;
        out.write_all(&key.to_le_bytes())?;
        out.write_all(&row.to_le_bytes())?;
        out.write_all(&[flags])?;
        out.write_all(&self.key)?;
        out.write_all(self.row.as_bytes())?;
        Ok(9 + u64::from(key) + u64::from(row))
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
