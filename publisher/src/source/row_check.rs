//! What can be said of rows without those that stand before them.
//!
//! That is nearly all of it, and most of the work: so a large file's rows are checked in
//! batches, on every core. What remains, whether a key came before, is for the one that
//! sees all of them in order.

use std::collections::{HashSet, VecDeque};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use super::decode::RowDecoder;
use super::keys::{KeyHash, KeySets, References, hash_of};
use super::problems::Problems;
use super::raw_row::{RawRow, RowBatch};
use crate::config::Config;
use crate::schema::Table;

/// Checks rows of one table's file.
#[derive(Clone, Copy)]
pub(super) struct RowCheck<'c> {
    pub(super) table: &'c Table,
    pub(super) file: &'c str,
    pub(super) config: &'c Config,
    /// The column that says whether a row is active.
    pub(super) is_active: Option<usize>,
    /// The keys of the tables that were read before; those of this table are not in it.
    pub(super) keys: &'c KeySets,
    /// The columns of each key that some foreign key points at.
    pub(super) filled: &'c [Vec<usize>],
    /// The key set that each foreign key points into.
    pub(super) pointed_at: &'c [Option<usize>],
    /// Whether all references are gathered, not only the open ones.
    pub(super) gathers: bool,
}

/// What is known of a batch of rows.
pub(super) struct CheckedBatch {
    /// The rows themselves.
    pub(super) rows: RowBatch,
    /// What is wrong with them, each on its own.
    pub(super) problems: Problems,
    /// How many of them name each column.
    pub(super) named: Vec<u64>,
    /// How many of them are not active.
    pub(super) inactive: u64,
    /// The primary key of each row, where it has one.
    pub(super) primary_keys: Vec<Option<KeyHash>>,
    /// The other keys of each row, those of one row behind each other.
    pub(super) filled: Vec<FilledKey>,
    /// References to rows of this table, or to none that was read before.
    pub(super) open: Vec<OpenReference>,
    /// For each foreign key the rows that are referred to, where that is asked for.
    pub(super) references: References,
}

/// A key of a row that foreign keys may point at.
#[derive(Clone, Copy)]
pub(super) enum FilledKey {
    Known(KeyHash),
    /// A part of it is null, so nothing points at it.
    Null,
    /// A part of it is among what is wrong with the row.
    Unknown,
}

/// A reference whose row has not been met.
pub(super) struct OpenReference {
    /// The row that holds it, as an index into the batch.
    pub(super) row: usize,
    /// The foreign key, as an index into the table's.
    pub(super) foreign_key: usize,
    /// The set that it points into.
    pub(super) set: usize,
    /// The key that it names.
    pub(super) target: KeyHash,
}

impl<'c> RowCheck<'c> {
    /// A decoder for the rows.
    pub(super) fn decoder(&self) -> RowDecoder<'c> {
        RowDecoder::new(self.table, self.config)
    }

    /// Checks each row of a batch.
    pub(super) fn check(&self, decoder: &mut RowDecoder<'_>, rows: RowBatch) -> CheckedBatch {
        let mut checked = CheckedBatch {
            rows: RowBatch::default(),
            problems: Problems::default(),
            named: vec![0; self.table.columns.len()],
            inactive: 0,
            primary_keys: Vec::new(),
            filled: Vec::new(),
            open: Vec::new(),
            references: vec![HashSet::new(); self.table.foreign_keys.len()],
        };
        for (index, row) in rows.rows().enumerate() {
            self.check_row(decoder, index, &row, &mut checked);
        }
        checked.rows = rows;
        checked
    }

    fn check_row(
        &self,
        decoder: &mut RowDecoder<'_>,
        index: usize,
        row: &RawRow<'_>,
        checked: &mut CheckedBatch,
    ) {
        let sound = decoder.decode(self.file, row, &mut checked.problems);
        for (column, count) in checked.named.iter_mut().enumerate() {
            *count += u64::from(decoder.names(column));
        }
        checked.inactive += u64::from(self.is_inactive(decoder));
        let primary_key = hash_of(decoder, &self.table.primary_key);
        checked.primary_keys.push(primary_key);
        for columns in self.filled {
            checked.filled.push(match hash_of(decoder, columns) {
                Some(hash) => FilledKey::Known(hash),
                None if sound => FilledKey::Null,
                None => FilledKey::Unknown,
            });
        }
        let references = self.table.foreign_keys.iter().zip(self.pointed_at);
        for (foreign_key, (fk, set)) in references.enumerate() {
            let Some(set) = *set else { continue };
            // A reference with a null in it points nowhere (MATCH SIMPLE).
            let Some(target) = hash_of(decoder, &fk.columns) else {
                continue;
            };
            if self.gathers {
                checked.references[foreign_key].insert(target);
            }
            if !self.keys.holds(set, &target) {
                checked.open.push(OpenReference {
                    row: index,
                    foreign_key,
                    set,
                    target,
                });
            }
        }
    }
}

impl RowCheck<'_> {
    // A row that does not say takes the column's default, and is active where there is none.
    fn is_inactive(&self, decoder: &RowDecoder<'_>) -> bool {
        self.is_active
            .is_some_and(|index| match decoder.value(index) {
                Some(value) => value == "f",
                None => self.table.columns[index].default.as_deref() == Some("false"),
            })
    }
}

/// Checks batches on several threads and gives them back in their order.
pub(super) struct Workers {
    workers: Vec<Worker>,
    // Which worker has the oldest batch, and so on.
    busy: VecDeque<usize>,
    next: usize,
}

struct Worker {
    to_check: SyncSender<RowBatch>,
    checked: Receiver<CheckedBatch>,
}

// Batches that wait for a worker, so that none is idle while the file is split.
const WAITING: usize = 2;

impl Workers {
    /// One worker for each core; they end when this value is dropped.
    pub(super) fn start<'s>(scope: &'s Scope<'s, '_>, check: RowCheck<'s>) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let start = |_| {
            let (to_check, batches) = sync_channel(WAITING);
            // As many as it may hold at once, so that it never waits for being asked.
            let (done, checked) = sync_channel(WAITING + 1);
            scope.spawn(move || work(check, &batches, &done));
            Worker { to_check, checked }
        };
        Self {
            workers: (0..cores).map(start).collect(),
            busy: VecDeque::new(),
            next: 0,
        }
    }

    /// Hands a batch over; gives the oldest one back where every worker has enough.
    pub(super) fn submit(&mut self, batch: RowBatch) -> Option<CheckedBatch> {
        let oldest = if self.busy.len() < WAITING * self.workers.len() {
            None
        } else {
            self.take()
        };
        let sent = self.workers[self.next].to_check.send(batch);
        sent.expect("a worker receives until it is dropped");
        self.busy.push_back(self.next);
        self.next = (self.next + 1) % self.workers.len();
        oldest
    }

    /// The oldest batch; `None` where all were given back.
    pub(super) fn take(&mut self) -> Option<CheckedBatch> {
        let worker = self.busy.pop_front()?;
        let checked = self.workers[worker].checked.recv();
        Some(checked.expect("a worker answers each batch"))
    }
}

fn work(check: RowCheck<'_>, batches: &Receiver<RowBatch>, done: &SyncSender<CheckedBatch>) {
    let mut decoder = check.decoder();
    for batch in batches {
        if done.send(check.check(&mut decoder, batch)).is_err() {
            return;
        }
    }
}
