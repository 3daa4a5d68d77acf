//! A configuration, checked and complete.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use snapshot_format::{MAX_NUMBER, ObjectHash};

use super::remote::{Polling, RemoteConfig};
use crate::error::{Error, ErrorCode};
use crate::http::HttpTransport;
use crate::runtime::{Runtime, SystemRuntime};
use crate::storage::Storage;
use crate::transport::Transport;

const POLL_INTERVALS: RangeInclusive<Duration> =
    Duration::from_secs(5)..=Duration::from_secs(24 * 3600);

/// What a manifest can say of an object's size.
const OBJECT_BYTES: RangeInclusive<u64> = 1..=MAX_NUMBER;

/// A remote configuration, checked and complete.
pub(crate) struct Settings {
    /// Ends with a slash.
    pub(crate) base_url: String,
    /// The beginning of every key in the storage.
    pub(crate) prefix: String,
    pub(crate) storage: Option<Arc<dyn Storage>>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) polling: Polling,
    pub(crate) live_reload: bool,
    pub(crate) poll_interval: Duration,
    pub(crate) stale_time: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) init_timeout: Duration,
    pub(crate) storage_timeout: Duration,
    pub(crate) schema_majors: Vec<u32>,
    pub(crate) required_tables: Vec<String>,
    pub(crate) max_object_bytes: u64,
}

impl Settings {
    /// Checks a configuration, and fills in the defaults.
    ///
    /// # Errors
    /// [`ErrorCode::Config`] if the poll interval or the bound of objects is out of its range, or the default transport
    /// refuses the URL.
    pub(crate) fn of(config: RemoteConfig) -> Result<Self, Error> {
        let base_url = format!("{}/", config.base_url.trim_end_matches('/'));
        if !POLL_INTERVALS.contains(&config.poll_interval) {
            let message = format!(
                "the poll interval is {:?}; give 5 s to 24 h",
                config.poll_interval
            );
            return Err(Error::new(ErrorCode::Config, message));
        }
        if !OBJECT_BYTES.contains(&config.max_object_bytes) {
            let message = format!(
                "max_object_bytes is {}; give 1 to {MAX_NUMBER}",
                config.max_object_bytes
            );
            return Err(Error::new(ErrorCode::Config, message));
        }
        let namespace = match config.namespace {
            Some(namespace) => namespace,
            None => ObjectHash::of(base_url.as_bytes()).to_string()[..16].to_owned(),
        };
        Ok(Self {
            prefix: format!("tablecast/{namespace}/"),
            storage: config.storage,
            transport: match config.transport {
                Some(transport) => transport,
                None => Arc::new(HttpTransport::new(&base_url)?),
            },
            runtime: config
                .runtime
                .unwrap_or_else(|| Arc::new(SystemRuntime::new())),
            polling: config.polling,
            live_reload: config.live_reload,
            poll_interval: config.poll_interval,
            stale_time: config.stale_time.unwrap_or(config.poll_interval),
            request_timeout: config.request_timeout,
            init_timeout: config.init_timeout,
            storage_timeout: config.storage_timeout,
            schema_majors: config.schema_majors,
            required_tables: config.required_tables,
            max_object_bytes: config.max_object_bytes,
            base_url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_five_seconds_to_a_day_apart() {
        let settings = |interval| {
            let mut config = RemoteConfig::new("http://store.example/");
            config.poll_interval = interval;
            Settings::of(config)
        };
        let day = Duration::from_secs(24 * 3600);
        let moment = Duration::from_millis(1);
        for interval in [Duration::from_secs(5), day] {
            let settings = settings(interval).expect("in range");
            assert_eq!(settings.stale_time, interval);
            assert_eq!(settings.base_url, "http://store.example/");
        }
        for interval in [
            Duration::ZERO,
            Duration::from_secs(5) - moment,
            day + moment,
        ] {
            let error = settings(interval).err().expect("out of range");
            assert_eq!(error.code(), ErrorCode::Config);
        }
    }

    #[test]
    fn the_bound_of_objects_is_a_size_that_a_manifest_can_have() {
        let settings = |bytes| {
            let mut config = RemoteConfig::new("http://store.example/");
            config.max_object_bytes = bytes;
            Settings::of(config)
        };
        let usual = Settings::of(RemoteConfig::new("http://store.example/")).expect("a URL");
        assert_eq!(usual.max_object_bytes, 33_554_432);
        for bytes in [1, MAX_NUMBER] {
            assert_eq!(settings(bytes).expect("in range").max_object_bytes, bytes);
        }
        for bytes in [0, MAX_NUMBER + 1, u64::MAX] {
            let error = settings(bytes).err().expect("out of range");
            assert_eq!(error.code(), ErrorCode::Config);
        }
    }

    #[test]
    fn two_sources_are_cached_apart() {
        let prefix = |url: &str, namespace: Option<&str>| {
            let mut config = RemoteConfig::new(url);
            config.namespace = namespace.map(str::to_owned);
            Settings::of(config).expect("a URL").prefix
        };
        let (one, other) = ("http://store.example", "http://store.example/other");
        assert_ne!(prefix(one, None), prefix(other, None));
        assert_eq!(prefix(one, None), prefix("http://store.example//", None));
        assert_eq!(prefix(one, Some("n")), "tablecast/n/");
    }
}
