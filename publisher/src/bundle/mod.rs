//! What an app ships: a snapshot in a form that needs no server.

mod columns;
mod folder;
mod sqlite;

pub use folder::write_folder;
pub use sqlite::{BundleError, Bundled, write_sqlite};
