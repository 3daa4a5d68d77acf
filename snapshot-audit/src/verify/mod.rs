//! Verifying: whether a snapshot is what the format says, down to the last byte.
//!
//! ```text
//! version.json ──▶ page of history
//!      └─▶ manifest ──▶ tables ──▶ their variants
//!               └─────▶ bootstrap ──▶ its variants      rows = the tables' rows
//! ```
//!
//! It looks at what a reader can reach, from a folder or over HTTP, and names everything
//! that is wrong in one run: the key, what, what was expected and what is there. An
//! object is read once, in pieces, on every core at once, so tables of any size pass
//! through little memory; what grows with a table is 16 bytes for each row of one that
//! has a `sort_order`, to find a primary key that is there twice.
//!
//! Nothing vouches for what a page of history that is not the current one says of the
//! publication alone: `publishedAt` and `rollback`. Everything else that is kept is bound
//! to a hash or said twice.

mod bootstrap;
mod finding;
mod headers;
mod history;
mod jobs;
mod judge;
mod manifest;
mod object;
mod report;
mod row;
mod site;
mod special;
mod strays;
mod version;

use parking_lot::Mutex;

use indicatif::ProgressBar;
use snapshot_format::{MAX_OBJECT_SIZE, Version};
use snapshot_store::{FetchError, Origin};

use self::finding::Findings;
pub use self::finding::{Finding, Severity};
use self::judge::Judge;
pub use self::report::{Counts, Report};

/// The same as [`verify_within`] by what clients take unless they are told otherwise.
///
/// # Errors
/// As [`verify_within`].
pub fn verify(origin: &Origin, all: bool, bar: &ProgressBar) -> Result<Report, FetchError> {
    verify_within(origin, all, MAX_OBJECT_SIZE, bar)
}

/// Looks at the current version or, with `all`, also at every page of history and, in a
/// folder, at what else lies there.
///
/// Blocks: it reads, unpacks and hashes on threads of its own. `bar` is moved by bytes.
///
/// # Errors
/// Where the place cannot be read at all. What is wrong with what can be read is in the
/// report; so is an object of more than `max_object_bytes`, which clients refuse.
pub fn verify_within(
    origin: &Origin,
    all: bool,
    max_object_bytes: u64,
    bar: &ProgressBar,
) -> Result<Report, FetchError> {
    let (findings, counts) = (Findings::default(), Mutex::default());
    let judge = Judge {
        origin,
        findings: findings.part(0),
        all_findings: &findings,
        counts: &counts,
        max_object_bytes,
        bar,
    };
    let current = judge.current()?;
    if let Some(directory) = origin.directory() {
        judge.special(directory)?;
    }
    let mut versions: Vec<Version> = current.iter().cloned().collect();
    if all {
        versions.extend(judge.history(current.as_ref())?);
    }
    judge.count(|counts| counts.versions = versions.len());
    let manifests = judge.manifests(&versions);
    judge.objects(&manifests, current.as_ref());
    if let Some(site) = origin.site() {
        judge.what_is_missing(site, &manifests);
        judge.what_is_refused(site, &manifests);
    }
    if let Some(directory) = origin.directory().filter(|_| all) {
        judge.strays(directory, &versions, &manifests)?;
    }
    let checked = *counts.lock();
    let [faults, warnings, notes] = findings.into_sorted();
    Ok(Report {
        origin: origin.to_string(),
        version: current,
        checked,
        faults,
        warnings,
        notes,
    })
}
