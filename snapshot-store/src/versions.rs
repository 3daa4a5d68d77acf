//! The versions of a place.

use snapshot_format::{Key, MAX_VERSION_SIZE, Version, VersionError};

use crate::reader::{FetchError, Page, Reader};

/// The versions that can be found.
#[derive(Debug, Default)]
pub struct Versions {
    /// What `version.json` says.
    pub current: Option<Version>,
    /// Why it says nothing, where it is there.
    broken: Option<(String, VersionError)>,
    /// The current one and every page of the history, the newest first.
    pub all: Vec<Version>,
    /// Pages that are no versions: the key and why.
    pub unreadable: Vec<(Key, String)>,
}

impl Versions {
    /// Reads `version.json` and the history.
    ///
    /// # Errors
    /// Where `version.json` cannot be fetched, or a folder not be listed. What cannot be
    /// read of the history keeps nobody from the rest.
    pub fn read(origin: &dyn Reader) -> Result<Self, FetchError> {
        let mut versions = Self::default();
        origin.check()?;
        if let Some(bytes) = origin.get(&Key::Version, MAX_VERSION_SIZE)? {
            match Version::parse(&bytes) {
                Ok(version) => versions.current = Some(version),
                Err(source) => {
                    versions.unreadable.push((Key::Version, in_words(&source)));
                    let location = origin.location(&Key::Version);
                    versions.broken = Some((location, source));
                }
            }
        }
        let order = versions.current.as_ref().map(Version::order);
        let read = |key: &Key| origin.get(key, MAX_VERSION_SIZE);
        for page in Page::all(origin, order, &read)? {
            let (epoch, sequence) = page.order;
            let key = Key::History { epoch, sequence };
            match page.bytes {
                Err(error) => versions.unreadable.push((key, error.to_string())),
                Ok(bytes) => {
                    let version = versions.parsed(key.clone(), Version::parse(&bytes));
                    versions.hold(version, page.order, key);
                }
            }
        }
        let current = versions.current.clone();
        let lacks = |version: &Version| versions.all.iter().all(|v| v.order() != version.order());
        // Its page may be lost.
        let lost = current.filter(lacks);
        versions.all.extend(lost);
        versions
            .all
            .sort_by_key(|version| std::cmp::Reverse(version.order()));
        Ok(versions)
    }

    fn parsed(&mut self, key: Key, parsed: Result<Version, VersionError>) -> Option<Version> {
        parsed
            .map_err(|error| self.unreadable.push((key, in_words(&error))))
            .ok()
    }

    fn hold(&mut self, version: Option<Version>, order: (u64, u64), key: Key) {
        match version {
            Some(version) if version.order() == order => self.all.push(version),
            Some(_) => {
                let what = "holds another publication than its name says";
                self.unreadable.push((key, what.to_owned()));
            }
            None => {}
        }
    }

    /// The current version, for whoever named none; `None` where there is no `version.json`.
    ///
    /// # Errors
    /// Where `version.json` is there and is none: the newest page need not be what is public.
    pub fn current(&self) -> Result<Option<&Version>, FetchError> {
        match self.broken.clone() {
            Some((location, source)) => Err(FetchError::Version { location, source }),
            None => Ok(self.current.as_ref()),
        }
    }

    /// The version before another one, as far as it is kept.
    pub fn before(&self, version: &Version) -> Option<&Version> {
        self.all
            .iter()
            .find(|other| other.order() < version.order())
    }
}

// With what helps: whoever reads the rest is told how to mend this.
fn in_words(error: &VersionError) -> String {
    let cause = std::error::Error::source(error);
    let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{error}{cause}; {}", error.hint())
}
