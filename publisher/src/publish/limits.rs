//! What readers take of a snapshot: more is not published, for they would refuse it for ever.
//!
//! What is public may be beyond it all the same: an older release published it, or another
//! setting. Then it is said by every command that would leave it so.

use snapshot_format::{MAX_MANIFEST_SIZE, MAX_NUMBER, Manifest, Version};

use super::error::PublishError;
use crate::source::Problem;

/// Every bound of a reader that a state goes beyond. Some readers take larger objects than
/// others, so that one is a setting.
pub(super) fn reasons(
    manifest: &Manifest,
    manifest_bytes: usize,
    max_object_bytes: u64,
) -> Vec<Problem> {
    let mut reasons = of_objects(manifest, max_object_bytes, "would have");
    if manifest_bytes > MAX_MANIFEST_SIZE {
        let tables = manifest.tables.len();
        reasons.push(problem(format!(
            "the manifest of {tables} tables would have {manifest_bytes} bytes, and readers take \
             {MAX_MANIFEST_SIZE}; publish fewer tables, or in several stores"
        )));
    }
    for (table, entry) in &manifest.tables {
        let seq = entry.version_seq;
        if seq > MAX_NUMBER {
            reasons.push(problem(format!(
                "{table}: reference_metadata has the number {seq}, and readers take {MAX_NUMBER}"
            )));
        }
    }
    reasons
}

/// Refuses to leave, or to make, a version public that is beyond what readers take. Only its
/// objects can be: no other manifest is read.
///
/// # Errors
/// [`PublishError::Unreadable`], with every object that is.
pub(crate) fn check_public(
    version: &Version,
    manifest: &Manifest,
    max_object_bytes: u64,
) -> Result<(), PublishError> {
    let reasons = of_objects(manifest, max_object_bytes, "has");
    if reasons.is_empty() {
        return Ok(());
    }
    Err(PublishError::Unreadable {
        version: version.order(),
        reasons,
    })
}

fn of_objects(manifest: &Manifest, max_object_bytes: u64, has: &str) -> Vec<Problem> {
    let raise = |size: u64| {
        format!("where every reader takes more, set max_object_bytes = {size} in tablecast.toml")
    };
    let mut reasons = Vec::new();
    for (table, entry) in &manifest.tables {
        let size = entry.size;
        if size > max_object_bytes {
            let raise = raise(size);
            reasons.push(problem(format!(
                "{table}: the object {has} {size} bytes, and readers take {max_object_bytes}; split the \
                 table, or, {raise}"
            )));
        }
    }
    let size = manifest.bootstrap.size;
    if size > max_object_bytes {
        let raise = raise(size);
        reasons.push(problem(format!(
            "the bootstrap object {has} {size} bytes, and readers take {max_object_bytes}; leave large \
             tables out of it by bootstrap = false, or, {raise}"
        )));
    }
    reasons
}

fn problem(message: String) -> Problem {
    Problem {
        place: None,
        message,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use snapshot_format::{
        Digest, MAX_OBJECT_SIZE, ReferenceVersion, SchemaVersion, TableEntry, content_hash,
    };

    use super::*;

    const MOST: u64 = MAX_OBJECT_SIZE;

    // A bootstrap of so many bytes, and one table of so many with this number.
    fn manifest(bootstrap: u64, table: u64, seq: u64) -> Manifest {
        let sized = |size| Digest {
            size,
            ..Digest::of(b"")
        };
        let entry = TableEntry::new(sized(table), 1, seq, BTreeMap::new(), Vec::new());
        Manifest {
            format_version: 1,
            schema_version: SchemaVersion { major: 1, minor: 0 },
            reference_version: ReferenceVersion(1),
            generated_at: String::new(),
            content_hash: content_hash(std::iter::empty()),
            bootstrap: sized(bootstrap).into(),
            tables: BTreeMap::from([("grips".parse().expect("a table key"), entry)]),
        }
    }

    fn said(reasons: Vec<Problem>) -> Vec<String> {
        reasons.into_iter().map(|reason| reason.message).collect()
    }

    #[test]
    fn what_is_at_every_bound_is_published_and_one_beyond_is_not() {
        let at = manifest(MOST, MOST, MAX_NUMBER);
        assert!(reasons(&at, MAX_MANIFEST_SIZE, MOST).is_empty());
        let beyond = manifest(MOST + 1, MOST + 1, MAX_NUMBER + 1);
        assert_eq!(
            said(reasons(&beyond, MAX_MANIFEST_SIZE + 1, MOST)),
            [
                "grips: the object would have 33554433 bytes, and readers take 33554432; split the table, or, where \
                 every reader takes more, set max_object_bytes = 33554433 in tablecast.toml",
                "the bootstrap object would have 33554433 bytes, and readers take 33554432; leave large tables out of \
                 it by bootstrap = false, or, where every reader takes more, set max_object_bytes = 33554433 in \
                 tablecast.toml",
                "the manifest of 1 tables would have 16777217 bytes, and readers take 16777216; publish fewer tables, \
                 or in several stores",
                "grips: reference_metadata has the number 9007199254740992, and readers take 9007199254740991",
            ]
        );
        assert!(reasons(&manifest(MOST + 1, MOST + 1, 1), 1, MOST + 1).is_empty());
    }
}
