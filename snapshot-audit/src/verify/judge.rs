//! Who looks at an origin, and what every part of the look needs.

use parking_lot::Mutex;
use std::collections::BTreeMap;

use indicatif::ProgressBar;
use snapshot_format::{Manifest, ObjectHash};
use snapshot_store::Origin;

use super::finding::{Finder, Findings};
use super::report::Counts;

// One look at one origin. The files of this module each have a part of what it can judge.
pub(super) struct Judge<'o> {
    pub(super) origin: &'o Origin,
    pub(super) findings: Finder<'o>,
    pub(super) all_findings: &'o Findings,
    pub(super) counts: &'o Mutex<Counts>,
    pub(super) max_object_bytes: u64,
    pub(super) bar: &'o ProgressBar,
}

// By hash: several versions may name one.
pub(super) type Manifests = BTreeMap<ObjectHash, Manifest>;

impl Judge<'_> {
    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock());
    }

    pub(super) fn for_part(&self, part: usize) -> Self {
        Self {
            findings: self.all_findings.part(part),
            ..*self
        }
    }
}
