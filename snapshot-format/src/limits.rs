//! What every reader takes, and so what a publisher may write.

/// The most bytes a `version.json` may have.
pub const MAX_VERSION_SIZE: usize = 1024;

/// The most bytes a manifest may have: room for some 20,000 tables, and a bound on what
/// a reader has to hold before it has verified anything.
pub const MAX_MANIFEST_SIZE: usize = 16 * 1024 * 1024;

/// The most bytes a table or bootstrap object may have, unpacked: what both clients take.
/// An app that takes more has to be told so, and then its publisher.
pub const MAX_OBJECT_SIZE: u64 = 32 * 1024 * 1024;

/// The highest number in a version or manifest, 2^53-1: readers keep numbers as doubles.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// How deep a `json` value may nest. With arrays and the objects around it, it stays below
/// the 127 levels that serde_json reads, the least of the readers we know.
pub const MAX_VALUE_DEPTH: usize = 100;
