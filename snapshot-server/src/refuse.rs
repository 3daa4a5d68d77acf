//! What is refused before it is a request. hyper's parser answers such bytes
//! with the status alone; where a connection begins with them, the answer here
//! is that status with the reason. Pure.

use hyper::{StatusCode, Uri};

use crate::problem::Problem;

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

/// A head that is whole and that hyper will not take.
pub(crate) fn refusal(request: &httparse::Request<'_, '_>) -> Option<Problem> {
    let is_target = |target: &str| Uri::try_from(target).is_ok();
    // 65,534 bytes and more are hyper's own 414.
    if request
        .path
        .is_some_and(|target| target.len() < 65_534 && !is_target(target))
    {
        return Some(bad("the target is not a URI"));
    }
    framing(request).err().map(bad)
}

/// RFC 9112 §6.3: the one length of a request's body.
fn framing(request: &httparse::Request<'_, '_>) -> Result<(), &'static str> {
    let mut length = None;
    let mut last_coding = None;
    for field in request.headers.iter() {
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if request.version == Some(0) {
                return Err("HTTP/1.0 has no Transfer-Encoding");
            }
            let last = field.value.rsplit(|byte| *byte == b',').next();
            last_coding = last.map(<[u8]>::trim_ascii);
        } else if field.name.eq_ignore_ascii_case("content-length") && last_coding.is_none() {
            let stated = digits(field.value).ok_or("Content-Length is not a number of bytes")?;
            if length.replace(stated).is_some_and(|other| other != stated) {
                return Err("two Content-Length fields disagree");
            }
        }
    }
    match last_coding {
        Some(coding) if !coding.eq_ignore_ascii_case(b"chunked") => {
            Err("the last Transfer-Encoding is not chunked")
        }
        _ => Ok(()),
    }
}

/// No sign, no list, and a number that can be counted to.
fn digits(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, expected: Option<(u16, &str)>) {
        let mut fields = [httparse::EMPTY_HEADER; 4];
        let mut request = httparse::Request::new(&mut fields);
        let bytes = format!("{head}\r\n\r\n");
        let problem = match request.parse(bytes.as_bytes()) {
            Ok(_) => refusal(&request),
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
        check("Transfer-Encoding: gzip, Chunked ", "1.1", None);
        for value in ["-1", "+1", "", "1, 1", "0x1", "99999999999999999999"] {
            check(&format!("Content-Length: {value}"), "1.1", number);
        }
        check(
            "Content-Length: 1\r\nContent-Length: 2",
            "1.1",
            Some("two Content-Length fields disagree"),
        );
        let chunked = Some("the last Transfer-Encoding is not chunked");
        check("Transfer-Encoding: identity", "1.1", chunked);
        check("Transfer-Encoding: chunked, gzip", "1.1", chunked);
        check(
            "Transfer-Encoding: chunked",
            "1.0",
            Some("HTTP/1.0 has no Transfer-Encoding"),
        );
    }
}
