//! Published rows, read back: what the manifest's column types say of a row's values, and
//! how rows are ordered.
//!
//! Pure, and the counterpart of [`render`](crate::render): that goes from PostgreSQL's
//! bytes to JSON, this judges JSON by the words of the manifest alone, as any reader can.

mod column;
mod order;

pub use column::ColumnType;
pub use order::{SortKey, compare};
