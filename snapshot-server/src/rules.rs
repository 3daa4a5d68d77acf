//! What can change while the server runs, and what cannot.

use std::time::Duration;

use hyper::header::HeaderValue;

use crate::error::ServerError;
use crate::http::cors::Cors;
use crate::http::forwarded::TrustedProxies;
use crate::options::Options;
use crate::socket::limits::Limits;

/// How requests are answered, whatever the snapshot.
pub(crate) struct Rules {
    pub(crate) cors: Cors,
    /// `Cache-Control` of everything that is not named by a hash.
    pub(crate) pointer_cache_control: HeaderValue,
    pub(crate) proxies: TrustedProxies,
    pub(crate) poll_interval: Duration,
    /// At `/events`; at most half of the connections, so that others find room.
    pub(crate) max_listeners: usize,
    /// Of these, one client's; 0 is no limit.
    pub(crate) max_listeners_per_client: usize,
}

/// Several people sit behind one address.
const LEAST_LISTENERS_PER_CLIENT: usize = 16;

impl Rules {
    /// # Errors
    /// Where a value cannot stand in a header.
    pub(crate) fn of(options: &Options) -> Result<Self, ServerError> {
        let value = &options.pointer_cache_control;
        let pointer_cache_control =
            HeaderValue::try_from(value.as_str()).map_err(|_| ServerError::CacheControl {
                value: value.clone(),
            })?;
        let max_listeners = options.max_listeners.min(options.max_connections / 2);
        Ok(Self {
            cors: options.cors.clone(),
            pointer_cache_control,
            proxies: options.trusted_proxies.clone(),
            poll_interval: options.poll_interval,
            max_listeners,
            max_listeners_per_client: options
                .max_listeners_per_client
                .unwrap_or(share_of(max_listeners)),
        })
    }
}

// What one client may take, so that there is always room for another.
fn share_of(listeners: usize) -> usize {
    let quarter = (listeners / 4).max(LEAST_LISTENERS_PER_CLIENT);
    quarter.min(listeners / 2).max(1)
}

pub(crate) fn limits(options: &Options) -> Limits {
    Limits {
        most: options.max_connections.max(1),
        most_per_client: options.max_connections_per_client,
        timeouts: options.timeouts,
    }
}

/// Whether simple requests may be answered without hyper: the same for every origin.
pub(crate) fn has_fast_path(options: &Options) -> bool {
    options.fast_path && options.cors == Cors::Any
}

/// The difference between two sets of options, by the names of the flags.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Taken over at once.
    pub(crate) taken: Vec<&'static str>,
    /// As they were until a restart.
    pub(crate) fixed: Vec<&'static str>,
}

/// What differs; `current` takes over what can change while the server runs.
pub(crate) fn take_over(current: &mut Options, new: &Options) -> Changes {
    let mut taken = Vec::new();
    macro_rules! take {
        ($($flag:literal: $($field:ident).+),* $(,)?) => {$(
            if current.$($field).+ != new.$($field).+ {
                taken.push($flag);
                current.$($field).+ = new.$($field).+.clone();
            }
        )*};
    }
    take! {
        "access-log": access_log,
        "client-field": trusted_proxies.field,
        "cors": cors,
        "head-timeout": timeouts.head,
        "heartbeat": timeouts.heartbeat,
        "idle-timeout": timeouts.idle,
        "in-flight": in_flight_bytes,
        "max-connections": max_connections,
        "max-connections-per-client": max_connections_per_client,
        "max-listeners": max_listeners,
        "max-listeners-per-client": max_listeners_per_client,
        "pointer-cache-control": pointer_cache_control,
        "poll-interval": poll_interval,
        "stall-timeout": timeouts.stall,
        "stop-timeout": timeouts.stop,
        "trusted-proxies": trusted_proxies.proxies,
    }
    // What is opened, bound or measured out once.
    let files = |options: &Options| options.tls.clone().map(|tls| (tls.certificate, tls.key));
    let fixed = [
        ("follow-links", current.follow_links != new.follow_links),
        ("listen", current.listen != new.listen),
        (
            "memory",
            current.memory_budget_bytes != new.memory_budget_bytes,
        ),
        ("metrics", current.metrics != new.metrics),
        ("root", current.root != new.root),
        ("threads", current.threads != new.threads),
        ("tls-cert, tls-key", files(current) != files(new)),
    ];
    let fixed = fixed.into_iter().filter(|(_, differs)| *differs);
    let fixed = fixed.map(|(flag, _)| flag).collect();
    Changes { taken, fixed }
}
