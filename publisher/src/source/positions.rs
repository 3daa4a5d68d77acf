//! Lines and columns, from 1; a column counts characters.

use super::raw_row::RawRow;

/// Lines and columns in a row, by offsets from the row's (or its key's) first byte. Offsets
/// that rise are found in one pass over the row.
pub(super) struct Positions<'r> {
    row: RawRow<'r>,
    // An offset whose position is known.
    offset: usize,
    position: (usize, usize),
}

impl<'r> Positions<'r> {
    pub(super) fn of(row: RawRow<'r>) -> Self {
        Self {
            row,
            offset: 0,
            position: row.position,
        }
    }

    pub(super) fn at(&mut self, offset: usize) -> (usize, usize) {
        let RawRow {
            key,
            bytes,
            position,
            value_position,
            value_offset,
            ..
        } = self.row;
        // The key and the value are texts of their own: what stands between them is not here.
        let (start, first, text) = match key {
            Some(key) if offset < value_offset => (0, position, key),
            _ => (value_offset, value_position, bytes),
        };
        if offset < self.offset || self.offset < start {
            (self.offset, self.position) = (start, first);
        }
        let end = |offset: usize| offset.saturating_sub(start).min(text.len());
        let passed = &text[end(self.offset)..end(offset)];
        self.position = position_behind(self.position, passed);
        self.offset = offset.max(start);
        self.position
    }
}

impl RawRow<'_> {
    /// Line and column of the byte at `offset` from the row's (or its key's) first.
    pub fn position_of(&self, offset: usize) -> (usize, usize) {
        Positions::of(*self).at(offset)
    }
}

/// Line and column behind `passed`, when `position` is where it starts.
pub(super) fn position_behind(position: (usize, usize), passed: &[u8]) -> (usize, usize) {
    let (line, column) = position;
    // Continuation bytes of UTF-8 are not characters of their own.
    let characters = |bytes: &[u8]| bytes.iter().filter(|b| (**b & 0xc0) != 0x80).count();
    // Few rows stand on several lines, and `contains` is quick.
    let last = if passed.contains(&b'\n') {
        passed.iter().rposition(|byte| *byte == b'\n')
    } else {
        None
    };
    match last {
        None => (line, column + characters(passed)),
        Some(last) => {
            let lines = passed.iter().filter(|byte| **byte == b'\n').count();
            (line + lines, 1 + characters(&passed[last + 1..]))
        }
    }
}
