use snapshot_format::{Digest, ReferenceVersion};

use super::shape::is_retyped;
use super::*;

fn entry(rows: u64, columns: &[(&str, &str)]) -> TableEntry {
    let digest = Digest::of(format!("{rows}{columns:?}").as_bytes());
    let columns: BTreeMap<String, String> = columns
        .iter()
        .map(|(name, sql_type)| ((*name).to_owned(), (*sql_type).to_owned()))
        .collect();
    let primary_key = vec!["id".to_owned()];
    TableEntry::new(digest, rows, 1, columns, primary_key)
}

const COLUMNS: [(&str, &str); 2] = [("id", "text"), ("label", "text")];

fn manifest(version: &str, tables: &[(&str, TableEntry)]) -> Manifest {
    let tables: BTreeMap<TableKey, TableEntry> = tables
        .iter()
        .map(|(key, entry)| (key.parse().expect("a key"), entry.clone()))
        .collect();
    let hashes = tables.iter().map(|(key, entry)| (key, entry.hash));
    Manifest {
        format_version: snapshot_format::FORMAT_VERSION,
        schema_version: version.parse().expect("a version"),
        reference_version: ReferenceVersion(1),
        generated_at: "2026-02-24T13:12:04Z".to_owned(),
        content_hash: snapshot_format::content_hash(hashes),
        bootstrap: Digest::of(b"").into(),
        tables,
    }
}

fn key(text: &str) -> TableKey {
    text.parse().expect("a key")
}

fn reasons(guards: &Guards, from: &Manifest, to: &Manifest, rows: RowCounts) -> Vec<String> {
    let rows = from
        .tables
        .keys()
        .filter(|table| to.tables.contains_key(*table))
        .map(|table| (table.clone(), rows))
        .collect();
    let reasons = guards.judge(Some(from), to, &rows).reasons;
    reasons.into_iter().map(|reason| reason.message).collect()
}

fn counts(removed: u64, changed: u64) -> RowCounts {
    RowCounts {
        removed,
        changed,
        ..RowCounts::default()
    }
}

#[test]
fn more_than_the_allowed_part_of_the_rows_is_refused_and_exactly_that_part_is_not() {
    let old = manifest("1.0", &[("grips", entry(20, &COLUMNS))]);
    let new = manifest("1.0", &[("grips", entry(9, &COLUMNS))]);
    let mut guards = Guards::default();
    assert_eq!(reasons(&guards, &old, &new, counts(10, 20)), [""; 0]);
    assert_eq!(
        reasons(&guards, &old, &new, counts(11, 0)),
        [
            "grips: 11 of 20 published rows would be removed, more than 50 per cent; if that is \
             meant, allow it by --allow-removal grips=11"
        ]
    );
    guards.default.max_changed_percent = 20;
    assert_eq!(reasons(&guards, &old, &new, counts(0, 4)), [""; 0]);
    assert_eq!(
        reasons(&guards, &old, &new, counts(0, 5)),
        [
            "grips: 5 of 20 published rows would be changed, more than 20 per cent; if that is \
             meant, allow it by --allow-change grips=5"
        ]
    );
    let limits = Limits {
        max_changed_percent: 25,
        ..Limits::default()
    };
    guards.limits.insert(key("grips"), limits);
    assert_eq!(reasons(&guards, &old, &new, counts(0, 5)), [""; 0]);
}

#[test]
fn an_allowance_is_for_exactly_so_many_rows() {
    let old = manifest("1.0", &[("grips", entry(20, &COLUMNS))]);
    let new = manifest("1.0", &[("grips", entry(3, &COLUMNS))]);
    let mut guards = Guards::default();
    guards.default.min_rows = 10;
    guards.allowed.removal.push((key("grips"), 17));
    guards.allowed.rows.push((key("grips"), 3));
    assert_eq!(reasons(&guards, &old, &new, counts(17, 0)), [""; 0]);
    guards.allowed.rows.push((key("grips"), 4));
    guards.allowed.change.push((key("grips"), 1));
    assert_eq!(
        reasons(&guards, &old, &new, counts(18, 0)),
        [
            "grips: --allow-rows allows 4 rows, but it has 3",
            "grips: --allow-removal allows 17 rows, but 18 would be removed",
            "grips: --allow-change allows 1 row, but 0 would be changed",
        ]
    );
}

#[test]
fn what_the_seed_was_allowed_need_not_be_allowed_again_and_binds_nobody() {
    let old = manifest("1.0", &[("grips", entry(20, &COLUMNS))]);
    let new = manifest("1.0", &[("grips", entry(3, &COLUMNS))]);
    let mut guards = Guards::default();
    guards.allowed.deactivation.insert(key("grips"), 17);
    assert_eq!(reasons(&guards, &old, &new, counts(17, 0)), [""; 0]);
    assert_eq!(reasons(&guards, &old, &new, counts(2, 0)), [""; 0]);
    assert_eq!(reasons(&guards, &old, &new, counts(16, 0)).len(), 1);
}

#[test]
fn references_to_inactive_rows_may_be_as_many_as_was_said() {
    let mut guards = Guards::default();
    let judged = |guards: &Guards, count| {
        let mut notes = Vec::new();
        (guards.may_break(&key("grips"), count, &mut notes), notes)
    };
    assert_eq!(judged(&guards, 0), (true, vec![]));
    assert_eq!(judged(&guards, 1), (false, vec![]));
    guards.default.max_broken_references = 3;
    assert_eq!(judged(&guards, 2), (true, vec![]));
    let note = "grips: 3 active rows point at inactive ones, which is all that \
                max_broken_references = 3 allows";
    assert_eq!(judged(&guards, 3), (true, vec![note.to_owned()]));
    assert_eq!(judged(&guards, 4), (false, vec![]));
    guards.allowed.broken_references.push((key("grips"), 4));
    assert_eq!(judged(&guards, 4), (true, vec![]));
    assert_eq!(judged(&guards, 3), (false, vec![]));
}

#[test]
fn a_limit_that_is_reached_and_not_passed_is_noted() {
    let old = manifest("1.0", &[("grips", entry(20, &COLUMNS))]);
    let new = manifest("1.0", &[("grips", entry(10, &COLUMNS))]);
    let mut guards = Guards::default();
    guards.default.min_rows = 10;
    let notes = |guards: &Guards, from: &Manifest, counts| {
        let rows = BTreeMap::from([(key("grips"), counts)]);
        guards.judge(Some(from), &new, &rows).notes
    };
    assert_eq!(
        notes(&guards, &old, counts(10, 20)),
        [
            "grips: has 10 rows, which is the least that min_rows = 10 allows",
            "grips: 10 of 20 published rows are removed, which is all that \
             max_removed_percent = 50 allows",
        ]
    );
    guards.default.min_rows = 9;
    guards.default.max_changed_percent = 20;
    assert_eq!(
        notes(&guards, &old, counts(9, 4)),
        [
            "grips: 4 of 20 published rows are changed, which is all that max_changed_percent = 20 allows"
        ]
    );
    assert_eq!(notes(&guards, &old, counts(9, 3)), [""; 0]);
    assert_eq!(notes(&guards, &old, counts(0, 0)), [""; 0]);
    // What was allowed by number was said by number.
    guards.allowed.removal.push((key("grips"), 10));
    assert_eq!(notes(&guards, &old, counts(10, 3)), [""; 0]);
    // It stood there before.
    guards.default.min_rows = 10;
    assert_eq!(notes(&guards, &new, counts(0, 1)), [""; 0]);
}

#[test]
fn a_table_has_its_least_number_of_rows_from_the_first_publication_on() {
    let mut guards = Guards::default();
    guards.default.min_rows = 1;
    let one = manifest("1.0", &[("grips", entry(1, &COLUMNS))]);
    let none = manifest("1.0", &[("grips", entry(0, &COLUMNS))]);
    assert!(
        guards
            .judge(None, &one, &BTreeMap::new())
            .reasons
            .is_empty()
    );
    let reasons = guards.judge(None, &none, &BTreeMap::new()).reasons;
    assert_eq!(
        reasons[0].message,
        "grips: has 0 rows, fewer than min_rows = 1; if that is meant, allow it by --allow-rows grips=0"
    );
}

#[test]
fn a_table_that_vanishes_is_refused_unless_it_may_or_the_major_is_raised() {
    let (grips, stances) = (entry(1, &COLUMNS), entry(2, &COLUMNS));
    let old = manifest("1.4", &[("grips", grips.clone()), ("stances", stances)]);
    let new = |version| manifest(version, &[("grips", grips.clone())]);
    let mut guards = Guards::default();
    assert_eq!(
        reasons(&guards, &old, &new("1.5"), counts(0, 0)),
        [
            "stances: the table is published and would be gone; if that is meant, raise the schema \
             version (--schema-version 2.0), or allow it by --allow-vanished stances"
        ]
    );
    assert_eq!(reasons(&guards, &old, &new("2.0"), counts(0, 0)), [""; 0]);
    guards.allowed.vanished.push(key("stances"));
    assert_eq!(reasons(&guards, &old, &new("1.5"), counts(0, 0)), [""; 0]);
    guards.allowed.vanished.clear();
    let limits = Limits {
        may_vanish: true,
        ..Limits::default()
    };
    guards.limits.insert(key("stances"), limits);
    assert_eq!(reasons(&guards, &old, &new("1.5"), counts(0, 0)), [""; 0]);
}

#[test]
fn a_column_that_is_gone_or_retyped_wants_a_raised_major() {
    let guards = Guards::default();
    let old = manifest(
        "1.0",
        &[(
            "grips",
            entry(
                1,
                &[("id", "text"), ("label", "text"), ("width", "integer")],
            ),
        )],
    );
    let new =
        |version, columns: &[(&str, &str)]| manifest(version, &[("grips", entry(1, columns))]);
    let broken = [("id", "text"), ("width", "numeric(5,1)?")];
    assert_eq!(
        reasons(&guards, &old, &new("1.9", &broken), counts(0, 0)),
        [
            "grips: column \"label\" would be gone, column \"width\" would be numeric(5,1)? instead \
             of integer, and readers of schema version 1.0 rely on that; if that is meant, raise it \
             (--schema-version 2.0), or allow it by --allow-shape grips"
        ]
    );
    assert_eq!(
        reasons(&guards, &old, &new("2.0", &broken), counts(0, 0)),
        [""; 0]
    );
    let allowed = Allowances {
        shape: vec![key("grips")],
        ..Allowances::default()
    };
    let allowing = Guards {
        allowed,
        ..Guards::default()
    };
    assert_eq!(
        reasons(&allowing, &old, &new("1.9", &broken), counts(0, 0)),
        [""; 0]
    );
}

#[test]
fn a_type_may_grow_within_its_form_in_json_and_a_null_may_not_come() {
    for (was, is, refused) in [
        ("text", "character varying(20)", false),
        ("integer", "bigint", false),
        ("bigint", "integer", true),
        ("text?", "text", false),
        ("text", "text?", true),
        ("integer", "text", true),
        ("jsonb", "json", false),
        ("text[]", "text", true),
        ("mood", "mood", false),
        ("mood", "humour", true),
    ] {
        assert_eq!(is_retyped(was, is), refused, "{was} to {is}");
    }
}
