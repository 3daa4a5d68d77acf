//! What is found: one line each.

use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Serialize;

/// One thing that is wrong, or to be told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The path of the key, or of the file that is none.
    pub key: String,
    /// What is remarkable about it, as a lower-case fragment.
    pub what: String,
    /// What belongs there; `None` where that is not one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is there; `None` where that is not one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// How many more keys there are of which the same is to be said.
    #[serde(skip_serializing_if = "is_zero")]
    pub also: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The snapshot is not what the format says, or some readers get something else.
    Fault,
    /// It works, and costs more than it must.
    Warning,
    /// Worth knowing, and no concern of the format.
    Note,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            what,
            expected,
            found,
            also,
        } = self;
        write!(f, "{key}: {what}")?;
        match (expected, found) {
            (Some(expected), Some(found)) => write!(f, ": expected {expected}, found {found}")?,
            (Some(expected), None) => write!(f, ": expected {expected}")?,
            (None, Some(found)) => write!(f, ": {found}")?,
            (None, None) => {}
        }
        match also {
            0 => Ok(()),
            1 => write!(f, " (and 1 more key)"),
            _ => write!(f, " (and {also} more keys)"),
        }
    }
}

/// Gathers what several threads find.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Mutex<Vec<(usize, Severity, Finding)>>,
}

/// Takes in what one part of the work finds. Parts are numbered, so that the report is
/// the same whichever thread was faster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finder<'f> {
    all: &'f Findings,
    part: usize,
}

impl Finder<'_> {
    /// Something that is wrong in itself.
    pub(super) fn fault(&self, key: impl fmt::Display, what: impl Into<String>) {
        self.add(Severity::Fault, key, what, None, None);
    }

    /// Something that is another than it should be.
    pub(super) fn differs(
        &self,
        key: impl fmt::Display,
        what: &str,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) {
        let (expected, found) = (expected.to_string(), found.to_string());
        self.add(Severity::Fault, key, what, Some(expected), Some(found));
    }

    /// Something to be known.
    pub(super) fn note(&self, key: impl fmt::Display, what: impl Into<String>) {
        self.add(Severity::Note, key, what, None, None);
    }

    /// Anything.
    pub(super) fn add(
        &self,
        severity: Severity,
        key: impl fmt::Display,
        what: impl Into<String>,
        expected: Option<String>,
        found: Option<String>,
    ) {
        let finding = Finding {
            key: key.to_string(),
            what: what.into(),
            expected,
            found,
            also: 0,
        };
        let mut found = self.all.found.lock();
        found.push((self.part, severity, finding));
    }
}

impl Findings {
    /// What takes in the findings of one part of the work.
    pub(super) fn part(&self, part: usize) -> Finder<'_> {
        Finder { all: self, part }
    }

    /// Faults, warnings and notes, each in order of key and each said once.
    pub(super) fn into_sorted(self) -> [Vec<Finding>; 3] {
        let mut all = self.found.into_inner();
        // What one part finds of a key stays in the order in which it was found.
        all.sort_by(|(first, _, a), (second, _, b)| (&a.key, first).cmp(&(&b.key, second)));
        let mut said = HashSet::new();
        all.retain(|(_, severity, finding)| said.insert((*severity, finding.clone())));
        let of = |severity: Severity| {
            let same = all.iter().filter(move |(_, other, _)| *other == severity);
            same.map(|(_, _, finding)| finding.clone())
        };
        [
            of(Severity::Fault).collect(),
            together(of(Severity::Warning)),
            of(Severity::Note).collect(),
        ]
    }
}

// A server says the same of every key: that is one warning, not a hundred.
fn together(findings: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut alike: BTreeMap<_, Finding> = BTreeMap::new();
    for finding in findings {
        let Finding {
            what,
            expected,
            found,
            ..
        } = &finding;
        let same = (what.clone(), expected.clone(), found.clone());
        match alike.get_mut(&same) {
            Some(first) => first.also += 1,
            None => {
                alike.insert(same, finding);
            }
        }
    }
    let mut findings: Vec<_> = alike.into_values().collect();
    findings.sort();
    findings
}

/// An error with its causes, in one line.
pub(super) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.replace('\n', " ")
}
