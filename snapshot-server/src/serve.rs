//! The accept loop, and one task for each connection.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{Admitted, Connections, Protocol, Watched};
use crate::respond::respond;
use crate::shared::Shared;

/// What hyper reads of a head before it refuses by itself. Above our own limit,
/// so that nearly every head that is too large gets an answer that explains.
const PARSER_LIMIT_BYTES: usize = 64 * 1024;

/// Accepts until `shutdown` resolves.
pub(crate) async fn accept(
    listener: TcpListener,
    shared: &Arc<Shared>,
    connections: &Arc<Connections>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if !connections.is_full() => accepted,
            // All connections are at work: the next ones wait in the backlog.
            () = tokio::time::sleep(Duration::from_millis(50)), if connections.is_full() => continue,
            () = &mut shutdown => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, shared.clone(), connections.admit()));
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

async fn serve(stream: TcpStream, shared: Arc<Shared>, admitted: Admitted) {
    // A response is one write; waiting for more only delays its end.
    let _ = stream.set_nodelay(true);
    let connection = &admitted.connection;
    let io = TokioIo::new(Watched::new(stream, connection.clone()));
    let service = service_fn(|request| {
        let response = respond(request, shared.clone(), connection.clone());
        async { Ok::<_, io::Error>(response.await) }
    });
    let http = http1::Builder::new()
        // The sweep over all connections keeps the time instead.
        .header_read_timeout(None)
        .max_header_size(PARSER_LIMIT_BYTES)
        .serve_connection(io, service);
    connection.drive(pin!(http)).await;
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
