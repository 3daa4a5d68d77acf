//! Watching: which files a round of `publisher watch` is about, and when it begins.
//!
//! ```text
//! the system's events ──▶ Debounce ──when they have calmed──▶ Inputs ──other contents──▶ a round
//! (or a clock, --poll)    (pure)                            (look)                        │
//!                            ▲                                 Retry (pure) ◀──how it ended┘
//! ```
//!
//! What it promises:
//!
//! - W1. An event is a hint and nothing more. Whether there is something to do is decided
//!   by the contents of the files, so that an event too many does nothing, and one event
//!   for many edits is enough.
//! - W2. Nothing is missed: the folders are watched before they are first looked at, hints
//!   that come while a round runs are kept for a look behind it, and a folder that was
//!   replaced is watched anew.
//! - W3. One save is one round: a file that is being written, and a `git checkout` that is
//!   at work, are waited for.

mod checkout;
mod debounce;
mod folders;
mod inputs;
mod retry;

pub(crate) use checkout::Checkout;
pub(crate) use debounce::{Debounce, Hint, PATIENCE};
pub(crate) use folders::{Folders, Hints, WatchError};
pub(crate) use inputs::{Inputs, Places};
pub(crate) use retry::{Decision, Ended, Retry};
