//! Times, to the microsecond.

use jiff::civil;

// PostgreSQL has the end of the day beside its beginning.
pub(super) fn is_end_of_day(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("24:00") else {
        return false;
    };
    let fraction = rest.strip_prefix(":00.").unwrap_or("0");
    let is_whole = matches!(rest, "" | ":00") || rest.starts_with(":00.");
    is_whole && (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte == b'0')
}

// Without a zone it is UTC, which is how it is published.
pub(super) fn convert_timestamp(text: &str, out: &mut String) -> Option<()> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (_, time) = text.split_once(['T', 't', ' '])?;
    if time.contains(['+', '-', '[', 'Z', 'z']) || is_leap_second(time) {
        return None;
    }
    let moment: civil::DateTime = text.parse().ok()?;
    let exact = moment.subsec_nanosecond() % 1000 == 0 && moment.year() > 0;
    exact.then(|| out.push_str(&moment.to_string()))
}

pub(super) fn convert_timestamp_tz(text: &str, out: &mut String) -> Option<()> {
    let (_, time) = text.split_once(['T', 't', ' '])?;
    if is_leap_second(time) {
        return None;
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    let civil = moment.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    let exact = civil.subsec_nanosecond() % 1000 == 0 && civil.year() > 0;
    exact.then(|| out.push_str(&moment.to_string()))
}

// 23:59:60 would be read as the second before it.
pub(super) fn is_leap_second(time: &str) -> bool {
    let digits: Vec<char> = time
        .trim_start_matches(['T', 't'])
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ':')
        .filter(char::is_ascii_digit)
        .collect();
    digits.get(4..6) == Some(&['6', '0'])
}
