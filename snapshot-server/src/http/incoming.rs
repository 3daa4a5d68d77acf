//! The body of a request over HTTP/1: it has no meaning here (RFC 9110 §9.3.1),
//! but where it ends decides what the next request is. So its length is told
//! strictly, and it is read away before anybody else sees the request.

use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::http::problem::Problem;
use crate::http::request::{MAX_HEAD_BYTES, members};

/// A body is read up to here, then refused.
pub(crate) const MAX_BODY_BYTES: u64 = 64 * 1024;
/// For all of a body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Bytes(u64),
    /// Told by its chunks.
    Chunked,
}

impl Length {
    pub(crate) const NONE: Self = Self::Bytes(0);

    /// RFC 9112 §6.3: the one length of a request's body.
    pub(crate) fn of(request: &httparse::Request<'_, '_>) -> Result<Self, Problem> {
        let fields = |name: &'static str| {
            let fields = request.headers.iter();
            fields
                .filter(move |field| field.name.eq_ignore_ascii_case(name))
                .map(|field| field.value)
        };
        let mut stated = None;
        for value in fields("content-length") {
            let length =
                digits(value).ok_or_else(|| bad("Content-Length is not a number of bytes"))?;
            if stated.replace(length).is_some_and(|other| other != length) {
                return Err(bad("two Content-Length fields disagree"));
            }
        }
        if fields("transfer-encoding").next().is_none() {
            return Ok(Self::Bytes(stated.unwrap_or(0)));
        }
        if request.version == Some(0) {
            return Err(bad("HTTP/1.0 has no Transfer-Encoding"));
        }
        // RFC 9112 §6.3: with both lengths the chunks tell; the connection then ends.
        let mut codings: Vec<_> = fields("transfer-encoding").flat_map(members).collect();
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if !codings.pop().is_some_and(is_chunked) {
            return Err(bad("the last Transfer-Encoding is not chunked"));
        }
        if codings.iter().copied().any(is_chunked) {
            return Err(bad("Transfer-Encoding names chunked twice"));
        }
        // RFC 9112 §6.1: 501 for a transfer coding that is not understood.
        if codings.is_empty() {
            Ok(Self::Chunked)
        } else {
            let detail = "chunked is the only Transfer-Encoding that is understood";
            Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail))
        }
    }
}

/// No sign, no list, and a number that can be counted to.
fn digits(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok()
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

fn too_large() -> Problem {
    let detail = format!("a request's body may have {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// Reads a body away: first of `waiting`, then of the stream. What follows it is left in
/// `waiting`.
pub(crate) async fn discard(
    stream: &mut (impl AsyncRead + Unpin),
    waiting: &mut Vec<u8>,
    length: Length,
) -> Result<(), Problem> {
    if matches!(length, Length::Bytes(stated) if stated > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let mut body = Body::of(length);
    let read = async {
        loop {
            let used = body.eat(waiting)?;
            waiting.drain(..used);
            if body.is_over() {
                return Ok(());
            }
            match stream.read_buf(waiting).await {
                Ok(1..) => {}
                _ => return Err(bad("the body is not whole")),
            }
        }
    };
    tokio::time::timeout(BODY_TIMEOUT, read)
        .await
        .unwrap_or_else(|_| {
            let detail = "the body did not come in time";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
        })
}

/// A body that is being read away.
#[derive(Debug)]
struct Body {
    at: At,
    /// Bytes that it may still have, and those of its framing.
    left: u64,
    framing_left: usize,
    /// A line that has begun.
    line: Vec<u8>,
}

/// What comes next (RFC 9112 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// So many bytes, then the end.
    Bytes(u64),
    /// The line before a chunk.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The line end after a chunk.
    DataEnd,
    /// Fields after the last chunk, and an empty line.
    Trailer,
    Over,
}

impl Body {
    fn of(length: Length) -> Self {
        let at = match length {
            Length::Bytes(0) => At::Over,
            Length::Bytes(stated) => At::Bytes(stated),
            Length::Chunked => At::Size,
        };
        Self {
            at,
            left: MAX_BODY_BYTES,
            framing_left: MAX_HEAD_BYTES,
            line: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.at == At::Over
    }

    /// How many of these bytes are the body's; fewer than there are only at its end.
    fn eat(&mut self, bytes: &[u8]) -> Result<usize, Problem> {
        let mut used = 0;
        while !self.is_over() && used < bytes.len() {
            let rest = &bytes[used..];
            let skipped = |left: u64| usize::try_from(left).unwrap_or(rest.len()).min(rest.len());
            used += match self.at {
                At::Bytes(left) => {
                    let count = skipped(left);
                    let left = left - count as u64;
                    self.at = if left == 0 { At::Over } else { At::Bytes(left) };
                    count
                }
                At::Data(left) => {
                    let count = skipped(left);
                    let left = left - count as u64;
                    self.at = if left == 0 {
                        At::DataEnd
                    } else {
                        At::Data(left)
                    };
                    count
                }
                At::Size | At::DataEnd | At::Trailer => self.eat_line(rest)?,
                At::Over => 0,
            };
        }
        Ok(used)
    }

    fn eat_line(&mut self, bytes: &[u8]) -> Result<usize, Problem> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(bytes.len(), |end| end + 1);
        self.framing_left = self
            .framing_left
            .checked_sub(count)
            .ok_or_else(|| bad("the chunks' lines are too long"))?;
        self.line.extend_from_slice(&bytes[..count]);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let line = line
                .strip_suffix(b"\r\n")
                .ok_or_else(|| bad("a chunk's line does not end as lines do"))?;
            self.at = self.after_line(line)?;
        }
        Ok(count)
    }

    fn after_line(&mut self, line: &[u8]) -> Result<At, Problem> {
        match self.at {
            At::Size => {
                let size = chunk_size(line).ok_or_else(|| bad("a chunk's size is malformed"))?;
                self.left = self.left.checked_sub(size).ok_or_else(too_large)?;
                Ok(if size == 0 {
                    At::Trailer
                } else {
                    At::Data(size)
                })
            }
            At::DataEnd if line.is_empty() => Ok(At::Size),
            At::DataEnd => Err(bad("a chunk is longer than its size")),
            _ if line.is_empty() => Ok(At::Over),
            _ => {
                let field = [line, b"\r\n\r\n"].concat();
                let mut parsed = [httparse::EMPTY_HEADER; 1];
                match httparse::parse_headers(&field, &mut parsed) {
                    Ok(httparse::Status::Complete(_)) => Ok(At::Trailer),
                    _ => Err(bad("a field after the last chunk is malformed")),
                }
            }
        }
    }
}

/// `chunk-size [ chunk-ext ]` of RFC 9112 §7.1; a size beyond all numbers is none.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    let (size, mut extensions) = line.split_at(end.unwrap_or(line.len()));
    let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
    // chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
    while !extensions.is_empty() {
        extensions = trim_start(extensions).strip_prefix(b";")?;
        extensions = token(trim_start(extensions))?;
        if let Some(value) = trim_start(extensions).strip_prefix(b"=") {
            let value = trim_start(value);
            extensions = match value.strip_prefix(b"\"") {
                Some(quoted) => after_quoted(quoted)?,
                None => token(value)?,
            };
        }
    }
    Some(size)
}

fn trim_start(text: &[u8]) -> &[u8] {
    let is_white = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = text.iter().position(|byte| !is_white(byte));
    &text[begin.unwrap_or(text.len())..]
}

/// What follows a token of one character at least.
fn token(text: &[u8]) -> Option<&[u8]> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = text.iter().position(|byte| !is_token(byte));
    let (token, rest) = text.split_at(end.unwrap_or(text.len()));
    (!token.is_empty()).then_some(rest)
}

/// What follows a quoted string, of which the first quote is taken already.
fn after_quoted(mut text: &[u8]) -> Option<&[u8]> {
    let is_text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escaped, rest @ ..] if is_text(*escaped) => rest,
            [byte, rest @ ..] if *byte != b'\\' && is_text(*byte) => rest,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body, whole and byte by byte: what is left behind it, or the status.
    #[track_caller]
    fn check(length: Length, bytes: &[u8], expected: Result<&str, u16>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let left = |mut stream: &[u8], mut waiting: Vec<u8>| {
            let read = discard(&mut stream, &mut waiting, length);
            let read = runtime.block_on(read);
            read.map(|()| String::from_utf8_lossy(&[&waiting[..], stream].concat()).into_owned())
                .map_err(|problem| problem.status().as_u16())
        };
        let expected = expected.map(str::to_owned);
        let text = bytes.escape_ascii().to_string();
        assert_eq!(left(b"", bytes.to_vec()), expected, "{text}");
        assert_eq!(left(bytes, Vec::new()), expected, "{text}");
        let mut body = Body::of(length);
        let singly = bytes
            .iter()
            .try_fold(0, |used, byte| Ok(used + body.eat(&[*byte])?));
        if let Ok(used) = singly.map_err(|problem: Problem| problem.status()) {
            assert_eq!(expected.is_ok(), body.is_over(), "{text}");
            if let Ok(rest) = &expected {
                assert_eq!(bytes.len() - used, rest.len(), "{text}");
            }
        } else {
            assert!(expected.is_err(), "{text}");
        }
    }

    #[test]
    fn a_body_is_read_to_its_end_and_no_further() {
        check(Length::NONE, b"GET", Ok("GET"));
        check(Length::Bytes(3), b"abcGET", Ok("GET"));
        check(Length::Bytes(3), b"ab", Err(400));
        check(Length::Bytes(MAX_BODY_BYTES + 1), b"", Err(413));
        check(Length::Chunked, b"0\r\n\r\nGET", Ok("GET"));
        check(
            Length::Chunked,
            b"3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\nGET",
            Ok("GET"),
        );
        check(Length::Chunked, b"0\r\nX: y\r\nZ:\r\n\r\nGET", Ok("GET"));
        check(
            Length::Chunked,
            b"3;a;b=c ; d = \"e\\\"\\\\;\" ;f\r\nabc\r\n0\r\n\r\n",
            Ok(""),
        );
    }

    #[test]
    fn junk_in_chunks_is_refused() {
        for bytes in [
            &b"\r\n\r\n"[..],
            b"0\n\r\n",
            b"0\r\n\n",
            b"x\r\n\r\n",
            b"0x0\r\n\r\n",
            b"+0\r\n\r\n",
            b"-1\r\n\r\n",
            b" 0\r\n\r\n",
            b"0 \r\n\r\n",
            b"0;\r\n\r\n",
            b"0;;a\r\n\r\n",
            b"0;a=\r\n\r\n",
            b"0;=b\r\n\r\n",
            b"0;a b\r\n\r\n",
            b"0;a=\"b\r\n\r\n",
            b"0;a=\"\x01\"\r\n\r\n",
            b"0;\x00\r\n\r\n",
            b"0;a\rb\r\n\r\n",
            b"0 junk\r\n\r\n",
            b"0,a\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"3\r\nab\r\n0\r\n\r\n",
            b"3\r\nabc0\r\n\r\n",
            b"10000000000000000\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\nX: y\r\n folded: z\r\n\r\n",
            b"0\r\nX : y\r\n\r\n",
            b"0\r\n",
        ] {
            check(Length::Chunked, bytes, Err(400));
        }
        check(Length::Chunked, b"10001\r\n", Err(413));
        let long = format!("0;{}\r\n\r\n", "a".repeat(MAX_HEAD_BYTES));
        check(Length::Chunked, long.as_bytes(), Err(400));
    }
}
