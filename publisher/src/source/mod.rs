//! The JSON files that people edit: load, validate, decode.
//!
//! A file is read row by row, twice: once to find every problem in it, once to seed what
//! passed. So a file of any size needs the memory of its largest row, plus some bytes for
//! each primary key.

mod convert;
mod decode;
mod files;
mod keys;
mod problem;
mod remembered;
mod row_check;
mod split;
mod table;
mod table_check;
mod validate;

pub use decode::{DecodedRow, RowDecoder};
pub use files::{SourceFile, SourceFiles, files_by_key, list};
pub use problem::{Alike, MAX_LISTED, Place, Problem, Problems, Subject};
pub use remembered::Remembered;
pub use split::{MAX_ROW_SIZE, RawRow, RowBatch, RowReader, Shape, SplitError};
pub use table::{Dangling, SourceTable};
pub use validate::{Known, Validated, validate, validate_anew};
