//! Preflight: what has to be true before an app's readers are moved to what is published.
//!
//! Each check is one line of a table: what was looked at, how it ended, and what to do where
//! it did not pass. A check that cannot be made is not passed.

mod shape;

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

pub(crate) use shape::{Shape, differences};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It is as it has to be.
    Passed,
    /// It is not, or it could not be looked at.
    Failed,
    /// Nobody asked for it, or there is nothing to look at.
    Skipped,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// Its name, which never changes: `migrations`, `seed`.
    pub(crate) check: &'static str,
    pub(crate) outcome: Outcome,
    /// What was seen, as a lower-case fragment; further lines name single things.
    pub(crate) detail: String,
    /// What to do, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
}

impl Check {
    pub(crate) fn passed(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            outcome: Outcome::Passed,
            detail: detail.into(),
            help: None,
        }
    }

    pub(crate) fn failed(
        check: &'static str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            check,
            outcome: Outcome::Failed,
            detail: detail.into(),
            help: Some(help.into()),
        }
    }

    pub(crate) fn skipped(
        check: &'static str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            check,
            outcome: Outcome::Skipped,
            detail: detail.into(),
            help: Some(help.into()),
        }
    }
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Whether none failed.
    pub(crate) passed: bool,
    pub(crate) checks: Vec<Check>,
}

impl Report {
    pub(crate) fn of(checks: Vec<Check>) -> Self {
        Self {
            passed: checks.iter().all(|check| check.outcome != Outcome::Failed),
            checks,
        }
    }

    /// How many checks failed.
    pub(crate) fn failed(&self) -> usize {
        let failed = |check: &&Check| check.outcome == Outcome::Failed;
        self.checks.iter().filter(failed).count()
    }

    /// The table, for people; `quiet` leaves out what passed or was skipped.
    pub(crate) fn describe(&self, quiet: bool) -> String {
        let mut text = String::new();
        let width = self.checks.iter().map(|check| check.check.len()).max();
        let width = width.unwrap_or(0);
        let is_told = |check: &&Check| !quiet || check.outcome == Outcome::Failed;
        for check in self.checks.iter().filter(is_told) {
            let (style, word) = match check.outcome {
                Outcome::Passed => (PASSED, "passed "),
                Outcome::Failed => (FAILED, "FAILED "),
                Outcome::Skipped => (SKIPPED, "skipped"),
            };
            let indent = " ".repeat(width + 11);
            let mut lines = check.detail.lines();
            let first = lines.next().unwrap_or_default();
            let name = check.check;
            let _ = writeln!(text, "{style}{word}{style:#}  {name:width$}  {first}");
            for line in lines {
                let _ = writeln!(text, "{indent}{line}");
            }
            if let Some(help) = &check.help {
                let _ = writeln!(text, "{indent}to do: {help}");
            }
        }
        text
    }
}

const PASSED: Style = AnsiColor::Green.on_default();
const FAILED: Style = AnsiColor::Red.on_default().bold();
const SKIPPED: Style = AnsiColor::Yellow.on_default();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_does_not_fail_and_what_failed_does() {
        let skipped = Check::skipped("app", "no files were named", "name them");
        assert!(Report::of(vec![skipped.clone()]).passed);
        let failed = Check::failed("seed", "2 rows would change", "seed them");
        let report = Report::of(vec![skipped, failed]);
        assert!(!report.passed);
        assert_eq!(report.failed(), 1);
    }

    #[test]
    fn each_check_is_a_line_with_what_to_do_below_it() {
        let report = Report::of(vec![
            Check::passed("seed", "nothing to do"),
            Check::failed("migrations", "1 is pending\nV0002__b.sql", "apply it"),
        ]);
        let failed = "\
FAILED   migrations  1 is pending
                     V0002__b.sql
                     to do: apply it
";
        let plain = |quiet| anstream::adapter::strip_str(&report.describe(quiet)).to_string();
        assert_eq!(
            plain(false),
            format!("passed   seed        nothing to do\n{failed}")
        );
        assert_eq!(plain(true), failed);
    }
}
