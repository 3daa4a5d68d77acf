//! A published snapshot that an app ships.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use snapshot_format::{
    BootstrapHeader, BootstrapReader, FORMAT_VERSION, Key, Manifest, ObjectHash, ObjectRef,
    ReadError, ReferenceVersion, SchemaVersion, TableEntry, TableKey, TableReader, TableWriter,
    Version,
};

use crate::core::parse::{parse_manifest, parse_version};
use crate::error::{Error, ErrorCode};
use crate::snapshot::{Snapshot, Source, Table};

/// The snapshot that an app ships: trusted as the app's code is, and current until a newer version
/// is cached or fetched.
#[derive(Debug, Clone)]
pub struct Bundled {
    pub(crate) version: Version,
    tables: Tables,
}

type Tables = BTreeMap<TableKey, BundledTable>;

#[derive(Debug, Clone)]
struct BundledTable {
    // Canonical, as they would be published.
    rows: Vec<Vec<u8>>,
    entry: Option<TableEntry>,
    // Of a table without an entry.
    primary_key: Option<Vec<String>>,
}

impl BundledTable {
    fn new(rows: Vec<Vec<u8>>, entry: Option<TableEntry>) -> Self {
        Self {
            rows,
            entry,
            primary_key: None,
        }
    }
}

impl Bundled {
    /// Reads a published snapshot: a folder with `version.json`, its manifest and every table, as
    /// `publisher publish` writes it.
    ///
    /// # Errors
    /// [`ErrorCode::NoData`] if a file cannot be read, or does not have the hash that names it.
    pub fn from_folder(folder: &Path) -> Result<Self, Error> {
        let version = parse_version(&read(&folder.join(Key::Version.path()))?)
            .map_err(|error| unusable(&folder.join("version.json")).with_source(error))?;
        let path = folder.join(Key::Manifest(version.manifest.hash).path());
        let manifest = parse_manifest(
            version.manifest.hash,
            &read_object(&path, version.manifest.hash)?,
        )
        .map_err(|error| unusable(&path).with_source(error))?;
        let tables = read_tables(folder, manifest)?;
        Ok(Self { version, tables })
    }

    /// Reads two published files: the bytes of `version.json` and of the bootstrap object that it
    /// names, for instance by `include_bytes!`.
    ///
    /// # Errors
    /// [`ErrorCode::NoData`] if one of them cannot be parsed, or if `version.json` names another
    /// bootstrap object.
    pub fn from_bytes(version: &[u8], bootstrap: &[u8]) -> Result<Self, Error> {
        let refused = |why: &str| Error::new(ErrorCode::NoData, format!("the bundled {why}"));
        let version = parse_version(version)
            .map_err(|error| refused("version.json is none").with_source(error))?;
        if ObjectHash::of(bootstrap) != version.bootstrap.hash {
            return Err(refused(
                "bootstrap is not the one that the bundled version.json names",
            ));
        }
        let tables = read_bootstrap(&version, bootstrap)
            .map_err(|error| refused("bootstrap is none").with_source(error))?;
        Ok(Self { version, tables })
    }

    /// Reads the three files that `publisher bundle DIR` writes: the bytes of `version.json`, of
    /// `manifest.json` and of `bootstrap.json`. With the manifest rows are found by whatever key
    /// their table has.
    ///
    /// # Errors
    /// [`ErrorCode::NoData`] if one of them cannot be parsed, or if they are not of one version.
    pub fn from_files(version: &[u8], manifest: &[u8], bootstrap: &[u8]) -> Result<Self, Error> {
        let refused = |why: String| Error::new(ErrorCode::NoData, format!("the bundled {why}"));
        let mut bundled = Self::from_bytes(version, bootstrap)?;
        let hash = bundled.version.manifest.hash;
        if ObjectHash::of(manifest) != hash {
            let why = "manifest is not the one that the bundled version.json names";
            return Err(refused(why.to_owned()));
        }
        let manifest = parse_manifest(hash, manifest)
            .map_err(|error| refused("manifest is none".to_owned()).with_source(error))?;
        for (key, entry) in manifest.tables {
            let object = bundled.object(manifest.schema_version, &key);
            if entry.in_bootstrap
                && object.map(|object| ObjectHash::of(&object)) != Some(entry.hash)
            {
                let why = format!("bootstrap does not have {key} as the manifest names it");
                return Err(refused(why));
            }
            if let Some(table) = bundled.tables.get_mut(&key) {
                table.entry = Some(entry);
            }
        }
        Ok(bundled)
    }

    /// Says by which columns rows of a table that nobody published are found.
    #[cfg(feature = "sqlite")]
    pub(crate) fn set_primary_key(&mut self, key: &TableKey, columns: Vec<String>) {
        if let Some(table) = self.tables.get_mut(key) {
            table.primary_key = Some(columns);
        }
    }

    /// Rows that nobody published: canonical, in order. The version is older than any that was
    /// published.
    pub(crate) fn unpublished(tables: BTreeMap<TableKey, Vec<Vec<u8>>>) -> Self {
        let tables = tables.into_iter();
        Self {
            version: never_published(),
            tables: tables
                .map(|(key, rows)| (key, BundledTable::new(rows, None)))
                .collect(),
        }
    }

    /// The object in which a table is published under this schema.
    pub(crate) fn object(&self, schema: SchemaVersion, key: &TableKey) -> Option<Vec<u8>> {
        let table = self.tables.get(key)?;
        Some(table_object(schema, key, &table.rows))
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let schema = self.version.schema_version;
        let tables = self.tables.iter().map(|(key, table)| {
            let object = table_object(schema, key, &table.rows);
            let object = Arc::from(object);
            match (&table.entry, &table.primary_key) {
                (None, Some(columns)) => Table::keyed_by(key.clone(), object, columns.clone()),
                (entry, _) => Table::new(key.clone(), object, entry.clone()),
            }
        });
        Snapshot::new(self.version.clone(), Source::Bundled, tables)
    }
}

fn table_object(schema: SchemaVersion, key: &TableKey, rows: &[Vec<u8>]) -> Vec<u8> {
    let in_memory = "memory takes every byte";
    let mut table = TableWriter::new(Vec::new(), schema, key).expect(in_memory);
    for row in rows {
        table.row(row).expect(in_memory);
    }
    table.finish().expect(in_memory).0
}

fn read_bootstrap(version: &Version, object: &[u8]) -> Result<Tables, ReadError> {
    let header = BootstrapHeader {
        schema_version: version.schema_version,
        reference_version: version.reference_version,
        generated_at: version.generated_at.clone(),
    };
    let mut reader = BootstrapReader::new(object, &header)?;
    let mut tables = Tables::new();
    while let Some(key) = reader.next_table()? {
        let mut rows = Vec::new();
        while let Some(row) = reader.next_row()? {
            rows.push(row.to_vec());
        }
        tables.insert(key, BundledTable::new(rows, None));
    }
    Ok(tables)
}

fn read_tables(folder: &Path, manifest: Manifest) -> Result<Tables, Error> {
    let schema = manifest.schema_version;
    let tables = manifest.tables.into_iter().map(|(key, entry)| {
        let path = folder.join(Key::Table(key.clone(), entry.hash, None).path());
        let object = read_object(&path, entry.hash)?;
        let rows =
            read_rows(&object, schema, &key).map_err(|error| unusable(&path).with_source(error))?;
        Ok((key, BundledTable::new(rows, Some(entry))))
    });
    tables.collect()
}

fn read_rows(
    object: &[u8],
    schema: SchemaVersion,
    key: &TableKey,
) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut reader = TableReader::new(object, schema, key)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row.to_vec());
    }
    Ok(rows)
}

fn read_object(path: &Path, hash: ObjectHash) -> Result<Vec<u8>, Error> {
    let bytes = read(path)?;
    if ObjectHash::of(&bytes) == hash {
        Ok(bytes)
    } else {
        Err(unusable(path))
    }
}

/// The content of a file that belongs to the app.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    snapshot_store::read(path).map_err(|error| {
        let message = format!("failed to read {}", path.display());
        Error::new(ErrorCode::NoData, message).with_source(error)
    })
}

fn unusable(path: &Path) -> Error {
    let message = format!(
        "{} is not what its name says; bundle the snapshot anew",
        path.display()
    );
    Error::new(ErrorCode::NoData, message)
}

fn never_published() -> Version {
    let nothing = ObjectRef {
        hash: ObjectHash::of(b""),
        size: 0,
    };
    let epoch = "1970-01-01T00:00:00Z".to_owned();
    Version {
        format_version: FORMAT_VERSION,
        epoch: 0,
        sequence: 0,
        schema_version: SchemaVersion { major: 1, minor: 0 },
        reference_version: ReferenceVersion(0),
        lineage: None,
        generated_at: epoch.clone(),
        published_at: epoch,
        manifest: nothing,
        bootstrap: nothing,
        rollback: None,
    }
}
