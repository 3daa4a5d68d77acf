//! Writing on a thread of its own.
//!
//! Rendering a large table and hashing and writing its bytes cost about the same; side by
//! side they take the time of the longer one.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

// BLAKE3 hashes 16 KiB at once several times as fast as a row after the other; larger
// pieces wake the thread less often, and these still fit into a core's cache.
const BUFFER_SIZE: usize = 128 * 1024;

// So many full buffers wait at most: enough to even out a slow moment of the disk.
const WAITING_BUFFERS: usize = 4;

/// Hands what it is given to another writer in large pieces, and from the second piece
/// on does so on a thread of its own. Few bytes start no thread.
///
/// An error of the writer below comes with a later call, at the latest with
/// [`WriteBehind::finish`]; nothing is written behind it.
pub(crate) struct WriteBehind<W> {
    buffer: Vec<u8>,
    below: Below<W>,
}

enum Below<W> {
    Here(W),
    There(Writer<W>),
    // The writer failed, and its error has been given.
    Failed,
}

struct Writer<W> {
    full: SyncSender<Vec<u8>>,
    // Buffers that are written come back to be filled again.
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<W>>,
}

impl<W: Write + Send + 'static> WriteBehind<W> {
    /// Nothing is written yet.
    pub(crate) fn new(writer: W) -> Self {
        Self {
            buffer: Vec::new(),
            below: Below::Here(writer),
        }
    }

    /// Waits until everything is written, and gives the writer below.
    ///
    /// # Errors
    /// What the writer gave, now or before.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.buffer.is_empty() {
            let last = std::mem::take(&mut self.buffer);
            match &mut self.below {
                Below::Here(writer) => writer.write_all(&last)?,
                Below::There(_) | Below::Failed => self.send(last)?,
            }
        }
        match std::mem::replace(&mut self.below, Below::Failed) {
            Below::Here(writer) => Ok(writer),
            Below::There(writer) => writer.join(),
            Below::Failed => Err(failed_before()),
        }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if let Below::Here(_) = self.below {
            self.start_thread()?;
        }
        let next = match &self.below {
            Below::There(writer) => writer.empty.try_recv().unwrap_or_default(),
            Below::Here(_) | Below::Failed => Vec::new(),
        };
        let full = std::mem::replace(&mut self.buffer, next);
        self.send(full)
    }

    fn start_thread(&mut self) -> io::Result<()> {
        let Below::Here(mut writer) = std::mem::replace(&mut self.below, Below::Failed) else {
            return Ok(());
        };
        let (full, to_write) = sync_channel::<Vec<u8>>(WAITING_BUFFERS);
        let (written, empty) = channel();
        let write_all = move || {
            for mut buffer in to_write {
                writer.write_all(&buffer)?;
                buffer.clear();
                // Nobody waits for it any more where this was the last one.
                let _ = written.send(buffer);
            }
            Ok(writer)
        };
        let thread = thread::Builder::new()
            .name("write".to_owned())
            .spawn(write_all)?;
        self.below = Below::There(Writer {
            full,
            empty,
            thread,
        });
        Ok(())
    }

    // A thread that no longer receives has failed: its error is the answer.
    fn send(&mut self, full: Vec<u8>) -> io::Result<()> {
        match &self.below {
            Below::There(writer) if writer.full.send(full).is_ok() => return Ok(()),
            _ => {}
        }
        match std::mem::replace(&mut self.below, Below::Failed) {
            Below::There(writer) => Err(writer.join().err().unwrap_or_else(failed_before)),
            Below::Here(_) | Below::Failed => Err(failed_before()),
        }
    }
}

// The writer below must not outlive what holds it: its file stands in a folder that is
// about to be cleared.
impl<W> Drop for WriteBehind<W> {
    fn drop(&mut self) {
        if let Below::There(writer) = std::mem::replace(&mut self.below, Below::Failed) {
            let _ = writer.join();
        }
    }
}

impl<W> Writer<W> {
    fn join(self) -> io::Result<W> {
        drop(self.full);
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl<W: Write + Send + 'static> Write for WriteBehind<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= BUFFER_SIZE {
            self.pass_on()?;
        }
        let bytes = &bytes[..bytes.len().min(BUFFER_SIZE)];
        if self.buffer.capacity() == 0 && !matches!(self.below, Below::Here(_)) {
            self.buffer.reserve(BUFFER_SIZE + bytes.len());
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    // What is buffered is on its way, and only `finish` says that it has come.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed_before() -> io::Error {
    io::Error::other("an earlier write failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn every_byte_arrives_in_order_however_it_is_cut() {
        for length in [0, 1, BUFFER_SIZE, BUFFER_SIZE + 1, 20 * BUFFER_SIZE + 7] {
            for piece in [333, BUFFER_SIZE - 1, 3 * BUFFER_SIZE] {
                let expected = bytes(length);
                let mut out = WriteBehind::new(Vec::new());
                for piece in expected.chunks(piece) {
                    out.write_all(piece).expect("a Vec takes everything");
                }
                let written = out.finish().expect("a Vec takes everything");
                assert!(written == expected, "{length} bytes in pieces of {piece}");
            }
        }
    }

    // Takes so many bytes and no more.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() <= self.0 {
                self.0 -= bytes.len();
                Ok(bytes.len())
            } else {
                Err(io::ErrorKind::StorageFull.into())
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_fills_up_is_reported_once_by_its_own_error_and_never_passed_over() {
        for room in [0, BUFFER_SIZE, 5 * BUFFER_SIZE] {
            let mut out = WriteBehind::new(Full(room));
            let written = out.write_all(&bytes(40 * BUFFER_SIZE));
            let error = written.expect_err("there is no room");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "room for {room}");
            out.write_all(&bytes(2 * BUFFER_SIZE))
                .expect_err("the writer is gone");
            assert!(out.finish().is_err(), "the bytes are not all there");
        }
    }

    #[test]
    fn what_only_the_last_buffer_meets_is_reported_by_finish() {
        for length in [1, 3 * BUFFER_SIZE] {
            let mut out = WriteBehind::new(Full(length - 1));
            let error = match out.write_all(&bytes(length)) {
                Ok(()) => out.finish().err(),
                Err(error) => Some(error),
            };
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(io::ErrorKind::StorageFull), "{length} bytes");
        }
    }
}
