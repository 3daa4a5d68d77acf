//! A snapshot as the files that an app's bundler takes: pointer, manifest, bootstrap, types.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use snapshot_audit::published::RowsError;
use snapshot_format::{
    ColumnType, Key, MAX_MANIFEST_SIZE, MAX_VERSION_SIZE, Manifest, ObjectHash, Version,
};
use snapshot_store::Reader;

use super::{BundleError, Bundled};
use crate::schema::{Column, Schema, Table};
use crate::types::typescript;

/// Writes four files of one version into a folder: `version.json`, `manifest.json`, `bootstrap.json`,
/// byte for byte as they were published, and `reference.ts`. The pointer comes last: until it is
/// there, readers that check find that the files do not belong together.
///
/// # Errors
/// If the snapshot cannot be read, is damaged, or a file cannot be written.
pub(crate) fn write_folder(
    origin: &dyn Reader,
    version: &Version,
    manifest: &Manifest,
    folder: &Path,
) -> Result<Bundled, BundleError> {
    let limit = usize::try_from(version.bootstrap.size).unwrap_or(usize::MAX);
    let bootstrap = Key::Bootstrap(version.bootstrap.hash, None);
    let bootstrap = fetch(origin, &bootstrap, version.bootstrap.hash, limit)?;
    let hash = version.manifest.hash;
    let bytes = fetch(origin, &Key::Manifest(hash), hash, MAX_MANIFEST_SIZE)?;
    let pointer = match origin.get(&Key::Version, MAX_VERSION_SIZE) {
        // With all that it says, also what we do not know.
        Ok(Some(bytes)) if Version::parse(&bytes).is_ok_and(|found| found == *version) => bytes,
        _ => version.to_bytes(),
    };
    let types = types_of(manifest).replacen(
        "Made by `publisher types` from the tables of the database.",
        "Made by `publisher bundle` from a published manifest.",
        1,
    );
    let files = [
        ("bootstrap.json", bootstrap),
        ("manifest.json", bytes),
        ("reference.ts", types.into_bytes()),
        ("version.json", pointer),
    ];
    let failed = |source| BundleError::Write {
        path: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut unchanged = true;
    for (name, bytes) in &files {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|found| found == *bytes) {
            continue;
        }
        unchanged = false;
        write(folder, &path, bytes).map_err(|source| BundleError::Write { path, source })?;
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    let in_bootstrap = || manifest.tables.values().filter(|table| table.in_bootstrap);
    Ok(Bundled {
        path: folder.to_owned(),
        unchanged,
        tables: in_bootstrap().count(),
        rows: in_bootstrap().map(|table| table.rows).sum(),
        bytes: files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
    })
}

fn fetch(
    origin: &dyn Reader,
    key: &Key,
    hash: ObjectHash,
    limit_bytes: usize,
) -> Result<Vec<u8>, BundleError> {
    let location = origin.location(key);
    match origin.get(key, limit_bytes).map_err(RowsError::from)? {
        None => Err(RowsError::Missing(location).into()),
        Some(bytes) if ObjectHash::of(&bytes) != hash => Err(RowsError::Damaged(location).into()),
        Some(bytes) => Ok(bytes),
    }
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut aside = tempfile::Builder::new()
        .prefix(".tablecast-bundle-")
        .tempfile_in(folder)?;
    aside.write_all(bytes)?;
    let mode = fs::Permissions::from_mode(0o644);
    aside.as_file().set_permissions(mode)?;
    aside.as_file().sync_all()?;
    aside.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The tables' rows as TypeScript, as far as a manifest knows them: a type of which it has only the
/// name may be any JSON.
fn types_of(manifest: &Manifest) -> String {
    let tables = manifest.tables.iter().map(|(key, entry)| {
        let columns: Vec<_> = entry
            .columns
            .iter()
            .map(|(name, sql_type)| column(name, sql_type))
            .collect();
        let at = |name: &String| columns.iter().position(|column| column.name == *name);
        Table {
            key: key.clone(),
            name: super::columns::sql_name(key),
            namespace: String::new(),
            primary_key: entry.primary_key.iter().filter_map(at).collect(),
            columns,
            foreign_keys: Vec::new(),
            missing_triggers: Vec::new(),
            has_parts: false,
            untracked_parts: Vec::new(),
        }
    });
    typescript(&Schema {
        tables: tables.collect(),
    })
}

fn column(name: &str, sql_type: &str) -> Column {
    let (kind, nullable) = ColumnType::of(sql_type);
    Column {
        name: name.to_owned(),
        sql_type: sql_type.strip_suffix('?').unwrap_or(sql_type).to_owned(),
        kind: match kind {
            ColumnType::Named(_) => ColumnType::Jsonb,
            known => known,
        },
        nullable,
        default: None,
        generated: false,
        is_fixed: false,
        as_text: false,
    }
}
