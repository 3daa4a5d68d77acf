//! Gathering: many events of one save, or of many at once, are one reason to look. Pure.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long nothing may happen before it is looked at what has.
pub(super) const QUIET: Duration = Duration::from_millis(20);

/// How long at most, where something happens all the time.
pub(super) const MOST_DEBOUNCED: Duration = Duration::from_millis(250);

/// How long a file that somebody is writing is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// What an event tells. It need not be true: the files are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// Something changed.
    Touched,
    /// Somebody writes a file, and its end will be told.
    Writing(PathBuf),
    /// A file that was being written is whole, gone or renamed.
    Written(PathBuf),
}

/// The hints since the last look.
#[derive(Debug, Default)]
pub(crate) struct Debounce {
    since: Option<Since>,
}

#[derive(Debug)]
struct Since {
    first: Instant,
    last: Instant,
    writing: BTreeSet<PathBuf>,
}

impl Debounce {
    /// Takes in what came at `now`.
    pub(crate) fn note(&mut self, hint: Hint, now: Instant) {
        let since = self.since.get_or_insert_with(|| Since {
            first: now,
            last: now,
            writing: BTreeSet::new(),
        });
        since.last = now;
        match hint {
            Hint::Touched => {}
            Hint::Writing(path) => drop(since.writing.insert(path)),
            Hint::Written(path) => drop(since.writing.remove(&path)),
        }
    }

    /// When to look; `None` where nothing calls for it.
    pub(crate) fn due(&self) -> Option<Instant> {
        let since = self.since.as_ref()?;
        Some(if since.writing.is_empty() {
            (since.last + QUIET).min(since.first + MOST_DEBOUNCED)
        } else {
            since.first + PATIENCE
        })
    }

    /// Forgets what came: it is looked at now. Whatever comes later is another reason.
    pub(crate) fn take(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn without_a_hint_there_is_nothing_to_look_at() {
        assert_eq!(Debounce::default().due(), None);
    }

    #[test]
    fn it_is_looked_once_it_has_been_quiet() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        debounce.note(Hint::Touched, start);
        debounce.note(Hint::Touched, after(start, 15));
        assert_eq!(debounce.due(), Some(after(start, 15) + QUIET));
        debounce.take();
        assert_eq!(debounce.due(), None);
    }

    #[test]
    fn a_storm_of_hints_is_not_waited_for_to_its_end() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        for ms in 0..1000 {
            debounce.note(Hint::Touched, after(start, ms));
        }
        assert_eq!(debounce.due(), Some(start + MOST_DEBOUNCED));
    }

    #[test]
    fn a_file_that_is_being_written_is_waited_for_but_not_for_ever() {
        let (mut debounce, start) = (Debounce::default(), Instant::now());
        let path = PathBuf::from("/json-source/grips.json");
        debounce.note(Hint::Writing(path.clone()), start);
        let since = debounce.since.as_ref().expect("something came");
        assert!(since.writing.contains(&path));
        assert_eq!(debounce.due(), Some(start + PATIENCE));
        debounce.note(Hint::Writing(path.clone()), after(start, 90));
        debounce.note(Hint::Written(path), after(start, 100));
        assert_eq!(debounce.due(), Some(after(start, 100) + QUIET));
    }
}
