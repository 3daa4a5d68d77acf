//! What is public meanwhile.

use std::path::Path;

use snapshot_format::{Key, MAX_VERSION_SIZE, Version};
use snapshot_store::{Directory, Reader, history::name};

/// What a reader of the store gets. Others may publish there too, so it is read each time.
pub(super) enum Public {
    Version(String),
    Nothing,
    Unreadable,
}

impl Public {
    pub(super) fn of(out: &Path) -> Self {
        match Directory::new(out).get(&Key::Version, MAX_VERSION_SIZE) {
            Ok(None) => Self::Nothing,
            Ok(Some(bytes)) => Version::parse(&bytes).map_or(Self::Unreadable, |version| {
                Self::Version(name(version.order()))
            }),
            Err(_) => Self::Unreadable,
        }
    }

    pub(super) fn version(self) -> Option<String> {
        match self {
            Self::Version(version) => Some(version),
            Self::Nothing | Self::Unreadable => None,
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Version(version) => format!("version {version} is public"),
            Self::Nothing => "nothing is published yet".to_owned(),
            Self::Unreadable => "its version.json cannot be read".to_owned(),
        }
    }
}
