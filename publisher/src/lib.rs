//! JSON tables in git become rows in Postgres, and rows become a snapshot that any CDN
//! can serve.
//!
//! ```text
//! source ──load, validate──▶ database ──seed──▶ ──read──▶ render ──▶ publish ──put, swap──▶ store
//! ```
//!
//! Each verb has one home. `source` reads the files and knows what is wrong with them;
//! `database` holds the only SQL; `render` and `snapshot` turn rows into bytes, by the
//! rules of [`snapshot_format`]; `publish` makes them public in a store of
//! [`snapshot_store`], and [`snapshot_audit`] judges what was published. `commands` holds
//! the order of the steps.
//!
//! This library is the program's, and promises nobody else anything. What the program is
//! made of stands at its root; [`parts`] is for the repository's own tests and benchmarks.

mod blocking;
mod bundle;
mod cli;
mod commands;
mod config;
mod database;
mod duration;
mod error;
mod flags;
mod guard;
mod output;
mod parity;
mod preflight;
mod progress;
mod prune;
mod publish;
mod render;
mod rollback;
mod schema;
mod snapshot;
mod source;
mod suggest;
mod types;
mod watch;
mod words;
mod write_behind;

pub use cli::{Cli, execute};
pub use commands::interrupt;
pub use database::cancel_statements;
pub use error::Error;

/// What tests and benchmarks take hold of within the program.
pub mod parts {
    pub use crate::config::{Config, ConfigFile, TableConfig};
    pub use crate::database::{PgError, SnapshotReader, WhichRows, fills, read_schema};
    pub use crate::guard::{Guards, Provenance};
    pub use crate::parity::sides::database::gather as gather_database;
    pub use crate::parity::{Catalog, Inputs, SnapshotInput, SourceInput, TableSides, contracts};
    pub use crate::progress::Progress;
    pub use crate::prune::{Keep, prune};
    pub use crate::publish::{Clock, Rendered, RenderedObject, Terms, publish};
    pub use crate::rollback::{resume, rollback};
    pub use crate::schema::{Fills, Schema, Table};
    pub use crate::snapshot::{Rendition, State, render_snapshot};
    pub use crate::source::{
        MAX_ROW_SIZE, Problem, Problems, RowDecoder, RowReader, SplitError, files_by_key,
    };
}
