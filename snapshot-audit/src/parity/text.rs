//! The report for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::report::{Difference, Kind, PairReport, Report, TableReport};

const PASS: Style = AnsiColor::Green.on_default();
const FAIL: Style = AnsiColor::Red.on_default().bold();
const HEAD: Style = Style::new().bold();

/// The report as lines, with colours; `quiet` leaves out what is as it should be.
pub fn describe(report: &Report, quiet: bool) -> String {
    let mut text = String::new();
    for pair in &report.pairs {
        if quiet && pair.passed {
            continue;
        }
        let _ = writeln!(text, "{HEAD}{} -> {}{HEAD:#}", pair.expected, pair.actual);
        for table in pair.tables.iter().filter(|table| !quiet || !table.passed) {
            describe_table(pair, table, quiet, &mut text);
        }
        if !quiet {
            for line in listed(pair) {
                let _ = writeln!(text, "{line}");
            }
        }
        let _ = writeln!(text, "{}\n", closing_line(pair));
    }
    if !quiet {
        let settings = [
            ("excluded tables", &report.excluded),
            ("files passed over", &report.ignored_files),
        ];
        for (what, names) in settings.into_iter().filter(|(_, names)| !names.is_empty()) {
            let _ = writeln!(text, "{what}: {}", names.join(", "));
        }
    }
    text
}

/// `source -> snapshot: 23 tables, 641 rows equal: no difference`
pub fn closing_line(pair: &PairReport) -> String {
    let mut line = format!(
        "{} -> {}: {}, {} equal: {}",
        pair.expected,
        pair.actual,
        counted(pair.table_count, "table"),
        counted(pair.equal_rows, "row"),
        match pair.difference_count {
            0 => "no difference".to_owned(),
            count => format!(
                "{} in {}",
                counted(count, "difference"),
                counted(pair.failed_count, "table")
            ),
        }
    );
    if pair.admin_owned > 0 {
        let _ = write!(
            line,
            "; {} of administrators stand apart",
            counted(pair.admin_owned, "row")
        );
    }
    line
}

fn describe_table(pair: &PairReport, table: &TableReport, quiet: bool, text: &mut String) {
    let (style, word) = match (table.skipped, table.passed) {
        (Some(_), _) => (Style::new(), "skip"),
        (None, true) => (PASS, "pass"),
        (None, false) => (FAIL, "FAIL"),
    };
    let _ = writeln!(
        text,
        "{style}{word}{style:#} {:<24} {}",
        table.table,
        figures(table)
    );
    for difference in &table.differences {
        let _ = writeln!(text, "     {}", sentence(pair, difference));
    }
    if table.more() > 0 {
        let _ = writeln!(text, "     and {} more", table.more());
    }
    if !quiet {
        for note in counted_notes(table) {
            let _ = writeln!(text, "     {note}");
        }
    }
}

/// `31 rows, 1 difference`
pub fn figures(table: &TableReport) -> String {
    if let Some(why) = table.skipped {
        return why.to_owned();
    }
    let rows = &table.rows;
    let mut parts = vec![format!("{} equal", counted(rows.equal, "row"))];
    for (count, what) in [
        (rows.unpublished, "inactive and not published"),
        (rows.retired, "gone from the file and inactive"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if table.difference_count > 0 {
        parts.push(counted(table.difference_count, "difference"));
    }
    parts.join(", ")
}

/// What is no difference of a table and must not be hidden, a line each.
pub fn notes(table: &TableReport) -> Vec<String> {
    let mut notes = counted_notes(table);
    for (what, names) in left_out(table) {
        notes.push(format!("{what}: {}", names.join(", ")));
    }
    notes
}

/// What is left out of every table of a pair, a line for each reason: a column that many
/// tables have is said once.
pub fn listed(pair: &PairReport) -> Vec<String> {
    let mut reasons: BTreeMap<&str, BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    for table in &pair.tables {
        for (what, names) in left_out(table) {
            let tables = reasons.entry(what).or_default();
            for name in names {
                tables.entry(name).or_default().push(&table.table);
            }
        }
    }
    let place = |(name, tables): (String, Vec<&str>)| match tables.as_slice() {
        [one] => format!("{name} of {one}"),
        many => format!("{name} of {} tables", many.len()),
    };
    let line = |(what, names): (&str, BTreeMap<String, Vec<&str>>)| {
        let names: Vec<String> = names.into_iter().map(place).collect();
        format!("{what}: {}", names.join(", "))
    };
    reasons.into_iter().map(line).collect()
}

fn left_out(table: &TableReport) -> Vec<(&'static str, Vec<String>)> {
    let keys = table.passed_over.iter();
    let keys = keys.map(|(key, rows)| format!("{key} in {}", counted(*rows, "row")));
    let all = [
        ("no data (N20)", keys.collect()),
        ("only in the database (N21)", table.database_only.clone()),
        ("compared as text (N19)", table.compared_as_text.clone()),
    ];
    all.into_iter()
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

/// The rules that a table needed, and its rows that stand apart, a line each.
pub fn counted_notes(table: &TableReport) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for rule in &table.rules {
        let values = counted(rule.count, "value");
        notes.push(format!(
            "{} ({}): {} of the {}: {values}",
            rule.what, rule.clause, rule.column, rule.side
        ));
    }
    let admin = &table.admin_owned;
    if admin.count > 0 {
        let hidden = admin.count - admin.keys.len() as u64;
        let more = if hidden > 0 {
            format!(" and {hidden} more")
        } else {
            String::new()
        };
        let both = match admin.also_in_source {
            0 => String::new(),
            count => format!("; {count} of them in the source too"),
        };
        let rows = counted(admin.count, "row");
        let keys = admin.keys.join(", ");
        notes.push(format!(
            "owned by administrators (N23): {rows}: {keys}{more}{both}"
        ));
    }
    for other in &table.not_judged {
        let rows = counted(other.rows, "row");
        notes.push(format!(
            "not judged (N8): {} in {rows}: {}",
            other.column, other.why
        ));
    }
    notes
}

/// One difference as a line: where, what was expected, what is there.
pub fn sentence(pair: &PairReport, difference: &Difference) -> String {
    let place = difference.place();
    let value = |value: &Option<Box<serde_json::value::RawValue>>| {
        value
            .as_ref()
            .map_or("nothing", |value| value.get())
            .to_owned()
    };
    let (expected, actual) = (value(&difference.expected), value(&difference.actual));
    let note = difference.note.as_deref().unwrap_or_default();
    let what = match difference.kind {
        Kind::Value => format!(
            "expected {expected}, found {actual}{}",
            look_alike(&expected, &actual)
        ),
        Kind::MissingKey => format!("expected {expected}, found no such key"),
        Kind::ExtraKey => format!("expected no such key, found {actual}"),
        Kind::RenamedKey => format!("expected the keys {expected}, found {actual}"),
        Kind::ElementOrder => {
            format!("expected {expected}, found the elements in another order: {actual}")
        }
        Kind::ElementCount => {
            format!("expected {expected}, found more or fewer elements: {actual}")
        }
        Kind::MissingRow => format!(
            "the row is missing in the {}; expected {expected}",
            pair.actual
        ),
        Kind::ExtraRow => format!("the row is not in the {}; found {actual}", pair.expected),
        Kind::DoubledRow => note.to_owned(),
        Kind::PublishedInactive => "is published, and should not be: it is inactive".to_owned(),
        Kind::RowOrder | Kind::Unreadable => note.to_owned(),
        Kind::Column => format!("expected a column of type {expected}, found {actual}"),
        Kind::PrimaryKey => format!("expected the primary key {expected}, found {actual}"),
        Kind::MissingTable => format!("the table is missing in the {}", pair.actual),
        Kind::ExtraTable => format!("the table is not in the {}", pair.expected),
    };
    format!("{place}: {what}")
}

// Two strings that look the same, or are too long to be looked through: where they part.
fn look_alike(expected: &str, actual: &str) -> String {
    let (Ok(expected), Ok(actual)) = (
        serde_json::from_str::<String>(expected),
        serde_json::from_str::<String>(actual),
    ) else {
        return String::new();
    };
    let common = expected
        .chars()
        .zip(actual.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let next = |text: &str| text.chars().nth(common);
    let plain = |c: Option<char>| c.is_none_or(|c| c.is_ascii_graphic());
    if plain(next(&expected)) && plain(next(&actual)) && expected.chars().count() <= 60 {
        return String::new();
    }
    let name =
        |c: Option<char>| c.map_or("the end".to_owned(), |c| format!("U+{:04X}", u32::from(c)));
    format!(
        " (character {}: expected {}, found {})",
        common + 1,
        name(next(&expected)),
        name(next(&actual))
    )
}

/// `1 row`, `2 rows`: a number with its noun, which takes an `s` where there is not one.
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        many => format!("{many} {noun}s"),
    }
}
