//! Finds what became of each row, by its primary key.
//!
//! Both sides are read in step. What stands at the same place on both sides, byte for
//! byte, is done with at once; everything else waits for its counterpart under its key.
//! Rows come in their order, so a row that was added makes one row wait and no more, and
//! memory holds what was moved or changed around the place that is being read. Where more
//! waits than the budget allows (a table that was sorted anew), all that is left goes to
//! temporary files, divided by key, each of which is then small enough.

use std::collections::HashMap;
use std::io;

use snapshot_format::TableEntry;
use snapshot_format::json::{Member, Parser};

use super::spill::{Partitions, spilled_pairs};
use crate::published::{Rows, RowsError};

/// How the rows of two sides are matched and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowShape {
    /// The columns by which a row is known, the same on both sides.
    pub primary_key: Vec<String>,
    /// The columns that are compared, where the sides have different ones; `None`
    /// compares whole rows.
    pub compared: Option<Vec<String>>,
    /// How many bytes of rows may wait in memory.
    pub memory_bytes: usize,
}

/// Rows beyond that wait in temporary files.
const MEMORY_BYTES: usize = 64 * 1024 * 1024;

impl RowShape {
    /// For two states of a table: matched by the primary key of `to`, compared by the
    /// columns that both have. `None` where the primary keys differ, so that no row of
    /// one side is a row of the other.
    pub fn of(from: &TableEntry, to: &TableEntry) -> Option<Self> {
        if from.primary_key != to.primary_key {
            return None;
        }
        let same = from.columns.keys().eq(to.columns.keys());
        let common = || {
            let columns = to.columns.keys();
            let common = columns.filter(|name| from.columns.contains_key(*name));
            common.cloned().collect()
        };
        Some(Self {
            primary_key: to.primary_key.clone(),
            compared: (!same).then(common),
            memory_bytes: MEMORY_BYTES,
        })
    }
}

/// What became of one row, whose canonical bytes are lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChange<'r> {
    /// A row of the new side alone: its canonical bytes.
    Added(&'r str),
    /// A row of the old side alone: its canonical bytes.
    Removed(&'r str),
    /// It has other values.
    Changed {
        /// The row as the old side has it: its canonical bytes.
        from: &'r str,
        /// The row as the new side has it.
        to: &'r str,
    },
}

/// How many rows became what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowCounts {
    /// How many rows only the new side has.
    pub added: u64,
    /// Those that are gone.
    pub removed: u64,
    /// Those with other values.
    pub changed: u64,
    /// All others that are there.
    pub unchanged: u64,
}

/// Why two sides cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The rows of one side do not come.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// A row is not an object with the key's columns.
    #[error("a row is not one of its table: {0}")]
    Row(String),
    /// Two rows of one side have one key.
    #[error("two rows have the primary key {0}")]
    Twice(String),
    /// What does not fit into memory cannot be put aside.
    #[error("failed to put rows aside in {}", std::env::temp_dir().display())]
    Spill(#[source] io::Error),
    /// The manifest cannot be read.
    #[error("{location} {what}")]
    Manifest {
        /// The path or URL.
        location: String,
        /// What is wrong with it.
        what: String,
    },
}

impl DiffError {
    /// What may help, for people; `None` where nothing general does.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Rows(error) => error.hint(),
            Self::Row(_) | Self::Twice(_) | Self::Manifest { .. } => {
                Some("`publisher verify --all` names everything that is wrong there")
            }
            Self::Spill(_) => Some("name a folder with more room in TMPDIR"),
        }
    }
}

/// Compares two sides of a table and hands each row on that is not the same on both, in
/// no order that is promised.
///
/// # Errors
/// Where a side cannot be read, or is no table of that shape.
pub fn diff_rows(
    shape: &RowShape,
    from: &mut dyn Rows,
    to: &mut dyn Rows,
    each: &mut dyn FnMut(RowChange<'_>),
) -> Result<RowCounts, DiffError> {
    match in_step(shape, from, to, each)? {
        Ended::Compared(counts) => Ok(counts),
        Ended::TooMuchWaits(join) => join.spilled(from, to),
    }
}

enum Ended<'d> {
    Compared(RowCounts),
    TooMuchWaits(Join<'d>),
}

fn in_step<'d>(
    shape: &'d RowShape,
    from: &mut dyn Rows,
    to: &mut dyn Rows,
    each: &'d mut dyn FnMut(RowChange<'_>),
) -> Result<Ended<'d>, DiffError> {
    let mut join = Join {
        shape,
        removed: Waiting::default(),
        added: Waiting::default(),
        counts: RowCounts::default(),
        each,
    };
    let (mut last_from, mut last_to) = (Vec::new(), Vec::new());
    loop {
        let there = (take(from, &mut last_from)?, take(to, &mut last_to)?);
        match there {
            (false, false) => break,
            (true, true) if last_from == last_to => {
                join.counts.unchanged += 1;
                continue;
            }
            _ => {}
        }
        if there.0 {
            join.take_from(&last_from)?;
        }
        if there.1 {
            join.take_to(&last_to)?;
        }
        if join.removed.bytes + join.added.bytes > shape.memory_bytes {
            return Ok(Ended::TooMuchWaits(join));
        }
    }
    Ok(Ended::Compared(join.finish()))
}

// Copies the next row, if there is one.
fn take(rows: &mut dyn Rows, row: &mut Vec<u8>) -> Result<bool, DiffError> {
    row.clear();
    match rows.next_row()? {
        Some(bytes) => {
            row.extend_from_slice(bytes);
            Ok(true)
        }
        None => Ok(false),
    }
}

struct Join<'d> {
    shape: &'d RowShape,
    // Rows of the old side whose counterpart has not come, and of the new side.
    removed: Waiting,
    added: Waiting,
    counts: RowCounts,
    each: &'d mut dyn FnMut(RowChange<'_>),
}

#[derive(Default)]
struct Waiting {
    rows: HashMap<String, String>,
    bytes: usize,
}

// What a row in a map costs beside its bytes.
const ROW_OVERHEAD: usize = 100;

impl Waiting {
    fn take(&mut self, key: &str) -> Option<String> {
        let row = self.rows.remove(key)?;
        self.bytes -= key.len() + row.len() + ROW_OVERHEAD;
        Some(row)
    }

    fn put(&mut self, key: String, row: &str) -> Result<(), DiffError> {
        self.bytes += key.len() + row.len() + ROW_OVERHEAD;
        match self.rows.insert(key, row.to_owned()) {
            None => Ok(()),
            Some(row) => Err(DiffError::Twice(row)),
        }
    }
}

impl Join<'_> {
    fn take_from(&mut self, row: &[u8]) -> Result<(), DiffError> {
        let row = text(row)?;
        let key = key_of(row, &self.shape.primary_key)?;
        match self.added.take(&key) {
            Some(to) => self.both(row, &to),
            None => self.removed.put(key, row),
        }
    }

    fn take_to(&mut self, row: &[u8]) -> Result<(), DiffError> {
        let row = text(row)?;
        let key = key_of(row, &self.shape.primary_key)?;
        match self.removed.take(&key) {
            Some(from) => self.both(&from, row),
            None => self.added.put(key, row),
        }
    }

    fn both(&mut self, from: &str, to: &str) -> Result<(), DiffError> {
        if is_same(self.shape, from, to)? {
            self.counts.unchanged += 1;
        } else {
            self.counts.changed += 1;
            (self.each)(RowChange::Changed { from, to });
        }
        Ok(())
    }

    // What still waits has no counterpart.
    fn finish(self) -> RowCounts {
        let mut counts = self.counts;
        for row in self.removed.rows.values() {
            counts.removed += 1;
            (self.each)(RowChange::Removed(row));
        }
        for row in self.added.rows.values() {
            counts.added += 1;
            (self.each)(RowChange::Added(row));
        }
        counts
    }

    // All that waits and all that is left of both sides, in parts that fit.
    fn spilled(mut self, from: &mut dyn Rows, to: &mut dyn Rows) -> Result<RowCounts, DiffError> {
        let mut counts = self.counts;
        let shape = self.shape;
        let old = spill(shape, std::mem::take(&mut self.removed), from)?;
        let new = spill(shape, std::mem::take(&mut self.added), to)?;
        for (mut from, mut to) in spilled_pairs(old, new).map_err(DiffError::Spill)? {
            // A part that is still too large would only be divided the same way again.
            let whole = RowShape {
                memory_bytes: usize::MAX,
                ..shape.clone()
            };
            let part = diff_rows(&whole, &mut from, &mut to, self.each)?;
            counts.added += part.added;
            counts.removed += part.removed;
            counts.changed += part.changed;
            counts.unchanged += part.unchanged;
        }
        Ok(counts)
    }
}

fn spill(shape: &RowShape, waiting: Waiting, rows: &mut dyn Rows) -> Result<Partitions, DiffError> {
    let mut partitions = Partitions::new().map_err(DiffError::Spill)?;
    for (key, row) in waiting.rows {
        partitions.put(&key, &row).map_err(DiffError::Spill)?;
    }
    while let Some(row) = rows.next_row()? {
        let row = text(row)?;
        let key = key_of(row, &shape.primary_key)?;
        partitions.put(&key, row).map_err(DiffError::Spill)?;
    }
    Ok(partitions)
}

fn text(row: &[u8]) -> Result<&str, DiffError> {
    std::str::from_utf8(row).map_err(|_| DiffError::Row("it is not UTF-8".to_owned()))
}

/// The members of a row.
pub(super) fn members(row: &str) -> Result<Vec<Member<'_>>, DiffError> {
    let mut members = Vec::new();
    match Parser::new(row).object(|member| members.push(member)) {
        Ok(()) => Ok(members),
        Err(error) => Err(DiffError::Row(format!("byte {}: {error}", error.offset))),
    }
}

// The key's values as they are written, which is one way only.
fn key_of(row: &str, primary_key: &[String]) -> Result<String, DiffError> {
    let members = members(row)?;
    let mut key = String::new();
    for column in primary_key {
        match members.iter().find(|member| member.key == *column) {
            Some(member) => key.push_str(member.raw),
            None => return Err(DiffError::Row(format!("it has no column {column:?}"))),
        }
        key.push('\n');
    }
    Ok(key)
}

fn is_same(shape: &RowShape, from: &str, to: &str) -> Result<bool, DiffError> {
    if from == to {
        return Ok(true);
    }
    let Some(compared) = &shape.compared else {
        return Ok(false);
    };
    let (from, to) = (members(from)?, members(to)?);
    let value = |members: &[Member<'_>], name: &str| {
        let member = members.iter().find(|member| member.key == name);
        member.map(|member| member.raw.to_owned())
    };
    Ok(compared
        .iter()
        .all(|name| value(&from, name) == value(&to, name)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    struct Given<'r>(std::slice::Iter<'r, String>);

    impl Rows for Given<'_> {
        fn next_row(&mut self) -> Result<Option<&[u8]>, RowsError> {
            Ok(self.0.next().map(String::as_bytes))
        }
    }

    fn shape(memory_bytes: usize) -> RowShape {
        RowShape {
            primary_key: vec!["id".to_owned()],
            compared: None,
            memory_bytes,
        }
    }

    fn diff(
        shape: &RowShape,
        from: &[String],
        to: &[String],
    ) -> Result<(RowCounts, Vec<String>), DiffError> {
        let mut changes = Vec::new();
        let counts = diff_rows(
            shape,
            &mut Given(from.iter()),
            &mut Given(to.iter()),
            &mut |change| {
                changes.push(match change {
                    RowChange::Added(row) => format!("+{row}"),
                    RowChange::Removed(row) => format!("-{row}"),
                    RowChange::Changed { from, to } => format!("{from}>{to}"),
                });
            },
        )?;
        changes.sort();
        Ok((counts, changes))
    }

    // A table as a map from key to value, in an order of its own.
    fn rows(table: &[(u8, u8)]) -> Vec<String> {
        let row = |(id, value): &(u8, u8)| format!(r#"{{"id":{id},"value":{value}}}"#);
        table.iter().map(row).collect()
    }

    fn table() -> impl Strategy<Value = Vec<(u8, u8)>> {
        let table = prop::collection::btree_map(0..40_u8, 0..3_u8, 0..30);
        table
            .prop_map(|map| map.into_iter().collect::<Vec<_>>())
            .prop_shuffle()
    }

    proptest! {
        // By maps, which need no order; with much memory, and with hardly any.
        #[test]
        fn it_finds_what_maps_find(from in table(), to in table(), memory in prop_oneof![Just(0), Just(500), Just(1 << 20)]) {
            let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
                (from.iter().copied().collect(), to.iter().copied().collect());
            let text = |id: &u8, value: &u8| rows(&[(*id, *value)]).concat();
            let mut expected = Vec::new();
            let mut counts = RowCounts::default();
            for (id, value) in &old {
                match new.get(id) {
                    None => {
                        counts.removed += 1;
                        expected.push(format!("-{}", text(id, value)));
                    }
                    Some(now) if now == value => counts.unchanged += 1,
                    Some(now) => {
                        counts.changed += 1;
                        expected.push(format!("{}>{}", text(id, value), text(id, now)));
                    }
                }
            }
            for (id, value) in new.iter().filter(|(id, _)| !old.contains_key(id)) {
                counts.added += 1;
                expected.push(format!("+{}", text(id, value)));
            }
            expected.sort();
            let found = diff(&shape(memory), &rows(&from), &rows(&to)).expect("rows");
            prop_assert_eq!(found, (counts, expected));
        }
    }

    #[test]
    fn rows_in_order_hardly_wait() {
        let from: Vec<String> = (1..20_000).map(|id| format!("{{\"id\":{id}}}")).collect();
        let mut to = from.clone();
        // It shifts all others.
        to.insert(0, "{\"id\":0}".to_owned());
        to.remove(10_000);
        let (mut old, mut new) = (Given(from.iter()), Given(to.iter()));
        let little = shape(1000);
        let mut ignore = |_: RowChange<'_>| {};
        let ended = in_step(&little, &mut old, &mut new, &mut ignore).expect("rows");
        let expected = RowCounts {
            added: 1,
            removed: 1,
            changed: 0,
            unchanged: 19_998,
        };
        assert!(matches!(ended, Ended::Compared(counts) if counts == expected));
        to.reverse();
        let (mut old, mut new) = (Given(from.iter()), Given(to.iter()));
        let ended = in_step(&little, &mut old, &mut new, &mut ignore).expect("rows");
        assert!(matches!(ended, Ended::TooMuchWaits(_)));
        assert_eq!(diff(&little, &from, &to).expect("rows").0, expected);
    }

    #[test]
    fn only_the_columns_of_both_sides_are_compared() {
        let from = [r#"{"id":1,"old":1,"same":2}"#.to_owned()];
        let to = [r#"{"id":1,"new":3,"same":2}"#.to_owned()];
        let both = RowShape {
            compared: Some(vec!["id".to_owned(), "same".to_owned()]),
            ..shape(1 << 20)
        };
        assert_eq!(diff(&both, &from, &to).expect("rows").0.unchanged, 1);
        assert_eq!(
            diff(&shape(1 << 20), &from, &to).expect("rows").0.changed,
            1
        );
    }

    #[test]
    fn what_is_no_row_of_the_table_is_refused() {
        let row = |text: &str| [text.to_owned()];
        let refused = |from: &[String]| {
            let error = diff(&shape(1 << 20), from, &[]).expect_err("refused");
            error.to_string()
        };
        assert_eq!(
            refused(&row("{\"key\":1}")),
            "a row is not one of its table: it has no column \"id\""
        );
        assert_eq!(
            refused(&row("[1]")),
            "a row is not one of its table: byte 0: expected an object, found '['"
        );
        let twice = ["{\"id\":1}".to_owned(), "{\"id\":1}".to_owned()];
        assert_eq!(refused(&twice), "two rows have the primary key {\"id\":1}");
    }
}
