//! Which bytes of a representation a `Range` field asks for, by RFC 9110 §14.
//!
//! Pure. A field that breaks the grammar, or asks for many small, overlapping
//! or reordered pieces whose sum is no gain, is ignored as §14.2 allows, so a
//! short request never makes a reply larger than the whole.

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header::RANGE;

/// More parts than any download manager asks for at once.
const MAX_PARTS: usize = 16;

/// What of the representation to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it, with 200.
    Whole,
    /// One part, with 206.
    Part(Range<u64>),
    /// Two or more parts, with 206 and `multipart/byteranges`.
    Parts(Vec<Range<u64>>),
    /// 416: the field is right, but nothing of it lies in the representation.
    Unsatisfiable,
}

/// Reads the `Range` field for a representation of `size_bytes`.
pub(crate) fn select(headers: &HeaderMap, size_bytes: u64) -> Selection {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Selection::Whole;
    };
    let Some(asked) = value.to_str().ok().and_then(parse) else {
        return Selection::Whole;
    };

    let mut parts: Vec<_> = asked
        .into_iter()
        .filter_map(|spec| spec.within(size_bytes))
        .collect();
    match parts.len() {
        0 => Selection::Unsatisfiable,
        1 => Selection::Part(parts.remove(0)),
        _ if is_wasteful(&parts, size_bytes) => Selection::Whole,
        _ => Selection::Parts(parts),
    }
}

/// One `range-spec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

impl Spec {
    /// The bytes it means, or `None` where it lies outside.
    fn within(self, size_bytes: u64) -> Option<Range<u64>> {
        let range = match self {
            Spec::From(first) => first..size_bytes,
            Spec::Between(first, last) => first..last.saturating_add(1).min(size_bytes),
            Spec::Last(length) => size_bytes.saturating_sub(length)..size_bytes,
        };
        (range.start < range.end).then_some(range)
    }
}

/// `bytes=` and its set of ranges; `None` for another unit or a broken field.
fn parse(field: &str) -> Option<Vec<Spec>> {
    let (unit, set) = field.split_once('=')?;
    // RFC 9110 §14.1: range units are compared without regard to case.
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for member in set
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
    {
        if member.is_empty() {
            continue;
        }
        if specs.len() == MAX_PARTS {
            return None;
        }
        specs.push(spec(member)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn spec(member: &str) -> Option<Spec> {
    let (first, last) = member.split_once('-')?;
    Some(match (first, last) {
        ("", last) => Spec::Last(number(last)?),
        (first, "") => Spec::From(number(first)?),
        // RFC 9110 §14.1.1: a last position before the first makes it invalid.
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))?
        }
    })
}

/// Digits of any length; beyond 2^64 every position lies outside anyway.
fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// What the parts cost must stay below the whole, heads of the parts included.
fn is_wasteful(parts: &[Range<u64>], size_bytes: u64) -> bool {
    const PART_HEAD_BYTES: u64 = 200;
    let overlap = parts.iter().enumerate().any(|(at, part)| {
        parts[..at]
            .iter()
            .any(|other| part.start < other.end && other.start < part.end)
    });
    let cost: u64 = parts
        .iter()
        .map(|part| part.end - part.start + PART_HEAD_BYTES)
        .sum();
    overlap || cost >= size_bytes
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const SIZE: u64 = 10_000;

    #[track_caller]
    fn check(field: &str, expected: Selection) {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_str(field).expect("a value"));
        assert_eq!(select(&headers, SIZE), expected, "Range: {field}");
    }

    #[test]
    fn the_examples_of_the_rfc() {
        check("bytes=0-499", Selection::Part(0..500));
        check("bytes=500-999", Selection::Part(500..1000));
        check("bytes=-500", Selection::Part(9500..10_000));
        check("bytes=9500-", Selection::Part(9500..10_000));
        check("bytes=0-0,-1", Selection::Parts(vec![0..1, 9999..10_000]));
        check(
            "bytes= 0-999, 4500-5499, -1000",
            Selection::Parts(vec![0..1000, 4500..5500, 9000..10_000]),
        );
    }

    #[test]
    fn a_range_is_cut_at_the_end() {
        check(
            "bytes=9990-99999999999999999999999",
            Selection::Part(9990..10_000),
        );
        check("bytes=-20000", Selection::Part(0..10_000));
        check("bytes=0-", Selection::Part(0..10_000));
        check("Bytes=0-0", Selection::Part(0..1));
    }

    #[test]
    fn nothing_inside_is_unsatisfiable() {
        check("bytes=10000-", Selection::Unsatisfiable);
        check("bytes=-0", Selection::Unsatisfiable);
        check("bytes=20000-30000, -0", Selection::Unsatisfiable);
        check("bytes=20000-30000, 0-9", Selection::Part(0..10));
    }

    #[test]
    fn a_broken_field_or_another_unit_is_ignored() {
        for field in [
            "bytes=10-5",
            "bytes=a-b",
            "bytes=",
            "bytes",
            "bytes=-",
            "bytes=1",
            "items=0-1",
            "bytes=0-1,x",
            "bytes=0x1-2",
            "bytes=+1-2",
            "bytes=0 - 1",
            "bytes=,",
            "none",
        ] {
            check(field, Selection::Whole);
        }
    }

    #[test]
    fn ranges_that_cost_more_than_the_whole_are_ignored() {
        check("bytes=0-99,50-149", Selection::Whole);
        check("bytes=0-4999,5000-9999", Selection::Whole);
        check(&format!("bytes={}", ["0-9"; 3].join(",")), Selection::Whole);
        check(
            &format!(
                "bytes={}",
                (0..17)
                    .map(|i| format!("{i}-{i}"))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
            Selection::Whole,
        );
    }

    #[test]
    fn two_fields_or_an_empty_representation_have_no_range() {
        let mut headers = HeaderMap::new();
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(select(&headers, 0), Selection::Unsatisfiable);
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(select(&headers, SIZE), Selection::Whole);
    }

    proptest::proptest! {
        #[test]
        fn no_field_reaches_outside_or_costs_more_than_the_whole(
            field in "(bytes=)?[0-9,\\- ]{0,40}|\\PC{0,40}",
            size in 0_u64..5000,
        ) {
            let Ok(value) = HeaderValue::from_str(&field) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(RANGE, value)]);
            let parts = match select(&headers, size) {
                Selection::Whole | Selection::Unsatisfiable => return Ok(()),
                Selection::Part(part) => vec![part],
                Selection::Parts(parts) => parts,
            };
            let sent: u64 = parts.iter().map(|part| part.end - part.start).sum();
            proptest::prop_assert!(sent <= size);
            proptest::prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
        }
    }
}
