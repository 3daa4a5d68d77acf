//! A snapshot as an SQLite database.
//!
//! The bytes follow from the manifest and the tables alone: no clock, no number of a publication, no
//! path. Rows stand in the order in which they are published.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use indicatif::ProgressBar;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params, params_from_iter};
use serde::Serialize;
use snapshot_audit::published::{PublishedRows, Rows, RowsError};
use snapshot_format::json::{Parser, Value};
use snapshot_format::{Manifest, TableEntry, TableKey};
use snapshot_store::Reader;

use super::columns::{Column, Form, METADATA, Table, problems};

/// Stands in the header of each file, by which it is known for one of ours: `Tbcs`.
const APPLICATION_ID: i32 = 0x5462_6373;
const APPLICATION_ID_AT: usize = 68;

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct Bundled {
    /// The file.
    pub path: PathBuf,
    /// Whether it had these bytes before.
    pub unchanged: bool,
    /// How many tables.
    pub tables: usize,
    /// How many rows.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Why a snapshot cannot be bundled.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// SQLite cannot hold it.
    #[error("SQLite cannot hold these tables")]
    Tables(Vec<String>),
    /// What lies in the place is something else.
    #[error("{} is there and no bundle of ours", .0.display())]
    Foreign(PathBuf),
    /// The rows cannot be read.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The file cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes the tables of a manifest into a file: all of it, or nothing.
///
/// # Errors
/// If the snapshot cannot be read, if SQLite cannot hold it, if the file cannot be written, and if
/// something else lies in its place.
pub(crate) fn write_sqlite(
    origin: &dyn Reader,
    manifest: &Manifest,
    path: &Path,
    bar: &ProgressBar,
) -> Result<Bundled, BundleError> {
    let failed = |source| BundleError::Write {
        path: path.to_owned(),
        source,
    };
    check_place(path)?;
    let tables: Vec<_> = manifest
        .tables
        .iter()
        .map(|(key, entry)| (key, entry, Table::new(key, entry)))
        .collect();
    let (layout, sources): (Vec<_>, Vec<_>) = tables
        .into_iter()
        .map(|(key, entry, table)| (table, (key, entry)))
        .unzip();
    let found = problems(&layout);
    if !found.is_empty() {
        return Err(BundleError::Tables(found));
    }

    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let aside = tempfile::Builder::new()
        .prefix(".tablecast-bundle-")
        .tempfile_in(folder)
        .map_err(failed)?;
    let fill = Fill {
        origin,
        manifest,
        bar,
    };
    match fill.all(aside.path(), layout, &sources) {
        Ok(()) => {}
        Err(Trouble::Rows(error)) => return Err(error.into()),
        Err(Trouble::Sqlite(error)) => return Err(failed(io::Error::other(error))),
    }
    let bytes = aside.as_file().metadata().map_err(failed)?.len();
    let unchanged = is_same(aside.path(), path).map_err(failed)?;
    if !unchanged {
        let mode = fs::Permissions::from_mode(0o644);
        aside.as_file().set_permissions(mode).map_err(failed)?;
        aside.as_file().sync_all().map_err(failed)?;
        aside.persist(path).map_err(|error| failed(error.error))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
    }
    Ok(Bundled {
        path: path.to_owned(),
        unchanged,
        tables: manifest.tables.len(),
        rows: manifest.tables.values().map(|table| table.rows).sum(),
        bytes,
    })
}

// An app's database with its users' data, named by mistake, must not be lost.
fn check_place(path: &Path) -> Result<(), BundleError> {
    let failed = |source| BundleError::Write {
        path: path.to_owned(),
        source,
    };
    let is_there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) => found,
    };
    let foreign = || BundleError::Foreign(path.to_owned());
    if !is_there.is_file() {
        return Err(foreign());
    }
    let mut header = Vec::new();
    File::open(path)
        .and_then(|file| file.take(100).read_to_end(&mut header))
        .map_err(failed)?;
    let id = header.get(APPLICATION_ID_AT..APPLICATION_ID_AT + 4);
    if id == Some(&APPLICATION_ID.to_be_bytes()[..]) {
        Ok(())
    } else {
        Err(foreign())
    }
}

fn is_same(new: &Path, old: &Path) -> io::Result<bool> {
    match fs::metadata(old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(found) if found.len() != fs::metadata(new)?.len() => Ok(false),
        Ok(_) => {
            let (mut new, mut old) = (File::open(new)?, File::open(old)?);
            let hash = |file: &mut File| -> io::Result<_> {
                let mut hasher = blake3::Hasher::new();
                hasher.update_reader(file)?;
                Ok(hasher.finalize())
            };
            Ok(hash(&mut new)? == hash(&mut old)?)
        }
    }
}

enum Trouble {
    Rows(RowsError),
    Sqlite(rusqlite::Error),
}

impl From<RowsError> for Trouble {
    fn from(error: RowsError) -> Self {
        Self::Rows(error)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Fills a database.
struct Fill<'a> {
    origin: &'a dyn Reader,
    manifest: &'a Manifest,
    bar: &'a ProgressBar,
}

impl Fill<'_> {
    fn all(
        &self,
        path: &Path,
        layout: Vec<Table>,
        sources: &[(&TableKey, &TableEntry)],
    ) -> Result<(), Trouble> {
        let mut connection = Connection::open(path)?;
        // Nobody reads it before it is whole, so it needs no journal. What is freed is zeroed, so
        // that no byte depends on what lay there.
        connection.execute_batch(&format!(
            "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'; PRAGMA secure_delete = ON;
             PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
        ))?;
        let transaction = connection.transaction()?;
        self.metadata(&transaction, &layout, sources)?;
        for (mut table, (key, entry)) in layout.into_iter().zip(sources) {
            if table.has_unknown() {
                self.learn(&mut table, key, entry)?;
            }
            transaction.execute_batch(&table.create())?;
            self.fill(&transaction, &table, key, entry)?;
        }
        transaction.commit()?;
        connection.close().map_err(|(_, error)| error.into())
    }

    fn metadata(
        &self,
        connection: &Connection,
        layout: &[Table],
        sources: &[(&TableKey, &TableEntry)],
    ) -> Result<(), Trouble> {
        connection.execute_batch(&format!(
            "-- What each table is. All but the first three columns say where it comes from.
CREATE TABLE {METADATA} (
    table_name TEXT NOT NULL PRIMARY KEY,
    version_seq BIGINT NOT NULL,
    last_updated TEXT NOT NULL,
    table_key TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    hash TEXT NOT NULL,
    schema_fingerprint TEXT NOT NULL,
    schema_version TEXT NOT NULL,
    reference_version TEXT NOT NULL,
    content_hash TEXT NOT NULL
);"
        ))?;
        let manifest = self.manifest;
        let sql = format!("INSERT INTO {METADATA} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let mut insert = connection.prepare(&sql)?;
        for (table, (key, entry)) in layout.iter().zip(sources) {
            insert.execute(params![
                table.name,
                signed(entry.version_seq),
                manifest.generated_at,
                key.as_str(),
                signed(entry.rows),
                entry.hash.to_string(),
                entry.schema_fingerprint,
                manifest.schema_version.to_string(),
                manifest.reference_version.to_string(),
                manifest.content_hash.to_string(),
            ])?;
        }
        Ok(())
    }

    fn open(&self, key: &TableKey, entry: &TableEntry) -> Result<PublishedRows, RowsError> {
        let schema = self.manifest.schema_version;
        PublishedRows::open(self.origin, key, entry, schema, self.bar)
    }

    // What the values of columns are of whose types the manifest knows only the names.
    fn learn(&self, table: &mut Table, key: &TableKey, entry: &TableEntry) -> Result<(), Trouble> {
        let mut rows = self.open(key, entry)?;
        let mut forms = vec![Form::Unknown; table.columns.len()];
        while let Some(row) = rows.next_row()? {
            each_value(&table.columns, row, |at, value, _| {
                forms[at] = forms[at].or(value);
            });
        }
        for (column, form) in table.columns.iter_mut().zip(forms) {
            if column.form == Form::Unknown {
                column.form = form;
            }
        }
        Ok(())
    }

    fn fill(
        &self,
        connection: &Connection,
        table: &Table,
        key: &TableKey,
        entry: &TableEntry,
    ) -> Result<(), Trouble> {
        let mut insert = connection.prepare(&table.insert())?;
        let mut rows = self.open(key, entry)?;
        let mut values = Vec::new();
        while let Some(row) = rows.next_row()? {
            values.clear();
            values.resize(table.columns.len(), Sql::Null);
            each_value(&table.columns, row, |at, value, raw| {
                values[at] = in_sqlite(table.columns[at].form, value, raw);
            });
            insert.execute(params_from_iter(&values))?;
        }
        Ok(())
    }
}

// Rows are canonical, or their object would have another hash; a row that is none is one of nulls.
fn each_value(columns: &[Column], row: &[u8], mut each: impl FnMut(usize, &Value<'_>, &str)) {
    let text = std::str::from_utf8(row).unwrap_or_default();
    let _ = Parser::new(text).object(|member| {
        let name = member.key.as_ref();
        if let Ok(at) = columns.binary_search_by(|column| column.name.as_str().cmp(name)) {
            each(at, &member.value, member.raw);
        }
    });
}

fn in_sqlite(form: Form, value: &Value<'_>, raw: &str) -> Sql {
    match (form, value) {
        (_, Value::Null) => Sql::Null,
        (Form::Json, _) => Sql::Text(raw.to_owned()),
        (_, Value::Bool(value)) => Sql::Integer((*value).into()),
        (_, Value::Number(text)) => number(text),
        (Form::Blob, Value::String(text)) => match BASE64.decode(text.as_ref()) {
            Ok(bytes) => Sql::Blob(bytes),
            Err(_) => Sql::Text(text.to_string()),
        },
        (_, Value::String(text)) => Sql::Text(text.to_string()),
        (_, Value::Array(text) | Value::Object(text)) => Sql::Text((*text).to_owned()),
    }
}

fn number(text: &str) -> Sql {
    match (text.parse(), text.parse()) {
        (Ok(whole), _) => Sql::Integer(whole),
        (_, Ok(number)) => Sql::Real(number),
        _ => Sql::Text(text.to_owned()),
    }
}

// SQLite's numbers are signed; none of ours is so large.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
