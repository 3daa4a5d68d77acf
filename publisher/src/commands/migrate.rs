//! `publisher migrate`

use clap::Args;

use super::{open_database, warn_of_missing_triggers};
use crate::config::Config;
use crate::database::{
    AppliedMigrations, Database, identity, load_migrations, migrate, missing_triggers_sql,
    read_schema,
};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};

/// Flags of `publisher migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    sql: SqlFlag,

    /// Print a migration that installs the triggers and the reference_metadata that the
    /// tables lack; apply nothing
    #[arg(long)]
    print_triggers: bool,
}

/// Applies the pending migrations.
pub(crate) async fn run(args: MigrateArgs) -> Result<(), Error> {
    let config = args
        .common
        .settle(&SourceFlag::default(), &args.sql, &OutFlags::default())?;
    let mut database = open_database(&config, &args.common, "migrate").await?;
    if args.print_triggers {
        print_triggers(&mut database, &config).await?;
        return Ok(database.close().await?);
    }
    let applied = migrate_database(&mut database, &config, &args.common).await?;
    args.common.print_json(&applied)?;
    Ok(database.close().await?)
}

/// The step itself, which `run` takes too.
pub(super) async fn migrate_database(
    database: &mut Database,
    config: &Config,
    common: &Common,
) -> Result<AppliedMigrations, Error> {
    let migrations = load_migrations(&config.sql)?;
    let applied = migrate(database.client(), config, &migrations).await?;
    let schema = read_schema(database.client(), config).await?;
    common.say(&describe(&applied));
    warn_of_missing_triggers(common, &schema);
    Ok(applied)
}

async fn print_triggers(database: &mut Database, config: &Config) -> Result<(), Error> {
    use std::io::Write;
    let schema = read_schema(database.client(), config).await?;
    let lacking: Vec<_> = schema
        .tables
        .iter()
        .filter(|table| !table.is_tracked())
        .collect();
    if lacking.is_empty() {
        if schema.tables.is_empty() {
            eprintln!(
                "the schema {:?} has no table with a primary key",
                config.schema
            )
        } else {
            eprintln!("every published table has its triggers")
        }
        return Ok(());
    }
    let identity = identity(database.client()).await?;
    let has_parts = schema.tables.iter().any(|table| table.has_parts);
    let sql = missing_triggers_sql(&lacking, has_parts, identity.as_ref());
    let written = write!(std::io::stdout(), "{sql}");
    written.map_err(|error| Error::Usage(format!("failed to write to standard output: {error}")))
}

fn describe(applied: &AppliedMigrations) -> String {
    let AppliedMigrations {
        applied,
        already_applied,
        elapsed_ms,
    } = applied;
    let mut text: String = applied
        .iter()
        .map(|file| format!("applied {file}\n"))
        .collect();
    text += &format!(
        "migrated: {} applied, {already_applied} had been before ({elapsed_ms} ms)\n",
        applied.len()
    );
    text
}
