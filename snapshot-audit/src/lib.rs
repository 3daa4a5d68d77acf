//! Judges what is published.
//!
//! [`verify`] looks at every byte of a snapshot, [`diff`] compares two versions row by row,
//! [`history`] says what each version brought, and [`parity`] whether two sides hold the
//! same rows. [`published`] reads the rows that they judge.
//!
//! This crate knows the format and the stores, and none of the code that fills them: no
//! file is read here as the seed reads it, and no row written as the publisher writes it.
//! A fault that both had would be found by neither.

pub mod diff;
pub mod history;
pub mod parity;
pub mod published;
pub mod verify;
