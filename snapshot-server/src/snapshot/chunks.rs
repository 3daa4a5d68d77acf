//! Pieces of files that are read for responses, and how many of them there may be.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::snapshot::content::read_at;

/// What one read of a large file takes, and so what a slow client can occupy
/// several of.
pub(crate) const CHUNK_BYTES: u64 = 128 * 1024;

/// Bounds the memory that all responses from files occupy together.
#[derive(Clone, Debug)]
pub(crate) struct ChunkPool(Arc<Semaphore>);

impl ChunkPool {
    pub(crate) fn new(bytes: u64) -> Self {
        let chunks = usize::try_from(bytes / CHUNK_BYTES).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(
            chunks.clamp(1, Semaphore::MAX_PERMITS),
        )))
    }
}

/// Reads a piece as soon as the pool has room for it.
pub(crate) async fn read_chunk(
    file: Arc<File>,
    range: Range<u64>,
    pool: ChunkPool,
) -> io::Result<Bytes> {
    let permit = pool
        .0
        .acquire_owned()
        .await
        .expect("the pool is never closed");
    let read = move || {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).expect("a chunk")];
        let mut filled = 0;
        while filled < bytes.len() {
            match read_at(&file, &mut bytes[filled..], range.start + filled as u64) {
                // Somebody cut the file. The client sees a broken transfer, as it must.
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Bytes::from_owner(Chunk {
            bytes,
            _permit: permit,
        }))
    };
    tokio::task::spawn_blocking(read)
        .await
        .map_err(io::Error::other)?
}

struct Chunk {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
