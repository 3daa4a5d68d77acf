//! What an app ships: a snapshot in a form that needs no server.

mod columns;
mod folder;
mod sqlite;

pub(crate) use folder::write_folder;
pub(crate) use sqlite::{BundleError, Bundled, write_sqlite};
