//! `publisher check`

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::warnings::warn_of_missing_triggers;
use crate::config::Config;
use crate::database::{Input, Unchanged, judge_unique, still_dangling};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::output::Output;
use crate::schema::Schema;
use crate::source::{
    self, Dangling, Files, Known, Problem, Problems, SourceFiles, Subject, Validated, validate,
};
use crate::words::counted;

/// Flags of `publisher check`.
///
/// With a database URL the files are checked against that database's tables; without
/// one, against the migrations, applied to an empty private database that is dropped at
/// the end.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
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
    let output = args.common.output;
    let source = config.source.clone();
    let checked = Context::beside_tables(config, output, "check", check).await?;
    report(output, &source, checked)
}

struct Checked {
    rows: u64,
    tables: usize,
    problems: Problems,
}

async fn check(context: &mut Context) -> Result<Checked, Error> {
    let schema = context.schema().await?;
    if context.config.database_url.is_some() {
        warn_of_missing_triggers(&schema);
    }
    let mut problems = Problems::default();
    let files = list_files(&context.config, &schema, &mut problems)?;
    let validated = validate_files(context, &schema, &files, &mut problems, None).await?;
    // Only whole files can be staged.
    if problems.is_empty() {
        let Context {
            config,
            output,
            database,
        } = context;
        let input = Input {
            config,
            schema: &schema,
            sources: &validated.tables,
            progress: output.progress(),
        };
        for Problem { place, message } in judge_unique(database.client(), input).await? {
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
/// takes this step too. `known` is what is known of files that are as they were.
pub(super) async fn validate_files(
    context: &mut Context,
    schema: &Schema,
    files: &SourceFiles,
    problems: &mut Problems,
    known: Option<Known<'_>>,
) -> Result<Validated, Error> {
    let Context {
        config,
        output,
        database,
    } = context;
    let progress = output.progress();
    let all = Files {
        config,
        schema,
        files,
        progress,
    };
    let mut validated = validate(all, problems, known);
    let dangling = std::mem::take(&mut validated.dangling);
    let input = Input {
        config,
        schema,
        sources: &validated.tables,
        progress,
    };
    for reference in still_dangling(database.client(), input, dangling).await? {
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
pub(super) fn refuse(problems: Problems, source: &Path, outcome: &'static str) -> Error {
    let count = problems.count();
    let what = source.display().to_string();
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

fn report(output: Output, source: &Path, checked: Checked) -> Result<(), Error> {
    let Checked {
        rows,
        tables,
        problems,
    } = checked;
    let problem_count = problems.count();
    let report = |problems: &[Problem]| {
        output.report(&CheckReport {
            tables,
            rows,
            problem_count,
            problems,
        })
    };
    if problem_count == 0 {
        report(&[])?;
        let (rows, files) = (counted(rows, "row"), counted(tables, "file"));
        output.say(&format!("checked: {rows} in {files}, no problem\n"));
        return Ok(());
    }
    let error = refuse(problems, source, "nothing was changed");
    if let Error::Problems { problems, .. } = &error {
        report(problems)?;
    }
    Err(error)
}
