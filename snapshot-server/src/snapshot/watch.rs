//! Follows the folder: when `version.json` has other bytes, the snapshot that
//! it names is loaded and, if it is whole, swapped in.
//!
//! Reading a file of one kilobyte twice a second costs nothing, works on every
//! file system and across renames, and misses no event. Bytes are compared, not
//! times or sizes: a pointer of the same length within the same second is new.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::event::{Event, explain};
use crate::shared::Shared;

/// The longest pause between two attempts at a snapshot that is refused.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Looks at the folder, for ever.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut asked = shared.look.subscribe();
    // Whoever asked before this ran is heard too.
    asked.mark_changed();
    let mut pause = shared.rules.load().poll_interval;
    loop {
        // A refused snapshot may still be arriving, so it is tried again, less
        // and less often, for each attempt hashes what is there.
        let was_asked = tokio::time::timeout(pause, asked.changed()).await.is_ok();
        let attempt = shared.clone();
        let looked = tokio::task::spawn_blocking(move || look(&attempt)).await;
        let interval = shared.rules.load().poll_interval;
        pause = match looked {
            Ok(Outcome::Refused) if was_asked => interval,
            Ok(Outcome::Refused) => (pause * 2).min(LONGEST_PAUSE).max(interval),
            _ => interval,
        };
    }
}

/// What one look at the folder brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing new, or nothing there.
    Unchanged,
    /// Another version is current now.
    Swapped,
    /// What is there cannot be used; the last good snapshot stays.
    Refused,
}

/// Looks once. Reads and hashes, so it blocks.
pub(crate) fn look(shared: &Shared) -> Outcome {
    let begun = Instant::now();
    let current = shared.current();
    let rules = shared.rules.load();
    let pointer = &rules.pointer_cache_control;
    let loaded = match shared.folder.read_version() {
        // A folder that was emptied takes nothing from what is served.
        Ok(None) => return Outcome::Unchanged,
        Ok(Some(bytes))
            if current
                .as_ref()
                .is_some_and(|current| current.is_made_of(&bytes, pointer)) =>
        {
            shared.set_refusal(None);
            return Outcome::Unchanged;
        }
        Ok(Some(bytes)) => shared.folder.load(bytes, pointer, current.as_deref()),
        Err(error) => Err(error),
    };
    match loaded {
        Ok(snapshot) => {
            let step = shared.note_step(&snapshot);
            let event = Event::Swapped {
                version: snapshot.version.clone(),
                tables: snapshot.tables.len(),
                took: begun.elapsed(),
                step,
                beyond_clients: snapshot.beyond_clients.clone(),
            };
            let snapshot = Arc::new(snapshot);
            shared.archive.swapped();
            shared.snapshot.store(Some(snapshot.clone()));
            shared.feed.tell(&snapshot.version, &snapshot.version_bytes);
            shared.set_refusal(None);
            shared.metrics.swaps.fetch_add(1, Ordering::Relaxed);
            shared.observe(&event);
            Outcome::Swapped
        }
        Err(error) => {
            shared.metrics.refusals.fetch_add(1, Ordering::Relaxed);
            if shared.set_refusal(Some(explain(&error))) {
                shared.observe(&Event::Refused(error));
            }
            Outcome::Refused
        }
    }
}
