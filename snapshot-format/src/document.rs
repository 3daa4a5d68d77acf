//! Reading the JSON of a version or manifest: its numbers, and what is wrong where.

use std::fmt;

use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::MAX_NUMBER;

/// What is wrong with a text that should be a version or a manifest, and in which field:
/// `epoch: -1 is not allowed; a whole number from 0 to 9007199254740991 is`.
#[derive(Debug, Clone)]
pub struct DocumentError {
    // Empty where the text is not even JSON of that shape.
    field: String,
    message: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DocumentError {}

/// Reads a document of this shape.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DocumentError> {
    // Where the fields are is only looked at once one of them is wrong.
    serde_json::from_slice(bytes).map_err(|error| DocumentError::of::<T>(bytes, &error))
}

impl DocumentError {
    fn of<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Self {
        let plain = |error: &serde_json::Error, field: String| {
            let message = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            let message = match message.strip_suffix(&place) {
                Some(message) if !field.is_empty() => message.to_owned(),
                _ => message,
            };
            Self { field, message }
        };
        let mut json = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, T>(&mut json) {
            Err(found) if found.inner().is_data() => {
                let field = found.path().to_string();
                // The whole document is no field.
                let field = if field == "." { String::new() } else { field };
                plain(found.inner(), field)
            }
            _ => plain(error, String::new()),
        }
    }
}

/// A whole number that every reader keeps as it is. `1.0` and `1e2` are such numbers too: a
/// reader that keeps doubles cannot tell.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(WholeNumber)
}

/// A number as [`number`] reads it, whatever field it is in.
pub(crate) struct Number(pub(crate) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        number(deserializer).map(Self)
    }
}

struct WholeNumber;

fn refused<E: Error>(found: impl fmt::Display) -> E {
    E::custom(format_args!(
        "{found} is not allowed; a whole number from 0 to {MAX_NUMBER} is"
    ))
}

impl<'de> Visitor<'de> for WholeNumber {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {MAX_NUMBER}")
    }

    fn visit_u64<E: Error>(self, found: u64) -> Result<u64, E> {
        if found > MAX_NUMBER {
            return Err(refused(found));
        }
        Ok(found)
    }

    fn visit_i64<E: Error>(self, found: i64) -> Result<u64, E> {
        u64::try_from(found)
            .map_err(|_| refused(found))
            .and_then(|found| self.visit_u64(found))
    }

    fn visit_f64<E: Error>(self, found: f64) -> Result<u64, E> {
        if found.fract() == 0.0 && (0.0..=MAX_NUMBER as f64).contains(&found) {
            return Ok(found as u64);
        }
        // An integer of many digits comes as a double, too.
        if found.abs() > MAX_NUMBER as f64 {
            return Err(refused(format_args!("{found:e}")));
        }
        Err(refused(found))
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<u64, E> {
        Err(refused(format_args!("the text {found:?}")))
    }

    fn visit_bool<E: Error>(self, found: bool) -> Result<u64, E> {
        Err(refused(found))
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Err(refused("null"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<u64, A::Error> {
        Err(refused("an object"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<u64, A::Error> {
        Err(refused("an array"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        #[serde(deserialize_with = "number")]
        epoch: u64,
        inner: Option<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        #[serde(deserialize_with = "number")]
        size: u64,
    }

    #[track_caller]
    fn check(text: &str, expected: Result<u64, &str>) {
        let document = format!(r#"{{"epoch":{text}}}"#);
        let found = read::<Outer>(document.as_bytes()).map(|outer| outer.epoch);
        let expected = expected.map_err(|found| {
            format!("epoch: {found} is not allowed; a whole number from 0 to 9007199254740991 is")
        });
        assert_eq!(found.map_err(|error| error.to_string()), expected);
    }

    #[test]
    fn a_number_is_whole_and_has_a_bound() {
        check("0", Ok(0));
        check("9007199254740991", Ok(MAX_NUMBER));
        check("9007199254740992", Err("9007199254740992"));
        check("18446744073709551615", Err("18446744073709551615"));
        check("18446744073709551616", Err("1.8446744073709552e19"));
        check("1e20", Err("1e20"));
        check("-1e300", Err("-1e300"));
        check("-1", Err("-1"));
        check("1.5", Err("1.5"));
        check("-0.5", Err("-0.5"));
        check("\"12\"", Err("the text \"12\""));
        check("null", Err("null"));
        check("true", Err("true"));
        check("[1]", Err("an array"));
        check("{}", Err("an object"));
    }

    #[test]
    fn another_spelling_of_a_whole_number_is_that_number() {
        check("12.0", Ok(12));
        check("1e2", Ok(100));
        check("-0", Ok(0));
        check("9007199254740991.0", Ok(MAX_NUMBER));
        check("9007199254740992.0", Err("9.007199254740992e15"));
    }

    #[test]
    fn a_field_further_in_is_named_with_its_way() {
        let error = |text: &str| {
            read::<Outer>(text.as_bytes())
                .expect_err("no such document")
                .to_string()
        };
        assert_eq!(
            error(r#"{"epoch":1,"inner":{"size":-1}}"#),
            "inner.size: -1 is not allowed; a whole number from 0 to 9007199254740991 is"
        );
        assert_eq!(error("{}"), "missing field `epoch` at line 1 column 2");
        assert_eq!(
            error(r#"{"epoch":1"#),
            "EOF while parsing an object at line 1 column 10"
        );
        assert_eq!(
            error(r#"{"epoch":1}x"#),
            "trailing characters at line 1 column 12"
        );
    }
}
