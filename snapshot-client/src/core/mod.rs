//! Decisions without effects: bytes in, actions out.
//!
//! What a refresh fetches, in which order the cache is written, what is refused and when to ask
//! again is decided here. Nothing here knows a socket, a disk, a clock or a thread: a
//! [`story`] says what it wants done, and is handed what came of it.

pub(crate) mod cache;
pub(crate) mod held;
pub(crate) mod refresh;
mod response;
pub(crate) mod schedule;
pub(crate) mod sse;
pub(crate) mod story;
