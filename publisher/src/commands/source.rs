//! The files of a command: listed, validated, and compared with what was seeded before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Args;
use snapshot_format::TableKey;

use super::context::Context;
use crate::config::Config;
use crate::database::{Input, SeedOptions, Unchanged, still_dangling, unchanged};
use crate::error::Error;
use crate::guard::table_and_number;
use crate::progress::Progress;
use crate::schema::Schema;
use crate::source::{
    self, Dangling, Files, Known, Problem, Problems, SourceFiles, SourceTable, Subject, Validated,
    validate,
};

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
    let unchanged = if flags.recheck() {
        Vec::new()
    } else {
        let client = context.database.client();
        unchanged(client, &context.config, &schema, &files).await?
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
