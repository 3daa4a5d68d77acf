//! Where verified objects are cached between starts.

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use crate::error::{Error, ErrorCode};
use crate::lock::lock;

/// Values by key that outlive the process; [`FileStorage`](crate::FileStorage) is the usual one.
///
/// Every value is verified when it is read, so a storage may lose values, damage them and fail: the
/// provider then works from memory. Keys are at most 100 characters of `A-Z a-z 0-9 / _ - .`,
/// unless [`RemoteConfig::namespace`](crate::RemoteConfig::namespace) has others.
pub trait Storage: Send + Sync + 'static {
    /// The value of this key; `None` if there is none.
    ///
    /// # Errors
    /// If the storage cannot say.
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>>;

    /// Stores a value of at most 256 KiB, whole or not at all.
    ///
    /// # Errors
    /// If the value is not stored: [`io::ErrorKind::StorageFull`] or
    /// [`io::ErrorKind::QuotaExceeded`] if there is no room.
    fn write(&self, key: &str, value: &[u8]) -> io::Result<()>;

    /// Removes the value of this key, if there is one.
    ///
    /// # Errors
    /// If the value is still there.
    fn remove(&self, key: &str) -> io::Result<()>;

    /// Waits until no other process has this lock, and takes it until the returned value is dropped.
    /// A storage without locks returns at once.
    ///
    /// # Errors
    /// If the lock cannot be taken.
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
    /// A storage without a file, which ends with the program.
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

/// A storage's error, as one of this crate.
pub(crate) fn storage_error(error: io::Error, key: &str) -> Error {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::StorageFull,
        _ => ErrorCode::StorageUnavailable,
    };
    Error::new(code, format!("failed to reach {key} in the cache")).with_source(error)
}
