//! The second reading of a file, as lines for COPY. What it gives has passed the first.

use bytes::Bytes;
use indicatif::ProgressBar;

use super::error::SeedError;
use crate::config::Config;
use crate::schema::Table;
use crate::source::{Problems, RowDecoder, RowReader, SourceTable};

/// A file that is read once more.
pub(super) struct CopyLines {
    pub(super) table: Table,
    pub(super) source: SourceTable,
    pub(super) config: Config,
    /// The value of a further column, the same in every row.
    pub(super) last_value: Option<&'static str>,
    pub(super) bar: ProgressBar,
}

impl CopyLines {
    /// Sends chunks of whole lines, until all are sent or nobody takes them any more.
    pub(super) fn read(&self, mut send: impl FnMut(Bytes) -> bool) -> Result<(), SeedError> {
        const CHUNK_SIZE: usize = 128 * 1024;
        let file = self.source.file.name.clone();
        let failed = |error| SeedError::Read {
            file: self.source.file.name.clone(),
            source: error,
        };
        let input = self.source.file.open().map_err(failed)?;
        let changed = || SeedError::Changed { file: file.clone() };
        let reader = RowReader::new(self.bar.wrap_read(input)).map_err(|_| changed())?;
        let mut reader = reader.without_notes(self.config.note_prefix.as_deref());
        let mut decoder = RowDecoder::new(&self.table, &self.config);
        let mut problems = Problems::default();
        let mut lines = Vec::with_capacity(CHUNK_SIZE * 2);
        while let Some(row) = reader.next_row().map_err(|_| changed())? {
            if !decoder.decode(&file, &row, &mut problems) {
                return Err(changed());
            }
            decoder.copy_line(&self.source.columns, &mut lines);
            if let Some(value) = self.last_value {
                lines.pop();
                lines.extend_from_slice(format!("\t{value}\n").as_bytes());
            }
            if lines.len() >= CHUNK_SIZE {
                let full = std::mem::replace(&mut lines, Vec::with_capacity(CHUNK_SIZE * 2));
                if !send(full.into()) {
                    // The copy has failed, and says why.
                    return Ok(());
                }
            }
        }
        if reader.finish().map_err(failed)? != self.source.hash {
            return Err(changed());
        }
        send(lines.into());
        Ok(())
    }
}
