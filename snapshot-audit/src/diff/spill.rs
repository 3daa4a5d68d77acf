//! Rows put aside in temporary files, divided by their keys.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use snapshot_format::ReadError;

use crate::published::{Rows, RowsError};

// A gigabyte of rows becomes parts of 16 MiB.
const PARTITIONS: usize = 64;

/// The rows of one side, each in the part that its key belongs to.
pub(super) struct Partitions {
    // Without a name: they are gone with the process, however it ends.
    files: Vec<BufWriter<File>>,
}

impl Partitions {
    pub(super) fn new() -> io::Result<Self> {
        let file = |_| Ok(BufWriter::new(tempfile::tempfile()?));
        let files = (0..PARTITIONS).map(file).collect::<io::Result<_>>()?;
        Ok(Self { files })
    }

    /// Puts a row, which as canonical JSON holds no line end.
    pub(super) fn put(&mut self, key: &str, row: &str) -> io::Result<()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let index = hasher.finish() % PARTITIONS as u64;
        let file = &mut self.files[usize::try_from(index).expect("less than PARTITIONS")];
        file.write_all(row.as_bytes())?;
        file.write_all(b"\n")
    }
}

/// The parts of two sides that hold the same keys.
pub(super) fn spilled_pairs(
    from: Partitions,
    to: Partitions,
) -> io::Result<Vec<(SpilledRows, SpilledRows)>> {
    let pairs = from.files.into_iter().zip(to.files);
    pairs
        .map(|(from, to)| Ok((SpilledRows::of(from)?, SpilledRows::of(to)?)))
        .collect()
}

/// The rows of one part.
pub(super) struct SpilledRows {
    file: BufReader<File>,
    row: Vec<u8>,
}

impl SpilledRows {
    fn of(file: BufWriter<File>) -> io::Result<Self> {
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Self {
            file: BufReader::new(file),
            row: Vec::new(),
        })
    }
}

impl Rows for SpilledRows {
    fn next_row(&mut self) -> Result<Option<&[u8]>, RowsError> {
        self.row.clear();
        let read = self.file.read_until(b'\n', &mut self.row);
        read.map_err(|error| RowsError::Object(ReadError::Io(error)))?;
        match self.row.pop() {
            Some(_) => Ok(Some(&self.row)),
            None => Ok(None),
        }
    }
}
