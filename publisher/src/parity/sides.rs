//! The sides that only the publisher can read: each gives a table's rows to the same contract.

pub(crate) mod database;
pub(crate) mod source;
