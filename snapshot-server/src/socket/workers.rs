//! The threads that serve: one for each processor, each with connections of its own.
//!
//! A connection stays on its thread, so nothing of a request is handed from one
//! processor to another. Threads that take over each other's work, as those of
//! one shared runtime do, were measured to cost an eighth more for each request.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// They end when this is dropped, with whatever still runs on them.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    handle: Handle,
    connections: Arc<AtomicUsize>,
    /// Dropped to end the thread.
    _alive: oneshot::Sender<()>,
}

impl Workers {
    /// # Errors
    /// Where the system gives no thread, or none of what a runtime needs.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        (0..count.max(1))
            .map(Worker::start)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Runs a connection on the thread that has the fewest.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let load = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
        let worker = self.0.iter().min_by_key(load).expect("one at least");
        let counted = Counted::one_of(&worker.connections);
        worker.handle.spawn(async move {
            let _counted = counted;
            connection.await;
        });
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (_alive, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(format!("serve-{number}"));
        thread.spawn(move || {
            let _ = runtime.block_on(ended);
            // A look into a file that is not over is nobody's business any more.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            handle,
            connections: Arc::default(),
            _alive,
        })
    }
}

/// One connection of a worker, until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one_of(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(connections.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::{self, ThreadId};

    use super::*;

    /// Where a connection runs, and what ends it.
    fn connect(workers: &Workers) -> (ThreadId, oneshot::Sender<()>) {
        let (end, ended) = oneshot::channel();
        let (told, place) = mpsc::channel();
        workers.spawn(async move {
            told.send(thread::current().id()).expect("the test waits");
            let _ = ended.await;
        });
        (place.recv().expect("it runs"), end)
    }

    #[test]
    fn connections_are_shared_out_evenly() {
        let workers = Workers::start(3).expect("threads");
        let open: Vec<_> = (0..30).map(|_| connect(&workers)).collect();
        let mut counts = std::collections::HashMap::new();
        for (place, _) in &open {
            *counts.entry(*place).or_insert(0) += 1;
        }
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [10, 10, 10]);
    }
}
