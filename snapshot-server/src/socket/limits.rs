//! How many connections there may be, how many of one client, and how long each may be silent.

use std::net::IpAddr;
use std::time::Duration;

/// How long a connection may make no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Between requests. Longer than the keep-alive of a CDN to its origin, or
    /// the CDN sends a request into a closing connection and answers 502.
    pub idle: Duration,
    /// From the first byte of a request's head to its last, however steadily
    /// the bytes trickle.
    pub head: Duration,
    /// For a client that does not read its response.
    pub stall: Duration,
    /// Between two signs of life to those who listen at `/events`.
    pub heartbeat: Duration,
    /// From the signal to stop until what still runs is cut off.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(120),
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            stop: Duration::from_secs(10),
        }
    }
}

/// How many connections there may be, and how long each may make no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// All together.
    pub(crate) most: usize,
    /// Of one client's address; 0 is no limit.
    pub(crate) most_per_client: usize,
    pub(crate) timeouts: Timeouts,
}

/// Whose share an address has a part in: its own, or that of its /64 over IPv6, of which
/// every customer has one at least.
pub(crate) fn share_of_client(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address => address,
    }
}
