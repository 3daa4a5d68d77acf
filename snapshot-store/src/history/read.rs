//! The versions that a place still tells of.

use std::error::Error;
use std::fmt;

use snapshot_format::{Key, MAX_VERSION_SIZE, Version, VersionError};

use crate::reader::{FetchError, Order, Page, Reader};

/// The publications that a place still tells of.
#[derive(Debug, Default)]
pub struct History {
    /// What `version.json` holds; `None` where there is none that can be read.
    pub current: Option<Version>,
    /// The pages that can be read, the newest first. A publisher that was killed may have
    /// left one that is newer than the current version.
    pub versions: Vec<Version>,
    /// What cannot be read, `version.json` included.
    pub unreadable: Vec<Unreadable>,
}

/// A page of the history, or `version.json`, that is there and cannot be used.
#[derive(Debug)]
pub struct Unreadable {
    /// Which page it is, or the pointer.
    pub key: Key,
    /// Where it lies: a path, a URL.
    pub location: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a page of the history.
#[derive(Debug)]
pub enum Reason {
    /// The page cannot be fetched, or is longer than a version may be.
    Fetch(FetchError),
    /// It does not hold a version.
    Version(VersionError),
    /// It holds this publication, and its name says another.
    Misplaced(Order),
}

impl History {
    /// Reads `version.json` and the pages that can be found. What cannot be read of them
    /// keeps nobody from the rest.
    ///
    /// # Errors
    /// Where the place is not there, or cannot be listed though such places can.
    pub fn read(reader: &dyn Reader) -> Result<Self, FetchError> {
        reader.check()?;
        let mut history = Self::default();
        let read = |key: &Key| reader.get(key, MAX_VERSION_SIZE);
        if let Some(bytes) = read(&Key::Version).transpose() {
            history.current = history.take(reader, Key::Version, None, bytes);
        }
        let current = history.current.as_ref().map(Version::order);
        for page in Page::all(reader, current, &read)? {
            let (epoch, sequence) = page.order;
            let key = Key::History { epoch, sequence };
            let version = history.take(reader, key, Some(page.order), page.bytes);
            history.versions.extend(version);
        }
        history.versions = newest_first(history.versions);
        Ok(history)
    }

    // What the bytes under a key hold; `None`, and noted, where that cannot be used.
    fn take(
        &mut self,
        reader: &dyn Reader,
        key: Key,
        order: Option<Order>,
        bytes: Result<Vec<u8>, FetchError>,
    ) -> Option<Version> {
        let parsed = bytes
            .map_err(Reason::Fetch)
            .and_then(|bytes| Version::parse(&bytes).map_err(Reason::Version));
        let reason = match parsed {
            Ok(version) if order.is_none_or(|order| order == version.order()) => {
                return Some(version);
            }
            Ok(version) => Reason::Misplaced(version.order()),
            Err(reason) => reason,
        };
        self.unreadable.push(Unreadable {
            location: reader.location(&key),
            key,
            reason,
        });
        None
    }

    /// The same, for whoever can do nothing without `version.json`.
    ///
    /// # Errors
    /// Where `version.json` could not be fetched. That it holds no version is for
    /// [`History::current`] to say.
    pub fn fetched(mut self) -> Result<Self, FetchError> {
        let of_pointer = |unreadable: &Unreadable| {
            unreadable.key == Key::Version && matches!(unreadable.reason, Reason::Fetch(_))
        };
        match self.unreadable.iter().position(of_pointer) {
            Some(index) => match self.unreadable.swap_remove(index).reason {
                Reason::Fetch(error) => Err(error),
                Reason::Version(_) | Reason::Misplaced(_) => Ok(self),
            },
            None => Ok(self),
        }
    }

    /// The current version, for whoever named none; `None` where there is no
    /// `version.json`.
    ///
    /// # Errors
    /// [`FetchError::Version`] where `version.json` is there and is none: the newest page
    /// need not be what is public.
    pub fn current(&self) -> Result<Option<&Version>, FetchError> {
        let mut of_pointer = self.unreadable.iter().filter(|it| it.key == Key::Version);
        match of_pointer.next() {
            Some(Unreadable {
                location,
                reason: Reason::Version(source),
                ..
            }) => Err(FetchError::Version {
                location: location.clone(),
                source: source.clone(),
            }),
            _ => Ok(self.current.as_ref()),
        }
    }

    /// The current version and every page that can be read, the newest first: the page of
    /// the current one may be lost.
    pub fn all(&self) -> Vec<Version> {
        let is_page =
            |version: &&Version| self.versions.iter().any(|v| v.order() == version.order());
        let lost = self.current.iter().filter(|current| !is_page(current));
        newest_first(self.versions.iter().chain(lost).cloned().collect())
    }
}

/// The version before another one, of `all` in [`History::all`]'s order; `None` for the
/// oldest.
pub fn before<'v>(all: &'v [Version], version: &Version) -> Option<&'v Version> {
    all.iter().find(|other| other.order() < version.order())
}

fn newest_first(mut versions: Vec<Version>) -> Vec<Version> {
    versions.sort_by_key(|version| std::cmp::Reverse(version.order()));
    versions
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.key)?;
        match &self.reason {
            Reason::Fetch(error) => error.fmt(f),
            // With what helps: whoever reads the rest is told how to mend this.
            Reason::Version(error) => {
                error.fmt(f)?;
                if let Some(cause) = error.source() {
                    write!(f, ": {cause}")?;
                }
                write!(f, "; {}", error.hint())
            }
            Reason::Misplaced(_) => f.write_str("holds another publication than its name says"),
        }
    }
}
