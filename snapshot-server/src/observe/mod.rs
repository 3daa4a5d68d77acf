//! What the operator sees: counters, and a line for each request.

pub(crate) mod access_log;
pub(crate) mod metrics;
