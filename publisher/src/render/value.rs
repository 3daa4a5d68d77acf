//! Values: the binary format of each SQL type, and its form in JSON.
//!
//! | SQL | JSON |
//! | --- | --- |
//! | `boolean`, integers, floats, `numeric` | `true`, a number that no reader rounds |
//! | text, enumerations | a string |
//! | `uuid` | `"0190163d-8694-739b-aea5-966c26f8ad91"` |
//! | `date`, `time` | `"2026-02-24"`, `"13:12:04.5"`: see below |
//! | `timestamp`, `timestamptz` | `"2026-02-24T13:12:04Z"`, `"2026-02-24T13:12:04.500000Z"` |
//! | `interval` | `"P1Y2M3DT4H5M6.5S"` (ISO 8601) |
//! | `inet`, `cidr` | `"10.0.0.1"`, `"10.1.0.0/16"` |
//! | `bytea` | base64 with padding (RFC 4648 §4) |
//! | `json`, `jsonb` | their canonical form |
//! | arrays | arrays; an array of two dimensions is an array of arrays |
//!
//! The binary formats are those of PostgreSQL's `*send` functions (`src/backend/utils/adt`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use snapshot_format::canonical;
use snapshot_format::json::nests_deeper_than;
use snapshot_format::number;
use snapshot_format::{ColumnType, MAX_VALUE_DEPTH};

use super::error::{Result, ValueError, binary, refused_number};
use super::{interval, network, numeric};

/// Whether values of the type have a form in JSON beside their text.
pub(super) fn has_form(column: &ColumnType) -> bool {
    match column {
        ColumnType::Named(_) => false,
        ColumnType::Array(element) => has_form(element),
        _ => true,
    }
}

/// Appends the value of a type that has a form, or a part of it and an error.
pub(super) fn write(column: &ColumnType, value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match column {
        ColumnType::Boolean => write_bool(value, out),
        ColumnType::SmallInt => {
            write_integer(i16::from_be_bytes(fixed("smallint", value)?).into(), out)
        }
        ColumnType::Integer => {
            write_integer(i32::from_be_bytes(fixed("integer", value)?).into(), out)
        }
        ColumnType::BigInt => write_integer(i64::from_be_bytes(fixed("bigint", value)?), out),
        ColumnType::Real => write_float4(f32::from_be_bytes(fixed("real", value)?), out),
        ColumnType::Double => {
            write_float8(f64::from_be_bytes(fixed("double precision", value)?), out)
        }
        ColumnType::Numeric(_) => numeric::write(value, out),
        ColumnType::Text(_)
        | ColumnType::Citext
        | ColumnType::Character(_)
        | ColumnType::Enum { .. } => {
            canonical::write_string(utf8(value)?, out);
            Ok(())
        }
        ColumnType::Uuid => write_uuid(fixed("uuid", value)?, out),
        ColumnType::Date => write_date(i32::from_be_bytes(fixed("date", value)?), out),
        ColumnType::Time => write_time(i64::from_be_bytes(fixed("time", value)?), out),
        ColumnType::Timestamp | ColumnType::TimestampTz => {
            write_timestamp(i64::from_be_bytes(fixed("timestamp", value)?), out)
        }
        ColumnType::Interval => interval::write(fixed("interval", value)?, out),
        ColumnType::Inet => network::write_inet(value, out),
        ColumnType::Cidr => network::write_cidr(value, out),
        ColumnType::Bytea => {
            write_base64(value, out);
            Ok(())
        }
        ColumnType::Json => write_json(value, out),
        ColumnType::Jsonb => match value.split_first() {
            Some((1, text)) => write_json(text, out),
            Some((version, _)) => binary(format!("a jsonb of version {version}, not 1")),
            None => binary("a jsonb of 0 bytes"),
        },
        ColumnType::Array(element) => write_array(element, value, out),
        ColumnType::Named(name) => binary(format!("a {name}, which has no form")),
    }
}

fn write_bool(value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match fixed("boolean", value)? {
        [0] => out.extend_from_slice(b"false"),
        [1] => out.extend_from_slice(b"true"),
        [other] => return binary(format!("a boolean of {other}, not 0 or 1")),
    }
    Ok(())
}

fn write_integer(value: i64, out: &mut Vec<u8>) -> Result<()> {
    number::write_i64(value, out).map_err(|error| refused_number(value, error))
}

// By its shortest decimal, as PostgreSQL prints it; but a whole number as it is, because
// from 2^24 on its shortest decimal is another number: 84154736 would become 84154740.
fn write_float4(value: f32, out: &mut Vec<u8>) -> Result<()> {
    if value.fract() == 0.0 && f64::from(value).abs() <= number::MAX_SAFE_INTEGER as f64 {
        return write_float8(value.into(), out);
    }
    number::write_f32(value, out).map_err(|error| refused_number(spelled(value.into()), error))
}

fn write_float8(value: f64, out: &mut Vec<u8>) -> Result<()> {
    number::write_f64(value, out).map_err(|error| refused_number(spelled(value), error))
}

// PostgreSQL's names for what JSON has no number for; Rust's differ.
fn spelled(not_finite: f64) -> &'static str {
    if not_finite.is_nan() {
        "NaN"
    } else if not_finite > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn write_uuid(bytes: [u8; 16], out: &mut Vec<u8>) -> Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 0xf)]);
    }
    out.push(b'"');
    Ok(())
}

fn write_base64(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    let length = base64::encoded_len(value.len(), true).expect("a value has less than 2^30 bytes");
    out.resize(start + length, 0);
    let written = BASE64.encode_slice(value, &mut out[start..]);
    debug_assert_eq!(written, Ok(length));
    out.push(b'"');
}

fn write_json(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let text = utf8(text)?;
    if nests_deeper_than(MAX_VALUE_DEPTH, text) {
        return Err(ValueError::Depth);
    }
    canonical::write_json(text, out).map_err(ValueError::Json)
}

// --- dates and times ---

const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const MICROSECONDS_PER_DAY: i64 = 24 * 60 * 60 * MICROSECONDS_PER_SECOND;

fn write_date(days: i32, out: &mut Vec<u8>) -> Result<()> {
    let date = match days {
        i32::MAX => Err(infinite("infinity")),
        i32::MIN => Err(infinite("-infinity")),
        days => Date::since_2000(days.into()),
    }?;
    out.push(b'"');
    date.write(out);
    out.push(b'"');
    Ok(())
}

fn write_time(microseconds: i64, out: &mut Vec<u8>) -> Result<()> {
    // 24:00:00 is a time to PostgreSQL: the end of the day.
    if !(0..=MICROSECONDS_PER_DAY).contains(&microseconds) {
        return binary(format!("a time of {microseconds} microseconds"));
    }
    out.push(b'"');
    write_time_of_day(microseconds, out);
    out.push(b'"');
    Ok(())
}

// Without time zone is taken to be UTC; with time zone, PostgreSQL keeps UTC.
fn write_timestamp(microseconds: i64, out: &mut Vec<u8>) -> Result<()> {
    let date = match microseconds {
        i64::MAX => Err(infinite("infinity")),
        i64::MIN => Err(infinite("-infinity")),
        microseconds => Date::since_2000(microseconds.div_euclid(MICROSECONDS_PER_DAY)),
    }?;
    out.push(b'"');
    date.write(out);
    out.push(b'T');
    write_time_of_day(microseconds.rem_euclid(MICROSECONDS_PER_DAY), out);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

fn write_time_of_day(microseconds: i64, out: &mut Vec<u8>) {
    let seconds = microseconds / MICROSECONDS_PER_SECOND;
    let fraction = microseconds % MICROSECONDS_PER_SECOND;
    write_digits::<2>(seconds / 3600, out);
    out.push(b':');
    write_digits::<2>(seconds / 60 % 60, out);
    out.push(b':');
    write_digits::<2>(seconds % 60, out);
    if fraction > 0 {
        out.push(b'.');
        write_digits::<6>(fraction, out);
    }
}

fn infinite(name: &str) -> ValueError {
    ValueError::Moment(name.to_owned())
}

// A day of the proleptic Gregorian calendar, with a year of four digits.
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    fn since_2000(days: i64) -> Result<Self> {
        let date = Self::of_any_year(days);
        match date.year {
            1..=9999 => Ok(date),
            year @ 10_000.. => Err(ValueError::Moment(format!("the year {year}"))),
            year => Err(ValueError::Moment(format!("the year {} BC", 1 - year))),
        }
    }

    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days:
    // years begin in March, so that the leap day is their last, and are taken in eras of
    // 400, which all have the same number of days.
    fn of_any_year(days_since_2000: i64) -> Self {
        const DAYS_PER_ERA: i64 = 146_097;
        const MARCH_0000_TO_JANUARY_2000: i64 = 730_425;
        let days = days_since_2000 + MARCH_0000_TO_JANUARY_2000;
        let era = days.div_euclid(DAYS_PER_ERA);
        let day_of_era = days.rem_euclid(DAYS_PER_ERA);
        let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_digits::<4>(self.year, out);
        out.push(b'-');
        write_digits::<2>(self.month, out);
        out.push(b'-');
        write_digits::<2>(self.day, out);
    }
}

// The last `COUNT` digits of a number that is not negative.
fn write_digits<const COUNT: usize>(mut number: i64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; COUNT];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

// --- arrays ---

// Number of dimensions, whether there are nulls, type of the elements; of each dimension
// its size and lower bound; then the elements, each with its length before it.
fn write_array(element: &ColumnType, value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // What PostgreSQL calls MAXDIM.
    let mut sizes = [0; 6];
    let mut input = Input(value);
    let dimensions = input.integer()?;
    let _has_nulls = input.integer()?;
    let _element_oid = input.integer()?;
    let sizes = usize::try_from(dimensions)
        .ok()
        .and_then(|n| sizes.get_mut(..n));
    let Some(sizes) = sizes else {
        return binary(format!("an array of {dimensions} dimensions"));
    };
    for size in sizes.iter_mut() {
        *size = input.integer()?;
        if *size < 1 {
            return binary(format!("an array with a dimension of {size}"));
        }
        match input.integer()? {
            1 => {}
            other => return Err(ValueError::LowerBound(other)),
        }
    }
    if sizes.is_empty() {
        out.extend_from_slice(b"[]");
    } else {
        write_dimensions(sizes, element, &mut input, out)?;
    }
    match input.0.len() {
        0 => Ok(()),
        left => binary(format!("an array with {left} bytes behind its end")),
    }
}

// Each level has at least one element, and each element takes bytes from the input: the
// loops end however large the sizes claim to be.
fn write_dimensions(
    sizes: &[i32],
    element: &ColumnType,
    input: &mut Input,
    out: &mut Vec<u8>,
) -> Result<()> {
    let Some((&size, inner)) = sizes.split_first() else {
        return write_element(element, input, out);
    };
    out.push(b'[');
    for index in 0..size {
        if index > 0 {
            out.push(b',');
        }
        write_dimensions(inner, element, input, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_element(element: &ColumnType, input: &mut Input, out: &mut Vec<u8>) -> Result<()> {
    match input.integer()? {
        -1 => {
            out.extend_from_slice(b"null");
            Ok(())
        }
        length => write(element, input.bytes(length)?, out),
    }
}

// What is left to read of an array.
struct Input<'v>(&'v [u8]);

impl<'v> Input<'v> {
    fn integer(&mut self) -> Result<i32> {
        self.bytes(4)
            .map(|bytes| i32::from_be_bytes(bytes.try_into().expect("four bytes")))
    }

    fn bytes(&mut self, length: i32) -> Result<&'v [u8]> {
        let split = usize::try_from(length)
            .ok()
            .and_then(|n| self.0.split_at_checked(n));
        let Some((bytes, rest)) = split else {
            return binary("an array that ends too early");
        };
        self.0 = rest;
        Ok(bytes)
    }
}

// --- what they share ---

fn fixed<const SIZE: usize>(sql_type: &str, value: &[u8]) -> Result<[u8; SIZE]> {
    let size = value.len();
    value.try_into().or_else(|_| {
        binary(format!(
            "{} {sql_type} of {size} bytes, not {SIZE}",
            if sql_type == "interval" { "an" } else { "a" }
        ))
    })
}

fn utf8(value: &[u8]) -> Result<&str> {
    std::str::from_utf8(value).map_err(|_| ValueError::NotUtf8)
}
