//! One table of a snapshot: its object, and its rows when somebody asks.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::Value;
use snapshot_format::{ObjectHash, TableEntry, TableKey};

use crate::error::{Error, ErrorCode};

/// One table of a snapshot; clones share its rows.
#[derive(Clone)]
pub struct Table(Arc<TableData>);

struct TableData {
    key: TableKey,
    object: Arc<[u8]>,
    entry: Option<TableEntry>,
    // Where there is no entry: the columns of the key, where those are known.
    primary_key: Option<Vec<String>>,
    rows: OnceLock<Result<Rows, Error>>,
}

struct Rows {
    values: Vec<Value>,
    by_key: HashMap<String, usize>,
}

impl Table {
    pub(crate) fn new(key: TableKey, object: Arc<[u8]>, entry: Option<TableEntry>) -> Self {
        Self(Arc::new(TableData {
            key,
            object,
            entry,
            primary_key: None,
            rows: OnceLock::new(),
        }))
    }

    /// A table that nobody published, of which the key is known.
    pub(crate) fn keyed_by(key: TableKey, object: Arc<[u8]>, primary_key: Vec<String>) -> Self {
        Self(Arc::new(TableData {
            key,
            object,
            entry: None,
            primary_key: Some(primary_key),
            rows: OnceLock::new(),
        }))
    }

    pub(super) fn table_key(&self) -> &TableKey {
        &self.0.key
    }

    /// The table's key, such as `exerciseCategories`.
    pub fn key(&self) -> &str {
        self.0.key.as_str()
    }

    /// The hash of the table object; `None` if the app ships the table without its manifest.
    pub fn hash(&self) -> Option<ObjectHash> {
        self.0.entry.as_ref().map(|entry| entry.hash)
    }

    /// The fingerprint of the table's columns, 16 hexadecimal digits, which generated types carry
    /// too; `None` if the app ships the table without its manifest.
    pub fn schema_fingerprint(&self) -> Option<&str> {
        let entry = self.0.entry.as_ref()?;
        Some(&entry.schema_fingerprint)
    }

    /// The table object as it was published: `{"schemaVersion":…,"table":…,"rows":[…]}`.
    pub fn object(&self) -> &[u8] {
        &self.0.object
    }

    /// The rows as JSON objects, in the published order; parsed at the first call.
    ///
    /// # Errors
    /// [`ErrorCode::NotJson`] if the object of this table is none, which no publisher writes.
    pub fn rows(&self) -> Result<&[Value], Error> {
        Ok(&self.parsed()?.values)
    }

    /// The rows as values of `T`, in the published order; parsed at each call.
    ///
    /// # Errors
    /// [`ErrorCode::NotJson`] if a row is no `T`.
    pub fn rows_as<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        let rows = self.rows_text().ok_or_else(|| self.no_table())?;
        serde_json::from_slice(rows).map_err(|error| self.no_table().with_source(error))
    }

    /// The row of this primary key, as text: `NEUTRAL`, `7`, or the values of a key of several
    /// columns joined by commas, `BARBELL,2`. Where the app ships neither a manifest nor an SQLite file,
    /// the key is the column `id`.
    ///
    /// # Errors
    /// If [`rows`](Self::rows) fails.
    pub fn row(&self, id: &str) -> Result<Option<&Value>, Error> {
        let rows = self.parsed()?;
        Ok(rows.by_key.get(id).map(|index| &rows.values[*index]))
    }

    fn parsed(&self) -> Result<&Rows, Error> {
        let parsed = self.0.rows.get_or_init(|| {
            let values: Vec<Value> = self.rows_as()?;
            let by_key = values
                .iter()
                .enumerate()
                .map(|(index, row)| (self.key_of(row), index));
            let by_key = by_key.collect();
            Ok(Rows { values, by_key })
        });
        parsed.as_ref().map_err(Clone::clone)
    }

    fn key_of(&self, row: &Value) -> String {
        let text = |column: &String| match &row[column.as_str()] {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let entry = self.0.entry.as_ref();
        let columns = entry.map(|entry| &entry.primary_key);
        match columns.or(self.0.primary_key.as_ref()) {
            Some(columns) => columns.iter().map(text).collect::<Vec<_>>().join(","),
            None => text(&"id".to_owned()),
        }
    }

    // `[…]`, as it stands in the object.
    fn rows_text(&self) -> Option<&[u8]> {
        let object = self.object();
        let head = format!(r#","table":"{}","rows":"#, self.key());
        let at = object
            .windows(head.len())
            .take(64)
            .position(|part| part == head.as_bytes())?;
        object[at + head.len()..].strip_suffix(b"}")
    }

    fn no_table(&self) -> Error {
        Error::new(
            ErrorCode::NotJson,
            format!("what was published as {} is no table", self.key()),
        )
    }

    pub(super) fn has_rows_of(&self, other: &Self) -> bool {
        match (self.hash(), other.hash()) {
            (Some(own), Some(others)) => own == others,
            _ => self.rows_text() == other.rows_text(),
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.object().len();
        f.debug_struct("Table")
            .field("key", &self.key())
            .field("bytes", &bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::in_memory::manifest;

    fn table(rows: &str, primary_key: Option<&[&str]>) -> Table {
        let entry = primary_key.map(|columns| {
            let mut entry = manifest("one").tables["grips"].clone();
            entry.hash = ObjectHash::of(rows.as_bytes());
            entry.primary_key = columns.iter().map(|&column| column.to_owned()).collect();
            entry
        });
        let object = format!(r#"{{"schemaVersion":"1.0","table":"grips","rows":{rows}}}"#);
        let key = "grips".parse().expect("a key");
        Table::new(key, object.into_bytes().into(), entry)
    }

    #[track_caller]
    fn check(table: &Table, key: &str, expected: Option<usize>) {
        let rows = table.rows().expect("rows");
        let found = table.row(key).expect("rows");
        assert_eq!(found, expected.map(|index| &rows[index]), "{key}");
    }

    #[test]
    fn a_row_is_found_by_each_column_of_its_key_in_their_order() {
        let rows = r#"[{"a":1,"b":"11","id":"x"},{"a":11,"b":"1","id":"y"}]"#;
        let by_two = table(rows, Some(&["a", "b"]));
        check(&by_two, "1,11", Some(0));
        check(&by_two, "11,1", Some(1));
        check(&by_two, "111", None);
        let by_two = table(rows, Some(&["b", "a"]));
        check(&by_two, "1,11", Some(1));
        check(&table(rows, Some(&["a"])), "11", Some(1));
        check(&table(rows, None), "y", Some(1));
        check(&table(rows, None), "z", None);
    }

    #[test]
    fn tables_are_compared_by_hash_or_without_one_by_their_rows() {
        let (one, other) = (r#"[{"id":"x"}]"#, r#"[{"id":"y"}]"#);
        let key = Some(&["id"][..]);
        assert!(table(one, key).has_rows_of(&table(one, key)));
        assert!(!table(one, key).has_rows_of(&table(other, key)));
        assert!(table(one, None).has_rows_of(&table(one, key)));
        assert!(!table(one, None).has_rows_of(&table(other, key)));
    }

    #[test]
    fn what_is_no_table_is_an_error_each_time() {
        for rows in ["[", "{}", r#"["x"]"#] {
            let table = table(rows, None);
            let read = table.rows_as::<HashMap<String, Value>>();
            assert_eq!(read.expect_err(rows).code(), ErrorCode::NotJson);
        }
        let table = table("[", None);
        for _ in 0..2 {
            assert_eq!(
                table.rows().expect_err("no list").code(),
                ErrorCode::NotJson
            );
            assert_eq!(
                table.row("x").expect_err("no list").code(),
                ErrorCode::NotJson
            );
        }
    }
}
