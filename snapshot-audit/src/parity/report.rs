//! What parity has found, in full up to a limit and always with the right numbers.
//!
//! Nothing here depends on the clock, a process or a temporary file: the same three sides
//! give the same bytes.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use super::normalize::UsedRule;

/// A side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The files that people edit.
    Source,
    /// The tables of the database.
    Database,
    /// The objects that are published.
    Snapshot,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Database => "database",
            Self::Snapshot => "snapshot",
        })
    }
}

/// What kind a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A field that has another value on the other side.
    Value,
    /// A key that is gone from an object.
    MissingKey,
    /// A key that an object should not have.
    ExtraKey,
    /// Keys of one object that are on either side alone.
    RenamedKey,
    /// The elements of an array, in another order.
    ElementOrder,
    /// An array with more or fewer elements.
    ElementCount,
    /// A row that is gone.
    MissingRow,
    /// A row that should not be there.
    ExtraRow,
    /// A row under a key that another row of the same side has.
    DoubledRow,
    /// A row that is published and inactive.
    PublishedInactive,
    /// The first row that stands behind one that it should precede.
    RowOrder,
    /// What is no row, or no file of rows.
    Unreadable,
    /// A column that is there on one side alone, or has another type.
    Column,
    /// The sides name other columns as the primary key.
    PrimaryKey,
    /// A table that is gone.
    MissingTable,
    /// A table that should not be there.
    ExtraTable,
}

/// One difference between two sides: where, and what each of them has.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The key of the table that it is in.
    pub table: String,
    /// The row's primary key, by column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub key: BTreeMap<String, Box<RawValue>>,
    /// The column, or the key of the file's row that is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The place within its value, as a JSON pointer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// What kind it is.
    pub kind: Kind,
    /// What was expected, in normal form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Box<RawValue>>,
    /// What is there, in normal form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Box<RawValue>>,
    /// What a value does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Difference {
    /// A difference of a table as a whole.
    pub fn of_table(table: &str, kind: Kind) -> Self {
        Self {
            table: table.to_owned(),
            key: BTreeMap::new(),
            field: None,
            pointer: String::new(),
            kind,
            expected: None,
            actual: None,
            note: None,
        }
    }

    /// The key's values as they are shown: `"NEUTRAL"`, `("A", 7)`.
    pub fn key_text(&self) -> Option<String> {
        let values: Vec<&str> = self.key.values().map(|value| value.get()).collect();
        match values.as_slice() {
            [] => None,
            [one] => Some((*one).to_owned()),
            many => Some(format!("({})", many.join(", "))),
        }
    }

    /// `grips / "NEUTRAL" / delta_rules /VERTICAL_PULL/BRACHIALIS`
    pub fn place(&self) -> String {
        let mut place = self.table.clone();
        for part in [self.key_text(), self.field.clone()].into_iter().flatten() {
            place.push_str(" / ");
            place.push_str(&part);
        }
        if !self.pointer.is_empty() {
            place.push(' ');
            place.push_str(&self.pointer);
        }
        place
    }
}

/// Differences as they are found: the first ones, and how many there are.
#[derive(Debug)]
pub(super) struct Differences {
    limit: usize,
    shown: Vec<Difference>,
    total: u64,
}

impl Differences {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            shown: Vec::new(),
            total: 0,
        }
    }

    /// Notes a difference; one that is not shown is not made.
    pub(super) fn note(&mut self, make: impl FnOnce() -> Difference) {
        self.total += 1;
        if self.shown.len() < self.limit {
            self.shown.push(make());
        }
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.total += other.total;
        let room = self.limit - self.shown.len();
        self.shown.extend(other.shown.iter().take(room).cloned());
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn into_shown(self) -> Vec<Difference> {
        self.shown
    }
}

/// A rule of the contract without which some values would have differed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleUse {
    /// The side that needed it.
    pub side: Side,
    /// The column whose values needed it.
    pub column: String,
    /// The clause of `docs/normalization.md`.
    pub clause: &'static str,
    /// What the rule did to the values, for people.
    pub what: &'static str,
    /// For how many values.
    pub count: u64,
}

impl RuleUse {
    pub(super) fn of(side: Side, column: &str, rule: UsedRule, count: u64) -> Self {
        Self {
            side,
            column: column.to_owned(),
            clause: rule.clause(),
            what: rule.words(),
            count,
        }
    }
}

/// Rows that belong to administrators, which no file knows (N23).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminRows {
    /// How many there are.
    pub count: u64,
    /// How many of them a file names too.
    pub also_in_source: u64,
    /// Keys of the first ones, as they are shown.
    pub keys: Vec<String>,
}

/// Values that nobody can judge, because only the database knows them (N8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotJudged {
    /// The column that nobody could judge.
    pub column: String,
    /// In how many rows.
    pub rows: u64,
    /// Why it was not judged, for people.
    pub why: &'static str,
}

/// Rows of a table, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowCounts {
    /// Rows of the side that is expected.
    pub expected: u64,
    /// Rows of the side that is compared with it.
    pub actual: u64,
    /// Rows that are the same on both.
    pub equal: u64,
    /// Rows that are inactive, and rightly not published (N22).
    pub unpublished: u64,
    /// Rows that have left the file and are inactive in the database (N22).
    pub retired: u64,
}

/// One table of one pair.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// The key of the table, as apps see it.
    pub table: String,
    /// Whether both sides hold the same.
    pub passed: bool,
    /// Why it was not compared, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'static str>,
    /// How many rows each side has, and how many are equal.
    pub rows: RowCounts,
    /// How many differences there are.
    pub difference_count: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// Rules that were needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleUse>,
    /// How many rows of administrators there are, and where.
    #[serde(skip_serializing_if = "is_default")]
    pub admin_owned: AdminRows,
    /// Keys of the file's rows that are no data, and in how many rows (N20).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub passed_over: BTreeMap<String, u64>,
    /// Columns that only the database knows (N21).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub database_only: Vec<String>,
    /// What could not be judged (N8).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_judged: Vec<NotJudged>,
    /// Columns of types without a rule (N19).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared_as_text: Vec<String>,
}

fn is_default(rows: &AdminRows) -> bool {
    rows.count == 0
}

impl TableReport {
    /// A table that is not compared.
    pub fn skipped(table: &str, why: &'static str) -> Self {
        Self {
            skipped: Some(why),
            ..Self::of(table)
        }
    }

    /// A table without a difference so far.
    pub(super) fn of(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            passed: true,
            skipped: None,
            rows: RowCounts::default(),
            difference_count: 0,
            differences: Vec::new(),
            rules: Vec::new(),
            admin_owned: AdminRows::default(),
            passed_over: BTreeMap::new(),
            database_only: Vec::new(),
            not_judged: Vec::new(),
            compared_as_text: Vec::new(),
        }
    }

    pub(super) fn settle(&mut self, differences: Differences) {
        self.passed = differences.total() == 0;
        self.difference_count = differences.total();
        self.differences = differences.into_shown();
    }

    /// How many differences are not shown.
    pub fn more(&self) -> u64 {
        self.difference_count - self.differences.len() as u64
    }
}

/// Two sides and what was found between them, table by table.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PairReport {
    /// The side that is taken for right.
    pub expected: Side,
    /// The side that is held to it.
    pub actual: Side,
    /// Whether both hold the same.
    pub passed: bool,
    /// Tables that were compared.
    pub table_count: u64,
    /// Those of them that differ.
    pub failed_count: u64,
    /// Rows that are the same on both sides.
    pub equal_rows: u64,
    /// Differences of all tables.
    pub difference_count: u64,
    /// Rows of administrators, which stand apart.
    pub admin_owned: u64,
    /// Each table, in order of its key.
    pub tables: Vec<TableReport>,
}

impl PairReport {
    /// Adds the tables up.
    pub fn of(expected: Side, actual: Side, tables: Vec<TableReport>) -> Self {
        let compared = || tables.iter().filter(|table| table.skipped.is_none());
        Self {
            expected,
            actual,
            passed: tables.iter().all(|table| table.passed),
            table_count: compared().count() as u64,
            failed_count: compared().filter(|table| !table.passed).count() as u64,
            equal_rows: tables.iter().map(|table| table.rows.equal).sum(),
            difference_count: tables.iter().map(|table| table.difference_count).sum(),
            admin_owned: tables.iter().map(|table| table.admin_owned.count).sum(),
            tables,
        }
    }
}

/// All that was compared.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether all sides hold the same.
    pub passed: bool,
    /// Differences of all pairs.
    pub difference_count: u64,
    /// Where each side is.
    pub sides: BTreeMap<Side, String>,
    /// What says which columns there are, and what they have where a file is silent.
    pub catalog: &'static str,
    /// SQL names of tables that the settings exclude (N25).
    pub excluded: Vec<String>,
    /// Files that the settings pass over (N25).
    pub ignored_files: Vec<String>,
    /// Each pair of sides, in the order source, database, snapshot.
    pub pairs: Vec<PairReport>,
}

impl Report {
    /// Whether there is any difference, and how many.
    pub fn settle(&mut self) {
        self.passed = self.pairs.iter().all(|pair| pair.passed);
        self.difference_count = self.pairs.iter().map(|pair| pair.difference_count).sum();
    }
}

/// A value in normal form, as JSON.
pub(super) fn raw(normal: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(normal.to_owned()).ok()
}
