//! How changes of rows are shown to people: by `diff` those between versions, by `plan` those
//! that a seed would make.

use anstyle::{AnsiColor, Style};
use snapshot_audit::diff::ColumnChange;

pub(super) const NEW: Style = AnsiColor::Green.on_default();
pub(super) const GONE: Style = AnsiColor::Red.on_default();
pub(super) const OTHER: Style = AnsiColor::Yellow.on_default();
pub(super) const HEAD: Style = Style::new().bold();

/// `2 rows changed, 1 added`
pub(super) fn counted<const N: usize>(noun: &str, counts: [(u64, &str); N]) -> String {
    let mut words: Vec<String> = Vec::new();
    for (count, verb) in counts.into_iter().filter(|(count, _)| *count > 0) {
        words.push(match (words.is_empty(), count) {
            (true, 1) => format!("1 {noun} {verb}"),
            (true, _) => format!("{count} {noun}s {verb}"),
            (false, _) => format!("{count} {verb}"),
        });
    }
    if words.is_empty() {
        format!("the same {noun}s")
    } else {
        words.join(", ")
    }
}

/// A column's old and new value; within JSON, only what differs.
pub(super) fn describe_column(change: &ColumnChange) -> String {
    let name = &change.column;
    if change.within.is_empty() {
        let (from, to) = (shortened(change.from.get()), shortened(change.to.get()));
        return format!("      {name}: {from} -> {to}\n");
    }
    let text = |value: &Option<serde_json::Value>| match value {
        Some(value) => shortened(&value.to_string()),
        None => "nothing".to_owned(),
    };
    let within = change.within.iter().map(|place| {
        let (from, to) = (text(&place.from), text(&place.to));
        format!("      {name}{}: {from} -> {to}\n", place.pointer)
    });
    within.collect()
}

/// A line of a terminal.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_a_few_words() {
        let of = |changed, added, removed| {
            counted(
                "row",
                [(changed, "changed"), (added, "added"), (removed, "removed")],
            )
        };
        assert_eq!(of(0, 0, 0), "the same rows");
        assert_eq!(of(1, 0, 0), "1 row changed");
        assert_eq!(of(2, 1, 7), "2 rows changed, 1 added, 7 removed");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"ä".repeat(101)), format!("{}…", "ä".repeat(100)));
    }
}
