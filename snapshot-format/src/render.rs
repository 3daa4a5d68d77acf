//! Objects as bytes: the table object and the bootstrap object.
//!
//! ```text
//! {"schemaVersion":"1.0","table":"grips","rows":[
//! {"id":"NEUTRAL","is_active":true,"label":"Neutral"},
//! {"id":"PRONATED","is_active":true,"label":"Pronated"}
//! ]}
//! ```
//!
//! Each row stands on a line of its own, which keeps diffs readable and deltas tiny;
//! there is no other white space, also none at the end. No rows are `[]`.

use std::io::{self, Write};

use crate::head::{BootstrapHeader, bootstrap_head, table_head};
use crate::{SchemaVersion, TableKey, canonical};

/// The columns of a table's rows, in the order in which they are published.
///
/// Holds the bytes that stand before each value, so that a row is written by turns:
/// prefix, value, prefix, value, `}`.
#[derive(Debug, Clone)]
pub struct RowShape {
    prefixes: Vec<Vec<u8>>,
}

impl RowShape {
    /// The shape for these column names, which must be sorted by their UTF-8 bytes and
    /// not be empty: that is what makes a row canonical.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut prefixes = Vec::new();
        let mut before = None;
        for column in columns {
            debug_assert!(before < Some(column), "columns are sorted");
            let mut prefix = vec![if before.is_none() { b'{' } else { b',' }];
            canonical::write_string(column, &mut prefix);
            prefix.push(b':');
            prefixes.push(prefix);
            before = Some(column);
        }
        assert!(!prefixes.is_empty(), "a row has a column: its primary key");
        Self { prefixes }
    }

    /// Starts the value of column `index`.
    pub fn begin_value(&self, index: usize, row: &mut Vec<u8>) {
        row.extend_from_slice(&self.prefixes[index]);
    }

    /// Ends the row: writes the brace that closes its object.
    pub fn end_row(&self, row: &mut Vec<u8>) {
        row.push(b'}');
    }
}

/// Writes a table object, row by row.
pub struct TableWriter<W> {
    rows: Rows<W>,
}

impl<W: Write> TableWriter<W> {
    /// Begins the object.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn new(mut out: W, schema: SchemaVersion, table: &TableKey) -> io::Result<Self> {
        out.write_all(table_head(schema, table).as_bytes())?;
        Ok(Self {
            rows: Rows::new(out),
        })
    }

    /// Adds a row: canonical bytes without a line end.
    ///
    /// # Errors
    /// What the writer below gives.
    pub fn row(&mut self, row: &[u8]) -> io::Result<()> {
        self.rows.push(row)
    }

    /// Ends the object, and gives the writer below and the number of rows.
    ///
    /// # Errors
    /// What the writer below gives.
    pub fn finish(self) -> io::Result<(W, u64)> {
        let (mut out, count) = self.rows.finish()?;
        out.write_all(b"}")?;
        Ok((out, count))
    }
}

/// Writes the bootstrap object, table by table in key order.
pub struct BootstrapWriter<W> {
    out: Option<W>,
    current: Option<Rows<W>>,
    tables: usize,
}

impl<W: Write> BootstrapWriter<W> {
    /// Begins the object.
    ///
    /// # Errors
    /// What `out` gives.
    pub fn new(mut out: W, header: &BootstrapHeader) -> io::Result<Self> {
        out.write_all(bootstrap_head(header).as_bytes())?;
        Ok(Self {
            out: Some(out),
            current: None,
            tables: 0,
        })
    }

    /// Begins a table; the one before it ends.
    ///
    /// # Errors
    /// What the writer below gives.
    pub fn table(&mut self, table: &TableKey) -> io::Result<()> {
        self.end_table()?;
        let mut out = self.out.take().expect("no table is open");
        let comma = if self.tables == 0 { "" } else { "," };
        write!(out, r#"{comma}"{table}":["#)?;
        self.tables += 1;
        self.current = Some(Rows::new(out));
        Ok(())
    }

    /// Adds a row to the current table.
    ///
    /// # Errors
    /// What the writer below gives.
    pub fn row(&mut self, row: &[u8]) -> io::Result<()> {
        self.current.as_mut().expect("a table was begun").push(row)
    }

    /// Ends the object and gives the writer below.
    ///
    /// # Errors
    /// What the writer below gives.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_table()?;
        let mut out = self.out.take().expect("no table is open");
        out.write_all(b"}}")?;
        Ok(out)
    }

    fn end_table(&mut self) -> io::Result<()> {
        if let Some(rows) = self.current.take() {
            self.out = Some(rows.finish()?.0);
        }
        Ok(())
    }
}

// `[` stands already; the line ends that make each row a line of its own are here alone.
struct Rows<W> {
    out: W,
    count: u64,
}

impl<W: Write> Rows<W> {
    fn new(out: W) -> Self {
        Self { out, count: 0 }
    }

    fn push(&mut self, row: &[u8]) -> io::Result<()> {
        self.out
            .write_all(if self.count == 0 { b"\n" } else { b",\n" })?;
        self.count += 1;
        self.out.write_all(row)
    }

    fn finish(mut self) -> io::Result<(W, u64)> {
        self.out
            .write_all(if self.count == 0 { b"]" } else { b"\n]" })?;
        Ok((self.out, self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: SchemaVersion = SchemaVersion { major: 1, minor: 0 };

    fn key(text: &str) -> TableKey {
        text.parse().expect("a key")
    }

    #[test]
    fn a_table_object_has_a_line_for_each_row() {
        let mut table = TableWriter::new(Vec::new(), SCHEMA, &key("grips")).expect("memory");
        for row in [r#"{"id":"NEUTRAL"}"#, r#"{"id":"PRONATED"}"#] {
            table.row(row.as_bytes()).expect("memory");
        }
        let (bytes, rows) = table.finish().expect("memory");
        let expected = "{\"schemaVersion\":\"1.0\",\"table\":\"grips\",\"rows\":[\n\
                        {\"id\":\"NEUTRAL\"},\n{\"id\":\"PRONATED\"}\n]}";
        assert_eq!(String::from_utf8(bytes).expect("UTF-8"), expected);
        assert_eq!(rows, 2);
    }

    #[test]
    fn a_bootstrap_object_has_the_four_fields_and_no_space() {
        let header = BootstrapHeader {
            schema_version: SCHEMA,
            reference_version: crate::ReferenceVersion(42),
            generated_at: "2026-02-24T13:12:04Z".into(),
        };
        let mut bootstrap = BootstrapWriter::new(Vec::new(), &header).expect("memory");
        bootstrap.table(&key("cardioTypes")).expect("memory");
        bootstrap.row(br#"{"id":"RUN"}"#).expect("memory");
        bootstrap.table(&key("grips")).expect("memory");
        let bytes = bootstrap.finish().expect("memory");
        let expected = "{\"schemaVersion\":\"1.0\",\"referenceVersion\":\"seq:42\",\
                        \"generatedAt\":\"2026-02-24T13:12:04Z\",\"tables\":{\
                        \"cardioTypes\":[\n{\"id\":\"RUN\"}\n],\"grips\":[]}}";
        assert_eq!(String::from_utf8(bytes).expect("UTF-8"), expected);
    }

    #[test]
    fn a_row_is_prefixes_and_values_by_turns() {
        let shape = RowShape::new(["id", "label"]);
        let mut row = Vec::new();
        shape.begin_value(0, &mut row);
        row.extend_from_slice(b"1");
        shape.begin_value(1, &mut row);
        row.extend_from_slice(b"null");
        shape.end_row(&mut row);
        assert_eq!(row, br#"{"id":1,"label":null}"#);
    }
}
