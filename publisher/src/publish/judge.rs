//! Whether a state is news, and whether it may become public.

use std::collections::BTreeMap;

use snapshot_format::{
    Digest, FORMAT_VERSION, Manifest, ObjectHash, ObjectRef, ReferenceVersion, TableEntry, Version,
};
use snapshot_store::Store;

use super::baseline::{Baseline, baseline};
use super::changes::changes;
use super::clock::{Clock, Evidence};
use super::error::PublishError;
use super::fault::Fault;
use super::last::Last;
use super::limits;
use super::read_back::read_manifest;
use super::rendered::Rendered;
use super::sequence::following;
use super::terms::Terms;
use crate::guard::{Before, Guards, Judged};

/// What a state's publication would be.
pub(crate) enum Judgement {
    /// None: this version holds the same.
    Same(Box<Version>),
    /// A new version.
    Next(Box<Next>),
}

/// A version that may be published, and its manifest's bytes.
pub(crate) struct Next {
    pub(super) version: Version,
    pub(super) manifest: Vec<u8>,
    /// What the guards allow and only just so.
    pub(super) notes: Vec<String>,
}

/// Judges a state by what is public. Reads, and writes nothing.
///
/// # Errors
/// Whatever stands in the way of its publication but for the store's own failures.
pub(crate) async fn judge(
    last: &mut Last,
    rendered: &Rendered,
    store: &impl Store,
    terms: &Terms,
) -> Result<Judgement, PublishError> {
    let manifest = rendered.manifest.to_bytes();
    let named = ObjectRef {
        hash: ObjectHash::of(&manifest),
        size: manifest.len() as u64,
    };
    if let Some(last) = &last.version
        && last.manifest == named
    {
        limits::check_public(last, &rendered.manifest, terms.max_object_bytes)?;
        return Ok(Judgement::Same(Box::new(last.clone())));
    }
    let public = match &last.version {
        Some(last) => Some(read_manifest(store, last).await),
        None => None,
    };
    if let (Some(last), Some(Ok(public))) = (&last.version, &public)
        && has_same_content(public, &rendered.manifest)
    {
        limits::check_public(last, public, terms.max_object_bytes)?;
        return Ok(Judgement::Same(Box::new(last.clone())));
    }
    last.check_hold(terms.force, Some(rendered.manifest.reference_version))?;
    terms.clock.check(&Evidence {
        ahead: rendered.provenance.ahead,
        // Of a store that has its epoch, the last version tells more.
        generated_at: last
            .version
            .is_none()
            .then_some(&rendered.manifest.generated_at),
        last: last.version.as_ref(),
        is_alone: false,
    })?;
    let mut reasons = limits::reasons(&rendered.manifest, manifest.len(), terms.max_object_bytes);
    let mut notes = Vec::new();
    if let Some(guards) = &terms.guards {
        let judged = judge_by_guards(store, last, public, rendered, guards).await?;
        reasons.extend(judged.reasons);
        notes = judged.notes;
    }
    if !reasons.is_empty() {
        return Err(PublishError::Refused(reasons));
    }
    let version = next_version(last.version.as_ref(), rendered, named, &terms.clock)?;
    Ok(Judgement::Next(Box::new(Next {
        version,
        manifest,
        notes,
    })))
}

// Whether readers would find another row, column or settings. The database's numbers may
// differ: a row that was changed and changed back is no news.
fn has_same_content(public: &Manifest, next: &Manifest) -> bool {
    let seen = |manifest: &Manifest| Manifest {
        reference_version: ReferenceVersion(0),
        generated_at: String::new(),
        bootstrap: Digest::of(b"").into(),
        tables: manifest
            .tables
            .iter()
            .map(|(table, entry)| {
                let entry = TableEntry {
                    version_seq: 0,
                    ..entry.clone()
                };
                (table.clone(), entry)
            })
            .collect(),
        ..manifest.clone()
    };
    public.content_hash == next.content_hash && seen(public) == seen(next)
}

async fn judge_by_guards(
    store: &impl Store,
    last: &mut Last,
    public: Option<Result<Manifest, Fault>>,
    rendered: &Rendered,
    guards: &Guards,
) -> Result<Judged, PublishError> {
    let next = &rendered.manifest;
    let (Some(version), Some(public)) = (&last.version, public) else {
        return Ok(guards.judge(None, next, &BTreeMap::new()));
    };
    let public = public.map_err(PublishError::PublicDamaged)?;
    let rows = changes(store, &public, rendered, &mut last.counted).await;
    let rows = rows.map_err(PublishError::PublicDamaged)?;
    let found = baseline(store, version, rendered)?;
    let older;
    let before = match found {
        None => None,
        Some(found) if found.order() == version.order() => Some(Before {
            version,
            manifest: Some(&public),
            rows: &rows,
            is_public: true,
        }),
        Some(found) => {
            older = Baseline::read(store, found, rendered, &mut last.counted).await;
            Some(older.as_before())
        }
    };
    let mut judged = guards.judge(Some(&public), next, &rows);
    let age = guards.judge_age(before, (&rendered.provenance, next));
    judged.reasons.splice(0..0, age);
    Ok(judged)
}

fn next_version(
    last: Option<&Version>,
    rendered: &Rendered,
    named: ObjectRef,
    clock: &Clock,
) -> Result<Version, PublishError> {
    let Rendered {
        manifest,
        provenance,
        ..
    } = rendered;
    let (epoch, sequence) = match last {
        Some(last) => following(last)?,
        // A clock before 1970 is a clock that is not set.
        None => (u64::try_from(clock.now.as_second()).unwrap_or(0), 1),
    };
    Ok(Version {
        format_version: FORMAT_VERSION,
        epoch,
        sequence,
        schema_version: manifest.schema_version,
        reference_version: manifest.reference_version,
        lineage: provenance
            .identity
            .as_ref()
            .map(|identity| identity.lineage.clone()),
        generated_at: manifest.generated_at.clone(),
        published_at: clock.published_at(last),
        manifest: named,
        bootstrap: ObjectRef {
            hash: manifest.bootstrap.hash,
            size: manifest.bootstrap.size,
        },
        rollback: None,
    })
}
