//! Which rule a column's values are compared by.

use snapshot_format::ColumnType;

/// What two values of a column must share to be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Booleans, which are no numbers and no strings (N11).
    Boolean,
    /// Numbers by their exact value (N12).
    Number,
    /// Numbers of single precision (N13).
    Real,
    /// Text, to the code point (N4).
    Text,
    /// `character(n)`, without the spaces that fill it up (N6).
    Character,
    /// `uuid`, in small letters (N14).
    Uuid,
    /// `date`, by the day (N14).
    Date,
    /// `time`, by the microsecond (N14).
    Time,
    /// `timestamp`, taken to be UTC (N14).
    Timestamp,
    /// `timestamp with time zone` (N14).
    TimestampTz,
    /// `interval`, by months, days and microseconds (N14).
    Interval,
    /// `inet` and `cidr`, by address and prefix (N14).
    Network,
    /// `bytea`, by the bytes (N14).
    Bytea,
    /// `json` and `jsonb`, key by key (N17).
    Json,
    /// An array of one of these (N15).
    Array(Box<Self>),
    /// Any other type (N19).
    Exact,
}

impl Rule {
    /// The rule for the values of a type.
    pub fn of(column: &ColumnType) -> Self {
        match column {
            ColumnType::Boolean => Self::Boolean,
            ColumnType::SmallInt
            | ColumnType::Integer
            | ColumnType::BigInt
            | ColumnType::Double
            | ColumnType::Numeric(_) => Self::Number,
            ColumnType::Real => Self::Real,
            ColumnType::Character(_) => Self::Character,
            ColumnType::Text(_) | ColumnType::Citext | ColumnType::Enum { .. } => Self::Text,
            ColumnType::Uuid => Self::Uuid,
            ColumnType::Date => Self::Date,
            ColumnType::Time => Self::Time,
            ColumnType::Timestamp => Self::Timestamp,
            ColumnType::TimestampTz => Self::TimestampTz,
            ColumnType::Interval => Self::Interval,
            ColumnType::Inet | ColumnType::Cidr => Self::Network,
            ColumnType::Bytea => Self::Bytea,
            ColumnType::Json | ColumnType::Jsonb => Self::Json,
            ColumnType::Array(element) => Self::Array(Box::new(Self::of(element))),
            ColumnType::Named(_) => Self::Exact,
        }
    }
}
