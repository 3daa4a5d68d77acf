//! What a provider reports.

use std::sync::Arc;

use snapshot_format::Version;

use super::status::{ReadyState, Status};
use crate::error::Error;
use crate::snapshot::Source;

/// Another snapshot became current: what it is, and which tables differ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// The version that was current before; `None` for the first.
    pub from: Option<Version>,
    /// The version that is current now.
    pub to: Version,
    /// Where the new snapshot comes from.
    pub source: Source,
    /// The keys of the tables whose rows differ, sorted; a table that was added or removed is one.
    pub changed_tables: Vec<String>,
}

/// What a provider reports to its listeners, in the order in which it happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The cache was read; sent again when the first data is there.
    Ready(ReadyState),
    /// Another snapshot became current; reads give its rows from now on.
    Change(Box<Change>),
    /// A refresh, the cache or a listener failed. A cache that goes on failing is reported once.
    Error(Error),
    /// A refresh succeeded after others had failed.
    Recovered,
    /// The status changed; this is all of it.
    Status(Arc<Status>),
    /// The server offers this `schemaVersion` (`2.0`) or format (`formatVersion 2`), which this app
    /// does not know: the app needs an update. Sent once for each.
    UpdateRequired(String),
}

/// A function that gets the events, one after the other, on a thread of the provider or of the
/// caller that caused the event. It may call the provider, but nothing waits there: a read that
/// needs the server fails at once, and a refresh begins and returns `Skipped`.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;
