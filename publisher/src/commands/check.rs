//! `publisher check`

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use snapshot_format::TableKey;

use super::migrate::migrate_database;
use super::{open_database, warn_of_missing_triggers};
use crate::config::Config;
use crate::database::{Database, Unchanged, judge_unique, read_schema, still_dangling};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::progress::Progress;
use crate::schema::Schema;
use crate::source::{self, Dangling, Known, Problem, Problems, SourceFiles, Subject, Validated};

/// Flags of `publisher check`.
///
/// With a database URL the files are checked against that database's tables; without
/// one, against the migrations, applied to an empty private database that is dropped at
/// the end.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    source: SourceFlag,
    #[command(flatten)]
    sql: SqlFlag,
}

/// Checks the files, and reports every problem.
pub(crate) async fn run(args: CheckArgs) -> Result<(), Error> {
    let config = args
        .common
        .settle(&args.source, &args.sql, &OutFlags::default())?;
    let common = &args.common;
    let result = match config.database_url {
        Some(_) => check_against_server(&config, common).await,
        None => check_against_migrations(&config, common).await,
    };
    report(common, &config, result)
}

async fn check_against_server(config: &Config, common: &Common) -> Result<Checked, Error> {
    let mut database = open_database(config, common, "check").await?;
    let schema = read_schema(database.client(), config).await?;
    warn_of_missing_triggers(common, &schema);
    let checked = check(&mut database, config, &schema, common.progress()).await;
    database.close().await?;
    checked
}

async fn check_against_migrations(config: &Config, common: &Common) -> Result<Checked, Error> {
    let mut database = Database::open_scratch(config, "check").await?;
    let quiet = Common {
        quiet: true,
        ..common.clone()
    };
    let checked = async {
        migrate_database(&mut database, config, &quiet).await?;
        let schema = read_schema(database.client(), config).await?;
        check(&mut database, config, &schema, common.progress()).await
    };
    let checked = checked.await;
    database.close_scratch(config).await?;
    checked
}

struct Checked {
    rows: u64,
    tables: usize,
    problems: Problems,
}

async fn check(
    database: &mut Database,
    config: &Config,
    schema: &Schema,
    progress: Progress,
) -> Result<Checked, Error> {
    let mut problems = Problems::default();
    let files = list_files(config, schema, &mut problems)?;
    let validated =
        validate_files(database, config, schema, &files, progress, &mut problems).await?;
    // Only whole files can be staged.
    if problems.is_empty() {
        let client = database.client();
        let shared = judge_unique(client, config, schema, &validated.tables, progress).await?;
        for Problem { place, message } in shared {
            problems.push(place, message);
        }
    }
    Ok(Checked {
        rows: validated.tables.iter().map(|table| table.rows).sum(),
        tables: validated.tables.len(),
        problems,
    })
}

/// Lists the source folder. `seed` takes this step too.
pub(super) fn list_files(
    config: &Config,
    schema: &Schema,
    problems: &mut Problems,
) -> Result<SourceFiles, Error> {
    config.check(schema)?;
    source::list(config, schema, problems).map_err(|source| Error::Source {
        path: config.source.clone(),
        source,
    })
}

/// Validates the files, and asks the database for references that no file holds. `seed`
/// takes this step too.
pub(super) async fn validate_files(
    database: &mut Database,
    config: &Config,
    schema: &Schema,
    files: &SourceFiles,
    progress: Progress,
    problems: &mut Problems,
) -> Result<Validated, Error> {
    validate_known(database, config, schema, files, progress, problems, None).await
}

/// The same, with what is known of files that are as they were.
pub(super) async fn validate_known(
    database: &mut Database,
    config: &Config,
    schema: &Schema,
    files: &SourceFiles,
    progress: Progress,
    problems: &mut Problems,
    known: Option<Known<'_>>,
) -> Result<Validated, Error> {
    let mut validated = source::validate_anew(config, schema, files, progress, problems, known);
    let dangling = std::mem::take(&mut validated.dangling);
    let still = still_dangling(
        database.client(),
        config,
        schema,
        &validated.tables,
        dangling,
        progress,
    );
    for reference in still.await? {
        let message = reference.message();
        let Dangling { place, also, .. } = reference;
        let subject = Subject {
            file: &place.file,
            row: place.row,
            column: place.column.as_deref(),
            message: &message,
        };
        problems.add_many(subject, 1 + also, || Problem {
            place: Some(place.clone()),
            message: message.clone(),
        });
    }
    Ok(validated)
}

/// The files of tables that have to be read.
pub(super) fn without(files: SourceFiles, unchanged: &[Unchanged]) -> SourceFiles {
    let skipped: BTreeSet<&str> = unchanged.iter().map(|table| table.key.as_str()).collect();
    let kept = files
        .by_table
        .into_iter()
        .filter(|(key, _)| !skipped.contains(key.as_str()));
    SourceFiles {
        by_table: kept.collect(),
    }
}

/// Problems as the error that ends a command.
pub(super) fn refuse(problems: Problems, config: &Config, outcome: &'static str) -> Error {
    let count = problems.count();
    let what = config.source.display().to_string();
    Error::Problems {
        problems: problems.into_sorted(),
        count,
        what,
        outcome: outcome.into(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckReport<'p> {
    tables: usize,
    rows: u64,
    problem_count: usize,
    problems: &'p [Problem],
}

fn report(common: &Common, config: &Config, checked: Result<Checked, Error>) -> Result<(), Error> {
    let Checked {
        rows,
        tables,
        problems,
    } = checked?;
    let count = problems.count();
    if count == 0 {
        common.print_json(&CheckReport {
            tables,
            rows,
            problem_count: 0,
            problems: &[],
        })?;
        common.say(&format!(
            "checked: {} in {}, no problem\n",
            counted(rows, "row"),
            counted(tables as u64, "file"),
        ));
        return Ok(());
    }
    let error = refuse(problems, config, "nothing was changed");
    if let Error::Problems { problems, .. } = &error {
        common.print_json(&CheckReport {
            tables,
            rows,
            problem_count: count,
            problems,
        })?;
    }
    Err(error)
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// `grips=14`, as `--allow-deactivation` takes it.
pub(super) fn parse_allowance(text: &str) -> Result<(TableKey, u64), String> {
    let parse = || {
        let (table, count) = text.split_once('=')?;
        Some((table.parse().ok()?, count.parse().ok()?))
    };
    parse().ok_or_else(|| format!("{text:?} is not of the form TABLE=N, such as grips=14"))
}
