//! What readers take of a snapshot: more is not published, for they would refuse it for ever.
//!
//! What is public may be beyond it all the same: an older release published it, or another
//! setting. Then it is said by every command that would leave it so.

use snapshot_format::{MAX_MANIFEST_SIZE, MAX_NUMBER, Manifest, Version};

use super::PublishError;
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
