//! Where requests come from: listeners, connections, their protocols and their limits.

pub(crate) mod clock;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod place;
pub(crate) mod proxied;
pub(crate) mod renewal;
pub(crate) mod serve;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod turn;
pub(crate) mod workers;
