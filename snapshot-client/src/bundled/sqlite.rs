//! The tables of an SQLite file that an app ships.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use snapshot_format::{
    NameError, ReferenceVersion, SchemaVersion, TableKey, Version, canonical, number,
};

use super::published::Bundled;
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
    /// A file that `publisher bundle` has written holds its tables as they were published, in that
    /// order, and the version says of which state they are.
    ///
    /// # Errors
    /// [`ErrorCode::NoData`] if the file cannot be read or has no tables, a table's name is none that
    /// can be published, or a value has no JSON.
    pub fn from_sqlite(path: &Path) -> Result<Self, Error> {
        let refused = || {
            let message = format!("failed to read the tables of {}", path.display());
            Error::new(ErrorCode::NoData, message)
        };
        match tables(path) {
            // A file that was just made and never filled.
            Ok(found) if found.tables.is_empty() => {
                let message = format!("{} has no tables", path.display());
                Err(Error::new(ErrorCode::NoData, message))
            }
            Ok(Found { tables, published }) => {
                let (rows, keys): (BTreeMap<_, _>, Vec<_>) = tables
                    .into_iter()
                    .map(|(key, table)| ((key.clone(), table.rows), (key, table.primary_key)))
                    .unzip();
                let mut bundled = Self::unpublished(rows);
                for (key, columns) in keys {
                    bundled.set_primary_key(&key, columns);
                }
                if let Some(published) = published {
                    published.tell(&mut bundled.version);
                }
                Ok(bundled)
            }
            Err(Problem::Sqlite(error)) => Err(refused().with_source(error)),
            Err(Problem::Name(error)) => Err(refused().with_source(error)),
            Err(Problem::Value(error)) => Err(refused().with_source(error)),
        }
    }
}

/// What `publisher bundle` says of the tables in a file that it has written.
struct Published {
    /// By SQL name.
    keys: BTreeMap<String, TableKey>,
    schema_version: SchemaVersion,
    reference_version: ReferenceVersion,
    generated_at: String,
}

impl Published {
    fn tell(self, version: &mut Version) {
        version.schema_version = self.schema_version;
        version.reference_version = self.reference_version;
        version.published_at.clone_from(&self.generated_at);
        version.generated_at = self.generated_at;
    }
}

/// What a file holds.
struct Found {
    tables: BTreeMap<TableKey, Rows>,
    published: Option<Published>,
}

struct Rows {
    rows: Vec<Vec<u8>>,
    primary_key: Vec<String>,
}

const METADATA: &str = "reference_metadata";
// What Android puts into every database, and what the publisher keeps there.
const NOT_DATA: [&str; 2] = ["android_metadata", METADATA];

fn tables(path: &Path) -> Result<Found, Problem> {
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
    if let Some(published) = published_tables(&connection)? {
        let table = |(name, key): (&String, &TableKey)| {
            Ok((key.clone(), rows(&connection, name, order_of_rows)?))
        };
        let tables = published
            .keys
            .iter()
            .map(table)
            .collect::<Result<_, Problem>>()?;
        return Ok(Found {
            tables,
            published: Some(published),
        });
    }
    let table = |name: String| {
        let rows = rows(&connection, &name, order_of_keys)?;
        Ok((TableKey::from_sql(&name)?, rows))
    };
    let data = names
        .into_iter()
        .filter(|name| !NOT_DATA.contains(&name.as_str()));
    let tables = data.map(table).collect::<Result<_, Problem>>()?;
    Ok(Found {
        tables,
        published: None,
    })
}

// Nothing where the file is an app's own.
fn published_tables(connection: &Connection) -> Result<Option<Published>, Problem> {
    let is_ours = columns(connection, METADATA)?
        .iter()
        .any(|column| column.name == "table_key");
    if !is_ours {
        return Ok(None);
    }
    let mut statement = connection.prepare(
        "SELECT table_name, table_key, schema_version, reference_version, last_updated
         FROM reference_metadata ORDER BY table_name",
    )?;
    let mut found = statement.query([])?;
    let mut published: Option<Published> = None;
    while let Some(row) = found.next()? {
        let text = |at: usize| row.get::<_, String>(at);
        let (name, key) = (text(0)?, text(1)?.parse()?);
        match &mut published {
            Some(published) => {
                published.keys.insert(name, key);
            }
            None => {
                published = Some(Published {
                    keys: BTreeMap::from([(name, key)]),
                    schema_version: text(2)?.parse()?,
                    reference_version: text(3)?.parse()?,
                    generated_at: text(4)?,
                });
            }
        }
    }
    Ok(published)
}

fn rows(
    connection: &Connection,
    table: &str,
    order: fn(&[Column]) -> Vec<String>,
) -> Result<Rows, Problem> {
    let columns = columns(connection, table)?;
    let mut statement = connection.prepare(&query(table, &columns, &order(&columns)))?;
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(published(row, &columns)?);
    }
    let primary_key = keys(&columns).map(|column| column.name.clone());
    Ok(Rows {
        rows,
        primary_key: primary_key.collect(),
    })
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<Column>, Problem> {
    let mut statement = connection.prepare("SELECT name, type, pk FROM pragma_table_info(?1)")?;
    let column = |row: &Row<'_>| {
        let name: String = row.get(0)?;
        let declared: String = row.get(1)?;
        let kind = match declared.to_ascii_uppercase().as_str() {
            "BOOLEAN" | "BOOL" => Kind::Boolean,
            "JSON" | "JSONB" => Kind::Json,
            // Whatever it is declared, this is what it is.
            _ if name == "is_active" => Kind::Boolean,
            _ => Kind::Plain,
        };
        Ok(Column {
            name,
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

// By number, as they were published: of some types only PostgreSQL knows the order.
fn order_of_rows(columns: &[Column]) -> Vec<String> {
    let is_free = |alias: &&str| {
        let mut columns = columns.iter();
        columns.all(|column| !column.name.eq_ignore_ascii_case(alias))
    };
    let alias = ["rowid", "_rowid_", "oid"].into_iter().find(is_free);
    alias.into_iter().map(str::to_owned).collect()
}

fn order_of_keys(columns: &[Column]) -> Vec<String> {
    // SQLite compares texts by their bytes, unless a column says otherwise.
    let keys = keys(columns).map(|column| format!("{} COLLATE BINARY", quoted(&column.name)));
    let has_position = columns.iter().any(|column| column.name == "sort_order");
    let position = has_position.then(|| "sort_order IS NULL, sort_order".to_owned());
    position.into_iter().chain(keys).collect()
}

// The columns of the primary key, in its order.
fn keys(columns: &[Column]) -> impl Iterator<Item = &Column> {
    let mut keys: Vec<_> = columns.iter().filter(|column| column.key > 0).collect();
    keys.sort_by_key(|column| column.key);
    keys.into_iter()
}

fn query(table: &str, columns: &[Column], order: &[String]) -> String {
    let names: Vec<_> = columns.iter().map(|column| quoted(&column.name)).collect();
    let mut query = format!("SELECT {} FROM {}", names.join(", "), quoted(table));
    if columns.iter().any(|column| column.name == "is_active") {
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
    // In order of their names, as a published row has them.
    let mut values = BTreeMap::new();
    for (index, column) in columns.iter().enumerate() {
        let mut bytes = Vec::new();
        let refused = |error: Error| Problem::Value(no_json(column).with_source(error));
        write(row.get_ref(index)?, column, &mut bytes).map_err(refused)?;
        values.insert(&column.name, bytes);
    }
    let mut bytes = Vec::new();
    for (name, value) in &values {
        bytes.push(if bytes.is_empty() { b'{' } else { b',' });
        canonical::write_string(name, &mut bytes);
        bytes.push(b':');
        bytes.extend_from_slice(value);
    }
    if bytes.is_empty() {
        bytes.push(b'{');
    }
    bytes.push(b'}');
    Ok(bytes)
}

fn write(value: ValueRef<'_>, column: &Column, out: &mut Vec<u8>) -> Result<(), Error> {
    let wrong = |what: String| Error::new(ErrorCode::NoData, what);
    let text = |bytes| std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()));
    match (value, column.kind) {
        (ValueRef::Null, _) => out.extend_from_slice(b"null"),
        (ValueRef::Integer(number), Kind::Boolean) => {
            out.extend_from_slice((number != 0).to_string().as_bytes());
        }
        (ValueRef::Integer(number), _) => {
            number::write_i64(number, out).map_err(|error| wrong(error.to_string()))?;
        }
        (ValueRef::Real(number), _) => {
            number::write_f64(number, out).map_err(|error| wrong(error.to_string()))?;
        }
        (ValueRef::Text(bytes), Kind::Json) => {
            canonical::write_json(text(bytes)?, out).map_err(|error| wrong(error.to_string()))?;
        }
        (ValueRef::Text(bytes), _) => canonical::write_string(text(bytes)?, out),
        (ValueRef::Blob(bytes), _) => canonical::write_string(&STANDARD.encode(bytes), out),
    }
    Ok(())
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
    use serde_json::json;

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
                 ('B', 'Bé', 1.5, '[\"x\", 1.0]', 2, 1, 'seed', NULL),
                 ('C', 'C', 2, NULL, 1, 1, 'seed', x'00ff'),
                 ('a', NULL, 1e21, '{\"b\":1,\"a\":2}', 2, 1, 'admin', NULL),
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
{"common_names":["x",1],"icon":null,"id":"B","is_active":true,"label":"Bé","price":1.5,"sort_order":2},
{"common_names":{"a":2,"b":1},"icon":null,"id":"a","is_active":true,"label":null,"price":1e+21,"sort_order":2}
]}"#
        );
        assert_eq!(
            rows("pairs"),
            "{\"a\":2,\"b\":\"x\"},\n{\"a\":10,\"b\":\"x\"},\n{\"a\":1,\"b\":\"y\"}\n]}"
        );
        let pairs = snapshot.table("pairs").expect("there");
        let found = pairs.row("x,10").expect("rows");
        assert_eq!(found, Some(&json!({"a": 10, "b": "x"})));
    }

    #[test]
    fn a_bundle_keeps_the_order_and_the_version_of_what_was_published() {
        let bundled = bundled(
            "CREATE TABLE reference_metadata (table_name TEXT, table_key TEXT, schema_version TEXT,
                 reference_version TEXT, last_updated TEXT);
             INSERT INTO reference_metadata VALUES
                 ('events', 'Events', '1.3', 'seq:42', '2026-02-24T13:12:04Z');
             CREATE TABLE events (\"at\" TEXT PRIMARY KEY);
             INSERT INTO events VALUES ('2026-02-24T13:12:04Z'), ('2026-02-24T13:12:04.5Z');
             CREATE TABLE of_the_app (id TEXT);",
        );
        let snapshot = bundled.expect("readable").snapshot();
        assert_eq!(snapshot.table_keys().collect::<Vec<_>>(), ["Events"]);
        let object = snapshot.table("Events").expect("there").object().to_vec();
        assert_eq!(
            String::from_utf8(object).expect("UTF-8"),
            r#"{"schemaVersion":"1.3","table":"Events","rows":[
{"at":"2026-02-24T13:12:04Z"},
{"at":"2026-02-24T13:12:04.5Z"}
]}"#
        );
        let version = snapshot.version();
        assert_eq!(version.reference_version, ReferenceVersion(42));
        assert_eq!(version.generated_at, "2026-02-24T13:12:04Z");
        assert_eq!(version.order(), (0, 0));
    }

    #[test]
    fn what_is_no_data_is_left_out_of_an_apps_own_file() {
        let bundled = bundled(
            "CREATE TABLE android_metadata (locale TEXT); CREATE TABLE reference_metadata (a TEXT);
             CREATE TABLE grips (id TEXT PRIMARY KEY, is_active INTEGER);
             INSERT INTO grips VALUES ('A', 1), ('B', 0);",
        );
        let snapshot = bundled.expect("readable").snapshot();
        assert_eq!(snapshot.table_keys().collect::<Vec<_>>(), ["grips"]);
        let rows = snapshot
            .table("grips")
            .expect("there")
            .rows()
            .expect("JSON")
            .to_vec();
        assert_eq!(rows, [json!({"id": "A", "is_active": true})]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = Bundled::from_sqlite(Path::new("/nowhere/app.db")).expect_err("no file");
        assert_eq!(
            error.to_string(),
            "failed to read the tables of /nowhere/app.db"
        );
        let error = bundled("").expect_err("no tables");
        assert!(
            error.to_string().ends_with("app.db has no tables"),
            "{error}"
        );
        assert!(bundled("CREATE TABLE a (x JSON); INSERT INTO a VALUES ('{');").is_err());
        assert!(bundled("CREATE TABLE a (x REAL); INSERT INTO a VALUES (9e999);").is_err());
    }
}
