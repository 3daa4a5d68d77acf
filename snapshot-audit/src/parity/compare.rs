//! One table on two sides: rows met by their keys, fields met by their names.
//!
//! Pure, but for the temporary files that hold what is too much for memory.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::iter::Peekable;

use snapshot_format::{IS_ACTIVE, SOURCE_TYPE};

use super::normalize::{Contract, Fill, Notes};
use super::report::{
    AdminRows, Difference, Differences, Kind, NotJudged, RuleUse, Side, TableReport, raw,
};
use super::side::{TableSide, key_of};
use super::sorted::{Record, Sorted};
use super::values::{differences, members, object};

/// What is compared of one table.
#[derive(Debug, Clone, Copy)]
pub struct TablePair<'t> {
    /// The key of the table, for messages.
    pub table: &'t str,
    /// By which rules its values are compared.
    pub contract: &'t Contract,
    /// Whether the contract knows what the database gives where a file is silent.
    pub knows_defaults: bool,
    /// The side that is taken for right.
    pub expected: (Side, &'t TableSide),
    /// The side that is held to it.
    pub actual: (Side, &'t TableSide),
    /// The rows of administrators, where a database tells them and neither side does.
    pub admins: Option<&'t Sorted>,
    /// How many differences are shown.
    pub limit: usize,
}

/// Compares a table.
///
/// # Errors
/// Where rows that were put aside cannot be read again.
pub fn compare(pair: &TablePair<'_>) -> io::Result<TableReport> {
    let mut compared = Compared {
        pair,
        fills: pair.fills(),
        passed_by: pair.not_comparable(),
        differences: Differences::new(pair.limit),
        report: TableReport::of(pair.table),
    };
    compared.differences.extend(&pair.expected.1.unreadable);
    compared.differences.extend(&pair.actual.1.unreadable);
    compared.columns();
    compared.merge()?;
    Ok(compared.finish())
}

/// A table that is there on one side alone (N25).
pub fn on_one_side(table: &str, kind: Kind, limit: usize) -> TableReport {
    let mut differences = Differences::new(limit);
    differences.note(|| Difference::of_table(table, kind));
    let mut report = TableReport::of(table);
    report.settle(differences);
    report
}

impl TablePair<'_> {
    // What stands for a column that a row of the source does not name.
    fn fills(&self) -> Vec<Fill> {
        match self.expected {
            (Side::Source, side) => self.contract.fills(&side.notes),
            _ => vec![Fill::Null; self.contract.columns.len()],
        }
    }
}

impl TablePair<'_> {
    // What PostgreSQL spells in a way that no file does: two sides can be compared, a file
    // cannot (N18).
    fn not_comparable(&self) -> BTreeSet<String> {
        let columns = self.contract.columns.iter().zip(self.fills());
        let open = columns.filter(|(column, fill)| column.as_text && *fill == Fill::Open);
        open.map(|(column, _)| column.name.clone()).collect()
    }
}

// Which rows of an administrator there are, asked in order of their keys.
struct Admins<'a>(Peekable<Box<dyn Iterator<Item = io::Result<Record>> + 'a>>);

impl Admins<'_> {
    fn hold(&mut self, key: &[u8]) -> io::Result<bool> {
        while let Some(next) = self
            .0
            .next_if(|next| next.as_ref().is_ok_and(|n| *n.key < *key))
        {
            next?;
        }
        match self.0.peek() {
            Some(Ok(next)) => Ok(next.admin && *next.key == *key),
            Some(Err(error)) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(false),
        }
    }
}

// The rows of one side, of each key the first.
struct Rows<'a> {
    side: Side,
    rows: Peekable<Box<dyn Iterator<Item = io::Result<Record>> + 'a>>,
}

// Columns that a side does not name though the other has another value than what stands
// for them: what is expected, and what is there.
type Silent = BTreeMap<String, (String, String)>;

// A row's keys that are no columns, and the columns that it does not name.
type Keys = (BTreeMap<String, String>, Silent);

struct Compared<'p, 't> {
    pair: &'p TablePair<'t>,
    fills: Vec<Fill>,
    // Columns that differ as a whole, which is said once.
    passed_by: BTreeSet<String>,
    differences: Differences,
    report: TableReport,
}

impl Compared<'_, '_> {
    // Columns that only one side has, or that are of another type there.
    fn columns(&mut self) {
        let (pair, contract) = (self.pair, self.pair.contract);
        let Some(types) = &pair.actual.1.types else {
            return;
        };
        let from_source = pair.expected.0 == Side::Source;
        let names = |index: usize| {
            pair.expected
                .1
                .notes
                .named
                .get(index)
                .is_some_and(|n| *n > 0)
        };
        for (index, column) in contract.columns.iter().enumerate() {
            let expected = Some(column.sql_type.as_str());
            match types.get(&column.name) {
                // Null is what a column that is not there would hold.
                None if from_source && !names(index) => {
                    self.passed_by.insert(column.name.clone());
                }
                None => self.column(&column.name, expected, None),
                Some(found) if *found != column.sql_type => {
                    self.column(&column.name, expected, Some(found));
                }
                Some(_) => {}
            }
        }
        for (name, found) in types {
            if contract.column(name).is_none() && name != SOURCE_TYPE {
                self.column(name, None, Some(found));
            }
        }
        let key = |names: Vec<&str>| serde_json::to_string(&names).ok();
        let expected = contract
            .primary_key
            .iter()
            .map(|at| contract.columns[*at].name.as_str());
        let expected = key(expected.collect());
        let actual = pair.actual.1.primary_key.as_ref();
        let actual = actual.and_then(|names| key(names.iter().map(String::as_str).collect()));
        if actual.is_some() && actual != expected {
            self.differences.note(|| Difference {
                expected: expected.as_deref().and_then(raw),
                actual: actual.as_deref().and_then(raw),
                ..Difference::of_table(pair.table, Kind::PrimaryKey)
            });
        }
    }

    fn column(&mut self, name: &str, expected: Option<&str>, actual: Option<&str>) {
        let quoted = |text: &str| raw(&format!("{text:?}"));
        let table = self.pair.table;
        self.differences.note(|| Difference {
            field: Some(name.to_owned()),
            expected: expected.and_then(quoted),
            actual: actual.and_then(quoted),
            ..Difference::of_table(table, Kind::Column)
        });
        // Of another type, its values still say what they say.
        if expected.is_none() || actual.is_none() {
            self.passed_by.insert(name.to_owned());
        }
    }

    fn merge(&mut self) -> io::Result<()> {
        let pair = self.pair;
        let mut expected = Rows {
            side: pair.expected.0,
            rows: pair.expected.1.rows.read()?.peekable(),
        };
        let mut actual = Rows {
            side: pair.actual.0,
            rows: pair.actual.1.rows.read()?.peekable(),
        };
        let mut admins = match pair.admins {
            Some(rows) => Admins(rows.read()?.peekable()),
            None => {
                Admins((Box::new(std::iter::empty()) as Box<dyn Iterator<Item = _>>).peekable())
            }
        };
        let mut from = self.next(&mut expected)?;
        let mut to = self.next(&mut actual)?;
        loop {
            let order = match (&from, &to) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(from), Some(to)) => from.key.cmp(&to.key),
            };
            let (met_from, met_to) = match order {
                Ordering::Less => (from.take(), None),
                Ordering::Greater => (None, to.take()),
                Ordering::Equal => (from.take(), to.take()),
            };
            if let Some(record) = met_from.as_ref().or(met_to.as_ref()) {
                let is_admin = pair.expected.0 == Side::Source && admins.hold(&record.key)?;
                self.meet(met_from.as_ref(), met_to.as_ref(), is_admin);
            }
            if from.is_none() {
                from = self.next(&mut expected)?;
            }
            if to.is_none() {
                to = self.next(&mut actual)?;
            }
        }
    }

    // The next row of a side; those behind it with the same key are one too many (N3).
    fn next(&mut self, rows: &mut Rows<'_>) -> io::Result<Option<Record>> {
        let Some(first) = rows.rows.next().transpose()? else {
            return Ok(None);
        };
        let is_same =
            |next: &io::Result<Record>| next.as_ref().is_ok_and(|next| next.key == first.key);
        while let Some(copy) = rows.rows.next_if(is_same) {
            let copy = copy?;
            let side = rows.side;
            let is_expected = side == self.pair.expected.0;
            self.note_row(&copy, Kind::DoubledRow, |difference| {
                if is_expected {
                    difference.expected = raw(&copy.row)
                } else {
                    difference.actual = raw(&copy.row)
                }
                difference.note = Some(format!("the {side} has another row under this key"));
            });
        }
        Ok(Some(first))
    }

    // N22, N23: which rows must be there, and which stand apart.
    fn meet(&mut self, expected: Option<&Record>, actual: Option<&Record>, known_admin: bool) {
        let sides = (self.pair.expected.0, self.pair.actual.0);
        let owned = known_admin || sides.0 == Side::Source && actual.is_some_and(|row| row.admin);
        let Some(any) = expected.or(actual) else {
            return;
        };
        if owned {
            return self.stands_apart(any, expected.is_some());
        }
        match (expected, actual) {
            (Some(row), Some(_)) if row.inactive && sides.1 == Side::Snapshot => {
                self.note_row(any, Kind::PublishedInactive, |difference| {
                    difference.field = Some(IS_ACTIVE.to_owned());
                    difference.expected = raw("false");
                    difference.actual = raw("true");
                });
            }
            (Some(expected), Some(actual)) => self.compare_rows(expected, actual),
            (Some(row), None) if row.inactive && sides.1 == Side::Snapshot => {
                self.report.rows.unpublished += 1;
            }
            (Some(row), None) => self.note_row(row, Kind::MissingRow, |difference| {
                difference.expected = raw(&row.row);
            }),
            (None, Some(row)) if row.inactive && sides == (Side::Source, Side::Database) => {
                self.report.rows.retired += 1;
            }
            (None, Some(row)) => self.note_row(row, Kind::ExtraRow, |difference| {
                difference.actual = raw(&row.row);
            }),
            (None, None) => {}
        }
    }

    fn stands_apart(&mut self, row: &Record, in_source: bool) {
        let key = self.key_of(row);
        let admins: &mut AdminRows = &mut self.report.admin_owned;
        admins.count += 1;
        admins.also_in_source += u64::from(in_source);
        if admins.keys.len() < self.pair.limit {
            let difference = Difference {
                key,
                ..Difference::of_table(self.pair.table, Kind::Value)
            };
            admins.keys.extend(difference.key_text());
        }
    }

    fn compare_rows(&mut self, expected: &Record, actual: &Record) {
        let before = self.differences.total();
        if expected.row != actual.row {
            self.compare_fields(expected, actual);
        }
        if self.differences.total() == before {
            self.report.rows.equal += 1;
        }
    }

    fn compare_fields(&mut self, expected: &Record, actual: &Record) {
        let contract = self.pair.contract;
        let (mut from, mut to) = (members(&expected.row), members(&actual.row));
        let (mut silent_from, mut silent_to) = (Silent::new(), Silent::new());
        for (index, column) in contract.columns.iter().enumerate() {
            let name = &column.name;
            let values = (from.remove(name), to.remove(name));
            if self.passed_by.contains(name) {
                continue;
            }
            let fill = match &self.fills[index] {
                Fill::Default(value) => value.clone(),
                Fill::Open if values.0.is_none() => continue,
                Fill::Null | Fill::Open => "null".to_owned(),
            };
            match values {
                (None, Some(value)) if value != fill => {
                    silent_from.insert(name.clone(), (fill, value));
                }
                (Some(value), None) if value != "null" => {
                    silent_to.insert(name.clone(), (value, "null".to_owned()));
                }
                (Some(from), Some(to)) if from != to => {
                    self.note_within(expected, name, &from, &to);
                }
                _ => {}
            }
        }
        for name in &self.passed_by {
            to.remove(name);
            from.remove(name);
        }
        self.note_keys(expected, (from, silent_from), (to, silent_to));
    }

    // Keys that are no columns. Where the other side has keys of its own, too, or values of
    // columns that are not named here, they are one thing that was renamed (N17).
    fn note_keys(&mut self, record: &Record, from: Keys, to: Keys) {
        let ((mut unknown_from, silent_from), (mut unknown_to, silent_to)) = (from, to);
        let other_names = !unknown_to.is_empty() || !silent_from.is_empty();
        let was_renamed = !unknown_from.is_empty() && other_names
            || !unknown_to.is_empty() && !silent_to.is_empty();
        if was_renamed {
            unknown_to.extend(
                silent_from
                    .into_iter()
                    .map(|(name, (_, value))| (name, value)),
            );
            unknown_from.extend(
                silent_to
                    .into_iter()
                    .map(|(name, (value, _))| (name, value)),
            );
            return self.note_row(record, Kind::RenamedKey, |difference| {
                difference.field = unknown_to.keys().next().cloned();
                difference.expected = raw(&object(&unknown_from));
                difference.actual = raw(&object(&unknown_to));
            });
        }
        for (name, (expected, actual)) in silent_from.into_iter().chain(silent_to) {
            self.note_within(record, &name, &expected, &actual);
        }
        for (name, value) in unknown_from {
            self.note_row(record, Kind::MissingKey, |difference| {
                difference.field = Some(name);
                difference.expected = raw(&value);
            });
        }
        for (name, value) in unknown_to {
            self.note_row(record, Kind::ExtraKey, |difference| {
                difference.field = Some(name);
                difference.actual = raw(&value);
            });
        }
    }

    fn note_within(&mut self, record: &Record, field: &str, expected: &str, actual: &str) {
        for within in differences(expected, actual) {
            self.note_row(record, within.kind, |difference| {
                difference.field = Some(field.to_owned());
                difference.pointer = within.pointer;
                difference.expected = within.expected.as_deref().and_then(raw);
                difference.actual = within.actual.as_deref().and_then(raw);
            });
        }
    }

    fn note_row(&mut self, record: &Record, kind: Kind, fill: impl FnOnce(&mut Difference)) {
        let contract = self.pair.contract;
        let table = self.pair.table;
        self.differences.note(|| {
            let mut difference = Difference {
                key: key_of(contract, &record.row),
                ..Difference::of_table(table, kind)
            };
            fill(&mut difference);
            difference
        });
    }

    fn key_of(&self, record: &Record) -> BTreeMap<String, Box<serde_json::value::RawValue>> {
        key_of(self.pair.contract, &record.row)
    }

    fn finish(mut self) -> TableReport {
        let (expected, actual) = (self.pair.expected, self.pair.actual);
        self.report.rows.expected = expected.1.notes.rows;
        self.report.rows.actual = actual.1.notes.rows;
        for (side, table) in [expected, actual] {
            let used = table.notes.used.iter();
            let used = used.map(|((column, rule), count)| RuleUse::of(side, column, *rule, *count));
            self.report.rules.extend(used);
            let passed_over = table.notes.passed_over.clone();
            self.report.passed_over.extend(passed_over);
        }
        if expected.0 == Side::Source {
            self.note_unnamed(&expected.1.notes);
        }
        let has_owners = expected.1.has_source_type || actual.1.has_source_type;
        if has_owners {
            self.report.database_only.push(SOURCE_TYPE.to_owned());
        }
        self.report.compared_as_text = self.pair.contract.compared_as_text();
        self.report.settle(self.differences);
        self.report
    }

    // N8, N21: what the source leaves to the database.
    fn note_unnamed(&mut self, notes: &Notes) {
        let columns = self.pair.contract.columns.iter().zip(&self.fills);
        for (index, (column, _)) in columns
            .enumerate()
            .filter(|(_, (_, fill))| **fill == Fill::Open)
        {
            let named = notes.named.get(index).copied().unwrap_or_default();
            if named == 0 && self.pair.knows_defaults && !column.as_text {
                self.report.database_only.push(column.name.clone());
            } else if named < notes.rows || column.as_text {
                self.report.not_judged.push(NotJudged {
                    column: column.name.clone(),
                    rows: if column.as_text {
                        notes.rows
                    } else {
                        notes.rows - named
                    },
                    why: match (self.pair.knows_defaults, column.as_text) {
                        (true, true) => "is published in PostgreSQL's own spelling",
                        (true, false) => "takes another value each time from the database",
                        (false, _) => {
                            "only the database's catalog tells what it has where a file is silent"
                        }
                    },
                });
            }
        }
    }
}
