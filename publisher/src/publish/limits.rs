//! What readers take of a snapshot: more is not published, for they would refuse it for ever.

use snapshot_format::{MAX_MANIFEST_SIZE, MAX_NUMBER, Manifest};

use crate::source::Problem;

/// Every bound of a reader that a state goes beyond. Some readers take larger objects than
/// others, so that one is a setting.
pub(super) fn reasons(
    manifest: &Manifest,
    manifest_bytes: usize,
    max_object_bytes: u64,
) -> Vec<Problem> {
    let mut reasons = Vec::new();
    let mut add = |message: String| {
        reasons.push(Problem {
            place: None,
            message,
        });
    };
    let raise = |size: u64| {
        format!("where every reader takes more, set max_object_bytes = {size} in tablecast.toml")
    };
    for (table, entry) in &manifest.tables {
        let size = entry.size;
        if size > max_object_bytes {
            let raise = raise(size);
            add(format!(
                "{table}: the object would have {size} bytes, and readers take {max_object_bytes}; split the \
                 table, or, {raise}"
            ));
        }
        if entry.version_seq > MAX_NUMBER {
            let seq = entry.version_seq;
            add(format!(
                "{table}: reference_metadata has the number {seq}, and readers take {MAX_NUMBER}"
            ));
        }
    }
    let size = manifest.bootstrap.size;
    if size > max_object_bytes {
        let raise = raise(size);
        add(format!(
            "the bootstrap object would have {size} bytes, and readers take {max_object_bytes}; leave large \
             tables out of it by bootstrap = false, or, {raise}"
        ));
    }
    if manifest_bytes > MAX_MANIFEST_SIZE {
        let tables = manifest.tables.len();
        add(format!(
            "the manifest of {tables} tables would have {manifest_bytes} bytes, and readers take \
             {MAX_MANIFEST_SIZE}; publish fewer tables, or in several stores"
        ));
    }
    reasons
}
