//! Decimals of any length by their value: one spelling for each, and an order.
//!
//! Nothing here goes through a double, so `0.1` and the double that is nearest to it stay
//! two numbers, and digits beyond the seventeenth count.

/// A decimal as sign, digits without zeros at either end, and where its point stands:
/// `power` digits behind the first one's left edge. Zero has no digits.
struct Decimal {
    negative: bool,
    digits: String,
    power: i64,
}

// Longer plain spellings are hard to read; shorter ones keep ids and prices as they are.
const PLAIN: std::ops::RangeInclusive<i64> = -6..=40;

/// Appends the one spelling of the number that a JSON text has: `1.0`, `1e0` and `1` are
/// `1`, and `-0` is `0`.
pub(super) fn write(text: &str, out: &mut String) {
    if is_short_integer(text) {
        out.push_str(text);
        return;
    }
    match Decimal::parse(text) {
        Some(decimal) => decimal.write(out),
        // An exponent of twenty digits: nobody's number, and equal to itself.
        None => out.push_str(text),
    }
}

/// A text that stands among others as the number among the numbers.
pub(super) fn sortable(text: &str) -> String {
    let Some(Decimal {
        negative,
        digits,
        power,
    }) = Decimal::parse(text)
    else {
        return format!("z{text}");
    };
    let place = i128::from(power) - i128::from(i64::MIN);
    match (digits.is_empty(), negative) {
        (true, _) => "b".to_owned(),
        (false, false) => format!("c{place:020}{digits}"),
        (false, true) => {
            let nines = |digit: char| char::from(b'9' - (digit as u8 - b'0'));
            let digits: String = digits.chars().map(nines).collect();
            // Behind every digit: -1.25 comes before -1.2.
            format!("a{:020}{digits}~", i128::from(u64::MAX) - place)
        }
    }
}

fn is_short_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain && (!digits.starts_with('0') || text == "0")
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let zeros = i64::try_from(all.len() - significant.len()).ok()?;
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                power: 0,
            });
        }
        let exponent: i64 = exponent.parse().ok()?;
        let before = i64::try_from(whole.len()).ok()?.checked_sub(zeros)?;
        Some(Self {
            negative,
            digits,
            power: exponent.checked_add(before)?,
        })
    }

    fn write(&self, out: &mut String) {
        let Self { digits, power, .. } = self;
        if digits.is_empty() {
            return out.push('0');
        }
        if self.negative {
            out.push('-');
        }
        let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        if !PLAIN.contains(power) {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            out.push_str(&format!("{first}{point}{rest}e{}", power - 1));
        } else if *power <= 0 {
            out.push_str("0.");
            out.extend((*power..0).map(|_| '0'));
            out.push_str(digits);
        } else if count <= *power {
            out.push_str(digits);
            out.extend((count..*power).map(|_| '0'));
        } else {
            let (whole, fraction) = digits.split_at(usize::try_from(*power).unwrap_or_default());
            out.push_str(&format!("{whole}.{fraction}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(texts: &[&str], expected: &str) {
        for text in texts {
            let mut out = String::new();
            write(text, &mut out);
            assert_eq!(out, expected, "{text}");
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        check(&["1", "1.0", "1e0", "10e-1", "0.1E1", "1.000000"], "1");
        check(&["0", "-0", "0.00", "-0e5"], "0");
        check(&["100", "1e2", "1.00E+2"], "100");
        check(&["-0.5", "-5e-1", "-0.50"], "-0.5");
        check(&["12.25", "1225e-2"], "12.25");
        check(&["0.000001", "1e-6"], "0.000001");
        check(&["1e-40", "0.1e-39"], "1e-40");
        check(&["1e300", "10e299"], "1e300");
        check(
            &["9007199254740993", "9007199254740993.0"],
            "9007199254740993",
        );
        check(&["0.30000000000000004"], "0.30000000000000004");
        check(
            &["123456789012345678901234567890.5"],
            "123456789012345678901234567890.5",
        );
        check(&["1e99999999999999999999"], "1e99999999999999999999");
    }

    #[test]
    fn keys_that_are_numbers_come_in_order_of_value() {
        let ascending = [
            "-1e300", "-12", "-1.25", "-1.2", "-1", "-0.5", "0", "1e-9", "0.5", "1", "1.2", "1.25",
            "9", "10", "12", "1e300",
        ];
        for pair in ascending.windows(2) {
            assert!(sortable(pair[0]) < sortable(pair[1]), "{pair:?}");
        }
        assert_eq!(sortable("1.50"), sortable("15e-1"));
    }
}
