//! The tables of an SQLite file that an app ships.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::{Value, json};
use snapshot_format::{NameError, TableKey};

use super::published::{Bundled, canonical_row};
use crate::error::{Error, ErrorCode};

/// Why a file's tables cannot be read.
#[derive(Debug)]
enum Problem {
    Sqlite(rusqlite::Error),
    Name(NameError),
    Value(Error),
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
    // Its place in the primary key, from 1; 0 where it is not of the key.
    key: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Json,
    Plain,
}

impl Bundled {
    /// Reads every table of an SQLite file, `exercise_categories` as `exerciseCategories`, its rows
    /// as they would be published: only active ones (`is_active`), in order of `sort_order` and then
    /// of the primary key, without `source_type`. A column declared `BOOLEAN` has booleans, one
    /// declared `JSON` or `JSONB` has JSON, and a blob becomes base64. The file is not changed. The
    /// version is older than any that was published.
    ///
    /// # Errors
    /// [`ErrorCode::NoData`] if the file cannot be read, a table's name is none that can be
    /// published, or a value has no JSON.
    pub fn from_sqlite(path: &Path) -> Result<Self, Error> {
        let refused = || {
            let message = format!("failed to read the tables of {}", path.display());
            Error::new(ErrorCode::NoData, message)
        };
        match tables(path) {
            Ok(tables) => Ok(Self::unpublished(tables)),
            Err(Problem::Sqlite(error)) => Err(refused().with_source(error)),
            Err(Problem::Name(error)) => Err(refused().with_source(error)),
            Err(Problem::Value(error)) => Err(refused().with_source(error)),
        }
    }
}

fn tables(path: &Path) -> Result<BTreeMap<TableKey, Vec<Vec<u8>>>, Problem> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // One transaction: all tables of one state.
    connection.execute_batch("BEGIN")?;
    let mut names = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let names = names
        .query_map([], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let table = |name: String| Ok((TableKey::from_sql(&name)?, rows(&connection, &name)?));
    names.into_iter().map(table).collect()
}

fn rows(connection: &Connection, table: &str) -> Result<Vec<Vec<u8>>, Problem> {
    let columns = columns(connection, table)?;
    let mut statement = connection.prepare(&query(table, &columns))?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(published(row, &columns)?);
    }
    Ok(rows)
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<Column>, Problem> {
    let mut statement = connection.prepare("SELECT name, type, pk FROM pragma_table_info(?1)")?;
    let column = |row: &Row<'_>| {
        let declared: String = row.get(1)?;
        let kind = match declared.to_ascii_uppercase().as_str() {
            "BOOLEAN" | "BOOL" => Kind::Boolean,
            "JSON" | "JSONB" => Kind::Json,
            _ => Kind::Plain,
        };
        Ok(Column {
            name: row.get(0)?,
            kind,
            key: row.get(2)?,
        })
    };
    let columns = statement
        .query_map([table], column)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(columns
        .into_iter()
        .filter(|column| column.name != "source_type")
        .collect())
}

fn query(table: &str, columns: &[Column]) -> String {
    let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
    let has = |name: &str| columns.iter().any(|column| column.name == name);
    let mut keys: Vec<_> = columns.iter().filter(|column| column.key > 0).collect();
    keys.sort_by_key(|column| column.key);
    // SQLite compares texts by their bytes, unless a column says otherwise.
    let keys = keys
        .iter()
        .map(|column| format!("{} COLLATE BINARY", quoted(&column.name)));
    let position = has("sort_order").then(|| "sort_order IS NULL, sort_order".to_owned());
    let order: Vec<_> = position.into_iter().chain(keys).collect();
    let mut query = format!("SELECT {} FROM {}", names.join(", "), quoted(table));
    if has("is_active") {
        query.push_str(" WHERE is_active IS NOT 0");
    }
    if !order.is_empty() {
        query.push_str(" ORDER BY ");
        query.push_str(&order.join(", "));
    }
    query
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn published(row: &Row<'_>, columns: &[Column]) -> Result<Vec<u8>, Problem> {
    let mut values = BTreeMap::new();
    for (index, column) in columns.iter().enumerate() {
        let value = json_text(row.get_ref(index)?, column)?;
        values.insert(&column.name, value);
    }
    let members = values
        .iter()
        .map(|(name, value)| format!("{}:{value}", json!(name)));
    let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    canonical_row(&text).map_err(Problem::Value)
}

fn json_text(value: ValueRef<'_>, column: &Column) -> Result<String, Problem> {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(Problem::Value(no_json(column).with_source(error))),
    };
    Ok(match (value, column.kind) {
        (ValueRef::Null, _) => Value::Null.to_string(),
        (ValueRef::Integer(number), Kind::Boolean) => json!(number != 0).to_string(),
        (ValueRef::Integer(number), _) => number.to_string(),
        (ValueRef::Real(number), _) if number.is_finite() => json!(number).to_string(),
        (ValueRef::Real(_), _) => return Err(Problem::Value(no_json(column))),
        (ValueRef::Text(bytes), Kind::Json) => text(bytes)?,
        (ValueRef::Text(bytes), _) => json!(text(bytes)?).to_string(),
        (ValueRef::Blob(bytes), _) => json!(STANDARD.encode(bytes)).to_string(),
    })
}

fn no_json(column: &Column) -> Error {
    let message = format!("a value of the column {} has no JSON", column.name);
    Error::new(ErrorCode::NoData, message)
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundled(sql: &str) -> Result<Bundled, Error> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db");
        Connection::open(&path)
            .expect("opened")
            .execute_batch(sql)
            .expect("filled");
        Bundled::from_sqlite(&path)
    }

    #[test]
    fn tables_come_as_they_would_be_published() {
        let bundled = bundled(
            "CREATE TABLE grip_widths (id TEXT PRIMARY KEY COLLATE NOCASE, label TEXT, price REAL,
                 common_names JSON, sort_order INTEGER, is_active BOOLEAN, source_type TEXT, icon BLOB);
             INSERT INTO grip_widths VALUES
                 ('b', 'Bé', 1.5, '[\"x\", 1.0]', 2, 1, 'seed', NULL),
                 ('C', 'C', 2, NULL, 1, 1, 'seed', x'00ff'),
                 ('A', NULL, NULL, '{\"b\":1,\"a\":2}', 2, 1, 'admin', NULL),
                 ('gone', NULL, NULL, NULL, 0, 0, 'seed', NULL);
             CREATE TABLE \"pairs\" (a INTEGER, b TEXT, PRIMARY KEY (b, a));
             INSERT INTO pairs VALUES (2, 'x'), (1, 'y'), (10, 'x');",
        );
        let snapshot = bundled.expect("readable").snapshot();
        let rows = |key: &str| {
            let object = snapshot.table(key).expect("there").object().to_vec();
            String::from_utf8(object)
                .expect("UTF-8")
                .lines()
                .skip(1)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(
            rows("gripWidths"),
            r#"{"common_names":null,"icon":"AP8=","id":"C","is_active":true,"label":"C","price":2,"sort_order":1},
{"common_names":{"a":2,"b":1},"icon":null,"id":"A","is_active":true,"label":null,"price":null,"sort_order":2},
{"common_names":["x",1],"icon":null,"id":"b","is_active":true,"label":"Bé","price":1.5,"sort_order":2}
]}"#
        );
        assert_eq!(
            rows("pairs"),
            "{\"a\":2,\"b\":\"x\"},\n{\"a\":10,\"b\":\"x\"},\n{\"a\":1,\"b\":\"y\"}\n]}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = Bundled::from_sqlite(Path::new("/nowhere/app.db")).expect_err("no file");
        assert_eq!(
            error.to_string(),
            "failed to read the tables of /nowhere/app.db"
        );
        assert!(bundled("CREATE TABLE a (x JSON); INSERT INTO a VALUES ('{');").is_err());
        assert!(bundled("CREATE TABLE a (x REAL); INSERT INTO a VALUES (9e999);").is_err());
    }
}
