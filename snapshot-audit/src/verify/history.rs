//! The history: every page that is kept, and none missing among them.

use std::collections::{BTreeMap, BTreeSet};

use snapshot_format::{Key, MAX_VERSION_SIZE, Version};
use snapshot_store::{FetchError, Page};

use super::finding::{Severity, in_one_line};
use super::judge::Judge;

type Order = (u64, u64);

impl Judge<'_> {
    /// Every version of the history but the current one, as far as it can be read.
    pub(super) fn history(&self, current: Option<&Version>) -> Result<Vec<Version>, FetchError> {
        let current_order = current.map(Version::order);
        let read = |key: &Key| self.small(key, MAX_VERSION_SIZE);
        let mut pages = Page::all(self.origin, current_order, &read)?;
        // Over HTTP what a rollback leads back to is found by its name alone.
        if self.origin.site().is_some() {
            let named = self.rollbacks(current, &pages);
            pages.extend(
                named
                    .into_iter()
                    .filter_map(|order| Page::read(order, &read)),
            );
        }
        let names: BTreeSet<Order> = pages.iter().map(|page| page.order).collect();
        let mut versions = BTreeMap::new();
        for page in pages {
            let (epoch, sequence) = page.order;
            let key = Key::History { epoch, sequence };
            if Some(page.order) == current_order {
                // It was judged beside the pointer.
                continue;
            }
            match page.bytes {
                Ok(bytes) => {
                    if let Some(version) = self.page(&key, page.order, &bytes) {
                        versions.insert(page.order, version);
                    }
                }
                Err(error) => self.findings.fault(&key, in_one_line(&error)),
            }
        }
        versions.extend(current.map(|version| (version.order(), version.clone())));
        self.gaps(&names, &versions);
        self.ahead(&names, current_order);
        self.neighbours(&versions);
        self.led_back(&versions);
        if let Some(order) = current_order {
            versions.remove(&order);
        }
        Ok(versions.into_values().collect())
    }

    fn page(&self, key: &Key, order: Order, bytes: &[u8]) -> Option<Version> {
        let version = self.version(key, bytes)?;
        if version.order() != order {
            let name = |(epoch, sequence): Order| format!("{epoch}-{sequence}");
            let (expected, found) = (name(order), name(version.order()));
            self.findings
                .differs(key, "epoch and sequence", expected, found);
            return None;
        }
        Some(version)
    }

    fn rollbacks(&self, current: Option<&Version>, pages: &[Page]) -> BTreeSet<Order> {
        let bytes = pages.iter().filter_map(|page| page.bytes.as_ref().ok());
        let read = bytes.filter_map(|bytes| Version::parse(bytes).ok());
        let versions = read.chain(current.cloned());
        let there: BTreeSet<Order> = pages.iter().map(|page| page.order).collect();
        versions
            .filter_map(|version| led_back_to(&version))
            .filter(|order| !there.contains(order))
            .collect()
    }

    // Pruning keeps the newest without a gap, and below them what a rollback leads to.
    fn gaps(&self, names: &BTreeSet<Order>, versions: &BTreeMap<Order, Version>) {
        let led_to: BTreeSet<Order> = versions.values().filter_map(led_back_to).collect();
        let ordered: Vec<Order> = names.iter().copied().collect();
        for pair in ordered.windows(2) {
            let (older, newer) = (pair[0], pair[1]);
            let follows = older.0 != newer.0 || older.1.checked_add(1) == Some(newer.1);
            if follows || led_to.contains(&older) {
                continue;
            }
            let (epoch, sequence) = (newer.0, newer.1 - 1);
            let key = Key::History { epoch, sequence };
            let what = format!(
                "is missing between versions {}-{} and {}-{}",
                older.0, older.1, newer.0, newer.1
            );
            self.findings.fault(key, what);
        }
    }

    // A publisher that was killed before its swap leaves one page, never two; the next
    // one makes it current.
    fn ahead(&self, names: &BTreeSet<Order>, current: Option<Order>) {
        let Some(current) = current else { return };
        for order in names.range(current..).filter(|order| **order != current) {
            let (epoch, sequence) = *order;
            let key = Key::History { epoch, sequence };
            if (current.0, current.1.saturating_add(1)) == *order {
                let what = "is ahead of version.json: a publisher was interrupted, and the next one goes on from there";
                self.findings.note(key, what);
            } else {
                let what = "is newer than version.json, which was put back by something else than a publisher";
                self.findings.fault(key, what);
            }
        }
    }

    // A clock that was set back; nothing is decided by it.
    fn neighbours(&self, versions: &BTreeMap<Order, Version>) {
        let ordered: Vec<&Version> = versions.values().collect();
        for pair in ordered.windows(2) {
            let (older, newer) = (pair[0], pair[1]);
            if newer.published_at < older.published_at {
                let (epoch, sequence) = newer.order();
                let key = Key::History { epoch, sequence };
                let what = "publishedAt is earlier than that of the version before";
                self.findings.add(
                    Severity::Warning,
                    key,
                    what,
                    Some(format!("{} or later", older.published_at)),
                    Some(newer.published_at.clone()),
                );
            }
        }
    }

    // A rollback has the content that it says it goes back to.
    fn led_back(&self, versions: &BTreeMap<Order, Version>) {
        for version in versions.values() {
            let Some(order) = led_back_to(version) else {
                continue;
            };
            let (epoch, sequence) = version.order();
            let key = Key::History { epoch, sequence };
            // What it led to may be gone, when it is itself about to go.
            if let Some(target) = versions.get(&order)
                && target.manifest != version.manifest
            {
                let what = format!(
                    "is not the content of {}-{}, to which it rolls back",
                    order.0, order.1
                );
                self.findings
                    .differs(key, &what, target.manifest.hash, version.manifest.hash);
            }
        }
    }
}

fn led_back_to(version: &Version) -> Option<Order> {
    version.rollback.map(|back| (back.epoch, back.sequence))
}
