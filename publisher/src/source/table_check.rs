//! One table's file: its rows seen in their order, beside what `row_check` says of each.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::thread;

use snapshot_format::{IS_ACTIVE, SOURCE_TYPE};

use super::decode::RowDecoder;
use super::files::SourceFile;
use super::keys::{FilledSet, KeyHash, KeySets, References};
use super::problem::{Place, Problem};
use super::problems::{MAX_LISTED, Problems, Subject};
use super::raw_row::{RawRow, RowBatch};
use super::row_check::{CheckedBatch, FilledKey, OpenReference, RowCheck, Workers};
use super::split::{RowReader, SplitError};
use super::table::{Dangling, SourceTable};
use crate::config::Config;
use crate::progress::Progress;
use crate::schema::{ForeignKey, Table};

/// A reference to a row that has not been read yet, if it ever will be.
pub(super) struct Pending {
    pub(super) set: usize,
    pub(super) target: KeyHash,
    pub(super) dangling: Dangling,
}

/// Sees a table's rows in their order.
pub(super) struct TableCheck<'c, 't> {
    table: &'t Table,
    file: &'c SourceFile,
    config: &'c Config,
    problems: &'c mut Problems,
    // Each key with the row and the line where it came first.
    primary_keys: HashMap<KeyHash, (u32, u32)>,
    /// The key sets that this table fills.
    pub(super) filled: Vec<FilledSet>,
    /// Whether the sets hold a key of every row.
    pub(super) is_known: bool,
    // How many rows name each column.
    named: Vec<u64>,
    rows: u64,
    inactive: u64,
    pub(super) open: Vec<Pending>,
    // How many open references a foreign key has to a row, and which of `open` is the last.
    open_to: HashMap<(usize, KeyHash), (usize, usize)>,
    /// Whether `references` is filled: the rows that each foreign key refers to.
    pub(super) gathers: bool,
    pub(super) references: References,
}

// A batch is large enough to be worth a thread's attention, and small enough that the
// batches on their way need little memory.
const BATCH_SIZE: usize = 128 * 1024;

// Below that a file is checked before the threads would have started.
const PARALLEL_FROM: u64 = 1024 * 1024;

impl<'c, 't> TableCheck<'c, 't> {
    pub(super) fn new(
        table: &'t Table,
        file: &'c SourceFile,
        config: &'c Config,
        keys: &KeySets,
        problems: &'c mut Problems,
    ) -> Self {
        Self {
            table,
            file,
            config,
            problems,
            primary_keys: HashMap::new(),
            filled: keys.filled_by(table),
            is_known: true,
            named: vec![0; table.columns.len()],
            rows: 0,
            inactive: 0,
            open: Vec::new(),
            open_to: HashMap::new(),
            gathers: false,
            references: vec![HashSet::new(); table.foreign_keys.len()],
        }
    }

    /// `None` where the file is not a whole list of rows.
    pub(super) fn read(&mut self, keys: &KeySets, progress: Progress) -> Option<SourceTable> {
        let mut place = Place::file(&self.file.name);
        match self.read_file(keys, progress) {
            Ok((hash, size)) => {
                self.note_empty();
                return Some(self.source_table(hash, size));
            }
            Err(SplitError::Io(error)) => {
                self.problems
                    .push(place, format!("cannot be read: {error}"));
            }
            Err(SplitError::Syntax { position, message }) => {
                place.position = Some(position);
                self.problems.push(place, message);
            }
        }
        None
    }

    fn read_file(
        &mut self,
        keys: &KeySets,
        progress: Progress,
    ) -> Result<(blake3::Hash, u64), SplitError> {
        let input = self.file.open()?;
        let size = input.metadata()?.len();
        let bar = progress.bytes(&format!("validate {}", self.file.name), size);
        let columns: Vec<_> = self.filled.iter().map(|set| set.columns.clone()).collect();
        let check = RowCheck {
            table: self.table,
            file: &self.file.name,
            config: self.config,
            is_active: self.is_active(),
            keys,
            filled: &columns,
            pointed_at: &keys.pointed_at_by(self.table),
            gathers: self.gathers,
        };
        let result = if size < PARALLEL_FROM {
            self.read_rows(check, bar.wrap_read(input))
        } else {
            self.read_rows_in_parallel(check, bar.wrap_read(input))
        };
        bar.finish_and_clear();
        Ok((result?, size))
    }

    fn is_active(&self) -> Option<usize> {
        let column = self.table.column(IS_ACTIVE);
        column
            .filter(|_| self.table.has_is_active())
            .map(|(index, _)| index)
    }

    fn read_rows(
        &mut self,
        check: RowCheck<'_>,
        input: impl Read,
    ) -> Result<blake3::Hash, SplitError> {
        let (mut checker, mut decoder) = (check.decoder(), check.decoder());
        for_each_batch(input, check.config, |batch| {
            let checked = check.check(&mut checker, batch);
            self.take_in(checked, &mut decoder)
        })
    }

    fn read_rows_in_parallel(
        &mut self,
        check: RowCheck<'_>,
        input: impl Read,
    ) -> Result<blake3::Hash, SplitError> {
        let mut decoder = check.decoder();
        thread::scope(|scope| {
            let mut workers = Workers::start(scope, check);
            let result = for_each_batch(input, check.config, |batch| match workers.submit(batch) {
                Some(checked) => self.take_in(checked, &mut decoder),
                None => RowBatch::default(),
            });
            // A file that breaks off has rows before that, and each may have its problems.
            while let Some(checked) = workers.take() {
                self.take_in(checked, &mut decoder);
            }
            result
        })
    }

    // Gives the batch back, empty, to be filled again.
    fn take_in(&mut self, checked: CheckedBatch, decoder: &mut RowDecoder<'_>) -> RowBatch {
        let CheckedBatch {
            mut rows,
            problems,
            named,
            inactive,
            primary_keys,
            filled,
            open,
            references,
        } = checked;
        self.problems.extend(problems);
        for (all, some) in self.references.iter_mut().zip(references) {
            all.extend(some);
        }
        self.inactive += inactive;
        for (sum, count) in self.named.iter_mut().zip(named) {
            *sum += count;
        }
        for (row, key) in rows.rows().zip(primary_keys) {
            self.rows += 1;
            if let Some(key) = key {
                self.note_duplicate(key, &row, decoder);
            }
        }
        if !self.filled.is_empty() {
            for keys in filled.chunks_exact(self.filled.len()) {
                self.fill(keys);
            }
        }
        for reference in open {
            let row = rows.row(reference.row);
            self.note_open(&reference, &row, decoder);
        }
        rows.clear();
        rows
    }

    fn note_duplicate(&mut self, key: KeyHash, row: &RawRow<'_>, decoder: &mut RowDecoder<'_>) {
        let here = (small(row.number), small(row.position.0));
        let first = *self.primary_keys.entry(key).or_insert(here);
        if first == here {
            return;
        }
        let message = format!(
            "duplicate primary key, first in row {} (line {})",
            first.0, first.1
        );
        let Self {
            table,
            file,
            problems,
            ..
        } = self;
        let subject = Subject {
            file: &file.name,
            row: Some(row.number),
            column: None,
            message: &message,
        };
        problems.add(subject, || {
            decode_again(decoder, row);
            Problem {
                place: Some(place_of(table, file, decoder, row, None)),
                message: message.clone(),
            }
        });
    }

    fn fill(&mut self, keys: &[FilledKey]) {
        for (set, key) in self.filled.iter_mut().zip(keys) {
            match key {
                FilledKey::Known(key) => {
                    set.keys.insert(*key);
                }
                FilledKey::Null => {}
                FilledKey::Unknown => self.is_known = false,
            }
        }
    }

    fn note_open(
        &mut self,
        reference: &OpenReference,
        row: &RawRow<'_>,
        decoder: &mut RowDecoder<'_>,
    ) {
        let OpenReference { set, target, .. } = *reference;
        let own = self.filled.iter().find(|filled| filled.index == set);
        if own.is_some_and(|own| own.keys.contains(&target)) {
            return;
        }
        // Of many to one row, which may come to the end of the file, the first are enough.
        let next = self.open.len();
        let (count, last) = self
            .open_to
            .entry((reference.foreign_key, target))
            .or_insert((0, next));
        *count += 1;
        if *count > MAX_LISTED {
            self.open[*last].dangling.also += 1;
            return;
        }
        *last = next;
        decode_again(decoder, row);
        let foreign_key = &self.table.foreign_keys[reference.foreign_key];
        let columns = foreign_key.columns.iter();
        let values = columns.filter_map(|&column| decoder.value(column));
        let dangling = Dangling {
            place: place_of(self.table, self.file, decoder, row, Some(foreign_key)),
            target: foreign_key.target.clone(),
            target_columns: foreign_key.target_columns.clone(),
            values: values.map(str::to_owned).collect(),
            also: 0,
        };
        self.open.push(Pending {
            set,
            target,
            dangling,
        });
    }

    // A file whose rows are all switched off is as good as empty.
    fn note_empty(&mut self) {
        if self.rows == self.inactive && !self.config.table(self.table).allow_empty {
            let what = match self.rows {
                0 => "the file holds no rows",
                _ => "the file holds no active row",
            };
            let message = format!(
                "{what}, which would deactivate the whole table; if that is meant, set allow_empty = \
                 true under [tables.{}] in tablecast.toml",
                self.table.key
            );
            self.problems.push(Place::file(&self.file.name), message);
        }
    }

    fn source_table(&self, hash: blake3::Hash, size: u64) -> SourceTable {
        let (mut columns, mut defaulted) = (Vec::new(), Vec::new());
        let mut unnamed = Vec::new();
        for (index, column) in self.table.columns.iter().enumerate() {
            let named = self.named[index];
            let null = column.default.is_none() && column.nullable;
            // A file without rows names no column; its rows would still have a key.
            let decided = named > 0 || null || self.table.primary_key.contains(&index);
            if column.generated || column.name == SOURCE_TYPE || !decided {
                continue;
            }
            columns.push(index);
            if named == 0 && null {
                unnamed.push(index);
            }
            // Being active is what a row of the file is unless it says otherwise, so that
            // column takes its default even where it may be null.
            let takes_default = !column.nullable || column.name == IS_ACTIVE;
            if named < self.rows && takes_default && column.default.is_some() {
                defaulted.push(index);
            }
        }
        SourceTable {
            key: self.table.key.clone(),
            file: self.file.clone(),
            hash,
            rows: self.rows,
            size,
            columns,
            defaulted,
            unnamed,
        }
    }
}

fn place_of(
    table: &Table,
    file: &SourceFile,
    decoder: &RowDecoder<'_>,
    row: &RawRow<'_>,
    fk: Option<&ForeignKey>,
) -> Place {
    let columns = fk.map(|fk| fk.columns.iter().map(|&c| table.columns[c].name.as_str()));
    Place {
        file: file.name.clone(),
        position: Some(row.position_of(fk.map_or(0, |fk| decoder.offset(fk.columns[0])))),
        row: Some(row.number),
        row_key: decoder.key_text(),
        column: columns.map(|names| names.collect::<Vec<_>>().join(", ")),
        alike: None,
    }
}

// Hands out a file's rows in batches; `each` gives a batch back to be filled.
fn for_each_batch(
    input: impl Read,
    config: &Config,
    mut each: impl FnMut(RowBatch) -> RowBatch,
) -> Result<blake3::Hash, SplitError> {
    let mut reader = RowReader::new(input)?.without_notes(config.note_prefix.as_deref());
    let mut batch = RowBatch::default();
    let result = loop {
        match reader.next_row() {
            Ok(Some(row)) => batch.push(&row),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if batch.size() >= BATCH_SIZE {
            batch = each(batch);
        }
    };
    if !batch.is_empty() {
        each(batch);
    }
    result?;
    Ok(reader.finish()?)
}

// The few rows whose place is to be told are decoded once more; what is wrong with them
// was said the first time.
fn decode_again(decoder: &mut RowDecoder<'_>, row: &RawRow<'_>) {
    decoder.decode("", row, &mut Problems::default());
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
