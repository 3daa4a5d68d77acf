//! Threads that compress, one for each core, for as long as the program runs.
//!
//! Threads that come and go leave their memory behind: the system's allocator gives each a
//! region of its own, and a compressor's large buffers pass through all of them in time. A
//! watch that had published some hundred times so held two hundred megabytes.

use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};
use std::thread;

/// So many requests are on their way at once: enough to hide the wait for a disk or a
/// network, few enough to keep their files open.
pub(super) const CONCURRENT_REQUESTS: usize = 16;

type Work = Box<dyn FnOnce() + Send>;

struct Workers {
    work: Mutex<Sender<Work>>,
    count: usize,
}

static WORKERS: LazyLock<Workers> = LazyLock::new(Workers::start);

/// Runs `work` on at most `most` of the threads at once, and waits for all of them.
///
/// # Panics
/// Where `work` does.
pub(super) fn on_each(most: usize, work: impl Fn() + Send + Sync + 'static) {
    let work = Arc::new(work);
    let (ended, all_ended) = channel();
    let count = WORKERS.count.min(most);
    for _ in 0..count {
        let (work, ended) = (Arc::clone(&work), ended.clone());
        WORKERS.send(Box::new(move || {
            work();
            let _ = ended.send(());
        }));
    }
    drop((work, ended));
    let whole = all_ended.iter().count();
    assert_eq!(whole, count, "a thread that compresses panicked");
}

impl Workers {
    fn start() -> Self {
        let (work, to_do) = channel::<Work>();
        let to_do = Arc::new(Mutex::new(to_do));
        let count = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..count {
            let to_do = Arc::clone(&to_do);
            let worker = thread::Builder::new().name("compress".to_owned());
            let started = worker.spawn(move || go_on(&to_do));
            started.expect("the system gives a program its threads");
        }
        Self {
            work: Mutex::new(work),
            count,
        }
    }

    fn send(&self, work: Work) {
        let sender = self.work.lock();
        sender.send(work).expect("the threads never end");
    }
}

fn go_on(to_do: &Mutex<Receiver<Work>>) {
    loop {
        let next = {
            let to_do = to_do.lock();
            to_do.recv()
        };
        let Ok(work) = next else { return };
        // Whoever waits for it notices.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
}
