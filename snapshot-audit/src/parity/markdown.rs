//! The report as Markdown, for the summary that a pull request shows.

use std::fmt::Write;

use super::report::{PairReport, Report, TableReport};
use super::text::{closing_line, counted, counted_notes, figures, listed, sentence};

/// The report: a table for each pair, its differences, and what else must be known.
pub fn describe(report: &Report) -> String {
    let verdict = match report.difference_count {
        0 => "## Parity: all sides hold the same data".to_owned(),
        count => format!("## Parity: {}", counted(count, "difference")),
    };
    let mut text = format!("{verdict}\n\n");
    for (side, place) in &report.sides {
        let _ = writeln!(text, "- {side}: {}", code(place));
    }
    for pair in &report.pairs {
        describe_pair(pair, &mut text);
    }
    for (what, names) in [
        ("Excluded tables", &report.excluded),
        ("Files passed over", &report.ignored_files),
    ] {
        if !names.is_empty() {
            let _ = writeln!(text, "\n{what}: {}", code(&names.join(", ")));
        }
    }
    text
}

fn describe_pair(pair: &PairReport, text: &mut String) {
    let mark = if pair.passed { "✅" } else { "❌" };
    let _ = writeln!(text, "\n### {mark} {}\n", closing_line(pair));
    for table in pair.tables.iter().filter(|table| !table.passed) {
        let _ = writeln!(text, "**{}**: {}\n", table.table, figures(table));
        for difference in &table.differences {
            let _ = writeln!(text, "- {}", code(&sentence(pair, difference)));
        }
        if table.more() > 0 {
            let _ = writeln!(text, "- and {} more", table.more());
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "<details><summary>{}</summary>\n",
        counted(pair.table_count, "table")
    );
    text.push_str("| table | | rows |\n| --- | --- | --- |\n");
    for table in &pair.tables {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            table.table,
            mark_of(table),
            figures(table)
        );
    }
    let _ = writeln!(text);
    for table in &pair.tables {
        for note in counted_notes(table) {
            let _ = writeln!(text, "- {}: {}", table.table, code(&note));
        }
    }
    for line in listed(pair) {
        let _ = writeln!(text, "- {}", code(&line));
    }
    text.push_str("\n</details>\n");
}

fn mark_of(table: &TableReport) -> &'static str {
    match (table.skipped, table.passed) {
        (Some(_), _) => "skipped",
        (None, true) => "✅",
        (None, false) => "❌",
    }
}

// A code span that nothing in the text can end: fenced by more backticks than it holds.
fn code(text: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_its_code_span() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a ``` b"), "```` a ``` b ````");
        assert_eq!(code("`"), "`` ` ``");
    }
}
