//! `publisher seed`

use std::fmt::Write;

use clap::Args;

use super::context::Context;
use super::source::{SeedFlags, read_source};
use super::warnings::warn_of_missing_triggers;
use crate::database::{self, SeedReport, SeededTable};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};

/// Flags of `publisher seed`.
#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    source: SourceFlag,
    #[command(flatten)]
    options: SeedFlags,

    /// Do everything, then roll back
    #[arg(long)]
    dry_run: bool,
}

/// Seeds the files.
pub(crate) async fn run(args: SeedArgs) -> Result<(), Error> {
    let config = args
        .common
        .settle(&args.source, &SqlFlag::default(), &OutFlags::default())?;
    let mut context = Context::open(config, args.common.output, "seed").await?;
    let source = read_source(&mut context, &args.options, "nothing was seeded").await?;
    let Context {
        config,
        output,
        database,
    } = &mut context;
    let input = source.input(config, output.progress());
    let options = args.options.options(args.dry_run);
    let report = database::seed(database.client(), input, &source.unchanged, &options).await?;
    warn_of_missing_triggers(&source.schema);
    output.done(&report, &describe(&report))?;
    context.close().await
}

/// What it did, for people.
pub(super) fn describe(report: &SeedReport) -> String {
    let mut text = table_of_counts(&report.tables);
    for table in &report.tables {
        if !table.admin_keys.is_empty() {
            let keys = table.admin_keys.join(", ");
            let _ = writeln!(text, "{}: left to an administrator: {keys}", table.table);
        }
        if table.not_in_file > 0 {
            let count = table.not_in_file;
            let _ = writeln!(
                text,
                "{}: {count} rows are not in the file, and stay",
                table.table
            );
        }
        if !table.not_in_file_columns.is_empty() {
            let columns = table.not_in_file_columns.join(", ");
            let _ = writeln!(
                text,
                "{}: columns that no row names: {columns}",
                table.table
            );
        }
    }
    for note in &report.notes {
        let _ = writeln!(text, "{note}");
    }
    let done = if report.dry_run {
        "dry run, rolled back"
    } else {
        "seeded"
    };
    let version = if report.from == report.to {
        format!("reference version stays {}", report.to)
    } else {
        format!("reference version {} -> {}", report.from, report.to)
    };
    let _ = writeln!(text, "{done}: {version} ({} ms)", report.elapsed_ms);
    text
}

// Tables without a change are one line together: what changed is to be seen.
fn table_of_counts(tables: &[SeededTable]) -> String {
    const HEADS: [&str; 7] = [
        "inserted",
        "updated",
        "unchanged",
        "deactivated",
        "reactivated",
        "admin-owned",
        "version",
    ];
    let width = tables
        .iter()
        .map(|table| table.table.len())
        .max()
        .unwrap_or_default()
        .max(5);
    let mut text = format!("{:width$}", "table");
    for head in HEADS {
        let _ = write!(text, "  {head:>11}");
    }
    let _ = writeln!(text, "  {:>7}", "ms");
    for table in tables {
        let _ = write!(text, "{:width$}", table.table);
        let counts = [
            table.inserted,
            table.updated,
            table.unchanged,
            table.deactivated,
            table.reactivated,
            table.admin_owned,
            table.version_seq,
        ];
        for count in counts {
            let _ = write!(text, "  {count:>11}");
        }
        let time = if table.skipped {
            "-".to_owned()
        } else {
            table.elapsed_ms.to_string()
        };
        let _ = writeln!(text, "  {time:>7}");
    }
    text
}
