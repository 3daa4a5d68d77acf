//! Removes what no retained version names.
//!
//! Retained are the newest versions, the current one, every version that was the current one
//! within the minimum age, and what a retained rollback points back at. A reader that has
//! begun with a version therefore has at least that age to fetch what it names.
//!
//! The invariant that is retained here, by its number in `ARCHITECTURE.md`:
//!
//! 7. Nothing that a retained version names is ever pruned. What names goes before what is
//!    named, durably: the pages of the history, then the manifests, then the objects.
//!    Wherever a prune dies, every page that is left resolves; what nothing names any
//!    more is found by the next one.

mod keep;

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;
use snapshot_format::{Key, Manifest, Version};
use snapshot_store::{Store, StoreError, Stored, StoredKind, history::History};

pub use self::keep::Keep;
use crate::publish::Fault;
use crate::publish::read_back::{files_of, read_manifest};

/// What a prune removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pruned {
    /// The versions that are retained, the newest first.
    pub retained: Vec<Version>,
    /// The versions that went, the newest first.
    pub removed: Vec<Version>,
    /// The files that went, in the order in which they did.
    pub files: Vec<Removed>,
    /// What no program of Tablecast put there; it was left alone.
    pub foreign: Vec<String>,
}

/// A file that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// Its path below the store's root.
    pub path: String,
    /// Number of bytes.
    pub size_bytes: u64,
}

impl Pruned {
    /// How many bytes went.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// Why nothing was pruned, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// Nothing was ever published there.
    #[error("nothing was ever published there")]
    Empty,
    /// A page of the history or a manifest that is retained cannot be read, so what it names
    /// is not known.
    #[error("the store is damaged")]
    Damaged {
        /// What is wrong with it.
        faults: Vec<Fault>,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PruneError {
    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some("name the store's folder with --out"),
            Self::Damaged { .. } => Some("restore these files, or remove the pages that name them"),
            Self::Store(error) => error.hint(),
        }
    }
}

/// Removes what `keep` does not keep, or only says what that is where `dry_run`.
///
/// # Errors
/// Where the history or a retained manifest cannot be read, with nothing removed; where
/// something cannot be removed, which the next prune then does.
pub async fn prune(
    store: &impl Store,
    keep: Keep,
    now: Timestamp,
    dry_run: bool,
) -> Result<Pruned, PruneError> {
    let pruning = look(store, keep, now).await?;
    if dry_run {
        return Ok(pruning.all());
    }
    pruning.remove(store, || true).await
}

/// Finds out what `keep` does not keep, and removes nothing.
///
/// # Errors
/// Where the history or a retained manifest cannot be read.
pub(crate) async fn look(
    store: &impl Store,
    keep: Keep,
    now: Timestamp,
) -> Result<Pruning, PruneError> {
    let history = readable(History::read(store).map_err(StoreError::from)?)?;
    let chosen = keep.chosen(&history, now);
    let (retained, removed): (Vec<Version>, Vec<Version>) = history
        .versions
        .into_iter()
        .partition(|version| chosen.contains(&version.order()));
    // The pointer's own word counts too, whatever its page says.
    let named = named_by(store, retained.iter().chain(&history.current)).await?;
    let names = Names {
        retained: named,
        removed: named_once(store, &removed).await,
        pages: removed.iter().map(Version::order).collect(),
    };
    let listed = store.list().await?;
    let foreign = listed
        .iter()
        .filter(|stored| stored.kind == StoredKind::Foreign);
    let foreign = foreign.map(|stored| stored.path.clone()).collect();
    let phases = in_phases(listed, |stored| {
        names.lose(stored, keep.is_old(stored, now))
    });
    Ok(Pruning {
        retained,
        removed,
        foreign,
        phases,
    })
}

/// What is to go. It holds as long as nobody else publishes, so for one lock of the store.
#[derive(Debug)]
pub(crate) struct Pruning {
    retained: Vec<Version>,
    removed: Vec<Version>,
    foreign: Vec<String>,
    phases: BTreeMap<Phase, Vec<Stored>>,
}

impl Pruning {
    /// Whether nothing is to go.
    pub(crate) fn is_empty(&self) -> bool {
        self.phases.values().all(Vec::is_empty)
    }

    /// Removes it as long as `goes_on` says so; what is left goes with the next prune.
    ///
    /// # Errors
    /// Where something cannot be removed.
    pub(crate) async fn remove(
        self,
        store: &impl Store,
        goes_on: impl Fn() -> bool,
    ) -> Result<Pruned, PruneError> {
        // The pointer first: had it been swapped and not been made durable, a loss of
        // power would bring an older version back.
        store.sync().await?;
        let mut gone = Vec::new();
        for phase in self.phases.into_values() {
            let whole = phase.len();
            let mut removed = 0;
            for stored in phase {
                if !goes_on() {
                    break;
                }
                store.remove(&stored).await?;
                gone.push(Removed::from(stored));
                removed += 1;
            }
            store.sync().await?;
            if removed < whole {
                break;
            }
        }
        Ok(Pruned {
            retained: self.retained,
            removed: self.removed,
            files: gone,
            foreign: self.foreign,
        })
    }

    fn all(self) -> Pruned {
        let files = self.phases.into_values().flatten();
        Pruned {
            retained: self.retained,
            removed: self.removed,
            files: files.map(Removed::from).collect(),
            foreign: self.foreign,
        }
    }
}

// Without every page nobody knows what is named.
fn readable(history: History) -> Result<History, PruneError> {
    if !history.unreadable.is_empty() {
        let faults = history.unreadable.iter().map(Fault::of_page).collect();
        return Err(PruneError::Damaged { faults });
    }
    match history.current {
        None if history.versions.is_empty() => Err(PruneError::Empty),
        _ => Ok(history),
    }
}

// What names what.
struct Names {
    // What a retained version names.
    retained: HashSet<Key>,
    // What only removed versions name.
    removed: HashSet<Key>,
    // The removed versions.
    pages: HashSet<(u64, u64)>,
}

impl Names {
    // Whether a file goes. What nobody names is what interrupted runs left, unless one
    // is going on without a lock: hence its age.
    fn lose(&self, stored: &Stored, is_old: bool) -> bool {
        match &stored.kind {
            StoredKind::Key(Key::Version) | StoredKind::Foreign => false,
            StoredKind::Key(Key::History { epoch, sequence }) => {
                self.pages.contains(&(*epoch, *sequence))
            }
            StoredKind::Key(key) => {
                !self.retained.contains(key) && (is_old || self.removed.contains(key))
            }
            StoredKind::Leftover => is_old,
        }
    }
}

async fn named_by(
    store: &impl Store,
    versions: impl Iterator<Item = &Version>,
) -> Result<HashSet<Key>, PruneError> {
    let (mut named, mut faults) = (HashSet::new(), Vec::new());
    for version in versions {
        // A rollback has the manifest of what it points back at.
        if !named.insert(Key::Manifest(version.manifest.hash)) {
            continue;
        }
        match read_manifest(store, version).await {
            Ok(manifest) => named.extend(files_named_by(&manifest)),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(named)
    } else {
        Err(PruneError::Damaged { faults })
    }
}

// As far as it can be known: a manifest of a version that goes need not be there.
async fn named_once(store: &impl Store, removed: &[Version]) -> HashSet<Key> {
    let mut named = HashSet::new();
    for version in removed {
        if named.insert(Key::Manifest(version.manifest.hash))
            && let Ok(manifest) = read_manifest(store, version).await
        {
            named.extend(files_named_by(&manifest));
        }
    }
    named
}

fn files_named_by(manifest: &Manifest) -> impl Iterator<Item = Key> {
    let objects = manifest.objects();
    objects.flat_map(|(key, digest)| files_of(&key, digest.size))
}

// The order in which files go; each phase is durable before the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Pages,
    Manifests,
    Objects,
}

fn in_phases(listed: Vec<Stored>, goes: impl Fn(&Stored) -> bool) -> BTreeMap<Phase, Vec<Stored>> {
    let mut phases: BTreeMap<Phase, Vec<Stored>> = BTreeMap::new();
    for stored in listed.into_iter().filter(goes) {
        let phase = match &stored.kind {
            StoredKind::Key(Key::History { .. }) => Phase::Pages,
            StoredKind::Key(Key::Manifest(_)) => Phase::Manifests,
            _ => Phase::Objects,
        };
        phases.entry(phase).or_default().push(stored);
    }
    // The oldest page first: the pages that are left have no gap.
    let pages = phases.entry(Phase::Pages).or_default();
    pages.sort_by_key(|stored| match &stored.kind {
        StoredKind::Key(Key::History { epoch, sequence }) => (*epoch, *sequence),
        _ => (0, 0),
    });
    phases
}

impl From<Stored> for Removed {
    fn from(stored: Stored) -> Self {
        let Stored {
            path, size_bytes, ..
        } = stored;
        Self { path, size_bytes }
    }
}
