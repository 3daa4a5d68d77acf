//! Which requests are refused before anybody looks at their path. hyper parses;
//! what it leaves open is closed here. Pure.

use hyper::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode, Version};

use crate::http::problem::Problem;

/// RFC 9110 §4.1 recommends at least 8000 octets for a target.
pub(crate) const MAX_TARGET_BYTES: usize = 8 * 1024;
/// Field names and values together; a browser with its cookies stays below.
pub(crate) const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What hyper reads of a head before it refuses by itself. Above our own limit,
/// so that nearly every head that is too large gets an answer that explains.
pub(crate) const PARSER_LIMIT_BYTES: usize = 64 * 1024;
/// Fields that hyper reads by default.
pub(crate) const MAX_PARSED_FIELDS: usize = 100;

/// What a request that is well formed wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Get,
    Head,
    Options,
}

/// Looks at everything but the path's meaning.
pub(crate) fn check(request: &Parts) -> Result<Wanted, Problem> {
    check_size(request)?;
    check_host(request)?;
    let wanted = check_method(&request.method)?;
    check_target(request, wanted)?;
    check_expectation(&request.headers)?;
    Ok(wanted)
}

/// The members of a list. RFC 9110 §5.6.1.2: empty ones are none.
pub(crate) fn members(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// The field that says that the connection ends.
pub(crate) fn close(fields: &mut HeaderMap) {
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
}

fn check_size(request: &Parts) -> Result<(), Problem> {
    let target = request
        .uri
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    if target > MAX_TARGET_BYTES {
        let detail = format!("the target has {target} bytes; at most {MAX_TARGET_BYTES} are read");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, detail));
    }
    let head: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if head > MAX_HEAD_BYTES {
        let detail =
            format!("the header fields have {head} bytes; at most {MAX_HEAD_BYTES} are read");
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            detail,
        ));
    }
    Ok(())
}

/// RFC 9112 §3.2: exactly one Host with a valid value, or 400; HTTP/1.0 may
/// leave it out, and HTTP/2 says it in `:authority`.
fn check_host(request: &Parts) -> Result<(), Problem> {
    let bad = |detail: &str| Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    let mut hosts = request.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => bad("more than one Host field"),
        (Some(host), None) if !is_authority(host.as_bytes()) => bad("the Host field is not a host"),
        (Some(host), None) => match request.uri.authority() {
            // RFC 9113 §8.3.1: the two must not differ.
            Some(authority)
                if request.version == Version::HTTP_2
                    && !authority
                        .as_str()
                        .as_bytes()
                        .eq_ignore_ascii_case(host.as_bytes()) =>
            {
                bad("the Host field is not the :authority")
            }
            _ => Ok(()),
        },
        (None, None) if request.version == Version::HTTP_11 => bad("the Host field is missing"),
        (None, None) if request.version == Version::HTTP_2 && request.uri.authority().is_none() => {
            bad("neither :authority nor Host")
        }
        (None, None) => Ok(()),
    }
}

/// `uri-host [ ":" port ]` of RFC 3986 §3.2, never empty and without user
/// information, which RFC 9110 §4.2.4 forbids.
pub(crate) fn is_authority(value: &[u8]) -> bool {
    let (host, port) = match value.iter().rposition(|byte| *byte == b']') {
        Some(end) => value.split_at(end + 1),
        None => {
            let end = value
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(value.len());
            value.split_at(end)
        }
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_host = match host {
        [b'[', address @ .., b']'] => {
            let address = std::str::from_utf8(address).unwrap_or_default();
            address.parse::<std::net::Ipv6Addr>().is_ok()
        }
        [] => false,
        name => name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(byte)),
    };
    is_host && is_port
}

/// The methods of IANA's registry beside those that are served.
const OTHER_METHODS: [&str; 37] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// RFC 9110 §9.1: 405 for what is recognized but not allowed, 501 for the rest.
fn check_method(method: &Method) -> Result<Wanted, Problem> {
    match *method {
        Method::GET => Ok(Wanted::Get),
        Method::HEAD => Ok(Wanted::Head),
        Method::OPTIONS => Ok(Wanted::Options),
        _ if OTHER_METHODS.contains(&method.as_str()) => {
            let detail = format!("{method} is not allowed: what is served here is only read");
            Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail))
        }
        _ => Err(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "the method is not known here",
        )),
    }
}

/// RFC 9112 §3.2.4: `*` is for OPTIONS alone.
fn check_target(request: &Parts, wanted: Wanted) -> Result<(), Problem> {
    let path = request.uri.path();
    if path.starts_with('/') || (path == "*" && wanted == Wanted::Options) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "the target is not a path",
    ))
}

/// RFC 9110 §10.1.1: 100-continue is the only expectation there is.
fn check_expectation(headers: &HeaderMap) -> Result<(), Problem> {
    let lines = headers.get_all(EXPECT).iter();
    if lines.flat_map(|line| members(line.as_bytes())).all(is_met) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::EXPECTATION_FAILED,
        "the expectation is not 100-continue",
    ))
}

/// Whether this member of `Expect` is met here.
pub(crate) fn is_met(expectation: &[u8]) -> bool {
    expectation.eq_ignore_ascii_case(b"100-continue")
}

/// What the request says of its body's length; `None` where it says nothing.
pub(crate) fn stated_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use hyper::http::request::Builder;

    use super::*;

    #[track_caller]
    fn check_status(request: Builder, expected: Result<Wanted, u16>) {
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let found = check(&parts).map_err(|problem| problem.status().as_u16());
        assert_eq!(found, expected, "{parts:?}");
    }

    fn get(target: &str) -> Builder {
        Request::get(target).version(Version::HTTP_11)
    }

    #[test]
    fn the_host_is_one_and_valid() {
        for host in [
            "a",
            "localhost:8080",
            "127.0.0.1",
            "[::1]:80",
            "a.b-c_d",
            "a:",
            "xn--bcher-kva.example",
        ] {
            check_status(get("/").header(HOST, host), Ok(Wanted::Get));
        }
        for host in [
            "", "a, b", "a/b", "user@a", "a b", "[::1", "a:b", "[g::]", "a:123456", "a:1:2", "?",
        ] {
            check_status(get("/").header(HOST, host), Err(400));
        }
        check_status(get("/"), Err(400));
        check_status(get("/").header(HOST, "a").header(HOST, "a"), Err(400));
        check_status(get("http://a/").header(HOST, "b"), Ok(Wanted::Get));
        check_status(get("http://a/"), Err(400));
        check_status(get("/").version(Version::HTTP_10), Ok(Wanted::Get));
        check_status(get("http://a/").version(Version::HTTP_2), Ok(Wanted::Get));
        check_status(
            get("http://a/").version(Version::HTTP_2).header(HOST, "b"),
            Err(400),
        );
    }

    #[test]
    fn methods_are_allowed_refused_or_unknown() {
        let with = |method: &str, target: &str| {
            Request::builder()
                .method(method)
                .uri(target)
                .version(Version::HTTP_11)
                .header(HOST, "a")
        };
        check_status(with("HEAD", "/"), Ok(Wanted::Head));
        check_status(with("OPTIONS", "*"), Ok(Wanted::Options));
        check_status(with("GET", "*"), Err(400));
        check_status(with("POST", "/"), Err(405));
        check_status(with("TRACE", "/"), Err(405));
        check_status(with("CONNECT", "a:80"), Err(405));
        check_status(with("QUERY", "/"), Err(405));
        check_status(with("PROPFIND", "/"), Err(405));
        check_status(with("BREW", "/"), Err(501));
        check_status(with("get", "/"), Err(501));
    }

    #[test]
    fn sizes_are_bounded() {
        let at_limit = format!("/{}", "a".repeat(MAX_TARGET_BYTES - 1));
        check_status(get(&at_limit).header(HOST, "a"), Ok(Wanted::Get));
        check_status(get(&format!("{at_limit}a")).header(HOST, "a"), Err(414));
        check_status(
            get("/")
                .header(HOST, "a")
                .header("x", "a".repeat(MAX_HEAD_BYTES)),
            Err(431),
        );
    }

    #[test]
    fn only_the_one_expectation_is_met() {
        check_status(
            get("/").header(HOST, "a").header(EXPECT, "100-Continue"),
            Ok(Wanted::Get),
        );
        for met in ["", ", 100-continue,", "100-continue, 100-CONTINUE"] {
            check_status(
                get("/").header(HOST, "a").header(EXPECT, met),
                Ok(Wanted::Get),
            );
        }
        for other in ["tea", "100-continue, tea", "100-continue;q=1", "100"] {
            check_status(get("/").header(HOST, "a").header(EXPECT, other), Err(417));
        }
    }
}
