//! Numbers: written as RFC 8785 §3.2.2.3 says, never rounded.
//!
//! Every reader of JSON understands a double (IEEE 754 binary64) and many understand no
//! more. So a number is published only where the double nearest to it is written with
//! the very value it came with; anything else is refused, and can be published as a
//! string.

/// The largest integer that every double-based reader keeps: 2^53 - 1 (RFC 8259 §6).
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Why a number cannot be published as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// An integer beyond 2^53 - 1.
    #[error("is beyond 2^53-1, where readers round integers")]
    UnsafeInteger,
    /// A decimal that no double holds.
    #[error("has more digits than a double holds")]
    Inexact,
    /// NaN or an infinity, which JSON cannot write.
    #[error("is not a finite number, and JSON has no other")]
    NotFinite,
}

/// Appends an integer.
///
/// # Errors
/// [`NumberError::UnsafeInteger`].
pub fn write_i64(value: i64, out: &mut Vec<u8>) -> Result<(), NumberError> {
    if value.unsigned_abs() > MAX_SAFE_INTEGER.unsigned_abs() {
        return Err(NumberError::UnsafeInteger);
    }
    write_small_integer(value, out);
    Ok(())
}

/// Appends a double, as ECMAScript's `Number::toString` writes it; -0 becomes `0`.
///
/// # Errors
/// [`NumberError::NotFinite`].
pub fn write_f64(value: f64, out: &mut Vec<u8>) -> Result<(), NumberError> {
    if !value.is_finite() {
        return Err(NumberError::NotFinite);
    }
    if value == 0.0 {
        out.push(b'0');
    } else {
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    }
    Ok(())
}

/// Appends a single-precision number by its shortest decimal: `0.1`, not the
/// `0.10000000149011612` that the same bits are as a double. That decimal is what
/// PostgreSQL prints and what the file said.
///
/// # Errors
/// [`NumberError::NotFinite`].
pub fn write_f32(value: f32, out: &mut Vec<u8>) -> Result<(), NumberError> {
    if !value.is_finite() {
        return Err(NumberError::NotFinite);
    }
    if value == 0.0 {
        out.push(b'0');
    } else {
        // Not `to_string`: of two shortest decimals that are equally near, PostgreSQL and
        // ECMAScript take the even one.
        out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    }
    Ok(())
}

/// Appends a decimal of any length, as PostgreSQL's `numeric` and JSON texts write it.
///
/// # Errors
/// Where the value would not survive the way through a double and back.
pub fn write_decimal(decimal: &str, out: &mut Vec<u8>) -> Result<(), NumberError> {
    if let Some(integer) = short_integer(decimal) {
        write_small_integer(integer, out);
        return Ok(());
    }
    let value: f64 = decimal.parse().map_err(|_| NumberError::NotFinite)?;
    if !value.is_finite() || value.abs() > MAX_SAFE_INTEGER as f64 {
        return Err(if decimal.bytes().any(|b| b.is_ascii_digit()) {
            NumberError::UnsafeInteger
        } else {
            NumberError::NotFinite
        });
    }
    let start = out.len();
    write_f64(value, out)?;
    let written = std::str::from_utf8(&out[start..]).expect("digits are ASCII");
    if equal_decimals(decimal, written) {
        return Ok(());
    }
    out.truncate(start);
    Err(NumberError::Inexact)
}

/// Whether two decimals have the same value, however they are written.
///
/// Exact: nothing is rounded on the way.
pub fn equal_decimals(a: &str, b: &str) -> bool {
    Decimal::parse(a) == Decimal::parse(b)
}

/// How many digits a decimal has before and behind its point, when it is written without
/// an exponent and without zeros that say nothing.
///
/// `0.050` has none and two, `1.2e3` four and none.
pub fn decimal_digits(decimal: &str) -> (i64, i64) {
    let Decimal { digits, power, .. } = Decimal::parse(decimal);
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX / 4);
    match count {
        0 => (0, 0),
        _ => (power.max(0), (count - power).max(0)),
    }
}

// Up to fifteen digits and nothing else: what nearly every number in a table is.
fn short_integer(decimal: &str) -> Option<i64> {
    let digits = decimal.strip_prefix('-').unwrap_or(decimal);
    let short = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if short { decimal.parse().ok() } else { None }
}

fn write_small_integer(value: i64, out: &mut Vec<u8>) {
    use std::io::Write;
    write!(out, "{value}").expect("a Vec takes everything");
}

// A decimal as sign, digits without zeros at either end, and the power of ten that
// belongs to the first digit. Zero has no digits, no sign and no power.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    power: i64,
}

impl Decimal {
    fn parse(text: &str) -> Self {
        let negative = text.starts_with('-');
        let text = text.trim_start_matches(['-', '+']);
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let zeros = all.iter().take_while(|d| **d == b'0').count();
        let mut digits = all[zeros..].to_vec();
        digits.truncate(
            digits
                .iter()
                .rposition(|d| *d != b'0')
                .map_or(0, |last| last + 1),
        );
        if digits.is_empty() {
            return Self {
                negative: false,
                digits,
                power: 0,
            };
        }
        // An exponent too long for an i64 belongs to no number that a double holds, so
        // it may stand for any other such.
        let exponent: i64 = exponent.parse().unwrap_or(i64::MAX / 2);
        let whole_digits = i64::try_from(whole.len()).unwrap_or(i64::MAX / 4);
        let zeros = i64::try_from(zeros).unwrap_or(i64::MAX / 4);
        Self {
            negative,
            digits,
            power: exponent.saturating_add(whole_digits - zeros),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn decimal(text: &str, expected: Result<&str, NumberError>) {
        let mut out = Vec::new();
        let written = write_decimal(text, &mut out);
        let out = String::from_utf8(out).expect("ASCII");
        assert_eq!(written.map(|()| out.as_str()), expected, "{text}");
    }

    #[test]
    fn a_decimal_keeps_its_value_or_is_refused() {
        decimal("0", Ok("0"));
        decimal("-0", Ok("0"));
        decimal("-0.00", Ok("0"));
        decimal("007", Ok("7"));
        decimal("1.50", Ok("1.5"));
        decimal("1e2", Ok("100"));
        decimal("12.5E-1", Ok("1.25"));
        decimal("0.1", Ok("0.1"));
        decimal("0.30000000000000004", Ok("0.30000000000000004"));
        decimal("0.0000001", Ok("1e-7"));
        decimal("9007199254740991", Ok("9007199254740991"));
        decimal("-9007199254740991.000", Ok("-9007199254740991"));
        decimal("9007199254740992", Err(NumberError::UnsafeInteger));
        decimal("9007199254740993", Err(NumberError::UnsafeInteger));
        decimal("1e21", Err(NumberError::UnsafeInteger));
        decimal("1e999", Err(NumberError::UnsafeInteger));
        decimal("0.1234567890123456789", Err(NumberError::Inexact));
        decimal("0.10000000000000001", Err(NumberError::Inexact));
        decimal("1e-999", Err(NumberError::Inexact));
        decimal("1e-99999999999999999999", Err(NumberError::Inexact));
        decimal("NaN", Err(NumberError::NotFinite));
        decimal("-Infinity", Err(NumberError::NotFinite));
    }

    // RFC 8785 appendix B, the rows that are not refused there.
    #[test]
    fn doubles_are_written_as_rfc_8785_lists_them() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let mut out = Vec::new();
            write_f64(f64::from_bits(bits), &mut out).expect("finite");
            assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
        }
    }

    #[test]
    fn a_single_is_written_by_its_own_shortest_decimal() {
        for (value, expected) in [
            (0.1, "0.1"),
            (1.0, "1"),
            (-0.0, "0"),
            (16_777_216.0, "16777216"),
            // SELECT 1652739.25::real
            (f32::from_bits(0x49c9_c01a), "1652739.2"),
        ] {
            let mut out = Vec::new();
            write_f32(value, &mut out).expect("finite");
            assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
        }
        assert_eq!(
            write_f32(f32::NAN, &mut Vec::new()),
            Err(NumberError::NotFinite)
        );
    }

    #[test]
    fn digits_are_counted_without_the_zeros_that_say_nothing() {
        for (decimal, expected) in [
            ("0", (0, 0)),
            ("007.50", (1, 1)),
            ("0.050", (0, 2)),
            ("1.2e3", (4, 0)),
            ("-12e-4", (0, 4)),
            ("100", (3, 0)),
        ] {
            assert_eq!(decimal_digits(decimal), expected, "{decimal}");
        }
    }

    #[test]
    fn an_integer_beyond_the_safe_range_is_refused() {
        for value in [MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER] {
            assert_eq!(write_i64(value, &mut Vec::new()), Ok(()));
        }
        for value in [MAX_SAFE_INTEGER + 1, i64::MAX, i64::MIN] {
            assert_eq!(
                write_i64(value, &mut Vec::new()),
                Err(NumberError::UnsafeInteger)
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_value_that_came(mantissa: i64, scale in 0u32..30) {
            let digits = mantissa.unsigned_abs().to_string();
            let padded = format!("{digits:0>40}");
            let point = padded.len() - scale as usize;
            let sign = if mantissa < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{}0", &padded[..point], &padded[point..]);
            let mut out = Vec::new();
            if write_decimal(&text, &mut out).is_ok() {
                let written = String::from_utf8(out).expect("ASCII");
                prop_assert!(equal_decimals(&text, &written), "{text} became {written}");
                prop_assert_eq!(text.parse::<f64>().ok(), written.parse::<f64>().ok());
            }
        }

        #[test]
        fn a_double_survives(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let mut out = Vec::new();
            write_f64(value, &mut out).expect("finite");
            let back: f64 = std::str::from_utf8(&out).expect("ASCII").parse().expect("a number");
            prop_assert_eq!(back, value);
        }
    }
}
