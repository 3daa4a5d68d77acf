//! Guards: what one publication may do to what is public, and no more.
//!
//! Pure: given the tables as they are public and as they would be, and how many rows
//! became what, these are the reasons not to publish. Each says what it saw, what is
//! allowed, and how to allow exactly this, once.
//!
//! Whether active rows point at inactive ones is found where the state is read
//! ([`crate::snapshot`]), because only the database knows of those.

mod age;
mod allowances;
mod limits;
mod shape;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use snapshot_audit::diff::RowCounts;
use snapshot_format::{Manifest, SchemaVersion, TableEntry, TableKey};

pub use self::age::Provenance;
pub(crate) use self::age::{Before, Identity, is_next, newest_of};
pub(crate) use self::allowances::Allowances;
use self::allowances::allowed;
pub(crate) use self::allowances::table_and_number;
pub(crate) use self::limits::Limits;
pub(crate) use self::limits::with_limits;
use self::shape::broken_promises;
use crate::source::Problem;
use crate::words::counted;

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
        if let Some(allowed) = allowed(&self.allowed.broken_references, table) {
            return allowed == references;
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
        match allowed(&self.allowed.rows, table) {
            Some(allowed) if allowed == rows => {}
            Some(allowed) => judged.add(
                table,
                format!(
                    "--allow-rows allows {}, but it has {rows}",
                    counted(allowed, "row")
                ),
            ),
            None if rows < least => judged.add(
                table,
                format!(
                    "has {}, fewer than min_rows = {least}; if that is meant, allow it by \
                     --allow-rows {table}={rows}",
                    counted(rows, "row")
                ),
            ),
            // Where it has stood there before, that was said when it came there.
            None if rows == least && least > 0 && public.is_none_or(|old| old.rows != rows) => {
                judged.note(
                    table,
                    format!(
                        "has {}, which is the least that min_rows = {least} allows",
                        counted(rows, "row")
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
                allowed(&self.allowed.removal, table),
                "--allow-removal",
            ),
            (
                "changed",
                counts.changed,
                limits.max_changed_percent,
                allowed(&self.allowed.change, table),
                "--allow-change",
            ),
        ];
        for (verb, count, percent, allowed, flag) in what {
            match allowed {
                Some(allowed) if allowed == count => {}
                Some(allowed) => judged.add(
                    table,
                    format!("{flag} allows {}, but {count} would be {verb}", counted(allowed, "row")),
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
