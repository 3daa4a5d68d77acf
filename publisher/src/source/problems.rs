//! All that is wrong with the input.
//!
//! A file of any size may have the same mistake in each row. So problems of one kind are
//! listed up to a number, and counted from there on: the memory that they take follows the
//! number of kinds. Nothing is made for a problem that is only counted.

use std::borrow::Cow;
use std::collections::HashMap;

use super::problem::{Alike, MAX_TEXT, Place, Problem, shortened};

/// So many problems of one kind are listed, each with its place. Of more, the first is told
/// with their number.
pub(crate) const MAX_LISTED: usize = 100;

/// So many columns of a file have the same kind of problem told on their own.
const MAX_COLUMNS: usize = 100;

/// So many files have the same kind of problem told on their own.
const MAX_FILES: usize = 1000;

/// Every problem of a run.
///
/// What is kept depends on the input and its order alone: it may be gathered on several
/// threads, one value each, as long as they are put together in the order of the input.
#[derive(Debug, Default)]
pub struct Problems {
    // In the order in which the kinds were met.
    groups: Vec<Group>,
    indexes: HashMap<Kind, usize>,
    // How many columns of a file, and how many files, have problems of a kind.
    columns: HashMap<(String, String), usize>,
    files: HashMap<String, usize>,
    count: usize,
}

// What problems of one group have in common. The message is without its values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    message: String,
    // `None` for the files behind the first so many.
    file: Option<String>,
    // `Other` for the columns behind the first so many.
    column: ColumnOfKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum ColumnOfKind {
    None,
    Named(String),
    Other,
}

#[derive(Debug)]
struct Group {
    kind: Kind,
    // All of them, or from a number on only the first.
    listed: Vec<Problem>,
    count: usize,
    rows: usize,
    // The file's row that was counted last; problems come in the order of rows.
    last_row: Option<usize>,
}

/// What a problem is about, before anything is made for it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// The file.
    pub file: &'s str,
    /// The row, from 1.
    pub row: Option<usize>,
    /// The column of the table.
    pub column: Option<&'s str>,
    /// The message, or the part of it that tells the kind.
    pub message: &'s str,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, place: impl Into<Option<Place>>, message: impl Into<String>) {
        let problem = Problem {
            place: place.into(),
            message: message.into(),
        };
        let place = problem.place.clone().unwrap_or_default();
        let message = problem.message.clone();
        let subject = Subject {
            file: &place.file,
            row: place.row,
            column: place.column.as_deref(),
            message: &message,
        };
        self.add(subject, || problem);
    }

    /// Adds one that is made only where it is to be listed.
    pub fn add(&mut self, subject: Subject<'_>, make: impl FnOnce() -> Problem) {
        self.add_many(subject, 1, make);
    }

    /// Adds `count` of them, each in another row; the first is made where it is to be listed.
    pub fn add_many(&mut self, subject: Subject<'_>, count: usize, make: impl FnOnce() -> Problem) {
        self.count += count;
        let group = self.group(subject.file, subject.column, kind_of(subject.message));
        group.count += count;
        if group.last_row != subject.row && group.kind.column != ColumnOfKind::Other {
            group.rows += count;
            group.last_row = subject.row;
        }
        group.list(make);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What is to be told, in order of file and place.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut told: Vec<Problem> = self.groups.into_iter().flat_map(Group::told).collect();
        told.sort();
        told
    }

    /// Takes in those of what follows in the input.
    pub fn extend(&mut self, other: Self) {
        self.count += other.count;
        for theirs in other.groups {
            let Kind {
                message,
                file,
                column,
            } = theirs.kind;
            let group = match (&file, &column) {
                (Some(file), ColumnOfKind::None) => self.group(file, None, message),
                (Some(file), ColumnOfKind::Named(name)) => self.group(file, Some(name), message),
                _ => self.existing(Kind {
                    message,
                    file,
                    column,
                }),
            };
            group.count += theirs.count;
            if group.kind.column != ColumnOfKind::Other {
                group.rows += theirs.rows;
                group.last_row = theirs.last_row;
            }
            for problem in theirs.listed {
                group.list(|| problem);
            }
        }
    }

    fn group(&mut self, file: &str, column: Option<&str>, message: String) -> &mut Group {
        let named = column.map_or(ColumnOfKind::None, |name| {
            ColumnOfKind::Named(shortened(name).into_owned())
        });
        let mut kind = Kind {
            message,
            file: Some(file.to_owned()),
            column: named,
        };
        if !self.indexes.contains_key(&kind) {
            self.settle(&mut kind, file);
        }
        self.existing(kind)
    }

    // Finds out whether a new kind may have a group of its own.
    fn settle(&mut self, kind: &mut Kind, file: &str) {
        let of_file = (kind.message.clone(), file.to_owned());
        match self.columns.get_mut(&of_file) {
            Some(columns) if *columns < MAX_COLUMNS => *columns += 1,
            Some(_) => kind.column = ColumnOfKind::Other,
            None => {
                let files = self.files.entry(kind.message.clone()).or_default();
                if *files < MAX_FILES {
                    *files += 1;
                    self.columns.insert(of_file, 1);
                } else {
                    kind.file = None;
                    kind.column = ColumnOfKind::Other;
                }
            }
        }
    }

    fn existing(&mut self, kind: Kind) -> &mut Group {
        let next = self.groups.len();
        let index = *self.indexes.entry(kind.clone()).or_insert(next);
        if index == next {
            self.groups.push(Group {
                kind,
                listed: Vec::new(),
                count: 0,
                rows: 0,
                last_row: None,
            });
        }
        &mut self.groups[index]
    }
}

impl Group {
    fn list(&mut self, make: impl FnOnce() -> Problem) {
        if self.listed.is_empty() || self.count <= MAX_LISTED {
            self.listed.push(in_short(make()));
        } else {
            self.listed.truncate(1);
        }
    }

    fn told(mut self) -> Vec<Problem> {
        if self.listed.len() < self.count {
            self.listed.truncate(1);
            for first in self.listed.iter_mut().flat_map(|first| &mut first.place) {
                first.alike = Some(Alike {
                    count: self.count,
                    rows: self.rows,
                    several_columns: self.kind.column == ColumnOfKind::Other,
                });
            }
        }
        self.listed
    }
}

// The message without what differs from row to row: quoted values and numbers.
fn kind_of(message: &str) -> String {
    let mut kind = String::with_capacity(message.len().min(MAX_TEXT));
    let mut letters = message.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '0'..='9' => {
                if !kind.ends_with('0') {
                    kind.push('0');
                }
            }
            // As `{:?}` writes it: a quote within is escaped.
            '"' | '\'' => {
                kind.push(letter);
                while let Some(within) = letters.next() {
                    if within == letter {
                        break;
                    }
                    if within == '\\' {
                        letters.next();
                    }
                }
            }
            _ => kind.push(letter),
        }
        if kind.len() > MAX_TEXT {
            break;
        }
    }
    kind
}

fn in_short(problem: Problem) -> Problem {
    let cut = |text: String| match shortened(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(short) => short,
    };
    let place = problem.place.map(|place| Place {
        row_key: place.row_key.map(cut),
        column: place.column.map(cut),
        ..place
    });
    Problem {
        place,
        message: cut(problem.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str, row: usize, column: Option<&str>) -> Place {
        Place {
            file: file.to_owned(),
            position: Some((row, 1)),
            row: Some(row),
            row_key: None,
            column: column.map(str::to_owned),
            alike: None,
        }
    }

    fn told(problems: Problems) -> Vec<String> {
        let told = problems.into_sorted();
        told.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn of_few_each_is_listed() {
        let mut problems = Problems::default();
        for row in 1..=MAX_LISTED {
            problems.push(place("a.json", row, None), format!("expected {row}"));
        }
        let told = told(problems);
        assert_eq!(told.len(), MAX_LISTED);
        assert_eq!(told[6], "a.json:7:1: row 7: expected 7");
    }

    #[test]
    fn of_many_the_first_is_told_with_their_number_and_no_other_kind_is_hidden() {
        let mut problems = Problems::default();
        for row in 1..=173_166 {
            problems.push(place("a.json", row, Some("planes")), "no such column");
            if row == 9000 {
                problems.push(place("a.json", row, Some("label")), "is null");
                problems.push(place("b.json", 1, Some("planes")), "no such column");
            }
        }
        assert_eq!(problems.count(), 173_168);
        assert_eq!(
            told(problems),
            [
                "a.json: column \"planes\": no such column; in 173,166 rows; \
                 first at a.json:1:1: row 1: column \"planes\"",
                "a.json:9000:1: row 9000: column \"label\": is null",
                "b.json:1:1: row 1: column \"planes\": no such column",
            ]
        );
    }

    #[test]
    fn values_make_no_kinds() {
        let kinds = [
            r#"no row "a" in x"#,
            r#"no row "b\"c" in x"#,
            "no row \"7 in x\" in x",
        ];
        assert!(kinds.iter().all(|kind| kind_of(kind) == r#"no row " in x"#));
        assert_eq!(
            kind_of("-12 is more than 3"),
            kind_of("-7 is more than 444")
        );
        assert_ne!(kind_of("is \"7\""), kind_of("was \"7\""));
        assert!(kind_of(&"x".repeat(1 << 20)).len() <= MAX_TEXT + 1);
    }

    #[test]
    fn columns_without_end_are_told_together() {
        let mut problems = Problems::default();
        for column in 0..100_000 {
            let column = format!("c{column:06}");
            problems.push(place("a.json", 1, Some(&column)), "no such column");
        }
        let told = told(problems);
        assert_eq!(told.len(), MAX_COLUMNS + 1);
        assert_eq!(
            told.last().map(String::as_str),
            Some(
                "a.json: other columns: no such column; 99,900 times; \
                 first at a.json:1:1: row 1: column \"c000100\""
            )
        );
    }

    #[test]
    fn files_without_end_are_told_together() {
        let mut problems = Problems::default();
        for file in 0..50_000 {
            problems.push(Place::file(&format!("f{file:05}.json")), "no table");
        }
        let told = told(problems);
        assert_eq!(told.len(), MAX_FILES + 1);
        let last = told.last().map(String::as_str);
        assert_eq!(
            last,
            Some("f01000.json: no table; 49,000 times; first at f01000.json")
        );
    }

    #[test]
    fn what_several_threads_find_is_told_as_what_one_finds() {
        let add = |problems: &mut Problems, row: usize| {
            let column = format!("c{}", row % 130);
            problems.push(place("a.json", row, Some(&column)), format!("is {row}"));
            problems.push(place("a.json", row, None), "is wrong");
        };
        let mut alone = Problems::default();
        (1..=9000).for_each(|row| add(&mut alone, row));
        for piece in [1, 7, 300] {
            let mut together = Problems::default();
            let rows: Vec<usize> = (1..=9000).collect();
            for piece in rows.chunks(piece) {
                let mut part = Problems::default();
                piece.iter().for_each(|row| add(&mut part, *row));
                together.extend(part);
            }
            assert_eq!(together.count(), alone.count());
            let kept: usize = together.groups.iter().map(|group| group.count).sum();
            assert_eq!(kept, alone.count());
            assert!(together.groups.len() <= MAX_COLUMNS + 2);
        }
    }

    #[test]
    fn a_value_without_end_is_cut() {
        let mut problems = Problems::default();
        let long = "x".repeat(1 << 20);
        let mut place = place("a.json", 1, Some(&long));
        place.row_key = Some(format!("{long:?}"));
        problems.push(place, format!("expected a date, found {long:?}"));
        let told = told(problems);
        assert!(told[0].len() < 4 * MAX_TEXT, "{}", told[0]);
        assert!(told[0].contains("characters ...]"));
    }
}
