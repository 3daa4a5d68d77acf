//! One request that is hyper's to answer, and no byte of the next one.
//!
//! hyper gets the head alone, in one spelling: what a body, an expectation or a list of
//! connection options means is decided here, once, for every request of HTTP/1. So what
//! hyper would read leniently or refuse without a word it never sees, and the connection
//! is afterwards as it was before.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::http::request::Parts;
use hyper::{Request, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::answer::refuse;
use crate::http::incoming::{self, Length, MAX_BODY_BYTES};
use crate::http::problem::Problem;
use crate::http::request::{self, members};
use crate::socket::connection::Connection;
use crate::socket::stream::{Stream, Watched, write_all};

/// RFC 9110 §15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A request that is well formed.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Request line and fields, but none that speaks of a body or the connection.
    head: Vec<u8>,
    length: Length,
    /// Whether the client waits for 100 before it sends the body.
    awaits_continue: bool,
    /// Whether the answer is known already, whatever the body is.
    is_decided: bool,
    persistence: Persistence,
}

/// RFC 9112 §9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Persistence {
    /// What the version says without a word.
    Default,
    KeepAlive,
    Close,
}

/// What is to be answered.
#[derive(Debug)]
pub(crate) struct Answerable {
    pub(crate) head: Vec<u8>,
    /// What is wrong with the body.
    pub(crate) verdict: Result<(), Problem>,
    /// Whether the connection cannot go on: its next byte may be of the body.
    pub(crate) ends: bool,
}

impl Turn {
    /// # Errors
    /// Where the head is well formed for the parser, and no request all the same.
    pub(crate) fn of(request: &httparse::Request<'_, '_>) -> Result<Self, Problem> {
        refuse::target(request.path.unwrap_or_default())?;
        let length = Length::of(request)?;
        let has_body = length != Length::NONE;
        let is_decided =
            has_body && parts_of(request).is_none_or(|parts| request::check(&parts).is_err());
        Ok(Self {
            head: head_of(request),
            length,
            // RFC 9110 §10.1.1: from HTTP/1.0 the expectation is ignored.
            awaits_continue: request.version == Some(1)
                && request.headers.iter().any(|field| is(field, "expect")),
            is_decided,
            persistence: Persistence::of(request),
        })
    }

    /// Reads the body away, unless the answer does not wait for it.
    pub(crate) async fn read_body<S: Stream>(
        self,
        stream: &mut Watched<S>,
        waiting: &mut Vec<u8>,
        connection: &Arc<Connection>,
    ) -> io::Result<Answerable> {
        let mut verdict = Ok(());
        if self.length != Length::NONE && !self.is_decided {
            let _in_flight = connection.begin();
            let is_short = !matches!(self.length, Length::Bytes(stated) if stated > MAX_BODY_BYTES);
            if self.awaits_continue && is_short && waiting.is_empty() {
                write_all(stream, [CONTINUE, &[], &[]]).await?;
            }
            verdict = incoming::discard(stream, waiting, self.length).await;
        }
        // Two readers may see different ends of a body in chunks (RFC 9112 §11.2).
        let ends = self.is_decided || verdict.is_err() || self.length == Length::Chunked;
        let mut head = self.head;
        head.extend(match self.persistence {
            _ if ends => &b"connection: close\r\n\r\n"[..],
            Persistence::Close => b"connection: close\r\n\r\n",
            Persistence::KeepAlive => b"connection: keep-alive\r\n\r\n",
            Persistence::Default => b"\r\n",
        });
        Ok(Answerable {
            head,
            verdict,
            ends,
        })
    }
}

impl Persistence {
    fn of(request: &httparse::Request<'_, '_>) -> Self {
        let fields = request.headers.iter();
        let options: Vec<_> = fields
            .filter(|field| is(field, "connection"))
            .flat_map(|field| members(field.value))
            .collect();
        let has = |name: &str| {
            let mut options = options.iter();
            options.any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
        };
        if has("close") {
            Self::Close
        } else if has("keep-alive") {
            Self::KeepAlive
        } else {
            Self::Default
        }
    }
}

fn is(field: &httparse::Header<'_>, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name)
}

fn head_of(request: &httparse::Request<'_, '_>) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let version = request.version.unwrap_or(1);
    let (method, target) = (
        request.method.unwrap_or_default(),
        request.path.unwrap_or_default(),
    );
    head.extend(format!("{method} {target} HTTP/1.{version}\r\n").bytes());
    let is_ours = |field: &&httparse::Header<'_>| match field.name.len() {
        10 => is(field, "connection"),
        14 => is(field, "content-length"),
        17 => is(field, "transfer-encoding"),
        // One that is met: hyper would send 100 once more.
        6 => is(field, "expect") && members(field.value).all(request::is_met),
        _ => false,
    };
    for field in request.headers.iter().filter(|field| !is_ours(field)) {
        for part in [field.name.as_bytes(), b": ", field.value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head
}

/// What hyper will make of it; `None` where it can't.
fn parts_of(request: &httparse::Request<'_, '_>) -> Option<Parts> {
    let version = match request.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut built = Request::builder()
        .method(request.method?)
        .uri(request.path?)
        .version(version);
    for field in request.headers.iter() {
        built = built.header(field.name, field.value);
    }
    Some(built.body(()).ok()?.into_parts().0)
}

/// The stream as hyper sees it: one head, then nothing more.
pub(crate) struct Alone<'a, S> {
    pub(crate) stream: &'a mut Watched<S>,
    pub(crate) connection: &'a Connection,
    pub(crate) head: Vec<u8>,
    /// What a listener sends meanwhile.
    pub(crate) waiting: &'a mut Vec<u8>,
    /// Whether hyper would go on with another request.
    pub(crate) goes_on: &'a AtomicBool,
    /// See [`Stream::keep_short`]; taken when somebody listens.
    pub(crate) patience: Option<Duration>,
}

/// What is remembered of a client that talks while it listens.
const MAX_MEANWHILE_BYTES: usize = 4 * 1024;

impl<S: Stream> Alone<'_, S> {
    /// One who listens and closes its side has left; others may have said all.
    fn watch_for_leaving(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(patience) = self.patience.take() {
            self.stream.keep_short(patience);
        }
        while self.waiting.len() < MAX_MEANWHILE_BYTES {
            let mut bytes = [0; 512];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *self.stream).poll_read(cx, &mut buffer)? {
                Poll::Pending => break,
                Poll::Ready(()) if buffer.filled().is_empty() => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Poll::Ready(()) => self.waiting.extend_from_slice(buffer.filled()),
            }
        }
        Ok(())
    }
}

impl<S: Stream> AsyncRead for Alone<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            self.goes_on.store(true, Ordering::Relaxed);
        }
        let count = self.head.len().min(buffer.remaining());
        buffer.put_slice(&self.head[..count]);
        self.head.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Alone<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut *self.stream).poll_flush(cx))?;
        if self.connection.only_listens() {
            self.watch_for_leaving(cx)?;
        }
        Poll::Ready(Ok(()))
    }

    /// The connection may go on; who owns it shuts it down.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &str, expected: Persistence) {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(request.as_bytes()).expect("a request");
        assert_eq!(Persistence::of(&parsed), expected, "{fields}");
    }

    #[test]
    fn one_close_among_the_options_is_enough() {
        check("", Persistence::Default);
        check("Connection: ,\r\n", Persistence::Default);
        check("Connection: x, Keep-Alive\r\n", Persistence::KeepAlive);
        for fields in [
            "Connection: , CLOSE,\r\n",
            "Connection: close\r\nConnection: keep-alive\r\n",
            "Connection: keep-alive, close\r\n",
            "Connection: x\r\nConnection:\tclose\r\n",
        ] {
            check(fields, Persistence::Close);
        }
    }
}
