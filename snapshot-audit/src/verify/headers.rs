//! Header fields: what a CDN, a browser and an app need beside the bytes. Pure.

use std::collections::BTreeMap;

use http::HeaderMap;
use snapshot_format::{Cache, Key};

use super::finding::Severity;

/// Something about a response's fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) severity: Severity,
    pub(super) what: &'static str,
    pub(super) expected: String,
    pub(super) found: String,
}

/// Beyond this the pointer is no longer one: an app would learn of a new version, and of
/// a rollback, only so much later.
const MOST_POINTER_SECONDS: u64 = 300;
/// From here on it is worth a word.
const MUCH_POINTER_SECONDS: u64 = 60;
/// Less than a week makes a cache fetch again what never changes.
const LEAST_OBJECT_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Judges the fields of a 200 for `key`.
pub(super) fn of_content(key: &Key, headers: &HeaderMap) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let cached = CacheControl::of(headers);
    remarks.extend(match key.cache() {
        Cache::Briefly => of_pointer(&cached),
        Cache::Forever => of_immutable(&cached),
    });
    if field(headers, "etag").is_none() {
        remarks.push(warning("ETag", "a tag", "none"));
    }
    if field(headers, "access-control-allow-origin").is_none() {
        let expected = "*, or the page's origin";
        remarks.push(warning("Access-Control-Allow-Origin", expected, "none"));
    }
    let media_type = field(headers, "content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if key.encoding().is_none() && !essence.eq_ignore_ascii_case("application/json") {
        remarks.push(warning(
            "Content-Type",
            "application/json",
            or_none(&media_type),
        ));
    }
    // A compressed file that calls itself coded is unpacked on the way, and is no longer
    // what was asked for; and nobody asked for a coding otherwise.
    if let Some(coding) = coding(headers) {
        remarks.push(fault("Content-Encoding, asked for without", "none", coding));
    }
    remarks
}

/// Judges the fields of a 200 that was chosen by `Accept-Encoding`.
pub(super) fn of_negotiated(headers: &HeaderMap) -> Vec<Remark> {
    let vary = field(headers, "vary").unwrap_or_default();
    let varies = vary
        .split(',')
        .any(|name| name.trim().eq_ignore_ascii_case("accept-encoding") || name.trim() == "*");
    match coding(headers) {
        // A cache would give the coded bytes to whoever cannot read them.
        Some(_) if !varies => vec![fault("Vary", "Accept-Encoding", or_none(&vary))],
        _ => Vec::new(),
    }
}

/// Judges the fields of the answer for a hashed path under which nothing lies.
pub(super) fn of_absence(headers: &HeaderMap) -> Vec<Remark> {
    let cached = CacheControl::of(headers);
    let seconds = cached.seconds().unwrap_or(0);
    if cached.has("no-store") || cached.has("no-cache") || cached.seconds() == Some(0) {
        return Vec::new();
    }
    let what = "Cache-Control of what is not there";
    match cached.is_empty() {
        // Many caches then keep it for some seconds by a rule of their own.
        true => vec![warning(what, "no-store", "none")],
        // An object that is published a moment later stays missing for so long.
        false if seconds > 0 || cached.has("immutable") => {
            vec![fault(what, "no-store", &cached.text)]
        }
        false => vec![warning(what, "no-store", &cached.text)],
    }
}

/// Judges the fields of an answer that is no object: a range that is not there, a folder,
/// a redirect. Whoever keeps it keeps it in place of what is there later.
pub(super) fn of_refusal(status: u16, what: &'static str, headers: &HeaderMap) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let cached = CacheControl::of(headers);
    let is_never_kept = cached.has("no-store") || cached.has("no-cache");
    let is_kept = cached.has("immutable") || cached.seconds().is_some_and(|seconds| seconds > 0);
    // RFC 9110 §15.1: these are kept by a cache's own rule where nothing is said.
    let is_kept_unasked = matches!(status, 200 | 203 | 300 | 301 | 308) && cached.is_empty();
    let found = format!("{} with status {status}", or_none(&cached.text));
    if is_kept && (!is_never_kept || cached.has("immutable")) {
        remarks.push(fault(what, "no-store", &found));
    } else if is_kept_unasked {
        remarks.push(warning(what, "no-store", &found));
    }
    // The Fetch standard: two values are no value, and a page may read nothing.
    let origins: Vec<_> = headers
        .get_all("access-control-allow-origin")
        .iter()
        .collect();
    if origins.len() > 1 {
        let found = format!("{} with status {status}", origins.len());
        remarks.push(fault("Access-Control-Allow-Origin lines", "1", &found));
    }
    remarks
}

/// Judges the fields of the answer to HEAD by those to GET: the same, as far as both say
/// anything (RFC 9110 §9.3.2).
pub(super) fn of_head(get: &HeaderMap, head: &HeaderMap) -> Vec<Remark> {
    let names = [
        ("HEAD: Content-Length", "content-length"),
        ("HEAD: Content-Type", "content-type"),
        ("HEAD: Content-Encoding", "content-encoding"),
        ("HEAD: Cache-Control", "cache-control"),
        ("HEAD: ETag", "etag"),
    ];
    let differing = names.into_iter().filter_map(|(what, name)| {
        let (expected, found) = (field(get, name), field(head, name));
        // RFC 9110 §8.6: a length may be left out where there is no body.
        let may_lack = name == "content-length" && (found.is_none() || expected.is_none());
        (expected != found && !may_lack).then(|| {
            let text = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
            fault(what, &text(expected), &text(found))
        })
    });
    differing.collect()
}

/// The coding of a body that has one.
pub(super) fn coding(headers: &HeaderMap) -> Option<&str> {
    let coding = headers.get("content-encoding")?.to_str().ok()?.trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(coding)
}

fn of_pointer(cached: &CacheControl) -> Option<Remark> {
    let most = format!("max-age of at most {MUCH_POINTER_SECONDS}");
    let what = "Cache-Control";
    if cached.has("no-store") || cached.has("no-cache") {
        return None;
    }
    match cached.seconds() {
        // RFC 9111 §4.2.2: caches may then guess, by the age of the file.
        None => Some(fault(what, &most, or_none(&cached.text))),
        Some(_) if cached.has("immutable") => Some(fault(what, &most, &cached.text)),
        Some(seconds) if seconds > MOST_POINTER_SECONDS => Some(fault(what, &most, &cached.text)),
        Some(seconds) if seconds > MUCH_POINTER_SECONDS => Some(warning(what, &most, &cached.text)),
        Some(_) => None,
    }
}

fn of_immutable(cached: &CacheControl) -> Option<Remark> {
    let long = cached.seconds().is_some_and(|s| s >= LEAST_OBJECT_SECONDS);
    let kept = ["no-store", "no-cache", "private"]
        .iter()
        .all(|name| !cached.has(name));
    let good = long && kept && cached.has("immutable");
    (!good).then(|| {
        warning(
            "Cache-Control",
            Cache::Forever.control(),
            or_none(&cached.text),
        )
    })
}

// RFC 9111 §5.2
struct CacheControl {
    text: String,
    directives: BTreeMap<String, String>,
}

impl CacheControl {
    fn of(headers: &HeaderMap) -> Self {
        let text = field(headers, "cache-control").unwrap_or_default();
        let directives = text.split(',').map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let value = value.trim().trim_matches('"');
            (name.trim().to_ascii_lowercase(), value.to_owned())
        });
        let directives = directives.filter(|(name, _)| !name.is_empty()).collect();
        Self { text, directives }
    }

    fn is_empty(&self) -> bool {
        self.directives.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        self.directives.contains_key(name)
    }

    // What the longest of the caches keeps it for.
    fn seconds(&self) -> Option<u64> {
        let names = ["max-age", "s-maxage"].into_iter();
        names
            .filter_map(|name| self.directives.get(name)?.parse().ok())
            .max()
    }
}

// Several fields of one name are one list (RFC 9110 §5.3).
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values
        .map(|v| String::from_utf8_lossy(v.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn fault(what: &'static str, expected: &str, found: &str) -> Remark {
    remark(Severity::Fault, what, expected, found)
}

fn warning(what: &'static str, expected: &str, found: &str) -> Remark {
    remark(Severity::Warning, what, expected, found)
}

fn remark(severity: Severity, what: &'static str, expected: &str, found: &str) -> Remark {
    Remark {
        severity,
        what,
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use snapshot_format::{Encoding, ObjectHash};

    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        };
        fields.iter().map(field).collect()
    }

    #[track_caller]
    fn check(remarks: Vec<Remark>, expected: &[(Severity, &str, &str)]) {
        let found: Vec<_> = remarks
            .iter()
            .map(|r| (r.severity, r.what, r.found.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    fn with_cache(control: &str) -> HeaderMap {
        let mut fields = vec![
            ("etag", "\"a\""),
            ("access-control-allow-origin", "*"),
            ("content-type", "application/json; charset=utf-8"),
        ];
        if !control.is_empty() {
            fields.push(("cache-control", control));
        }
        headers(&fields)
    }

    #[test]
    fn the_pointer_is_kept_for_seconds() {
        let of = |control: &str| of_content(&Key::Version, &with_cache(control));
        let what = "Cache-Control";
        for good in [
            Cache::Briefly.control(),
            "no-cache",
            "No-Store",
            "max-age=0",
        ] {
            check(of(good), &[]);
        }
        check(
            of("max-age=120"),
            &[(Severity::Warning, what, "max-age=120")],
        );
        check(of(""), &[(Severity::Fault, what, "none")]);
        for bad in [
            "public",
            "max-age=5, s-maxage=3600",
            "max-age=5, immutable",
            "max-age=x",
        ] {
            check(of(bad), &[(Severity::Fault, what, bad)]);
        }
    }

    #[test]
    fn what_has_a_hash_is_kept_for_ever() {
        let key = Key::Bootstrap(ObjectHash::of(b""), None);
        let of = |control: &str| of_content(&key, &with_cache(control));
        let what = "Cache-Control";
        check(of(Cache::Forever.control()), &[]);
        check(of(""), &[(Severity::Warning, what, "none")]);
        for poor in [
            "max-age=31536000",
            "max-age=60, immutable",
            "private, max-age=31536000, immutable",
        ] {
            check(of(poor), &[(Severity::Warning, what, poor)]);
        }
    }

    #[test]
    fn a_response_without_fields_is_told_what_it_lacks() {
        check(
            of_content(&Key::Version, &headers(&[])),
            &[
                (Severity::Fault, "Cache-Control", "none"),
                (Severity::Warning, "ETag", "none"),
                (Severity::Warning, "Access-Control-Allow-Origin", "none"),
                (Severity::Warning, "Content-Type", "none"),
            ],
        );
    }

    #[test]
    fn a_compressed_file_is_a_file_and_no_coding() {
        let key = Key::Bootstrap(ObjectHash::of(b""), Some(Encoding::Gzip));
        let mut fields = with_cache(Cache::Forever.control());
        fields.insert("content-type", HeaderValue::from_static("application/gzip"));
        check(of_content(&key, &fields), &[]);
        fields.insert("content-encoding", HeaderValue::from_static("gzip"));
        let what = "Content-Encoding, asked for without";
        check(
            of_content(&key, &fields),
            &[(Severity::Fault, what, "gzip")],
        );
    }

    #[test]
    fn coded_bytes_are_kept_apart() {
        check(of_negotiated(&headers(&[])), &[]);
        let coded = ("content-encoding", "br");
        check(
            of_negotiated(&headers(&[coded, ("vary", "Origin, accept-encoding")])),
            &[],
        );
        check(
            of_negotiated(&headers(&[coded])),
            &[(Severity::Fault, "Vary", "none")],
        );
    }

    #[test]
    fn absence_is_not_kept() {
        let what = "Cache-Control of what is not there";
        let of = |control: &str| of_absence(&headers(&[("cache-control", control)]));
        check(of("no-store"), &[]);
        check(of("public, max-age=0"), &[]);
        check(
            of_absence(&headers(&[])),
            &[(Severity::Warning, what, "none")],
        );
        check(of("public"), &[(Severity::Warning, what, "public")]);
        for bad in ["max-age=60", "immutable"] {
            check(of(bad), &[(Severity::Fault, what, bad)]);
        }
    }

    #[test]
    fn a_refusal_is_not_kept() {
        let what = "Cache-Control of a folder";
        let of = |status, fields: &[(&str, &str)]| of_refusal(status, what, &headers(fields));
        let cached = |value| [("cache-control", value)];
        check(of(416, &[]), &[]);
        check(of(404, &[]), &[]);
        check(of(301, &cached("no-store")), &[]);
        check(of(200, &cached("max-age=0")), &[]);
        let kept = "max-age=60 with status 416";
        check(
            of(416, &cached("max-age=60")),
            &[(Severity::Fault, what, kept)],
        );
        let both = "no-store, immutable with status 301";
        check(
            of(301, &cached("no-store, immutable")),
            &[(Severity::Fault, what, both)],
        );
        for status in [200, 301, 308] {
            let found = format!("none with status {status}");
            check(of(status, &[]), &[(Severity::Warning, what, &found)]);
        }
        let twice = headers(&[("access-control-allow-origin", "*")]);
        let mut twice = twice;
        twice.append("access-control-allow-origin", HeaderValue::from_static("*"));
        check(
            of_refusal(416, what, &twice),
            &[(
                Severity::Fault,
                "Access-Control-Allow-Origin lines",
                "2 with status 416",
            )],
        );
    }

    #[test]
    fn head_says_what_get_says() {
        let get = headers(&[("etag", "\"a\""), ("content-length", "7"), ("x", "1")]);
        check(of_head(&get, &headers(&[("etag", "\"a\"")])), &[]);
        check(
            of_head(&get, &headers(&[("content-length", "0")])),
            &[
                (Severity::Fault, "HEAD: Content-Length", "0"),
                (Severity::Fault, "HEAD: ETag", "none"),
            ],
        );
    }
}
