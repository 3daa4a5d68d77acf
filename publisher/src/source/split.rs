//! Splits a source file into its rows, without holding it in memory.
//!
//! Only brackets, quotes and commas are looked at here; what stands in a row is read by
//! [`snapshot_format::json`]. So a row that is broken in itself does not hide the rows
//! behind it, as long as its brackets balance.

#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::ops::Range;

use super::positions::position_behind;
use super::raw_row::RawRow;

/// The most bytes one row may have.
pub const MAX_ROW_SIZE: usize = 16 * 1024 * 1024;

const CHUNK_SIZE: usize = 256 * 1024;

/// What a file holds at its top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `[row, row]`
    List,
    /// `{"key": row}`
    Map,
}

/// Why a file cannot be split.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not a list or a map of rows.
    #[error("{message}")]
    Syntax {
        /// Line and column, from 1.
        position: (usize, usize),
        /// What was met and what was expected.
        message: String,
    },
}

/// Reads rows from a file, one after another.
pub struct RowReader<R> {
    input: R,
    buffer: Vec<u8>,
    // What stands in the buffer before `at` has been handed out.
    at: usize,
    at_end: bool,
    line: usize,
    column: usize,
    shape: Shape,
    rows: usize,
    // The closing bracket was met, or the file broke off within a row.
    finished: bool,
    // A map's keys that begin so are notes.
    note_prefix: Option<String>,
    hasher: blake3::Hasher,
}

type Result<T> = std::result::Result<T, SplitError>;

impl<R: Read> RowReader<R> {
    /// Opens the list or map at the top of `input`; a byte-order mark before it is passed
    /// over.
    ///
    /// # Errors
    /// Where `input` cannot be read, is empty, or holds anything else.
    pub fn new(input: R) -> Result<Self> {
        let mut reader = Self {
            input,
            buffer: Vec::new(),
            at: 0,
            at_end: false,
            line: 1,
            column: 1,
            shape: Shape::List,
            rows: 0,
            finished: false,
            note_prefix: None,
            hasher: blake3::Hasher::new(),
        };
        reader.fill_to(3)?;
        if reader.buffer.starts_with(b"\xef\xbb\xbf") {
            reader.at = 3;
        }
        // What Windows calls Unicode: two bytes a character, with a mark or without one.
        if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..] = reader.buffer[..] {
            return Err(reader.error("the file is UTF-16; it must be saved as UTF-8"));
        }
        reader.shape = match reader.next_token()? {
            Some(b'[') => Shape::List,
            Some(b'{') => Shape::Map,
            Some(_) => return Err(reader.error("the file is neither a list nor a map of rows")),
            None => return Err(reader.error("the file is empty")),
        };
        reader.advance(reader.at + 1);
        Ok(reader)
    }

    /// The same reader, which passes over those entries of a map whose key begins with
    /// `prefix`: they are an editor's notes.
    pub fn without_notes(self, prefix: Option<&str>) -> Self {
        let note_prefix = prefix.map(str::to_owned);
        Self {
            note_prefix,
            ..self
        }
    }

    /// What the file holds at its top.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The next row; `None` behind the last one.
    ///
    /// # Errors
    /// Where the file cannot be read, or no row can be found in what follows.
    pub fn next_row(&mut self) -> Result<Option<RawRow<'_>>> {
        // A map may hold any number of notes one behind the other.
        let (position, start, key_end, value_start) = loop {
            if self.finished || !self.go_to_row()? {
                return Ok(None);
            }
            self.rows += 1;
            let position = (self.line, self.column);
            if self.at >= CHUNK_SIZE {
                self.drop_consumed();
            }
            let start = self.at;
            let key_end = match self.shape {
                Shape::List => None,
                Shape::Map => Some(self.skip_key(start)?),
            };
            let value_start = match key_end {
                None => start,
                Some(key_end) => self.skip_colon(key_end)?,
            };
            let end = self.skip_value(value_start)?;
            if end - start > MAX_ROW_SIZE {
                return Err(self.too_large());
            }
            self.advance(end);
            if !key_end.is_some_and(|key_end| self.is_note(start..key_end)) {
                break (position, start, key_end, value_start);
            }
        };
        Ok(Some(RawRow {
            number: self.rows,
            key: key_end.map(|key_end| &self.buffer[start..key_end]),
            bytes: &self.buffer[value_start..self.at],
            position,
            value_position: position_behind(position, &self.buffer[start..value_start]),
            value_offset: value_start - start,
        }))
    }

    /// The hash of the whole file, whose rest is read for it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn finish(mut self) -> io::Result<blake3::Hash> {
        while !self.at_end {
            self.buffer.clear();
            self.fill()?;
        }
        Ok(self.hasher.finalize())
    }

    fn is_note(&self, key: Range<usize>) -> bool {
        let prefix = self.note_prefix.as_deref().map(str::as_bytes);
        prefix.is_some_and(|prefix| self.buffer[key][1..].starts_with(prefix))
    }

    // Behind the opening bracket or a row: goes to the first byte of the next one.
    fn go_to_row(&mut self) -> Result<bool> {
        let close = match self.shape {
            Shape::List => b']',
            Shape::Map => b'}',
        };
        let mut token = self.next_token()?;
        if self.rows > 0 && token == Some(b',') {
            self.advance(self.at + 1);
            token = self.next_token()?;
            if token == Some(close) {
                return Err(self.error("a comma before the closing bracket"));
            }
        } else if self.rows > 0 && token.is_some() && token != Some(close) {
            return Err(self.expected(&format!("`,` or `{}` behind a row", char::from(close))));
        }
        match token {
            Some(b'/') => Err(self.error(
                "JSON has no comments; a row may have a note, under a key such as \"_note\"",
            )),
            None => Err(self.error(&format!(
                "the file ends before the closing `{}`; it may be cut off",
                char::from(close)
            ))),
            Some(byte) if byte == close => {
                self.advance(self.at + 1);
                self.finished = true;
                match self.next_token()? {
                    None => Ok(false),
                    Some(_) => Err(self.expected("the end of the file")),
                }
            }
            Some(_) => Ok(true),
        }
    }

    // The end of the key that starts at `start`, which is `self.at`. Indexes into the
    // buffer hold until the next row: filling only appends.
    fn skip_key(&mut self, start: usize) -> Result<usize> {
        if self.byte(start)? != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        self.skip_string(start)
    }

    fn skip_colon(&mut self, key_end: usize) -> Result<usize> {
        let colon = self.skip_space(key_end)?;
        if self.byte(colon)? != Some(b':') {
            self.advance(colon);
            return Err(self.expected("`:` behind the key"));
        }
        self.skip_space(colon + 1)
    }

    fn skip_space(&mut self, mut at: usize) -> Result<usize> {
        while self.byte(at)?.is_some_and(is_space) {
            at += 1;
        }
        Ok(at)
    }

    fn skip_string(&mut self, start: usize) -> Result<usize> {
        let mut at = start + 1;
        loop {
            // The scan over what is buffered is the hot loop; `byte` only refills.
            let rest = &self.buffer[at.min(self.buffer.len())..];
            at += length_before(rest, |b| (b == b'"') | (b == b'\\'));
            match self.byte(at)? {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => at += 2,
                Some(_) => {}
                None => return Ok(self.break_off()),
            }
        }
    }

    // The end of the value that starts at `start`.
    fn skip_value(&mut self, start: usize) -> Result<usize> {
        match self.byte(start)? {
            Some(b'{' | b'[') => self.skip_brackets(start),
            Some(b'"') => self.skip_string(start),
            _ => {
                let mut at = start;
                while let Some(byte) = self.byte(at)? {
                    if is_space(byte) || matches!(byte, b',' | b']' | b'}') {
                        break;
                    }
                    at += 1;
                }
                Ok(at)
            }
        }
    }

    fn skip_brackets(&mut self, start: usize) -> Result<usize> {
        let mut depth = 0;
        let mut at = start;
        loop {
            let rest = &self.buffer[at.min(self.buffer.len())..];
            at += length_before(rest, |b| {
                (b == b'"') | (b == b'{') | (b == b'}') | (b == b'[') | (b == b']')
            });
            match self.byte(at)? {
                Some(b'"') => at = self.skip_string(at)?,
                Some(b'{' | b'[') => {
                    depth += 1;
                    at += 1;
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    at += 1;
                    if depth == 0 {
                        return Ok(at);
                    }
                }
                Some(_) => {}
                None => return Ok(self.break_off()),
            }
        }
    }

    // The file ends within a row. The row is handed out as it is, and whoever reads it
    // finds where it breaks.
    fn break_off(&mut self) -> usize {
        self.finished = true;
        self.buffer.len()
    }

    // The byte at an index of the buffer, which is filled up to there.
    fn byte(&mut self, index: usize) -> Result<Option<u8>> {
        if index >= self.buffer.len() {
            if index - self.at > MAX_ROW_SIZE {
                return Err(self.too_large());
            }
            self.fill_to(index + 1)?;
        }
        Ok(self.buffer.get(index).copied())
    }

    fn next_token(&mut self) -> Result<Option<u8>> {
        loop {
            if self.at == self.buffer.len() {
                self.drop_consumed();
                self.fill_to(1)?;
            }
            match self.buffer.get(self.at) {
                Some(byte) if is_space(*byte) => self.advance(self.at + 1),
                other => return Ok(other.copied()),
            }
        }
    }

    // Moves `at`, and the line and column with it.
    fn advance(&mut self, to: usize) {
        let to = to.max(self.at);
        let passed = &self.buffer[self.at.min(self.buffer.len())..to.min(self.buffer.len())];
        (self.line, self.column) = position_behind((self.line, self.column), passed);
        self.at = to;
    }

    // Called once a chunk, so that what is left in the buffer is moved rarely.
    fn drop_consumed(&mut self) {
        self.buffer.drain(..self.at);
        self.at = 0;
    }

    fn fill_to(&mut self, size: usize) -> io::Result<()> {
        while self.buffer.len() < size && !self.at_end {
            self.fill()?;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        let start = self.buffer.len();
        self.buffer.resize(start + CHUNK_SIZE, 0);
        let count = loop {
            match self.input.read(&mut self.buffer[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(start + *count.as_ref().unwrap_or(&0));
        self.at_end = count? == 0;
        self.hasher.update(&self.buffer[start..]);
        Ok(())
    }

    fn too_large(&self) -> SplitError {
        self.error(&format!(
            "a row has at most {MAX_ROW_SIZE} bytes; this one has more"
        ))
    }

    fn expected(&mut self, what: &str) -> SplitError {
        // All of the next character, which the buffer's end may divide.
        if let Err(error) = self.fill_to(self.at + 4) {
            return error.into();
        }
        let rest = String::from_utf8_lossy(&self.buffer[self.at.min(self.buffer.len())..]);
        match rest.chars().next() {
            Some(c) => self.error(&format!("expected {what}, found {c:?}")),
            None => self.error(&format!("expected {what}, but the file ends")),
        }
    }

    fn error(&self, message: &str) -> SplitError {
        SplitError::Syntax {
            position: (self.line, self.column),
            message: message.to_owned(),
        }
    }
}

// How many bytes stand before the first that `ends`. Sixteen are looked at together, which
// the compiler does in one step as long as `ends` has no branch.
fn length_before(bytes: &[u8], ends: impl Fn(u8) -> bool) -> usize {
    let none_ends = |chunk: &&[u8]| !chunk.iter().fold(false, |found, b| found | ends(*b));
    let whole = 16 * bytes.chunks_exact(16).take_while(none_ends).count();
    whole + bytes[whole..].iter().take_while(|b| !ends(**b)).count()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}
