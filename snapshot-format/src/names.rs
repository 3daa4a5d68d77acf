//! The small values that name things: table keys and versions.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Neither a table key nor a column name.
    #[error("`{0}` is not a name of the form [A-Za-z_][A-Za-z0-9_]* of at most 63 bytes")]
    Name(String),
    /// The text is no `major.minor` of two decimal numbers.
    #[error("`{0}` is not a schema version of the form major.minor")]
    SchemaVersion(String),
    /// The text is no `seq:N` with a decimal number.
    #[error("`{0}` is not a reference version of the form seq:N")]
    ReferenceVersion(String),
}

/// The column that tells active rows from deactivated ones: a boolean. Only rows where it
/// is true are published, and it is published with them.
pub const IS_ACTIVE: &str = "is_active";
/// The column that tells the seed's rows from an administrator's: a text. It stays in the
/// database.
pub const SOURCE_TYPE: &str = "source_type";
/// The column that orders rows before their primary key does: a number.
pub const SORT_ORDER: &str = "sort_order";

/// The name under which apps know a table: `exerciseCategories` for the SQL table
/// `exercise_categories`.
///
/// Always `[A-Za-z_][A-Za-z0-9_]*`, at most 63 bytes (PostgreSQL's limit for an
/// identifier), so that it is safe in a path and sorts alike in every language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TableKey(String);

impl TableKey {
    /// The key of the SQL table `name`: each `_` between two characters is dropped and
    /// the letter after it made upper case; nothing else changes.
    ///
    /// # Errors
    /// [`NameError::Name`] where `name` is not `[A-Za-z_][A-Za-z0-9_]*`.
    pub fn from_sql(name: &str) -> Result<Self, NameError> {
        check_name(name)?;
        let mut key = String::with_capacity(name.len());
        let mut raise = false;
        for c in name.chars() {
            if c == '_' && !key.is_empty() {
                raise = true;
            } else if raise {
                key.push(c.to_ascii_uppercase());
                raise = false;
            } else {
                key.push(c);
            }
        }
        key.parse()
    }

    /// The key as the manifest and the paths write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TableKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check_name(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TableKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TableKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TableKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_text(deserializer)
    }
}

fn check_name(name: &str) -> Result<(), NameError> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if starts && goes_on && name.len() <= 63 {
        Ok(())
    } else {
        Err(NameError::Name(name.to_owned()))
    }
}

/// The version of the tables' shape: an added table or column raises the minor part, a
/// removed or retyped one the major.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaVersion {
    /// A reader that knows another major part must not use the data.
    pub major: u32,
    /// A reader may ignore it.
    pub minor: u32,
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for SchemaVersion {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let parse = || {
            let (major, minor) = text.split_once('.')?;
            Some(Self {
                major: parse_decimal(major)?,
                minor: parse_decimal(minor)?,
            })
        };
        parse().ok_or_else(|| NameError::SchemaVersion(text.to_owned()))
    }
}

/// The database's monotonic version, `seq:42`: the highest `version_seq` of any table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferenceVersion(pub u64);

impl fmt::Display for ReferenceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seq:{}", self.0)
    }
}

impl FromStr for ReferenceVersion {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.strip_prefix("seq:")
            .and_then(parse_decimal)
            .map(Self)
            .ok_or_else(|| NameError::ReferenceVersion(text.to_owned()))
    }
}

/// Which count a [`ReferenceVersion`] belongs to: numbers order states of one lineage alone.
///
/// A database gets it once. Its copies and its replicas have the same. A reader need not
/// know it, and takes any text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lineage(String);

impl Lineage {
    /// The first sixteen digits of the BLAKE3 of what a database is known by.
    pub fn of(identity: &str) -> Self {
        Self(crate::ObjectHash::of(identity.as_bytes()).to_string()[..16].to_owned())
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// `str::parse` takes "+1" and "01"; a version has one spelling.
fn parse_decimal<N: FromStr>(digits: &str) -> Option<N> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0');
    if plain && !padded {
        digits.parse().ok()
    } else {
        None
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parse_text(deserializer)
            }
        }
    };
}

as_text!(SchemaVersion);
as_text!(ReferenceVersion);

fn parse_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = NameError>,
    D: Deserializer<'de>,
{
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn key(sql: &str, expected: &str) {
        assert_eq!(TableKey::from_sql(sql).expect("a name").as_str(), expected);
    }

    #[test]
    fn a_sql_name_becomes_camel_case() {
        key("exercise_categories", "exerciseCategories");
        key("range_of_motion", "rangeOfMotion");
        key("grips", "grips");
        key("Album", "Album");
        key("playlist_2_track", "playlist2Track");
        key("_private", "_private");
        key("a__b_", "aB");
    }

    #[test]
    fn a_name_that_a_path_could_misread_is_refused() {
        for name in ["", "1a", "a-b", "..", "a/b", "ä", "a b", &"x".repeat(64)] {
            assert!(name.parse::<TableKey>().is_err(), "{name}");
        }
    }

    #[test]
    fn versions_have_one_spelling() {
        assert_eq!("seq:42".parse(), Ok(ReferenceVersion(42)));
        assert_eq!(
            "1.10".parse(),
            Ok(SchemaVersion {
                major: 1,
                minor: 10
            })
        );
        for text in ["", "seq:", "seq:-1", "seq:01", "seq:+1", "SEQ:1", "42"] {
            assert!(text.parse::<ReferenceVersion>().is_err(), "{text}");
        }
        for text in ["", "1", "1.", ".1", "1.0.0", "01.0", "1.+1", "v1.0"] {
            assert!(text.parse::<SchemaVersion>().is_err(), "{text}");
        }
    }
}
