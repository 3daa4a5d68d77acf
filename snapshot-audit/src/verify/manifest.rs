//! Manifests, and what they say of themselves.

use std::collections::BTreeSet;

use snapshot_format::{
    Key, MAX_MANIFEST_SIZE, MAX_NUMBER, Manifest, ObjectHash, ReferenceVersion, SOURCE_TYPE,
    TableEntry, TableKey, Version,
};

use super::finding::in_one_line;
use super::judge::{Judge, Manifests};

impl Judge<'_> {
    /// The manifests of these versions that can be trusted: each is the one that its name
    /// says.
    pub(super) fn manifests(&self, versions: &[Version]) -> Manifests {
        let mut manifests = Manifests::new();
        let mut broken = BTreeSet::new();
        for version in versions {
            let hash = version.manifest.hash;
            if !manifests.contains_key(&hash) && !broken.contains(&hash) {
                match self.manifest(version) {
                    Some(manifest) => {
                        manifests.insert(hash, manifest);
                    }
                    None => {
                        broken.insert(hash);
                    }
                }
            }
            if let Some(manifest) = manifests.get(&hash) {
                self.same_state(version, manifest);
            }
        }
        manifests
    }

    fn manifest(&self, version: &Version) -> Option<Manifest> {
        let key = Key::Manifest(version.manifest.hash);
        let (epoch, sequence) = version.order();
        let bytes = match self.small(&key, MAX_MANIFEST_SIZE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let what = format!("is missing, though version {epoch}-{sequence} names it");
                self.findings.fault(&key, what);
                return None;
            }
            Err(error) => {
                self.findings.fault(&key, in_one_line(&error));
                return None;
            }
        };
        if bytes.len() as u64 != version.manifest.size {
            let what = "number of bytes";
            self.findings
                .differs(&key, what, version.manifest.size, bytes.len());
        }
        let hash = ObjectHash::of(&bytes);
        if hash != version.manifest.hash {
            // What it says is not what was published.
            self.findings
                .differs(&key, "BLAKE3", version.manifest.hash, hash);
            return None;
        }
        self.count(|counts| {
            counts.objects += 1;
            counts.bytes += bytes.len() as u64;
        });
        let manifest = match Manifest::parse(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.findings.fault(&key, in_one_line(&error));
                return None;
            }
        };
        self.canonical(&key, &bytes, &manifest.to_bytes());
        self.format_version(&key, manifest.format_version);
        self.moment(&key, "generatedAt", &manifest.generated_at);
        self.size(&key, "the bootstrap object", manifest.bootstrap.size);
        let mut sound = true;
        for (table, entry) in &manifest.tables {
            sound &= self.entry(&key, table, entry, manifest.reference_version);
        }
        sound.then_some(manifest)
    }

    fn size(&self, key: &Key, object: &str, size_bytes: u64) {
        let most = self.max_object_bytes;
        if size_bytes > most {
            let what = format!(
                "{object} has {size_bytes} bytes, and clients take {most}: they refuse it, and stay at the version before"
            );
            self.findings.fault(key, what);
        }
    }

    // Whether rows can be judged by what the manifest says of them.
    fn entry(
        &self,
        key: &Key,
        table: &TableKey,
        entry: &TableEntry,
        reference: ReferenceVersion,
    ) -> bool {
        let fault = |what: String| self.findings.fault(key, format!("{table}: {what}"));
        self.size(key, &format!("{table}: the object"), entry.size);
        for (what, number) in [("rows", entry.rows), ("versionSeq", entry.version_seq)] {
            if number > MAX_NUMBER {
                fault(format!("{what} is {number}, more than {MAX_NUMBER}"));
            }
        }
        let computed = TableEntry::fingerprint(&entry.columns, &entry.primary_key);
        if computed != entry.schema_fingerprint {
            let what = format!("{table}: schemaFingerprint");
            self.findings
                .differs(key, &what, computed, &entry.schema_fingerprint);
        }
        if entry.version_seq > reference.0 {
            let what = format!("{table}: versionSeq");
            let most = format!("at most {}", reference.0);
            self.findings.differs(key, &what, most, entry.version_seq);
        }
        if entry.columns.contains_key(SOURCE_TYPE) {
            fault(format!("{SOURCE_TYPE} is published"));
        }
        let mut sound = !entry.columns.is_empty();
        if !sound {
            fault("has no columns".to_owned());
        }
        if entry.primary_key.is_empty() {
            fault("has no primary key".to_owned());
        }
        for column in &entry.primary_key {
            if !entry.columns.contains_key(column) {
                fault(format!("primaryKey names {column:?}, which is no column"));
                sound = false;
            }
        }
        sound
    }

    fn same_state(&self, version: &Version, manifest: &Manifest) {
        let (epoch, sequence) = version.order();
        let key = Key::History { epoch, sequence };
        let differs = |what: &str, expected: String, found: String| {
            if expected != found {
                self.findings.differs(&key, what, expected, found);
            }
        };
        let (of_manifest, of_version) = (&manifest.bootstrap, &version.bootstrap);
        differs(
            "schemaVersion",
            manifest.schema_version.to_string(),
            version.schema_version.to_string(),
        );
        differs(
            "referenceVersion",
            manifest.reference_version.to_string(),
            version.reference_version.to_string(),
        );
        differs(
            "generatedAt",
            manifest.generated_at.clone(),
            version.generated_at.clone(),
        );
        differs(
            "bootstrap hash",
            of_manifest.hash.to_string(),
            of_version.hash.to_string(),
        );
        differs(
            "bootstrap size",
            of_manifest.size.to_string(),
            of_version.size.to_string(),
        );
    }
}
