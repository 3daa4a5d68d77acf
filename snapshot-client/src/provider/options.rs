//! How an app reads.

use std::time::Duration;

/// How an app reads: how old the data may be, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// `true`: the read returns the current version at once, however old, and a refresh runs behind
    /// it. `false`, the default: it waits until the server has confirmed the version.
    pub allow_stale_cache: bool,
    /// The longest that the read waits; a refresh goes on behind it. `None`, the default:
    /// [`RemoteConfig::init_timeout`](crate::RemoteConfig::init_timeout).
    pub timeout: Option<Duration>,
}

impl ReadOptions {
    /// Options for a read that waits until the server has confirmed the version.
    pub fn confirmed() -> Self {
        Self::default()
    }

    /// Options for a read that takes the current version, without waiting for the network.
    pub fn allow_stale_cache() -> Self {
        Self {
            allow_stale_cache: true,
            timeout: None,
        }
    }

    /// The same options with the longest time that the read waits.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}
