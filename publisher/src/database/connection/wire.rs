//! The bytes between the driver and the server, watched: does the server owe an answer, and
//! since when has it been silent?
//!
//! The driver waits for ever for a server that is silent. So this stands between the two and
//! counts: each request ends with a Sync or is a Query, and is answered by one ReadyForQuery.
//! Only whole messages are passed on to the driver. So whoever finds that the server is not
//! there any more can say so as PostgreSQL itself would, by an ErrorResponse, and whatever
//! the driver waits for fails with those words.
//! Source: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// A socket with or without TLS.
pub(super) type Transport = Box<dyn TlsStream + Unpin + Send>;

// Whatever is longer is passed on as it comes, rather than held twice.
const LONG_MESSAGE: usize = 1 << 20;

const READ_SIZE: usize = 16 * 1024;

/// What is known of a connection, by its wire and by who watches it.
#[derive(Debug)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Debug)]
struct State {
    moved: Instant,
    owed: u32,
    key: Option<i32>,
    pid: Option<String>,
    given_up: Option<String>,
    reader: Option<Waker>,
}

impl Pulse {
    fn new() -> Self {
        Self(Mutex::new(State {
            moved: Instant::now(),
            owed: 0,
            key: None,
            pid: None,
            given_up: None,
            reader: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// How long nothing has moved, if the server owes an answer.
    pub(super) fn silent_for(&self) -> Option<Duration> {
        let state = self.state();
        (state.owed > 0).then(|| state.moved.elapsed())
    }

    /// The process that the server named when we logged in: a pooler's is made up.
    pub(super) fn key(&self) -> Option<i32> {
        self.state().key
    }

    /// The server's process, once it is known.
    pub(super) fn pid(&self) -> Option<String> {
        self.state().pid.clone()
    }

    /// Says which process it is.
    pub(super) fn is_of(&self, pid: &str) {
        self.state().pid = Some(pid.to_owned());
    }

    /// Ends the connection. Whoever waits for an answer is told this.
    pub(super) fn give_up(&self, why: String) {
        let mut state = self.state();
        state.given_up = Some(why);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }
}

/// See above.
pub(super) struct Wire {
    socket: Transport,
    pulse: Arc<Pulse>,
    // Whether the first message, which has no tag, was sent.
    greeted: bool,
    sending: Frames,
    received: BytesMut,
    // How much of `received` consists of whole messages, or of a long one.
    whole: usize,
    // What is still to come of a long message.
    passing: usize,
}

impl Wire {
    pub(super) fn new(socket: Transport) -> (Self, Arc<Pulse>) {
        let pulse = Arc::new(Pulse::new());
        let wire = Self {
            socket,
            pulse: Arc::clone(&pulse),
            greeted: false,
            sending: Frames::default(),
            received: BytesMut::with_capacity(READ_SIZE),
            whole: 0,
            passing: 0,
        };
        (wire, pulse)
    }

    // Looks at what has come since the last time.
    fn take_in(&mut self) {
        let mut state = self.pulse.state();
        state.moved = Instant::now();
        loop {
            let rest = &self.received[self.whole..];
            if self.passing > 0 {
                let part = self.passing.min(rest.len());
                (self.whole, self.passing) = (self.whole + part, self.passing - part);
                if self.passing > 0 {
                    return;
                }
                continue;
            }
            let Some((tag, size)) = header(rest) else {
                return;
            };
            if rest.len() < size && size <= LONG_MESSAGE {
                return;
            }
            match tag {
                b'Z' => state.owed = state.owed.saturating_sub(1),
                // Within a COPY the server passes over the Sync behind its Execute.
                b'G' => state.owed = state.owed.saturating_sub(1),
                b'K' if size >= 9 => {
                    let key = [rest[5], rest[6], rest[7], rest[8]];
                    state.key = Some(i32::from_be_bytes(key));
                }
                _ => {}
            }
            self.passing = size;
        }
    }

    fn count_sent(&mut self, mut bytes: &[u8]) {
        let mut state = self.pulse.state();
        state.moved = Instant::now();
        if !self.greeted {
            // The start-up message is sent whole, and answered by what a Query is.
            self.greeted = true;
            state.owed += 1;
            return;
        }
        while !bytes.is_empty() {
            if let Some(tag) = self.sending.advance(&mut bytes)
                && matches!(tag, b'S' | b'Q')
            {
                state.owed += 1;
            }
        }
    }
}

// Where one is in a stream of messages that comes in pieces.
#[derive(Debug, Default)]
struct Frames {
    head: Vec<u8>,
    rest: usize,
}

impl Frames {
    // Steps to the end of the message or of the bytes; gives the tag of a message that begins.
    fn advance(&mut self, bytes: &mut &[u8]) -> Option<u8> {
        if self.rest > 0 {
            let part = self.rest.min(bytes.len());
            self.rest -= part;
            *bytes = &bytes[part..];
            return None;
        }
        let part = (5 - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..part]);
        *bytes = &bytes[part..];
        let (tag, size) = header(&self.head)?;
        self.rest = size - 5;
        self.head.clear();
        Some(tag)
    }
}

// A message's tag, and its size with tag and length.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let (tag, length) = (bytes.first()?, bytes.get(1..5)?);
    let length = u32::from_be_bytes(length.try_into().ok()?);
    // Less than itself is no length; the driver will say so.
    Some((*tag, (length as usize).max(4) + 1))
}

const READY: [u8; 6] = [b'Z', 0, 0, 0, 5, b'I'];

// What PostgreSQL says before it closes a connection.
fn fatal(message: &str) -> Vec<u8> {
    let fields = [
        ('S', "FATAL"),
        ('V', "FATAL"),
        ('C', "08006"),
        ('M', message),
    ];
    let mut body = Vec::new();
    for (field, text) in fields {
        body.push(field as u8);
        body.extend(text.bytes().filter(|byte| *byte != 0));
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).expect("a message is short");
    [b"E", &length.to_be_bytes()[..], &body].concat()
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.whole == 0 {
            if let Some(why) = this.end_or_wait(cx) {
                // Half a long message has been passed on: there is no way to say why.
                if this.passing > 0 || why.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                // To each request that is still without its answer.
                let owed = this.pulse.state().owed.max(1) as usize;
                let answer = [&fatal(&why)[..], &READY].concat();
                this.received = BytesMut::from(&answer.repeat(owed)[..]);
                this.whole = this.received.len();
                break;
            }
            let mut piece = [0; READ_SIZE];
            let mut piece = ReadBuf::new(&mut piece);
            match Pin::new(&mut this.socket).poll_read(cx, &mut piece)? {
                Poll::Pending => return Poll::Pending,
                // What is left is half a message, of which nothing is to be had.
                Poll::Ready(()) if piece.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(()) => this.received.extend_from_slice(piece.filled()),
            }
            this.take_in();
        }
        let count = this.whole.min(buf.remaining());
        buf.put_slice(&this.received[..count]);
        this.received.advance(count);
        this.whole -= count;
        Poll::Ready(Ok(()))
    }
}

impl Wire {
    // Why the connection was given up; told once, and empty from then on.
    fn end_or_wait(&self, cx: &Context<'_>) -> Option<String> {
        let mut state = self.pulse.state();
        let why = state.given_up.clone();
        if why.is_some() {
            state.given_up = Some(String::new());
        } else {
            state.reader = Some(cx.waker().clone());
        }
        why
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf)?;
        if let Poll::Ready(count) = written {
            self.count_sent(&buf[..count]);
        }
        written.map(Ok)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        self.socket.channel_binding()
    }
}

/// For the driver: what it is given is encrypted already, or is meant to go as it is.
pub(super) struct AsItIs;

impl TlsConnect<Wire> for AsItIs {
    type Stream = Wire;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Wire>>;

    fn connect(self, wire: Wire) -> Self::Future {
        std::future::ready(Ok(wire))
    }
}

/// A socket without TLS.
pub(super) struct Plain<S>(pub(super) S);

impl<S: AsyncRead + Unpin> AsyncRead for Plain<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Plain<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Plain<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("it is short");
        [&[tag], &length.to_be_bytes()[..], body].concat()
    }

    #[tokio::test]
    async fn only_whole_messages_are_passed_on_and_then_why_it_ended() {
        let ready = message(b'Z', b"I");
        let row = message(b'D', b"half of this comes");
        for cut in 0..row.len() {
            let (client, mut server) = duplex(1 << 16);
            let (mut wire, pulse) = Wire::new(Box::new(Plain(client)));
            server.write_all(&ready).await.expect("the pipe is open");
            server
                .write_all(&row[..cut])
                .await
                .expect("the pipe is open");
            let mut first = vec![0; ready.len()];
            wire.read_exact(&mut first).await.expect("the pipe is open");
            assert_eq!(first, ready);
            pulse.state().owed = 2;
            pulse.give_up("it is silent".to_owned());
            let mut rest = Vec::new();
            wire.read_to_end(&mut rest).await.expect("the pipe is open");
            let each = [&fatal("it is silent")[..], &READY].concat();
            assert_eq!(rest, each.repeat(2), "{cut} bytes");
        }
    }

    #[tokio::test]
    async fn a_long_message_is_passed_on_as_it_comes() {
        let long = message(b'D', &vec![7; 3 * LONG_MESSAGE]);
        let (client, mut server) = duplex(1 << 16);
        let (mut wire, _pulse) = Wire::new(Box::new(Plain(client)));
        let sent = [long, message(b'Z', b"I")].concat();
        let expected = sent.clone();
        tokio::spawn(async move { server.write_all(&sent).await });
        let mut read = Vec::new();
        wire.read_to_end(&mut read).await.expect("the pipe is open");
        assert!(read == expected);
    }

    #[tokio::test]
    async fn what_is_owed_is_counted_however_the_bytes_are_cut() {
        let startup = message(0, b"user")[1..].to_vec();
        let requests = [
            message(b'P', b"parse"),
            message(b'S', b""),
            message(b'Q', b"q"),
        ]
        .concat();
        for size in 1..=requests.len() {
            let (client, mut server) = duplex(1 << 16);
            let (mut wire, pulse) = Wire::new(Box::new(Plain(client)));
            assert!(pulse.silent_for().is_none());
            wire.write_all(&startup).await.expect("the pipe is open");
            assert!(pulse.silent_for().is_some());
            for piece in requests.chunks(size) {
                wire.write_all(piece).await.expect("the pipe is open");
            }
            for left in [2, 1, 0] {
                assert!(pulse.silent_for().is_some());
                server
                    .write_all(&message(b'Z', b"I"))
                    .await
                    .expect("the pipe is open");
                wire.read_exact(&mut [0; 6])
                    .await
                    .expect("the pipe is open");
                assert_eq!(pulse.state().owed, left, "pieces of {size}");
            }
            assert!(pulse.silent_for().is_none());
        }
    }
}
