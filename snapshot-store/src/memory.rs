//! A store in the memory of one program: for tests, and for tools that look at a snapshot
//! before they put it anywhere.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::time::SystemTime;

use snapshot_format::Key;

use crate::reader::{FetchError, Fetched, Order, Reader};
use crate::spool::{Spool, Staging};
use crate::store::{Store, StoreError, Stored, StoredKind, check_size};

/// A store that is gone with the value. Nothing in it is ever written to a disk, so it has
/// no lock and nothing to make durable.
#[derive(Debug)]
pub struct MemoryStore {
    // By path, as a folder would have it.
    held: Mutex<BTreeMap<String, Held>>,
    staging: Staging,
}

#[derive(Debug, Clone)]
struct Held {
    key: Key,
    bytes: Arc<[u8]>,
    modified: SystemTime,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            staging: Staging::in_memory(),
        }
    }
}

impl MemoryStore {
    /// A store in which nothing was published.
    pub fn new() -> Self {
        Self::default()
    }

    // Each change is one insertion or removal, so the map is whole, whoever panicked.
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock()
    }

    fn insert(&self, key: &Key, bytes: Vec<u8>) {
        let held = Held {
            key: key.clone(),
            bytes: bytes.into(),
            modified: SystemTime::now(),
        };
        self.held().insert(key.path(), held);
    }
}

impl Reader for MemoryStore {
    fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        let held = self.held().get(&key.path()).cloned();
        Ok(held
            .map(|Held { bytes, .. }| Fetched::new(Some(bytes.len() as u64), Cursor::new(bytes))))
    }

    fn orders(&self) -> Result<Option<Vec<Order>>, FetchError> {
        let held = self.held();
        let order = |held: &Held| match held.key {
            Key::History { epoch, sequence } => Some((epoch, sequence)),
            _ => None,
        };
        let mut orders: Vec<Order> = held.values().filter_map(order).collect();
        orders.sort_unstable();
        Ok(Some(orders))
    }

    fn location(&self, key: &Key) -> String {
        format!("memory/{key}")
    }
}

impl Store for MemoryStore {
    async fn size(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        let held = self.held();
        Ok(held.get(&key.path()).map(|held| held.bytes.len() as u64))
    }

    async fn put(&self, key: &Key, content: Spool) -> Result<(), StoreError> {
        debug_assert_ne!(*key, Key::Version, "the pointer is swapped, not put");
        let location = self.location(key);
        let bytes = content
            .into_bytes()
            .map_err(StoreError::failed("write", &location))?;
        let mut held = self.held();
        if let Some(there) = held.get(&key.path()) {
            if let Key::History { .. } = key {
                return Err(StoreError::Overtaken { location });
            }
            return check_size(key, location, bytes.len() as u64, there.bytes.len() as u64);
        }
        let new = Held {
            key: key.clone(),
            bytes: bytes.into(),
            modified: SystemTime::now(),
        };
        held.insert(key.path(), new);
        Ok(())
    }

    async fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn swap(&self, version: &[u8]) -> Result<(), StoreError> {
        self.insert(&Key::Version, version.to_vec());
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let held = self.held();
        let but_pointer = held.iter().filter(|(_, held)| held.key != Key::Version);
        Ok(but_pointer
            .map(|(path, held)| Stored {
                kind: StoredKind::Key(held.key.clone()),
                path: path.clone(),
                size_bytes: held.bytes.len() as u64,
                modified: held.modified,
            })
            .collect())
    }

    async fn remove(&self, stored: &Stored) -> Result<(), StoreError> {
        match self.held().remove(&stored.path) {
            Some(_) => Ok(()),
            None => Err(StoreError::failed(
                "remove",
                format!("memory/{}", stored.path),
            )(std::io::ErrorKind::NotFound.into())),
        }
    }

    fn staging(&self) -> &Staging {
        &self.staging
    }
}
