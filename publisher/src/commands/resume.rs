//! `publisher resume`

use clap::Args;
use snapshot_store::history::name;

use super::warnings::settle_mode;
use crate::error::Error;
use crate::flags::{ClockFlag, Upkeep};
use crate::rollback::{Turned, resume};

/// Flags of `publisher resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    upkeep: Upkeep,
    #[command(flatten)]
    clock: ClockFlag,
}

/// Lets publishing go on after a rollback.
pub(crate) async fn run(args: ResumeArgs) -> Result<(), Error> {
    let most = args.upkeep.settings.max_object_bytes()?;
    let store = args.upkeep.open().await?;
    settle_mode(&store, args.upkeep.output).await?;
    let turned = resume(&store, &args.clock.clock(), most).await?;
    args.upkeep.output.done(&turned, &describe(&turned))
}

fn describe(turned: &Turned) -> String {
    let version = turned.version();
    let (newest, reference) = (name(version.order()), version.reference_version);
    match turned {
        Turned::Unchanged { .. } => {
            format!("resumed: nothing to do; version {newest}, {reference}, is no rollback\n")
        }
        Turned::Changed { .. } => format!(
            "resumed: version {newest}, {reference}; the next publication takes what the database holds\n"
        ),
    }
}
