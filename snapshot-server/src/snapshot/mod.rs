//! What is served: read from the folder, verified, and swapped whole.

pub(crate) mod archive;
pub(crate) mod bound;
pub(crate) mod chunks;
pub(crate) mod content;
pub(crate) mod error;
pub(crate) mod listing;
pub(crate) mod load;
pub(crate) mod parallel;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod verify;
pub(crate) mod watch;
