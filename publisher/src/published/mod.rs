//! Published rows, read back: what the manifest's column types say of a row's values, and
//! how rows are ordered.
//!
//! All but [`PublishedRows`] is pure, and the counterpart of [`render`](crate::render): that goes from PostgreSQL's
//! bytes to JSON, this judges JSON by the words of the manifest alone, as any reader can.

mod column;
mod order;
mod rows;

pub use column::ColumnType;
pub use order::{SortKey, compare};
pub use rows::{PublishedRows, Rows, RowsError};
