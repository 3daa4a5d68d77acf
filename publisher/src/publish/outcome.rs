//! How a publication goes, and how it ended.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use snapshot_format::Version;

use crate::duration::milliseconds;

/// What is reported while a publication goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Variants are made.
    Compressing {
        /// Bytes that went into compressors.
        done_bytes: u64,
        /// Bytes that have to.
        total_bytes: u64,
    },
    /// Files are put.
    Putting {
        /// So many are there.
        done: usize,
        /// Of so many.
        total: usize,
    },
}

/// How a publication ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "outcome",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Published {
    /// The state is public already; nothing was written.
    Unchanged {
        /// The version that stays.
        version: Version,
    },
    /// A publisher that was killed had put this state and not yet swapped to it; that
    /// was done now.
    Completed {
        /// The version that it had made.
        version: Version,
    },
    /// There is a new version.
    Changed {
        /// The new version.
        version: Version,
        /// Which limits of the guards it reaches, and does not pass.
        #[serde(skip)]
        notes: Vec<String>,
        /// Objects that the store did not hold, or not with every variant.
        objects_written: usize,
        /// Objects that it held.
        objects_reused: usize,
        /// Bytes of the objects and variants that were put.
        bytes: u64,
        /// What took how long.
        timings: Timings,
    },
}

impl Published {
    /// The version that is public now.
    pub fn version(&self) -> &Version {
        match self {
            Self::Unchanged { version }
            | Self::Completed { version }
            | Self::Changed { version, .. } => version,
        }
    }
}

/// What took how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timings {
    /// Making the variants.
    #[serde(rename = "variantsMs", serialize_with = "milliseconds")]
    pub variants: Duration,
    /// Putting objects and variants, durably.
    #[serde(rename = "putMs", serialize_with = "milliseconds")]
    pub put: Duration,
    /// Putting the manifest and the history, and swapping the version.
    #[serde(rename = "swapMs", serialize_with = "milliseconds")]
    pub swap: Duration,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version {
            epoch, sequence, ..
        } = self.version();
        match self {
            Self::Unchanged { .. } => write!(f, "unchanged, still {epoch}-{sequence}"),
            Self::Completed { .. } => write!(f, "completed {epoch}-{sequence}"),
            Self::Changed { .. } => write!(f, "published {epoch}-{sequence}"),
        }
    }
}
