//! Requests by the transport, each on a thread of its own and within its time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::config::Settings;
use crate::core::io::FetchRequest;
use crate::error::{Error, ErrorCode};
use crate::lock::lock;
use crate::runtime::Signal;
use crate::transport::{Request, Response};

/// What sending requests takes.
pub(super) struct Requests<'a> {
    pub(super) settings: &'a Arc<Settings>,
    /// Given when a response is there.
    pub(super) signal: &'a Signal,
}

type Fetched = Arc<Mutex<Vec<Option<Result<Response, Error>>>>>;

// Of a slow phone network: a request may take as long as its bytes take there.
const BYTES_PER_SECOND: f64 = 4096.0;
// At once; more would only share the same line.
const MAX_REQUESTS: usize = 8;

impl Requests<'_> {
    /// Fetches all of these, a few at a time, until nobody waits for them any more.
    pub(super) fn fetch(
        &self,
        requests: &[FetchRequest],
        is_over: &dyn Fn() -> bool,
    ) -> Vec<Result<Response, Error>> {
        let Self { settings, signal } = *self;
        let runtime = &*settings.runtime;
        let fetched = Fetched::new(Mutex::new(vec![None; requests.len()]));
        let mut left = requests.iter().enumerate();
        let mut under_way: Vec<(usize, Duration)> = Vec::new();
        loop {
            while under_way.len() < MAX_REQUESTS
                && let Some((index, request)) = left.next()
            {
                under_way.push((index, runtime.now() + self.timeout(request)));
                self.begin(index, request, &fetched);
            }
            let seen = signal.count();
            let over = is_over();
            let now = runtime.now();
            under_way.retain(|(index, until)| {
                let result = &mut lock(&fetched)[*index];
                if result.is_none() && (over || now >= *until) {
                    *result = Some(Err(self.no_answer(&requests[*index], over)));
                }
                result.is_none()
            });
            if over || (under_way.is_empty() && left.len() == 0) {
                break;
            }
            if under_way.len() == MAX_REQUESTS || left.len() == 0 {
                let until = under_way.iter().map(|(_, until)| *until).min();
                runtime.wait(signal, seen, until, false);
            }
        }
        let results = std::mem::take(&mut *lock(&fetched));
        let dropped = || {
            Err(Error::new(
                ErrorCode::Aborted,
                "nobody waits for this any more",
            ))
        };
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(dropped))
            .collect()
    }

    fn begin(&self, index: usize, request: &FetchRequest, fetched: &Fetched) {
        let Self { settings, signal } = *self;
        let url = self.url(request);
        let request = Request::new(url, request.limit_bytes, self.timeout(request));
        let (fetched, signal) = (Arc::clone(fetched), signal.clone());
        let (given, url) = (Arc::clone(&fetched), request.url.clone());
        let settings_too = Arc::clone(settings);
        let work = move || {
            let get = || settings_too.transport.get(&request);
            let result = catch_unwind(AssertUnwindSafe(get)).unwrap_or_else(|_| {
                let message = format!("{}: the transport panicked", request.url);
                Err(Error::new(ErrorCode::Network, message))
            });
            put(&given, index, result);
            signal.give();
        };
        if let Err(error) = settings.runtime.spawn("tablecast-fetch", Box::new(work)) {
            let message = format!("{url}: no thread to fetch it");
            put(
                &fetched,
                index,
                Err(Error::new(ErrorCode::Network, message).with_source(error)),
            );
        }
    }

    fn no_answer(&self, request: &FetchRequest, over: bool) -> Error {
        let path = &request.path;
        if over {
            return Error::new(
                ErrorCode::Aborted,
                format!("{path}: nobody waits for it any more"),
            );
        }
        let timeout = self.timeout(request);
        Error::new(
            ErrorCode::Timeout,
            format!("{path}: no whole response within {timeout:?}"),
        )
    }

    fn url(&self, request: &FetchRequest) -> String {
        let FetchRequest { path, again, .. } = request;
        let base = &self.settings.base_url;
        if !again {
            return format!("{base}{path}");
        }
        let number = Duration::from_secs(1)
            .mul_f64(self.settings.runtime.random())
            .as_nanos();
        format!("{base}{path}?again={number}")
    }

    #[allow(clippy::cast_precision_loss, reason = "a limit is far below 2^53")]
    fn timeout(&self, request: &FetchRequest) -> Duration {
        let for_bytes = request.limit_bytes as f64 / BYTES_PER_SECOND;
        self.settings.request_timeout + Duration::from_secs_f64(for_bytes)
    }
}

// A response that comes after its time is dropped with the list.
fn put(fetched: &Fetched, index: usize, result: Result<Response, Error>) {
    if let Some(slot) = lock(fetched).get_mut(index) {
        slot.get_or_insert(result);
    }
}
