//! Everything that can be said of the files before the database is touched.
//!
//! Each value against its column, each primary key against the others, each foreign key
//! against the table that it points at. Nothing stops at the first problem.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;

use snapshot_format::TableKey;

use super::decode::RowDecoder;
use super::files::{SourceFile, SourceFiles};
use super::problem::{Place, Problems};
use super::split::{RawRow, RowReader, SplitError};
use crate::config::Config;
use crate::progress::Progress;
use crate::schema::{ForeignKey, IS_ACTIVE, SOURCE_TYPE, Schema, Table};

/// What is known of a set of files.
#[derive(Debug)]
pub struct Validated {
    /// The files' tables, each behind those that it points at.
    pub tables: Vec<SourceTable>,
    /// References to rows that no file holds. The database may hold them, as rows of an
    /// administrator or of a table without a file; otherwise each is a problem.
    pub dangling: Vec<Dangling>,
}

/// A table's file, read once.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// The table's key.
    pub key: TableKey,
    /// Its file.
    pub file: SourceFile,
    /// The file's BLAKE3 hash.
    pub hash: blake3::Hash,
    /// Number of rows.
    pub rows: u64,
    /// Number of bytes.
    pub size: u64,
    /// The columns that the file decides, as indexes into the table's columns: those that
    /// a row names, and those that are null where no row does.
    pub columns: Vec<usize>,
    /// Columns of `columns` that take their default in the rows that do not name them.
    pub defaulted: Vec<usize>,
}

/// A reference to a row that no file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dangling {
    /// Where the reference stands.
    pub place: Place,
    /// The table that it points at.
    pub target: TableKey,
    /// The columns there.
    pub target_columns: Vec<String>,
    /// The values, as text, one for each of `target_columns`.
    pub values: Vec<String>,
}

impl Dangling {
    /// The problem that it is, where the database has no such row either.
    pub fn message(&self) -> String {
        let values: Vec<String> = self
            .values
            .iter()
            .map(|value| format!("{value:?}"))
            .collect();
        match values.as_slice() {
            [one] => format!("no row {one} in {}", self.target),
            many => format!("no row ({}) in {}", many.join(", "), self.target),
        }
    }
}

/// Reads the files and notes every problem.
///
/// A file that cannot be read is a problem like any other.
pub fn validate(
    config: &Config,
    schema: &Schema,
    files: &SourceFiles,
    progress: Progress,
    problems: &mut Problems,
) -> Validated {
    let order = schema.in_order_of_reference().unwrap_or_else(|circle| {
        let names: Vec<&str> = circle
            .iter()
            .chain(circle.first())
            .map(TableKey::as_str)
            .collect();
        problems.push(
            None,
            format!(
                "foreign-key cycle between tables: {}; no order of seeding them keeps every key, so \
                 drop one of the keys, or exclude one of the tables in tablecast.toml",
                names.join(" -> ")
            ),
        );
        schema.tables.iter().collect()
    });
    let mut validated = Validated {
        tables: Vec::new(),
        dangling: Vec::new(),
    };
    let mut keys = KeySets::wanted_by(schema);
    let mut pending = Vec::new();
    for table in order {
        let Some(file) = files.by_table.get(table.key.as_str()) else {
            if config.has_file(table) {
                keys.forget(&table.key);
            }
            continue;
        };
        if let Some(message) = unnameable(table) {
            problems.push(Place::file(&file.name), message);
            keys.forget(&table.key);
            continue;
        }
        let mut check = TableCheck::new(table, file, config, &mut keys, problems);
        let source = check.read(progress);
        pending.extend(check.pending);
        match source {
            Some(source) => validated.tables.push(source),
            None => keys.forget(&table.key),
        }
    }
    let unheld = pending
        .into_iter()
        .filter(|pending| !keys.may_hold(pending));
    validated.dangling = unheld.map(|pending| pending.dangling).collect();
    validated
}

// 128 bits stand for a key's values: no two keys of a table are alike by chance.
type KeyHash = [u8; 16];

// The keys of every table that a foreign key points at.
struct KeySets {
    // A table and some of its columns, with the index of their set.
    indexes: BTreeMap<(TableKey, Vec<String>), usize>,
    sets: Vec<HashSet<KeyHash>>,
    // Tables of which some rows could not be read: what is not in a set may yet be there.
    unknown: BTreeSet<TableKey>,
}

impl KeySets {
    fn wanted_by(schema: &Schema) -> Self {
        let all = schema.tables.iter().flat_map(|table| &table.foreign_keys);
        let wanted: BTreeSet<_> = all
            .filter(|fk| schema.table(fk.target.as_str()).is_some())
            .map(|fk| (fk.target.clone(), fk.target_columns.clone()))
            .collect();
        let sets = vec![HashSet::new(); wanted.len()];
        Self {
            indexes: wanted.into_iter().zip(0..).collect(),
            sets,
            unknown: BTreeSet::new(),
        }
    }

    fn forget(&mut self, table: &TableKey) {
        self.unknown.insert(table.clone());
    }

    fn may_hold(&self, pending: &Pending) -> bool {
        self.unknown.contains(&pending.dangling.target)
            || self.sets[pending.set].contains(&pending.target)
    }
}

// A reference to a row that has not been read yet, if it ever will be.
struct Pending {
    set: usize,
    target: KeyHash,
    dangling: Dangling,
}

struct TableCheck<'c, 't> {
    table: &'t Table,
    file: &'c SourceFile,
    config: &'c Config,
    keys: &'c mut KeySets,
    problems: &'c mut Problems,
    // Each key with the row and the line where it came first.
    primary_keys: HashMap<KeyHash, (u32, u32)>,
    // The key sets that this table fills, and from which of its columns.
    filled: Vec<(usize, Vec<usize>)>,
    // The key set that each foreign key points into. None for a table that is not
    // published: it is out of sight, and the database judges.
    pointed_at: Vec<Option<usize>>,
    // How many rows name each column.
    named: Vec<u64>,
    rows: u64,
    pending: Vec<Pending>,
}

impl<'c, 't> TableCheck<'c, 't> {
    fn new(
        table: &'t Table,
        file: &'c SourceFile,
        config: &'c Config,
        keys: &'c mut KeySets,
        problems: &'c mut Problems,
    ) -> Self {
        let own = keys
            .indexes
            .iter()
            .filter(|((target, _), _)| *target == table.key);
        let filled = own.map(|((_, names), &set)| {
            let columns = names.iter().filter_map(|name| table.column(name));
            (set, columns.map(|(index, _)| index).collect())
        });
        let pointed_at = table.foreign_keys.iter().map(|fk| {
            let set = (fk.target.clone(), fk.target_columns.clone());
            keys.indexes.get(&set).copied()
        });
        let (filled, pointed_at) = (filled.collect(), pointed_at.collect());
        Self {
            table,
            file,
            config,
            keys,
            problems,
            primary_keys: HashMap::new(),
            filled,
            pointed_at,
            named: vec![0; table.columns.len()],
            rows: 0,
            pending: Vec::new(),
        }
    }

    // `None` where the file is not a whole list of rows.
    fn read(&mut self, progress: Progress) -> Option<SourceTable> {
        let mut place = Place::file(&self.file.name);
        match self.read_file(progress) {
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

    fn read_file(&mut self, progress: Progress) -> Result<(blake3::Hash, u64), SplitError> {
        let input = self.file.open()?;
        let size = input.metadata()?.len();
        let bar = progress.bytes(&format!("validate {}", self.file.name), size);
        let result = self.read_rows(bar.wrap_read(input));
        bar.finish_and_clear();
        Ok((result?, size))
    }

    fn read_rows(&mut self, input: impl io::Read) -> Result<blake3::Hash, SplitError> {
        let mut reader = RowReader::new(input)?;
        let mut decoder = RowDecoder::new(self.table, self.config);
        while let Some(row) = reader.next_row()? {
            self.rows += 1;
            let sound = decoder.decode(&self.file.name, &row, self.problems);
            for (column, count) in self.named.iter_mut().enumerate() {
                *count += u64::from(decoder.names(column));
            }
            self.check_primary_key(&decoder, &row);
            self.fill_key_sets(&decoder, sound);
            for index in 0..self.table.foreign_keys.len() {
                self.check_foreign_key(index, &decoder, &row);
            }
        }
        Ok(reader.finish()?)
    }

    fn check_primary_key(&mut self, decoder: &RowDecoder<'_>, row: &RawRow<'_>) {
        let Some(hash) = hash_of(decoder, &self.table.primary_key) else {
            return;
        };
        let here = (small(row.number), small(row.position.0));
        let first = *self.primary_keys.entry(hash).or_insert(here);
        if first != here {
            let place = self.place_of(decoder, row, None);
            let message = format!(
                "duplicate primary key, first in row {} (line {})",
                first.0, first.1
            );
            self.problems.push(place, message);
        }
    }

    fn fill_key_sets(&mut self, decoder: &RowDecoder<'_>, sound: bool) {
        for (set, columns) in &self.filled {
            match hash_of(decoder, columns) {
                Some(hash) => {
                    self.keys.sets[*set].insert(hash);
                }
                None if sound => {}
                // The key is among what is wrong with the row.
                None => self.keys.forget(&self.table.key),
            }
        }
    }

    // A reference with a null in it points nowhere (MATCH SIMPLE).
    fn check_foreign_key(&mut self, index: usize, decoder: &RowDecoder<'_>, row: &RawRow<'_>) {
        let foreign_key = &self.table.foreign_keys[index];
        let Some(target) = hash_of(decoder, &foreign_key.columns) else {
            return;
        };
        let Some(set) = self.pointed_at[index] else {
            return;
        };
        if self.keys.sets[set].contains(&target) {
            return;
        }
        let values = foreign_key
            .columns
            .iter()
            .filter_map(|&column| decoder.value(column));
        let dangling = Dangling {
            place: self.place_of(decoder, row, Some(foreign_key)),
            target: foreign_key.target.clone(),
            target_columns: foreign_key.target_columns.clone(),
            values: values.map(str::to_owned).collect(),
        };
        self.pending.push(Pending {
            set,
            target,
            dangling,
        });
    }

    fn place_of(
        &self,
        decoder: &RowDecoder<'_>,
        row: &RawRow<'_>,
        fk: Option<&ForeignKey>,
    ) -> Place {
        let columns = fk.map(|fk| {
            fk.columns
                .iter()
                .map(|&c| self.table.columns[c].name.as_str())
        });
        Place {
            file: self.file.name.clone(),
            position: Some(row.position_of(fk.map_or(0, |fk| decoder.offset(fk.columns[0])))),
            row: Some(row.number),
            row_key: decoder.key_text(),
            column: columns.map(|names| names.collect::<Vec<_>>().join(", ")),
        }
    }

    fn note_empty(&mut self) {
        if self.rows == 0 && !self.config.table(self.table).allow_empty {
            let message = format!(
                "the file holds no rows, which would deactivate the whole table; if that is meant, \
                 set allow_empty = true under [tables.{}] in tablecast.toml",
                self.table.key
            );
            self.problems.push(Place::file(&self.file.name), message);
        }
    }

    fn source_table(&self, hash: blake3::Hash, size: u64) -> SourceTable {
        let (mut columns, mut defaulted) = (Vec::new(), Vec::new());
        for (index, column) in self.table.columns.iter().enumerate() {
            let named = self.named[index];
            let null = column.default.is_none() && column.nullable;
            // A file without rows names no column; its rows would still have a key.
            let decided = named > 0 || null || self.table.primary_key.contains(&index);
            if column.generated || column.name == SOURCE_TYPE || !decided {
                continue;
            }
            columns.push(index);
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
        }
    }
}

// A seed finds a row again by its key, so the file must be able to say it.
fn unnameable(table: &Table) -> Option<String> {
    let mut key = table.primary_key.iter().map(|&index| &table.columns[index]);
    let column = key.find(|column| column.generated)?;
    Some(format!(
        "the database alone computes {:?} of the primary key, so no file can name a row of table \
         {}; set from_file = false under [tables.{}] in tablecast.toml",
        column.name, table.name, table.key
    ))
}

fn hash_of(decoder: &RowDecoder<'_>, columns: &[usize]) -> Option<KeyHash> {
    let mut hasher = blake3::Hasher::new();
    for &column in columns {
        let value = decoder.comparable(column)?;
        hasher.update(&(value.len() as u64).to_le_bytes());
        hasher.update(value.as_bytes());
    }
    let mut hash = KeyHash::default();
    hasher.finalize_xof().fill(&mut hash);
    Some(hash)
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
