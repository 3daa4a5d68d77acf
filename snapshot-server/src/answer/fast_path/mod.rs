//! The fast path: one read, one lookup, one vectored write.
//!
//! Nearly every request is a simple GET of something that is in memory. Such a
//! request is read into a buffer that the whole thread shares, looked up, and
//! answered with bytes that were made when the version was loaded; nothing is
//! allocated, and an idle connection has no buffer.
//!
//! This is no second HTTP implementation. It takes only what has one meaning
//! (see [`Reply::to`]), parsed by hyper's own parser, and hands every other request
//! to hyper, one at a time (see [`Turn`]). A test sends the whole grammar both ways
//! and compares the answers byte by byte.

pub(crate) mod files;
mod reply;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use hyper::{HeaderMap, Method, Version};
use tokio::io::{AsyncRead, ReadBuf};

use crate::answer::exchange::Exchange;
use crate::answer::fast_path::reply::Reply;
use crate::answer::refuse;
use crate::http::headers;
use crate::http::kind::Kind;
use crate::http::problem::Problem;
use crate::http::request::{self, MAX_HEAD_BYTES, MAX_PARSED_FIELDS, PARSER_LIMIT_BYTES};
use crate::http::route::Surface;
use crate::observe::access_log::Entry;
use crate::shared::Shared;
use crate::socket::connection::Connection;
use crate::socket::stream::{Stream, Watched, write_all};
use crate::socket::turn::Turn;

/// What comes after the fast path.
pub(crate) enum Next {
    /// Nothing: the connection is over.
    End,
    /// hyper answers this request; then it goes on here.
    Http1(Turn),
    /// hyper reads on, from the first byte: the client speaks HTTP/2.
    Http2,
}

/// What TLS agreed on by ALPN, which then stands (RFC 9113 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    /// Nothing: the first bytes tell.
    Nothing,
    Http1,
    Http2,
}

/// More than any head that is answered here.
const SCRATCH_BYTES: usize = 16 * 1024;
/// Fields of a simple request.
pub(crate) const MAX_FIELDS: usize = 64;
/// What a client that was refused may still send before it has read why.
const MAX_LINGER_BYTES: usize = 4 * 1024 * 1024;

thread_local! {
    /// A read ends in the same poll in which its bytes are looked at, so one
    /// buffer serves all connections of a thread.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// Answers while requests are simple. For operators, and where pages are kept
/// out, it only finds out what is asked, and in which protocol.
pub(crate) async fn serve<S: Stream>(
    stream: &mut Watched<S>,
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    opening: &mut Opening,
) -> io::Result<Next> {
    let Opening {
        surface,
        agreed,
        waiting,
    } = opening;
    loop {
        let examiner = Examiner {
            shared,
            connection,
            surface: *surface,
            agreed: *agreed,
        };
        let examined = match examiner.examine_waiting(waiting) {
            Examined::Partial => {
                std::future::poll_fn(|cx| examiner.poll_examine(stream, cx, waiting)).await?
            }
            examined => examined,
        };
        match examined {
            Examined::Simple { reply, .. } => {
                // RFC 9113 §3.4: the preface is the first that is sent, or none.
                *agreed = Agreed::Http1;
                reply.write(stream, shared, connection).await?;
            }
            Examined::Partial => {}
            Examined::Refused(problem) => {
                // Boxed, since nearly no connection comes here.
                Box::pin(refuse(stream, *problem, waiting, shared, connection)).await?;
                return Ok(Next::End);
            }
            Examined::Other { turn, .. } => {
                *agreed = Agreed::Http1;
                return Ok(Next::Http1(*turn));
            }
            Examined::Http2 => {
                stream.put_back(std::mem::take(waiting));
                return Ok(Next::Http2);
            }
            Examined::End => return Ok(Next::End),
        }
    }
}

/// What is known of a connection between two requests.
pub(crate) struct Opening {
    pub(crate) surface: Surface,
    pub(crate) agreed: Agreed,
    /// Read and not answered: part of a head, or requests that came together.
    pub(crate) waiting: Vec<u8>,
}

/// What the bytes at hand are.
enum Examined {
    /// A request with one meaning, of so many bytes.
    Simple { used: usize, reply: Reply },
    /// Too few to tell.
    Partial,
    /// No request, for this reason.
    Refused(Box<Problem>),
    /// A request for hyper, whose head has so many bytes.
    Other { used: usize, turn: Box<Turn> },
    /// Another protocol.
    Http2,
    /// There will be none.
    End,
}

/// Looks at the bytes of one connection.
struct Examiner<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    surface: Surface,
    agreed: Agreed,
}

impl Examiner<'_> {
    /// Asked for each request: the rules may change while a connection waits.
    fn answers(&self) -> bool {
        self.surface == Surface::Public && self.shared.has_fast_path()
    }

    fn poll_examine<S: AsyncRead + Unpin>(
        &self,
        stream: &mut Watched<S>,
        cx: &mut Context<'_>,
        waiting: &mut Vec<u8>,
    ) -> Poll<io::Result<Examined>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(stream).poll_read(cx, &mut buffer)? {
                Poll::Ready(()) => {}
                // A server that stops waits for no further request.
                Poll::Pending if self.connection.is_finishing() && waiting.is_empty() => {
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
                // A head ends with a line, so one that trickles in is not
                // looked at for each of its bytes.
                return Poll::Ready(Ok(if may_end_a_head(bytes, waiting) {
                    self.examine_waiting(waiting)
                } else {
                    Examined::Partial
                }));
            }
            let examined = self.examine(bytes);
            let used = examined.used();
            waiting.extend_from_slice(&bytes[used..]);
            Poll::Ready(Ok(examined))
        })
    }

    /// Looks at what is left of earlier reads.
    fn examine_waiting(&self, waiting: &mut Vec<u8>) -> Examined {
        if waiting.is_empty() {
            return Examined::Partial;
        }
        let examined = self.examine(waiting);
        if examined.used() > 0 {
            waiting.drain(..examined.used());
            if waiting.is_empty() {
                // An idle connection has no buffer.
                *waiting = Vec::new();
            }
        }
        examined
    }

    fn examine(&self, bytes: &[u8]) -> Examined {
        match (self.agreed, is_http2(bytes)) {
            (Agreed::Http1, _) | (Agreed::Nothing, Some(false)) => {}
            // RFC 9113 §3.4: where another preface comes, it is hyper that ends the connection.
            (_, Some(_)) => return Examined::Http2,
            (_, None) => return Examined::Partial,
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(used)) => {
                if self.answers()
                    && used <= MAX_HEAD_BYTES
                    && let Some(reply) = Reply::to(&request, self.shared, self.connection)
                {
                    return Examined::Simple { used, reply };
                }
                for_hyper(&request, used)
            }
            Ok(httparse::Status::Partial) => unless_endless(bytes),
            Err(error) => refused_by_parser(bytes, error),
        }
    }
}

impl Examined {
    /// How many of the bytes at hand are no longer needed.
    fn used(&self) -> usize {
        match self {
            Self::Simple { used, .. } | Self::Other { used, .. } => *used,
            _ => 0,
        }
    }
}

fn may_end_a_head(bytes: &[u8], waiting: &[u8]) -> bool {
    bytes.contains(&b'\n') || waiting.len() > PARSER_LIMIT_BYTES
}

fn unless_endless(bytes: &[u8]) -> Examined {
    if bytes.len() <= PARSER_LIMIT_BYTES {
        Examined::Partial
    } else {
        Examined::Refused(Box::new(refuse::endless(bytes)))
    }
}

/// A request that is not simple: hyper's, unless it is none.
#[cold]
fn for_hyper(request: &httparse::Request<'_, '_>, used: usize) -> Examined {
    match Turn::of(request) {
        Ok(turn) => Examined::Other {
            used,
            turn: Box::new(turn),
        },
        Err(problem) => Examined::Refused(Box::new(problem)),
    }
}

#[cold]
fn refused_by_parser(bytes: &[u8], error: httparse::Error) -> Examined {
    if error == httparse::Error::TooManyHeaders {
        // hyper takes more of them than a simple request has.
        let mut fields = [httparse::EMPTY_HEADER; MAX_PARSED_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        return match request.parse(bytes) {
            Ok(httparse::Status::Complete(used)) => for_hyper(&request, used),
            Ok(httparse::Status::Partial) => unless_endless(bytes),
            Err(error) => Examined::Refused(Box::new(refuse::unparsable(bytes, error))),
        };
    }
    Examined::Refused(Box::new(refuse::unparsable(bytes, error)))
}

/// Says why, then lets the client read it: closing at once, with bytes of its
/// still unread, would make the system take the answer back.
async fn refuse<S: Stream>(
    stream: &mut Watched<S>,
    problem: Problem,
    bytes: &[u8],
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
) -> io::Result<()> {
    let mut exchange = Exchange::begin(refused_entry(shared, connection), shared, connection);
    let status = problem.status();
    exchange.decided(Kind::Other, status);
    let (mut fields, body) = problem.into_parts();
    shared
        .rules
        .load()
        .cors
        .narrow(&HeaderMap::new(), &mut fields);
    request::close(&mut fields);
    // RFC 9110 §9.3.2, as far as it can be told what was asked.
    let body = if bytes.starts_with(b"HEAD ") {
        &[]
    } else {
        &body[..]
    };
    let date = connection.date_line(exchange.began());
    write_all(stream, [&headers::lines(status, &fields), &date[..], body]).await?;
    exchange.sent(body.len() as u64);
    drop(exchange);
    linger(stream, connection).await
}

fn refused_entry(shared: &Shared, connection: &Connection) -> Option<Box<Entry>> {
    shared.log.is_on().then(|| {
        Box::new(Entry {
            time: SystemTime::now(),
            client: connection.client(),
            method: Method::from_bytes(b"-").expect("a token"),
            target: None,
            version: Version::HTTP_11,
            user_agent: None,
        })
    })
}

/// Ends our side, and reads away what still comes, up to a bound; the sweep keeps the time.
pub(crate) async fn linger<S: Stream>(
    stream: &mut Watched<S>,
    connection: &Connection,
) -> io::Result<()> {
    tokio::io::AsyncWriteExt::shutdown(stream).await?;
    let mut left = MAX_LINGER_BYTES;
    std::future::poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let mut buffer = ReadBuf::new(scratch);
                match Pin::new(&mut *stream).poll_read(cx, &mut buffer)? {
                    Poll::Pending if connection.is_finishing() => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => {}
                }
                let count = buffer.filled().len();
                left = left.saturating_sub(count);
                if count == 0 || left == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
        })
    })
    .await
}

/// What a client sends first that speaks HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `None` while it may still become the preface.
fn is_http2(bytes: &[u8]) -> Option<bool> {
    let told = bytes.len().min(PREFACE.len());
    if bytes[..told] == PREFACE[..told] {
        (told == PREFACE.len()).then_some(true)
    } else {
        Some(false)
    }
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
}
