//! A clock that is cheap to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;

/// A date as HTTP writes it, and the two line ends after the last field.
pub(crate) type DateLine = [u8; 33];

/// The time as of the last sweep, a quarter of a second ago at most. Good
/// enough for deadlines and dates of whole seconds, and free to read.
pub(crate) struct Clock {
    start: Instant,
    /// Since the start.
    now_ms: AtomicU64,
    date_line: ArcSwap<DateLine>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let date_line = ArcSwap::from_pointee(date_line(SystemTime::now()));
        Self {
            start: Instant::now(),
            now_ms: AtomicU64::new(0),
            date_line,
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn date_line_at(&self, now: Instant) -> DateLine {
        let since_start = now.saturating_duration_since(self.start).as_millis();
        // On a machine so busy that the sweep is late the date is made afresh.
        if since_start > u128::from(self.now_ms()) + 1_000 {
            return date_line(SystemTime::now());
        }
        **self.date_line.load()
    }

    pub(crate) fn advance(&self) -> u64 {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now_ms.store(now, Ordering::Relaxed);
        let date_line = date_line(SystemTime::now());
        if **self.date_line.load() != date_line {
            self.date_line.store(Arc::new(date_line));
        }
        now
    }
}

fn date_line(now: SystemTime) -> DateLine {
    let text = httpdate::fmt_http_date(now) + "\r\n\r\n";
    // Years of five digits have their own problems.
    text.as_bytes()
        .try_into()
        .unwrap_or(*b"Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n")
}
