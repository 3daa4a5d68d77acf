//! The history of a store: what was published, when, and what a person calls it.
//!
//! ```text
//! 1795380688-57   one publication: epoch and sequence
//! 57              the same, where one epoch alone has that sequence
//! seq:42          the database's state, by its reference version
//! a42da3df        the content, by the first digits of its manifest's hash
//! ```

use snapshot_format::{Key, MAX_VERSION_SIZE, ReferenceVersion, Version, VersionError};

use crate::reader::Reader;
use crate::store::StoreError;

/// The publications that a store still tells of.
#[derive(Debug, Default)]
pub struct History {
    /// What `version.json` holds; `None` where there is none that can be read.
    pub current: Option<Version>,
    /// The pages that can be read, the newest first. A publisher that was killed may have
    /// left one that is newer than the current version.
    pub versions: Vec<Version>,
    /// What cannot be read, `version.json` included.
    pub unreadable: Vec<PageError>,
}

/// Why a page of the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It cannot be read at all.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does not hold a version.
    #[error("{location} is not a version that this program can read")]
    Version {
        /// The file.
        location: String,
        /// Why not.
        #[source]
        source: VersionError,
    },
    /// It holds another publication than its name says.
    #[error("{location} holds the publication {}", name(*order))]
    Misplaced {
        /// The file.
        location: String,
        /// What it holds.
        order: (u64, u64),
    },
}

/// Why a text names no version.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It has none of the forms.
    #[error("{name:?} is no way to name a version")]
    Malformed {
        /// The text.
        name: String,
    },
    /// No version that is kept has that name.
    #[error("no version {name:?} is kept; {}", there(kept))]
    Unknown {
        /// The text.
        name: String,
        /// What is kept, in ascending order.
        kept: Vec<(u64, u64)>,
    },
    /// The store held it once.
    #[error("version {} was pruned; {}", name(*order), there(kept))]
    Pruned {
        /// The version.
        order: (u64, u64),
        /// What is kept, in ascending order.
        kept: Vec<(u64, u64)>,
    },
    /// Versions with different contents have it.
    #[error("{name:?} may be any of {}", list(candidates))]
    Ambiguous {
        /// The text.
        name: String,
        /// The versions, in ascending order.
        candidates: Vec<(u64, u64)>,
    },
}

impl ResolveError {
    /// What may help.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => {
                "name it as EPOCH-SEQUENCE, SEQUENCE, seq:N, or by four or more digits of its manifest's hash"
            }
            Self::Unknown { .. } | Self::Pruned { .. } => "`publisher history` lists them",
            Self::Ambiguous { .. } => "name one of them in full",
        }
    }
}

/// The version that a person means by `name`.
///
/// Where several publications have that name and one content, it is the newest of them.
///
/// # Errors
/// Where none has, or several of different contents do.
pub fn resolve<'a>(versions: &'a [Version], name: &str) -> Result<&'a Version, ResolveError> {
    let wanted = Name::parse(name).ok_or_else(|| ResolveError::Malformed {
        name: name.to_owned(),
    })?;
    let mut found: Vec<&Version> = versions.iter().filter(|v| wanted.fits(v)).collect();
    found.sort_by_key(|version| version.order());
    let Some(newest) = found.last() else {
        return Err(unknown(versions, name, &wanted));
    };
    if found.iter().any(|other| other.manifest != newest.manifest) {
        return Err(ResolveError::Ambiguous {
            name: name.to_owned(),
            candidates: found.iter().map(|version| version.order()).collect(),
        });
    }
    Ok(newest)
}

/// How a publication is named everywhere: `1795380688-57`.
pub fn name((epoch, sequence): (u64, u64)) -> String {
    format!("{epoch}-{sequence}")
}

/// Reads the history of an open store.
///
/// # Errors
/// Where the pages cannot be listed.
pub fn of(store: &dyn Reader) -> Result<History, StoreError> {
    let mut history = History::default();
    let mut keys = vec![(Key::Version, None)];
    let pages = store.orders()?.unwrap_or_default();
    keys.extend(
        pages
            .into_iter()
            .map(|order| (page_key(order), Some(order))),
    );
    for (key, order) in keys {
        let bytes = store.get(&key, MAX_VERSION_SIZE).map_err(StoreError::from);
        let page = bytes.map(|bytes| bytes.map(|bytes| (store.location(&key), bytes)));
        history.hold(page, order);
    }
    Ok(history.newest_first())
}

// A page's place and bytes; `None` where it is not there, or not any more.
type Page = Result<Option<(String, Vec<u8>)>, StoreError>;

impl History {
    // Without an order it is the pointer.
    fn hold(&mut self, page: Page, order: Option<(u64, u64)>) {
        match parse(page, order) {
            Ok(Some(version)) if order.is_some() => self.versions.push(version),
            Ok(version) => self.current = version.or(self.current.take()),
            Err(error) => self.unreadable.push(error),
        }
    }

    fn newest_first(mut self) -> Self {
        self.versions
            .sort_by_key(|version| std::cmp::Reverse(version.order()));
        self
    }
}

fn parse(page: Page, expected: Option<(u64, u64)>) -> Result<Option<Version>, PageError> {
    let Some((location, bytes)) = page? else {
        return Ok(None);
    };
    let version = match Version::parse(&bytes) {
        Ok(version) => version,
        Err(source) => return Err(PageError::Version { location, source }),
    };
    let order = version.order();
    if expected.is_some_and(|expected| expected != order) {
        return Err(PageError::Misplaced { location, order });
    }
    Ok(Some(version))
}

fn page_key((epoch, sequence): (u64, u64)) -> Key {
    Key::History { epoch, sequence }
}

// What a person may call a version.
enum Name<'a> {
    Publication(u64, u64),
    Sequence(u64),
    Reference(ReferenceVersion),
    Manifest(&'a str),
}

// Fewer digits are a slip of the finger rather than a hash.
const MIN_PREFIX: usize = 4;

impl<'a> Name<'a> {
    // Digits alone are a sequence, never a hash: a version that was pruned must not turn
    // into another one whose hash begins so.
    fn parse(name: &'a str) -> Option<Self> {
        let decimal = |text: &str| -> Option<u64> {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        if let Some(sequence) = decimal(name) {
            return Some(Self::Sequence(sequence));
        }
        if let Ok(reference) = name.parse() {
            return Some(Self::Reference(reference));
        }
        if let Some((epoch, sequence)) = name.split_once('-') {
            return Some(Self::Publication(decimal(epoch)?, decimal(sequence)?));
        }
        let hex = name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (hex && (MIN_PREFIX..=64).contains(&name.len())).then_some(Self::Manifest(name))
    }

    fn fits(&self, version: &Version) -> bool {
        match *self {
            Self::Publication(epoch, sequence) => version.order() == (epoch, sequence),
            Self::Sequence(sequence) => version.sequence == sequence,
            Self::Reference(reference) => version.reference_version == reference,
            Self::Manifest(prefix) => version.manifest.hash.to_string().starts_with(prefix),
        }
    }

    // The publication that is meant, which a store may have held before what it keeps.
    fn publication(&self, kept: &[(u64, u64)]) -> Option<(u64, u64)> {
        match (self, kept.first()) {
            (Self::Publication(epoch, sequence), _) => Some((*epoch, *sequence)),
            (Self::Sequence(sequence), Some((epoch, _))) => Some((*epoch, *sequence)),
            _ => None,
        }
    }
}

fn unknown(versions: &[Version], name: &str, wanted: &Name<'_>) -> ResolveError {
    let mut kept: Vec<_> = versions.iter().map(Version::order).collect();
    kept.sort_unstable();
    let was_there = |&(epoch, sequence): &(u64, u64)| {
        let later = |other: &&(u64, u64)| other.0 == epoch && other.1 > sequence;
        sequence > 0 && kept.iter().any(|other| later(&other))
    };
    match wanted.publication(&kept).filter(was_there) {
        Some(order) => ResolveError::Pruned { order, kept },
        None => ResolveError::Unknown {
            name: name.to_owned(),
            kept,
        },
    }
}

fn list(orders: &[(u64, u64)]) -> String {
    let names: Vec<String> = orders.iter().map(|order| name(*order)).collect();
    names.join(", ")
}

// `there are 7-2 to 7-9 and 9-1`: many versions in few words.
fn there(kept: &[(u64, u64)]) -> String {
    let mut runs: Vec<((u64, u64), (u64, u64))> = Vec::new();
    for &order in kept {
        match runs.last_mut() {
            Some((_, last)) if (last.0, last.1.saturating_add(1)) == order => *last = order,
            _ => runs.push((order, order)),
        }
    }
    let words: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                name(first)
            } else {
                format!("{} to {}", name(first), name(last))
            }
        })
        .collect();
    match kept.len() {
        0 => "the history is empty".to_owned(),
        1 => format!("there is {}", words.concat()),
        _ => format!("there are {}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use snapshot_format::{FORMAT_VERSION, ObjectHash, ObjectRef, SchemaVersion};

    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::DirectoryStore;

    // A publication, with the reference version for its content.
    fn version(epoch: u64, sequence: u64, reference: u64) -> Version {
        let content = ObjectRef {
            hash: ObjectHash::of(&reference.to_be_bytes()),
            size: 1,
        };
        Version {
            format_version: FORMAT_VERSION,
            epoch,
            sequence,
            schema_version: SchemaVersion { major: 1, minor: 0 },
            reference_version: ReferenceVersion(reference),
            lineage: None,
            generated_at: String::new(),
            published_at: String::new(),
            manifest: content,
            bootstrap: content,
            rollback: None,
        }
    }

    // Sequences 2, 3, 4, 6 of one store and 1, 6 of the one that came after it; 4 is a
    // rollback to 2.
    fn versions() -> Vec<Version> {
        let of = |(epoch, sequence, reference)| version(epoch, sequence, reference);
        [
            (9, 6, 61),
            (9, 1, 60),
            (7, 6, 24),
            (7, 4, 21),
            (7, 3, 22),
            (7, 2, 21),
        ]
        .map(of)
        .into()
    }

    #[track_caller]
    fn check(name: &str, expected: Result<(u64, u64), &str>) {
        let versions = versions();
        let found = resolve(&versions, name).map(Version::order);
        assert_eq!(
            found.map_err(|error| error.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn a_version_has_four_names() {
        check("7-3", Ok((7, 3)));
        check("3", Ok((7, 3)));
        check("seq:22", Ok((7, 3)));
        let hash = version(7, 3, 22).manifest.hash.to_string();
        check(&hash, Ok((7, 3)));
        let digits = hash
            .find(|c: char| c.is_ascii_lowercase())
            .expect("a letter")
            + 1;
        check(&hash[..digits.max(8)], Ok((7, 3)));
    }

    #[test]
    fn of_several_with_one_content_the_newest_is_meant() {
        check("seq:21", Ok((7, 4)));
    }

    #[test]
    fn what_may_be_several_is_refused_with_their_names() {
        check("6", Err("\"6\" may be any of 7-6, 9-6"));
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_there_is() {
        let there = "there are 7-2 to 7-4, 7-6, 9-1, 9-6";
        for name in ["7-7", "8-1", "7", "seq:1", "abcdef"] {
            check(name, Err(&format!("no version {name:?} is kept; {there}")));
        }
        check("7-1", Err(&format!("version 7-1 was pruned; {there}")));
        check("7-5", Err(&format!("version 7-5 was pruned; {there}")));
        check("5", Err(&format!("version 7-5 was pruned; {there}")));
        check("7-0", Err(&format!("no version \"7-0\" is kept; {there}")));
        let none = resolve(&[], "7-1").expect_err("empty").to_string();
        assert_eq!(none, "no version \"7-1\" is kept; the history is empty");
        let one = [version(7, 9, 1)];
        let one = resolve(&one, "8").expect_err("pruned").to_string();
        assert_eq!(one, "version 7-8 was pruned; there is 7-9");
    }

    #[test]
    fn other_texts_are_no_names() {
        for name in [
            "", "-", "7-", "-3", "+3", "7-3-1", "seq:", "seq:x", "abc", "ABCDEF", "latest", "é",
        ] {
            check(name, Err(&format!("{name:?} is no way to name a version")));
        }
    }

    #[test]
    fn digits_alone_are_a_sequence_and_never_a_hash() {
        let hash = |n: u64| version(7, 1, n).manifest.hash.to_string();
        let digits = |n: &u64| hash(*n)[..4].bytes().all(|b| b.is_ascii_digit());
        let reference = (0..).find(digits).expect("one in six");
        let versions = [version(7, 1, reference)];
        resolve(&versions, &hash(reference)[..4]).expect_err("a sequence that is not there");
    }

    #[tokio::test]
    async fn a_folder_is_read_with_what_is_wrong_in_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        let wait = Duration::from_secs(60);
        let store = DirectoryStore::open(root, wait, |_| {}).await;
        let store = store.expect("opened");
        let empty = of(&store).expect("nothing is there");
        assert!(empty.versions.is_empty());
        fs::create_dir(root.join("versions")).expect("made");
        for of in versions() {
            let path = root.join(page_key(of.order()).path());
            fs::write(path, of.to_bytes()).expect("written");
        }
        fs::write(root.join("version.json"), version(9, 6, 61).to_bytes()).expect("written");
        fs::write(root.join("versions/7-1.json"), "{").expect("written");
        fs::write(root.join("versions/7-8.json"), version(7, 9, 1).to_bytes()).expect("written");
        fs::write(root.join("versions/README"), "").expect("written");
        let history = of(&store).expect("listed");
        assert_eq!(history.current, Some(version(9, 6, 61)));
        assert_eq!(history.versions, versions());
        let wrong: Vec<String> = history.unreadable.iter().map(ToString::to_string).collect();
        let versions = root.join("versions");
        assert_eq!(
            wrong,
            [
                format!(
                    "{}/7-1.json is not a version that this program can read",
                    versions.display()
                ),
                format!("{}/7-8.json holds the publication 7-9", versions.display()),
            ]
        );
    }
}
