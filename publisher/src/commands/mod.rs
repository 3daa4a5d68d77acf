//! The commands: each a list of steps, in the order of `docs/cli.md`.

pub(crate) mod bundle;
mod changes;
pub(crate) mod check;
mod context;
pub(crate) mod database;
pub(crate) mod diff;
pub(crate) mod history;
mod interrupt;
pub(crate) mod job;
pub(crate) mod migrate;
pub(crate) mod parity;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod prune;
mod publication;
pub(crate) mod publish;
pub(crate) mod resume;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod seed;
mod serving;
pub(crate) mod show;
mod source;
pub(crate) mod types;
pub(crate) mod verify;
mod warnings;
pub(crate) mod watch;

pub use interrupt::interrupt;
