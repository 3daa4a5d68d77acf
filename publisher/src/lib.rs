//! JSON tables in git become rows in Postgres, and rows become a snapshot that any CDN
//! can serve.
//!
//! ```text
//! source ──load, validate──▶ database ──seed──▶ ──read──▶ render ──▶ publish ──put, swap──▶ store
//! ```
//!
//! Each verb has one home. [`source`] reads the files and knows what is wrong with them;
//! [`database`] holds the only SQL; [`render`] and [`snapshot`] turn rows into bytes, by
//! the rules of [`snapshot_format`]; [`publish()`](publish::publish) makes them public in
//! a store of [`snapshot_store`], and [`snapshot_audit`] judges what was published.
//! [`commands`] holds the order of the steps.

mod bundle;
pub mod cli;
pub mod commands;
pub mod config;
pub mod database;
mod duration;
pub mod error;
pub mod flags;
pub mod guard;
pub mod parity;
pub mod progress;
pub mod prune;
pub mod publish;
pub mod render;
pub mod rollback;
pub mod schema;
pub mod snapshot;
pub mod source;
mod suggest;
mod types;
mod watch;
mod write_behind;
