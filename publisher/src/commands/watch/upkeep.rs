//! Pruning between rounds: while nothing is edited, and only until something is.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use snapshot_store::{DirectoryStore, StoreError};

use crate::error::Error;
use crate::prune::{Keep, Pruned, look};
use crate::publish::Published;
use crate::watch::Hints;

/// How long nothing is edited before it is pruned.
const REST: Duration = Duration::from_secs(2);

/// How many versions are published before it is looked again what is not retained any more.
const VERSIONS: usize = 10;

/// How long until it is looked again where fewer were published: versions also age.
const AGE: Duration = Duration::from_secs(60 * 60);

/// When to prune.
pub(super) struct Upkeep {
    // `None` for everything.
    keep: Option<Keep>,
    // How many versions were published since the last prune.
    published: usize,
    // The end of the last round that found the files sound.
    rounded: Option<Instant>,
    pruned: Option<Instant>,
}

impl Upkeep {
    pub(super) fn new(keep: Option<Keep>) -> Self {
        Self {
            keep,
            published: 0,
            rounded: None,
            pruned: None,
        }
    }

    /// A round came to its end.
    pub(super) fn succeeded(&mut self, published: &Published, now: Instant) {
        if matches!(published, Published::Changed { .. }) {
            self.published += 1;
        }
        self.rounded = Some(now);
    }

    /// When to prune, if nothing is edited until then.
    pub(super) fn due(&self) -> Option<Instant> {
        self.keep?;
        let rested = self.rounded? + REST;
        Some(match self.pruned {
            // What earlier watches left.
            None => rested,
            Some(_) if self.published >= VERSIONS => rested,
            Some(pruned) => rested.max(pruned + AGE),
        })
    }

    /// Prunes until something is edited; gives what went, where anything did.
    pub(super) async fn prune(
        &mut self,
        out: &Path,
        hints: &Hints,
    ) -> Result<Option<Pruned>, Error> {
        let Some(keep) = self.keep else {
            return Ok(None);
        };
        self.pruned = Some(Instant::now());
        let opened = DirectoryStore::open_existing(out, Duration::ZERO, |_| {}).await;
        let store = match opened {
            // Who is at work there comes first.
            Err(StoreError::Locked { .. } | StoreError::NoStore { .. }) => return Ok(None),
            opened => opened?,
        };
        // To look only reads, so it may be given up anywhere.
        let pruning = tokio::select! {
            pruning = look(&store, keep, Timestamp::now()) => pruning?,
            () = hints.come() => {
                self.pruned = None;
                return Ok(None);
            }
        };
        if pruning.is_empty() {
            self.published = 0;
            return Ok(None);
        }
        let pruned = pruning.remove(&store, || hints.due().is_none()).await?;
        if hints.due().is_none() {
            self.published = 0;
        } else {
            self.pruned = None;
        }
        Ok((!pruned.files.is_empty()).then_some(pruned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upkeep(published: usize, rounded: Instant, pruned: Option<Instant>) -> Upkeep {
        Upkeep {
            published,
            rounded: Some(rounded),
            pruned,
            ..Upkeep::new(Some(Keep::default()))
        }
    }

    #[test]
    fn what_earlier_watches_left_goes_once_nothing_is_edited() {
        let now = Instant::now();
        assert_eq!(Upkeep::new(Some(Keep::default())).due(), None);
        assert_eq!(upkeep(0, now, None).due(), Some(now + REST));
    }

    #[test]
    fn later_it_is_looked_again_behind_some_versions_or_after_some_time() {
        let now = Instant::now();
        let few = upkeep(VERSIONS - 1, now, Some(now));
        assert_eq!(few.due(), Some(now + AGE));
        let many = upkeep(VERSIONS, now, Some(now));
        assert_eq!(many.due(), Some(now + REST));
    }

    #[test]
    fn who_keeps_everything_never_prunes() {
        let mut upkeep = upkeep(9 * VERSIONS, Instant::now(), None);
        upkeep.keep = None;
        assert_eq!(upkeep.due(), None);
    }
}
