//! The flags that several commands share, and what they settle.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use snapshot_format::SchemaVersion;
use snapshot_store::{Directory, DirectoryStore, Disk, Origin, StoreMode};

use crate::config::{Config, ConfigFile};
use crate::error::Error;
use crate::output::Output;
use crate::publish::Clock;

/// Which settings file is read.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsFlag {
    /// The settings file [default: tablecast.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "TABLECAST_CONFIG")]
    pub config: Option<PathBuf>,
}

impl SettingsFlag {
    fn load(&self) -> Result<ConfigFile, Error> {
        Ok(ConfigFile::load(self.config.as_deref())?)
    }

    /// The most bytes that the readers take of one object, by the settings.
    ///
    /// # Errors
    /// Where the settings file cannot be used.
    pub(crate) fn max_object_bytes(&self) -> Result<u64, Error> {
        Ok(self.load()?.settle().max_object_bytes)
    }
}

/// Flags of every command that needs the database.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The database, as postgres://user@host/name [default: a private PostgreSQL]
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// The SQL schema whose tables are published [default: public]
    #[arg(long, value_name = "NAME", env = "TABLECAST_SCHEMA")]
    pub schema: Option<String>,

    #[command(flatten)]
    pub settings: SettingsFlag,

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

    #[command(flatten)]
    pub(crate) output: Output,
}

/// Flags of the commands that read a store, and neither files nor a database.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reading {
    #[command(flatten)]
    pub settings: SettingsFlag,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// Flags of the commands that keep a store in order: they need neither files nor a
/// database.
#[derive(Debug, Clone, Args)]
pub(crate) struct Upkeep {
    /// The store's folder [default: snapshots]
    #[arg(long, value_name = "DIR", env = "TABLECAST_OUT")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub settings: SettingsFlag,

    /// The mode of the store's files, whatever the umask is; folders have the same, and may be
    /// entered by whoever may read [default: 0644]
    #[arg(long, value_name = "MODE", env = "TABLECAST_STORE_MODE")]
    pub store_mode: Option<StoreMode>,

    /// How long to wait for a publisher that has the store
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub lock_timeout: Duration,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// Which store is read.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreFlag {
    /// The store: a folder, or the URL under which version.json stands [default: snapshots]
    #[arg(long, value_name = "DIR|URL", env = "TABLECAST_OUT")]
    pub out: Option<String>,
}

/// Where the JSON files are.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SourceFlag {
    /// The folder of JSON files, one per table [default: json-source]
    #[arg(long, value_name = "DIR", env = "TABLECAST_SOURCE")]
    pub source: Option<PathBuf>,
}

/// Where the migrations are.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SqlFlag {
    /// The folder of migrations, V0001__name.sql and so on [default: sql/migrations]
    #[arg(long, value_name = "DIR", env = "TABLECAST_SQL")]
    pub sql: Option<PathBuf>,
}

/// Where the snapshot goes, and what it says of itself.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OutFlags {
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
pub(crate) struct ForceFlag {
    /// Publish also into a store that a rollback has frozen, which ends that
    #[arg(long)]
    pub force: bool,
}

/// What the clock says, where something contradicts it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClockFlag {
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
    pub(crate) fn settle(
        &self,
        source: &SourceFlag,
        sql: &SqlFlag,
        out: &OutFlags,
    ) -> Result<Config, Error> {
        let mut config = self.settings.load()?.settle();
        config.database_url = self.database_url.clone().filter(|url| !url.is_empty());
        over(&mut config.schema, &self.schema);
        over(&mut config.source, &source.source);
        over(&mut config.sql, &sql.sql);
        over(&mut config.out, &out.out);
        over(&mut config.store_mode, &out.store_mode);
        over(&mut config.schema_version, &out.schema_version);
        Ok(Config {
            state: self.state.clone(),
            lock_timeout: self.lock_timeout,
            statement_timeout: self.statement_timeout,
            connect_timeout: self.connect_timeout,
            silence_timeout: self.silence_timeout,
            quiet: self.output.quiet,
            ..config
        })
    }
}

// A flag goes over a setting.
fn over<T: Clone>(setting: &mut T, flag: &Option<T>) {
    if let Some(flag) = flag {
        setting.clone_from(flag);
    }
}

impl Upkeep {
    /// Opens the store that is named, or that of the settings, and says for whom it waits.
    ///
    /// # Errors
    /// Where the settings file cannot be used; where there is no store, or somebody has it.
    pub(crate) async fn open(&self) -> Result<DirectoryStore, Error> {
        let mut config = match (&self.out, self.store_mode) {
            (Some(_), Some(_)) => Config::default(),
            _ => self.settings.load()?.settle(),
        };
        over(&mut config.out, &self.out);
        over(&mut config.store_mode, &self.store_mode);
        let disk = Disk::with_mode(config.store_mode);
        let store =
            DirectoryStore::open_existing_on(disk, config.out, self.lock_timeout, |holder| {
                self.output
                    .say(&format!("waiting for another publisher: {holder}\n"));
            });
        Ok(store.await?)
    }
}

impl Reading {
    /// The store that is named, or that of the settings.
    ///
    /// # Errors
    /// Where the settings file cannot be used, or the name is that of no store.
    pub(crate) fn origin(&self, named: Option<&str>) -> Result<Origin, Error> {
        if let Some(name) = named {
            return Ok(Origin::named(name)?);
        }
        let out = self.settings.load()?.settle().out;
        Ok(Origin::Directory(Directory::new(out)))
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
