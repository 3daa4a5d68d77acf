//! What every request and the watcher share.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use tokio::sync::{Semaphore, watch};

use crate::access_log::Logger;
use crate::archive::Archive;
use crate::body::ChunkPool;
use crate::connection::Connections;
use crate::cors::Cors;
use crate::hot::Hot;
use crate::load::{Folder, lock};
use crate::metrics::{Gauges, Metrics};
use crate::state::Snapshot;
use crate::{Event, Observer};

pub(crate) struct Shared {
    /// The held version, swapped whole. A request loads it once and so never
    /// mixes two.
    pub(crate) snapshot: ArcSwapOption<Snapshot>,
    pub(crate) folder: Folder,
    pub(crate) archive: Archive,
    /// How many lookups behind the held snapshot may hash at a time.
    pub(crate) lookups: Semaphore,
    pub(crate) chunks: ChunkPool,
    /// Asks those who follow files to look now.
    pub(crate) look: watch::Sender<()>,
    pub(crate) cors: Cors,
    /// Whether plain requests are answered without hyper.
    pub(crate) is_direct: bool,
    pub(crate) hot: Hot,
    pub(crate) metrics: Metrics,
    pub(crate) log: Logger,
    pub(crate) connections: Arc<Connections>,
    observer: Observer,
    /// Why the version in the folder is not the one held.
    refusal: Mutex<Option<String>>,
}

/// What [`Shared`] is made of, beside what it begins with.
pub(crate) struct Parts {
    pub(crate) folder: Folder,
    pub(crate) archive: Archive,
    pub(crate) chunks: ChunkPool,
    pub(crate) cors: Cors,
    pub(crate) is_direct: bool,
    pub(crate) log: Logger,
    pub(crate) connections: Arc<Connections>,
    pub(crate) observer: Observer,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            folder,
            archive,
            chunks,
            cors,
            is_direct,
            log,
            connections,
            observer,
        } = parts;
        Self {
            snapshot: ArcSwapOption::empty(),
            folder,
            archive,
            lookups: Semaphore::new(4),
            chunks,
            look: watch::Sender::default(),
            cors,
            is_direct,
            hot: Hot::default(),
            metrics: Metrics::default(),
            log,
            connections,
            observer,
            refusal: Mutex::default(),
        }
    }

    pub(crate) fn render_metrics(&self, snapshot: Option<&Snapshot>, now: SystemTime) -> String {
        let gauges = Gauges {
            snapshot,
            is_refusing: self.refusal().is_some(),
            open_connections: self.connections.count(),
            held_bytes: self.folder.budget.held_bytes() + self.archive.folder.budget.held_bytes(),
        };
        self.metrics.render(&gauges, now)
    }

    pub(crate) fn observe(&self, event: &Event) {
        (self.observer)(event);
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        lock(&self.refusal).clone()
    }

    /// Notes how the last look at the folder ended; true where that is news.
    pub(crate) fn set_refusal(&self, refusal: Option<String>) -> bool {
        let mut held = lock(&self.refusal);
        let is_news = *held != refusal;
        *held = refusal;
        is_news
    }

    pub(crate) fn held(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }
}
