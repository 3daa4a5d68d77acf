//! Decisions without effects: bytes in, actions out.
//!
//! What a refresh fetches, in which order the cache is written, what is refused and when to ask
//! again is decided here, by functions that know no socket, disk, clock or thread: they ask for
//! bytes through the four methods of [`Io`](io::Io).

pub(crate) mod cache;
#[cfg(test)]
pub(crate) mod in_memory;
pub(crate) mod io;
pub(crate) mod memory;
pub(crate) mod parse;
pub(crate) mod refresh;
mod response;
pub(crate) mod schedule;
pub(crate) mod sse;
