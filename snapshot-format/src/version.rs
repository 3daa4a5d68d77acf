//! The version: the small file that points at a manifest.

use serde::{Deserialize, Serialize};

use crate::document::{self, DocumentError, Number, number};
use crate::{
    FORMAT_VERSION, Lineage, MAX_NUMBER, MAX_VERSION_SIZE, ObjectHash, ReferenceVersion,
    SchemaVersion,
};

/// `version.json`, the only key that changes.
///
/// ```json
/// {"formatVersion":1,"epoch":1771938724,"sequence":57,"schemaVersion":"1.0",
///  "referenceVersion":"seq:42","generatedAt":"2026-02-24T13:12:04Z",
///  "publishedAt":"2026-02-24T13:12:09Z",
///  "manifest":{"hash":"…","size":4211},"bootstrap":{"hash":"…","size":166048}}
/// ```
///
/// Readers ignore fields that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The format that it is written in, [`FORMAT_VERSION`] or lower.
    pub format_version: u32,
    /// The second (Unix time) at which the store was first made, so that a rebuilt store
    /// sorts after the lost one.
    #[serde(deserialize_with = "number")]
    pub epoch: u64,
    /// Grows by one each time the pointer changes; `(epoch, sequence)` orders versions.
    #[serde(deserialize_with = "number")]
    pub sequence: u64,
    /// The version of the tables' shape.
    pub schema_version: SchemaVersion,
    /// The state of the database that is published: `seq:N`, where N grows with each change.
    pub reference_version: ReferenceVersion,
    /// The lineage of `reference_version`, where the database has one. For publishers;
    /// readers need not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// The moment of the last change of the data, RFC 3339 in UTC.
    pub generated_at: String,
    /// The moment of this publication, RFC 3339 in UTC.
    pub published_at: String,
    /// The manifest: the first file that a reader fetches behind the pointer.
    pub manifest: ObjectRef,
    /// The bootstrap object, for a reader that needs every table and no manifest.
    pub bootstrap: ObjectRef,
    /// Where this is a rollback: the earlier publication whose content is public again.
    /// While the newest version has it, the store is frozen. Readers need
    /// not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

/// The publication that a rollback points back at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The epoch of the version that is public again.
    #[serde(deserialize_with = "number")]
    pub epoch: u64,
    /// The sequence of the version that is public again.
    #[serde(deserialize_with = "number")]
    pub sequence: u64,
}

/// An object's name and its uncompressed size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The file's name: BLAKE3 of its bytes.
    pub hash: ObjectHash,
    /// How many bytes the file has, uncompressed.
    #[serde(deserialize_with = "number")]
    pub size: u64,
}

/// Why bytes are not a version that this crate can read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VersionError {
    /// More bytes than a version may have.
    #[error("a version.json has at most {MAX_VERSION_SIZE} bytes, this has {0}")]
    TooLarge(usize),
    /// Not the JSON of a version.
    #[error("not the JSON of a version")]
    Json(#[source] DocumentError),
    /// No reader keeps its place in the order of publications, and none can come after it.
    #[error("{field} is {found}, and the highest number that every reader keeps is {MAX_NUMBER}")]
    Beyond {
        /// `epoch` or `sequence`.
        field: &'static str,
        /// What it is.
        found: String,
    },
    /// Written by a later format.
    #[error("format version {0} is newer than the {FORMAT_VERSION} that this program reads")]
    TooNew(u64),
}

impl VersionError {
    /// What may help whoever keeps the store.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooNew(_) => "a later release of this program wrote it; use that one",
            Self::Beyond { .. } => {
                "no reader takes it, and no later version can follow it; begin a new store in an empty folder"
            }
            Self::Json(_) | Self::TooLarge(_) => {
                "another program wrote it; remove that file and publish again: the last version comes back from versions/"
            }
        }
    }
}

impl Version {
    /// Reads a version.
    ///
    /// # Errors
    /// Where the bytes are too many, are not a version, or are of a later format.
    pub fn parse(bytes: &[u8]) -> Result<Self, VersionError> {
        if bytes.len() > MAX_VERSION_SIZE {
            return Err(VersionError::TooLarge(bytes.len()));
        }
        // The format first: a later one may have other fields altogether.
        let Probe { format_version } = document::read(bytes).map_err(VersionError::Json)?;
        if format_version.0 > u64::from(FORMAT_VERSION) {
            return Err(VersionError::TooNew(format_version.0));
        }
        document::read(bytes).map_err(|error| beyond(bytes).unwrap_or(VersionError::Json(error)))
    }

    /// The bytes of `version.json`, and of its page of the history.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a version holds nothing that JSON cannot")
    }

    /// Epoch and sequence, by which versions of one store are ordered: the greater is the
    /// newer.
    pub fn order(&self) -> (u64, u64) {
        (self.epoch, self.sequence)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    format_version: Number,
}

// Whether bytes that are no version have a number of the order that is too high.
fn beyond(bytes: &[u8]) -> Option<VersionError> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes).ok()?;
    ["epoch", "sequence"].into_iter().find_map(|field| {
        let serde_json::Value::Number(found) = fields.get(field)? else {
            return None;
        };
        let too_high = found.as_f64()? > MAX_NUMBER as f64;
        too_high.then(|| VersionError::Beyond {
            field,
            found: match (found.as_u64(), found.as_f64()) {
                // An integer of many digits comes as a double.
                (None, Some(double)) => format!("{double:e}"),
                _ => found.to_string(),
            },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest() -> Version {
        Version {
            format_version: FORMAT_VERSION,
            epoch: MAX_NUMBER,
            sequence: MAX_NUMBER,
            schema_version: SchemaVersion {
                major: u32::MAX,
                minor: u32::MAX,
            },
            reference_version: ReferenceVersion(u64::MAX),
            lineage: Some(Lineage::of("a database")),
            generated_at: "2026-02-24T13:12:04Z".into(),
            published_at: "2026-02-24T13:12:09Z".into(),
            manifest: ObjectRef {
                hash: ObjectHash::of(b"m"),
                size: MAX_NUMBER,
            },
            bootstrap: ObjectRef {
                hash: ObjectHash::of(b"b"),
                size: MAX_NUMBER,
            },
            rollback: Some(Rollback {
                epoch: MAX_NUMBER,
                sequence: MAX_NUMBER,
            }),
        }
    }

    #[test]
    fn the_longest_version_keeps_the_bound_and_is_read_back() {
        let bytes = longest().to_bytes();
        assert!(bytes.len() <= MAX_VERSION_SIZE, "{} bytes", bytes.len());
        assert_eq!(Version::parse(&bytes).expect("our own bytes"), longest());
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let text = String::from_utf8(longest().to_bytes()).expect("JSON is UTF-8");
        let text = text.replacen('{', r#"{"later":[1,2],"#, 1);
        assert_eq!(
            Version::parse(text.as_bytes()).expect("readable"),
            longest()
        );
    }

    #[test]
    fn a_version_without_a_lineage_is_read_and_written_without() {
        let plain = Version {
            lineage: None,
            ..longest()
        };
        let bytes = plain.to_bytes();
        assert!(!String::from_utf8_lossy(&bytes).contains("lineage"));
        assert_eq!(Version::parse(&bytes).expect("our own bytes"), plain);
    }

    #[test]
    fn only_a_rollback_says_that_it_is_one() {
        let plain = Version {
            rollback: None,
            ..longest()
        };
        let bytes = plain.to_bytes();
        assert!(!String::from_utf8_lossy(&bytes).contains("rollback"));
        assert_eq!(Version::parse(&bytes).expect("our own bytes"), plain);
        let text = String::from_utf8(longest().to_bytes()).expect("JSON is UTF-8");
        let last = format!(
            r#","rollback":{{"epoch":{},"sequence":{}}}}}"#,
            MAX_NUMBER, MAX_NUMBER
        );
        assert!(text.ends_with(&last), "{text}");
    }

    #[test]
    fn a_number_that_a_reader_would_round_is_refused() {
        for field in ["formatVersion", "epoch", "sequence", "size"] {
            let text = String::from_utf8(longest().to_bytes()).expect("JSON is UTF-8");
            let (highest, above) = (
                format!(r#""{field}":{MAX_NUMBER}"#),
                format!(r#""{field}":{}"#, MAX_NUMBER + 1),
            );
            for (index, _) in text.match_indices(&highest) {
                let mut text = text.clone();
                text.replace_range(index..index + highest.len(), &above);
                Version::parse(text.as_bytes()).expect_err("too high");
            }
        }
    }

    #[test]
    fn an_order_beyond_every_reader_is_told_apart() {
        let refused = |field: &str, number: &str| {
            let text = String::from_utf8(longest().to_bytes()).expect("JSON is UTF-8");
            let highest = format!(r#""{field}":{MAX_NUMBER}"#);
            let text = text.replacen(&highest, &format!(r#""{field}":{number}"#), 1);
            let error = Version::parse(text.as_bytes()).expect_err("too high");
            (
                matches!(error, VersionError::Beyond { .. }),
                error.to_string(),
            )
        };
        for field in ["epoch", "sequence"] {
            for (number, shown) in [
                ("9007199254740992", "9007199254740992"),
                ("18446744073709551615", "18446744073709551615"),
                ("18446744073709551616", "1.8446744073709552e19"),
                ("1e20", "1e20"),
            ] {
                let said = format!(
                    "{field} is {shown}, and the highest number that every reader keeps is 9007199254740991"
                );
                assert_eq!(refused(field, number), (true, said));
            }
            for number in ["-1", "1.5", "\"12\"", "null", "true", "-1e20"] {
                let said = "not the JSON of a version".to_owned();
                assert_eq!(refused(field, number), (false, said));
            }
        }
        assert!(!refused("size", "9007199254740992").0);
    }

    #[test]
    fn a_later_format_is_refused_by_its_number() {
        let error = Version::parse(br#"{"formatVersion":2,"pointer":"x"}"#).expect_err("later");
        assert_eq!(
            error.to_string(),
            "format version 2 is newer than the 1 that this program reads"
        );
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bytes in [
            &b""[..],
            b"[]",
            b"{}",
            b"<html>",
            &[b' '; MAX_VERSION_SIZE + 1],
        ] {
            assert!(Version::parse(bytes).is_err());
        }
    }
}
