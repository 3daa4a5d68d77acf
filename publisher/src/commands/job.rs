//! The flags of the main job, which `run` and `watch` share.

use std::net::SocketAddr;
use std::time::Instant;

use clap::Args;

use super::publication::PublishTerms;
use super::source::SeedFlags;
use crate::config::Config;
use crate::error::Error;
use crate::flags::{ClockFlag, Common, ForceFlag, OutFlags, SourceFlag, SqlFlag};
use crate::guard::Allowances;
use crate::output::Output;

/// Flags of the main job.
#[derive(Debug, Args)]
pub(crate) struct JobFlags {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) source: SourceFlag,
    #[command(flatten)]
    pub(super) sql: SqlFlag,
    #[command(flatten)]
    pub(super) out: OutFlags,
    #[command(flatten)]
    pub(super) seed: SeedFlags,
    #[command(flatten)]
    pub(super) force: ForceFlag,
    #[command(flatten)]
    pub(super) clock: ClockFlag,
    #[command(flatten)]
    pub(super) guards: Allowances,

    /// Then serve the snapshot over HTTP, until Ctrl-C; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) serve: Option<SocketAddr>,
}

impl JobFlags {
    /// How to speak.
    pub(super) fn output(&self) -> Output {
        self.common.output
    }

    /// Settles every setting.
    pub(super) fn settle(&self) -> Result<Config, Error> {
        self.common.settle(&self.source, &self.sql, &self.out)
    }

    /// How to publish.
    pub(super) fn terms(&self) -> PublishTerms<'_> {
        PublishTerms {
            since: Instant::now(),
            force: &self.force,
            clock: &self.clock,
            allowed: Allowances {
                deactivation: self.seed.allowed_deactivation(),
                ..self.guards.clone()
            },
        }
    }
}
