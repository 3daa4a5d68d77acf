//! The manifest: the objects of one snapshot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::{self, DocumentError, Number, number};
use crate::{
    Digest, FORMAT_VERSION, Key, MAX_MANIFEST_SIZE, ObjectHash, ReferenceVersion, SchemaVersion,
    Sha256, TableKey,
};

/// `manifests/<hash>.json`.
///
/// A function of the database's state: it holds no time and no number of the
/// publication, so publishing the same state again finds its manifest already there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The format that it is written in, [`FORMAT_VERSION`] or lower.
    pub format_version: u32,
    /// The version of the tables' shape.
    pub schema_version: SchemaVersion,
    /// The state of the database that it was read from: `seq:N`, where N grows with each
    /// change.
    pub reference_version: ReferenceVersion,
    /// The moment of the last change of the data, RFC 3339 in UTC.
    pub generated_at: String,
    /// [`content_hash`] of the tables: equal in two environments that hold equal data,
    /// whatever their histories.
    pub content_hash: ObjectHash,
    /// The object that holds every table with `in_bootstrap`.
    pub bootstrap: BootstrapEntry,
    /// Every table, in key order.
    pub tables: BTreeMap<TableKey, TableEntry>,
}

/// The manifest's word on the bootstrap object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapEntry {
    /// The object's name: BLAKE3 of its bytes, uncompressed.
    pub hash: ObjectHash,
    /// The same bytes by SHA-256.
    pub sha256: Sha256,
    /// How many bytes the object has, uncompressed.
    #[serde(deserialize_with = "number")]
    pub size: u64,
}

/// The manifest's word on one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableEntry {
    /// The table object's name: BLAKE3 of its bytes, uncompressed.
    pub hash: ObjectHash,
    /// The same bytes by SHA-256.
    pub sha256: Sha256,
    /// How many bytes the table object has, uncompressed.
    #[serde(deserialize_with = "number")]
    pub size: u64,
    /// How many rows the table object has, inactive ones included.
    #[serde(deserialize_with = "number")]
    pub rows: u64,
    /// The database's number for the table's last change.
    #[serde(deserialize_with = "number")]
    pub version_seq: u64,
    /// Whether the bootstrap object holds the table.
    pub in_bootstrap: bool,
    /// The primary key's columns, in the key's order.
    pub primary_key: Vec<String>,
    /// Every published column with its SQL type; a `?` after the type where it may be null.
    pub columns: BTreeMap<String, String>,
    /// Sixteen hexadecimal digits that change with `columns` or `primary_key`.
    pub schema_fingerprint: String,
}

/// Why bytes are not a manifest that this crate can read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// More bytes than a manifest may have.
    #[error("a manifest has at most {MAX_MANIFEST_SIZE} bytes, this has {0}")]
    TooLarge(usize),
    /// Not the JSON of a manifest.
    #[error("not the JSON of a manifest")]
    Json(#[source] DocumentError),
    /// Written by a later format.
    #[error("format version {0} is newer than the {FORMAT_VERSION} that this program reads")]
    TooNew(u64),
    /// The content hash is not that of the table hashes.
    #[error("contentHash is {stated}, but the table hashes give {computed}")]
    ContentHash {
        /// What the manifest says.
        stated: ObjectHash,
        /// What its tables give.
        computed: ObjectHash,
    },
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// Where the bytes are too many, are not a manifest, are of a later format, or
    /// contradict themselves.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_SIZE {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        // The format first: a later one may have other fields altogether.
        let Probe { format_version } = document::read(bytes).map_err(ManifestError::Json)?;
        if format_version.0 > u64::from(FORMAT_VERSION) {
            return Err(ManifestError::TooNew(format_version.0));
        }
        let manifest: Self = document::read(bytes).map_err(ManifestError::Json)?;
        let computed = content_hash(manifest.tables.iter().map(|(key, entry)| (key, entry.hash)));
        if computed != manifest.content_hash {
            let stated = manifest.content_hash;
            return Err(ManifestError::ContentHash { stated, computed });
        }
        Ok(manifest)
    }

    /// Every object that it names, with what it says of the bytes: the bootstrap object,
    /// then the tables' in key order.
    pub fn objects(&self) -> impl Iterator<Item = (Key, Digest)> {
        let bootstrap = Key::Bootstrap(self.bootstrap.hash, None);
        let tables = self.tables.iter();
        let tables = tables.map(|(table, entry)| (entry.key(table), entry.digest()));
        std::iter::once((bootstrap, self.bootstrap.digest())).chain(tables)
    }

    /// The bytes to put; their hash is the manifest's name.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest holds nothing that JSON cannot")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    format_version: Number,
}

impl BootstrapEntry {
    /// What it says of the object's bytes.
    pub fn digest(&self) -> Digest {
        let Self { hash, sha256, size } = *self;
        Digest { hash, sha256, size }
    }
}

impl TableEntry {
    /// The entry of a table that is in the bootstrap object: `rows` many in the object of
    /// that digest, and `version_seq` the number of the table's last change.
    pub fn new(
        digest: Digest,
        rows: u64,
        version_seq: u64,
        columns: BTreeMap<String, String>,
        primary_key: Vec<String>,
    ) -> Self {
        Self {
            hash: digest.hash,
            sha256: digest.sha256,
            size: digest.size,
            rows,
            version_seq,
            in_bootstrap: true,
            schema_fingerprint: Self::fingerprint(&columns, &primary_key),
            primary_key,
            columns,
        }
    }

    /// Where the object of `table`, whose entry this is, has its place.
    pub fn key(&self, table: &TableKey) -> Key {
        Key::Table(table.clone(), self.hash, None)
    }

    /// What it says of the object's bytes.
    pub fn digest(&self) -> Digest {
        Digest {
            hash: self.hash,
            sha256: self.sha256,
            size: self.size,
        }
    }

    /// Fingerprint of a table's shape: the first sixteen digits of the BLAKE3 of
    /// `name type` lines for the columns in order of name, then one `primary key` line.
    pub fn fingerprint(columns: &BTreeMap<String, String>, primary_key: &[String]) -> String {
        let mut text = String::new();
        for (name, sql_type) in columns {
            text.extend([name, " ", sql_type, "\n"]);
        }
        text.extend(["primary key ", &primary_key.join(","), "\n"]);
        ObjectHash::of(text.as_bytes()).to_string()[..16].to_owned()
    }
}

impl From<Digest> for BootstrapEntry {
    fn from(Digest { hash, sha256, size }: Digest) -> Self {
        Self { hash, sha256, size }
    }
}

/// The hash over the table hashes alone: BLAKE3 of one `<hash>  <tableKey>` line per
/// table, in key order. That is what `b3sum` prints, so a shell can compute it too.
pub fn content_hash<'a>(tables: impl Iterator<Item = (&'a TableKey, ObjectHash)>) -> ObjectHash {
    let mut lines: Vec<_> = tables.collect();
    lines.sort();
    let text: String = lines
        .iter()
        .map(|(key, hash)| format!("{hash}  {key}\n"))
        .collect();
    ObjectHash::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_a_bound() {
        let empty = content_hash(std::iter::empty());
        let digest = Digest::of(b"");
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            schema_version: SchemaVersion { major: 1, minor: 0 },
            reference_version: ReferenceVersion(1),
            generated_at: String::new(),
            content_hash: empty,
            bootstrap: digest.into(),
            tables: BTreeMap::new(),
        };
        let mut bytes = manifest.to_bytes();
        bytes.resize(MAX_MANIFEST_SIZE, b' ');
        assert_eq!(Manifest::parse(&bytes).expect("at the bound"), manifest);
        bytes.push(b' ');
        assert_eq!(
            Manifest::parse(&bytes)
                .expect_err("a byte more")
                .to_string(),
            "a manifest has at most 16777216 bytes, this has 16777217"
        );
    }

    #[test]
    fn a_later_format_is_refused_by_its_number() {
        let error = Manifest::parse(br#"{"formatVersion":2,"objects":[]}"#).expect_err("later");
        assert_eq!(
            error.to_string(),
            "format version 2 is newer than the 1 that this program reads"
        );
    }
}
