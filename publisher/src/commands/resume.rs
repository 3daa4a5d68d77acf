//! `publisher resume`

use clap::Args;
use jiff::Timestamp;

use super::open_store;
use crate::cli::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::error::Error;
use crate::history::name;
use crate::rollback::{Turned, resume};

/// Flags of `publisher resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    out: OutFlags,
}

/// Lets publishing go on after a rollback.
pub(super) async fn run(args: ResumeArgs) -> Result<(), Error> {
    let config = args
        .common
        .settle(&SourceFlag::default(), &SqlFlag::default(), &args.out)?;
    let store = open_store(&config, &args.common).await?;
    let turned = resume(&store, Timestamp::now()).await?;
    args.common.say(&describe(&turned));
    args.common.print_json(&turned)
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
