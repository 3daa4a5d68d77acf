//! What one refresh needs to know.

use std::sync::Arc;
use std::time::SystemTime;

use snapshot_format::Version;

use crate::bundled::Bundled;

/// What one refresh needs to know.
#[derive(Debug, Clone)]
pub(crate) struct RefreshRules {
    /// The current version.
    pub(crate) current: Option<Version>,
    /// The majors of `schemaVersion` that the app knows.
    pub(crate) schema_majors: Vec<u32>,
    /// Tables without which a version is of no use to the app.
    pub(crate) required_tables: Vec<String>,
    /// The most bytes that a table or bootstrap object may have.
    pub(crate) max_object_bytes: u64,
    /// What the app ships.
    pub(crate) bundled: Option<Arc<Bundled>>,
    /// Whether to pass caches by: the server has announced a version that they may not have yet.
    pub(crate) fresh: bool,
    /// The wall clock, for a `Retry-After` date of a response without `Date`.
    pub(crate) wall: SystemTime,
}
