//! One round: migrate, check, seed, publish, each only where there is something to do.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::super::context::Context;
use super::super::job::JobFlags;
use super::super::publication::{Publication, PublishReport, Target};
use super::super::warnings::warn_of_missing_triggers;
use super::source;
use crate::config::Config;
use crate::database::{AppliedMigrations, SeedReport, begin_seed, load_migrations, migrate};
use crate::error::Error;
use crate::publish::Published;
use crate::snapshot::CachedRows;
use crate::source::Remembered;
use crate::watch::Inputs;

/// Who holds a lock longer than this is named, and the round is tried again; edits that
/// come meanwhile are seen.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What rounds have in common.
pub(super) struct Rounds {
    job: JobFlags,
    config: Config,
    // While there is a connection. Its steps say nothing: a round is one line.
    context: Option<Context>,
    // Of what the database was brought up to date with: nothing where that is not known.
    migrated: Option<Inputs>,
    // What is known while the connection, the migrations and the settings are the same.
    cached: CachedRows,
    // What is known of the files, by their contents.
    remembered: Remembered,
}

/// What a round did.
pub(super) struct Rounded {
    pub(super) applied: Vec<String>,
    /// `None` where every file is as it was seeded.
    pub(super) seed: Option<SeedReport>,
    pub(super) publish: PublishReport,
    pub(super) steps: Steps,
    pub(super) total: Duration,
    /// Settings that are in force only after a restart.
    pub(super) fixed: Vec<&'static str>,
}

/// How long each step of a round took.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Steps {
    /// Applying migrations; zero where there is nothing new.
    #[serde(rename = "migrateMs", serialize_with = "milliseconds")]
    pub(super) migrate: Duration,
    /// Reading the catalog and validating files that changed.
    #[serde(rename = "checkMs", serialize_with = "milliseconds")]
    pub(super) check: Duration,
    /// Writing the rows that differ.
    #[serde(rename = "seedMs", serialize_with = "milliseconds")]
    pub(super) seed: Duration,
    /// Reading and rendering the tables.
    #[serde(rename = "renderMs", serialize_with = "milliseconds")]
    pub(super) render: Duration,
    /// Making the variants of new objects.
    #[serde(rename = "compressMs", serialize_with = "milliseconds")]
    pub(super) compress: Duration,
    /// Putting them, durably.
    #[serde(rename = "putMs", serialize_with = "milliseconds")]
    pub(super) put: Duration,
    /// Reading back, and swapping to the new version.
    #[serde(rename = "swapMs", serialize_with = "milliseconds")]
    pub(super) swap: Duration,
}

impl Steps {
    /// Those that took a millisecond or more.
    pub(super) fn to_text(self) -> String {
        let steps = [
            ("migrate", self.migrate),
            ("check", self.check),
            ("seed", self.seed),
            ("render", self.render),
            ("compress", self.compress),
            ("put", self.put),
            ("swap", self.swap),
        ];
        let taken = steps.iter().filter(|(_, took)| took.as_millis() > 0);
        let taken: Vec<String> = taken
            .map(|(step, took)| format!("{step} {}", took.as_millis()))
            .collect();
        taken.join(", ")
    }
}

// With fractions: some steps take less than one.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    serializer.serialize_f64(f64::from(micros) / 1000.0)
}

impl Rounds {
    pub(super) fn new(job: JobFlags, config: Config) -> Self {
        Self {
            config: within_patience(config),
            job,
            context: None,
            migrated: None,
            cached: CachedRows::default(),
            remembered: Remembered::default(),
        }
    }

    /// Connects, and starts the private PostgreSQL where no database is named.
    pub(super) async fn open(&mut self) -> Result<(), Error> {
        if self.has_lost_its_connection() {
            self.close().await?;
        }
        if self.context.is_none() {
            let config = self.config.clone();
            let mut context = Context::open(config, self.job.output(), "watch").await?;
            context.output = context.output.quietly();
            self.context = Some(context);
        }
        Ok(())
    }

    /// Ends the connection, and the private PostgreSQL with it.
    pub(super) async fn close(&mut self) -> Result<(), Error> {
        self.forget();
        match self.context.take() {
            Some(context) => context.close().await,
            None => Ok(()),
        }
    }

    fn forget(&mut self) {
        self.migrated = None;
        self.cached = CachedRows::default();
    }

    pub(super) fn has_lost_its_connection(&self) -> bool {
        self.context
            .as_ref()
            .is_some_and(|context| context.database.is_closed())
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn out(&self) -> &Path {
        &self.config.out
    }

    pub(super) fn serve_at(&self) -> Option<SocketAddr> {
        self.job.serve
    }

    /// Where the database is, for people.
    pub(super) fn target(&self) -> &str {
        let context = self.context.as_ref();
        context.map_or("the database", |context| &context.database.target)
    }

    /// Brings the database and the snapshot in step with the files.
    pub(super) async fn round(&mut self, inputs: &Inputs) -> Result<Rounded, Error> {
        let result = self.try_round(inputs).await;
        if result.is_err() {
            // Whatever went wrong, nothing is known of the database any more.
            self.forget();
        }
        result
    }

    async fn try_round(&mut self, inputs: &Inputs) -> Result<Rounded, Error> {
        let begun = Instant::now();
        self.open().await?;
        if self.migrated.as_ref().is_some_and(|known| {
            inputs.has_other_settings(known) || inputs.has_other_migrations(known)
        }) {
            self.cached = CachedRows::default();
        }
        let fixed = self.settle_anew(inputs)?;
        // The store before anything is written: what it refuses, it refuses at once.
        let target = Target::open(&self.config, self.job.output().quietly()).await?;
        target.check_hold(&self.job.force)?;
        if self.migrated.is_none() {
            target.settle_mode(self.job.output()).await?;
        }
        let mut steps = Steps::default();
        let applied = self.migrate(inputs, &mut steps).await?;
        let done = self.seed_and_publish(target, &mut steps).await;
        let (seed, publish) = done.map_err(|error| error.after_migrations(&applied))?;
        self.migrated = Some(inputs.clone());
        Ok(Rounded {
            applied,
            seed,
            publish,
            steps,
            total: begun.elapsed(),
            fixed,
        })
    }

    /// Does what comes after the migrations.
    async fn seed_and_publish(
        &mut self,
        mut target: Target,
        steps: &mut Steps,
    ) -> Result<(Option<SeedReport>, PublishReport), Error> {
        let Self {
            job,
            context,
            cached,
            remembered,
            ..
        } = self;
        let context = context.as_mut().expect("it was opened above");
        let mut clock = Clock::start();
        let schema = context.schema().await?;
        if self.migrated.is_none() {
            warn_of_missing_triggers(&schema);
        }
        let source = source::read(context, &job.seed, schema, remembered).await?;
        steps.check = clock.lap();
        let Context {
            config,
            output,
            database,
        } = context;
        let mut publication = Publication::begin(config, *output, &source.schema, job.terms())?;
        let (mut seed, mut judged) = (None, None);
        if !source.tables.is_empty() {
            let input = source.input(config, output.progress());
            let options = job.seed.options(false);
            let seeding = begin_seed(database.client(), input, &source.unchanged, &options).await?;
            steps.seed = clock.lap();
            let state = publication
                .judge(&mut target, &seeding.reader(), Some(cached))
                .await;
            judged = Some(state.map_err(Error::before_the_commit)?);
            clock.lap();
            seed = Some(seeding.end().await?);
            steps.seed += clock.lap();
        }
        let publish = publication
            .end(target, database, Some(cached), judged)
            .await?;
        steps.render = Duration::from_millis(publish.render_ms);
        if let Published::Changed { timings, .. } = &publish.published {
            steps.compress = timings.variants;
            steps.put = timings.put;
            steps.swap = timings.swap;
        }
        Ok((seed, publish))
    }

    /// Takes over other settings, but for those that a running watch is built on.
    fn settle_anew(&mut self, inputs: &Inputs) -> Result<Vec<&'static str>, Error> {
        let known = self.migrated.as_ref();
        if known.is_some_and(|known| !inputs.has_other_settings(known)) {
            return Ok(Vec::new());
        }
        let new = within_patience(self.job.settle()?);
        let (config, fixed) = taken_over(&self.config, new);
        if let Some(context) = &mut self.context {
            context.config.clone_from(&config);
        }
        self.config = config;
        Ok(fixed)
    }

    async fn migrate(&mut self, inputs: &Inputs, steps: &mut Steps) -> Result<Vec<String>, Error> {
        let known = self.migrated.as_ref();
        if known.is_some_and(|known| !inputs.has_other_migrations(known)) {
            return Ok(Vec::new());
        }
        let mut clock = Clock::start();
        let migrations = load_migrations(&self.config.sql)?;
        let context = self.context.as_mut().expect("it was opened before");
        let migrated = migrate(context.database.client(), &self.config, &migrations).await;
        let AppliedMigrations { applied, .. } = migrated?;
        steps.migrate = clock.lap();
        Ok(applied)
    }
}

fn within_patience(mut config: Config) -> Config {
    config.lock_timeout = config.lock_timeout.min(LONGEST_WAIT);
    config
}

// The folders are watched, the server serves one, and the connection is open.
fn taken_over(old: &Config, mut new: Config) -> (Config, Vec<&'static str>) {
    let mut fixed = Vec::new();
    let mut keep = |name, differs: bool| {
        if differs {
            fixed.push(name);
        }
    };
    keep("source", new.source != old.source);
    keep("sql", new.sql != old.sql);
    keep("out", new.out != old.out);
    keep("schema", new.schema != old.schema);
    new.source.clone_from(&old.source);
    new.sql.clone_from(&old.sql);
    new.out.clone_from(&old.out);
    new.schema.clone_from(&old.schema);
    (new, fixed)
}

struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> Duration {
        let lap = self.0.elapsed();
        self.0 = Instant::now();
        lap
    }
}
