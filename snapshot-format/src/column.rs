//! The types of columns: PostgreSQL's names for them, and what each says of its values.
//!
//! What a type says is a `match` over [`ColumnType`] without `_`: a new one does not compile
//! before it has an answer here, in rendering and in parity. CONTRIBUTING.md lists the places.

mod interval;
mod network;
mod value;

use std::fmt;

pub use interval::Interval;
pub use network::Network;
pub use value::is_uuid;

/// The type of a column, as PostgreSQL names it, and so what its values are in JSON
/// (`docs/snapshot-format.md`, section 6).
///
/// The manifest has the name alone. The database tells two things more: an enumeration's
/// labels, and what a domain is made of, whose columns then have the type below it.
///
/// # Examples
/// ```
/// use snapshot_format::ColumnType;
/// assert_eq!(ColumnType::parse("numeric(10,2)"), ColumnType::Numeric(Some((10, 2))));
/// assert_eq!(ColumnType::parse("text[]").to_string(), "text[]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// `boolean`: in JSON `true` or `false`.
    Boolean,
    /// `smallint`: a whole number of 16 bits.
    SmallInt,
    /// `integer`: a whole number of 32 bits.
    Integer,
    /// `bigint`: a whole number of 64 bits, published as a number up to 2^53-1.
    BigInt,
    /// `real`: a number of single precision, by its shortest decimal.
    Real,
    /// `double precision`: a number, by its shortest decimal.
    Double,
    /// `numeric`, with precision and scale where they are declared.
    Numeric(Option<(u16, i16)>),
    /// `text`, `name`, `character varying`, with the most characters where declared; and
    /// whatever is published as text.
    Text(Option<u32>),
    /// `citext`, which does not tell upper case from lower.
    Citext,
    /// `character`, filled up with spaces to the number of characters where declared.
    Character(Option<u32>),
    /// `uuid`: a string of 36 characters in lower case.
    Uuid,
    /// `date`: a string such as `2026-02-24`, of the years 0001 to 9999.
    Date,
    /// `time` without time zone: a string such as `13:12:04.500000`.
    Time,
    /// `timestamp` without time zone, which is taken to be UTC.
    Timestamp,
    /// `timestamp with time zone`: a moment in UTC, such as `2026-02-24T13:12:04Z`.
    TimestampTz,
    /// `interval`: a string in ISO 8601, such as `P1DT2H30M`; see
    /// [`Interval`](crate::Interval).
    Interval,
    /// `inet`: an address, with the length of its network where it has one.
    Inet,
    /// `cidr`: a network such as `10.1.0.0/16`, without bits behind its prefix; see
    /// [`Network`].
    Cidr,
    /// `bytea`: a string of base64 with padding (RFC 4648, section 4).
    Bytea,
    /// `json`: any value, in canonical form.
    Json,
    /// `jsonb`: any value, in canonical form.
    Jsonb,
    /// An enumeration, where the database was asked what its labels are.
    Enum {
        /// The type's name.
        name: String,
        /// Its labels, in their order.
        labels: Vec<String>,
    },
    /// An array of one of these, of any number of dimensions.
    Array(Box<Self>),
    /// Any other name. In the manifest it is an enumeration or a domain over any of the
    /// others; in the database, a type that is published only as text.
    Named(String),
}

impl ColumnType {
    /// The type that the manifest writes so, and whether the column may be null.
    ///
    /// # Examples
    /// ```
    /// use snapshot_format::ColumnType;
    /// assert_eq!(ColumnType::of("date?"), (ColumnType::Date, true));
    /// ```
    pub fn of(text: &str) -> (Self, bool) {
        match text.strip_suffix('?') {
            Some(sql_type) => (Self::parse(sql_type), true),
            None => (Self::parse(text), false),
        }
    }

    /// The type of that name, as PostgreSQL's `format_type` prints it. How many digits a
    /// second has does not matter to what a value is: `timestamp(3) with time zone` is
    /// [`TimestampTz`](Self::TimestampTz).
    pub fn parse(sql_type: &str) -> Self {
        if let Some(element) = sql_type.strip_suffix("[]") {
            return Self::Array(Box::new(Self::parse(element)));
        }
        let (name, modifier) = split_modifier(sql_type);
        match name.as_str() {
            "boolean" => Self::Boolean,
            "smallint" => Self::SmallInt,
            "integer" => Self::Integer,
            "bigint" => Self::BigInt,
            "real" => Self::Real,
            "double precision" => Self::Double,
            "numeric" => Self::Numeric(precision_and_scale(modifier)),
            "text" | "name" => Self::Text(None),
            "character varying" => Self::Text(modifier.parse().ok()),
            "character" | "bpchar" => Self::Character(modifier.parse().ok()),
            "uuid" => Self::Uuid,
            "date" => Self::Date,
            "time without time zone" => Self::Time,
            "timestamp without time zone" => Self::Timestamp,
            "timestamp with time zone" => Self::TimestampTz,
            "interval" => Self::Interval,
            "inet" => Self::Inet,
            "cidr" => Self::Cidr,
            "bytea" => Self::Bytea,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            // `interval day to second`: which parts it keeps does not matter either.
            name if name.starts_with("interval ") => Self::Interval,
            // An extension's: it may stand in any schema.
            name if name == "citext" || name.ends_with(".citext") => Self::Citext,
            _ => Self::Named(sql_type.to_owned()),
        }
    }

    /// What its values are in JSON; for a type of which only the name is known, as text.
    pub fn json_form(&self) -> JsonForm {
        match self {
            Self::Boolean => JsonForm::Boolean,
            Self::SmallInt
            | Self::Integer
            | Self::BigInt
            | Self::Real
            | Self::Double
            | Self::Numeric(_) => JsonForm::Number,
            Self::Json | Self::Jsonb => JsonForm::Any,
            Self::Array(_) => JsonForm::Array,
            Self::Text(_)
            | Self::Citext
            | Self::Character(_)
            | Self::Uuid
            | Self::Date
            | Self::Time
            | Self::Timestamp
            | Self::TimestampTz
            | Self::Interval
            | Self::Inet
            | Self::Cidr
            | Self::Bytea
            | Self::Enum { .. }
            | Self::Named(_) => JsonForm::String,
        }
    }

    /// Whether its values are numbers.
    pub fn is_number(&self) -> bool {
        self.json_form() == JsonForm::Number
    }

    /// Whether its values are text of any kind.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Citext | Self::Character(_))
    }

    /// Whether any JSON is a value of it.
    pub fn is_json(&self) -> bool {
        self.json_form() == JsonForm::Any
    }

    /// Whether rows are ordered by the bytes of its published string, though PostgreSQL
    /// compares the values otherwise.
    pub fn is_ordered_by_string(&self) -> bool {
        match self {
            Self::Citext | Self::Enum { .. } | Self::Interval | Self::Inet | Self::Cidr => true,
            Self::Boolean
            | Self::SmallInt
            | Self::Integer
            | Self::BigInt
            | Self::Real
            | Self::Double
            | Self::Numeric(_)
            | Self::Text(_)
            | Self::Character(_)
            | Self::Uuid
            | Self::Date
            | Self::Time
            | Self::Timestamp
            | Self::TimestampTz
            | Self::Bytea
            | Self::Json
            | Self::Jsonb
            | Self::Array(_)
            | Self::Named(_) => false,
        }
    }

    /// Whether PostgreSQL has other spellings of its values than the format's: intervals
    /// and addresses, and arrays of them.
    pub fn is_spelled(&self) -> bool {
        match self {
            Self::Array(element) => element.is_spelled(),
            _ => matches!(self, Self::Interval | Self::Inet | Self::Cidr),
        }
    }

    /// Whether whoever reads values of `old` reads those of this type as well: the same
    /// form in JSON, and no value that is beyond the old type's range.
    pub fn is_read_as(&self, old: &Self) -> bool {
        match old {
            Self::SmallInt => matches!(self, Self::SmallInt | Self::Integer | Self::BigInt),
            Self::Integer => matches!(self, Self::Integer | Self::BigInt),
            Self::BigInt => matches!(self, Self::BigInt),
            Self::Text(_) | Self::Citext => matches!(self, Self::Text(_) | Self::Citext),
            Self::Timestamp | Self::TimestampTz => {
                matches!(self, Self::Timestamp | Self::TimestampTz)
            }
            Self::Json | Self::Jsonb => self.is_json(),
            Self::Array(old) => match self {
                Self::Array(new) => new.is_read_as(old),
                _ => false,
            },
            // Whose types are not known are told apart by their names.
            Self::Named(_) | Self::Enum { .. } => self.to_string() == old.to_string(),
            Self::Boolean
            | Self::Real
            | Self::Double
            | Self::Numeric(_)
            | Self::Character(_)
            | Self::Uuid
            | Self::Date
            | Self::Time
            | Self::Interval
            | Self::Inet
            | Self::Cidr
            | Self::Bytea => std::mem::discriminant(self) == std::mem::discriminant(old),
        }
    }
}

/// What the values of a type are in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonForm {
    /// `true` or `false`, and nothing else.
    Boolean,
    /// A number in its shortest form (RFC 8785), which no reader rounds.
    Number,
    /// A string, whatever it spells.
    String,
    /// Any value: an object, an array, a string, a number, a word.
    Any,
    /// An array, nested once for each dimension.
    Array,
}

/// PostgreSQL's name, which parses to the same type.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::SmallInt => f.write_str("smallint"),
            Self::Integer => f.write_str("integer"),
            Self::BigInt => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Double => f.write_str("double precision"),
            Self::Numeric(None) => f.write_str("numeric"),
            Self::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            Self::Text(None) => f.write_str("text"),
            Self::Text(Some(most)) => write!(f, "character varying({most})"),
            Self::Citext => f.write_str("citext"),
            Self::Character(None) => f.write_str("bpchar"),
            Self::Character(Some(length)) => write!(f, "character({length})"),
            Self::Uuid => f.write_str("uuid"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time without time zone"),
            Self::Timestamp => f.write_str("timestamp without time zone"),
            Self::TimestampTz => f.write_str("timestamp with time zone"),
            Self::Interval => f.write_str("interval"),
            Self::Inet => f.write_str("inet"),
            Self::Cidr => f.write_str("cidr"),
            Self::Bytea => f.write_str("bytea"),
            Self::Json => f.write_str("json"),
            Self::Jsonb => f.write_str("jsonb"),
            Self::Array(element) => write!(f, "{element}[]"),
            Self::Enum { name, .. } | Self::Named(name) => f.write_str(name),
        }
    }
}

// `timestamp(3) with time zone` without the `(3)`, and what stands in it.
fn split_modifier(sql_type: &str) -> (String, &str) {
    match (sql_type.find('('), sql_type.find(')')) {
        (Some(from), Some(to)) if from < to => {
            let name = format!("{}{}", &sql_type[..from], &sql_type[to + 1..]);
            (name, &sql_type[from + 1..to])
        }
        _ => (sql_type.to_owned(), ""),
    }
}

fn precision_and_scale(modifier: &str) -> Option<(u16, i16)> {
    let (precision, scale) = modifier.split_once(',').unwrap_or((modifier, "0"));
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_the_name_that_postgresql_prints() {
        for name in [
            "boolean",
            "smallint",
            "integer",
            "bigint",
            "real",
            "double precision",
            "numeric",
            "numeric(10,2)",
            "numeric(3,-2)",
            "text",
            "character varying(10)",
            "citext",
            "bpchar",
            "character(4)",
            "uuid",
            "date",
            "time without time zone",
            "timestamp without time zone",
            "timestamp with time zone",
            "interval",
            "inet",
            "cidr",
            "bytea",
            "json",
            "jsonb",
            "numeric(10,2)[]",
            "mood",
            "extensions.\"odd (type)\"",
        ] {
            assert_eq!(ColumnType::parse(name).to_string(), name);
        }
        let same = |one: &str, other: &str| {
            assert_eq!(ColumnType::parse(one), ColumnType::parse(other), "{one}");
        };
        same("timestamp(3) with time zone", "timestamp with time zone");
        same("time(0) without time zone", "time without time zone");
        same("interval(3)", "interval");
        same("interval day to second(3)", "interval");
        same("interval year to month", "interval");
        same("character varying", "text");
        same("name", "text");
        same("character", "bpchar");
        same("extensions.citext", "citext");
    }

    #[test]
    fn a_wider_type_of_the_same_form_is_read_as_the_old_one() {
        let is_read =
            |new: &str, old: &str| ColumnType::parse(new).is_read_as(&ColumnType::parse(old));
        for (old, new) in [
            ("smallint", "bigint"),
            ("smallint[]", "integer[]"),
            ("character varying(5)", "text"),
            ("text", "character varying(5)"),
            ("numeric(3,1)", "numeric"),
            ("json", "jsonb"),
            ("timestamp with time zone", "timestamp(3) without time zone"),
            ("mood", "mood"),
        ] {
            assert!(is_read(new, old), "{old} as {new}");
        }
        for (old, new) in [
            ("bigint", "integer"),
            ("integer", "numeric"),
            ("real", "double precision"),
            ("text", "uuid"),
            ("date", "text"),
            ("text", "text[]"),
            ("inet", "cidr"),
            ("interval", "text"),
            ("mood", "temper"),
            ("mood[]", "temper[]"),
        ] {
            assert!(!is_read(new, old), "{old} as {new}");
        }
    }
}
