//! What a provider reports.

use std::sync::Arc;

use snapshot_format::Version;

use super::status::{ReadyState, Status};
use crate::error::Error;
use crate::snapshot::Source;

/// Another snapshot is shown.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// What was shown before.
    pub from: Option<Version>,
    /// What is shown now.
    pub to: Version,
    /// Where it came from.
    pub source: Source,
    /// The keys of the tables that differ, sorted.
    pub changed_tables: Vec<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The cache was looked at, or the first data is there.
    Ready(ReadyState),
    /// Another snapshot is shown.
    Change(Box<Change>),
    /// A refresh or the cache failed.
    Error(Error),
    /// The first success after failures.
    Recovered,
    /// The status changed.
    Status(Arc<Status>),
    /// Only an update of the app will understand this `schemaVersion` or `formatVersion`; told
    /// once for each.
    UpdateRequired(String),
}

/// Is told what happens, one event after the other, on a thread of the provider or of whoever
/// brought the event about. It may call the provider; what it would have to wait for there it does
/// not get: a read that needs the server fails at once, and a refresh is begun and `Skipped`.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;
