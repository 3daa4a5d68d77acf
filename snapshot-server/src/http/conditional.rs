//! Preconditions, in the order of RFC 9110 §13.2.2.
//!
//! Pure: the request's fields and the selected representation's validators in,
//! a decision out. Only GET and HEAD come here, so a false `If-None-Match` is
//! always a 304.

use std::time::SystemTime;

use hyper::HeaderMap;
use hyper::header::{
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};

/// What identifies the representation that would be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// A strong entity tag, with its quotes.
    pub(crate) etag: &'a [u8],
    /// Whole seconds. `None` for what may change twice in a second: a date
    /// could then answer 304 to a client that has the other bytes.
    pub(crate) last_modified: Option<SystemTime>,
}

/// What the preconditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Perform the request.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Evaluates everything but `If-Range`, which only matters to a range.
pub(crate) fn evaluate(headers: &HeaderMap, current: Validators<'_>) -> Decision {
    // Steps 1 and 2: If-Match, and If-Unmodified-Since only without it.
    if headers.contains_key(IF_MATCH) {
        if !any_tag(lines(headers, IF_MATCH), |tag| {
            tag.matches_strongly(current.etag)
        }) {
            return Decision::PreconditionFailed;
        }
    } else if let (Some(limit), Some(modified)) =
        (date(headers, IF_UNMODIFIED_SINCE), current.last_modified)
        && modified > limit
    {
        return Decision::PreconditionFailed;
    }
    // Steps 3 and 4: If-None-Match, and If-Modified-Since only without it.
    if headers.contains_key(IF_NONE_MATCH) {
        if is_cached(lines(headers, IF_NONE_MATCH), current.etag) {
            return Decision::NotModified;
        }
    } else if let (Some(since), Some(modified)) =
        (date(headers, IF_MODIFIED_SINCE), current.last_modified)
        && modified <= since
    {
        return Decision::NotModified;
    }
    Decision::Proceed
}

/// Whether the client has these very bytes, by its `If-None-Match` lines.
pub(crate) fn is_cached<'a>(lines: impl Iterator<Item = &'a [u8]>, etag: &[u8]) -> bool {
    any_tag(lines, |tag| tag.matches_weakly(etag))
}

/// RFC 9110 §13.1.5: whether a range may be sent, for `If-Range` says that the
/// client's part belongs to these very bytes. True without the field.
pub(crate) fn range_applies(headers: &HeaderMap, current: Validators<'_>) -> bool {
    let mut values = headers.get_all(IF_RANGE).iter();
    let (Some(value), another) = (values.next(), values.next()) else {
        return true;
    };
    if another.is_some() {
        return false;
    }
    match Tag::parse(value.as_bytes()) {
        Some((tag, rest)) => rest.is_empty() && tag.matches_strongly(current.etag),
        // The date must match exactly; a later one is another representation's.
        None => date(headers, IF_RANGE).is_some_and(|date| current.last_modified == Some(date)),
    }
}

/// One member of a list of entity tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag<'a> {
    Any,
    Strong(&'a [u8]),
    Weak(&'a [u8]),
}

impl<'a> Tag<'a> {
    /// Reads one tag off the front: itself and what follows it.
    fn parse(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        match input {
            [b'*', rest @ ..] => Some((Tag::Any, rest)),
            [b'W', b'/', rest @ ..] => quoted(rest).map(|(tag, rest)| (Tag::Weak(tag), rest)),
            _ => quoted(input).map(|(tag, rest)| (Tag::Strong(tag), rest)),
        }
    }

    fn matches_strongly(self, etag: &[u8]) -> bool {
        match self {
            Tag::Any => true,
            Tag::Strong(tag) => tag == etag,
            Tag::Weak(_) => false,
        }
    }

    /// CDNs that recompress weaken our tags, and send them back so.
    fn matches_weakly(self, etag: &[u8]) -> bool {
        match self {
            Tag::Any => true,
            Tag::Strong(tag) | Tag::Weak(tag) => tag == etag,
        }
    }
}

/// `DQUOTE *etagc DQUOTE` with its quotes, and the rest. A comma may stand inside.
fn quoted(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'"', inner @ ..] = input else {
        return None;
    };
    let end = inner.iter().position(|byte| *byte == b'"')?;
    let is_etagc = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..);
    inner[..end]
        .iter()
        .all(is_etagc)
        .then(|| input.split_at(end + 2))
}

fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

/// Whether a tag of any field line satisfies `matches`. What follows a broken
/// member of a line is not read: nobody knows where the next one begins.
fn any_tag<'a>(
    mut lines: impl Iterator<Item = &'a [u8]>,
    matches: impl Fn(Tag<'_>) -> bool,
) -> bool {
    lines.any(|line| {
        let mut rest = line;
        loop {
            rest = trim_list(rest);
            let Some((tag, after)) = Tag::parse(rest) else {
                return false;
            };
            let after = after.trim_ascii_start();
            // `"a""b"` is no list; neither is `*` beside other members.
            if !(after.is_empty() || after[0] == b',') {
                return false;
            }
            if matches(tag) {
                return true;
            }
            rest = after;
        }
    })
}

fn trim_list(input: &[u8]) -> &[u8] {
    let start = input
        .iter()
        .position(|byte| !matches!(byte, b',' | b' ' | b'\t'));
    start.map_or(&[], |at| &input[at..])
}

/// A date field in any of the three forms of RFC 9110 §5.6.7. One that is
/// repeated or does not parse is ignored, as §13.1.3 and §13.1.4 ask.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    // 784111777: the date that RFC 9110 §5.6.7 writes in its three forms.
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn current() -> Validators<'static> {
        let last_modified = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        Validators {
            etag: b"\"xyzzy\"",
            last_modified,
        }
    }

    fn fields(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                name,
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        headers
    }

    #[track_caller]
    fn check(lines: &[(HeaderName, &str)], expected: Decision) {
        assert_eq!(evaluate(&fields(lines), current()), expected, "{lines:?}");
    }

    #[test]
    fn if_none_match_compares_weakly_in_lists_and_star() {
        for value in [
            "\"xyzzy\"",
            "W/\"xyzzy\"",
            "*",
            "\"a\", W/\"xyzzy\"",
            ",\"a,b\" ,\"xyzzy\",",
        ] {
            check(&[(IF_NONE_MATCH, value)], Decision::NotModified);
        }
        for value in [
            "\"other\"",
            "xyzzy",
            "",
            "w/\"xyzzy\"",
            "\"a\" \"xyzzy\"",
            "\"xyzzy",
            "W/ \"xyzzy\"",
        ] {
            check(&[(IF_NONE_MATCH, value)], Decision::Proceed);
        }
        check(
            &[(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, "\"xyzzy\"")],
            Decision::NotModified,
        );
    }

    #[test]
    fn if_match_compares_strongly() {
        check(&[(IF_MATCH, "\"xyzzy\"")], Decision::Proceed);
        check(&[(IF_MATCH, "\"a\", \"xyzzy\"")], Decision::Proceed);
        check(&[(IF_MATCH, "*")], Decision::Proceed);
        check(&[(IF_MATCH, "W/\"xyzzy\"")], Decision::PreconditionFailed);
        check(&[(IF_MATCH, "\"a\"")], Decision::PreconditionFailed);
        check(&[(IF_MATCH, "")], Decision::PreconditionFailed);
    }

    #[test]
    fn dates_decide_only_without_tags() {
        check(&[(IF_MODIFIED_SINCE, DATE)], Decision::NotModified);
        check(&[(IF_MODIFIED_SINCE, LATER)], Decision::NotModified);
        check(&[(IF_MODIFIED_SINCE, EARLIER)], Decision::Proceed);
        check(&[(IF_UNMODIFIED_SINCE, DATE)], Decision::Proceed);
        check(
            &[(IF_UNMODIFIED_SINCE, EARLIER)],
            Decision::PreconditionFailed,
        );
        check(
            &[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, DATE)],
            Decision::Proceed,
        );
        check(
            &[(IF_MATCH, "\"xyzzy\""), (IF_UNMODIFIED_SINCE, EARLIER)],
            Decision::Proceed,
        );
    }

    #[test]
    fn all_three_date_forms_are_read_and_others_ignored() {
        check(
            &[(IF_MODIFIED_SINCE, "Sunday, 06-Nov-94 08:49:37 GMT")],
            Decision::NotModified,
        );
        check(
            &[(IF_MODIFIED_SINCE, "Sun Nov  6 08:49:37 1994")],
            Decision::NotModified,
        );
        check(&[(IF_MODIFIED_SINCE, "yesterday")], Decision::Proceed);
        check(&[(IF_MODIFIED_SINCE, "784111777")], Decision::Proceed);
        check(&[(IF_UNMODIFIED_SINCE, "never")], Decision::Proceed);
        check(
            &[(IF_MODIFIED_SINCE, DATE), (IF_MODIFIED_SINCE, DATE)],
            Decision::Proceed,
        );
    }

    #[test]
    fn a_failed_if_match_comes_before_a_304() {
        check(
            &[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "\"xyzzy\"")],
            Decision::PreconditionFailed,
        );
        check(
            &[(IF_UNMODIFIED_SINCE, EARLIER), (IF_NONE_MATCH, "*")],
            Decision::PreconditionFailed,
        );
        check(
            &[(IF_MATCH, "\"xyzzy\""), (IF_NONE_MATCH, "\"xyzzy\"")],
            Decision::NotModified,
        );
    }

    #[test]
    fn without_a_modification_date_dates_say_nothing() {
        let current = Validators {
            last_modified: None,
            ..current()
        };
        for name in [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
            assert_eq!(
                evaluate(&fields(&[(name, EARLIER)]), current),
                Decision::Proceed
            );
        }
        assert!(!range_applies(&fields(&[(IF_RANGE, DATE)]), current));
    }

    #[test]
    fn if_range_needs_the_very_same_bytes() {
        let applies = |value| range_applies(&fields(&[(IF_RANGE, value)]), current());
        assert!(range_applies(&fields(&[]), current()));
        assert!(applies("\"xyzzy\""));
        assert!(applies(DATE));
        for value in [
            "W/\"xyzzy\"",
            "\"a\"",
            LATER,
            EARLIER,
            "",
            "\"xyzzy\", \"b\"",
            "garbage",
        ] {
            assert!(!applies(value), "{value}");
        }
        assert!(!range_applies(
            &fields(&[(IF_RANGE, "\"xyzzy\""), (IF_RANGE, "\"xyzzy\"")]),
            current()
        ));
    }

    proptest::proptest! {
        #[test]
        fn no_list_of_other_tags_matches(field in "(W/)?\"[a-w,]{0,8}\"(, ?\"[a-w]{0,3}\"){0,3}|\\PC{0,40}") {
            proptest::prop_assume!(!field.contains('*') && !field.contains("xyzzy"));
            let Ok(value) = HeaderValue::from_bytes(field.as_bytes()) else { return Ok(()) };
            let if_none_match = HeaderMap::from_iter([(IF_NONE_MATCH, value.clone())]);
            proptest::prop_assert_eq!(evaluate(&if_none_match, current()), Decision::Proceed);
            let if_match = HeaderMap::from_iter([(IF_MATCH, value)]);
            proptest::prop_assert_eq!(evaluate(&if_match, current()), Decision::PreconditionFailed);
        }
    }
}
