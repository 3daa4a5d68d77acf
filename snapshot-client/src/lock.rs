//! Locks that stay open after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks this, also after a thread that had the lock has panicked: only the app's code may panic,
/// and no change is half done when it is called.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
