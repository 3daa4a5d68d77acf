//! Guards: what one publication may do to what is public, and no more.
//!
//! Pure: given the tables as they are public and as they would be, and how many rows
//! became what, these are the reasons not to publish. Each says what it saw, what is
//! allowed, and how to allow exactly this, once.
//!
//! Whether active rows point at inactive ones is found where the state is read
//! ([`crate::snapshot`]), because only the database knows of those.

mod age;

use std::collections::{BTreeMap, BTreeSet};

use snapshot_format::{
    ColumnType, Manifest, ReferenceVersion, SchemaVersion, TableEntry, TableKey,
};

pub use self::age::{Before, Identity, Provenance};
pub(crate) use self::age::{is_next, newest_of};

use crate::diff::RowCounts;
use crate::source::Problem;

/// What a table's publication may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The fewest rows that it must have.
    pub min_rows: u64,
    /// How many per cent of its public rows may be gone.
    pub max_removed_percent: u8,
    /// How many per cent of its public rows may have other values.
    pub max_changed_percent: u8,
    /// How many of its active rows may point at inactive ones.
    pub max_broken_references: u64,
    /// Whether it may be gone.
    pub may_vanish: bool,
    /// Whether it may lose or retype columns without a raised major version.
    pub may_change_shape: bool,
}

impl Default for Limits {
    /// A table may change in all its rows, and lose half of them.
    fn default() -> Self {
        Self {
            min_rows: 0,
            max_removed_percent: 50,
            max_changed_percent: 100,
            max_broken_references: 0,
            may_vanish: false,
            may_change_shape: false,
        }
    }
}

/// What the operator allows this once, by table; numbers are exact, so that a flag that is
/// forgotten somewhere cannot hide a later accident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowances {
    /// To have so many rows, though they are fewer than it must have.
    pub rows: BTreeMap<TableKey, u64>,
    /// To lose so many rows.
    pub removal: BTreeMap<TableKey, u64>,
    /// The same, already allowed for the seed of the same run. Another number is no
    /// mistake, because the seed counts by the database and this by what is public.
    pub deactivation: BTreeMap<TableKey, u64>,
    /// To change in so many rows.
    pub change: BTreeMap<TableKey, u64>,
    /// To have so many active rows that point at inactive ones.
    pub broken_references: BTreeMap<TableKey, u64>,
    /// To be gone.
    pub vanished: BTreeSet<TableKey>,
    /// To lose or retype columns without a raised major version.
    pub shape: BTreeSet<TableKey>,
    /// To follow what is public with this state of the database, though it is older.
    pub older: Option<ReferenceVersion>,
}

/// The guards of a publication.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// For tables without limits of their own.
    pub default: Limits,
    /// Limits of single tables.
    pub limits: BTreeMap<TableKey, Limits>,
    /// What is allowed this once.
    pub allowed: Allowances,
}

impl Guards {
    fn of(&self, table: &TableKey) -> Limits {
        self.limits.get(table).copied().unwrap_or(self.default)
    }

    /// Judges the publication of `to` where `from` is public; `rows` says for each table
    /// of both whose object differs what became of its rows.
    pub fn judge(
        &self,
        from: Option<&Manifest>,
        to: &Manifest,
        rows: &BTreeMap<TableKey, RowCounts>,
    ) -> Judged {
        let mut judged = Judged::default();
        for (table, entry) in &to.tables {
            let public = from.and_then(|from| from.tables.get(table));
            self.judge_size(table, public, entry, &mut judged);
        }
        if let Some(from) = from {
            let raised = to.schema_version.major > from.schema_version.major;
            for (table, old) in &from.tables {
                match to.tables.get(table) {
                    None => self.judge_vanished(table, raised, from, &mut judged),
                    Some(new) if !raised => {
                        self.judge_shape(table, old, new, from.schema_version, &mut judged);
                    }
                    Some(_) => {}
                }
            }
            for (table, counts) in rows {
                self.judge_rows(table, from.tables[table].rows, *counts, &mut judged);
            }
        }
        judged
    }

    /// Why the state that was read from `next` is no successor of what was published
    /// before, where it is none.
    pub fn judge_age(
        &self,
        before: Option<Before<'_>>,
        next: (&Provenance, &Manifest),
    ) -> Option<Problem> {
        let message = age::judge(self.allowed.older, before, next)?;
        Some(Problem {
            place: None,
            message,
        })
    }

    /// Whether so many active rows of a table may point at inactive ones. Where they are all that
    /// may, that is noted.
    pub fn may_break(&self, table: &TableKey, references: u64, notes: &mut Vec<String>) -> bool {
        let most = self.of(table).max_broken_references;
        if let Some(allowed) = self.allowed.broken_references.get(table) {
            return *allowed == references;
        }
        if references == most && most > 0 {
            notes.push(format!(
                "{table}: {references} active rows point at inactive ones, which is all that \
                 max_broken_references = {most} allows"
            ));
        }
        references <= most
    }

    fn judge_size(
        &self,
        table: &TableKey,
        public: Option<&TableEntry>,
        entry: &TableEntry,
        judged: &mut Judged,
    ) {
        let (rows, least) = (entry.rows, self.of(table).min_rows);
        match self.allowed.rows.get(table) {
            Some(allowed) if *allowed == rows => {}
            Some(allowed) => judged.add(
                table,
                format!(
                    "--allow-rows allows {}, but it has {rows}",
                    rows_of(*allowed)
                ),
            ),
            None if rows < least => judged.add(
                table,
                format!(
                    "has {}, fewer than min_rows = {least}; if that is meant, allow it by \
                     --allow-rows {table}={rows}",
                    rows_of(rows)
                ),
            ),
            // Where it has stood there before, that was said when it came there.
            None if rows == least && least > 0 && public.is_none_or(|old| old.rows != rows) => {
                judged.note(
                    table,
                    format!(
                        "has {}, which is the least that min_rows = {least} allows",
                        rows_of(rows)
                    ),
                );
            }
            None => {}
        }
    }

    fn judge_rows(&self, table: &TableKey, public: u64, counts: RowCounts, judged: &mut Judged) {
        let limits = self.of(table);
        let what = [
            (
                "removed",
                counts.removed,
                limits.max_removed_percent,
                self.allowed.removal.get(table),
                "--allow-removal",
            ),
            (
                "changed",
                counts.changed,
                limits.max_changed_percent,
                self.allowed.change.get(table),
                "--allow-change",
            ),
        ];
        for (verb, count, percent, allowed, flag) in what {
            match allowed {
                Some(allowed) if *allowed == count => {}
                Some(allowed) => judged.add(
                    table,
                    format!("{flag} allows {}, but {count} would be {verb}", rows_of(*allowed)),
                ),
                None if verb == "removed" && self.was_allowed(table, count) => {}
                None if is_more_than(count, percent, public) => judged.add(
                    table,
                    format!(
                        "{count} of {public} published rows would be {verb}, more than {percent} per \
                         cent; if that is meant, allow it by {flag} {table}={count}"
                    ),
                ),
                // To change in every row is no limit.
                None if is_all_of(count, percent, public) && (verb, percent) != ("changed", 100) => {
                    judged.note(
                        table,
                        format!(
                            "{count} of {public} published rows are {verb}, which is all that \
                             max_{verb}_percent = {percent} allows"
                        ),
                    );
                }
                None => {}
            }
        }
    }

    fn was_allowed(&self, table: &TableKey, removed: u64) -> bool {
        self.allowed.deactivation.get(table) == Some(&removed)
    }

    fn judge_vanished(&self, table: &TableKey, raised: bool, from: &Manifest, judged: &mut Judged) {
        if raised || self.of(table).may_vanish || self.allowed.vanished.contains(table) {
            return;
        }
        let SchemaVersion { major, .. } = from.schema_version;
        judged.add(
            table,
            format!(
                "the table is published and would be gone; if that is meant, raise the schema \
                 version (--schema-version {}.0), or allow it by --allow-vanished {table}",
                u64::from(major) + 1
            ),
        );
    }

    fn judge_shape(
        &self,
        table: &TableKey,
        old: &TableEntry,
        new: &TableEntry,
        version: SchemaVersion,
        judged: &mut Judged,
    ) {
        let broken = broken_promises(old, new);
        let allowed = self.of(table).may_change_shape || self.allowed.shape.contains(table);
        if broken.is_empty() || allowed {
            return;
        }
        judged.add(
            table,
            format!(
                "{}, and readers of schema version {version} rely on that; if that is meant, raise it \
                 (--schema-version {}.0), or allow it by --allow-shape {table}",
                broken.join(", "),
                u64::from(version.major) + 1
            ),
        );
    }
}

/// What the guards say of a publication.
#[derive(Debug, Default)]
pub struct Judged {
    /// Why it must not be.
    pub reasons: Vec<Problem>,
    /// What is allowed and only just so: a limit that is reached is not passed unsaid.
    pub notes: Vec<String>,
}

impl Judged {
    fn add(&mut self, table: &TableKey, reason: String) {
        self.reasons.push(Problem {
            place: None,
            message: format!("{table}: {reason}"),
        });
    }

    fn note(&mut self, table: &TableKey, note: String) {
        self.notes.push(format!("{table}: {note}"));
    }
}

// No rounding: a third of 3 rows is more than 33 per cent.
fn is_more_than(count: u64, percent: u8, whole: u64) -> bool {
    u128::from(count) * 100 > u128::from(whole) * u128::from(percent)
}

fn is_all_of(count: u64, percent: u8, whole: u64) -> bool {
    count > 0 && u128::from(count) * 100 == u128::from(whole) * u128::from(percent)
}

fn rows_of(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    }
}

// What readers of the old shape would stumble over: another column, or type, or key, or a
// null where there was none. A wider type of the same form in JSON is none of it.
fn broken_promises(old: &TableEntry, new: &TableEntry) -> Vec<String> {
    let mut broken = Vec::new();
    for (column, was) in &old.columns {
        match new.columns.get(column) {
            None => broken.push(format!("column {column:?} would be gone")),
            Some(is) if is_retyped(was, is) => {
                broken.push(format!("column {column:?} would be {is} instead of {was}"));
            }
            Some(_) => {}
        }
    }
    if old.primary_key != new.primary_key {
        let key = |entry: &TableEntry| entry.primary_key.join(", ");
        broken.push(format!(
            "its primary key would be ({}) instead of ({})",
            key(new),
            key(old)
        ));
    }
    broken
}

fn is_retyped(was: &str, is: &str) -> bool {
    let ((old, old_nullable), (new, new_nullable)) = (ColumnType::of(was), ColumnType::of(is));
    !new.is_read_as(&old) || (new_nullable && !old_nullable)
}

#[cfg(test)]
mod tests {
    use snapshot_format::{Digest, ReferenceVersion};

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
        guards.allowed.removal.insert(key("grips"), 17);
        guards.allowed.rows.insert(key("grips"), 3);
        assert_eq!(reasons(&guards, &old, &new, counts(17, 0)), [""; 0]);
        guards.allowed.rows.insert(key("grips"), 4);
        guards.allowed.change.insert(key("grips"), 1);
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
        guards.allowed.broken_references.insert(key("grips"), 4);
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
        guards.allowed.removal.insert(key("grips"), 10);
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
        guards.allowed.vanished.insert(key("stances"));
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
            shape: BTreeSet::from([key("grips")]),
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
}
