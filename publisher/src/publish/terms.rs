//! How a state is to be published.

use jiff::Timestamp;
use snapshot_format::MAX_OBJECT_SIZE;

use super::clock::Clock;
use crate::guard::Guards;

/// How a state is to be published.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Becomes the version's `publishedAt`, and the store's epoch where this is its first
    /// publication.
    pub clock: Clock,
    /// The most bytes that its readers take of one object.
    pub max_object_bytes: u64,
    /// Whether to publish into a store that a rollback has frozen.
    pub force: bool,
    /// What the publication may do to what is public; `None` for everything.
    pub guards: Option<Guards>,
}

impl Terms {
    /// Without force, and without guards.
    pub fn at(now: Timestamp) -> Self {
        Self {
            clock: Clock::at(now),
            max_object_bytes: MAX_OBJECT_SIZE,
            force: false,
            guards: None,
        }
    }
}
