//! `publisher migrate`

use clap::Args;

use super::context::Context;
use crate::database::{identity, missing_triggers_sql};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::output::print;

/// Flags of `publisher migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
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
    let mut context = Context::open(config, args.common.output, "migrate").await?;
    if args.print_triggers {
        print_triggers(&mut context).await?;
        return context.close().await;
    }
    let applied = context.migrate().await?;
    context.output.report(&applied)?;
    context.close().await
}

async fn print_triggers(context: &mut Context) -> Result<(), Error> {
    let schema = context.schema().await?;
    let lacking: Vec<_> = schema
        .tables
        .iter()
        .filter(|table| !table.is_tracked())
        .collect();
    if lacking.is_empty() {
        if schema.tables.is_empty() {
            eprintln!(
                "the schema {:?} has no table with a primary key",
                context.config.schema
            )
        } else {
            eprintln!("every published table has its triggers")
        }
        return Ok(());
    }
    let identity = identity(context.database.client()).await?;
    let has_parts = schema.tables.iter().any(|table| table.has_parts);
    let sql = missing_triggers_sql(&lacking, has_parts, identity.as_ref());
    print(&sql)
}
