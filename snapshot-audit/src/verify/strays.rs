//! What else lies in a folder.

use std::collections::HashSet;

use snapshot_format::{Encoding, Key, Version};
use snapshot_store::{Directory, FetchError};

use super::judge::{Judge, Manifests};

impl Judge<'_> {
    /// Notes the files that no kept version names, and those that have no place in a
    /// snapshot.
    pub(super) fn strays(
        &self,
        directory: &Directory,
        versions: &[Version],
        manifests: &Manifests,
    ) -> Result<(), FetchError> {
        let named = named_by(versions, manifests);
        for path in directory.files()? {
            match Key::parse(&path) {
                Some(Key::Version | Key::History { .. }) => {}
                Some(_) if named.contains(&path) => {}
                Some(_) => self.findings.note(
                    path,
                    "no version that is retained names it; `publisher prune` removes it",
                ),
                // A folder in git has one.
                None if path == "README.md" => {}
                None => self.findings.note(path, "has no place in a snapshot"),
            }
        }
        Ok(())
    }
}

// With every variant: one that should not be there is a fault and no stray.
fn named_by(versions: &[Version], manifests: &Manifests) -> HashSet<String> {
    let mut named = HashSet::new();
    let mut add = |key: Key| {
        named.insert(key.path());
        for encoding in Encoding::ALL {
            named.insert(key.with_encoding(Some(encoding)).path());
        }
    };
    for version in versions {
        add(Key::Manifest(version.manifest.hash));
        add(Key::Bootstrap(version.bootstrap.hash, None));
    }
    for manifest in manifests.values() {
        manifest.objects().for_each(|(key, _)| add(key));
    }
    named
}
