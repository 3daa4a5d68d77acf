//! `publisher rollback`

use clap::Args;
use snapshot_store::history::name;

use super::warnings::settle_mode;
use crate::error::Error;
use crate::flags::{ClockFlag, Upkeep};
use crate::rollback::{Turned, rollback};

/// Flags of `publisher rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    upkeep: Upkeep,
    #[command(flatten)]
    clock: ClockFlag,

    /// The version to go back to: EPOCH-SEQUENCE, SEQUENCE, seq:N, or four or more digits
    /// of its manifest's hash
    #[arg(long, value_name = "VERSION")]
    to: String,
}

/// Publishes an earlier version's content again.
pub(crate) async fn run(args: RollbackArgs) -> Result<(), Error> {
    let most = args.upkeep.settings.max_object_bytes()?;
    let store = args.upkeep.open().await?;
    settle_mode(&store, args.upkeep.output).await?;
    let turned = rollback(&store, &args.to, &args.clock.clock(), most).await?;
    args.upkeep.output.done(&turned, &describe(&turned))
}

fn describe(turned: &Turned) -> String {
    let version = turned.version();
    let target = version
        .rollback
        .map_or_else(String::new, |target| name((target.epoch, target.sequence)));
    let (newest, reference) = (name(version.order()), version.reference_version);
    match turned {
        Turned::Unchanged { .. } => format!(
            "rolled back: nothing to do; version {newest} is a rollback to {target}, {reference}, already\n"
        ),
        Turned::Changed { from, .. } => format!(
            "rolled back: version {newest} is {target} again, {reference}; before it was {}, {}\n\
             the store is frozen until `publisher resume`\n",
            name(from.order()),
            from.reference_version
        ),
    }
}
