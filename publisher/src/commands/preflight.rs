//! `publisher preflight`

mod app;
mod database;
mod public;

use std::path::PathBuf;

use clap::Args;
use snapshot_store::Origin;

use super::parity::{Sides, compare};
use crate::config::Config;
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::output::Output;
use crate::preflight::{Check, Report};
use crate::words::{counted, with_causes};

/// Flags of `publisher preflight`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct PreflightArgs {
    /// Where apps read: the URL under which version.json stands, or a folder [default: the setting `out`]
    #[arg(long, value_name = "URL|DIR")]
    public: Option<String>,

    /// What the app ships: the folder that `publisher bundle` wrote, or its own JSON files
    #[arg(long, value_name = "DIR")]
    app: Option<PathBuf>,

    /// What the app ships: the file that `publisher bundle --sqlite` wrote
    #[arg(long, value_name = "FILE")]
    app_sqlite: Option<PathBuf>,

    /// The version that a rollback would go back to [default: the one before the current]
    #[arg(long, value_name = "VERSION")]
    rollback_to: Option<String>,

    #[command(flatten)]
    source: SourceFlag,

    #[command(flatten)]
    sql: SqlFlag,

    #[command(flatten)]
    common: Common,
}

const AFTER_HELP: &str = "\
Changes nothing. It makes these checks, all of them whatever one says:
  migrations  each was applied, and none was edited since
  catalog     the database has what the migrations make in an empty one, and nothing else
  seed        a seed of the files would change no row
  snapshot    every byte that is public is right, and its header fields; the history too
  service     /ready and the version endpoint say what version.json says (behind a URL)
  parity      files, database and snapshot hold the same
  rollback    the version to go back to is there, and intact
  app, app-sqlite
              what the app ships is what is public

Exit status: 0 none failed, 1 one did, 2 the command line is wrong.";

/// Makes the checks.
pub(crate) async fn run(args: PreflightArgs) -> Result<(), Error> {
    let output = args.common.output;
    let config = args
        .common
        .settle(&args.source, &args.sql, &OutFlags::default())?;
    let place = match &args.public {
        Some(place) => place.clone(),
        None => config.out.display().to_string(),
    };
    // A name that names no place is a mistake of the command line.
    Origin::named(&place).map_err(|error| Error::Usage(format!("--public {error}")))?;

    let mut checks = database::checks(&config, output).await;
    let public = public::checks(&config, output, &place, args.rollback_to.as_deref()).await;
    checks.extend([public.snapshot, public.service]);
    checks.push(parity(&config, output, &place).await);
    checks.push(public.rollback);
    checks.extend(app::checks(&args, &config, &place, public.current.as_ref()).await);

    let report = Report::of(checks);
    output.answer(&report, &report.describe(output.quiet))?;
    match report.failed() {
        0 => Ok(()),
        count => Err(Error::NotReady { count }),
    }
}

async fn parity(config: &Config, output: Output, place: &str) -> Check {
    match compare(config.clone(), &Sides::all(place, output)).await {
        Ok(report) if report.passed => {
            Check::passed("parity", "files, database and snapshot hold the same")
        }
        Ok(report) => Check::failed(
            "parity",
            counted(report.difference_count, "difference"),
            "`publisher parity` shows each",
        ),
        Err(error) => refused("parity", &error),
    }
}

/// A check that could not be made.
fn refused(check: &'static str, error: &Error) -> Check {
    let mut detail = with_causes(error);
    if let Error::Problems { problems, .. } = error {
        let lines = problems.iter().take(MOST_LINES);
        detail.extend(lines.map(|problem| format!("\n{problem}")));
    }
    let help = error
        .hint()
        .unwrap_or_else(|| "mend that, and run preflight again".to_owned());
    Check::failed(check, detail, help)
}

// Beyond that a person wants to know how many there are.
const MOST_LINES: usize = 20;

/// A headline, and a line for each thing below it.
fn listed(headline: &str, lines: &[String]) -> String {
    let mut detail = headline.to_owned();
    detail.extend(
        lines
            .iter()
            .take(MOST_LINES)
            .map(|line| format!("\n{line}")),
    );
    if lines.len() > MOST_LINES {
        detail += &format!("\nand {} more", lines.len() - MOST_LINES);
    }
    detail
}
