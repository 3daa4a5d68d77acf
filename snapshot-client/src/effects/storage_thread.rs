//! The thread that a job's accesses to the storage run on: a storage may never answer.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::runtime::{Runtime, Signal};
use crate::storage::Storage;

type Operation = Box<dyn FnOnce(&dyn Storage) + Send>;

/// The thread; it ends when this is dropped.
pub(super) struct StorageThread(Arc<Queue>);

#[derive(Default)]
struct Queue {
    operations: Mutex<(VecDeque<Operation>, bool)>,
    given: Signal,
}

impl StorageThread {
    pub(super) fn spawn(runtime: &Arc<dyn Runtime>, storage: Arc<dyn Storage>) -> io::Result<Self> {
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

    /// Runs this behind what was pushed before.
    pub(super) fn push(&self, operation: Operation) {
        lock(&self.0.operations).0.push_back(operation);
        self.0.given.give();
    }
}

impl Drop for StorageThread {
    fn drop(&mut self) {
        lock(&self.0.operations).1 = true;
        self.0.given.give();
    }
}

impl Queue {
    // `None` when the job is over.
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
