//! How providers are set up.

mod remote;
mod settings;

use std::fmt;

use crate::bundled::Bundled;
use crate::flag::Flag;

pub(crate) use settings::Settings;

pub use remote::{Polling, RemoteConfig};

/// How a provider behind a flag is set up.
#[non_exhaustive]
pub struct ReferenceConfig {
    /// The flag: on if its value is exactly `true`, else off.
    pub enabled: Box<dyn Flag>,
    /// How the remote side is set up. While the flag is off, its bundled snapshot is all there is.
    pub remote: RemoteConfig,
}

impl ReferenceConfig {
    /// Data from `bundled` while `enabled` is off, from the store at `remote.base_url` while it is on.
    pub fn new(enabled: impl Flag, bundled: Bundled, remote: RemoteConfig) -> Self {
        Self {
            enabled: Box::new(enabled),
            remote: remote.bundled(bundled),
        }
    }
}

impl fmt::Debug for ReferenceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceConfig")
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}
