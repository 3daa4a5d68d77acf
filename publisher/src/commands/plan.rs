//! `publisher plan`

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use snapshot_format::IS_ACTIVE;

use super::changes::{GONE, HEAD, NEW, OTHER, counted, describe_column, shortened};
use super::context::Context;
use super::source::{SeedFlags, read_source};
use super::warnings::warn_of_missing_triggers;
use crate::database::{
    self, Plan, PlanOptions, PlannedChange, PlannedCounts, PlannedRow, PlannedTable,
    load_migrations, pending_migrations,
};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::output::warn;

/// Flags of `publisher plan`.
///
/// The files are compared with the tables as they are: pending migrations are named, and
/// not applied. What only writing would show, such as a row against a CHECK of its table, is
/// not foreseen.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    source: SourceFlag,
    #[command(flatten)]
    sql: SqlFlag,
    #[command(flatten)]
    flags: SeedFlags,

    /// How many rows of each table to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,

    /// End with status 3 where a seed would change something, and 0 where it would not
    #[arg(long)]
    exit_code: bool,
}

// The exit status of `--exit-code` that tells of changes.
const CHANGES: u8 = 3;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanReport<'p> {
    pending_migrations: &'p [String],
    #[serde(flatten)]
    plan: &'p Plan,
}

/// Shows what a seed would change.
pub(crate) async fn run(args: PlanArgs) -> Result<ExitCode, Error> {
    let output = args.common.output;
    let config = args
        .common
        .settle(&args.source, &args.sql, &OutFlags::default())?;
    let mut context = Context::open(config, output, "plan").await?;
    let pending = look_for_migrations(&mut context).await?;
    let plan = plan_seed(&mut context, &args).await?;
    context.close().await?;
    let report = PlanReport {
        pending_migrations: &pending,
        plan: &plan,
    };
    output.answer(&report, &describe(&plan))?;
    let changes = plan.totals.written() > 0;
    refuse(plan)?;
    Ok(if args.exit_code && changes {
        ExitCode::from(CHANGES)
    } else {
        ExitCode::SUCCESS
    })
}

async fn plan_seed(context: &mut Context, args: &PlanArgs) -> Result<Plan, Error> {
    let source = read_source(context, &args.flags, "nothing was planned").await?;
    warn_of_missing_triggers(&source.schema);
    let options = PlanOptions {
        allow_deactivation: args.flags.allowed_deactivation(),
        limit: args.limit,
    };
    let input = source.input(&context.config, context.output.progress());
    let client = context.database.client();
    Ok(database::plan(client, input, &source.unchanged, &options).await?)
}

// Names the migrations that `run` would apply first. A project may do without a folder of
// them.
async fn look_for_migrations(context: &mut Context) -> Result<Vec<String>, Error> {
    if !context.config.sql.exists() {
        return Ok(Vec::new());
    }
    let migrations = load_migrations(&context.config.sql)?;
    let pending = pending_migrations(context.database.client(), &migrations).await?;
    if !pending.is_empty() {
        warn(&format!(
            "{} not applied yet ({}); the plan is for the tables as they are, `publisher migrate` \
             changes them",
            match pending.len() {
                1 => "a migration is".to_owned(),
                many => format!("{many} migrations are"),
            },
            pending.join(", ")
        ));
    }
    Ok(pending)
}

fn refuse(plan: Plan) -> Result<(), Error> {
    if plan.problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Problems {
            count: plan.problems.len(),
            problems: plan.problems,
            what: "the source".to_owned(),
            outcome: "a seed would be refused".into(),
        })
    }
}

fn describe(plan: &Plan) -> String {
    let mut text = String::new();
    for table in &plan.tables {
        if table.rows.written() + table.rows.skipped + table.not_in_file > 0 {
            text.push_str(&describe_table(table));
            text.push('\n');
        }
    }
    for note in &plan.notes {
        let _ = writeln!(text, "{note}");
    }
    let version = plan.reference_version;
    let changed = plan.tables.iter().filter(|t| t.rows.written() > 0).count();
    let _ = match changed {
        0 => writeln!(text, "plan for {version}: nothing to do"),
        1 => writeln!(
            text,
            "plan for {version}: {} in 1 table",
            in_rows(&plan.totals)
        ),
        many => writeln!(
            text,
            "plan for {version}: {} in {many} tables",
            in_rows(&plan.totals)
        ),
    };
    text
}

fn in_rows(rows: &PlannedCounts) -> String {
    counted(
        "row",
        [
            (rows.added, "added"),
            (rows.changed, "changed"),
            (rows.deactivated, "deactivated"),
            (rows.reactivated, "reactivated"),
        ],
    )
}

fn describe_table(table: &PlannedTable) -> String {
    let mut text = String::new();
    let rows = &table.rows;
    let (style, sign) = match rows.written() {
        0 => (HEAD, "="),
        _ => (OTHER, "~"),
    };
    let counts = [
        (rows.added, "added"),
        (rows.changed, "changed"),
        (rows.deactivated, "deactivated"),
        (rows.reactivated, "reactivated"),
        (rows.skipped, "skipped"),
        (table.not_in_file, "not in the file"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, verb)| format!("{count} {verb}"))
        .collect();
    let (name, counts) = (&table.table, counts.join(", "));
    let _ = writeln!(
        text,
        "{style}{sign}{style:#} {HEAD}{name}{HEAD:#}: {counts}"
    );
    for row in &table.changes {
        text.push_str(&describe_row(row));
    }
    if table.more > 0 {
        let _ = writeln!(text, "  and {} more", table.more);
    }
    text
}

fn describe_row(row: &PlannedRow) -> String {
    let key: Vec<&str> = row.key.values().map(|value| value.get()).collect();
    let key = key.join(", ");
    match row.change {
        PlannedChange::Added => {
            let values = serde_json::to_string(&row.row).expect("a row is JSON");
            let defaulted = match row.defaulted.as_slice() {
                [] => String::new(),
                names => format!(" and a new {}", names.join(", ")),
            };
            format!("  {NEW}+ {key}{NEW:#} {}{defaulted}\n", shortened(&values))
        }
        PlannedChange::Changed => format!("  {OTHER}~ {key}{OTHER:#}\n{}", columns(row)),
        PlannedChange::Deactivated => {
            format!("  {GONE}- {key}{GONE:#} deactivated\n{}", columns(row))
        }
        PlannedChange::Reactivated => {
            format!("  {NEW}^ {key}{NEW:#} reactivated\n{}", columns(row))
        }
        PlannedChange::Skipped => format!("  = {key} skipped: belongs to an administrator\n"),
    }
}

fn columns(row: &PlannedRow) -> String {
    let is_said = |column: &str| row.change != PlannedChange::Changed && column == IS_ACTIVE;
    let columns = row.columns.iter().filter(|change| !is_said(&change.column));
    columns.map(describe_column).collect()
}
