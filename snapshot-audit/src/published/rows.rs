//! The rows of a table, one after another, wherever they come from.

use std::io::BufRead;

use indicatif::ProgressBar;
use snapshot_format::{Digest, Key, ReadError, SchemaVersion, TableEntry, TableKey, TableReader};
use snapshot_store::{FetchError, Reader};

use super::object::ObjectReader;

/// Rows, each as its canonical bytes.
pub trait Rows {
    /// The next row; `None` behind the last.
    ///
    /// # Errors
    /// Where it cannot be read. There is then nothing to be had behind it.
    fn next_row(&mut self) -> Result<Option<&[u8]>, RowsError>;
}

/// Why rows do not come.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The table object cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The table object is not there.
    #[error("{0} is missing, though a manifest names it")]
    Missing(String),
    /// The table object cannot be read on.
    #[error("failed to read {location}")]
    Read {
        /// The path or URL.
        location: String,
        /// What is wrong with the object, and at which of its bytes.
        source: ReadError,
    },
    /// The bytes are not those of the name.
    #[error("{0} is damaged: its hash is not the one of its name")]
    Damaged(String),
    /// Bytes of a table object that has no name yet.
    #[error(transparent)]
    Object(#[from] ReadError),
}

impl RowsError {
    /// What may help, for people; `None` where nothing general does.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Missing(_) | Self::Read { .. } | Self::Damaged(_) => {
                Some("`publisher verify --all` names everything that is wrong there")
            }
            Self::Object(_) => None,
        }
    }
}

impl<R: BufRead> Rows for TableReader<R> {
    fn next_row(&mut self) -> Result<Option<&[u8]>, RowsError> {
        Ok(Self::next_row(self)?)
    }
}

/// The rows of a published table object, whose hash is checked with the last of them.
pub struct PublishedRows {
    reader: TableReader<ObjectReader>,
    // `None` once it was compared.
    expected: Option<Digest>,
    location: String,
}

impl PublishedRows {
    /// Opens the object of a table.
    ///
    /// # Errors
    /// Where it is not there, or does not begin as it should.
    pub fn open(
        origin: &dyn Reader,
        table: &TableKey,
        entry: &TableEntry,
        schema: SchemaVersion,
        bar: &ProgressBar,
    ) -> Result<Self, RowsError> {
        let key = Key::Table(table.clone(), entry.hash, None);
        let location = origin.location(&key);
        let Some(fetched) = origin.open(&key)? else {
            return Err(RowsError::Missing(location));
        };
        let object = ObjectReader::new(fetched, entry.size, bar);
        match TableReader::new(object, schema, table) {
            Ok(reader) => Ok(Self {
                reader,
                expected: Some(Digest {
                    hash: entry.hash,
                    sha256: entry.sha256,
                    size: entry.size,
                }),
                location,
            }),
            Err(source) => Err(RowsError::Read { location, source }),
        }
    }

    fn check(&mut self) -> Result<(), RowsError> {
        // Whoever asks behind the last row may ask again.
        let Some(expected) = self.expected.take() else {
            return Ok(());
        };
        let failed = |error: std::io::Error| RowsError::Read {
            location: self.location.clone(),
            source: error.into(),
        };
        match self.reader.get_mut().finish().map_err(failed)? {
            found if found == expected => Ok(()),
            _ => Err(RowsError::Damaged(self.location.clone())),
        }
    }
}

impl Rows for PublishedRows {
    fn next_row(&mut self) -> Result<Option<&[u8]>, RowsError> {
        // Asked twice, because what is lent for a row cannot be asked again.
        let is_there = match self.reader.advance() {
            Ok(is_there) => is_there,
            Err(source) => {
                return Err(RowsError::Read {
                    location: self.location.clone(),
                    source,
                });
            }
        };
        if !is_there {
            self.check()?;
            return Ok(None);
        }
        Ok(Some(self.reader.row()))
    }
}
