//! `interval`: months, days and microseconds, which have no fixed length in one another.

use std::fmt;

const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const MICROSECONDS_PER_MINUTE: i64 = 60 * MICROSECONDS_PER_SECOND;
const MICROSECONDS_PER_HOUR: i64 = 60 * MICROSECONDS_PER_MINUTE;

/// A span of time as PostgreSQL keeps it. It is written as ISO 8601 has it, each part with
/// its own sign, as PostgreSQL does under `intervalstyle = iso_8601`: `P1Y2M`,
/// `P1DT-2H-0.5S`, and `PT0S` for none at all.
///
/// # Examples
/// ```
/// use snapshot_format::Interval;
/// let interval = Interval::parse("P14MT90M").expect("an interval");
/// assert_eq!(interval.to_string(), "P1Y2MT1H30M");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months; twelve are a year.
    pub months: i32,
    /// Whole days, which PostgreSQL keeps apart from months and from hours; they may be
    /// negative.
    pub days: i32,
    /// Microseconds; those of an hour and a minute are always as many.
    pub microseconds: i64,
}

impl Interval {
    /// Reads ISO 8601's form with designators, also in other spellings than the canonical
    /// one: `P2W`, `PT90M`. `None` where it is none, or beyond what PostgreSQL keeps.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('P')?;
        let (date, time) = match rest.split_once('T') {
            Some((date, time)) if !time.is_empty() => (date, time),
            Some(_) => return None,
            None => (rest, ""),
        };
        if date.is_empty() && time.is_empty() {
            return None;
        }
        let [years, months, weeks, days] = parts(date, ['Y', 'M', 'W', 'D'])?;
        let [hours, minutes, seconds] = parts(time, ['H', 'M', 'S'])?;
        let whole = |part: &str, unit: i128| Some(i128::from(part.parse::<i64>().ok()?) * unit);
        let microseconds = whole(hours, MICROSECONDS_PER_HOUR.into())?
            + whole(minutes, MICROSECONDS_PER_MINUTE.into())?
            + seconds_of(seconds)?;
        Some(Self {
            months: i32::try_from(whole(years, 12)? + whole(months, 1)?).ok()?,
            days: i32::try_from(whole(weeks, 7)? + whole(days, 1)?).ok()?,
            microseconds: i64::try_from(microseconds).ok()?,
        })
    }

    /// Its length in microseconds as PostgreSQL compares intervals: by months of 30 days
    /// and days of 24 hours, so that `P1M` and `P30D` are equal to it.
    pub fn span(&self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * 24 * i128::from(MICROSECONDS_PER_HOUR) + i128::from(self.microseconds)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            months,
            days,
            microseconds,
        } = *self;
        if (months, days, microseconds) == (0, 0, 0) {
            return f.write_str("PT0S");
        }
        f.write_str("P")?;
        let (years, months) = (i64::from(months / 12), i64::from(months % 12));
        for (number, unit) in [(years, 'Y'), (months, 'M'), (days.into(), 'D')] {
            write_part(f, number, unit)?;
        }
        if microseconds == 0 {
            return Ok(());
        }
        f.write_str("T")?;
        write_part(f, microseconds / MICROSECONDS_PER_HOUR, 'H')?;
        let minutes = microseconds % MICROSECONDS_PER_HOUR / MICROSECONDS_PER_MINUTE;
        write_part(f, minutes, 'M')?;
        write_seconds(f, microseconds % MICROSECONDS_PER_MINUTE)
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, number: i64, unit: char) -> fmt::Result {
    match number {
        0 => Ok(()),
        number => write!(f, "{number}{unit}"),
    }
}

// Less than a minute; the fraction without zeros at its end.
fn write_seconds(f: &mut fmt::Formatter<'_>, microseconds: i64) -> fmt::Result {
    if microseconds == 0 {
        return Ok(());
    }
    let sign = if microseconds < 0 { "-" } else { "" };
    let seconds = (microseconds / MICROSECONDS_PER_SECOND).abs();
    match (microseconds % MICROSECONDS_PER_SECOND).abs() {
        0 => write!(f, "{sign}{seconds}S"),
        fraction => {
            let digits = format!("{fraction:06}");
            write!(f, "{sign}{seconds}.{}S", digits.trim_end_matches('0'))
        }
    }
}

// The numbers in front of these units, in this order, `0` where a unit is not there.
fn parts<const COUNT: usize>(mut text: &str, units: [char; COUNT]) -> Option<[&str; COUNT]> {
    let mut parts = ["0"; COUNT];
    for (part, unit) in parts.iter_mut().zip(units) {
        let Some((number, rest)) = text.split_once(unit) else {
            continue;
        };
        // What stands between belongs to a unit that comes too late.
        let digits = number.strip_prefix('-').unwrap_or(number);
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if !is_number(whole) || !is_number(fraction) || digits.contains('.') && unit != 'S' {
            return None;
        }
        (*part, text) = (number, rest);
    }
    text.is_empty().then_some(parts)
}

// In microseconds, and no finer.
fn seconds_of(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 6 {
        return None;
    }
    let seconds = i128::from(whole.parse::<i64>().ok()?).abs();
    let fraction: i128 = format!("{fraction:0<6}").parse().ok()?;
    let microseconds = seconds * i128::from(MICROSECONDS_PER_SECOND) + fraction;
    Some(if text.starts_with('-') {
        -microseconds
    } else {
        microseconds
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_one_canonical_form() {
        for (text, canonical) in [
            ("PT0S", "PT0S"),
            ("P0Y", "PT0S"),
            ("PT-0S", "PT0S"),
            ("P1Y2M3DT4H5M6S", "P1Y2M3DT4H5M6S"),
            ("P14M", "P1Y2M"),
            ("P-14M", "P-1Y-2M"),
            ("P1Y-14M", "P-2M"),
            ("P2W", "P14D"),
            ("P40D", "P40D"),
            ("PT90M", "PT1H30M"),
            ("PT-90M", "PT-1H-30M"),
            ("PT1H-0.5S", "PT59M59.5S"),
            ("PT36H", "PT36H"),
            ("PT0.5S", "PT0.5S"),
            ("PT-0.500000S", "PT-0.5S"),
            ("PT1.000001S", "PT1.000001S"),
            ("PT1.0000010S", "PT1.000001S"),
            ("P1DT-0.000001S", "P1DT-0.000001S"),
            ("P-1Y2DT-3H", "P-1Y2DT-3H"),
            (
                "P178956970Y7M2147483647DT2562047788H54.775807S",
                "P178956970Y7M2147483647DT2562047788H54.775807S",
            ),
            (
                "P-178956970Y-8M-2147483648DT-2562047788H-54.775808S",
                "P-178956970Y-8M-2147483648DT-2562047788H-54.775808S",
            ),
        ] {
            let interval = Interval::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(interval.to_string(), canonical, "{text}");
            assert_eq!(Interval::parse(canonical), Some(interval), "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_of_postgresql_is_none() {
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "P1H",
            "PT1D",
            "P1DT",
            "1D",
            "p1d",
            "P1d",
            "P 1D",
            "P+1D",
            "P--1D",
            "P1.5D",
            "PT1.5H",
            "P1D1Y",
            "P1Y1Y",
            "PT1S1M",
            "PT.5S",
            "PT1.S",
            "PT0.0000001S",
            "P1D ",
            "P178956970Y8M",
            "P2147483648D",
            "PT2562047788H54.775808S",
            "P99999999999999999999D",
            "infinity",
            "01:30:00",
            "P٣D",
        ] {
            assert_eq!(Interval::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_month_is_compared_as_thirty_days() {
        let span = |text: &str| Interval::parse(text).expect("an interval").span();
        assert_eq!(span("P1M"), span("P30D"));
        assert_eq!(span("P1D"), span("PT24H"));
        assert!(span("P1M") < span("P30DT0.000001S"));
    }
}
