//! The three sides: each gives a table's rows to the same contract.

pub mod database;
pub mod snapshot;
pub mod source;

use std::io;

use super::compare::{TableSide, key_of};
use super::normalize::{Contract, Normal, Notes, Spelling};
use super::report::{Difference, Findings, Kind, Side, raw};
use super::sorted::{Record, Sorter};

// The rows of a table on one side, as they are read.
struct Gathering<'c> {
    side: Side,
    table: &'c str,
    contract: &'c Contract,
    notes: Notes,
    defects: Findings,
    sorter: Sorter,
}

impl<'c> Gathering<'c> {
    fn new(side: Side, table: &'c str, contract: &'c Contract, limit: usize) -> Self {
        Self {
            side,
            table,
            contract,
            notes: Notes::default(),
            defects: Findings::new(limit),
            sorter: Sorter::default(),
        }
    }

    // A row, and in a map its key; `place` says where it stands, for messages.
    fn row(
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
            self.defects.note(|| {
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

    fn unreadable(&mut self, what: &str) {
        let table = self.table;
        self.defects.note(|| Difference {
            note: Some(what.to_owned()),
            ..Difference::of_table(table, Kind::Unreadable)
        });
    }

    fn finish(self) -> io::Result<TableSide> {
        Ok(TableSide {
            rows: self.sorter.finish()?,
            notes: self.notes,
            types: None,
            primary_key: None,
            defects: self.defects,
            has_source_type: false,
        })
    }
}

/// Rows as the database writes them, for tests.
#[cfg(test)]
pub(super) fn database_rows(table: &str, contract: &Contract, rows: &[String]) -> TableSide {
    given_rows(Side::Database, table, contract, rows)
        .finish()
        .expect("a temporary file")
}

/// Rows as they are published, for tests.
#[cfg(test)]
pub(super) fn published_rows(table: &str, contract: &Contract, rows: &[String]) -> TableSide {
    let mut gathering = given_rows(Side::Snapshot, table, contract, rows);
    snapshot::judge_order(&mut gathering, table, contract, rows);
    gathering.finish().expect("a temporary file")
}

#[cfg(test)]
fn given_rows<'c>(
    side: Side,
    table: &'c str,
    contract: &'c Contract,
    rows: &[String],
) -> Gathering<'c> {
    let mut gathering = Gathering::new(side, table, contract, 20);
    for row in rows {
        gathering
            .row(None, row, |offset| format!("byte {offset}"))
            .expect("a temporary file");
    }
    gathering
}
