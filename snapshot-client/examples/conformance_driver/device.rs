//! What a client's device has: a storage that fails on order.

use std::any::Any;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use snapshot_client::{FileStorage, MemoryStorage, Signal, Storage};

use crate::virtual_time::World;

/// A device, and the failures that are ordered of its storage.
pub struct Device {
    kind: Kind,
    storage: Arc<dyn Storage>,
    failures: Arc<Failures>,
}

enum Kind {
    Memory(MemoryStorage),
    Files(PathBuf),
}

/// What is ordered, and how far it has come.
#[derive(Default)]
pub struct Failures {
    state: Mutex<State>,
    // Given at each order.
    ordered: Signal,
}

#[derive(Default)]
struct State {
    how: Option<String>,
    on: String,
    client: Option<String>,
    key: Option<String>,
    after: u64,
    writes: u64,
    // Rises with each order: who is blocked waits for the next one.
    orders: u64,
}

/// The device's storage as one client has it.
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    failures: Arc<Failures>,
    world: World,
    client: String,
    dead: Arc<AtomicBool>,
    // Whether its lock locks others out.
    locks: bool,
}

impl Device {
    pub fn memory() -> Self {
        let storage = MemoryStorage::new();
        Self::of(Kind::Memory(storage.clone()), Arc::new(storage))
    }

    pub fn files() -> Self {
        // In memory where there is such a file system: every write is flushed, and a disk takes
        // its time for that.
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() {
            shm.to_owned()
        } else {
            std::env::temp_dir()
        };
        static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("tablecast-client-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let storage = FileStorage::new(&folder);
        Self::of(Kind::Files(folder), Arc::new(storage))
    }

    fn of(kind: Kind, storage: Arc<dyn Storage>) -> Self {
        let failures = Arc::default();
        Self {
            kind,
            storage,
            failures,
        }
    }

    /// Another device of the same kind, empty and without failures.
    pub fn renewed(&self) -> Self {
        match self.kind {
            Kind::Memory(_) => Self::memory(),
            Kind::Files(_) => Self::files(),
        }
    }

    pub fn storage_for(
        &self,
        client: &str,
        world: &World,
        dead: &Arc<AtomicBool>,
    ) -> FaultyStorage {
        FaultyStorage {
            inner: Arc::clone(&self.storage),
            failures: Arc::clone(&self.failures),
            world: world.clone(),
            client: client.to_owned(),
            dead: Arc::clone(dead),
            locks: matches!(self.kind, Kind::Files(_)),
        }
    }

    pub fn order(&self, order: &Value) {
        let text = |field: &str| order[field].as_str().map(str::to_owned);
        let mut state = self.failures.state();
        *state = State {
            how: text("how"),
            on: text("on").unwrap_or_else(|| "any".to_owned()),
            client: text("client"),
            key: text("key"),
            after: order["after"].as_u64().unwrap_or(0),
            writes: 0,
            orders: state.orders + 1,
        };
        drop(state);
        self.failures.ordered.give();
    }

    pub fn wipe(&self) {
        for key in self.keys() {
            self.storage.remove(&key).unwrap();
        }
    }

    pub fn keys(&self) -> Vec<String> {
        match &self.kind {
            Kind::Memory(storage) => storage.keys(),
            Kind::Files(folder) => files_in(folder),
        }
    }

    pub fn read(&self, key: &str) -> Option<Vec<u8>> {
        self.storage.read(key).unwrap()
    }

    pub fn write(&self, key: &str, value: &[u8]) {
        self.storage.write(key, value).unwrap();
    }

    pub fn remove(&self, key: &str) {
        self.storage.remove(key).unwrap();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Kind::Files(folder) = &self.kind {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn files_in(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else {
                files.push(
                    path.strip_prefix(folder)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    files.sort();
    files
}

impl Failures {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultyStorage {
    /// Does this, unless it is to fail.
    fn access<T>(
        &self,
        key: &str,
        writes: bool,
        run: impl Fn(&dyn Storage) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            // The hand of a dead process is stopped.
            if self.dead.load(Ordering::SeqCst) {
                return Err(io::Error::other("killed"));
            }
            let mut state = self.failures.state();
            if writes {
                state.writes += 1;
            }
            if !state.is_due(key, writes) {
                break;
            }
            match state.how.as_deref() {
                Some("full") => return Err(io::ErrorKind::StorageFull.into()),
                Some("denied") => return Err(io::ErrorKind::PermissionDenied.into()),
                Some("kill") => self.dead.store(true, Ordering::SeqCst),
                Some("hang") => {
                    drop(state);
                    self.block(|_| true);
                }
                // Others go on meanwhile.
                Some("hold")
                    if state
                        .client
                        .as_ref()
                        .is_none_or(|name| *name == self.client) =>
                {
                    let orders = state.orders;
                    drop(state);
                    self.block(|state| state.orders == orders);
                }
                _ => break,
            }
        }
        run(&*self.inner)
    }

    fn block(&self, is_blocked: impl Fn(&State) -> bool) {
        loop {
            let seen = self.failures.ordered.count();
            if !is_blocked(&self.failures.state()) || self.dead.load(Ordering::SeqCst) {
                return;
            }
            self.world.blocked(&self.failures.ordered, seen);
        }
    }
}

impl State {
    fn is_due(&self, key: &str, writes: bool) -> bool {
        let fits = match self.on.as_str() {
            "write" => writes,
            "read" => !writes,
            _ => true,
        };
        let names = |wanted: &String| key.ends_with(&format!("/{wanted}"));
        self.how.is_some()
            && fits
            && self.key.as_ref().is_none_or(names)
            && (!writes || self.writes > self.after)
    }
}

impl Storage for FaultyStorage {
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        self.access(key, false, |storage| storage.read(key))
    }

    fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        self.access(key, true, |storage| storage.write(key, value))
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        self.access(key, true, |storage| storage.remove(key))
    }

    // Whoever waits for a lock that a blocked client has waits for the kit.
    fn lock(&self, key: &str) -> io::Result<Box<dyn Any + Send>> {
        if !self.locks {
            return self.inner.lock(key);
        }
        let (lock, locked) = self.world.locking(|| self.inner.lock(key));
        // Given back first, then counted as free.
        Ok(Box::new((lock?, locked)))
    }
}
