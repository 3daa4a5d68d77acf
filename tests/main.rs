//! End to end: one module per story, each against a real PostgreSQL and real files.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]
#![allow(unreachable_pub, reason = "what the stories share is public to them")]

mod big;
mod catalog;
mod check;
mod chinook;
mod clients;
mod concurrent;
mod diff;
mod embedded_postgres;
mod encrypted;
mod failing_seed;
mod faults;
mod fixtures;
mod guards;
mod history;
mod killed;
mod links;
mod migrate;
mod modes;
mod parity;
mod plan;
mod prune;
mod publish;
mod rollback;
mod run;
mod seed;
mod support;
mod types;
mod verify;
mod watch;
