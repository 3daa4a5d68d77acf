//! `numeric`: decimal digits by fours.
//!
//! ```text
//! ndigits i16, weight i16, sign i16, dscale i16, then ndigits times i16 in 0..10000
//! value = ± sum of digit[i] * 10000^(weight - i)
//! ```

use snapshot_format::number::{self, NumberError};

use super::error::{ValueError, binary, refused_number};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;

/// Appends a `numeric` as a number, where a double keeps its value.
pub(super) fn write(value: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let numeric = Numeric::parse(value)?;
    if numeric.write_short(out) {
        return Ok(());
    }
    let decimal = numeric.to_decimal();
    number::write_decimal(&decimal, out).map_err(|error| refused_number(decimal, error))
}

struct Numeric<'v> {
    negative: bool,
    // The power of 10,000 that belongs to the first digit.
    weight: i32,
    digits: &'v [[u8; 2]],
}

impl<'v> Numeric<'v> {
    fn parse(value: &'v [u8]) -> Result<Self, ValueError> {
        let (words, odd) = value.as_chunks::<2>();
        let ([count, weight, sign, _scale, digits @ ..], []) = (words, odd) else {
            return binary(format!("a numeric of {} bytes", value.len()));
        };
        let negative = match u16::from_be_bytes(*sign) {
            POSITIVE => false,
            NEGATIVE => true,
            NAN => return Err(not_finite("NaN")),
            INFINITY => return Err(not_finite("Infinity")),
            MINUS_INFINITY => return Err(not_finite("-Infinity")),
            other => return binary(format!("a numeric with the sign {other:#06x}")),
        };
        let count = u16::from_be_bytes(*count);
        if usize::from(count) != digits.len() {
            let sent = digits.len();
            return binary(format!("a numeric of {sent} digits that claims {count}"));
        }
        let weight = i16::from_be_bytes(*weight).into();
        let numeric = Self {
            negative,
            weight,
            digits,
        };
        let odd = numeric.digits().find(|digit| *digit > 9999);
        match odd {
            Some(digit) => binary(format!("a numeric with the digit {digit}, not 0 to 9999")),
            None => Ok(numeric),
        }
    }

    fn digits(&self) -> impl Iterator<Item = u16> {
        self.digits.iter().map(|digit| u16::from_be_bytes(*digit))
    }

    // What nearly every numeric in a table is: up to fifteen digits, which a double keeps
    // (DBL_DIG), and of a size that ECMAScript writes without an exponent. So the digits
    // are written as they are, and nothing is allocated.
    fn write_short(&self, out: &mut Vec<u8>) -> bool {
        if self.digits.len() > 4 {
            return false;
        }
        let mut digits = self
            .digits()
            .fold(0, |sum, digit| sum * 10_000 + u64::from(digit));
        let mut exponent = 4 * (self.weight + 1 - self.digits.len() as i32);
        if digits == 0 {
            out.push(b'0');
            return true;
        }
        while digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        let count = digits.ilog10() as i32 + 1;
        // How many digits stand before the point.
        let whole = count + exponent;
        if count > 15 || !(-5..=15).contains(&whole) {
            return false;
        }
        if self.negative {
            out.push(b'-');
        }
        write_point(digits, count, whole, out);
        true
    }

    // The whole of it, however long: a numeric has up to 131072 digits before the point
    // and 16383 behind it.
    fn to_decimal(&self) -> String {
        use std::fmt::Write;
        let before = usize::try_from(self.weight + 1).unwrap_or(0);
        let zeros_behind = usize::try_from(-1 - self.weight).unwrap_or(0);
        let mut decimal = String::new();
        for index in 0..before.max(self.digits.len()) {
            if index == before {
                decimal.push('.');
                decimal.extend(std::iter::repeat_n("0000", zeros_behind));
            }
            let digit = self.digits.get(index).map_or(0, |d| u16::from_be_bytes(*d));
            write!(decimal, "{digit:04}").expect("a String takes everything");
        }
        let short = if decimal.contains('.') {
            decimal.trim_end_matches('0').trim_end_matches('.')
        } else {
            &decimal
        };
        let short = short.trim_start_matches('0');
        let sign = if self.negative { "-" } else { "" };
        let zero = if short.is_empty() || short.starts_with('.') {
            "0"
        } else {
            ""
        };
        format!("{sign}{zero}{short}")
    }
}

// `digits` with `whole` of them before the point.
fn write_point(digits: u64, count: i32, whole: i32, out: &mut Vec<u8>) {
    let mut buffer = [b'0'; 15];
    let mut rest = digits;
    for place in buffer[..count as usize].iter_mut().rev() {
        *place += (rest % 10) as u8;
        rest /= 10;
    }
    let written = &buffer[..count as usize];
    if whole <= 0 {
        out.extend_from_slice(b"0.");
        out.extend_from_slice(&b"00000"[..-whole as usize]);
        out.extend_from_slice(written);
    } else if whole >= count {
        // The zeros that were taken off are there still, behind the digits.
        out.extend_from_slice(&buffer[..whole as usize]);
    } else {
        let (before, behind) = written.split_at(whole as usize);
        out.extend_from_slice(before);
        out.push(b'.');
        out.extend_from_slice(behind);
    }
}

fn not_finite(name: &str) -> ValueError {
    refused_number(name, NumberError::NotFinite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(negative: bool, weight: i16, digits: &[u16]) -> Vec<u8> {
        let sign = if negative { NEGATIVE } else { POSITIVE };
        let header = [digits.len() as u16, weight as u16, sign, 0];
        let words = header.iter().chain(digits);
        words.flat_map(|word| word.to_be_bytes()).collect()
    }

    #[track_caller]
    fn decimal(negative: bool, weight: i16, digits: &[u16], expected: &str) {
        let value = sent(negative, weight, digits);
        let numeric = Numeric::parse(&value).expect("a numeric");
        assert_eq!(numeric.to_decimal(), expected);
    }

    #[test]
    fn a_decimal_has_every_digit_and_no_zeros_that_say_nothing() {
        decimal(false, 0, &[], "0");
        decimal(false, 0, &[0], "0");
        decimal(false, 0, &[7], "7");
        decimal(true, 1, &[7], "-70000");
        decimal(false, 1, &[7, 30, 1000], "70030.1");
        decimal(false, -1, &[30], "0.003");
        decimal(true, -3, &[30], "-0.00000000003");
        decimal(false, 0, &[10, 1], "10.0001");
        decimal(false, 2, &[1, 0, 0, 5000], "100000000.5");
        assert_eq!(
            Numeric::parse(&sent(false, i16::MAX, &[1]))
                .expect("a numeric")
                .to_decimal()
                .len(),
            131_069
        );
    }

    // Two ways to the same bytes: every size and place of the digits.
    #[test]
    fn the_short_way_writes_what_the_long_one_does() {
        let digits = [
            0, 1, 9, 10, 99, 100, 120, 999, 1000, 1234, 5000, 9000, 9990, 9999,
        ];
        let mut short_ones = 0;
        for weight in -6..=6 {
            for first in digits {
                for second in digits {
                    for third in [None, Some(0), Some(1), Some(100), Some(9999)] {
                        let all: Vec<u16> = [Some(first), Some(second), third, third]
                            .into_iter()
                            .flatten()
                            .collect();
                        for count in 0..=all.len() {
                            let value = sent(count % 2 == 1, weight, &all[..count]);
                            let numeric = Numeric::parse(&value).expect("a numeric");
                            let (mut short, mut long) = (Vec::new(), Vec::new());
                            if numeric.write_short(&mut short) {
                                number::write_decimal(&numeric.to_decimal(), &mut long)
                                    .expect("is exact");
                                assert_eq!(String::from_utf8(short), String::from_utf8(long));
                                short_ones += 1;
                            } else {
                                assert!(short.is_empty());
                            }
                        }
                    }
                }
            }
        }
        assert!(short_ones > 10_000, "{short_ones}");
    }
}
