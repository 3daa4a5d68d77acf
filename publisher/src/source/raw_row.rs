//! A row as it stands in a file, alone or with others.

use std::ops::Range;

/// One row as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawRow<'a> {
    /// The row's number, from 1.
    pub number: usize,
    /// In a map, the key with its quotes.
    pub key: Option<&'a [u8]>,
    /// The row.
    pub bytes: &'a [u8],
    /// Line and column of the row's first byte (of the key's, in a map), from 1; the
    /// column counts characters.
    pub position: (usize, usize),
    /// The same of the value's first byte; in a list, the same place.
    pub value_position: (usize, usize),
    /// From the key's first byte to the row's.
    pub value_offset: usize,
}

/// Some of a file's rows, one behind the other, on their own.
#[derive(Debug, Default)]
pub(crate) struct RowBatch {
    bytes: Vec<u8>,
    rows: Vec<BatchedRow>,
}

#[derive(Debug)]
struct BatchedRow {
    number: usize,
    key: Option<Range<usize>>,
    value: Range<usize>,
    position: (usize, usize),
    value_position: (usize, usize),
    value_offset: usize,
}

impl RowBatch {
    /// Adds a copy of a row.
    pub(crate) fn push(&mut self, row: &RawRow<'_>) {
        let key = row.key.map(|key| self.append(key));
        let value = self.append(row.bytes);
        self.rows.push(BatchedRow {
            number: row.number,
            key,
            value,
            position: row.position,
            value_position: row.value_position,
            value_offset: row.value_offset,
        });
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// The row at an index.
    pub(crate) fn row(&self, index: usize) -> RawRow<'_> {
        let row = &self.rows[index];
        RawRow {
            number: row.number,
            key: row.key.clone().map(|range| &self.bytes[range]),
            bytes: &self.bytes[row.value.clone()],
            position: row.position,
            value_position: row.value_position,
            value_offset: row.value_offset,
        }
    }

    /// Every row, in the file's order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = RawRow<'_>> {
        (0..self.rows.len()).map(|index| self.row(index))
    }

    /// Whether it holds no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many bytes its rows have.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Removes every row and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }
}
