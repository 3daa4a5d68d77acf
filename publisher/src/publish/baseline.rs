//! What a state is compared with, as far as its age goes: not always what is public.

use std::collections::BTreeMap;

use snapshot_audit::diff::RowCounts;
use snapshot_format::{Key, MAX_VERSION_SIZE, Manifest, TableKey, Version};
use snapshot_store::{FetchError, Reader, Store};

use super::changes::{Counted, row_changes};
use super::read_back::read_manifest;
use super::rendered::Rendered;
use crate::guard::{Before, is_next, newest_of};

// Each is at most 1 KiB. Two suffice where a database of the same lineage published last.
const MOST_PAGES: usize = 1000;

/// A version that is not public any more, as a state is compared with it.
pub(super) struct Baseline {
    version: Version,
    // `None` where it is damaged; its number is known all the same.
    manifest: Option<Manifest>,
    // Of the tables that can be read.
    rows: BTreeMap<TableKey, RowCounts>,
}

impl Baseline {
    /// Reads what can be read of it: what is public is whole without it.
    pub(super) async fn read(
        store: &impl Store,
        version: Version,
        rendered: &Rendered,
        counted: &mut Counted,
    ) -> Self {
        let manifest = read_manifest(store, &version).await.ok();
        let mut rows = BTreeMap::new();
        if let Some(manifest) = &manifest {
            let changes = row_changes(store, manifest, rendered, counted).await;
            let known = changes.into_iter();
            rows.extend(known.filter_map(|(table, counts)| Some((table, counts.ok()?))));
        }
        Self {
            version,
            manifest,
            rows,
        }
    }

    pub(super) fn as_before(&self) -> Before<'_> {
        Before {
            version: &self.version,
            manifest: self.manifest.as_ref(),
            rows: &self.rows,
            is_public: false,
        }
    }
}

/// The version that holds what was published last of the database that `rendered` may come
/// from: `last` or an older one. Pages that cannot be read are passed over.
///
/// # Errors
/// Where the history cannot be listed.
pub(super) fn baseline(
    store: &dyn Reader,
    last: &Version,
    rendered: &Rendered,
) -> Result<Option<Version>, FetchError> {
    let provenance = &rendered.provenance;
    let mut orders = store.orders()?.unwrap_or_default();
    orders.retain(|order| *order < last.order());
    let mut older = orders.into_iter().rev().take(MOST_PAGES);
    let mut pages = vec![last.clone()];
    if let Some(order) = older.next() {
        pages.extend(page(store, order));
    }
    // The usual case: the page before `last` tells that a database published it.
    let is_known = pages.get(1).is_some_and(|before| is_next(last, before));
    if is_known && newest_of(&pages, provenance) == Some(last) {
        return Ok(Some(last.clone()));
    }
    pages.extend(older.filter_map(|order| page(store, order)));
    Ok(newest_of(&pages, provenance).cloned())
}

fn page(store: &dyn Reader, order: (u64, u64)) -> Option<Version> {
    let (epoch, sequence) = order;
    let key = Key::History { epoch, sequence };
    let bytes = store.get(&key, MAX_VERSION_SIZE).ok()??;
    let version = Version::parse(&bytes).ok()?;
    (version.order() == order).then_some(version)
}
