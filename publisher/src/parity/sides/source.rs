//! The source side: a table's file, read row by row.

use std::io;

use indicatif::ProgressBar;
use snapshot_audit::parity::normalize::Contract;
use snapshot_audit::parity::report::Side;
use snapshot_audit::parity::{Gathering, TableSide};

use crate::source::{RowReader, SourceFile, SplitError};

/// Reads a table's file. What is wrong in it is a difference like any other.
///
/// # Errors
/// Where the file cannot be read, or rows cannot be put aside.
pub(crate) fn gather(
    table: &str,
    contract: &Contract,
    file: &SourceFile,
    limit: usize,
    bar: &ProgressBar,
) -> io::Result<TableSide> {
    let mut gathering = Gathering::new(Side::Source, table, contract, limit);
    let read = read_rows(&mut gathering, contract, file, bar);
    match read {
        Err(SplitError::Io(error)) => return Err(error),
        Err(SplitError::Syntax { position, message }) => {
            gathering.unreadable(&format!("{}: {message}", at(file, position)));
        }
        Ok(()) => {}
    }
    gathering.finish()
}

fn read_rows(
    gathering: &mut Gathering<'_>,
    contract: &Contract,
    file: &SourceFile,
    bar: &ProgressBar,
) -> Result<(), SplitError> {
    let mut reader = RowReader::new(bar.wrap_read(file.open()?))?;
    while let Some(row) = reader.next_row()? {
        let place = |offset: usize| at(file, row.position_of(row.value_offset + offset));
        let key = row.key.map(std::str::from_utf8).transpose();
        let (Ok(key), Ok(text)) = (key, std::str::from_utf8(row.bytes)) else {
            gathering.unreadable(&format!("{}: is not UTF-8", place(0)));
            continue;
        };
        match key.filter(|key| contract.is_note(key.trim_matches('"'))) {
            Some(note) => gathering.pass_over(note.trim_matches('"')),
            None => gathering.row(key, text, place)?,
        }
    }
    Ok(())
}

fn at(file: &SourceFile, (line, column): (usize, usize)) -> String {
    format!("{}:{line}:{column}", file.name)
}
