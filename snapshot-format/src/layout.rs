//! Where everything of a snapshot lives, and how long it may be cached.

use std::fmt;

use crate::{Encoding, ObjectHash, TableKey};

/// A place in a store. The publisher puts under it, the server serves it, the client
/// fetches it; nobody else spells a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// `version.json`, the pointer: the only key whose content is ever replaced.
    Version,
    /// `versions/<epoch>-<sequence>.json`: a `version.json` as it was.
    History {
        /// The second at which the store was first made.
        epoch: u64,
        /// Grows by one each time the pointer changes.
        sequence: u64,
    },
    /// `manifests/<hash>.json`, named by the hash of its bytes.
    Manifest(ObjectHash),
    /// `bootstrap/<hash>.json`, or one of its variants.
    Bootstrap(ObjectHash, Option<Encoding>),
    /// `tables/<tableKey>/<hash>.json`, or one of its variants.
    Table(TableKey, ObjectHash, Option<Encoding>),
}

/// How long a cache may keep what lies under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// The pointer: for some seconds, since it changes with each publication.
    Briefly,
    /// Named by its hash, or a page of history: for ever.
    Forever,
}

impl Key {
    /// The path below the store's root, with `/` between its parts.
    pub fn path(&self) -> String {
        self.to_string()
    }

    /// The key with that path.
    ///
    /// `None` for anything that [`Key::path`] would not have written: no other spelling,
    /// no dots, no upper-case digits, no leading zeros. So a path from outside can name
    /// nothing but what the format knows.
    pub fn parse(path: &str) -> Option<Self> {
        if path == "version.json" {
            return Some(Self::Version);
        }
        let (folder, name) = path.split_once('/')?;
        match folder {
            "versions" => parse_history(name),
            "manifests" => {
                let hash = name.strip_suffix(".json")?.parse().ok()?;
                Some(Self::Manifest(hash))
            }
            "bootstrap" => {
                let (hash, encoding) = parse_object(name)?;
                Some(Self::Bootstrap(hash, encoding))
            }
            "tables" => {
                let (table, name) = name.split_once('/')?;
                let (hash, encoding) = parse_object(name)?;
                Some(Self::Table(table.parse().ok()?, hash, encoding))
            }
            _ => None,
        }
    }

    /// The same object as a variant, or without one. The pointer, its history and
    /// manifests have no variants and stay what they are.
    pub fn with_encoding(&self, encoding: Option<Encoding>) -> Self {
        match self {
            Self::Bootstrap(hash, _) => Self::Bootstrap(*hash, encoding),
            Self::Table(table, hash, _) => Self::Table(table.clone(), *hash, encoding),
            other => other.clone(),
        }
    }

    /// The variant that the key names.
    pub fn encoding(&self) -> Option<Encoding> {
        match self {
            Self::Bootstrap(_, encoding) | Self::Table(_, _, encoding) => *encoding,
            Self::Version | Self::History { .. } | Self::Manifest(_) => None,
        }
    }

    /// The hash in the key's name: of the object's uncompressed bytes.
    pub fn hash(&self) -> Option<ObjectHash> {
        match self {
            Self::Manifest(hash) | Self::Bootstrap(hash, _) | Self::Table(_, hash, _) => {
                Some(*hash)
            }
            Self::Version | Self::History { .. } => None,
        }
    }

    /// How long it may be cached.
    pub fn cache(&self) -> Cache {
        match self {
            Self::Version => Cache::Briefly,
            _ => Cache::Forever,
        }
    }

    /// The media type of the bytes under the key.
    ///
    /// A variant stored under its own name is a compressed file, not JSON; JSON it is
    /// where a server sends it with `Content-Encoding` for the object's own path.
    pub fn content_type(&self) -> &'static str {
        match self.encoding() {
            None => "application/json",
            Some(encoding) => encoding.media_type(),
        }
    }
}

impl Cache {
    /// The `Cache-Control` value (RFC 9111 §5.2, RFC 8246, RFC 5861).
    pub fn control(self) -> &'static str {
        match self {
            Self::Briefly => "public, max-age=5, stale-if-error=86400",
            Self::Forever => "public, max-age=31536000, immutable",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str("version.json"),
            Self::History { epoch, sequence } => write!(f, "versions/{epoch}-{sequence}.json"),
            Self::Manifest(hash) => write!(f, "manifests/{hash}.json"),
            Self::Bootstrap(hash, encoding) => {
                write!(f, "bootstrap/{hash}.json{}", Suffix(*encoding))
            }
            Self::Table(table, hash, encoding) => {
                write!(f, "tables/{table}/{hash}.json{}", Suffix(*encoding))
            }
        }
    }
}

struct Suffix(Option<Encoding>);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(encoding) => write!(f, ".{}", encoding.extension()),
            None => Ok(()),
        }
    }
}

fn parse_history(name: &str) -> Option<Key> {
    let (epoch, sequence) = name.strip_suffix(".json")?.split_once('-')?;
    let key = Key::History {
        epoch: epoch.parse().ok()?,
        sequence: sequence.parse().ok()?,
    };
    // One spelling only: no `+1`, no leading zeros.
    (key.path() == format!("versions/{name}")).then_some(key)
}

fn parse_object(name: &str) -> Option<(ObjectHash, Option<Encoding>)> {
    let (hash, suffix) = name.split_once(".json")?;
    let encoding = match suffix.strip_prefix('.') {
        Some(extension) => Some(Encoding::from_extension(extension)?),
        None if suffix.is_empty() => None,
        None => return None,
    };
    Some((hash.parse().ok()?, encoding))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_again_by_its_path() {
        let hash = ObjectHash::of(b"");
        let table: TableKey = "grips".parse().expect("a key");
        let mut keys = vec![
            Key::Version,
            Key::History {
                epoch: 1_771_938_724,
                sequence: 57,
            },
            Key::Manifest(hash),
            Key::Bootstrap(hash, None),
            Key::Table(table.clone(), hash, None),
        ];
        for encoding in Encoding::ALL {
            keys.push(Key::Bootstrap(hash, Some(encoding)));
            keys.push(Key::Table(table.clone(), hash, Some(encoding)));
        }
        for key in keys {
            assert_eq!(Key::parse(&key.path()), Some(key.clone()), "{key}");
        }
    }

    #[test]
    fn the_paths_are_those_of_the_format() {
        let hash = ObjectHash::of(b"");
        let table: TableKey = "cardioTypes".parse().expect("a key");
        assert_eq!(
            Key::Table(table, hash, Some(Encoding::Brotli)).path(),
            format!("tables/cardioTypes/{hash}.json.br")
        );
        assert_eq!(
            Key::History {
                epoch: 7,
                sequence: 1
            }
            .path(),
            "versions/7-1.json"
        );
    }

    #[test]
    fn nothing_else_is_a_key() {
        let hash = ObjectHash::of(b"");
        let upper = hash.to_string().to_uppercase();
        for path in [
            "",
            "/version.json",
            "version.json/",
            "./version.json",
            "versions/1-01.json",
            "versions/+1-1.json",
            "versions/1.json",
            "manifests/../version.json",
            &format!("manifests/{upper}.json"),
            &format!("manifests/{hash}.json.zst"),
            &format!("bootstrap/{hash}.json.xz"),
            &format!("bootstrap/{hash}.json."),
            &format!("bootstrap/{hash}.jsonx"),
            &format!("bootstrap/{hash}"),
            &format!("tables/../{hash}.json"),
            &format!("tables/a/b/{hash}.json"),
            &format!("tables/{hash}.json"),
        ] {
            assert_eq!(Key::parse(path), None, "{path}");
        }
    }
}
