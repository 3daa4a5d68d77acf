//! Why a value cannot be published.

use snapshot_format::MAX_VALUE_DEPTH;
use snapshot_format::canonical::CanonicalError;
use snapshot_format::number::NumberError;

/// Why a value cannot be published.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// A number that readers would take for another.
    #[error("{value} {error}")]
    Number {
        /// The number.
        value: String,
        /// What is wrong with it.
        error: NumberError,
    },
    /// A JSON text without a canonical form.
    #[error("{0}")]
    Json(CanonicalError),
    /// A JSON text that nests too deep.
    #[error("nests deeper than {MAX_VALUE_DEPTH} levels, which some readers refuse")]
    Depth,
    /// An infinite date, or one whose year has not four digits.
    #[error("{0} is outside of the years 0001 to 9999, which RFC 3339 can write")]
    Moment(String),
    /// An interval without end.
    #[error("{0} is an interval without end, and ISO 8601 has none")]
    Endless(&'static str),
    /// An array that does not count from 1.
    #[error("the array's subscripts start at {0}, not 1, and JSON would lose that")]
    LowerBound(i32),
    /// Text of a database whose encoding is SQL_ASCII.
    #[error("PostgreSQL sent text that is not UTF-8")]
    NotUtf8,
    /// Anything else that PostgreSQL would not send.
    #[error("PostgreSQL sent {0}")]
    Binary(String),
}

impl ValueError {
    /// Whether the column can be published once it is published as text.
    pub(super) fn is_cured_by_text(&self) -> bool {
        !matches!(self, Self::NotUtf8 | Self::Binary(_))
    }

    /// The value, where the error knows it.
    pub(super) fn value(&self) -> Option<&str> {
        match self {
            Self::Number { value, .. } | Self::Moment(value) => Some(value),
            _ => None,
        }
    }
}

#[cfg(test)]
impl ValueError {
    /// The class by which `tests/vectors/` names the refusal.
    pub(super) fn class(&self) -> &'static str {
        use snapshot_format::json::FaultKind;
        match self {
            Self::Number { error, .. } | Self::Json(CanonicalError::Number { error, .. }) => {
                match error {
                    NumberError::UnsafeInteger => "unsafe-integer",
                    NumberError::Inexact => "inexact",
                    NumberError::NotFinite => "not-finite",
                }
            }
            Self::Json(CanonicalError::Fault(fault)) => match fault {
                FaultKind::DuplicateKey(_) => "duplicate-key",
                FaultKind::LoneSurrogate(_) => "lone-surrogate",
                FaultKind::Nul => "nul",
            },
            Self::Json(CanonicalError::Syntax(_)) => "syntax",
            Self::Depth => "depth",
            Self::Moment(_) | Self::Endless(_) => "moment",
            Self::LowerBound(_) => "lower-bound",
            Self::NotUtf8 | Self::Binary(_) => "binary",
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, ValueError>;

pub(super) fn refused_number(value: impl ToString, error: NumberError) -> ValueError {
    let value = shortened(&value.to_string());
    ValueError::Number { value, error }
}

pub(super) fn binary<T>(what: impl Into<String>) -> Result<T> {
    Err(ValueError::Binary(what.into()))
}

/// The text, or its beginning where it would fill the screen.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
