//! Which files there are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::problem::{Place, Problem};
use super::problems::{Problems, Subject};
use crate::config::Config;
use crate::schema::{Schema, Table};
use crate::suggest::closest;

/// A file that belongs to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, for messages.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl SourceFile {
    /// Opens it.
    ///
    /// # Errors
    /// What the file system gives.
    pub fn open(&self) -> io::Result<File> {
        snapshot_store::open_file(&self.path)
    }
}

/// The files of a source folder, by table key.
#[derive(Debug, Default)]
pub(crate) struct SourceFiles {
    /// Those that belong to a table.
    pub by_table: BTreeMap<String, SourceFile>,
}

/// Lists the source folder, and notes files without a table and tables without a file.
///
/// # Errors
/// Where the folder cannot be read.
pub(crate) fn list(
    config: &Config,
    schema: &Schema,
    problems: &mut Problems,
) -> io::Result<SourceFiles> {
    let mut files = SourceFiles::default();
    for (key, file) in files_by_key(config)? {
        let name = &file.name;
        match schema.table(&key) {
            Some(table) if config.has_file(table) => {
                files.by_table.insert(key, file);
            }
            Some(_) => problems.push(
                Place::file(name),
                "tablecast.toml says that this table has no file; remove the file, or from_file = false",
            ),
            None => {
                let subject = Subject {
                    file: name,
                    row: None,
                    column: None,
                    message: "no table has the key",
                };
                problems.add(subject, || Problem {
                    place: Some(Place::file(name)),
                    message: unknown_table(&key, schema),
                });
            }
        }
    }
    for table in &schema.tables {
        if config.has_file(table) && !files.by_table.contains_key(table.key.as_str()) {
            problems.push(
                Place::file(&format!("{}.json", table.key)),
                missing_file(table),
            );
        }
    }
    Ok(files)
}

/// The files that belong to a table by their names, whatever tables there are; without
/// those that the settings pass over.
///
/// # Errors
/// Where the folder cannot be read.
pub fn files_by_key(config: &Config) -> io::Result<BTreeMap<String, SourceFile>> {
    let files = json_files(&config.source)?.into_iter();
    let files = files.filter(|(name, _)| !config.ignore_files.contains(name));
    let by_key = files.map(|(name, path)| {
        let key = name.strip_suffix(".json").unwrap_or(&name).to_owned();
        (key, SourceFile { name, path })
    });
    Ok(by_key.collect())
}

fn json_files(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // An editor's own files (`.#grips.json`) are not tables.
        // What is no file is told when it is opened.
        if name.ends_with(".json") && !name.starts_with('.') && !path.is_dir() {
            files.insert(name, path);
        }
    }
    Ok(files)
}

fn missing_file(table: &Table) -> String {
    format!(
        "the file is missing; if table {} is not kept in a file, set from_file = false under \
         [tables.{}] in tablecast.toml",
        table.name, table.key
    )
}

fn unknown_table(key: &str, schema: &Schema) -> String {
    match closest(key, schema.tables.iter().map(|table| table.key.as_str())) {
        Some(known) => format!("no table has the key {key:?}; there is {known:?}"),
        None => format!(
            "no table has the key {key:?}; if the file is not a table, name it in ignore_files in \
             tablecast.toml"
        ),
    }
}
