//! The Tablecast snapshot format, and nothing else: no files, no sockets, no async.
//!
//! ```text
//! version.json                            the pointer, the only key that changes
//! versions/<epoch>-<sequence>.json        every version.json as it was: the history
//! manifests/<hash>.json                   the objects of one snapshot
//! bootstrap/<hash>.json  .zst .br .gz     every table in one object
//! tables/<tableKey>/<hash>.json  (same)   one table
//! ```
//!
//! Everything but `version.json` is named by the hash of its bytes and never changes.
//! The publisher writes this format, the server and the clients read it; whoever writes
//! another reader finds the words in `docs/snapshot-format.md` and examples in
//! `tests/vectors/`.

pub mod canonical;
mod check;
mod column;
mod document;
mod head;
pub mod json;
mod layout;
mod limits;
mod manifest;
mod names;
pub mod number;
mod object;
mod read;
mod render;
mod variant;
mod version;

pub use check::{ObjectError, VariantError, check_object, check_variant};
pub use column::{ColumnType, Interval, JsonForm, Network, is_uuid};
pub use document::DocumentError;
pub use head::BootstrapHeader;
pub use layout::{Cache, Key};
pub use limits::{
    MAX_MANIFEST_SIZE, MAX_NUMBER, MAX_OBJECT_SIZE, MAX_VALUE_DEPTH, MAX_VERSION_SIZE,
};
pub use manifest::{BootstrapEntry, Manifest, ManifestError, TableEntry, content_hash};
pub use names::{
    IS_ACTIVE, Lineage, NameError, ReferenceVersion, SORT_ORDER, SOURCE_TYPE, SchemaVersion,
    TableKey,
};
pub use object::{Digest, DigestWriter, HashError, ObjectHash, Sha256};
pub use read::{BootstrapReader, ReadError, TableReader};
pub use render::{BootstrapWriter, RowShape, TableWriter};
pub use variant::{Encoding, MIN_VARIANT_SIZE, compress, decompress, unpack};
pub use version::{ObjectRef, Rollback, Version, VersionError};

/// The format that this crate reads and writes. A reader refuses a higher one.
pub const FORMAT_VERSION: u32 = 1;
