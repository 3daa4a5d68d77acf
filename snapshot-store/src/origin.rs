//! A snapshot as a person names it: a folder, or a site.

use std::fmt;

use snapshot_format::Key;

use crate::directory::Directory;
use crate::reader::{FetchError, Fetched, Order, Reader};
use crate::site::Site;

/// Where a snapshot is read from, as a person named it; any [`Reader`] may be behind it.
#[derive(Debug)]
pub enum Origin {
    /// In a folder of this machine.
    Directory(Directory),
    /// Behind `http://` or `https://`: a server, a bucket, a CDN.
    Site(Site),
}

impl Origin {
    /// The origin that a person names: a folder, or a URL that begins with `http://` or
    /// `https://`. The URL of a `version.json` names what it stands in.
    ///
    /// # Errors
    /// Where the URL is none. A folder need not be there.
    pub fn named(name: &str) -> Result<Self, FetchError> {
        let scheme = name.split_once("://").map(|(scheme, _)| scheme);
        match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "https") => Ok(Self::Site(Site::new(name)?)),
            Some(_) => Err(FetchError::Url(name.to_owned())),
            None if name.is_empty() => Err(FetchError::Url(name.to_owned())),
            None => Ok(Self::Directory(Directory::new(name))),
        }
    }

    /// The site, where it is one: whoever judges header fields needs more than a reader gives.
    pub fn site(&self) -> Option<&Site> {
        match self {
            Self::Site(site) => Some(site),
            Self::Directory(_) => None,
        }
    }

    /// The folder, where it is one: it can be listed wholly, with what no version names.
    pub fn directory(&self) -> Option<&Directory> {
        match self {
            Self::Directory(directory) => Some(directory),
            Self::Site(_) => None,
        }
    }

    fn reader(&self) -> &dyn Reader {
        match self {
            Self::Directory(directory) => directory,
            Self::Site(site) => site,
        }
    }
}

impl Reader for Origin {
    fn open(&self, key: &Key) -> Result<Option<Fetched>, FetchError> {
        self.reader().open(key)
    }

    fn orders(&self) -> Result<Option<Vec<Order>>, FetchError> {
        self.reader().orders()
    }

    fn check(&self) -> Result<(), FetchError> {
        self.reader().check()
    }

    fn location(&self, key: &Key) -> String {
        self.reader().location(key)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => write!(f, "{}", directory.root().display()),
            Self::Site(site) => f.write_str(site.base()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let place = match Origin::named(name) {
            Ok(origin) => origin.location(&Key::Version),
            Err(error) => error.to_string(),
        };
        assert_eq!(place, expected);
    }

    #[test]
    fn a_folder_and_a_url_are_told_apart() {
        check("snapshots", "snapshots/version.json");
        check("/srv/a b", "/srv/a b/version.json");
        check(
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080/version.json",
        );
        check(
            "https://cdn.example/ref/",
            "https://cdn.example/ref/version.json",
        );
        check(
            "HTTPS://cdn.example/version.json",
            "HTTPS://cdn.example/version.json",
        );
        for name in [
            "",
            "ftp://a",
            "http://",
            "http://a b",
            "http://a/?q",
            "https://a/#f",
        ] {
            check(
                name,
                &format!(
                    "{name:?} is neither a folder nor an http or https URL without query and fragment"
                ),
            );
        }
    }

    #[test]
    fn what_is_too_long_is_not_taken_in() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("version.json"), "12345").expect("written");
        let origin = Origin::named(folder.path().to_str().expect("UTF-8")).expect("a folder");
        assert_eq!(
            origin.get(&Key::Version, 5).expect("fits"),
            Some(b"12345".to_vec())
        );
        let error = origin.get(&Key::Version, 4).expect_err("longer");
        assert!(
            error
                .to_string()
                .ends_with("is longer than the 4 bytes that it may have")
        );
    }
}
