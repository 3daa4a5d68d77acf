//! The command line: the list of commands, each of which is begun here.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    bundle, check, database, diff, history, interrupt, migrate, parity, plan, preflight, prune,
    publish, resume, rollback, run, seed, show, types, verify, watch,
};
use crate::error::Error;

/// Publishes PostgreSQL reference tables as immutable JSON that any CDN can serve.
///
/// JSON files are checked, seeded into Postgres in one transaction, and published as a
/// snapshot: a bootstrap file and one file per table, each named by its hash, and a tiny
/// version.json that points at them.
#[derive(Debug, Parser)]
#[command(version, after_long_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Whether the command watches, so that a signal is how it is meant to end.
    pub fn watches(&self) -> bool {
        match &self.command {
            Command::Run(args) => args.watch,
            Command::Watch(_) => true,
            _ => false,
        }
    }

    /// Whether the command goes on as a server.
    pub fn serves(&self) -> bool {
        match &self.command {
            Command::Run(args) => args.serves(),
            Command::Watch(args) => args.serves(),
            _ => false,
        }
    }
}

const AFTER_HELP: &str = "\
Without a database URL the publisher starts a private PostgreSQL of its own, from the
installed binaries, in .tablecast/postgres; it opens no TCP port and ends with the command.
`publisher database where` says where its data is: as root it may have to lie in
/var/lib/tablecast, and `publisher database reset` removes it.

A flag goes over the environment, and that over tablecast.toml in the working directory.

Exit status: 0 done, or nothing to do; 1 the data or the world is wrong; 2 the command line is;
3 `plan --exit-code` has found changes.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Migrate, seed and publish: the main job; with --serve also serve the result
    Run(run::RunArgs),
    /// Migrate, seed and publish, then again at each edit of the files
    Watch(watch::WatchArgs),
    /// Apply the migrations that the database lacks
    Migrate(migrate::MigrateArgs),
    /// Check the JSON files against the database's tables; change nothing
    Check(check::CheckArgs),
    /// Show what a seed of the JSON files would change, row by row; change nothing
    Plan(plan::PlanArgs),
    /// Write the JSON files into the database, in one transaction
    Seed(seed::SeedArgs),
    /// Write the database's tables into the store, as a snapshot
    Publish(publish::PublishArgs),
    /// Check every byte of a snapshot, in a folder or behind a URL
    Verify(verify::VerifyArgs),
    /// Compare files, database and snapshot, field by field
    Parity(parity::ParityArgs),
    /// Say whether apps may be moved to what is published, check by check; change nothing
    Preflight(preflight::PreflightArgs),
    /// List what was published, and when
    History(history::HistoryArgs),
    /// Show one version and its tables
    Show(show::ShowArgs),
    /// Compare two versions: tables, columns, rows
    Diff(diff::DiffArgs),
    /// Publish an earlier version again, and freeze the store until `resume`
    Rollback(rollback::RollbackArgs),
    /// Let publishing go on after a rollback
    Resume(resume::ResumeArgs),
    /// Print what an app's code may know of the tables: TypeScript, or JSON Schema by --json
    Types(types::TypesArgs),
    /// Write the current snapshot as a file that an app ships
    Bundle(bundle::BundleArgs),
    /// Remove old versions from the store, and what only they name
    Prune(prune::PruneArgs),
    /// Say where the private PostgreSQL keeps its data, or remove it
    Database(database::DatabaseArgs),
}

/// Runs what the command line asks for. Ctrl-C and SIGTERM end it between two steps of
/// the database or the disk, each of which is whole or undone; where it computes or waits
/// too long for that, `main` ends the program. Gives the exit status.
///
/// # Errors
/// Where the command fails.
pub async fn execute(cli: Cli) -> Result<ExitCode, Error> {
    let mut status = ExitCode::SUCCESS;
    let command = match cli.command {
        // Its end is Ctrl-C, which it waits for itself.
        Command::Watch(args) => return watch::run(args).await.map(|()| status),
        Command::Run(args) if args.watch => {
            return watch::run(args.into_watching()).await.map(|()| status);
        }
        command => command,
    };
    let command = async {
        match command {
            Command::Watch(_) => unreachable!("it has been run above"),
            Command::Run(args) => return run::run(args).await,
            Command::Migrate(args) => migrate::run(args).await?,
            Command::Check(args) => check::run(args).await?,
            Command::Types(args) => types::run(args).await?,
            Command::Bundle(args) => bundle::run(args).await?,
            Command::Plan(args) => status = plan::run(args).await?,
            Command::Parity(args) => parity::run(args).await?,
            Command::Preflight(args) => preflight::run(args).await?,
            Command::Seed(args) => seed::run(args).await?,
            Command::Publish(args) => publish::run(args).await?,
            Command::Verify(args) => verify::run(args).await?,
            Command::History(args) => history::run(args).await?,
            Command::Show(args) => show::run(args).await?,
            Command::Diff(args) => diff::run(args).await?,
            Command::Rollback(args) => rollback::run(args).await?,
            Command::Resume(args) => resume::run(args).await?,
            Command::Prune(args) => prune::run(args).await?,
            Command::Database(args) => database::run(args).await?,
        }
        Ok(None)
    };
    let serving = tokio::select! {
        result = command => result?,
        () = interrupt() => return Err(Error::Interrupted),
    };
    match serving {
        Some(serving) => serving.serve().await.map(|()| status),
        None => Ok(status),
    }
}
