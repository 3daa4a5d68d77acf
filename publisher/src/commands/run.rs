//! `publisher run`: the main job.

use std::net::SocketAddr;
use std::pin::pin;

use clap::Args;
use serde::Serialize;

use super::guards::GuardFlags;
use super::migrate::migrate_database;
use super::open_database;
use super::publish::{PublishReport, PublishTerms, publish_database};
use super::seed::{SeedFlags, seed_database};
use super::watch::{WatchArgs, WatchFlags};
use crate::cli::{Common, ForceFlag, OutFlags, SourceFlag, SqlFlag};
use crate::config::Config;
use crate::database::{AppliedMigrations, SeedReport};
use crate::error::Error;
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

/// Flags of the main job, which `run` and `watch` share.
#[derive(Debug, Args)]
pub struct JobFlags {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) source: SourceFlag,
    #[command(flatten)]
    pub(super) sql: SqlFlag,
    #[command(flatten)]
    pub(super) out: OutFlags,
    #[command(flatten)]
    pub(super) seed: SeedFlags,
    #[command(flatten)]
    pub(super) force: ForceFlag,
    #[command(flatten)]
    pub(super) guards: GuardFlags,

    /// Then serve the snapshot over HTTP, until Ctrl-C; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) serve: Option<SocketAddr>,
}

impl JobFlags {
    /// Settles every setting.
    pub(super) fn settle(&self) -> Result<Config, Error> {
        self.common.settle(&self.source, &self.sql, &self.out)
    }

    /// How to publish.
    pub(super) fn terms(&self) -> PublishTerms<'_> {
        PublishTerms {
            force: &self.force,
            guards: &self.guards,
            deactivation: self.seed.allowed_deactivation(),
            kept: None,
        }
    }
}

impl RunArgs {
    /// Whether the command goes on as a server.
    pub(crate) fn serves(&self) -> bool {
        self.job.serve.is_some()
    }

    /// What `publisher watch` is to do with these flags.
    pub(super) fn into_watching(self) -> WatchArgs {
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
pub(super) struct Serving {
    config: Config,
    address: SocketAddr,
    common: Common,
}

/// Migrates, seeds, publishes; gives what is then to be served, where that is asked for.
pub(super) async fn run(args: RunArgs) -> Result<Option<Serving>, Error> {
    let args = args.job;
    let config = args.settle()?;
    // Before the seed: a store that is refused leaves the database as it was, too.
    DirectoryStore::check(&config.out)?;
    let mut database = open_database(&config, &args.common, "run").await?;
    args.common.say(&format!("database: {}\n", database.target));
    let migrate = migrate_database(&mut database, &config, &args.common).await?;
    let seed = seed_database(&mut database, &config, &args.common, &args.seed, false).await?;
    let publish = publish_database(&mut database, &config, &args.common, args.terms()).await?;
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

impl Serving {
    /// Serves until Ctrl-C or SIGTERM, which is how it is meant to end.
    pub(super) async fn serve(self) -> Result<(), Error> {
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
