//! `publisher check`

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::source::{list_files, refuse, validate_files};
use super::warnings::warn_of_missing_triggers;
use crate::database::{Input, judge_unique};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::output::Output;
use crate::source::{Problem, Problems};
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
