//! The folders, watched by the system: events become hints.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::{Debounce, Hint, Places};

/// Why the folders cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system gives no more watches.
    #[error("failed to watch {}: the system's limit of watches is used up", path.display())]
    Limit {
        /// The folder.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("failed to watch {}", path.display())]
    Refused {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: notify::Error,
    },
}

impl WatchError {
    /// What may help.
    pub fn hint(&self) -> String {
        match self {
            Self::Limit { .. } => "raise fs.inotify.max_user_watches and \
                 fs.inotify.max_user_instances by sysctl, or look at the files in intervals \
                 with --poll"
                .to_owned(),
            Self::Refused { .. } => "look at the files in intervals with --poll".to_owned(),
        }
    }

    fn of(path: &Path) -> impl FnOnce(notify::Error) -> Self {
        let path = path.to_owned();
        move |source| match &source.kind {
            notify::ErrorKind::MaxFilesWatch => Self::Limit { path },
            notify::ErrorKind::Io(error) if is_limit(error) => Self::Limit { path },
            _ => Self::Refused { path, source },
        }
    }
}

// EMFILE: too many instances; ENOSPC: too many watches.
fn is_limit(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let limits = [Errno::EMFILE as i32, Errno::ENOSPC as i32];
    error
        .raw_os_error()
        .is_some_and(|code| limits.contains(&code))
}

/// What was hinted since the last look, by whichever thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    debounce: Mutex<Debounce>,
    came: Notify,
    // A folder was made, removed or renamed: it may be another one by now.
    replaced: AtomicBool,
}

impl Hints {
    /// Takes one in.
    pub(crate) fn note(&self, hint: Hint) {
        self.debounce().note(hint, Instant::now());
        self.shared.came.notify_one();
    }

    /// When to look; `None` where nothing calls for it.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.debounce().due()
    }

    /// Forgets them: it is looked now.
    pub(crate) fn take(&self) {
        self.debounce().take();
    }

    /// Resolves when one has come.
    pub(crate) async fn come(&self) {
        self.shared.came.notified().await;
    }

    fn debounce(&self) -> MutexGuard<'_, Debounce> {
        self.shared.debounce.lock()
    }
}

/// The folders under watch.
///
/// Each is watched alone, without those below it: nothing below is read, and a tree would
/// cost a watch for each of its folders. The folder above is watched too, which tells when
/// one is replaced. Where no event tells of it, [`Folders::renew`] sees another inode; that
/// alone would not do, for a new folder may get the inode of the one that was removed.
pub(crate) struct Folders {
    places: Places,
    hints: Hints,
    watched: Watched,
    // Ends its watching when dropped.
    _watcher: RecommendedWatcher,
}

// Device and inode; nothing where there is no such folder.
type Watched = Vec<(PathBuf, Option<(u64, u64)>)>;

impl Folders {
    /// Begins to watch.
    ///
    /// # Errors
    /// Where the system gives no watch for a folder that is there.
    pub(crate) fn watch(places: Places, hints: Hints) -> Result<Self, WatchError> {
        let (watched, watcher) = arm(&places, &hints)?;
        Ok(Self {
            places,
            hints,
            watched,
            _watcher: watcher,
        })
    }

    /// Watches anew where a folder is another one by now. The new one is a reason to look.
    ///
    /// # Errors
    /// As [`Folders::watch`].
    pub(crate) fn renew(&mut self) -> Result<(), WatchError> {
        let replaced = self.hints.shared.replaced.swap(false, Ordering::SeqCst);
        if !replaced && identified(&self.places) == self.watched {
            return Ok(());
        }
        let armed = arm(&self.places, &self.hints);
        if armed.is_err() {
            self.hints.shared.replaced.store(true, Ordering::SeqCst);
        }
        (self.watched, self._watcher) = armed?;
        self.hints.note(Hint::Touched);
        Ok(())
    }
}

fn arm(places: &Places, hints: &Hints) -> Result<(Watched, RecommendedWatcher), WatchError> {
    let (told, concern) = (hints.clone(), places.clone());
    let tell = move |event: notify::Result<Event>| match event {
        Ok(event) => {
            if replaces_a_folder(&event, &concern) {
                told.shared.replaced.store(true, Ordering::SeqCst);
            }
            for hint in hints_of(&event, &concern) {
                told.note(hint);
            }
        }
        // Whatever the watcher missed, the files have it.
        Err(_) => told.note(Hint::Touched),
    };
    let watcher = notify::recommended_watcher(tell);
    let mut watcher = watcher.map_err(WatchError::of(&places.source))?;
    // Before the watch, so that a folder replaced in between is seen to be another.
    let watched = identified(places);
    for (folder, _) in watched.iter().filter(|(_, identity)| identity.is_some()) {
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Err(error) if is_gone(&error) => {}
            other => other.map_err(WatchError::of(folder))?,
        }
    }
    Ok((watched, watcher))
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn identified(places: &Places) -> Watched {
    let identity = |path: &Path| {
        let metadata = std::fs::metadata(path)
            .ok()
            .filter(std::fs::Metadata::is_dir)?;
        Some((metadata.dev(), metadata.ino()))
    };
    let folders = folders_of(places).into_iter();
    folders
        .map(|path| (path.clone(), identity(&path)))
        .collect()
}

fn folders_of(places: &Places) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for folder in [&places.source, &places.migrations] {
        folders.insert(folder.clone());
        folders.extend(folder.parent().map(Path::to_owned));
        folders.extend(behind_links(folder));
    }
    folders.extend(places.settings.parent().map(Path::to_owned));
    folders
}

// A file that is a link changes where it leads.
fn behind_links(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let targets = links.filter_map(|entry| entry.path().canonicalize().ok());
    let files = targets.filter(|target| target.is_file());
    files
        .filter_map(|target| target.parent().map(Path::to_owned))
        .collect()
}

// Where the system tells when a file that was written is closed, it is worth waiting for.
const TELLS_OF_CLOSING: bool = cfg!(any(target_os = "linux", target_os = "android"));

fn hints_of(event: &Event, places: &Places) -> Vec<Hint> {
    if event.need_rescan() {
        return vec![Hint::Touched];
    }
    let paths = event.paths.iter().filter(|path| places.concern(path));
    let hints = paths.filter_map(|path| match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Remove(_) => {
            Some(Hint::Written(path.clone()))
        }
        // Our own reading.
        EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Data(_)) if waits_for(path, places) => {
            Some(Hint::Writing(path.clone()))
        }
        EventKind::Create(CreateKind::File) if waits_for(path, places) && is_being_made(path) => {
            Some(Hint::Writing(path.clone()))
        }
        EventKind::Modify(ModifyKind::Name(_)) => Some(Hint::Written(path.clone())),
        _ => Some(Hint::Touched),
    });
    hints.collect()
}

// Also where the event says no more than that something is other.
fn replaces_a_folder(event: &Event, places: &Places) -> bool {
    let of_a_folder = |path: &PathBuf| folders_of(places).contains(path);
    match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
            event.paths.iter().any(of_a_folder)
        }
        EventKind::Any | EventKind::Other => true,
        _ => false,
    }
}

fn waits_for(path: &Path, places: &Places) -> bool {
    TELLS_OF_CLOSING && places.read(path)
}

// A link to a file is whole from the beginning, and nobody closes it.
fn is_being_made(path: &Path) -> bool {
    let metadata = std::fs::symlink_metadata(path);
    metadata.is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag, RemoveKind, RenameMode};

    use super::*;

    fn places() -> Places {
        Places {
            source: "/p/json-source".into(),
            migrations: "/p/sql/migrations".into(),
            settings: "/p/tablecast.toml".into(),
        }
    }

    #[track_caller]
    fn check(kind: EventKind, path: &str, expected: &[Hint]) {
        let event = Event::new(kind).add_path(path.into());
        assert_eq!(hints_of(&event, &places()), expected);
    }

    #[test]
    fn reading_a_file_is_no_hint() {
        for kind in [
            AccessKind::Open(AccessMode::Any),
            AccessKind::Close(AccessMode::Read),
            AccessKind::Read,
        ] {
            check(EventKind::Access(kind), "/p/json-source/grips.json", &[]);
        }
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn a_file_is_being_written_until_it_is_closed_renamed_or_removed() {
        let grips = "/p/json-source/grips.json";
        let written = || [Hint::Written(grips.into())];
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        check(data, grips, &[Hint::Writing(grips.into())]);
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        check(close, grips, &written());
        for mode in [RenameMode::From, RenameMode::To] {
            check(EventKind::Modify(ModifyKind::Name(mode)), grips, &written());
        }
        check(EventKind::Remove(RemoveKind::File), grips, &written());
        // An editor's own files are waited for by nobody.
        check(data, "/p/json-source/.grips.json.swp", &[Hint::Touched]);
    }

    #[test]
    fn what_happens_beside_the_folders_is_no_hint() {
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        check(data, "/p/notes.txt", &[]);
        check(EventKind::Create(CreateKind::Folder), "/p/snapshots", &[]);
        check(
            EventKind::Create(CreateKind::Folder),
            "/p/json-source",
            &[Hint::Touched],
        );
    }

    #[test]
    fn a_folder_may_be_another_whenever_its_name_was_given_or_taken() {
        let replaces = |kind, path: &str| {
            let event = Event::new(kind).add_path(path.into());
            replaces_a_folder(&event, &places())
        };
        for kind in [
            EventKind::Create(CreateKind::Folder),
            EventKind::Remove(RemoveKind::Folder),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Other,
        ] {
            assert!(replaces(kind, "/p/json-source"), "{kind:?}");
        }
        let created = EventKind::Create(CreateKind::File);
        assert!(!replaces(created, "/p/json-source/grips.json"));
    }

    #[test]
    fn lost_events_are_a_reason_to_look() {
        let event = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(hints_of(&event, &places()), [Hint::Touched]);
    }
}
