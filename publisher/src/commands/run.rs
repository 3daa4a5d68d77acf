//! `publisher run`: the main job.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::job::JobFlags;
use super::migrate::migrate_database;
use super::publish::{Publication, PublishReport, Target, say_waiting};
use super::seed::read_source;
use super::watch::{WatchArgs, WatchFlags};
use super::{open_database, warn_of_missing_triggers};
use crate::config::Config;
use crate::database::{self, AppliedMigrations, Database, SeedReport};
use crate::error::Error;
use crate::flags::Common;
use crate::store::DirectoryStore;

/// Flags of `publisher run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    job: JobFlags,

    /// Then go on watching the files, as `publisher watch` does
    #[arg(long)]
    pub(crate) watch: bool,

    #[command(flatten)]
    watching: WatchFlags,
}

impl RunArgs {
    /// Whether the command goes on as a server.
    pub(crate) fn serves(&self) -> bool {
        self.job.serve.is_some()
    }

    /// What `publisher watch` is to do with these flags.
    pub(crate) fn into_watching(self) -> WatchArgs {
        WatchArgs {
            job: self.job,
            watching: self.watching,
        }
    }
}

#[derive(Serialize)]
struct RunReport {
    migrate: AppliedMigrations,
    seed: SeedReport,
    publish: PublishReport,
}

/// What is left to do once a snapshot is published: to serve it.
pub(crate) struct Serving {
    config: Config,
    address: SocketAddr,
    common: Common,
}

/// Migrates, seeds, publishes; gives what is then to be served, where that is asked for.
pub(crate) async fn run(args: RunArgs) -> Result<Option<Serving>, Error> {
    let args = args.job;
    let config = args.settle()?;
    // Before the seed: a store that is refused leaves the database as it was, too.
    DirectoryStore::check(&config.out)?;
    let mut database = open_database(&config, &args.common, "run").await?;
    args.common.say(&format!("database: {}\n", database.target));
    // The store before anything is written: what it refuses, it refuses at once.
    let target = Target::open(&config, |holder| say_waiting(&args.common, holder)).await?;
    target.check_hold(&args.force)?;
    target.settle_mode(&args.common).await?;
    let migrate = migrate_database(&mut database, &config, &args.common).await?;
    let done = seed_and_publish(&mut database, &config, &args, target).await;
    let (seed, publish) = done.map_err(|error| error.after_migrations(&migrate.applied))?;
    // Serving needs no database.
    database.close().await?;
    args.common.print_json(&RunReport {
        migrate,
        seed,
        publish,
    })?;
    Ok(args.serve.map(|address| Serving {
        config,
        address,
        common: args.common,
    }))
}

async fn seed_and_publish(
    database: &mut Database,
    config: &Config,
    args: &JobFlags,
    mut target: Target,
) -> Result<(SeedReport, PublishReport), Error> {
    let common = &args.common;
    let source = read_source(database, config, common, &args.seed, "nothing was seeded").await?;
    let start = Instant::now();
    let mut publication = Publication::begin(config, common, &source.schema, args.terms(), start)?;
    let seeding = database::begin_seed(
        database.client(),
        config,
        &source.schema,
        &source.tables,
        &source.unchanged,
        &args.seed.options(false),
        common.progress(),
    )
    .await?;
    // Without a file to compare, the seed has written nothing.
    let judged = if source.tables.is_empty() {
        None
    } else {
        let judged = publication
            .judge(&mut target, &seeding.reader(), None)
            .await;
        Some(judged.map_err(Error::before_the_commit)?)
    };
    let seed = seeding.end().await?;
    warn_of_missing_triggers(common, &source.schema);
    common.say(&super::seed::describe(&seed));
    let publish = publication.end(target, database, None, judged).await?;
    common.say(&super::publish::describe(&publish));
    Ok((seed, publish))
}

impl Serving {
    /// Serves until Ctrl-C or SIGTERM, which is how it is meant to end.
    pub(crate) async fn serve(self) -> Result<(), Error> {
        let options = snapshot_server::Options::new(&self.config.out, self.address);
        let mut interrupted = pin!(super::interrupt());
        let server = tokio::select! {
            server = snapshot_server::bind(options) => server?,
            () = &mut interrupted => return Ok(()),
        };
        let url = format!("http://{}", server.local_addr());
        self.common.say(&format!(
            "serving {} on {url}\n  {url}/version.json\n  {url}/api/v1/reference/bootstrap\n\
             Ctrl-C ends it.\n",
            self.config.out.display()
        ));
        Ok(server.run(interrupted).await?)
    }
}
