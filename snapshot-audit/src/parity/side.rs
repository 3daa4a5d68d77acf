//! One table on one side: its rows, in normal form and in order of their keys.

use std::collections::BTreeMap;
use std::io;

use serde_json::value::RawValue;

use super::normalize::{Contract, Normal, Notes, Spelling};
use super::report::{Difference, Differences, Kind, Side, raw};
use super::sorted::{Record, Sorted, Sorter};
use super::values::members;

/// One table on one side, every row in normal form.
#[derive(Debug)]
pub struct TableSide {
    /// The rows, in order of their keys.
    pub rows: Sorted,
    /// What normalizing them has needed.
    pub notes: Notes,
    /// The types of its columns, where the side knows them.
    pub types: Option<BTreeMap<String, String>>,
    /// The names of its primary key, where the side knows them.
    pub primary_key: Option<Vec<String>>,
    /// What is wrong with the side by itself.
    pub(super) unreadable: Differences,
    /// Whether its rows have owners.
    pub has_source_type: bool,
}

/// The rows of a table on one side, as they are read.
#[derive(Debug)]
pub struct Gathering<'c> {
    side: Side,
    table: &'c str,
    contract: &'c Contract,
    notes: Notes,
    pub(super) unreadable: Differences,
    sorter: Sorter,
}

impl<'c> Gathering<'c> {
    /// Begins with no row. The first `limit` of what is wrong with the side by itself are
    /// shown.
    pub fn new(side: Side, table: &'c str, contract: &'c Contract, limit: usize) -> Self {
        Self {
            side,
            table,
            contract,
            notes: Notes::default(),
            unreadable: Differences::new(limit),
            sorter: Sorter::default(),
        }
    }

    /// Takes a row, and in a map its key; `place` says where a byte of it stands, for
    /// messages. What is no row is noted.
    ///
    /// # Errors
    /// Where rows cannot be put aside.
    pub fn row(
        &mut self,
        key: Option<&str>,
        text: &str,
        place: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        let spelling = match self.side {
            Side::Source => Spelling::Source,
            Side::Database => Spelling::Database,
            Side::Snapshot => Spelling::Published,
        };
        match self.contract.row(spelling, key, text, &mut self.notes) {
            Err((offset, message)) => {
                self.unreadable(&format!("{}: {message}", place(offset)));
                Ok(())
            }
            Ok(normal) => self.take(normal, place),
        }
    }

    fn take(&mut self, normal: Normal, place: impl Fn(usize) -> String) -> io::Result<()> {
        for fault in &normal.faults {
            let (table, contract) = (self.table, self.contract);
            let is_expected = self.side == Side::Source;
            self.unreadable.note(|| {
                let row = raw(&normal.row);
                let mut difference = Difference {
                    key: key_of(contract, &normal.row),
                    note: Some(format!("{}: {fault}", place(0))),
                    ..Difference::of_table(table, Kind::Unreadable)
                };
                if is_expected {
                    difference.expected = row
                } else {
                    difference.actual = row
                }
                difference
            });
        }
        let Some(key) = normal.key else {
            self.unreadable(&format!("{}: has no value for the primary key", place(0)));
            return Ok(());
        };
        self.sorter.push(Record {
            key: key.into(),
            row: normal.row.into(),
            inactive: normal.inactive,
            admin: normal.admin,
        })
    }

    /// Notes what cannot be read as a row.
    pub fn unreadable(&mut self, what: &str) {
        let table = self.table;
        self.unreadable.note(|| Difference {
            note: Some(what.to_owned()),
            ..Difference::of_table(table, Kind::Unreadable)
        });
    }

    /// Counts a key of the side that is no data (N20).
    pub fn pass_over(&mut self, key: &str) {
        self.notes.pass_over(key);
    }

    /// The side, as it is compared.
    ///
    /// # Errors
    /// Where rows cannot be put aside.
    pub fn finish(self) -> io::Result<TableSide> {
        Ok(TableSide {
            rows: self.sorter.finish()?,
            notes: self.notes,
            types: None,
            primary_key: None,
            unreadable: self.unreadable,
            has_source_type: false,
        })
    }
}

/// The key of a row in normal form: its columns, and the values in them.
pub(super) fn key_of(contract: &Contract, row: &str) -> BTreeMap<String, Box<RawValue>> {
    let mut members = members(row);
    let columns = contract
        .primary_key
        .iter()
        .map(|index| &contract.columns[*index].name);
    columns
        .filter_map(|name| Some((name.clone(), raw(&members.remove(name)?)?)))
        .collect()
}
