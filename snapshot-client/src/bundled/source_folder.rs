//! Source files, which people edit, read without a database.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use snapshot_format::{TableKey, canonical};

use super::published::{Bundled, read};
use crate::error::{Error, ErrorCode};

/// A folder of source files, `<tableKey>.json`, each a list of rows or a map.
///
/// Rows are read as they would be published, as far as that is known without a database: only
/// active ones, without editors' notes (keys that begin with `_`) and without `source_type`, in
/// order of `sort_order` and then of `id`. A key that only other rows of the file have is null.
/// What only the database knows (defaults, generated columns) is absent.
#[derive(Debug, Clone)]
pub struct SourceFolder {
    folder: PathBuf,
    maps: BTreeMap<String, Map>,
}

#[derive(Debug, Clone)]
struct Map {
    key_columns: Vec<String>,
    value_column: String,
}

type Row = BTreeMap<String, Box<RawValue>>;

impl SourceFolder {
    /// The source files of this folder; nothing is read yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            maps: BTreeMap::new(),
        }
    }

    /// The same folder with one file that is a map, such as `{"BARBELL": "<svg …>"}`: each entry is a
    /// row with its key in each of `key_columns` and its value in `value_column`. `tablecast.toml`
    /// says the same by `map_key` and `map_value`.
    #[must_use]
    pub fn map(mut self, table: &str, key_columns: &[&str], value_column: &str) -> Self {
        let map = Map {
            key_columns: key_columns
                .iter()
                .map(|&column| column.to_owned())
                .collect(),
            value_column: value_column.to_owned(),
        };
        self.maps.insert(table.to_owned(), map);
        self
    }

    fn tables(&self) -> Result<BTreeMap<TableKey, Vec<Vec<u8>>>, Error> {
        let mut tables = BTreeMap::new();
        for path in json_files(&self.folder)? {
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let key = name
                .parse::<TableKey>()
                .map_err(|error| refused(&path).with_source(error))?;
            let rows = self.rows(&path, name)?;
            tables.insert(key, rows);
        }
        Ok(tables)
    }

    fn rows(&self, path: &Path, name: &str) -> Result<Vec<Vec<u8>>, Error> {
        let text = read(path)?;
        let parsed = match self.maps.get(name) {
            None => serde_json::from_slice::<Vec<Row>>(&text),
            Some(map) => serde_json::from_slice(&text).map(|entries| map.rows(entries)),
        };
        let mut rows = parsed.map_err(|error| refused(path).with_source(error))?;
        rows.retain(|row| {
            row.get("is_active")
                .is_none_or(|value| value.get() != "false")
        });
        rows.sort_by_cached_key(order);
        let published_column =
            |column: &&String| !column.starts_with('_') && *column != "source_type";
        let columns: BTreeSet<_> = rows
            .iter()
            .flat_map(BTreeMap::keys)
            .filter(published_column)
            .collect();
        let rows = rows.iter().map(|row| published(&columns, row));
        rows.map(|row| row.map_err(|error| refused(path).with_source(error)))
            .collect()
    }
}

impl Bundled {
    /// Reads source files, for an app that ships them as they are edited. The version is older than
    /// any that was published.
    ///
    /// # Errors
    /// [`ErrorCode::NoData`] if a file cannot be read, or is no table.
    pub fn from_source(source: &SourceFolder) -> Result<Self, Error> {
        Ok(Self::unpublished(source.tables()?))
    }
}

impl Map {
    fn rows(&self, entries: Row) -> Vec<Row> {
        let entries = entries.into_iter().filter(|(key, _)| !key.starts_with('_'));
        let row = |(key, value): (String, Box<RawValue>)| {
            let key = serde_json::value::to_raw_value(&key).expect("a text is JSON");
            let columns = self
                .key_columns
                .iter()
                .map(|column| (column.clone(), key.clone()));
            columns
                .chain([(self.value_column.clone(), value)])
                .collect()
        };
        entries.map(row).collect()
    }
}

// By `sort_order`, rows without one last, then by `id`, texts by their bytes.
fn order(row: &Row) -> (bool, i64, String) {
    let value = |column: &str| {
        let value = row.get(column).map(|value| Value::deserialize(&**value));
        value.and_then(Result::ok).unwrap_or_default()
    };
    let position = value("sort_order").as_i64();
    let id = match value("id") {
        Value::String(id) => id,
        other => other.to_string(),
    };
    (position.is_none(), position.unwrap_or_default(), id)
}

fn published(columns: &BTreeSet<&String>, row: &Row) -> Result<Vec<u8>, canonical::CanonicalError> {
    let mut bytes = Vec::new();
    for column in columns {
        bytes.push(if bytes.is_empty() { b'{' } else { b',' });
        canonical::write_string(column, &mut bytes);
        bytes.push(b':');
        match row.get(*column) {
            Some(value) => canonical::write_json(value.get(), &mut bytes)?,
            None => bytes.extend_from_slice(b"null"),
        }
    }
    bytes.push(b'}');
    Ok(bytes)
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error| {
        let message = format!("failed to read the folder {}", folder.display());
        Error::new(ErrorCode::NoData, message).with_source(error)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn refused(path: &Path) -> Error {
    Error::new(ErrorCode::NoData, format!("{} is no table", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, expected: &[&str]) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("grips.json"), content).expect("written");
        let source = SourceFolder::new(folder.path());
        let bundled = Bundled::from_source(&source).expect("readable");
        let table = bundled.snapshot().table("grips").expect("there");
        let object = String::from_utf8_lossy(table.object()).into_owned();
        let rows: Vec<_> = object
            .lines()
            .skip(1)
            .filter(|line| line.starts_with('{'))
            .collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn rows_come_as_they_would_be_published() {
        check(
            r#"[{"id": "B", "sort_order": 2, "_note": "?", "price": 1.50},
                {"id": "C", "sort_order": 1, "is_active": true, "source_type": "seed"},
                {"id": "A", "sort_order": 2, "label": "Ä\u00e9"},
                {"id": "D", "is_active": false}]"#,
            &[
                r#"{"id":"C","is_active":true,"label":null,"price":null,"sort_order":1},"#,
                r#"{"id":"A","is_active":null,"label":"Äé","price":null,"sort_order":2},"#,
                r#"{"id":"B","is_active":null,"label":null,"price":1.5,"sort_order":2}"#,
            ],
        );
    }

    #[test]
    fn what_is_no_table_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("grips.json"), "{}").expect("written");
        let error = Bundled::from_source(&SourceFolder::new(folder.path())).expect_err("a map");
        assert!(
            error.to_string().ends_with("grips.json is no table"),
            "{error}"
        );
    }
}
