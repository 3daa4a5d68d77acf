//! What a path asks for. Pure: no path ever becomes a file name here.

use std::borrow::Cow;

use snapshot_format::Key;

/// Where the plan's endpoints begin.
pub(crate) const API: &str = "/api/v1/reference/";

/// Whom a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// Everybody.
    Public,
    /// Those who run the server: its counters, and nothing of the snapshot.
    Operator,
}

/// What a path that the current snapshot does not know may still mean.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `/health`, and `/api/health`, as the plan calls it: the process lives.
    Health,
    /// `/ready`: a valid snapshot is loaded.
    Ready,
    /// `/events`: another version is there.
    Events,
    /// `/api/v1/reference/…`, by the name that follows.
    Api(&'a str),
    /// A key of the store, perhaps of an older version.
    Stored(Key),
    /// Nothing of ours.
    Unknown,
}

/// Reads a path in its canonical spelling.
pub(crate) fn route(path: &str) -> Route<'_> {
    match path {
        "/health" | "/api/health" => return Route::Health,
        "/ready" => return Route::Ready,
        "/events" => return Route::Events,
        _ => {}
    }
    if let Some(name) = path.strip_prefix(API) {
        return Route::Api(name);
    }
    // The only way from a request to a file: a key has one spelling, made of
    // words we know, table keys and hexadecimal digits.
    match path.strip_prefix('/').and_then(Key::parse) {
        Some(key) => Route::Stored(key),
        None => Route::Unknown,
    }
}

/// A `%` without two hexadecimal digits after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadEscape;

/// The one spelling of a path: RFC 3986 §6.2.2.2 makes `/%76ersion.json` the
/// same as `/version.json`. Only unreserved characters are decoded, so an
/// encoded slash, dot segment or NUL stays what it is: a name that nothing has.
pub(crate) fn canonical(path: &str) -> Result<Cow<'_, str>, BadEscape> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let digits = after
            .get(..2)
            .filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        let digits = digits.ok_or(BadEscape)?;
        let byte = u8::from_str_radix(digits, 16).expect("two hexadecimal digits");
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            decoded.push(char::from(byte));
        } else {
            decoded.push('%');
            decoded.push_str(digits);
        }
        rest = &after[2..];
    }
    decoded.push_str(rest);
    Ok(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests {
    use snapshot_format::ObjectHash;

    use super::*;

    #[test]
    fn paths_of_ours_are_found() {
        let hash = ObjectHash::of(b"");
        assert_eq!(route("/health"), Route::Health);
        assert_eq!(route("/api/health"), Route::Health);
        assert_eq!(route("/ready"), Route::Ready);
        assert_eq!(route("/events"), Route::Events);
        assert_eq!(route("/api/v1/reference/grips"), Route::Api("grips"));
        assert_eq!(route("/version.json"), Route::Stored(Key::Version));
        let bootstrap = format!("/bootstrap/{hash}.json");
        assert_eq!(route(&bootstrap), Route::Stored(Key::Bootstrap(hash, None)));
    }

    #[test]
    fn no_other_spelling_reaches_a_file() {
        let hash = ObjectHash::of(b"");
        for path in [
            "",
            "*",
            "/",
            "//version.json",
            "/./version.json",
            "/a/../version.json",
            "/version.json/",
            "/VERSION.JSON",
            "/version.json.",
            "/version.json::$DATA",
            "/versio~1.jso",
            "/.git/config",
            "/manifests/",
            "/manifests/..",
            "/manifests/con.json",
            "/tables/grips",
            "/..%2fversion.json",
            "\\version.json",
            "/bootstrap\\x.json",
            "/version.json%00",
            "/version.json%20",
            "/health/",
            "/api/health/",
            "/api/ready",
        ] {
            let path = canonical(path).expect("escapes are well formed");
            assert_eq!(route(&path), Route::Unknown, "{path}");
        }
        for table in ["..", ".", "con.", "%2e%2e", "a%2fb", "a\u{0}", "ä", ""] {
            let path = format!("/tables/{table}/{hash}.json");
            let path = canonical(&path).expect("escapes are well formed");
            assert_eq!(route(&path), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn only_unreserved_characters_are_decoded() {
        let check = |path, expected: Result<&str, BadEscape>| {
            assert_eq!(canonical(path), expected.map(Cow::from), "{path}");
        };
        check("/version.json", Ok("/version.json"));
        check("/%76ersion%2Ejson", Ok("/version.json"));
        check("/%2e%2E%2F%00%c3", Ok("/..%2F%00%c3"));
        check("/%", Err(BadEscape));
        check("/%4", Err(BadEscape));
        check("/%zz", Err(BadEscape));
        check("/%4ä", Err(BadEscape));
        check("/a%2", Err(BadEscape));
    }

    proptest::proptest! {
        #[test]
        fn a_key_is_the_only_way_to_a_file(path in "/[a-z0-9./%\\\\]{0,30}|\\PC{0,60}") {
            let Ok(decoded) = canonical(&path) else { return Ok(()) };
            // Decoding is done once: what it gives is its own spelling.
            proptest::prop_assert_eq!(canonical(&decoded), Ok(Cow::from(decoded.as_ref())));
            if let Route::Stored(key) = route(&decoded) {
                let file = key.path();
                proptest::prop_assert_eq!(format!("/{file}"), decoded);
                proptest::prop_assert!(!file.contains("..") && !file.starts_with('/'));
            }
        }
    }
}
