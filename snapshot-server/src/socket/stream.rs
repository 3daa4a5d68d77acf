//! The streams that connections are made of, watched for progress.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

#[cfg(target_os = "linux")]
use tokio::io::Interest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::socket::connection::Connection;

/// What connections are made of.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether the kernel can take bytes from a file without a copy.
    const SENDS_FILES: bool = false;

    /// Sends bytes of the file from `position` on, up to `count`.
    fn poll_send_file(
        &mut self,
        _cx: &mut Context<'_>,
        _file: &File,
        _position: usize,
        _count: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Makes the system buffer little for a client that does not read, and give a
    /// client up that vanished, after this time. For a stream of small messages
    /// that goes on and on; a response shows by itself that it stands still.
    fn keep_short(&self, _patience: Duration) {}
}

/// What the system may buffer of a stream of messages: a dozen of them at least.
#[cfg(unix)]
const SHORT_BUFFER_BYTES: usize = 16 * 1024;

impl Stream for TcpStream {
    const SENDS_FILES: bool = cfg!(target_os = "linux");

    #[cfg(target_os = "linux")]
    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        position: usize,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let mut position = i64::try_from(position).map_err(io::Error::other)?;
            let sent = self.try_io(Interest::WRITABLE, || {
                Ok(nix::sys::sendfile::sendfile64(
                    &*self,
                    file,
                    Some(&mut position),
                    count,
                )?)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    #[cfg(unix)]
    fn keep_short(&self, patience: Duration) {
        use nix::sys::socket::{setsockopt, sockopt};

        // Where the system refuses, more is buffered for longer, and that is all.
        let _ = setsockopt(self, sockopt::SndBuf, &SHORT_BUFFER_BYTES);
        #[cfg(target_os = "linux")]
        let _ = setsockopt(
            self,
            sockopt::TcpUserTimeout,
            &u32::try_from(patience.as_millis()).unwrap_or(u32::MAX),
        );
        #[cfg(not(target_os = "linux"))]
        let _ = patience;
    }
}

impl<S: Stream> Stream for tokio_rustls::server::TlsStream<S> {
    fn keep_short(&self, patience: Duration) {
        self.get_ref().0.keep_short(patience);
    }
}

#[cfg(unix)]
impl Stream for tokio::net::UnixStream {
    fn keep_short(&self, _patience: Duration) {
        use nix::sys::socket::{setsockopt, sockopt};
        let _ = setsockopt(self, sockopt::SndBuf, &SHORT_BUFFER_BYTES);
    }
}

/// A stream that can be given back what was read of it, to be read again.
pub(crate) struct Rewound<S> {
    first: Vec<u8>,
    stream: S,
}

impl<S> Rewound<S> {
    pub(crate) fn new(first: Vec<u8>, stream: S) -> Self {
        Self { first, stream }
    }
}

impl<S: Stream> Stream for Rewound<S> {
    const SENDS_FILES: bool = S::SENDS_FILES;

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        position: usize,
        count: usize,
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_send_file(cx, file, position, count)
    }

    fn keep_short(&self, patience: Duration) {
        self.stream.keep_short(patience);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..count]);
        self.first.drain(..count);
        if self.first.is_empty() {
            // A connection that goes on holds no buffer.
            self.first = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A stream whose reads and writes are noted.
pub(crate) struct Watched<S> {
    stream: Rewound<S>,
    connection: Arc<Connection>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, connection: Arc<Connection>) -> Self {
        let stream = Rewound::new(Vec::new(), stream);
        Self { stream, connection }
    }

    /// Sends the file from its first byte to its last.
    pub(crate) async fn send_file(&mut self, file: &File, size_bytes: usize) -> io::Result<()>
    where
        S: Stream,
    {
        let mut position = 0;
        std::future::poll_fn(|cx| {
            while position < size_bytes {
                let result = self
                    .stream
                    .poll_send_file(cx, file, position, size_bytes - position);
                self.connection.has_written(&result);
                match ready!(result)? {
                    0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero))),
                    count => position += count,
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// See [`Stream::keep_short`].
    pub(crate) fn keep_short(&self, patience: Duration)
    where
        S: Stream,
    {
        self.stream.keep_short(patience);
    }

    /// Gives back what was read, to be read again.
    pub(crate) fn put_back(&mut self, bytes: Vec<u8>) {
        self.stream.first = bytes;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.connection.has_read();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.connection.has_written(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.connection.has_written(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Writes all of it in as few calls as can be.
pub(crate) async fn write_all<S: AsyncWrite + Unpin>(
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
