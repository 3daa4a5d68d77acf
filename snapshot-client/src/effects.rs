//! [`Io`] done: requests by the transport, values by the storage, each on a thread of its own and
//! within its time.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::config::Settings;
use crate::core::io::{FetchRequest, Io};
use crate::error::{Error, ErrorCode};
use crate::lock::lock;
use crate::runtime::{Runtime, Signal};
use crate::storage::{Storage, storage_error};
use crate::transport::{Request, Response};

/// The edge between decisions and the world.
pub(crate) struct Effects {
    settings: Arc<Settings>,
    signal: Signal,
    // None, once it did not answer: it may never answer again, and every further question would
    // wait as long.
    storage: Mutex<Option<Arc<dyn Storage>>>,
}

/// One job's way to the world; its thread for the storage ends with it.
pub(crate) struct Access<'a> {
    effects: &'a Effects,
    // Whether nobody waits for the job any more.
    is_over: &'a dyn Fn() -> bool,
    thread: Option<StorageThread>,
}

type Fetched = Arc<Mutex<Vec<Option<Result<Response, Error>>>>>;
type Operation = Box<dyn FnOnce(&dyn Storage) + Send>;

struct StorageThread(Arc<Queue>);

#[derive(Default)]
struct Queue {
    operations: Mutex<(VecDeque<Operation>, bool)>,
    given: Signal,
}

// A slow phone network; a request may take as long as its bytes need there.
const BYTES_PER_SECOND: f64 = 4096.0;
// Side by side; more would only share the same line.
const MAX_REQUESTS: usize = 8;

impl Effects {
    pub(crate) fn new(settings: Arc<Settings>, signal: Signal) -> Self {
        let storage = Mutex::new(settings.storage.clone());
        Self {
            settings,
            signal,
            storage,
        }
    }

    /// A way to the world for one job; requests end when it is over.
    pub(crate) fn access<'a>(&'a self, is_over: &'a dyn Fn() -> bool) -> Access<'a> {
        Access {
            effects: self,
            is_over,
            thread: None,
        }
    }

    /// Whether there is a storage that answers, or was one at first.
    pub(crate) fn has_storage(&self) -> bool {
        self.settings.storage.is_some()
    }

    fn runtime(&self) -> &dyn Runtime {
        &*self.settings.runtime
    }

    fn url(&self, request: &FetchRequest) -> String {
        let FetchRequest { path, again, .. } = request;
        let base = &self.settings.base_url;
        if !again {
            return format!("{base}{path}");
        }
        let number = Duration::from_secs(1)
            .mul_f64(self.runtime().random())
            .as_nanos();
        format!("{base}{path}?again={number}")
    }

    #[allow(clippy::cast_precision_loss, reason = "a limit is far below 2^53")]
    fn timeout(&self, request: &FetchRequest) -> Duration {
        let for_bytes = request.limit_bytes as f64 / BYTES_PER_SECOND;
        self.settings.request_timeout + Duration::from_secs_f64(for_bytes)
    }
}

impl Io for Access<'_> {
    fn fetch(&mut self, requests: &[FetchRequest]) -> Vec<Result<Response, Error>> {
        let Effects { signal, .. } = self.effects;
        let runtime = self.effects.runtime();
        let fetched = Fetched::new(Mutex::new(vec![None; requests.len()]));
        let mut left = requests.iter().enumerate();
        let mut under_way: Vec<(usize, Duration)> = Vec::new();
        loop {
            while under_way.len() < MAX_REQUESTS
                && let Some((index, request)) = left.next()
            {
                under_way.push((index, runtime.now() + self.effects.timeout(request)));
                self.begin(index, request, &fetched);
            }
            let seen = signal.count();
            let over = (self.is_over)();
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

    fn read(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(storage) = self.storage() else {
            return Ok(None);
        };
        let key = self.key(key);
        let value = self.ask(storage, key.clone(), |storage, key| storage.read(key))?;
        value.ok_or_else(|| self.give_up(&key))
    }

    fn write(&mut self, key: &str, value: Vec<u8>) -> Result<(), Error> {
        self.change(key, move |storage, key| storage.write(key, &value))
    }

    fn remove(&mut self, key: &str) -> Result<(), Error> {
        self.change(key, |storage, key| storage.remove(key))
    }
}

impl Access<'_> {
    /// The lock on the cache, had until what is returned is dropped.
    pub(crate) fn lock(&mut self) -> Result<Option<Box<dyn Any + Send>>, Error> {
        let Some(storage) = self.storage() else {
            return Ok(None);
        };
        let key = self.key("lock");
        let locked = self.ask(storage, key, |storage, key| storage.lock(key))?;
        locked.map(Some).ok_or_else(|| {
            // The storage answers, but somebody else has the lock: no reason to give it up.
            self.thread = None;
            let message = "another process keeps the cache locked";
            Error::new(ErrorCode::StorageUnavailable, message)
        })
    }

    fn change(
        &mut self,
        key: &str,
        operation: impl FnOnce(&dyn Storage, &str) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let Some(storage) = self.storage() else {
            let message = "the cache no longer answers";
            return Err(Error::new(ErrorCode::StorageUnavailable, message));
        };
        let key = self.key(key);
        let done = self.ask(storage, key.clone(), operation)?;
        done.ok_or_else(|| self.give_up(&key))
    }

    fn storage(&self) -> Option<Arc<dyn Storage>> {
        lock(&self.effects.storage).clone()
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.effects.settings.prefix)
    }

    fn give_up(&mut self, key: &str) -> Error {
        *lock(&self.effects.storage) = None;
        self.thread = None;
        Error::new(
            ErrorCode::StorageUnavailable,
            format!("no answer for {key} in the cache"),
        )
    }

    // None where there is no answer in time.
    fn ask<T: Send + 'static>(
        &mut self,
        storage: Arc<dyn Storage>,
        key: String,
        operation: impl FnOnce(&dyn Storage, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let effects = self.effects;
        if self.thread.is_none() {
            let thread = StorageThread::spawn(effects.runtime_handle(), storage);
            self.thread = Some(thread.map_err(|error| storage_error(error, &key))?);
        }
        let answer = Arc::new(Mutex::new(None));
        let (given, signal, asked) = (Arc::clone(&answer), effects.signal.clone(), key.clone());
        if let Some(thread) = &self.thread {
            thread.0.push(Box::new(move |storage| {
                let result = operation(storage, &asked);
                *lock(&given) = Some(result);
                signal.give();
            }));
        }
        let until = effects.runtime().now() + effects.settings.storage_timeout;
        loop {
            let seen = effects.signal.count();
            if let Some(result) = lock(&answer).take() {
                return result.map(Some).map_err(|error| storage_error(error, &key));
            }
            if effects.runtime().now() >= until {
                return Ok(None);
            }
            effects
                .runtime()
                .wait(&effects.signal, seen, Some(until), false);
        }
    }

    fn begin(&self, index: usize, request: &FetchRequest, fetched: &Fetched) {
        let Effects {
            settings, signal, ..
        } = self.effects;
        let url = self.effects.url(request);
        let request = Request::new(url, request.limit_bytes, self.effects.timeout(request));
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
        let timeout = self.effects.timeout(request);
        Error::new(
            ErrorCode::Timeout,
            format!("{path}: no whole response within {timeout:?}"),
        )
    }
}

impl Effects {
    fn runtime_handle(&self) -> &Arc<dyn Runtime> {
        &self.settings.runtime
    }
}

// What comes after its time is dropped with the list.
fn put(fetched: &Fetched, index: usize, result: Result<Response, Error>) {
    if let Some(slot) = lock(fetched).get_mut(index) {
        slot.get_or_insert(result);
    }
}

impl StorageThread {
    fn spawn(runtime: &Arc<dyn Runtime>, storage: Arc<dyn Storage>) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let (operations, waiting) = (Arc::clone(&queue), Arc::clone(runtime));
        let work = move || {
            while let Some(operation) = operations.next(&*waiting) {
                operation(&*storage);
            }
        };
        runtime.spawn("tablecast-cache", Box::new(work))?;
        Ok(Self(queue))
    }
}

impl Drop for StorageThread {
    fn drop(&mut self) {
        lock(&self.0.operations).1 = true;
        self.0.given.give();
    }
}

impl Queue {
    fn push(&self, operation: Operation) {
        lock(&self.operations).0.push_back(operation);
        self.given.give();
    }

    // None at the end.
    fn next(&self, runtime: &dyn Runtime) -> Option<Operation> {
        loop {
            let seen = self.given.count();
            let mut operations = lock(&self.operations);
            if let Some(operation) = operations.0.pop_front() {
                return Some(operation);
            }
            if operations.1 {
                return None;
            }
            drop(operations);
            runtime.wait(&self.given, seen, None, false);
        }
    }
}
