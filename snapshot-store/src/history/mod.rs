//! The history of a store: what was published, when, and what a person calls it.
//!
//! ```text
//! 1795380688-57   one publication: epoch and sequence
//! 57              the same, where one epoch alone has that sequence
//! seq:42          the database's state, by its reference version
//! a42da3df        the content, by the first digits of its manifest's hash
//! ```

mod name;
mod read;
#[cfg(test)]
mod tests;

pub use name::{ResolveError, name, resolve};
pub use read::{History, Reason, Unreadable, before};
