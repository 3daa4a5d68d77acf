//! What is wrong with the input, and where.

use std::fmt;

use serde::Serialize;

/// The most problems that are kept in memory; the rest are counted.
const MAX_KEPT: usize = 10_000;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where; nothing for a problem of the whole input.
    pub place: Option<Place>,
    /// What, as a lower-case fragment.
    pub message: String,
}

/// A place in the source files.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// Line and column in the text, both from 1; a column counts characters.
    pub position: Option<(usize, usize)>,
    /// The row, from 1.
    pub row: Option<usize>,
    /// The row's primary key as the file has it.
    pub row_key: Option<String>,
    /// The column of the table.
    pub column: Option<String>,
}

impl Place {
    /// A whole file.
    pub fn file(name: &str) -> Self {
        Self {
            file: name.to_owned(),
            ..Self::default()
        }
    }
}

/// Every problem of a run.
#[derive(Debug, Default)]
pub struct Problems {
    kept: Vec<Problem>,
    count: usize,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, place: impl Into<Option<Place>>, message: impl Into<String>) {
        self.count += 1;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(Problem {
                place: place.into(),
                message: message.into(),
            });
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Those that were kept, in order of file and place.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.kept.sort();
        self.kept
    }

    /// Takes in those of another run.
    pub fn extend(&mut self, other: Self) {
        self.count += other.count - other.kept.len();
        for problem in other.kept {
            self.push(problem.place, problem.message);
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

// `grips.json:41:20: row 3 "NEUTRAL": column "parent_id"`; editors open the first part.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(row) = self.row {
            write!(f, ": row {row}")?;
        }
        if let Some(key) = &self.row_key {
            write!(f, " {key}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ": column {column:?}")?;
        }
        Ok(())
    }
}
