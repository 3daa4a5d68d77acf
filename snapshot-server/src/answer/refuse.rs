//! What is refused before it is a request. hyper's parser answers such bytes
//! with the status alone; where a connection begins with them, the answer here
//! is that status with the reason. Pure.

use hyper::{StatusCode, Uri};

use crate::http::problem::Problem;
use crate::http::request::{MAX_TARGET_BYTES, is_authority};

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// Bytes that the parser does not take.
pub(crate) fn unparsable(bytes: &[u8], error: httparse::Error) -> Problem {
    match error {
        httparse::Error::HeaderName => {
            bad("a field's name is not a token, or has no colon after it")
        }
        httparse::Error::HeaderValue => {
            bad("a field's value has a control character, or goes on on another line")
        }
        httparse::Error::NewLine => bad("a line does not end as lines do"),
        httparse::Error::Version => version(bytes),
        httparse::Error::TooManyHeaders => too_many_fields(),
        _ => bad("this does not begin as a request of HTTP does"),
    }
}

/// RFC 9110 §15.6.6: 505 is for another major version.
fn version(bytes: &[u8]) -> Problem {
    let line = bytes.trim_ascii_start();
    let line = line.split(|byte| b"\r\n".contains(byte)).next();
    let word = line.and_then(|line| line.rsplit(|byte| *byte == b' ').next());
    let detail = "HTTP/1.0, HTTP/1.1 and HTTP/2 with its preface are spoken here";
    match word {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && *major != b'1' && minor.is_ascii_digit() =>
        {
            Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, detail)
        }
        _ => bad(detail),
    }
}

pub(crate) fn too_many_fields() -> Problem {
    Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "there are too many header fields",
    )
}

/// A head that does not end where every head must have ended.
pub(crate) fn endless(bytes: &[u8]) -> Problem {
    if bytes.contains(&b'\n') {
        let detail = "the head is too large";
        Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    } else {
        Problem::new(StatusCode::URI_TOO_LONG, "the target is too long")
    }
}

/// A target that is none (RFC 9112 §3.2), whatever hyper makes of it: its parser
/// cuts a fragment off and takes bytes that no URI has.
pub(crate) fn target(target: &str) -> Result<(), Problem> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("the target is not ASCII"));
    }
    if target.contains('#') {
        return Err(bad("the target has a fragment, which is the client's own"));
    }
    // 65,534 bytes and more are answered 414, by their length.
    if target.len() >= MAX_URI_BYTES {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            format!(
                "the target has {} bytes; at most {MAX_TARGET_BYTES} are read",
                target.len()
            ),
        ));
    }
    let Ok(uri) = Uri::try_from(target) else {
        return Err(bad("the target is not a URI"));
    };
    // RFC 9112 §3.2.2: the absolute form, here without user information (RFC 9110 §4.2.4).
    if let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) {
        if !matches!(scheme, "http" | "https") {
            return Err(bad("the target is not of http or https"));
        }
        if !is_authority(authority.as_str().as_bytes()) {
            return Err(bad("the target's authority is not a host"));
        }
    }
    Ok(())
}

/// What the `http` crate reads of a URI.
const MAX_URI_BYTES: usize = 65_534;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::incoming::Length;

    #[track_caller]
    fn check(head: &str, expected: Option<(u16, &str)>) {
        let mut fields = [httparse::EMPTY_HEADER; 4];
        let mut request = httparse::Request::new(&mut fields);
        let bytes = format!("{head}\r\n\r\n");
        let problem = match request.parse(bytes.as_bytes()) {
            Ok(_) => target(request.path.unwrap_or_default())
                .and_then(|()| Length::of(&request))
                .err(),
            Err(error) => Some(unparsable(bytes.as_bytes(), error)),
        };
        let found = problem.map(|problem| (problem.status().as_u16(), problem.detail().to_owned()));
        let found = found
            .as_ref()
            .map(|(status, detail)| (*status, detail.as_str()));
        assert_eq!(found, expected, "{head}");
    }

    #[test]
    fn each_refusal_says_why() {
        let name = "a field's name is not a token, or has no colon after it";
        let value = "a field's value has a control character, or goes on on another line";
        let spoken = "HTTP/1.0, HTTP/1.1 and HTTP/2 with its preface are spoken here";
        let begin = "this does not begin as a request of HTTP does";
        let get = "GET / HTTP/1.1\r\n";
        check(&format!("{get}Host: a"), None);
        check(&format!("{get}Host : a"), Some((400, name)));
        check(&format!("{get}no colon"), Some((400, name)));
        check(&format!("{get}X: a\u{1}b"), Some((400, value)));
        check("GET / HTTP/9.9\r\nHost: a", Some((505, spoken)));
        check("GET / HTTP/2.0\r\nHost: a", Some((505, spoken)));
        check("GET / HTTP/1.2\r\nHost: a", Some((400, spoken)));
        check("GET / HTTP\r\nHost: a", Some((400, spoken)));
        check("\u{16}\u{3}\u{1}", Some((400, begin)));
        check(
            &format!("{get}a: 1\r\nb: 1\r\nc: 1\r\nd: 1\r\ne: 1"),
            Some((431, "there are too many header fields")),
        );
        check(
            "GET http:// HTTP/1.1\r\nHost: a",
            Some((400, "the target is not a URI")),
        );
        check(
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked",
            Some((
                501,
                "chunked is the only Transfer-Encoding that is understood",
            )),
        );
    }

    #[test]
    fn a_target_is_what_a_client_may_send() {
        let check = |text: &str, expected: Option<&str>| {
            let found = target(text)
                .err()
                .map(|problem| problem.detail().to_owned());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        for text in [
            "/",
            "*",
            "/version.json",
            "/%76ersion.json?a=b&c=%23",
            "/..%2f%00",
            "/?[]|^{}",
            "http://test/version.json",
            "HTTPS://test:443/",
            "test:80",
        ] {
            check(text, None);
        }
        let fragment = "the target has a fragment, which is the client's own";
        for text in ["/#", "/version.json#a", "/?a#b", "http://test/#", "*#", "#"] {
            check(text, Some(fragment));
        }
        for text in ["/ä", "/\u{7f}", "/?ä", "http://tést/"] {
            check(text, Some("the target is not ASCII"));
        }
        for text in ["http://user@test/", "http://a:b@test/", "http://test:x/"] {
            let found = target(text).err().map(|problem| problem.status().as_u16());
            assert_eq!(found, Some(400), "{text}");
        }
        check("ftp://test/", Some("the target is not of http or https"));
    }

    #[test]
    fn a_body_has_one_length() {
        let check = |fields: &str, version: &str, expected: Option<&str>| {
            let expected = expected.map(|detail| (400, detail));
            check(&format!("GET / HTTP/{version}\r\n{fields}"), expected);
        };
        let number = Some("Content-Length is not a number of bytes");
        check("Content-Length: 0", "1.1", None);
        check("Content-Length: 5\r\ncontent-length: 5", "1.1", None);
        check(
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "1.1",
            None,
        );
        // RFC 9110 §5.6.1.2: empty members are none.
        for value in ["Chunked ", ", chunked", "chunked,", " ,, chunked ,\t,"] {
            check(&format!("Transfer-Encoding: {value}"), "1.1", None);
        }
        check(
            "Transfer-Encoding: \r\nTransfer-Encoding: chunked",
            "1.1",
            None,
        );
        for value in [
            "-1",
            "+1",
            "",
            "1, 1",
            "1,",
            "0x1",
            "1 1",
            "99999999999999999999",
        ] {
            check(&format!("Content-Length: {value}"), "1.1", number);
        }
        check(
            "Content-Length: 1\r\nContent-Length: 2",
            "1.1",
            Some("two Content-Length fields disagree"),
        );
        let chunked = Some("the last Transfer-Encoding is not chunked");
        check("Transfer-Encoding: identity", "1.1", chunked);
        for value in [
            "chunked, gzip",
            "",
            ",",
            "xchunked",
            "\"chunked\"",
            "chunked;q=1",
            "chun ked",
        ] {
            check(&format!("Transfer-Encoding: {value}"), "1.1", chunked);
        }
        check(
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "1.1",
            Some("Transfer-Encoding names chunked twice"),
        );
        check(
            "Transfer-Encoding: chunked",
            "1.0",
            Some("HTTP/1.0 has no Transfer-Encoding"),
        );
    }
}
