//! `publisher publish`

use std::time::Instant;

use clap::Args;
use snapshot_store::DirectoryStore;

use super::context::Context;
use super::publication::{Publication, PublishTerms, Target, describe};
use super::warnings::warn_of_missing_triggers;
use crate::error::Error;
use crate::flags::{ClockFlag, Common, ForceFlag, OutFlags, SourceFlag, SqlFlag};
use crate::guard::Allowances;

/// Flags of `publisher publish`.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    out: OutFlags,
    #[command(flatten)]
    force: ForceFlag,
    #[command(flatten)]
    clock: ClockFlag,
    #[command(flatten)]
    guards: Allowances,
}

/// Publishes the database's tables.
pub(crate) async fn run(args: PublishArgs) -> Result<(), Error> {
    let config = args
        .common
        .settle(&SourceFlag::default(), &SqlFlag::default(), &args.out)?;
    DirectoryStore::check(&config.out)?;
    let mut context = Context::open(config, args.common.output, "publish").await?;
    let since = Instant::now();
    // The store first: whoever holds it decides alone which state comes next.
    let target = Target::open(&context.config, context.output).await?;
    target.settle_mode(context.output).await?;
    let schema = context.schema().await?;
    context.config.check(&schema)?;
    warn_of_missing_triggers(&schema);
    let terms = PublishTerms {
        since,
        force: &args.force,
        clock: &args.clock,
        allowed: args.guards,
    };
    let Context {
        config,
        output,
        database,
    } = &mut context;
    let publication = Publication::begin(config, *output, &schema, terms)?;
    let report = publication.end(target, database, None, None).await?;
    output.done(&report, &describe(&report))?;
    context.close().await
}
