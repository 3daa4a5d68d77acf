//! The direct way: one read, one lookup, one vectored write.
//!
//! Nearly every request is a plain GET of something that is held ready. Such a
//! request is read into a buffer that the whole thread shares, looked up, and
//! answered with bytes that were made when the version was loaded; nothing is
//! allocated, and an idle connection holds no buffer.
//!
//! This is no second HTTP implementation. It takes only what has one meaning
//! (see [`examine`]), parsed by hyper's own parser, and hands the connection
//! with every byte of it to hyper at the first request that is anything else. A
//! test sends the whole grammar both ways and compares the answers byte by byte.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, StatusCode, Version};
use snapshot_format::Encoding;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::access_log::Entry;
use crate::conditional;
use crate::connection::Connection;
use crate::content::Content;
use crate::exchange::Exchange;
use crate::hot::LARGE_BYTES;
use crate::negotiate::{Choice, negotiate};
use crate::request::{MAX_HEAD_BYTES, MAX_TARGET_BYTES, is_authority};
use crate::shared::Shared;
use crate::state::{Representation, Resource};
use crate::stream::{Stream, Watched};

/// What comes after the direct way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: the connection is over.
    End,
    /// hyper reads on, from the first byte that is not answered.
    Http1,
    /// The same, and the client speaks HTTP/2.
    Http2,
}

/// More than any head that is answered here.
const SCRATCH_BYTES: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;
/// Field lines of one name; nobody sends more.
const MAX_LINES: usize = 4;

thread_local! {
    /// A read ends in the same poll in which its bytes are looked at, so one
    /// buffer serves all connections of a thread.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// Answers while requests are plain. With `answers` false it only finds out
/// which protocol the client speaks.
pub(crate) async fn serve<S: Stream>(
    stream: &mut Watched<S>,
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    answers: bool,
) -> io::Result<Next> {
    // Read and not answered: part of a head, or requests that came together.
    let mut waiting = Vec::new();
    loop {
        let examined = examine_waiting(&mut waiting, shared, connection, answers);
        let examined = match examined {
            Examined::Partial => {
                std::future::poll_fn(|cx| {
                    poll_examine(stream, cx, &mut waiting, shared, connection, answers)
                })
                .await?
            }
            examined => examined,
        };
        match examined {
            Examined::Plain { reply, .. } => reply.write(stream, shared, connection).await?,
            Examined::Partial => {}
            Examined::Other => match is_http2(&waiting) {
                Some(is_http2) => {
                    stream.put_back(waiting);
                    return Ok(if is_http2 { Next::Http2 } else { Next::Http1 });
                }
                None if !read_more(stream, &mut waiting).await? => return Ok(Next::End),
                None => {}
            },
            Examined::End => return Ok(Next::End),
        }
    }
}

/// What the bytes at hand are.
enum Examined {
    /// A request with one meaning, of so many bytes.
    Plain { used: usize, reply: Reply },
    /// Too few to tell.
    Partial,
    /// For hyper: another request, another protocol, nonsense.
    Other,
    /// There will be none.
    End,
}

/// Looks at what is left of earlier reads.
fn examine_waiting(
    waiting: &mut Vec<u8>,
    shared: &Shared,
    connection: &Connection,
    answers: bool,
) -> Examined {
    if waiting.is_empty() {
        return Examined::Partial;
    }
    let examined = examine(waiting, shared, connection, answers);
    if let Examined::Plain { used, .. } = examined {
        waiting.drain(..used);
        if waiting.is_empty() {
            // An idle connection holds no buffer.
            *waiting = Vec::new();
        }
    }
    examined
}

fn poll_examine<S: AsyncRead + Unpin>(
    stream: &mut Watched<S>,
    cx: &mut Context<'_>,
    waiting: &mut Vec<u8>,
    shared: &Shared,
    connection: &Connection,
    answers: bool,
) -> Poll<io::Result<Examined>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        match Pin::new(stream).poll_read(cx, &mut buffer)? {
            Poll::Ready(()) => {}
            // A server that stops waits for no further request.
            Poll::Pending if connection.is_finishing() && waiting.is_empty() => {
                return Poll::Ready(Ok(Examined::End));
            }
            Poll::Pending => return Poll::Pending,
        }
        let bytes = buffer.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(Examined::End));
        }
        if !waiting.is_empty() {
            waiting.extend_from_slice(bytes);
            return Poll::Ready(Ok(examine_waiting(waiting, shared, connection, answers)));
        }
        let examined = examine(bytes, shared, connection, answers);
        let used = if let Examined::Plain { used, .. } = examined {
            used
        } else {
            0
        };
        waiting.extend_from_slice(&bytes[used..]);
        Poll::Ready(Ok(examined))
    })
}

async fn read_more<S: AsyncRead + Unpin>(
    stream: &mut Watched<S>,
    waiting: &mut Vec<u8>,
) -> io::Result<bool> {
    Ok(tokio::io::AsyncReadExt::read_buf(stream, waiting).await? > 0)
}

/// What a client sends first that speaks HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `None` while it may still become the preface.
fn is_http2(bytes: &[u8]) -> Option<bool> {
    let told = bytes.len().min(PREFACE.len());
    match bytes[..told] == PREFACE[..told] {
        false => Some(false),
        true => (told == PREFACE.len()).then_some(true),
    }
}

/// Takes a request only if it has one meaning and needs nothing of hyper: GET
/// or HEAD in HTTP/1.1 without a body, a valid Host, a path that is held in
/// memory under exactly this spelling, and no field that could change the
/// answer but `Accept-Encoding` and `If-None-Match`.
fn examine(bytes: &[u8], shared: &Shared, connection: &Connection, answers: bool) -> Examined {
    if !answers {
        return Examined::Other;
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let used = match request.parse(bytes) {
        Ok(httparse::Status::Complete(used)) if used <= MAX_HEAD_BYTES => used,
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD_BYTES => return Examined::Partial,
        _ => return Examined::Other,
    };
    match Reply::to(&request, shared, connection) {
        Some(reply) => Examined::Plain { used, reply },
        None => Examined::Other,
    }
}

/// The answer to a plain request, ready to be written.
struct Reply {
    resource: Arc<Resource>,
    /// Which of its representations.
    encoding: Option<Encoding>,
    status: StatusCode,
    has_body: bool,
    entry: Option<Box<Entry>>,
}

impl Reply {
    fn to(
        request: &httparse::Request<'_, '_>,
        shared: &Shared,
        connection: &Connection,
    ) -> Option<Self> {
        let method = match request.method? {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            _ => return None,
        };
        let target = request.path?;
        if request.version != Some(1) || target.len() > MAX_TARGET_BYTES {
            return None;
        }
        let fields = Fields::read(request.headers)?;
        let path = path_of(target)?;

        let snapshot = shared.snapshot.load();
        let resource = snapshot.as_ref()?.resources.get(path)?;
        let encoding = match negotiate(fields.accept_encoding.lines(), resource.encodings()) {
            Choice::Identity => None,
            Choice::Coded(encoding) => Some(encoding),
            Choice::NotAcceptable => return None,
        };
        let representation = resource.representation(encoding);
        let Content::Memory(_) = representation.content else {
            return None;
        };
        let etag = representation.etag().as_bytes();
        let is_held = conditional::is_held(fields.if_none_match.lines(), etag);
        let status = if is_held {
            StatusCode::NOT_MODIFIED
        } else {
            StatusCode::OK
        };

        let entry = shared.log.is_on().then(|| {
            Box::new(Entry {
                time: SystemTime::now(),
                peer: connection.peer,
                target: PathAndQuery::try_from(target).ok(),
                version: Version::HTTP_11,
                user_agent: fields
                    .user_agent
                    .and_then(|v| HeaderValue::from_bytes(v).ok()),
                method: method.clone(),
            })
        });
        let has_body = !is_held && method == Method::GET;
        Some(Self {
            resource: resource.clone(),
            encoding,
            status,
            has_body,
            entry,
        })
    }

    async fn write<S: Stream>(
        mut self,
        stream: &mut Watched<S>,
        shared: &Arc<Shared>,
        connection: &Arc<Connection>,
    ) -> io::Result<()> {
        let mut exchange = Exchange::begin(self.entry.take(), shared, connection);
        exchange.decided(self.resource.kind(), self.status);
        let representation = self.resource.representation(self.encoding);
        let date = connection.date_line(exchange.began());
        let body = self.body(representation);
        let head = match self.status {
            StatusCode::NOT_MODIFIED => representation.not_modified_lines(),
            _ => representation.ok_lines(),
        };
        let parts = [head, &date[..], body];
        let whole = if S::SENDS_FILES && body.len() >= LARGE_BYTES {
            shared.hot.ask(&self.resource, self.encoding, &date, parts)
        } else {
            None
        };
        match whole {
            Some(whole) => stream.send_file(&whole.file, whole.size_bytes).await?,
            None => write_all(stream, parts).await?,
        }
        exchange.sent(body.len() as u64);
        Ok(())
    }

    fn body<'a>(&self, representation: &'a Representation) -> &'a [u8] {
        match &representation.content {
            Content::Memory(bytes) if self.has_body => bytes,
            _ => &[],
        }
    }
}

/// The fields that matter here.
#[derive(Default)]
struct Fields<'a> {
    accept_encoding: Lines<'a>,
    if_none_match: Lines<'a>,
    user_agent: Option<&'a [u8]>,
}

/// The values of the field lines of one name.
#[derive(Default)]
struct Lines<'a> {
    values: [&'a [u8]; MAX_LINES],
    count: usize,
}

impl<'a> Lines<'a> {
    fn push(&mut self, value: &'a [u8]) -> Option<()> {
        *self.values.get_mut(self.count)? = value;
        self.count += 1;
        Some(())
    }

    fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        self.values.into_iter().take(self.count)
    }
}

impl<'a> Fields<'a> {
    /// `None` where a field asks for more than is done here.
    fn read(fields: &[httparse::Header<'a>]) -> Option<Self> {
        let mut read = Self::default();
        let mut host = None;
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            // By length first: most fields of most clients end here.
            match field.name.len() {
                4 if is("host") && host.replace(field.value).is_some() => return None,
                15 if is("accept-encoding") => read.accept_encoding.push(field.value)?,
                13 if is("if-none-match") => read.if_none_match.push(field.value)?,
                10 if is("connection") && !field.value.eq_ignore_ascii_case(b"keep-alive") => {
                    return None;
                }
                10 if is("user-agent") => read.user_agent = Some(field.value),
                5 if is("range") => return None,
                6 if is("expect") => return None,
                7 if is("upgrade") => return None,
                8 if is("if-match") || is("if-range") => return None,
                14 if is("content-length") => return None,
                17 if is("transfer-encoding") || is("if-modified-since") => return None,
                19 if is("if-unmodified-since") => return None,
                _ => {}
            }
        }
        is_authority(host?).then_some(read)
    }
}

/// The path of an ordinary target. What a URI parser might refuse or cut off
/// is left to hyper's.
fn path_of(target: &str) -> Option<&str> {
    let is_ordinary = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~=&+/,:@".contains(&byte);
    match target.split_once('?') {
        None => Some(target),
        Some((path, query)) => query.bytes().all(is_ordinary).then_some(path),
    }
}

async fn write_all<S: AsyncWrite + Unpin>(
    stream: &mut Watched<S>,
    parts: [&[u8]; 3],
) -> io::Result<()> {
    let mut slices = parts.map(io::IoSlice::new);
    let mut left = &mut slices[..];
    // Steps over parts that are empty from the start.
    io::IoSlice::advance_slices(&mut left, 0);
    std::future::poll_fn(|cx| {
        while !left.is_empty() {
            let count = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, left))?;
            if count == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero)));
            }
            io::IoSlice::advance_slices(&mut left, count);
        }
        Poll::Ready(io::Result::Ok(()))
    })
    .await?;
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_told_by_its_first_bytes() {
        assert_eq!(is_http2(b"G"), Some(false));
        assert_eq!(is_http2(b"POST /"), Some(false));
        assert_eq!(is_http2(b"P"), None);
        assert_eq!(is_http2(b"PRI * HTTP/2.0\r\n"), None);
        assert_eq!(is_http2(&[PREFACE, b"\0\0\0"].concat()), Some(true));
    }

    #[track_caller]
    fn check(fields: &str, is_plain: bool) {
        let request = format!("GET /x HTTP/1.1\r\n{fields}\r\n");
        let mut headers = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(request.as_bytes()).expect("a request");
        assert_eq!(Fields::read(parsed.headers).is_some(), is_plain, "{fields}");
    }

    #[test]
    fn only_plain_fields_are_taken() {
        check("Host: a\r\n", true);
        check(
            "hOST: a\r\nUser-Agent: x\r\nAccept: */*\r\nConnection: Keep-Alive\r\n",
            true,
        );
        check(
            "Host: a\r\nAccept-Encoding: gzip\r\nAccept-Encoding: br\r\n",
            true,
        );
        check("Host: a\r\nIf-None-Match: *\r\nCookie: a=b\r\n", true);
        for field in [
            "Range: bytes=0-1",
            "If-Range: \"a\"",
            "If-Match: *",
            "If-Modified-Since: x",
            "If-Unmodified-Since: x",
            "Content-Length: 0",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: h2c",
            "Connection: close",
            "Connection: keep-alive, upgrade",
            "Host: b",
        ] {
            check(&format!("Host: a\r\n{field}\r\n"), false);
        }
        check("", false);
        check("Host: a b\r\n", false);
    }

    #[test]
    fn only_ordinary_queries_are_cut_off() {
        assert_eq!(path_of("/a"), Some("/a"));
        assert_eq!(path_of("/a?b=c&d=1.5"), Some("/a"));
        for target in ["/a?\"", "/a?b#c", "/a?<", "/a?{}", "/a?%zz"] {
            assert_eq!(path_of(target), None, "{target}");
        }
    }
}
