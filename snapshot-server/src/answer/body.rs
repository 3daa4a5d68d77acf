//! Response bodies: nothing, bytes in memory, pieces of an open file, or events
//! without end.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::answer::exchange::Exchange;
use crate::answer::feed::Listener;
use crate::snapshot::chunks::{CHUNK_BYTES, ChunkPool, read_chunk};
use crate::snapshot::content::Content;

/// The body of a response. Its length is known, except that of events.
pub(crate) struct Body {
    state: State,
    left_bytes: u64,
    /// The request is over when the last byte is handed over.
    exchange: Option<Exchange>,
}

enum State {
    Done,
    // Nearly every response: no queue, no allocation.
    Bytes(Bytes),
    Pieces(Pieces),
    Events(Listener),
}

struct Pieces {
    queue: VecDeque<Piece>,
    reading: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>>,
    pool: ChunkPool,
}

/// A stretch of a body.
pub(crate) enum Piece {
    /// In memory.
    Bytes(Bytes),
    /// This range of the content.
    Part(Content, Range<u64>),
}

impl Piece {
    fn size_bytes(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Part(_, range) => range.end - range.start,
        }
    }
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self {
            state: State::Done,
            left_bytes: 0,
            exchange: None,
        }
    }

    pub(crate) fn bytes(bytes: Bytes) -> Self {
        let left_bytes = bytes.len() as u64;
        let state = if bytes.is_empty() {
            State::Done
        } else {
            State::Bytes(bytes)
        };
        Self {
            state,
            left_bytes,
            exchange: None,
        }
    }

    /// A range of the content; the pool bounds it if it lies in a file.
    pub(crate) fn part(content: &Content, range: Range<u64>, pool: &ChunkPool) -> Self {
        match content {
            Content::Memory(bytes) => Self::bytes(slice(bytes, &range)),
            Content::File { .. } => Self::pieces([Piece::Part(content.clone(), range)], pool),
        }
    }

    /// Several pieces, one after the other.
    pub(crate) fn pieces(pieces: impl IntoIterator<Item = Piece>, pool: &ChunkPool) -> Self {
        let queue: VecDeque<_> = pieces.into_iter().collect();
        let left_bytes = queue.iter().map(Piece::size_bytes).sum();
        let pieces = Pieces {
            queue,
            reading: None,
            pool: pool.clone(),
        };
        Self {
            state: State::Pieces(pieces),
            left_bytes,
            exchange: None,
        }
    }

    /// What a listener is told, until it leaves or the server stops.
    pub(crate) fn events(listener: Listener) -> Self {
        Self {
            state: State::Events(listener),
            left_bytes: 0,
            exchange: None,
        }
    }

    /// Number of bytes still to come, as far as that is known.
    pub(crate) fn left_bytes(&self) -> u64 {
        self.left_bytes
    }

    /// The same body; the request is over when it is dropped.
    pub(crate) fn counted(self, exchange: Exchange) -> Self {
        Self {
            exchange: Some(exchange),
            ..self
        }
    }
}

impl Pieces {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let chunk = ready!(reading.as_mut().poll(cx));
                self.reading = None;
                return Poll::Ready(Some(chunk));
            }
            match self.queue.pop_front() {
                None => return Poll::Ready(None),
                Some(Piece::Bytes(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Piece::Part(Content::Memory(bytes), range)) => {
                    return Poll::Ready(Some(Ok(slice(&bytes, &range))));
                }
                Some(Piece::Part(Content::File { file, size_bytes }, range)) => {
                    let end = range.end.min(range.start + CHUNK_BYTES);
                    if end < range.end {
                        let rest = Content::File {
                            file: file.clone(),
                            size_bytes,
                        };
                        self.queue.push_front(Piece::Part(rest, end..range.end));
                    }
                    let chunk = read_chunk(file, range.start..end, self.pool.clone());
                    self.reading = Some(Box::pin(chunk));
                }
            }
        }
    }
}

fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |position: u64| usize::try_from(position).expect("a position in memory");
    bytes.slice(at(range.start)..at(range.end))
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = match &mut self.state {
            State::Done => None,
            State::Bytes(bytes) => Some(Ok(std::mem::take(bytes))),
            State::Pieces(pieces) => ready!(pieces.poll_next(cx)),
            State::Events(listener) => ready!(listener.poll_next(cx)).map(Ok),
        };
        let is_endless = matches!(self.state, State::Events(_));
        if let Some(Ok(bytes)) = &next {
            let count = bytes.len() as u64;
            self.left_bytes = self.left_bytes.saturating_sub(count);
            if let Some(exchange) = &mut self.exchange {
                exchange.sent(count);
            }
        }
        if (self.left_bytes == 0 && !is_endless) || !matches!(next, Some(Ok(_))) {
            self.state = State::Done;
        }
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Events(_) => SizeHint::default(),
            _ => SizeHint::with_exact(self.left_bytes),
        }
    }
}
