//! What an app ships: a snapshot in a form that needs no server.

mod columns;
mod sqlite;

pub use sqlite::{BundleError, Bundled, write_sqlite};
