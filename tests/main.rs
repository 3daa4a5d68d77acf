//! End to end: a module for each subject, each against a real PostgreSQL and real files.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]
#![allow(unreachable_pub, reason = "what the tests share is public to them")]

mod big;
mod bundle;
mod catalog;
mod check;
mod chinook;
mod clients;
mod clock;
mod concurrent;
mod diff;
mod documents;
mod embedded_postgres;
mod encrypted;
mod environment;
mod failing_seed;
mod faults;
mod fixtures;
mod guards;
mod history;
mod interrupted;
mod killed;
mod limits;
mod lineage;
mod links;
mod locks;
mod migrate;
mod modes;
mod names;
mod parity;
mod partitions;
mod place;
mod plan;
mod plan_page;
mod pooler;
mod preflight;
mod prune;
mod publish;
mod references;
mod refused_run;
mod rollback;
mod run;
mod seed;
mod sequences;
mod silence;
mod spans;
mod support;
mod swallowed;
mod switched_off;
mod trades;
mod types;
mod unique;
mod untrusted;
mod verify;
mod watch;
