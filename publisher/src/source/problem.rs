//! What is wrong with the input, and where.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where; nothing for a problem of the whole input.
    pub place: Option<Place>,
    /// What, as a lower-case fragment.
    pub message: String,
}

/// How many problems are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Alike {
    /// All of them, the first one included.
    pub count: usize,
    /// In how many rows; 0 for whole files, and for several columns.
    pub rows: usize,
    /// Whether they are in several columns, which the first one's is one of.
    #[serde(rename = "severalColumns", skip_serializing_if = "is_false")]
    pub several_columns: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Problem {
    /// How many problems it tells of.
    pub fn count(&self) -> usize {
        let alike = self.place.as_ref().and_then(|place| place.alike);
        alike.map_or(1, |alike| alike.count)
    }
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
    /// How many problems of the kind there are, where only the first one's place is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alike: Option<Alike>,
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

/// Values, keys and messages that are longer are cut.
pub(super) const MAX_TEXT: usize = 1000;

/// A text of the input for a message: what is longer than a message may be is cut.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    const AHEAD: usize = MAX_TEXT / 2;
    const BEHIND: usize = MAX_TEXT / 3;
    if text.len() <= MAX_TEXT {
        return text.into();
    }
    let behind = |at: usize| (at..).find(|at| text.is_char_boundary(*at));
    let (head, tail) = (behind(AHEAD), behind(text.len() - BEHIND));
    let (head, tail) = (head.unwrap_or(0), tail.unwrap_or(text.len()));
    let left_out = text[head..tail].chars().count();
    format!(
        "{}[... {left_out} characters ...]{}",
        &text[..head],
        &text[tail..]
    )
    .into()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            return f.write_str(&self.message);
        };
        let Some(alike) = place.alike else {
            return write!(f, "{place}: {}", self.message);
        };
        f.write_str(&place.file)?;
        match &place.column {
            Some(_) if alike.several_columns => f.write_str(": other columns")?,
            Some(column) => write!(f, ": column {column:?}")?,
            None => {}
        }
        write!(f, ": {}; {alike}; first at {place}", self.message)
    }
}

// `in 173,166 rows`, `300,000 times in 1 row`, `in 49,000 files`.
impl fmt::Display for Alike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, rows, .. } = *self;
        let noun = if rows == 1 { "row" } else { "rows" };
        if rows == 0 {
            write!(f, "{} times", grouped(count))
        } else if rows == count {
            write!(f, "in {} {noun}", grouped(rows))
        } else {
            write!(f, "{} times in {} {noun}", grouped(count), grouped(rows))
        }
    }
}

/// `173,166`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
