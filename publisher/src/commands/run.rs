//! `publisher run`: the main job.

use clap::Args;
use serde::Serialize;
use snapshot_store::DirectoryStore;

use super::context::Context;
use super::job::JobFlags;
use super::publication::{Publication, PublishReport, Target};
use super::serving::Serving;
use super::source::read_source;
use super::warnings::warn_of_missing_triggers;
use super::watch::{WatchArgs, WatchFlags};
use crate::database::{AppliedMigrations, SeedReport, begin_seed};
use crate::error::Error;

/// Flags of `publisher run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
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

/// Migrates, seeds, publishes; gives what is then to be served, where that is asked for.
pub(crate) async fn run(args: RunArgs) -> Result<Option<Serving>, Error> {
    let args = args.job;
    let config = args.settle()?;
    // Before the seed: a store that is refused leaves the database as it was, too.
    DirectoryStore::check(&config.out)?;
    let mut context = Context::open(config, args.output(), "run").await?;
    let output = context.output;
    output.say(&format!("database: {}\n", context.database.target));
    // The store before anything is written: what it refuses, it refuses at once.
    let target = Target::open(&context.config, output).await?;
    target.check_hold(&args.force)?;
    target.settle_mode(output).await?;
    let migrate = context.migrate().await?;
    let done = seed_and_publish(&mut context, &args, target).await;
    let (seed, publish) = done.map_err(|error| error.after_migrations(&migrate.applied))?;
    let config = context.config.clone();
    // Serving needs no database.
    context.close().await?;
    output.report(&RunReport {
        migrate,
        seed,
        publish,
    })?;
    Ok(args.serve.map(|address| Serving {
        config,
        address,
        output,
    }))
}

async fn seed_and_publish(
    context: &mut Context,
    args: &JobFlags,
    mut target: Target,
) -> Result<(SeedReport, PublishReport), Error> {
    let source = read_source(context, &args.seed, "nothing was seeded").await?;
    let Context {
        config,
        output,
        database,
    } = context;
    let mut publication = Publication::begin(config, *output, &source.schema, args.terms())?;
    let input = source.input(config, output.progress());
    let options = args.seed.options(false);
    let seeding = begin_seed(database.client(), input, &source.unchanged, &options).await?;
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
    warn_of_missing_triggers(&source.schema);
    output.say(&super::seed::describe(&seed));
    let publish = publication.end(target, database, None, judged).await?;
    output.say(&super::publication::describe(&publish));
    Ok((seed, publish))
}
