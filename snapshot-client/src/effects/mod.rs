//! What [`Io`] asks for, done: requests by the transport, values by the storage, on threads of their
//! own and within their time.

mod requests;
mod storage_thread;

use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex};

use crate::config::Settings;
use crate::core::io::{FetchRequest, Io};
use crate::error::{Error, ErrorCode};
use crate::lock::lock;
use crate::runtime::{Runtime, Signal};
use crate::storage::{Storage, storage_error};
use crate::transport::Response;

use requests::Requests;
use storage_thread::StorageThread;

/// The transport and the storage of a provider, as its jobs reach them.
pub(crate) struct Effects {
    settings: Arc<Settings>,
    signal: Signal,
    // `None` once it did not answer: it may never answer again, and each further access would wait
    // as long.
    storage: Mutex<Option<Arc<dyn Storage>>>,
}

/// One job's access to them; its thread for the storage ends with it.
pub(crate) struct Access<'a> {
    effects: &'a Effects,
    // Whether nobody needs the job any more.
    is_over: &'a dyn Fn() -> bool,
    thread: Option<StorageThread>,
}

impl Effects {
    pub(crate) fn new(settings: Arc<Settings>, signal: Signal) -> Self {
        let storage = Mutex::new(settings.storage.clone());
        Self {
            settings,
            signal,
            storage,
        }
    }

    /// The access of one job; its requests end when `is_over` says so.
    pub(crate) fn access<'a>(&'a self, is_over: &'a dyn Fn() -> bool) -> Access<'a> {
        Access {
            effects: self,
            is_over,
            thread: None,
        }
    }

    /// Whether the configuration has a storage, be it one that no longer answers.
    pub(crate) fn has_storage(&self) -> bool {
        self.settings.storage.is_some()
    }

    fn runtime(&self) -> &dyn Runtime {
        &*self.settings.runtime
    }
}

impl Io for Access<'_> {
    fn fetch(&mut self, requests: &[FetchRequest]) -> Vec<Result<Response, Error>> {
        let Effects {
            settings, signal, ..
        } = self.effects;
        Requests { settings, signal }.fetch(requests, self.is_over)
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
    /// Locks the cache until the returned value is dropped; `None` without a storage.
    ///
    /// # Errors
    /// If the storage fails, or another process has the lock for longer than an operation may take.
    pub(crate) fn lock(&mut self) -> Result<Option<Box<dyn Any + Send>>, Error> {
        let Some(storage) = self.storage() else {
            return Ok(None);
        };
        let key = self.key("lock");
        let locked = self.ask(storage, key, |storage, key| storage.lock(key))?;
        locked.map(Some).ok_or_else(|| {
            // Somebody else has the lock: no reason to give the storage up.
            self.thread = None;
            let message = "another process has the cache locked";
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

    // `None` if there is no answer in time.
    fn ask<T: Send + 'static>(
        &mut self,
        storage: Arc<dyn Storage>,
        key: String,
        operation: impl FnOnce(&dyn Storage, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let effects = self.effects;
        if self.thread.is_none() {
            let thread = StorageThread::spawn(&effects.settings.runtime, storage);
            self.thread = Some(thread.map_err(|error| storage_error(error, &key))?);
        }
        let answer = Arc::new(Mutex::new(None));
        let (given, signal, asked) = (Arc::clone(&answer), effects.signal.clone(), key.clone());
        if let Some(thread) = &self.thread {
            thread.push(Box::new(move |storage| {
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
}
