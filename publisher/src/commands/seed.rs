//! `publisher seed`

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Args;
use snapshot_format::TableKey;

use super::check::{list_files, refuse, validate_files, without};
use super::context::Context;
use super::warnings::warn_of_missing_triggers;
use crate::config::Config;
use crate::database::{self, Input, SeedOptions, SeedReport, SeededTable, Unchanged};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::guard::table_and_number;
use crate::progress::Progress;
use crate::schema::Schema;
use crate::source::{Problems, SourceTable};

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

/// Flags that `seed` and `run` share.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SeedFlags {
    /// Let exactly N rows of TABLE be deactivated, more than the guard allows; may be
    /// given for several tables
    #[arg(long, value_name = "TABLE=N", value_parser = table_and_number)]
    allow_deactivation: Vec<(TableKey, u64)>,

    /// Compare every row, also of files and tables that are known to be unchanged
    #[arg(long)]
    recheck: bool,
}

impl SeedFlags {
    /// How many rows of which tables may be deactivated.
    pub(super) fn allowed_deactivation(&self) -> BTreeMap<TableKey, u64> {
        self.allow_deactivation.iter().cloned().collect()
    }

    /// Whether also what is known to be unchanged is compared.
    pub(super) fn recheck(&self) -> bool {
        self.recheck
    }

    /// What is asked of the seed.
    pub(super) fn options(&self, dry_run: bool) -> SeedOptions {
        SeedOptions {
            dry_run,
            allow_deactivation: self.allowed_deactivation(),
        }
    }

    // A misspelt table is a mistake of the command line, whatever the files hold.
    pub(super) fn check(&self, schema: &Schema) -> Result<(), Error> {
        let keys = self.allow_deactivation.iter().map(|(key, _)| key);
        match keys
            .into_iter()
            .find(|key| schema.table(key.as_str()).is_none())
        {
            None => Ok(()),
            Some(key) => Err(Error::Usage(format!(
                "--allow-deactivation {key}: no table has that key"
            ))),
        }
    }
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

/// Files that are validated, and the tables that they belong to.
pub(super) struct Source {
    /// The database's tables.
    pub(super) schema: Schema,
    /// The files that have to be compared with their tables.
    pub(super) tables: Vec<SourceTable>,
    /// The tables that need not be read.
    pub(super) unchanged: Vec<Unchanged>,
}

impl Source {
    /// What of it the database is given.
    pub(super) fn input<'i>(&'i self, config: &'i Config, progress: Progress) -> Input<'i> {
        Input {
            config,
            schema: &self.schema,
            sources: &self.tables,
            progress,
        }
    }
}

/// Validates the files, which must have no problem. `plan` and `run` take this step too.
pub(super) async fn read_source(
    context: &mut Context,
    flags: &SeedFlags,
    outcome: &'static str,
) -> Result<Source, Error> {
    let schema = context.schema().await?;
    flags.check(&schema)?;
    let mut problems = Problems::default();
    let files = list_files(&context.config, &schema, &mut problems)?;
    let unchanged = if flags.recheck {
        Vec::new()
    } else {
        let client = context.database.client();
        database::unchanged(client, &context.config, &schema, &files).await?
    };
    let files = without(files, &unchanged);
    let validated = validate_files(context, &schema, &files, &mut problems, None).await?;
    if problems.is_empty() {
        Ok(Source {
            schema,
            tables: validated.tables,
            unchanged,
        })
    } else {
        Err(refuse(problems, &context.config.source, outcome))
    }
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
