//! The canonical value of a column's type.

use super::{ColumnType, Interval, Network};
use crate::MAX_VALUE_DEPTH;
use crate::canonical;
use crate::json::{Parser, Value, nests_deeper_than};
use crate::number::{self, MAX_SAFE_INTEGER};

impl ColumnType {
    /// Appends the canonical form of a value of this type, which is not null.
    ///
    /// # Errors
    /// What such a column holds instead.
    pub fn write(
        &self,
        value: &Value<'_>,
        raw: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        if matches!(value, Value::Array(_) | Value::Object(_))
            && nests_deeper_than(self.max_depth(), raw)
        {
            return Err("JSON of at most 100 levels");
        }
        self.write_of_depth(value, raw, out)
    }

    fn write_of_depth(
        &self,
        value: &Value<'_>,
        raw: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        match (self, value) {
            (Self::Boolean, Value::Bool(_)) => out.extend_from_slice(raw.as_bytes()),
            (Self::SmallInt | Self::Integer | Self::BigInt, Value::Number(text)) => {
                self.write_integer(text, out)?;
            }
            (Self::Numeric(_), Value::Number(text)) => number::write_decimal(text, out)
                .map_err(|_| "a number that no reader rounds, up to 2^53-1")?,
            (Self::Real, Value::Number(text)) => write_real(text, out)?,
            (Self::Double, Value::Number(text)) => write_double(text, out)?,
            (Self::Json | Self::Jsonb, _) => write_json(raw, out)?,
            (Self::Array(element), Value::Array(text)) => write_array(element, text, out)?,
            (Self::Named(_), _) => write_named(self, value, raw, out)?,
            (_, Value::String(text)) => {
                self.check_text(text)?;
                canonical::write_string(text, out);
            }
            _ => return Err(self.expected()),
        }
        Ok(())
    }

    // An array may have six dimensions around its values, and a domain be over one.
    fn max_depth(&self) -> usize {
        if matches!(self, Self::Json | Self::Jsonb) {
            MAX_VALUE_DEPTH
        } else {
            MAX_VALUE_DEPTH + 6
        }
    }

    fn check_text(&self, text: &str) -> Result<(), &'static str> {
        let fits = match self {
            Self::Text(_) | Self::Citext | Self::Character(_) => true,
            // Its labels are the database's: the manifest does not name them.
            Self::Enum { .. } => true,
            Self::Uuid => is_uuid(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase()),
            Self::Date => is_date(text),
            Self::Time => is_time(text) || text == "24:00:00",
            Self::Timestamp | Self::TimestampTz => is_timestamp(text),
            Self::Interval => {
                Interval::parse(text).is_some_and(|interval| interval.to_string() == text)
            }
            Self::Inet => Network::parse(text).is_some_and(|address| address.to_string() == text),
            Self::Cidr => Network::parse(text)
                .is_some_and(|network| network.is_network() && network.with_prefix() == text),
            Self::Bytea => is_base64(text),
            Self::Boolean
            | Self::SmallInt
            | Self::Integer
            | Self::BigInt
            | Self::Real
            | Self::Double
            | Self::Numeric(_)
            | Self::Json
            | Self::Jsonb
            | Self::Array(_)
            | Self::Named(_) => false,
        };
        if fits { Ok(()) } else { Err(self.expected()) }
    }

    fn expected(&self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::SmallInt | Self::Integer | Self::BigInt => "a whole number",
            Self::Numeric(_) | Self::Real | Self::Double => "a number",
            Self::Text(_) | Self::Citext | Self::Character(_) | Self::Enum { .. } => "a string",
            Self::Uuid => "a uuid in lower case",
            Self::Date => "a date as 2026-02-24",
            Self::Time => "a time as 13:12:04 or 13:12:04.500000",
            Self::Timestamp | Self::TimestampTz => {
                "a moment as 2026-02-24T13:12:04Z or 2026-02-24T13:12:04.500000Z"
            }
            Self::Interval => "a duration as P1Y2M3DT4H5M6.5S",
            Self::Inet => "an address as 10.0.0.1 or 10.1.0.0/16",
            Self::Cidr => "a network as 10.1.0.0/16 or 2001:db8::/32",
            Self::Bytea => "base64 with padding",
            Self::Json | Self::Jsonb | Self::Named(_) => "a value",
            Self::Array(_) => "an array",
        }
    }

    fn write_integer(&self, text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let range = match self {
            Self::SmallInt => i16::MIN.into()..=i16::MAX.into(),
            Self::Integer => i32::MIN.into()..=i32::MAX.into(),
            _ => -MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER,
        };
        // -0 and 1e2 are numbers too; how they are to be written is what `out` tells.
        let mut written = Vec::new();
        number::write_decimal(text, &mut written).map_err(|_| "a whole number up to 2^53-1")?;
        let digits = std::str::from_utf8(&written).ok();
        let value: i64 = digits
            .and_then(|digits| digits.parse().ok())
            .ok_or("a whole number")?;
        if !range.contains(&value) {
            return Err("a whole number in the type's range");
        }
        out.extend_from_slice(&written);
        Ok(())
    }
}

fn write_double(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let value: f64 = text.parse().map_err(|_| "a number")?;
    number::write_f64(value, out).map_err(|_| "a number that a double holds")
}

// As it was rendered: whole numbers exactly, others by the shortest decimal.
fn write_real(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let value: f32 = text.parse().map_err(|_| "a number")?;
    let exact = value.fract() == 0.0 && f64::from(value).abs() <= MAX_SAFE_INTEGER as f64;
    if exact {
        number::write_f64(value.into(), out)
    } else {
        number::write_f32(value, out)
    }
    .map_err(|_| "a number that a real holds")
}

fn write_json(raw: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    canonical::write_json(raw, out).map_err(|_| "JSON that every reader takes alike")
}

// Null is an element of any array.
fn write_array(element: &ColumnType, text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.push(b'[');
    let mut first = true;
    let mut result = Ok(());
    let mut write = |value: &Value<'_>, raw: &str| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            // Of several dimensions.
            Value::Array(text) if !element.is_json() => {
                return write_array(element, text, out);
            }
            _ => return element.write_of_depth(value, raw, out),
        }
        Ok(())
    };
    let mut parser = Parser::new(text);
    let read = parser.array(|offset, value| {
        if result.is_ok() {
            let raw = raw_at(text, offset, &value);
            result = write(&value, raw);
        }
    });
    read.map_err(|_| "an array")?;
    result?;
    out.push(b']');
    Ok(())
}

// What stands there, where the value does not say.
fn raw_at<'t>(text: &'t str, offset: usize, value: &Value<'t>) -> &'t str {
    match value {
        Value::Array(raw) | Value::Object(raw) | Value::Number(raw) => raw,
        _ => {
            let mut parser = Parser::new(&text[offset..]);
            // It was read before.
            let _ = parser.value();
            text[offset..offset + parser.offset()].trim()
        }
    }
}

// A domain may be over any type; its values say over which.
fn write_named(
    named: &ColumnType,
    value: &Value<'_>,
    raw: &str,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    match value {
        Value::Number(text) => write_double(text, out),
        Value::Array(text) => write_array(named, text, out),
        Value::String(text) => {
            canonical::write_string(text, out);
            Ok(())
        }
        _ => write_json(raw, out),
    }
}

/// Whether a text is a UUID as RFC 9562 writes it: 36 characters, groups of 8, 4, 4, 4 and 12
/// hexadecimal digits of either case. A canonical one has no capitals.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

// Of the years 0001 to 9999.
fn is_date(text: &str) -> bool {
    let Some([year, month, day]) = fields(text, "dddd-dd-dd") else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    year >= 1 && (1..=12).contains(&month) && (1..=days).contains(&day)
}

// PostgreSQL has no leap seconds, and six digits or none behind the point.
fn is_time(text: &str) -> bool {
    let (time, fraction) = match text.split_once('.') {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (text, None),
    };
    let is_in_day = |[hour, minute, second]: [u32; 3]| hour < 24 && minute < 60 && second < 60;
    let is_fraction = |digits| fields(digits, "dddddd").is_some_and(|[number]| number > 0);
    fields(time, "dd:dd:dd").is_some_and(is_in_day) && fraction.is_none_or(is_fraction)
}

// The numbers of a text of this form, in which `d` is a digit.
fn fields<const COUNT: usize>(text: &str, form: &str) -> Option<[u32; COUNT]> {
    let fits = |(byte, form): (u8, u8)| match form {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    };
    let has_form = text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits);
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    let numbers: Option<Vec<u32>> = numbers.map(|digits| digits.parse().ok()).collect();
    numbers.filter(|_| has_form)?.try_into().ok()
}

// RFC 4648 section 4: with padding, and no bits behind the last byte.
fn is_base64(text: &str) -> bool {
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('='));
    let digits = digits.unwrap_or(text).as_bytes();
    let unused = match text.len() - digits.len() {
        0 => 1,
        1 => 4,
        _ => 16,
    };
    let ends_whole = || {
        let last = digits.last().copied().and_then(base64_digit);
        last.is_none_or(|last| last % unused == 0)
    };
    let is_digit = |digit: &u8| base64_digit(*digit).is_some();
    text.len().is_multiple_of(4) && digits.iter().all(is_digit) && ends_whole()
}

fn base64_digit(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

fn is_timestamp(text: &str) -> bool {
    let parts = text.strip_suffix('Z').and_then(|text| text.split_once('T'));
    parts.is_some_and(|(date, time)| is_date(date) && is_time(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql_type: &str, json: &str, expected: Result<&str, &str>) {
        let value = Parser::new(json).value().expect("JSON");
        let mut out = Vec::new();
        let (column, _) = ColumnType::of(sql_type);
        let written = column.write(&value, json, &mut out);
        let out = String::from_utf8(out).expect("UTF-8");
        assert_eq!(
            written.map(|()| out.as_str()),
            expected,
            "{sql_type} {json}"
        );
    }

    #[test]
    fn a_value_has_a_depth_that_every_reader_takes() {
        let arrays = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let objects = |depth| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let too_deep = Err("JSON of at most 100 levels");
        for (sql_type, most) in [("jsonb", 100), ("json", 100), ("a_domain", 106)] {
            for nested in [arrays, objects] as [fn(usize) -> String; 2] {
                check(sql_type, &nested(most), Ok(&nested(most)));
                check(sql_type, &nested(most + 1), too_deep);
            }
        }
        // Brackets within a string are none.
        let text = format!("[{:?}]", "[".repeat(300));
        check("jsonb", &text, Ok(&text));
        // Each value of an array may be so deep, with six dimensions around it.
        check("jsonb[]", &arrays(106), Ok(&arrays(106)));
        check("jsonb[]", &arrays(107), too_deep);
    }

    #[test]
    fn a_value_of_its_type_has_one_form() {
        check("boolean", "true", Ok("true"));
        check("smallint", "-32768", Ok("-32768"));
        check("bigint", "9007199254740991", Ok("9007199254740991"));
        check("integer?", "1e2", Ok("100"));
        check("numeric(10,2)", "1.50", Ok("1.5"));
        check("double precision", "1e+300", Ok("1e+300"));
        check("real", "0.1", Ok("0.1"));
        check("real", "84154736", Ok("84154736"));
        check("character varying(10)", "\"a\\u0041\"", Ok("\"aA\""));
        check("date", "\"0001-01-01\"", Ok("\"0001-01-01\""));
        check(
            "time(3) without time zone",
            "\"24:00:00\"",
            Ok("\"24:00:00\""),
        );
        check(
            "timestamp with time zone",
            "\"2026-02-24T13:12:04.500000Z\"",
            Ok("\"2026-02-24T13:12:04.500000Z\""),
        );
        for date in ["2024-02-29", "2000-02-29", "9999-12-31"] {
            check("date", &format!("{date:?}"), Ok(&format!("{date:?}")));
        }
        for bytes in ["", "AA==", "AAE=", "AAEC", "/+09"] {
            check("bytea", &format!("{bytes:?}"), Ok(&format!("{bytes:?}")));
        }
        check(
            "jsonb",
            "{\"b\":1.0,\"a\":null}",
            Ok("{\"a\":null,\"b\":1}"),
        );
        for interval in ["PT0S", "P-1Y2DT-3H-0.5S", "PT36H"] {
            check(
                "interval",
                &format!("{interval:?}"),
                Ok(&format!("{interval:?}")),
            );
        }
        for address in ["10.0.0.1", "10.0.0.1/8", "::1", "2001:db8::/32"] {
            check("inet", &format!("{address:?}"), Ok(&format!("{address:?}")));
        }
        for network in ["10.0.0.0/8", "10.0.0.1/32", "::1/128"] {
            check("cidr", &format!("{network:?}"), Ok(&format!("{network:?}")));
        }
        check("text[]", "[\"a\", null, \"\\/\"]", Ok("[\"a\",null,\"/\"]"));
        check("integer[]", "[[1,2],[3,null]]", Ok("[[1,2],[3,null]]"));
        check("jsonb[]", "[[1, 2], {}]", Ok("[[1,2],{}]"));
        check("mood", "\"happy\"", Ok("\"happy\""));
        check("big_double[]", "[1e300]", Ok("[1e+300]"));
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_what_belongs_there() {
        check("boolean", "1", Err("true or false"));
        check(
            "smallint",
            "32768",
            Err("a whole number in the type's range"),
        );
        check(
            "bigint",
            "9007199254740992",
            Err("a whole number up to 2^53-1"),
        );
        check("integer", "1.5", Err("a whole number"));
        check("integer", "\"1\"", Err("a whole number"));
        check("numeric", "\"1\"", Err("a number"));
        check("text", "1", Err("a string"));
        check(
            "uuid",
            "\"0190163D-8694-739b-aea5-966c26f8ad91\"",
            Err("a uuid in lower case"),
        );
        check("date", "\"2026-02-30\"", Err("a date as 2026-02-24"));
        let time = "a time as 13:12:04 or 13:12:04.500000";
        check("time without time zone", "\"13:12:04.5\"", Err(time));
        let moment = "a moment as 2026-02-24T13:12:04Z or 2026-02-24T13:12:04.500000Z";
        for wrong in [
            "2026-02-24T13:12:04+00:00",
            "2026-02-24 13:12:04Z",
            "0000-01-01T00:00:00Z",
        ] {
            check(
                "timestamp without time zone",
                &format!("{wrong:?}"),
                Err(moment),
            );
        }
        for wrong in [
            "2025-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-1-1",
            "0000-01-01",
        ] {
            check("date", &format!("{wrong:?}"), Err("a date as 2026-02-24"));
        }
        for wrong in [
            "24:00:01",
            "13:12:60",
            "13:12",
            "13:12:04.",
            "13:12:04.000000",
            "+3:12:04",
        ] {
            check("time without time zone", &format!("{wrong:?}"), Err(time));
        }
        for wrong in ["AAE", "AAF=", "AB==", "A===", "====", "=", "AA=A", "A-E="] {
            check("bytea", &format!("{wrong:?}"), Err("base64 with padding"));
        }
        for wrong in ["PT90M", "P0D", "PT0.50S", "01:30:00", "1 day"] {
            let expected = "a duration as P1Y2M3DT4H5M6.5S";
            check("interval", &format!("{wrong:?}"), Err(expected));
        }
        for wrong in ["10.0.0.1/32", "::FFFF", "::1/128", "2001:db8:0::1", "host"] {
            let expected = "an address as 10.0.0.1 or 10.1.0.0/16";
            check("inet", &format!("{wrong:?}"), Err(expected));
        }
        for wrong in ["10.0.0.1", "10.1.0.1/16", "10.1/16", "::1"] {
            let expected = "a network as 10.1.0.0/16 or 2001:db8::/32";
            check("cidr", &format!("{wrong:?}"), Err(expected));
        }
        check("text[]", "{}", Err("an array"));
        check("text[]", "[1]", Err("a string"));
        check(
            "jsonb",
            "{\"a\":1,\"a\":2}",
            Err("JSON that every reader takes alike"),
        );
    }
}
