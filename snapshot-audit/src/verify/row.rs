//! Rows: canonical, of the manifest's columns and types, in order, each key once.

use std::cmp::Ordering;
use std::collections::HashSet;

use snapshot_format::{
    ColumnType, IS_ACTIVE, ObjectHash, RowShape, SORT_ORDER, TableEntry,
    json::{Member, Parser, Value},
};

use crate::published::{SortKey, compare};

/// Judges the rows of one table, in their order.
pub(super) struct RowJudge {
    columns: Vec<Column>,
    shape: RowShape,
    // Indexes into `columns`.
    primary_key: Vec<usize>,
    order: Vec<usize>,
    last: Option<Vec<SortKey>>,
    // Sixteen bytes of hash for each key, where the order does not tell that one is there
    // twice: a chance of 2^-88 among a million rows.
    keys: HashSet<[u8; 16]>,
    rows: u64,
    faults: Vec<String>,
    more: u64,
    buffer: Vec<u8>,
}

struct Column {
    name: String,
    sql_type: String,
    kind: ColumnType,
    nullable: bool,
}

// Enough to see a pattern: the same fault in every row would bury the others.
const MOST_FAULTS: usize = 5;

impl RowJudge {
    /// For the rows of this table, whose columns are not empty and hold the key's.
    pub(super) fn new(entry: &TableEntry) -> Self {
        let columns: Vec<Column> = entry
            .columns
            .iter()
            .map(|(name, sql_type)| {
                let (kind, nullable) = ColumnType::of(sql_type);
                Column {
                    name: name.clone(),
                    sql_type: sql_type.clone(),
                    kind,
                    nullable,
                }
            })
            .collect();
        let index = |name: &str| columns.iter().position(|column| column.name == name);
        let key = entry.primary_key.iter();
        let primary_key: Vec<usize> = key.filter_map(|name| index(name)).collect();
        let order = index(SORT_ORDER)
            .into_iter()
            .chain(primary_key.iter().copied());
        Self {
            shape: RowShape::new(entry.columns.keys().map(String::as_str)),
            order: order.collect(),
            primary_key,
            columns,
            last: None,
            keys: HashSet::new(),
            rows: 0,
            faults: Vec::new(),
            more: 0,
            buffer: Vec::new(),
        }
    }

    /// The next row, as its line has it.
    pub(super) fn row(&mut self, row: &[u8]) {
        self.rows += 1;
        let Ok(text) = std::str::from_utf8(row) else {
            return self.fault("is not UTF-8");
        };
        let mut parser = Parser::new(text);
        let mut members = Vec::with_capacity(self.columns.len());
        let read = parser
            .object(|member| members.push(member))
            .and_then(|()| parser.end());
        if let Err(error) = read {
            return self.fault(&format!("byte {}: {error}", error.offset));
        }
        if let Some(fault) = parser.into_faults().first() {
            self.fault(&format!("byte {}: {}", fault.offset, fault.kind));
        }
        if !self.has_columns(&members) {
            return;
        }
        self.values(row, &members);
        self.order(&members);
    }

    /// What was found, each with the number of its row.
    pub(super) fn into_faults(mut self) -> Vec<String> {
        if self.more > 0 {
            self.faults
                .push(format!("{} more faults in its rows", self.more));
        }
        self.faults
    }

    fn fault(&mut self, what: &str) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(format!("row {}: {what}", self.rows));
        } else {
            self.more += 1;
        }
    }

    fn has_columns(&mut self, members: &[Member<'_>]) -> bool {
        let names = || members.iter().map(|member| member.key.as_ref());
        let columns = || self.columns.iter().map(|column| column.name.as_str());
        if names().eq(columns()) {
            return true;
        }
        let lacking = columns().find(|column| !names().any(|name| name == *column));
        let unknown = names().find(|name| !columns().any(|column| column == *name));
        let what = match (lacking, unknown) {
            (Some(column), _) => format!("lacks the column {column:?}"),
            (None, Some(name)) => format!("has {name:?}, which is no column of the manifest"),
            (None, None) => "its columns are not in order of name, each once".to_owned(),
        };
        self.fault(&what);
        false
    }

    // Each value of its type, and the whole as we would write it.
    fn values(&mut self, row: &[u8], members: &[Member<'_>]) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut faults = Vec::new();
        for (index, member) in members.iter().enumerate() {
            let column = &self.columns[index];
            self.shape.begin_value(index, &mut buffer);
            let written = match member.value {
                Value::Null if column.nullable => {
                    buffer.extend_from_slice(b"null");
                    Ok(())
                }
                Value::Null => Err("a value"),
                // Only active rows are published.
                Value::Bool(false) if column.name == IS_ACTIVE => Err("true"),
                _ => column.kind.write(&member.value, member.raw, &mut buffer),
            };
            if let Err(expected) = written {
                let (name, sql_type) = (&column.name, &column.sql_type);
                let found = shortened(member.raw);
                faults.push(format!(
                    "column {name:?} of type {sql_type}: expected {expected}, found {found}"
                ));
            }
        }
        self.shape.end_row(&mut buffer);
        if faults.is_empty() && buffer != row {
            let at = row.iter().zip(&buffer).take_while(|(a, b)| a == b).count();
            let here = |bytes: &[u8]| {
                let end = bytes.len().min(at + 24);
                format!("{:?}", String::from_utf8_lossy(&bytes[at.min(end)..end]))
            };
            let (expected, found) = (here(&buffer), here(row));
            faults.push(format!(
                "byte {at}: not canonical: expected {expected}, found {found}"
            ));
        }
        self.buffer = buffer;
        for fault in faults {
            self.fault(&fault);
        }
    }

    fn order(&mut self, members: &[Member<'_>]) {
        let key = |index: &usize| SortKey::of(&self.columns[*index].kind, &members[*index].value);
        let place: Vec<SortKey> = self.order.iter().map(key).collect();
        let order = self.last.as_ref().and_then(|last| compare(last, &place));
        // Where rows are ordered by their key alone, a key that is greater than the one
        // before it is greater than all.
        let by_key_alone = self.order.len() == self.primary_key.len();
        let told = by_key_alone && (order.is_some() || self.last.is_none());
        if order == Some(Ordering::Greater) {
            self.fault("stands behind a row that it should precede");
        }
        let is_new = if told {
            order != Some(Ordering::Equal)
        } else {
            self.is_new(members)
        };
        if !is_new {
            let key: Vec<&str> = self.primary_key.iter().map(|&i| members[i].raw).collect();
            let key = shortened(&key.join(", "));
            self.fault(&format!("primary key {key} was there before"));
        }
        self.last = Some(place);
    }

    fn is_new(&mut self, members: &[Member<'_>]) -> bool {
        let raw = |&index: &usize| members[index].raw;
        let key: Vec<&str> = self.primary_key.iter().map(raw).collect();
        let hash = ObjectHash::of(key.join("\n").as_bytes());
        let half = hash.as_bytes().first_chunk().copied();
        self.keys.insert(half.expect("a hash has 32 bytes"))
    }
}

fn shortened(raw: &str) -> String {
    const MOST: usize = 60;
    match raw.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &raw[..end]),
        None => raw.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use snapshot_format::Digest;

    use super::*;

    fn entry(columns: &[(&str, &str)], primary_key: &[&str]) -> TableEntry {
        let Digest { hash, sha256, size } = Digest::of(b"");
        TableEntry {
            hash,
            sha256,
            size,
            rows: 0,
            version_seq: 0,
            in_bootstrap: true,
            primary_key: primary_key.iter().map(ToString::to_string).collect(),
            columns: columns
                .iter()
                .map(|(name, sql_type)| (name.to_string(), sql_type.to_string()))
                .collect(),
            schema_fingerprint: String::new(),
        }
    }

    #[track_caller]
    fn check(entry: &TableEntry, rows: &[&str], faults: &[&str]) {
        let mut judge = RowJudge::new(entry);
        for row in rows {
            judge.row(row.as_bytes());
        }
        pretty_assertions::assert_eq!(judge.into_faults(), faults);
    }

    #[test]
    fn every_fault_of_a_row_has_its_line() {
        let grips = entry(
            &[
                ("id", "text"),
                ("is_active", "boolean"),
                ("level", "integer?"),
            ],
            &["id"],
        );
        let one = |row: &str, fault: &str| check(&grips, &[row], &[fault]);
        check(
            &grips,
            &[
                r#"{"id":"A","is_active":true,"level":null}"#,
                r#"{"id":"B","is_active":true,"level":7}"#,
            ],
            &[],
        );
        one(
            r#"{"id":"A","is_active":true,"level":"7"}"#,
            r#"row 1: column "level" of type integer?: expected a whole number, found "7""#,
        );
        one(
            r#"{"id":null,"is_active":true,"level":7}"#,
            r#"row 1: column "id" of type text: expected a value, found null"#,
        );
        one(
            r#"{"id":"A","is_active":false,"level":7}"#,
            r#"row 1: column "is_active" of type boolean: expected true, found false"#,
        );
        one(
            r#"{"id":"A","is_active":true,"level":7.0}"#,
            r#"row 1: byte 36: not canonical: expected "}", found ".0}""#,
        );
        one(
            r#"{"id":"A","is_active":true, "level":7}"#,
            r#"row 1: byte 27: not canonical: expected "\"level\":7}", found " \"level\":7}""#,
        );
        one(
            r#"{"id":"A","is_active":true}"#,
            r#"row 1: lacks the column "level""#,
        );
        one(
            r#"{"id":"A","is_active":true,"level":7,"more":1}"#,
            r#"row 1: has "more", which is no column of the manifest"#,
        );
        one(
            r#"{"id":"A","level":7,"is_active":true}"#,
            "row 1: its columns are not in order of name, each once",
        );
        one(
            r#"{"id":"A"} x"#,
            "row 1: byte 11: expected the end, found 'x'",
        );
        let mut judge = RowJudge::new(&grips);
        judge.row(b"{\"id\":\"\xff\"}");
        assert_eq!(judge.into_faults(), ["row 1: is not UTF-8"]);
    }

    #[test]
    fn rows_stand_in_order_and_each_key_once() {
        let by_key = entry(&[("id", "integer")], &["id"]);
        let rows: Vec<String> = [2, 9, 10, 10, 4]
            .map(|id| format!("{{\"id\":{id}}}"))
            .into();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        check(
            &by_key,
            &rows,
            &[
                "row 4: primary key 10 was there before",
                "row 5: stands behind a row that it should precede",
            ],
        );
        let sorted = entry(&[("id", "text"), ("sort_order", "integer?")], &["id"]);
        check(
            &sorted,
            &[
                r#"{"id":"B","sort_order":1}"#,
                r#"{"id":"A","sort_order":2}"#,
                r#"{"id":"B","sort_order":2}"#,
                r#"{"id":"A","sort_order":null}"#,
                r#"{"id":"Z","sort_order":3}"#,
            ],
            &[
                "row 3: primary key \"B\" was there before",
                "row 4: primary key \"A\" was there before",
                "row 5: stands behind a row that it should precede",
            ],
        );
    }

    #[test]
    fn one_fault_in_every_row_is_told_a_few_times() {
        let grips = entry(&[("id", "text")], &["id"]);
        let rows: Vec<String> = (0..9).map(|id| format!("{{\"id\":{id}}}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let mut judge = RowJudge::new(&grips);
        rows.iter().for_each(|row| judge.row(row.as_bytes()));
        let faults = judge.into_faults();
        assert_eq!(faults.len(), MOST_FAULTS + 1);
        assert_eq!(faults.last().expect("one"), "4 more faults in its rows");
    }
}
