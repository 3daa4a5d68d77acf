//! Settings: flags over environment over `tablecast.toml`, as one checked value.
//!
//! Behind [`Config`] nothing asks the environment or the file again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use snapshot_format::{MAX_OBJECT_SIZE, SchemaVersion};
use snapshot_store::StoreMode;

use crate::guard::{Allowances, Guards, Limits, with_limits};
use crate::schema::{Schema, Table};
use crate::suggest::closest;

/// Everything that a command is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// How to reach the database; `None` for the embedded one.
    pub database_url: Option<String>,
    /// The SQL schema whose tables are published.
    pub schema: String,
    /// The folder of JSON files.
    pub source: PathBuf,
    /// The folder of migrations.
    pub sql: PathBuf,
    /// The store's folder.
    pub out: PathBuf,
    /// The mode of the store's files, and by it of its folders.
    pub store_mode: StoreMode,
    /// The folder for the embedded database.
    pub state: PathBuf,
    /// Extensions of the private database that only a superuser makes.
    pub extensions: Vec<String>,
    /// The version of the tables' shape.
    pub schema_version: SchemaVersion,
    /// SQL names of tables that are not published.
    pub exclude: BTreeSet<String>,
    /// Files of the source folder that are passed over.
    pub ignore_files: BTreeSet<String>,
    /// Keys of a row that begin so are editors' notes.
    pub note_prefix: Option<String>,
    /// What a seed and a publication may do to a table without settings of its own.
    pub limits: Limits,
    /// The most bytes that the readers take of one object.
    pub max_object_bytes: u64,
    /// How long to wait for a lock.
    pub lock_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How long a connection may take, a server that is just starting included.
    pub connect_timeout: Duration,
    /// How long a database that owes an answer may be silent before it is asked for.
    pub silence_timeout: Duration,
    /// Whether to say nothing but problems.
    pub quiet: bool,
    /// Settings for single tables, by table key.
    pub tables: BTreeMap<String, TableConfig>,
}

with_limits! {
/// Settings for one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableConfig {
    /// Whether the table has a source file; without one its rows are the database's own.
    pub from_file: Option<bool>,
    /// Whether a file without rows is meant.
    pub allow_empty: bool,
    /// The columns that an entry's key fills, where the file is a map.
    pub map_key: Option<Vec<String>>,
    /// The column that an entry fills, where it is neither an object nor null.
    pub map_value: Option<String>,
    /// Columns that are published as strings.
    pub as_text: BTreeSet<String>,
    /// Keys of the file's rows that are passed over.
    pub ignore_columns: BTreeSet<String>,
    /// Strings that stand for null, by column.
    pub null_values: BTreeMap<String, BTreeSet<String>>,
    /// How values are compared by `publisher parity`, by column.
    pub parity: BTreeMap<String, ColumnParity>,
    /// Whether the bootstrap object holds the table.
    pub bootstrap: Option<bool>,
} limits and switches
}

/// What two values of a column may differ in without being two, for `publisher parity`
/// (`docs/normalization.md`). Each use is counted in its report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnParity {
    /// White space around a string says nothing.
    pub trim: bool,
    /// The empty string is null.
    pub empty_is_null: bool,
    /// The order of an array's elements says nothing.
    pub set: bool,
}

with_limits! {
/// `tablecast.toml` as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    /// See [`Config::schema`].
    pub schema: Option<String>,
    /// See [`Config::source`].
    pub source: Option<PathBuf>,
    /// See [`Config::sql`].
    pub sql: Option<PathBuf>,
    /// See [`Config::out`].
    pub out: Option<PathBuf>,
    /// See [`Config::store_mode`].
    pub store_mode: Option<StoreMode>,
    /// See [`Config::schema_version`].
    pub schema_version: Option<SchemaVersion>,
    /// See [`Config::exclude`].
    pub exclude: BTreeSet<String>,
    /// See [`Config::ignore_files`].
    pub ignore_files: BTreeSet<String>,
    /// See [`Config::note_prefix`]; `""` switches notes off.
    pub note_prefix: Option<String>,
} limits {
    /// Settings of the private database.
    pub database: DatabaseConfig,
    /// See [`Config::max_object_bytes`].
    pub max_object_bytes: Option<u64>,
    /// See [`Config::tables`].
    pub tables: BTreeMap<String, TableConfig>,
}
}

/// Settings of the private database.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// See [`Config::extensions`].
    pub extensions: Vec<String>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{} is not a Tablecast configuration", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A percentage above 100.
    #[error("tablecast.toml: {0} is {1}; it goes from 0 to 100")]
    Percent(&'static str, u64),
    /// Settings for a table or a column that is not there.
    #[error("tablecast.toml: {0}")]
    Unknown(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_url: None,
            schema: "public".to_owned(),
            source: "json-source".into(),
            sql: "sql/migrations".into(),
            out: "snapshots".into(),
            store_mode: StoreMode::default(),
            state: ".tablecast".into(),
            extensions: Vec::new(),
            schema_version: SchemaVersion { major: 1, minor: 0 },
            exclude: BTreeSet::new(),
            ignore_files: BTreeSet::new(),
            note_prefix: Some("_".to_owned()),
            limits: Limits::default(),
            max_object_bytes: MAX_OBJECT_SIZE,
            lock_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(600),
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(30),
            quiet: false,
            tables: BTreeMap::new(),
        }
    }
}

impl ConfigFile {
    /// Its settings; where it is silent, the usual ones.
    pub fn settle(self) -> Config {
        let limits = self.limits(Limits::default());
        let usual = Config::default();
        Config {
            schema: self.schema.unwrap_or(usual.schema),
            source: self.source.unwrap_or(usual.source),
            sql: self.sql.unwrap_or(usual.sql),
            out: self.out.unwrap_or(usual.out),
            store_mode: self.store_mode.unwrap_or_default(),
            extensions: self.database.extensions,
            schema_version: self.schema_version.unwrap_or(usual.schema_version),
            exclude: self.exclude,
            ignore_files: self.ignore_files,
            note_prefix: match self.note_prefix {
                Some(prefix) => Some(prefix).filter(|prefix| !prefix.is_empty()),
                None => usual.note_prefix,
            },
            limits,
            max_object_bytes: self.max_object_bytes.unwrap_or(usual.max_object_bytes),
            tables: self.tables,
            ..usual
        }
    }

    /// Reads the file; where `path` is `None`, `tablecast.toml` in the working directory,
    /// which may be missing.
    ///
    /// # Errors
    /// Where it cannot be read or holds anything unknown.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let default = Path::new("tablecast.toml");
        let text = match snapshot_store::read_to_string(path.unwrap_or(default)) {
            Ok(text) => text,
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(source) => {
                let path = path.unwrap_or(default).to_owned();
                return Err(ConfigError::Read { path, source });
            }
        };
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.unwrap_or(default).to_owned(),
            source: Box::new(source),
        })
    }
}

impl Config {
    /// The settings for a table.
    pub fn table(&self, table: &Table) -> TableConfig {
        self.tables
            .get(table.key.as_str())
            .cloned()
            .unwrap_or_default()
    }

    /// Whether the table has a source file.
    pub fn has_file(&self, table: &Table) -> bool {
        let config = self.tables.get(table.key.as_str());
        config.and_then(|config| config.from_file).unwrap_or(true)
    }

    /// Whether the bootstrap object holds the table.
    pub fn in_bootstrap(&self, table: &Table) -> bool {
        let config = self.tables.get(table.key.as_str());
        config.and_then(|config| config.bootstrap).unwrap_or(true)
    }

    /// What may be done to the table.
    pub fn limits_of(&self, table: &Table) -> Limits {
        let own = self.tables.get(table.key.as_str());
        own.map_or(self.limits, |own| own.limits(self.limits))
    }

    /// Refuses settings for tables and columns that the database does not have: a
    /// misspelt guard must not be silently without effect.
    ///
    /// # Errors
    /// Where one is unknown, or a percentage is above 100.
    pub fn check(&self, schema: &Schema) -> Result<(), ConfigError> {
        self.check_limits()?;
        for (key, settings) in &self.tables {
            let Some(table) = schema.table(key) else {
                if settings.may_vanish {
                    continue;
                }
                let known = closest(key, schema.tables.iter().map(|table| table.key.as_str()));
                let message = format!("[tables.{key}]: no table has that key{}", instead(known));
                return Err(ConfigError::Unknown(message));
            };
            let map_columns = settings.map_key.iter().flatten().chain(&settings.map_value);
            let columns = map_columns
                .chain(&settings.as_text)
                .chain(settings.null_values.keys())
                .chain(settings.parity.keys());
            for column in columns {
                if table.column(column).is_none() {
                    let known = closest(column, table.columns.iter().map(|c| c.name.as_str()));
                    let message = format!(
                        "[tables.{key}]: table {} has no column {column:?}{}",
                        table.name,
                        instead(known)
                    );
                    return Err(ConfigError::Unknown(message));
                }
            }
        }
        Ok(())
    }
}

impl Config {
    fn check_limits(&self) -> Result<(), ConfigError> {
        let own = self.tables.values().map(|table| table.limits(self.limits));
        let mut all = own.chain([self.limits]);
        match all.find_map(|limits| limits.out_of_bounds()) {
            Some((name, value)) => Err(ConfigError::Percent(name, value)),
            None => Ok(()),
        }
    }

    /// The guards of a publication.
    pub fn guards(&self, allowed: Allowances) -> Guards {
        let tables = self.tables.iter();
        let own =
            tables.filter_map(|(key, table)| Some((key.parse().ok()?, table.limits(self.limits))));
        Guards {
            default: self.limits,
            limits: own.collect(),
            allowed,
        }
    }
}

fn instead(known: Option<&str>) -> String {
    known.map_or_else(String::new, |name| format!("; there is {name:?}"))
}
