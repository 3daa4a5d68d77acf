//! Which rule a column's values are compared by.

use crate::schema::{Column, Kind};

/// What two values of a column must share to be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Booleans (N11).
    Boolean,
    /// Numbers by their exact value (N12).
    Number,
    /// Numbers of single precision (N13).
    Real,
    /// Text, to the code point (N4).
    Text,
    /// `character(n)` (N6).
    Character,
    /// `uuid` (N14).
    Uuid,
    /// `date` (N14).
    Date,
    /// `time` (N14).
    Time,
    /// `timestamp`, taken to be UTC (N14).
    Timestamp,
    /// `timestamp with time zone` (N14).
    TimestampTz,
    /// `bytea` (N14).
    Bytea,
    /// `json`, `jsonb` (N17).
    Json,
    /// An array of one of these (N15).
    Array(Box<Self>),
    /// Any other type (N19).
    Exact,
}

impl Rule {
    /// The rule for a column of the catalog.
    pub fn of_column(column: &Column) -> Self {
        Self::of_kind(&column.kind, &column.sql_type)
    }

    fn of_kind(kind: &Kind, sql_type: &str) -> Self {
        match kind {
            Kind::Bool => Self::Boolean,
            Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Float8 | Kind::Numeric(_) => Self::Number,
            Kind::Float4 => Self::Real,
            Kind::Text(_) if sql_type.starts_with("character(") => Self::Character,
            Kind::Text(_) | Kind::Enum(_) => Self::Text,
            Kind::Uuid => Self::Uuid,
            Kind::Date => Self::Date,
            Kind::Time => Self::Time,
            Kind::Timestamp => Self::Timestamp,
            Kind::TimestampTz => Self::TimestampTz,
            Kind::Bytea => Self::Bytea,
            Kind::Json | Kind::Jsonb => Self::Json,
            Kind::Array(element) => Self::Array(Box::new(Self::of_kind(element, sql_type))),
            Kind::Other => Self::Exact,
        }
    }

    /// The rule for a type as the manifest has it, without the `?` of what may be null.
    pub fn of_type(sql_type: &str) -> Self {
        if let Some(element) = sql_type.strip_suffix("[]") {
            return Self::Array(Box::new(Self::of_type(element)));
        }
        // `timestamp(3) with time zone` without the `(3)`.
        let plain = match (sql_type.find('('), sql_type.find(')')) {
            (Some(from), Some(to)) if from < to => {
                [&sql_type[..from], &sql_type[to + 1..]].concat()
            }
            _ => sql_type.to_owned(),
        };
        match plain.as_str() {
            "boolean" => Self::Boolean,
            "smallint" | "integer" | "bigint" | "numeric" | "double precision" => Self::Number,
            "real" => Self::Real,
            "text" | "character varying" | "name" | "citext" => Self::Text,
            "character" => Self::Character,
            "uuid" => Self::Uuid,
            "date" => Self::Date,
            "time without time zone" => Self::Time,
            "timestamp without time zone" => Self::Timestamp,
            "timestamp with time zone" => Self::TimestampTz,
            "bytea" => Self::Bytea,
            "json" | "jsonb" => Self::Json,
            _ => Self::Exact,
        }
    }
}
