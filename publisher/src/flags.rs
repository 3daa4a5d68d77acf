//! The flags that several commands share, and what they settle.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use snapshot_format::{MAX_OBJECT_SIZE, SchemaVersion};
use snapshot_store::{Directory, DirectoryStore, Disk, Origin, StoreMode};

use crate::config::{Config, ConfigFile};
use crate::error::Error;
use crate::progress::Progress;
use crate::publish::Clock;

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The database, as postgres://user@host/name [default: a private PostgreSQL]
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// The SQL schema whose tables are published [default: public]
    #[arg(long, value_name = "NAME", env = "TABLECAST_SCHEMA")]
    pub schema: Option<String>,

    /// The settings file [default: tablecast.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "TABLECAST_CONFIG")]
    pub config: Option<PathBuf>,

    /// Where the private PostgreSQL keeps its data
    #[arg(
        long,
        value_name = "DIR",
        env = "TABLECAST_STATE",
        default_value = ".tablecast"
    )]
    pub state: PathBuf,

    /// How long to wait for each lock that somebody else holds
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub lock_timeout: Duration,

    /// How long one statement may take
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub statement_timeout: Duration,

    /// How long to try to connect to a database that may still be starting
    #[arg(long, value_name = "DURATION", env = "TABLECAST_CONNECT_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub connect_timeout: Duration,

    /// How long a database may be silent before a second connection looks whether it still works
    #[arg(long, value_name = "DURATION", env = "TABLECAST_SILENCE_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub silence_timeout: Duration,

    /// Print the result as JSON on standard output
    #[arg(long)]
    pub json: bool,

    /// Print nothing but problems, and no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// Flags of the commands that read a store, and neither files nor a database.
#[derive(Debug, Clone, Args)]
pub struct Reading {
    /// The settings file [default: tablecast.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "TABLECAST_CONFIG")]
    pub config: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// Print nothing but what is wrong, and no progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// Flags of the commands that keep a store in order: they need neither files nor a
/// database.
#[derive(Debug, Clone, Args)]
pub struct Upkeep {
    /// The store's folder [default: snapshots]
    #[arg(long, value_name = "DIR", env = "TABLECAST_OUT")]
    pub out: Option<PathBuf>,

    /// The settings file [default: tablecast.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "TABLECAST_CONFIG")]
    pub config: Option<PathBuf>,

    /// The mode of the store's files, whatever the umask is; folders have the same, and may be
    /// entered by whoever may read [default: 0644]
    #[arg(long, value_name = "MODE", env = "TABLECAST_STORE_MODE")]
    pub store_mode: Option<StoreMode>,

    /// How long to wait for a publisher that has the store
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub lock_timeout: Duration,

    /// Print the result as JSON on standard output
    #[arg(long)]
    pub json: bool,

    /// Print nothing but problems
    #[arg(long, short)]
    pub quiet: bool,
}

/// Which store is read.
#[derive(Debug, Clone, Args)]
pub struct StoreFlag {
    /// The store: a folder, or the URL under which version.json stands [default: snapshots]
    #[arg(long, value_name = "DIR|URL", env = "TABLECAST_OUT")]
    pub out: Option<String>,
}

/// Where the JSON files are.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceFlag {
    /// The folder of JSON files, one per table [default: json-source]
    #[arg(long, value_name = "DIR", env = "TABLECAST_SOURCE")]
    pub source: Option<PathBuf>,
}

/// Where the migrations are.
#[derive(Debug, Clone, Default, Args)]
pub struct SqlFlag {
    /// The folder of migrations, V0001__name.sql and so on [default: sql/migrations]
    #[arg(long, value_name = "DIR", env = "TABLECAST_SQL")]
    pub sql: Option<PathBuf>,
}

/// Where the snapshot goes, and what it says of itself.
#[derive(Debug, Clone, Default, Args)]
pub struct OutFlags {
    /// The store's folder [default: snapshots]
    #[arg(long, value_name = "DIR", env = "TABLECAST_OUT")]
    pub out: Option<PathBuf>,

    /// The mode of the store's files, whatever the umask is; folders have the same, and may be
    /// entered by whoever may read [default: 0644]
    #[arg(long, value_name = "MODE", env = "TABLECAST_STORE_MODE")]
    pub store_mode: Option<StoreMode>,

    /// The version of the tables' shape, major.minor [default: 1.0]
    #[arg(long, value_name = "VERSION", env = "TABLECAST_SCHEMA_VERSION")]
    pub schema_version: Option<SchemaVersion>,
}

/// Whether to publish over a rollback.
#[derive(Debug, Clone, Default, Args)]
pub struct ForceFlag {
    /// Publish also where a rollback holds publishing back, which ends that
    #[arg(long)]
    pub force: bool,
}

/// What the clock says, where something contradicts it.
#[derive(Debug, Clone, Default, Args)]
pub struct ClockFlag {
    /// Take this machine's clock for right on that day (UTC), whatever contradicts it
    #[arg(long, value_name = "DATE")]
    pub allow_clock: Option<jiff::civil::Date>,
}

impl ClockFlag {
    /// What time it is.
    pub(crate) fn clock(&self) -> Clock {
        Clock::of_this_machine(self.allow_clock)
    }
}

impl Common {
    /// Settles every setting.
    ///
    /// # Errors
    /// Where the settings file cannot be used.
    pub fn settle(
        &self,
        source: &SourceFlag,
        sql: &SqlFlag,
        out: &OutFlags,
    ) -> Result<Config, Error> {
        let file = ConfigFile::load(self.config.as_deref())?;
        let pick = |flag: &Option<PathBuf>, file: Option<PathBuf>, default: &str| {
            flag.clone()
                .or(file)
                .unwrap_or_else(|| PathBuf::from(default))
        };
        let schema_version = out.schema_version.or(file.schema_version);
        let limits = file.limits();
        Ok(Config {
            database_url: self.database_url.clone().filter(|url| !url.is_empty()),
            schema: self
                .schema
                .clone()
                .or(file.schema)
                .unwrap_or_else(|| "public".to_owned()),
            source: pick(&source.source, file.source, "json-source"),
            sql: pick(&sql.sql, file.sql, "sql/migrations"),
            out: pick(&out.out, file.out, "snapshots"),
            store_mode: out.store_mode.or(file.store_mode).unwrap_or_default(),
            state: self.state.clone(),
            extensions: file.database.extensions,
            schema_version: schema_version.unwrap_or(SchemaVersion { major: 1, minor: 0 }),
            exclude: file.exclude,
            ignore_files: file.ignore_files,
            note_prefix: Some(file.note_prefix.unwrap_or_else(|| "_".to_owned()))
                .filter(|prefix| !prefix.is_empty()),
            max_deactivation_percent: file.max_deactivation_percent.unwrap_or(50),
            limits,
            max_object_bytes: file.max_object_bytes.unwrap_or(MAX_OBJECT_SIZE),
            lock_timeout: self.lock_timeout,
            statement_timeout: self.statement_timeout,
            connect_timeout: self.connect_timeout,
            silence_timeout: self.silence_timeout,
            quiet: self.quiet,
            tables: file.tables,
        })
    }

    /// Progress as it was asked for.
    pub fn progress(&self) -> Progress {
        if self.quiet {
            Progress::quiet()
        } else {
            Progress::default()
        }
    }

    /// Tells a person what happened.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            eprint!("{text}");
        }
    }

    /// Warns, also where little is to be said.
    pub fn warn(&self, text: &str) {
        eprintln!("warning: {text}");
    }

    /// Prints the result for a machine, where one asked.
    ///
    /// # Errors
    /// Where standard output is closed.
    pub fn print_json(&self, result: &impl serde::Serialize) -> Result<(), Error> {
        if self.json {
            print_json(result)
        } else {
            Ok(())
        }
    }
}

impl Upkeep {
    /// Opens the store that is named, or that of the settings, and says for whom it waits.
    ///
    /// # Errors
    /// Where the settings file cannot be used; where there is no store, or somebody has it.
    pub async fn open(&self) -> Result<DirectoryStore, Error> {
        let file = match (&self.out, self.store_mode) {
            (Some(_), Some(_)) => ConfigFile::default(),
            _ => ConfigFile::load(self.config.as_deref())?,
        };
        let out = self.out.clone().or(file.out);
        let out = out.unwrap_or_else(|| PathBuf::from("snapshots"));
        let mode = self.store_mode.or(file.store_mode).unwrap_or_default();
        let disk = Disk::with_mode(mode);
        let store = DirectoryStore::open_existing_on(disk, out, self.lock_timeout, |holder| {
            self.say(&format!("waiting for another publisher: {holder}\n"));
        });
        Ok(store.await?)
    }

    /// The most bytes that the readers take of one object, by the settings.
    ///
    /// # Errors
    /// Where the settings file cannot be used.
    pub fn max_object_bytes(&self) -> Result<u64, Error> {
        max_object_bytes(self.config.as_deref())
    }

    /// Tells a person what happened.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            eprint!("{text}");
        }
    }

    /// Prints the result for a machine, where one asked.
    ///
    /// # Errors
    /// Where standard output is closed.
    pub fn print_json(&self, result: &impl serde::Serialize) -> Result<(), Error> {
        if self.json {
            print_json(result)
        } else {
            Ok(())
        }
    }
}

fn max_object_bytes(settings: Option<&Path>) -> Result<u64, Error> {
    let file = ConfigFile::load(settings)?;
    Ok(file.max_object_bytes.unwrap_or(MAX_OBJECT_SIZE))
}

fn print_json(result: &impl serde::Serialize) -> Result<(), Error> {
    use std::io::Write;
    let text = serde_json::to_string(result).expect("a report is JSON");
    // A reader that has seen enough (`| head`) is no failure.
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Usage(format!(
            "failed to write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

impl Reading {
    /// The store that is named, or that of the settings.
    ///
    /// # Errors
    /// Where the settings file cannot be used, or the name is that of no store.
    pub fn origin(&self, named: Option<&str>) -> Result<Origin, Error> {
        if let Some(name) = named {
            return Ok(Origin::named(name)?);
        }
        let out = ConfigFile::load(self.config.as_deref())?.out;
        let out = out.unwrap_or_else(|| PathBuf::from("snapshots"));
        Ok(Origin::Directory(Directory::new(out)))
    }

    /// Progress as it was asked for.
    pub fn progress(&self) -> Progress {
        if self.quiet {
            Progress::quiet()
        } else {
            Progress::default()
        }
    }

    /// The most bytes that the readers take of one object, by the settings.
    ///
    /// # Errors
    /// Where the settings file cannot be used.
    pub fn max_object_bytes(&self) -> Result<u64, Error> {
        max_object_bytes(self.config.as_deref())
    }

    /// Prints the answer on standard output: as JSON, or the text, which may have colours
    /// that are left out where nobody sees them.
    ///
    /// # Errors
    /// Where standard output is closed.
    pub fn answer(&self, result: &impl serde::Serialize, text: &str) -> Result<(), Error> {
        answer(self.json, result, text)
    }
}

/// Prints a command's answer on standard output: as JSON, or the text, which may have
/// colours that are left out where nobody sees them.
///
/// # Errors
/// Where standard output is closed.
pub(crate) fn answer(json: bool, result: &impl serde::Serialize, text: &str) -> Result<(), Error> {
    use std::io::Write;
    let mut out = anstream::stdout();
    let written = if json {
        let json = serde_json::to_string(result).expect("a report is JSON");
        writeln!(out, "{json}")
    } else {
        out.write_all(text.as_bytes())
    };
    // A reader that has seen enough (`| head`) is no failure.
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Usage(format!(
            "failed to write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// `500ms`, `30s`, `10m`, `1h 30m`, `7d`; a day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span: Result<jiff::SignedDuration, _> = text
        .parse()
        .and_then(|span: jiff::Span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()));
    let span =
        span.map_err(|_| format!("{text:?} is not a duration such as 500ms, 30s, 10m or 7d"))?;
    Duration::try_from(span).map_err(|_| "a duration cannot be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs_f64());
        assert_eq!(seconds("500ms"), Ok(0.5));
        assert_eq!(seconds("30s"), Ok(30.0));
        assert_eq!(seconds("1h 30m"), Ok(5400.0));
        assert_eq!(seconds("7d"), Ok(604_800.0));
        assert_eq!(seconds("2w"), Ok(1_209_600.0));
        assert_eq!(seconds("0s"), Ok(0.0));
        for text in ["", "7", "d", "1 month", "1y", "soon"] {
            assert_eq!(
                seconds(text),
                Err(format!(
                    "{text:?} is not a duration such as 500ms, 30s, 10m or 7d"
                ))
            );
        }
        assert_eq!(
            seconds("-1s"),
            Err("a duration cannot be negative".to_owned())
        );
    }
}
