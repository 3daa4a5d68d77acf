//! What an app ships.

mod published;
mod source_folder;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use published::Bundled;
pub use source_folder::SourceFolder;
