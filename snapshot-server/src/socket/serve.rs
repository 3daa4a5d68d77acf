//! The accept loops, and one task for each connection.

use parking_lot::Mutex;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Waker};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::answer::fast_path::{self, Agreed, Next, Opening};
use crate::answer::respond::respond;
use crate::http::request::{MAX_HEAD_BYTES, MAX_PARSED_FIELDS, PARSER_LIMIT_BYTES};
use crate::http::route::Surface;
use crate::shared::Shared;
use crate::socket::connection::{Connection, Protocol};
use crate::socket::connections::{Admitted, Connections};
use crate::socket::listen::{Accepted, Attached, Listener};
use crate::socket::proxied::take_header;
use crate::socket::stream::{Rewound, Stream, Watched};
use crate::socket::tls::Tls;
use crate::socket::turn::{Alone, Answerable, Turn};
use crate::socket::workers::Workers;

/// What a head may grow by in our spelling: some spaces, and `connection: close`.
const MAX_RESPELLED_BYTES: usize = 1024;

/// Requests at a time on one HTTP/2 connection. RFC 9113 §5.1.2 advises at least 100.
const MAX_STREAMS: u32 = 128;
/// What waits in a stream for the client's window to open.
const STREAM_BUFFER_BYTES: usize = 128 * 1024;

/// Accepts until `shutdown` resolves. Without workers connections are served
/// where they are accepted.
pub(crate) async fn accept(
    listener: Listener,
    surface: Surface,
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    workers: Option<Arc<Workers>>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    loop {
        // When all connections are at work the next ones wait in the backlog.
        let full = connections.is_full();
        let accepted = tokio::select! {
            accepted = listener.accept(), if !full => accepted,
            () = tokio::time::sleep(Duration::from_millis(50)), if full => continue,
            () = &mut shutdown => return,
        };
        match accepted {
            Ok(accepted) => {
                let admitted = connections.admit();
                let served = serve(accepted, surface, shared.clone(), admitted);
                match &workers {
                    Some(workers) => workers.spawn(served),
                    None => drop(tokio::spawn(served)),
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => {
                // Out of descriptors or memory: trying again at once would spin.
                connections.shed();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn serve(accepted: Accepted, surface: Surface, shared: Arc<Shared>, admitted: Admitted) {
    let Accepted {
        transport,
        peer,
        tls,
        is_proxied,
    } = accepted;
    let Ok(transport) = transport.attach() else {
        return;
    };
    let begin = Begin {
        surface,
        shared: &shared,
        admitted: &admitted,
    };
    match transport {
        // Nearly every connection; the others are boxed, so that it does not
        // keep room for what they need.
        Attached::Tcp(stream) if !is_proxied && tls.is_none() => {
            if begin.identify(peer) {
                speak(stream, Agreed::Nothing, &begin).await;
            }
        }
        Attached::Tcp(stream) => Box::pin(introduced(stream, peer, is_proxied, tls, begin)).await,
        #[cfg(unix)]
        Attached::Unix(stream) => Box::pin(introduced(stream, peer, is_proxied, tls, begin)).await,
    }
}

/// What every way of beginning a connection needs.
struct Begin<'a> {
    surface: Surface,
    shared: &'a Arc<Shared>,
    admitted: &'a Admitted,
}

impl Begin<'_> {
    /// Notes whose connection it is; false where that client has too many.
    fn identify(&self, client: Option<IpAddr>) -> bool {
        let Some(client) = client else { return true };
        let limits = self.shared.connections.limits();
        // Many clients share the address of a proxy, and operators have a
        // listener of their own so that nothing keeps them out.
        let is_one_client = self.surface == Surface::Public
            && limits.most_per_client > 0
            && !self.shared.rules.load().proxies.trusts(Some(client));
        let most = if is_one_client {
            limits.most_per_client
        } else {
            0
        };
        let admitted = self.admitted.identify(client, most);
        if !admitted {
            self.shared.metrics.count_crowded_out();
        }
        admitted
    }

    /// The client that the proxy names, and what follows; `None` where the
    /// connection must end.
    async fn read_proxy_header<S: Stream>(
        &self,
        stream: &mut S,
        peer: Option<IpAddr>,
    ) -> Option<(Option<IpAddr>, Vec<u8>)> {
        if !self.shared.rules.load().proxies.may_introduce(peer) {
            return None;
        }
        let timeout = self.shared.connections.limits().timeouts.head;
        let header = pin!(tokio::time::timeout(timeout, take_header(stream)));
        let header = self.admitted.connection.unless_told(header).await?;
        header.ok()?.ok()
    }
}

/// A connection that begins with something before HTTP: a PROXY header, a TLS
/// handshake, both in this order, or, on a Unix socket, perhaps neither.
async fn introduced<S: Stream>(
    mut stream: S,
    peer: Option<IpAddr>,
    is_proxied: bool,
    tls: Option<Arc<Tls>>,
    begin: Begin<'_>,
) {
    let (mut client, mut rest) = (peer, Vec::new());
    if is_proxied {
        let Some((named, after)) = begin.read_proxy_header(&mut stream, peer).await else {
            return begin.shared.metrics.count_unintroduced();
        };
        client = named.map(|named| named.to_canonical()).or(peer);
        rest = after;
    }
    if !begin.identify(client) {
        return;
    }
    let stream = Rewound::new(rest, stream);
    let Some(tls) = tls else {
        return speak(stream, Agreed::Nothing, &begin).await;
    };
    let timeout = begin.shared.connections.limits().timeouts.head;
    let handshake = pin!(tokio::time::timeout(timeout, tls.accept(stream)));
    // A failed handshake is the client's affair; it was told by an alert.
    if let Some(Ok(Ok(stream))) = begin.admitted.connection.unless_told(handshake).await {
        let agreed = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Agreed::Http2,
            Some(_) => Agreed::Http1,
            None => Agreed::Nothing,
        };
        Box::pin(speak(stream, agreed, &begin)).await;
    }
}

/// The fast path while requests are simple, and hyper for the others. HTTP/2 is told by
/// its preface, or by what TLS agreed on.
async fn speak<S: Stream>(stream: S, agreed: Agreed, begin: &Begin<'_>) {
    let connection = &begin.admitted.connection;
    let conversation = pin!(converse(stream, agreed, begin));
    connection.unless_closed(conversation).await;
}

/// What becomes of one connection is nobody's error.
async fn converse<S: Stream>(stream: S, agreed: Agreed, begin: &Begin<'_>) -> io::Result<()> {
    let Begin {
        surface, shared, ..
    } = *begin;
    let connection = &begin.admitted.connection;
    let mut stream = Watched::new(stream, connection.clone());
    let mut opening = Opening {
        surface,
        agreed,
        waiting: Vec::new(),
    };
    loop {
        match fast_path::serve(&mut stream, shared, connection, &mut opening).await? {
            // Boxed, so that a connection that never comes here does not keep room for it.
            Next::Http1(turn) => {
                let turn = http1(&mut stream, turn, &mut opening, shared, connection);
                if !Box::pin(turn).await? {
                    return Ok(());
                }
            }
            Next::Http2 => {
                Box::pin(http2(stream, surface, shared, connection)).await;
                return Ok(());
            }
            Next::End => return Ok(()),
        }
    }
}

/// One connection without a socket, from its first byte to its last.
#[cfg(any(test, fuzzing))]
pub(crate) async fn speak_to<S: Stream>(stream: S, shared: &Arc<Shared>) {
    let admitted = shared.connections.admit();
    let begin = Begin {
        surface: Surface::Public,
        shared,
        admitted: &admitted,
    };
    speak(stream, Agreed::Nothing, &begin).await;
}

/// One request; false where it was the last.
async fn http1<S: Stream>(
    stream: &mut Watched<S>,
    turn: Turn,
    opening: &mut Opening,
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
) -> io::Result<bool> {
    let Opening {
        surface, waiting, ..
    } = opening;
    let Answerable {
        head,
        verdict,
        ends,
    } = turn.read_body(stream, waiting, connection).await?;
    let (surface, verdict) = (*surface, Mutex::new(Some(verdict)));
    let service = service_fn(|request| {
        // hyper sees one request.
        let verdict = verdict.lock().take().unwrap_or(Ok(()));
        let response = respond(
            request,
            verdict,
            surface,
            shared.clone(),
            connection.clone(),
        );
        async { Ok::<_, io::Error>(response.await) }
    });
    let goes_on = AtomicBool::new(false);
    let alone = Alone {
        stream,
        connection,
        head,
        waiting,
        goes_on: &goes_on,
        patience: Some(shared.connections.limits().timeouts.stall),
    };
    let http = http1::Builder::new()
        // The sweep over all connections keeps the time instead.
        .header_read_timeout(None)
        .max_headers(MAX_PARSED_FIELDS + 1)
        // Nothing comes after the head, and the answer does.
        .half_close(true)
        .max_header_size(PARSER_LIMIT_BYTES + MAX_RESPELLED_BYTES)
        .serve_connection(TokioIo::new(alone), service);
    connection.drive(pin!(http)).await;
    if goes_on.into_inner() {
        return Ok(true);
    }
    if ends || !waiting.is_empty() {
        fast_path::linger(stream, connection).await?;
    } else {
        tokio::io::AsyncWriteExt::shutdown(stream).await?;
    }
    Ok(false)
}

async fn http2<S>(
    stream: Watched<S>,
    surface: Surface,
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
) where
    S: Stream,
{
    connection.set_multiplexed();
    let service = service_fn(|request| {
        let response = respond(request, Ok(()), surface, shared.clone(), connection.clone());
        async { Ok::<_, io::Error>(response.await) }
    });
    let http = http2::Builder::new(Eager)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_send_buf_size(STREAM_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    connection.drive(pin!(http)).await;
}

/// Runs a stream's future at once, as part of its connection's own task. Nearly
/// every one is done by then; only what must wait becomes a task of its own.
#[derive(Clone, Copy)]
struct Eager;

impl<F> hyper::rt::Executor<F> for Eager
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut future = Box::pin(future);
        // The waker of nobody: a task polls the future anew with its own.
        let mut context = Context::from_waker(Waker::noop());
        if future.as_mut().poll(&mut context).is_pending() {
            tokio::spawn(future);
        }
    }
}

impl<I, B, S> Protocol for http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S, E> Protocol for http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
