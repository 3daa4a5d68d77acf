//! What every request and the watcher share.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Semaphore, watch};

use crate::answer::fast_path::files::ResponseFiles;
use crate::answer::feed::Feed;
use crate::error::ServerError;
use crate::event::{Event, Observer};
use crate::observe::access_log::Logger;
use crate::observe::metrics::{Gauges, Metrics};
use crate::options::Options;
use crate::rules::{self, Changes, Rules};
use crate::snapshot::archive::Archive;
use crate::snapshot::chunks::ChunkPool;
use crate::snapshot::content::Budget;
use crate::snapshot::load::Folder;
use crate::snapshot::state::Snapshot;
use crate::snapshot::step::{Step, Steps};
use crate::socket::connections::Connections;
use crate::socket::limits::Limits;

pub(crate) struct Shared {
    /// The current version, swapped whole. A request loads it once and so never
    /// mixes two.
    pub(crate) snapshot: ArcSwapOption<Snapshot>,
    pub(crate) folder: Folder,
    pub(crate) archive: Archive,
    /// How many lookups behind the current snapshot may hash at a time.
    pub(crate) lookups: Semaphore,
    pub(crate) chunks: ArcSwap<ChunkPool>,
    /// Asks those who follow files to look now.
    pub(crate) look: watch::Sender<()>,
    pub(crate) rules: ArcSwap<Rules>,
    /// Whether simple requests are answered without hyper.
    has_fast_path: AtomicBool,
    pub(crate) response_files: ResponseFiles,
    /// For those who listen at `/events`.
    pub(crate) feed: Feed,
    pub(crate) metrics: Metrics,
    pub(crate) log: Logger,
    pub(crate) connections: Arc<Connections>,
    /// Those to the counters: apart, so that a flood on the public side does
    /// not hide itself.
    pub(crate) operators: Arc<Connections>,
    observer: Observer,
    /// What is in force.
    options: Mutex<Options>,
    /// Why the version in the folder is not the current one.
    refusal: Mutex<Option<String>>,
    /// Where the current version stands among those that were served.
    steps: Mutex<Steps>,
}

/// Connections to the counters.
const MAX_OPERATORS: usize = 64;

impl Shared {
    /// # Errors
    /// Where a value of the options cannot stand in a header.
    pub(crate) fn new(options: Options) -> Result<Self, ServerError> {
        // Old versions' readers must not take the room of the current one.
        let archive_bytes = options.memory_budget_bytes / 8;
        let folder = |bytes| Folder {
            root: options.root.clone(),
            follows_links: options.follow_links,
            budget: Budget::new(bytes),
        };
        let limits = rules::limits(&options);
        let of_operators = Limits {
            most: MAX_OPERATORS,
            ..limits
        };
        Ok(Self {
            snapshot: ArcSwapOption::empty(),
            folder: folder(options.memory_budget_bytes - archive_bytes),
            archive: Archive::new(folder(archive_bytes)),
            lookups: Semaphore::new(4),
            chunks: ArcSwap::from_pointee(ChunkPool::new(options.in_flight_bytes)),
            look: watch::Sender::default(),
            rules: ArcSwap::from_pointee(Rules::of(&options)?),
            has_fast_path: AtomicBool::new(rules::has_fast_path(&options)),
            response_files: ResponseFiles::default(),
            feed: Feed::default(),
            metrics: Metrics::default(),
            log: Logger::new(options.access_log),
            connections: Arc::new(Connections::new(limits)),
            operators: Arc::new(Connections::new(of_operators)),
            observer: options.observer.clone(),
            options: Mutex::new(options),
            refusal: Mutex::default(),
            steps: Mutex::default(),
        })
    }

    /// Takes over what can change while the server runs, and tells what did.
    ///
    /// # Errors
    /// Where a value cannot stand in a header; everything then stays as it was.
    pub(crate) fn configure(&self, new: &Options) -> Result<(), ServerError> {
        let mut current = self.options.lock();
        let rules = Rules::of(new)?;
        let had_in_flight_bytes = current.in_flight_bytes;
        let changes = rules::take_over(&mut current, new);

        let limits = rules::limits(&current);
        self.connections.set_limits(limits);
        self.operators.set_limits(Limits {
            most: MAX_OPERATORS,
            ..limits
        });
        if current.in_flight_bytes != had_in_flight_bytes {
            let chunks = ChunkPool::new(current.in_flight_bytes);
            self.chunks.store(Arc::new(chunks));
        }
        self.log.set_format(current.access_log);
        self.rules.store(Arc::new(rules));
        self.has_fast_path
            .store(rules::has_fast_path(&current), Ordering::Relaxed);
        drop(current);
        if changes != Changes::default() {
            self.observe(&Event::Configured {
                taken: changes.taken,
                fixed: changes.fixed,
            });
        }
        Ok(())
    }

    /// Whether simple requests are answered without hyper.
    pub(crate) fn has_fast_path(&self) -> bool {
        self.has_fast_path.load(Ordering::Relaxed)
    }

    pub(crate) fn render_metrics(&self, snapshot: Option<&Snapshot>, now: SystemTime) -> String {
        let gauges = Gauges {
            snapshot,
            is_refusing: self.refusal().is_some(),
            is_behind: self.warning().is_some(),
            open_connections: self.connections.count(),
            listeners: self.feed.listeners(),
            loaded_bytes: self.folder.budget.used_bytes() + self.archive.folder.budget.used_bytes(),
        };
        self.metrics.render(&gauges, now)
    }

    pub(crate) fn observe(&self, event: &Event) {
        (self.observer)(event);
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        self.refusal.lock().clone()
    }

    /// Notes how the last look at the folder ended; true where that is news.
    pub(crate) fn set_refusal(&self, refusal: Option<String>) -> bool {
        let mut last = self.refusal.lock();
        let is_news = *last != refusal;
        *last = refusal;
        is_news
    }

    /// Notes the version that is served from now on.
    pub(crate) fn note_step(&self, snapshot: &Snapshot) -> Step {
        self.steps
            .lock()
            .note(&snapshot.version, &snapshot.version_bytes)
    }

    /// What is to be said of the current version, where it is not the newest that was served.
    pub(crate) fn warning(&self) -> Option<String> {
        self.steps.lock().warning()
    }

    pub(crate) fn current(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }
}
