//! Where verified objects are kept between starts.

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use crate::error::{Error, ErrorCode};
use crate::lock::lock;

/// Values by key, kept between starts; [`FileStorage`](crate::FileStorage) is the usual one.
///
/// What it gives back is verified, so it may lose and damage values, and it may fail: the data is
/// shown all the same.
pub trait Storage: Send + Sync + 'static {
    /// The value, or `None`.
    ///
    /// # Errors
    /// Where it cannot be told.
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>>;

    /// Keeps a value, whole or not at all.
    ///
    /// # Errors
    /// Where it is not kept; of the kind [`io::ErrorKind::StorageFull`] or
    /// [`io::ErrorKind::QuotaExceeded`] where there is no room.
    fn write(&self, key: &str, value: &[u8]) -> io::Result<()>;

    /// Removes a value, which may not be there.
    ///
    /// # Errors
    /// Where it is still there.
    fn remove(&self, key: &str) -> io::Result<()>;

    /// Waits until no other process has this lock, and has it until what is returned is dropped.
    /// A storage without locks returns at once.
    ///
    /// # Errors
    /// Where there can be none.
    fn lock(&self, key: &str) -> io::Result<Box<dyn Any + Send>> {
        let _ = key;
        Ok(Box::new(()))
    }
}

/// A storage that lasts as long as the process; clones are the same storage.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    values: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl MemoryStorage {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys of all values, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = lock(&self.values).keys().cloned().collect();
        keys.sort();
        keys
    }
}

impl Storage for MemoryStorage {
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(lock(&self.values).get(key).cloned())
    }

    fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        lock(&self.values).insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        lock(&self.values).remove(key);
        Ok(())
    }
}

/// What a storage said, as one of our errors.
pub(crate) fn storage_error(error: io::Error, key: &str) -> Error {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::StorageFull,
        _ => ErrorCode::StorageUnavailable,
    };
    Error::new(code, format!("failed to reach {key} in the cache")).with_source(error)
}
