//! What every request and the watcher share.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use tokio::sync::{Semaphore, watch};

use crate::archive::Archive;
use crate::body::ChunkPool;
use crate::load::{Folder, lock};
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
    pub(crate) observer: Observer,
    /// Why the version in the folder is not the one held.
    refusal: Mutex<Option<String>>,
}

impl Shared {
    pub(crate) fn new(
        folder: Folder,
        archive: Archive,
        chunks: ChunkPool,
        observer: Observer,
    ) -> Self {
        Self {
            snapshot: ArcSwapOption::empty(),
            folder,
            archive,
            lookups: Semaphore::new(4),
            chunks,
            look: watch::Sender::default(),
            observer,
            refusal: Mutex::default(),
        }
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
