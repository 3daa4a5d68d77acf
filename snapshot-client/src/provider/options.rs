//! How an app reads.

use std::time::Duration;

/// How an app reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Take what is verified now, however old, and let a refresh run behind; `false`, the default,
    /// waits until the server has confirmed it.
    pub allow_stale_cache: bool,
    /// How long to wait at most; a refresh goes on behind. Default: the provider's.
    pub timeout: Option<Duration>,
}

impl ReadOptions {
    /// Waits until the server has confirmed what is read.
    pub fn confirmed() -> Self {
        Self::default()
    }

    /// Takes what is verified now, without waiting for the network.
    pub fn allow_stale_cache() -> Self {
        Self {
            allow_stale_cache: true,
            timeout: None,
        }
    }

    /// The same with a time to wait at most.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}
