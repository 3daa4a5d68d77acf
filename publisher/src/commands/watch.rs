//! `publisher watch`: the main job, again at each edit.

mod event;
mod public;
mod report;
mod round;
mod served;
mod source;
mod upkeep;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::Args;
use snapshot_store::DirectoryStore;
use tokio::time::{MissedTickBehavior, sleep, sleep_until};

use self::report::Reporter;
use self::round::{Rounded, Rounds};
use self::served::Served;
use self::upkeep::Upkeep;
use super::job::JobFlags;
use crate::blocking::blocking;
use crate::config::Config;
use crate::error::{Error, THE_CLOCK};
use crate::flags::duration;
use crate::prune::Keep;
use crate::watch::{
    Checkout, Decision, Ended, Folders, Hint, Hints, Inputs, PATIENCE, Places, Retry,
};

/// Flags of `publisher watch`.
///
/// Each save of a source file, a migration or tablecast.toml begins a round: check, seed,
/// publish. What is broken is reported as `publisher check` does, and the last good
/// version stays public until the next good save. Ctrl-C ends it.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(super) job: JobFlags,
    #[command(flatten)]
    pub(super) watching: WatchFlags,
}

impl WatchArgs {
    /// Whether the command is a server, too.
    pub(crate) fn serves(&self) -> bool {
        self.job.serve.is_some()
    }
}

/// Flags of watching, which `run --watch` takes too.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WatchFlags {
    /// Look at the files in intervals, where the system does not tell of changes: on network
    /// drives, in some containers; reads every file each time [default: 1s, if given]
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "1s", value_parser = duration)]
    poll: Option<Duration>,

    /// Keep every version; without it, what `publisher prune` does not keep by default is
    /// removed while nothing is edited
    #[arg(long)]
    no_prune: bool,

    /// How many of the newest versions are retained while watching [default: 30]
    #[arg(long, value_name = "N", conflicts_with = "no_prune")]
    keep: Option<NonZeroUsize>,

    /// Whatever was public within that time is retained too while watching [default: 7d]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "no_prune")]
    min_age: Option<Duration>,
}

impl WatchFlags {
    // `None` for everything.
    fn keep(&self) -> Option<Keep> {
        let usual = Keep::default();
        let keep = Keep {
            newest: self.keep.map_or(usual.newest, NonZeroUsize::get),
            min_age: self.min_age.unwrap_or(usual.min_age),
        };
        (!self.no_prune).then_some(keep)
    }
}

/// Watches until Ctrl-C or SIGTERM, which is how it is meant to end.
pub(crate) async fn run(args: WatchArgs) -> Result<(), Error> {
    let mut ended = pin!(super::interrupt());
    let config = args.job.settle()?;
    DirectoryStore::check(&config.out)?;
    let places = places(&config, args.job.common.settings.config.as_deref())?;
    let reporter = Reporter::new(args.job.output(), &config.out);
    let mut watch = Watch::new(args.job, config, places, &args.watching, reporter);
    let result = tokio::select! {
        result = watch.go() => result,
        () = &mut ended => Ok(()),
    };
    watch.end().await?;
    result
}

fn places(config: &Config, settings: Option<&Path>) -> Result<Places, Error> {
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|source| Error::Source {
            path: path.to_owned(),
            source,
        })
    };
    Ok(Places {
        source: absolute(&config.source)?,
        migrations: absolute(&config.sql)?,
        settings: absolute(settings.unwrap_or(&PathBuf::from("tablecast.toml")))?,
    })
}

/// How often it is looked whether the folders and the connection are still the same.
const TICK: Duration = Duration::from_secs(1);

/// How long problems must stand before they are told. An editor may leave a file empty, and
/// the files of several saves at odds, for a moment.
const STANDING: Duration = Duration::from_millis(150);

struct Watch {
    rounds: Rounds,
    places: Places,
    checkout: Checkout,
    poll: Option<Duration>,
    hints: Hints,
    retry: Retry,
    reporter: Reporter,
    server: Option<Served>,
    // When problems were first met that have not been told.
    untold_since: Option<Instant>,
    // Files changed while the last round ran: it may have read them already.
    overlapped: bool,
    upkeep: Upkeep,
}

impl Watch {
    fn new(
        job: JobFlags,
        config: Config,
        places: Places,
        flags: &WatchFlags,
        reporter: Reporter,
    ) -> Self {
        Self {
            checkout: Checkout::around(&places.source),
            rounds: Rounds::new(job, config),
            places,
            poll: flags.poll,
            hints: Hints::default(),
            retry: Retry::default(),
            reporter,
            server: None,
            untold_since: None,
            overlapped: false,
            upkeep: Upkeep::new(flags.keep()),
        }
    }

    /// Goes on until something makes it pointless.
    async fn go(&mut self) -> Result<(), Error> {
        // W2: watched first, looked at then.
        let mut folders = match self.poll {
            None => Some(Folders::watch(self.places.clone(), self.hints.clone())?),
            Some(_) => None,
        };
        self.rounds.open().await?;
        let url = self.serve().await?;
        self.reporter.started(&self.rounds, self.poll, url);
        self.hints.note(Hint::Touched);
        let mut tick = tokio::time::interval(self.poll.unwrap_or(TICK).max(MOMENT));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = [self.hints.due(), self.retry.due()];
            let due = due.into_iter().flatten().min();
            let upkeep = if due.is_none() {
                self.upkeep.due()
            } else {
                None
            };
            tokio::select! {
                () = self.hints.come() => continue,
                () = until(due), if due.is_some() => {}
                () = until(upkeep), if upkeep.is_some() => {
                    self.prune().await;
                    continue;
                }
                _ = tick.tick() => {
                    self.tick(folders.as_mut());
                    continue;
                }
            }
            self.renew(folders.as_mut());
            let since = due.unwrap_or_else(Instant::now);
            if self.checkout.is_at_work() && since.elapsed() < PATIENCE {
                sleep(MOMENT).await;
                continue;
            }
            self.look().await?;
        }
    }

    fn tick(&mut self, folders: Option<&mut Folders>) {
        self.renew(folders);
        if self.poll.is_some() {
            self.hints.note(Hint::Touched);
        }
        // A server that has gone is started, or waited for, before it is needed.
        if self.rounds.has_lost_its_connection() && self.retry.due().is_none() {
            self.reporter.lost(&self.rounds);
            self.retry.again(Instant::now());
        }
    }

    fn renew(&mut self, folders: Option<&mut Folders>) {
        if let Some(Err(error)) = folders.map(Folders::renew) {
            self.reporter.failed(&error.into(), None);
        }
    }

    /// Looks at the files, and runs a round where they call for one.
    async fn look(&mut self) -> Result<(), Error> {
        self.hints.take();
        let places = self.places.clone();
        let inputs = blocking(move || Inputs::look(&places)).await;
        let files = match self.retry.decide(&inputs, Instant::now()) {
            Decision::Rest => return Ok(()),
            Decision::Round(files) => files,
        };
        let result = self.rounds.round(&inputs).await;
        let overlapped = std::mem::replace(&mut self.overlapped, self.hints.due().is_some());
        match result {
            Ok(rounded) => self.succeeded(inputs, &files, rounded, overlapped),
            Err(error @ Error::Usage(_)) => return Err(error),
            Err(error) if is_about_the_files(&error) => {
                if !self.stands(&inputs).await {
                    return Ok(());
                }
                self.retry.ended(inputs, Ended::Settled, Instant::now());
                self.reporter.refused(&error, &files);
            }
            Err(error) => {
                let pause = self.retry.ended(inputs, Ended::Failed, Instant::now());
                if !is_overtaken(&error) {
                    self.reporter.failed(&error, pause);
                }
            }
        }
        self.untold_since = None;
        Ok(())
    }

    /// Removes what is not retained, until the next edit comes.
    async fn prune(&mut self) {
        match self.upkeep.prune(self.rounds.out(), &self.hints).await {
            Ok(Some(pruned)) => self.reporter.pruned(&pruned),
            Ok(None) => {}
            Err(error) => self.reporter.failed(&error, None),
        }
    }

    fn succeeded(&mut self, inputs: Inputs, files: &[String], rounded: Rounded, again: bool) {
        if let Some(server) = &self.server {
            server.reload();
        }
        self.retry.ended(inputs, Ended::Settled, Instant::now());
        self.reporter.succeeded(files, &rounded, again);
        self.upkeep
            .succeeded(&rounded.publish.published, Instant::now());
    }

    /// Whether the files still are what has problems, after a moment; a look follows where
    /// they are not.
    async fn stands(&mut self, inputs: &Inputs) -> bool {
        let since = *self.untold_since.get_or_insert_with(Instant::now);
        sleep(self.poll.unwrap_or(STANDING).max(STANDING)).await;
        let places = self.places.clone();
        let now = blocking(move || Inputs::look(&places)).await;
        let stands = now == *inputs && self.hints.due().is_none();
        if !stands {
            self.hints.note(Hint::Touched);
        }
        stands || since.elapsed() >= PATIENCE
    }

    async fn serve(&mut self) -> Result<Option<String>, Error> {
        let Some(address) = self.rounds.serve_at() else {
            return Ok(None);
        };
        let (server, url) = Served::start(self.rounds.out(), address).await?;
        self.server = Some(server);
        Ok(Some(url))
    }

    /// Ends the server and the private PostgreSQL, where there are such.
    async fn end(mut self) -> Result<(), Error> {
        if let Some(server) = self.server.take() {
            server.end().await?;
        }
        self.rounds.close().await?;
        self.reporter.stopped();
        Ok(())
    }
}

const MOMENT: Duration = Duration::from_millis(5);

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// Whether only an edit mends it, so that the same files need not be tried again.
fn is_about_the_files(error: &Error) -> bool {
    use crate::database::{DatabaseError, MigrationError, ReadError};
    use crate::snapshot::SnapshotError;
    match error {
        // A store and a clock are mended by other means.
        Error::Problems { what, .. } => what != "the store" && what != THE_CLOCK,
        Error::Config(_) => true,
        Error::Migration(error) => match error {
            MigrationError::Database(_) | MigrationError::Read { .. } => false,
            MigrationError::Failed { source, .. } => source.sqlstate.is_some(),
            _ => true,
        },
        Error::Database(error) => matches!(error, DatabaseError::Catalog(_)),
        Error::Snapshot(error) => match error {
            SnapshotError::Read(ReadError::Render(_)) => true,
            SnapshotError::Read(_) => false,
            _ => true,
        },
        _ => false,
    }
}

/// Whether somebody was faster than the round, which is nobody's fault.
fn is_overtaken(error: &Error) -> bool {
    use crate::database::SeedError;
    let Error::Seed(error) = error else {
        return false;
    };
    matches!(error, SeedError::Changed { .. } | SeedError::Overtaken)
}
