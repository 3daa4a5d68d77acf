//! The JSON files that people edit: load, validate, decode.
//!
//! A file is read row by row, twice: once to find every problem in it, once to seed what
//! passed. So a file of any size needs the memory of its largest row, plus some bytes for
//! each primary key.

mod convert;
mod decode;
mod files;
mod keys;
mod positions;
mod problem;
mod problems;
mod raw_row;
mod remembered;
mod row_check;
mod split;
mod table;
mod table_check;
mod validate;

pub use decode::RowDecoder;
pub use files::files_by_key;
pub(crate) use files::{SourceFile, SourceFiles, list};
pub(crate) use problem::Place;
pub use problem::Problem;
pub use problems::Problems;
pub(crate) use problems::Subject;
pub(crate) use remembered::Remembered;
pub use split::{MAX_ROW_SIZE, RowReader, SplitError};
pub(crate) use table::{Dangling, SourceTable};
pub(crate) use validate::{Files, Known, Validated, validate};
