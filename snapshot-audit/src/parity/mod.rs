//! Parity: whether two sides hold the same rows, and if they do not, where.
//!
//! ```text
//! rows ──Gathering──▶ normalize (one contract) ──sort──▶ compare, pair by pair ──▶ report
//! ```
//!
//! What counts as the same is written down in `docs/normalization.md`, and decided in
//! [`normalize`] alone. Each side is read by whoever knows it and given to a [`Gathering`];
//! the published one is read here, by [`snapshot`].

mod compare;
mod decimal;
pub mod junit;
pub mod markdown;
pub mod normalize;
pub mod report;
mod side;
pub mod snapshot;
pub mod sorted;
pub mod text;
mod values;

pub use compare::{TablePair, compare, on_one_side};
pub use side::{Gathering, TableSide};
