//! What a look gives.

use serde::Serialize;
use snapshot_format::Version;

use super::finding::Finding;

/// What was looked at, and what was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The folder or URL.
    pub origin: String,
    /// The current version; `None` where there is none that can be read.
    pub version: Option<Version>,
    /// What was looked at.
    pub checked: Counts,
    /// What is not as the format says, in order of key.
    pub faults: Vec<Finding>,
    /// What works and costs: caches that keep too little, pages that may not read.
    pub warnings: Vec<Finding>,
    /// What is none of the format's concern, such as files that no version names.
    pub notes: Vec<Finding>,
}

/// How much was looked at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Versions, the current one included.
    pub versions: usize,
    /// Manifests, table objects and bootstrap objects.
    pub objects: usize,
    /// Variants of those objects, each unpacked.
    pub variants: usize,
    /// Rows of table objects.
    pub rows: u64,
    /// Bytes of objects, uncompressed, without those of variants.
    pub bytes: u64,
}
