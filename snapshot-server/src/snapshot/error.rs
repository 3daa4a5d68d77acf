//! Why a snapshot is not taken.

use std::io;

use snapshot_format::{Key, ManifestError, VersionError};
use snapshot_store::{Kind, refused};

/// Why a snapshot is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file of it cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// Below the root.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A link stands there or above it, and none is followed.
    #[error("failed to read {path} (links are read only with --follow-links)")]
    Link {
        /// Below the root.
        path: String,
        /// Which one.
        #[source]
        source: io::Error,
    },
    /// `version.json` is not one.
    #[error("version.json is not usable")]
    Version(#[source] VersionError),
    /// The manifest is not one.
    #[error("{path} is not usable")]
    Manifest {
        /// Below the root.
        path: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The version and its manifest say different things.
    #[error("version.json and {path} disagree about {what}")]
    Disagreement {
        /// The manifest, below the root.
        path: String,
        /// The field.
        what: &'static str,
    },
    /// The bytes are not those that the name or the manifest promises.
    #[error("{path} has {found}, not the {expected} that it should have")]
    Damaged {
        /// Below the root.
        path: String,
        /// What was promised.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A variant is there, but not of its object.
    #[error("{path} does not unpack to its object")]
    Variant {
        /// Below the root.
        path: String,
        /// Why, where the compressed bytes themselves are broken.
        #[source]
        source: Option<io::Error>,
    },
}

impl LoadError {
    /// Whether a file is only not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A file that cannot be read, told apart from a link that is not followed.
pub(crate) fn unreadable(key: &Key, source: io::Error) -> LoadError {
    let path = key.path();
    if refused(&source).is_some_and(|refused| refused.kind == Kind::Link) {
        return LoadError::Link { path, source };
    }
    LoadError::Read { path, source }
}
