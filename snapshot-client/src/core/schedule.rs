//! When to ask again: `docs/client.md` section 4 is this file in words.

use std::time::Duration;

use crate::error::{Error, ErrorCode};

/// What the time until the next refresh depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// The normal interval.
    pub(crate) poll_interval: Duration,
    /// A random number from 0 to 1.
    pub(crate) random: f64,
    /// Failures in a row, this one included.
    pub(crate) failures: u32,
}

const JITTER: f64 = 0.1;
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(300);
const MIN_BACKOFF: Duration = Duration::from_millis(250);

/// How long to wait until the next refresh, after a success or this error.
pub(crate) fn next_delay(error: Option<&Error>, timing: Timing) -> Duration {
    let Timing {
        poll_interval,
        random,
        failures,
    } = timing;
    match error.filter(|error| is_retried_soon(error)) {
        None => poll_interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * random),
        Some(error) => {
            let doubled = FIRST_BACKOFF.saturating_mul(1 << failures.min(20));
            let most = doubled.min(poll_interval).min(MAX_BACKOFF);
            let asked = error.retry_after().unwrap_or_default();
            most.mul_f64(random).max(MIN_BACKOFF).max(asked)
        }
    }
}

// Asking again soon helps if the network is bad, not if the server means what it says.
fn is_retried_soon(error: &Error) -> bool {
    match error.code() {
        ErrorCode::VersionRegressed
        | ErrorCode::VersionConflict
        | ErrorCode::SchemaUnsupported
        | ErrorCode::FormatUnsupported
        | ErrorCode::TableMissing => false,
        ErrorCode::HttpStatus => !matches!(error.status(), Some(401 | 403 | 404 | 410)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: Option<Error>, failures: u32, random: f64, expected_ms: u64) {
        let timing = Timing {
            poll_interval: Duration::from_secs(300),
            random,
            failures,
        };
        let delay = next_delay(error.as_ref(), timing);
        assert_eq!(delay, Duration::from_millis(expected_ms));
    }

    fn failed(code: ErrorCode) -> Option<Error> {
        Some(Error::new(code, "failed"))
    }

    #[test]
    fn success_waits_the_interval_within_ten_percent_at_random() {
        check(None, 0, 0.0, 270_000);
        check(None, 0, 0.5, 300_000);
        check(None, 0, 1.0, 330_000);
    }

    #[test]
    fn failures_wait_a_random_part_of_a_doubling_time() {
        check(failed(ErrorCode::Network), 1, 0.5, 1_000);
        check(failed(ErrorCode::Network), 2, 0.5, 2_000);
        check(failed(ErrorCode::Network), 3, 0.0, 250);
        check(failed(ErrorCode::Network), 60, 1.0, 300_000);
    }

    #[test]
    fn a_retry_comes_no_later_than_the_poll_and_no_later_than_five_minutes() {
        let delay = |poll_interval_s| {
            let timing = Timing {
                poll_interval: Duration::from_secs(poll_interval_s),
                random: 1.0,
                failures: u32::MAX,
            };
            let error = Error::new(ErrorCode::Timeout, "failed");
            next_delay(Some(&error), timing).as_secs()
        };
        assert_eq!(delay(5), 5);
        assert_eq!(delay(3600), 300);
    }

    #[test]
    fn what_asking_again_cannot_mend_waits_the_interval() {
        for code in [
            ErrorCode::VersionRegressed,
            ErrorCode::VersionConflict,
            ErrorCode::SchemaUnsupported,
            ErrorCode::FormatUnsupported,
            ErrorCode::TableMissing,
        ] {
            check(failed(code), 1, 0.5, 300_000);
        }
        for status in [401, 403, 404, 410] {
            let refused = Error::new(ErrorCode::HttpStatus, "refused").with_status(status);
            check(Some(refused), 1, 0.5, 300_000);
        }
        for status in [408, 429, 500, 503] {
            let busy = Error::new(ErrorCode::HttpStatus, "busy").with_status(status);
            check(Some(busy), 1, 0.5, 1_000);
        }
        let busy = Error::new(ErrorCode::HttpStatus, "busy")
            .with_status(503)
            .with_retry_after(Some(Duration::from_secs(120)));
        check(Some(busy), 1, 0.5, 120_000);
    }
}
