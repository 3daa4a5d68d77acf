//! Published rows, read back: how rows are ordered, by the column types of the manifest.
//!
//! All but [`PublishedRows`] is pure, and judges JSON by the words of the manifest alone, as any reader
//! can.

mod object;
mod order;
mod rows;

pub use object::ObjectReader;
pub use order::{SortKey, compare};
pub use rows::{PublishedRows, Rows, RowsError};
