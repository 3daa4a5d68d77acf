//! Whether a database's state may follow what was published: an older one is no successor.
//!
//! It is compared with the newest version that a database of its lineage published, which
//! need not be what is public: other databases publish to the same store, and a rollback
//! makes an older version public.
//!
//! Numbers order the states of one lineage, and of no other. A copy, a replica and a
//! restored dump have their original's lineage; a database that was made anew has its own.
//!
//! | published | database | |
//! | --- | --- | --- |
//! | A | A | the numbers are compared |
//! | A | B | another database: its numbers say nothing about those of A |
//! | A | none | compared: it may be A without its bookkeeping |
//! | none | given by this release | another database: what it publishes names its lineage |
//! | none | taken from the first migration, or none | compared: it may be the one |
//!
//! Only of A and A is anything older than the newest version compared.
//!
//! Not told: a copy that went on by itself and changed every table that the original has
//! changed since. Its numbers look like those of a successor.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use snapshot_audit::diff::RowCounts;
use snapshot_format::{Lineage, Manifest, ReferenceVersion, TableEntry, TableKey, Version};
use snapshot_store::history::name;

/// Which database a state was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its lineage.
    pub lineage: Lineage,
    /// Whether it was given one when it was made. An older database has that of its first
    /// migration, and may have published versions that name none.
    pub given: bool,
}

/// Where a state comes from.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// The database, where it says which it is.
    pub identity: Option<Identity>,
    /// Tables that can change without a new number.
    pub untracked: BTreeSet<TableKey>,
    /// By how much this machine's clock is ahead of the database's.
    pub ahead: Option<SignedDuration>,
}

/// What a state is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The version.
    pub version: &'a Version,
    /// Its manifest; `None` where it is damaged.
    pub manifest: Option<&'a Manifest>,
    /// For each table of both whose object differs, what became of its rows.
    pub rows: &'a BTreeMap<TableKey, RowCounts>,
    /// Whether it is what is public.
    pub is_public: bool,
}

/// Of `pages`, the newest first, the newest one that a database published which may be the
/// one that a state comes from.
pub(crate) fn newest_of<'p>(pages: &'p [Version], provenance: &Provenance) -> Option<&'p Version> {
    let mut published = (0..pages.len())
        .map(|at| &pages[at..])
        .filter(|pages| !is_turned(pages))
        .map(|pages| &pages[0]);
    let newest = published.next()?;
    if may_be_the_same(newest, provenance) {
        return Some(newest);
    }
    let lineage = &provenance.identity.as_ref()?.lineage;
    published.find(|page| page.lineage.as_ref() == Some(lineage))
}

/// Whether a publication came right after another one.
pub(crate) fn is_next(version: &Version, before: &Version) -> bool {
    version.epoch == before.epoch && version.sequence.checked_sub(1) == Some(before.sequence)
}

// Whether a rollback or a resumption made the first page. A resumption is told by the
// rollback before it; where that cannot be read, by its manifest, which is an older one.
fn is_turned(pages: &[Version]) -> bool {
    let [page, older @ ..] = pages else {
        return false;
    };
    if page.rollback.is_some() || page.sequence == 1 {
        return page.rollback.is_some();
    }
    match older.first().filter(|before| is_next(page, before)) {
        Some(before) => before.rollback.is_some() && before.manifest == page.manifest,
        None => older.iter().any(|other| other.manifest == page.manifest),
    }
}

/// Why `next` is no successor of what was published before, where it is none.
pub(super) fn judge(
    allowed: Option<ReferenceVersion>,
    before: Option<Before<'_>>,
    (provenance, next): (&Provenance, &Manifest),
) -> Option<String> {
    let new = next.reference_version;
    match allowed {
        Some(allowed) if allowed == new => return None,
        Some(allowed) => {
            return Some(format!(
                "--allow-older allows {allowed}, but the database is at {new}"
            ));
        }
        None => {}
    }
    let before = before?;
    let old = before.version.reference_version;
    let place = if before.is_public {
        format!("{old} of it is public")
    } else {
        let version = name(before.version.order());
        format!("{old} of it was published as version {version}")
    };
    if new < old {
        return Some(format!(
            "the database is at {new}, and {place}: it is older, or another one made from the same \
             template; publish from the one that has {old}, or, if going back is meant, allow it by \
             --allow-older {new}{}",
            own_lineage(provenance)
        ));
    }
    let tables = before.manifest.into_iter().flat_map(|old| &old.tables);
    let strange: Vec<String> = tables
        .filter_map(|(table, old)| {
            let new = next.tables.get(table)?;
            let tracked = !provenance.untracked.contains(table);
            let why = strangeness(old, new, tracked, before.rows.get(table))?;
            Some(format!("{table} {why}"))
        })
        .collect();
    if strange.is_empty() {
        return None;
    }
    Some(format!(
        "the database is at {new}, and {place}, but it does not go on from there: {}; \
         it is an older copy that went on by itself, or another one made from the same template, or a \
         change went past the triggers; publish from the one that has {old}, or, if this one is meant, \
         allow it by --allow-older {new}{}",
        strange.join(", "),
        own_lineage(provenance)
    ))
}

// What helps databases that are made from one template. Before lineages there is no table.
fn own_lineage(provenance: &Provenance) -> &'static str {
    let given = provenance.identity.as_ref().is_some_and(|own| own.given);
    if given { OWN_LINEAGE } else { "" }
}

const OWN_LINEAGE: &str = "; give a throwaway database made from a template its own lineage, before it \
                           publishes: UPDATE tablecast.lineage SET id = md5(random()::text)";

fn may_be_the_same(last: &Version, provenance: &Provenance) -> bool {
    match (&last.lineage, &provenance.identity) {
        (Some(public), Some(identity)) => *public == identity.lineage,
        (None, Some(identity)) => !identity.given,
        (_, None) => true,
    }
}

// A change of the settings moves no number: of another shape or schema version, the rows
// say nothing.
fn strangeness(
    old: &TableEntry,
    new: &TableEntry,
    tracked: bool,
    rows: Option<&RowCounts>,
) -> Option<String> {
    let (was, is) = (old.version_seq, new.version_seq);
    if was == 0 || is == 0 {
        return None;
    }
    if is < was {
        return Some(format!(
            "was last changed by number {was}, and here by {is}"
        ));
    }
    let same_shape = old.schema_fingerprint == new.schema_fingerprint;
    let other = rows.is_some_and(|rows| rows.added + rows.removed + rows.changed > 0);
    (is == was && tracked && same_shape && other)
        .then(|| format!("was last changed by number {was}, and has other rows"))
}

#[cfg(test)]
mod tests {
    use snapshot_format::{Digest, FORMAT_VERSION, ObjectHash, ObjectRef, Rollback, SchemaVersion};

    use super::*;

    const SCHEMA: SchemaVersion = SchemaVersion { major: 1, minor: 0 };

    fn key(text: &str) -> TableKey {
        text.parse().expect("a key")
    }

    // Tables with their numbers; the highest is the state's.
    fn manifest(tables: &[(&str, u64)]) -> Manifest {
        let entry = |seq: u64| {
            let digest = Digest::of(b"rows");
            let columns = BTreeMap::from([("id".to_owned(), "text".to_owned())]);
            let primary_key = vec!["id".to_owned()];
            TableEntry::new(digest, 1, seq, columns, primary_key)
        };
        let highest = tables.iter().map(|(_, seq)| *seq).max().unwrap_or_default();
        Manifest {
            format_version: FORMAT_VERSION,
            schema_version: SCHEMA,
            reference_version: ReferenceVersion(highest),
            generated_at: "2026-02-24T13:12:04Z".to_owned(),
            content_hash: ObjectHash::of(b"tables"),
            bootstrap: Digest::of(b"").into(),
            tables: tables
                .iter()
                .map(|(name, seq)| (key(name), entry(*seq)))
                .collect(),
        }
    }

    fn version(manifest: &Manifest, lineage: Option<&str>) -> Version {
        let nothing = ObjectRef {
            hash: ObjectHash::of(b""),
            size: 0,
        };
        Version {
            format_version: FORMAT_VERSION,
            epoch: 7,
            sequence: 1,
            schema_version: SCHEMA,
            reference_version: manifest.reference_version,
            lineage: lineage.map(Lineage::of),
            generated_at: manifest.generated_at.clone(),
            published_at: manifest.generated_at.clone(),
            manifest: nothing,
            bootstrap: nothing,
            rollback: None,
        }
    }

    fn provenance(identity: Option<(&str, bool)>) -> Provenance {
        let identity = identity.map(|(name, given)| Identity {
            lineage: Lineage::of(name),
            given,
        });
        Provenance {
            identity,
            ..Provenance::default()
        }
    }

    #[track_caller]
    fn refused(
        public: (&[(&str, u64)], Option<&str>),
        database: (&[(&str, u64)], &Provenance),
        changed: &[&str],
    ) -> Option<String> {
        let (old, new) = (manifest(public.0), manifest(database.0));
        let counts = RowCounts {
            changed: 1,
            ..RowCounts::default()
        };
        let rows = changed.iter().map(|table| (key(table), counts)).collect();
        let pages = [version(&old, public.1)];
        let before = newest_of(&pages, database.1).map(|version| Before {
            version,
            manifest: Some(&old),
            rows: &rows,
            is_public: true,
        });
        judge(None, before, (database.1, &new))
    }

    #[test]
    fn numbers_are_compared_where_the_database_may_be_the_one_that_was_published() {
        let (newer, older) = ([("grips", 94)], [("grips", 93)]);
        for (public, database, compared) in [
            (Some("a"), Some(("a", true)), true),
            (Some("a"), Some(("a", false)), true),
            (Some("a"), Some(("b", true)), false),
            (Some("a"), Some(("b", false)), false),
            (Some("a"), None, true),
            (None, Some(("a", true)), false),
            (None, Some(("a", false)), true),
            (None, None, true),
        ] {
            let provenance = provenance(database);
            let older = refused((&newer, public), (&older, &provenance), &["grips"]);
            assert_eq!(older.is_some(), compared, "{public:?} {database:?}");
            let later = refused(
                (&newer, public),
                (&[("grips", 95)], &provenance),
                &["grips"],
            );
            assert_eq!(later, None, "{public:?} {database:?}");
        }
    }

    #[test]
    fn a_copy_that_went_on_by_itself_is_told_by_its_tables() {
        let provenance = provenance(Some(("a", true)));
        let public: [(&str, u64); 2] = [("grips", 94), ("motions", 90)];
        let check = |database: &[(&str, u64)], changed: &[&str], reason: Option<&str>| {
            let found = refused((&public, Some("a")), (database, &provenance), changed);
            let found = found.map(|text| {
                let text = text.split_once("from there: ").expect("a reason").1;
                text.split_once(';').expect("more").0.to_owned()
            });
            assert_eq!(found.as_deref(), reason, "{database:?}");
        };
        check(&[("grips", 94), ("motions", 95)], &["motions"], None);
        check(&[("grips", 94), ("stances", 95)], &["stances"], None);
        check(
            &[("grips", 94), ("motions", 90)],
            &["grips"],
            Some("grips was last changed by number 94, and has other rows"),
        );
        check(
            &[("grips", 89), ("motions", 95)],
            &["grips", "motions"],
            Some("grips was last changed by number 94, and here by 89"),
        );
        // Settings change objects and no row.
        check(&[("grips", 94), ("motions", 90)], &[], None);
        // Never counted: its number says nothing.
        check(&[("grips", 0), ("motions", 95)], &["grips"], None);
    }

    #[test]
    fn what_can_change_without_a_number_is_compared_by_nothing_but_a_lower_one() {
        let mut provenance = provenance(Some(("a", true)));
        provenance.untracked.insert(key("grips"));
        let public: ([(&str, u64); 1], _) = ([("grips", 94)], Some("a"));
        let same = refused(
            (&public.0, public.1),
            (&[("grips", 94)], &provenance),
            &["grips"],
        );
        assert_eq!(same, None);
        let older = refused(
            (&public.0, public.1),
            (&[("grips", 93)], &provenance),
            &["grips"],
        );
        assert!(older.is_some());
    }

    #[test]
    fn exactly_the_state_that_is_named_may_be_older() {
        let (old, new) = (manifest(&[("grips", 94)]), manifest(&[("grips", 93)]));
        let provenance = provenance(Some(("a", true)));
        let last = version(&old, Some("a"));
        let judge = |allowed: u64| {
            let before = Before {
                version: &last,
                manifest: Some(&old),
                rows: &BTreeMap::new(),
                is_public: true,
            };
            let allowed = Some(ReferenceVersion(allowed));
            judge(allowed, Some(before), (&provenance, &new))
        };
        assert_eq!(judge(93), None);
        assert_eq!(
            judge(92).as_deref(),
            Some("--allow-older allows seq:92, but the database is at seq:93")
        );
    }

    // By epoch and sequence: number, lineage and what it was rolled back to.
    fn page((epoch, sequence): (u64, u64), seq: u64, lineage: &str, to: Option<u64>) -> Version {
        Version {
            epoch,
            sequence,
            manifest: ObjectRef {
                hash: ObjectHash::of(format!("{lineage} {seq}").as_bytes()),
                size: 1,
            },
            rollback: to.map(|sequence| Rollback { epoch, sequence }),
            ..version(&manifest(&[("grips", seq)]), Some(lineage))
        }
    }

    #[test]
    fn the_newest_page_of_the_lineage_that_a_database_published_is_compared() {
        let history = [
            page((8, 1), 9, "b", None),
            page((7, 6), 3, "a", None),
            page((7, 5), 1, "a", None), // resumed
            page((7, 4), 1, "a", Some(1)),
            page((7, 3), 4, "a", None),
            page((7, 2), 7, "c", None),
            page((7, 1), 1, "a", None),
        ];
        let found = |pages: &[Version], lineage: &str| {
            newest_of(pages, &provenance(Some((lineage, true)))).map(Version::order)
        };
        assert_eq!(found(&history, "a"), Some((7, 6)));
        assert_eq!(found(&history, "b"), Some((8, 1)));
        assert_eq!(found(&history, "c"), Some((7, 2)));
        assert_eq!(found(&history, "d"), None);
        assert_eq!(found(&[], "a"), None);
        // Resumed, and rolled back.
        assert_eq!(found(&history[2..], "a"), Some((7, 3)));
        assert_eq!(found(&history[3..], "a"), Some((7, 3)));
        // The page of the rollback is gone: the one after it is told by its manifest.
        let mut without = history[2..].to_vec();
        without.remove(1);
        assert_eq!(found(&without, "a"), Some((7, 3)));
        // The page of the lineage is gone: the one before it counts.
        without.remove(1);
        assert_eq!(found(&without, "a"), Some((7, 1)));
    }

    #[test]
    fn an_allowed_older_state_is_what_the_next_one_is_compared_with() {
        // Published again from a copy: the same manifest as the first, and no rollback.
        let history = [
            page((7, 3), 1, "a", None),
            page((7, 2), 4, "a", None),
            page((7, 1), 1, "a", None),
        ];
        let provenance = provenance(Some(("a", true)));
        let found = newest_of(&history, &provenance).map(Version::order);
        assert_eq!(found, Some((7, 3)));
    }

    #[test]
    fn a_damaged_manifest_leaves_the_number() {
        let provenance = provenance(Some(("a", true)));
        let last = page((7, 2), 94, "a", None);
        let judge = |seq: u64| {
            let before = Before {
                version: &last,
                manifest: None,
                rows: &BTreeMap::new(),
                is_public: false,
            };
            judge(
                None,
                Some(before),
                (&provenance, &manifest(&[("grips", seq)])),
            )
        };
        let older = judge(93).expect("refused");
        let words = "is at seq:93, and seq:94 of it was published as version 7-2: it is older";
        assert!(older.contains(words), "{older}");
        assert_eq!(judge(94), None);
    }
}
