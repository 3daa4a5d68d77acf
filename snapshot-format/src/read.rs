//! Objects read back, row by row: what [`render`](crate::TableWriter) writes, and nothing
//! else.
//!
//! The readers hold one row at a time, so a table of any size is read in little memory.
//! They are strict about everything between the rows: an object that they read to its
//! end, written again from the same rows, has the same bytes. What a row may be is not
//! theirs to say.

use std::io::{self, BufRead};

use crate::head::{bootstrap_head, table_head};
use crate::{BootstrapHeader, SchemaVersion, TableKey};

/// Why an object cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes do not come.
    #[error("failed to read")]
    Io(#[from] io::Error),
    /// Other bytes stand there than the format has.
    #[error("byte {offset}: expected {expected}")]
    Unexpected {
        /// Where, from the start of the object.
        offset: u64,
        /// What belongs there.
        expected: String,
    },
}

/// Reads a table object row by row, without holding it in memory; refuses what is not
/// canonical.
pub struct TableReader<R> {
    input: Input<R>,
    rows: Rows,
}

impl<R: BufRead> TableReader<R> {
    /// Reads up to the first row of the object of `table`.
    ///
    /// # Errors
    /// Where the object does not begin as that table's does.
    pub fn new(input: R, schema: SchemaVersion, table: &TableKey) -> Result<Self, ReadError> {
        let mut input = Input { input, offset: 0 };
        input.expect(table_head(schema, table).as_bytes())?;
        Ok(Self {
            input,
            rows: Rows::default(),
        })
    }

    /// The next row: its line, without what separates lines. `None` at the end, with
    /// which the object ended too.
    ///
    /// # Errors
    /// Where neither a row nor the end stands there.
    pub fn next_row(&mut self) -> Result<Option<&[u8]>, ReadError> {
        Ok(self.advance()?.then_some(&self.rows.row))
    }

    /// Goes on to the next row, and tells whether there is one.
    ///
    /// # Errors
    /// As [`TableReader::next_row`].
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        if self.rows.at == At::End {
            return Ok(false);
        }
        if self.rows.advance(&mut self.input)? {
            return Ok(true);
        }
        self.input.expect(b"}")?;
        self.input.expect_end()?;
        Ok(false)
    }

    /// The row that was read last.
    pub fn row(&self) -> &[u8] {
        &self.rows.row
    }

    /// What the object is read from, for whoever counts or limits its bytes.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.input.input
    }
}

/// Reads the bootstrap object table by table and row by row; refuses what is not canonical.
pub struct BootstrapReader<R> {
    input: Input<R>,
    rows: Rows,
    tables: usize,
}

impl<R: BufRead> BootstrapReader<R> {
    /// Reads up to the first table.
    ///
    /// # Errors
    /// Where the object does not begin with `header`.
    pub fn new(input: R, header: &BootstrapHeader) -> Result<Self, ReadError> {
        let mut input = Input { input, offset: 0 };
        input.expect(bootstrap_head(header).as_bytes())?;
        Ok(Self {
            input,
            rows: Rows {
                at: At::End,
                ..Rows::default()
            },
            tables: 0,
        })
    }

    /// The next table, once the rows of the one before are read. `None` at the end, with
    /// which the object ended too.
    ///
    /// # Errors
    /// Where neither a table nor the end stands there.
    pub fn next_table(&mut self) -> Result<Option<TableKey>, ReadError> {
        while self.next_row()?.is_some() {}
        if self.input.peek()? == Some(b'}') {
            self.input.expect(b"}}")?;
            self.input.expect_end()?;
            return Ok(None);
        }
        if self.tables > 0 {
            self.input.expect(b",")?;
        }
        self.tables += 1;
        let table = self.input.key()?;
        self.rows = Rows::default();
        Ok(Some(table))
    }

    /// The next row of the current table; `None` at the table's end.
    ///
    /// # Errors
    /// Where neither a row nor the end stands there.
    pub fn next_row(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let there = self.rows.at != At::End && self.rows.advance(&mut self.input)?;
        Ok(there.then_some(&self.rows.row))
    }
}

// The lines of one table, from behind its `[` to behind its `]`.
#[derive(Default)]
struct Rows {
    row: Vec<u8>,
    at: At,
}

#[derive(Default, PartialEq, Eq)]
enum At {
    #[default]
    Start,
    // A comma stood behind the row before.
    Row,
    Last,
    End,
}

impl Rows {
    // Whether there is another row, which then is in `row`.
    fn advance(&mut self, input: &mut Input<impl BufRead>) -> Result<bool, ReadError> {
        match self.at {
            At::Start if input.peek()? != Some(b']') => input.expect(b"\n")?,
            At::Row => {}
            At::Start | At::Last | At::End => {
                input.expect(b"]")?;
                self.at = At::End;
                return Ok(false);
            }
        }
        let start = input.offset;
        input.line(&mut self.row)?;
        let comma = self.row.last() == Some(&b',');
        if comma {
            self.row.pop();
        }
        self.at = if comma { At::Row } else { At::Last };
        // A canonical row holds no line end, so a line is a row.
        if self.row.first() != Some(&b'{') || self.row.last() != Some(&b'}') {
            return Err(unexpected(start, "a row on a line of its own"));
        }
        Ok(true)
    }
}

struct Input<R> {
    input: R,
    offset: u64,
}

impl<R: BufRead> Input<R> {
    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            match self.input.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self) -> Result<Option<u8>, ReadError> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.input.consume(1);
            self.offset += 1;
        }
        Ok(byte)
    }

    fn expect(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let start = self.offset;
        for byte in bytes {
            let at = self.offset;
            if self.take()? != Some(*byte) {
                let rest = &bytes[usize::try_from(at - start).unwrap_or(0)..];
                let expected = format!("{:?}", String::from_utf8_lossy(rest));
                return Err(unexpected(at, expected));
            }
        }
        Ok(())
    }

    fn expect_end(&mut self) -> Result<(), ReadError> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(unexpected(self.offset, "the end of the object")),
        }
    }

    fn line(&mut self, line: &mut Vec<u8>) -> Result<(), ReadError> {
        line.clear();
        let read = self.input.read_until(b'\n', line)?;
        self.offset += read as u64;
        match line.pop() {
            Some(b'\n') => Ok(()),
            _ => Err(unexpected(self.offset, "a line end behind a row")),
        }
    }

    // `"key":[`
    fn key(&mut self) -> Result<TableKey, ReadError> {
        self.expect(b"\"")?;
        let start = self.offset;
        let mut name = String::new();
        // A key has at most 63 bytes; parsing it says so.
        while name.len() <= 63
            && let Some(byte) = self.peek()?.filter(|byte| *byte != b'"')
        {
            name.push(char::from(byte));
            self.take()?;
        }
        let table = name.parse().map_err(|_| unexpected(start, "a table key"))?;
        self.expect(b"\":[")?;
        Ok(table)
    }
}

fn unexpected(offset: u64, expected: impl Into<String>) -> ReadError {
    ReadError::Unexpected {
        offset,
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BootstrapWriter, ReferenceVersion, TableWriter};

    const SCHEMA: SchemaVersion = SchemaVersion { major: 1, minor: 0 };

    fn key(text: &str) -> TableKey {
        text.parse().expect("a key")
    }

    fn header() -> BootstrapHeader {
        BootstrapHeader {
            schema_version: SCHEMA,
            reference_version: ReferenceVersion(42),
            generated_at: "2026-02-24T13:12:04Z".into(),
        }
    }

    fn table_object(rows: &[Vec<u8>]) -> Vec<u8> {
        let mut table = TableWriter::new(Vec::new(), SCHEMA, &key("grips")).expect("memory");
        for row in rows {
            table.row(row).expect("memory");
        }
        table.finish().expect("memory").0
    }

    fn bootstrap_object(tables: &[(TableKey, Vec<Vec<u8>>)]) -> Vec<u8> {
        let mut bootstrap = BootstrapWriter::new(Vec::new(), &header()).expect("memory");
        for (table, rows) in tables {
            bootstrap.table(table).expect("memory");
            for row in rows {
                bootstrap.row(row).expect("memory");
            }
        }
        bootstrap.finish().expect("memory")
    }

    fn read_table(object: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut reader = TableReader::new(object, SCHEMA, &key("grips"))?;
        let mut rows = Vec::new();
        while let Some(row) = reader.next_row()? {
            rows.push(row.to_owned());
        }
        Ok(rows)
    }

    type Tables = Vec<(TableKey, Vec<Vec<u8>>)>;

    fn read_bootstrap(object: &[u8]) -> Result<Tables, ReadError> {
        let mut reader = BootstrapReader::new(object, &header())?;
        let mut tables = Vec::new();
        while let Some(table) = reader.next_table()? {
            let mut rows = Vec::new();
            while let Some(row) = reader.next_row()? {
                rows.push(row.to_owned());
            }
            tables.push((table, rows));
        }
        Ok(tables)
    }

    fn rows() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let row = prop::collection::vec(
            any::<u8>().prop_filter("no line end", |b| *b != b'\n'),
            0..20,
        );
        let row = row.prop_map(|inner| [&b"{"[..], &inner, b"}"].concat());
        prop::collection::vec(row, 0..5)
    }

    fn tables() -> impl Strategy<Value = Tables> {
        let table = ("[A-Za-z_][A-Za-z0-9_]{0,4}", rows());
        prop::collection::vec(table.prop_map(|(name, rows)| (key(&name), rows)), 0..4)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(rows in rows(), tables in tables()) {
            prop_assert_eq!(read_table(&table_object(&rows)).expect("ours"), rows);
            prop_assert_eq!(read_bootstrap(&bootstrap_object(&tables)).expect("ours"), tables);
        }

        // So whoever compares the rows has compared the objects.
        #[test]
        fn what_is_read_to_its_end_was_written_so(
            rows in rows(),
            tables in tables(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut object = table_object(&rows);
            let index = at.index(object.len());
            object[index] = byte;
            if let Ok(rows) = read_table(&object) {
                prop_assert_eq!(table_object(&rows), object);
            }
            let mut object = bootstrap_object(&tables);
            let index = at.index(object.len());
            object[index] = byte;
            if let Ok(tables) = read_bootstrap(&object) {
                prop_assert_eq!(bootstrap_object(&tables), object);
            }
        }
    }

    #[test]
    fn what_does_not_belong_there_is_named_by_its_place() {
        let check = |object: &str, message: &str| {
            let error = read_table(object.as_bytes()).expect_err("damaged");
            assert_eq!(error.to_string(), message, "{object}");
        };
        let head = r#"{"schemaVersion":"1.0","table":"grips","rows":["#;
        check("", &format!("byte 0: expected {head:?}"));
        check(
            r#"{"schemaVersion":"1.0","table":"motions","rows":[]}"#,
            r#"byte 32: expected "grips\",\"rows\":[""#,
        );
        check(head, r#"byte 47: expected "\n""#);
        check(&format!("{head}]"), r#"byte 48: expected "}""#);
        check(
            &format!("{head}]}} "),
            "byte 49: expected the end of the object",
        );
        check(
            &format!("{head}\n]}}"),
            "byte 50: expected a line end behind a row",
        );
        check(
            &format!("{head}\n{{}},\n]}}"),
            "byte 54: expected a line end behind a row",
        );
        check(
            &format!("{head}\n{{}}\n{{}}\n]}}"),
            r#"byte 51: expected "]""#,
        );
        check(
            &format!("{head}\n{{}}, {{}}\n ]}}"),
            r#"byte 55: expected "]""#,
        );
        check(
            &format!("{head}\n1\n]}}"),
            "byte 48: expected a row on a line of its own",
        );
    }
}
