//! `publisher history`

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use clap::Args;
use snapshot_audit::history::{Brought, HistoryEntry, entries};
use snapshot_store::{
    Origin,
    history::{History, name},
};

use crate::blocking::blocking;
use crate::error::Error;
use crate::flags::{Reading, StoreFlag};

/// Flags of `publisher history`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    store: StoreFlag,

    /// The newest so many versions [default: 20; all with --json]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    reading: Reading,
}

const AFTER_HELP: &str = "\
What a version brought is said by the manifests: tables that differ, and how many rows more or
fewer there are. `publisher diff` goes into the rows.";

/// Lists the history.
pub(crate) async fn run(args: HistoryArgs) -> Result<(), Error> {
    let origin = args.reading.origin(args.store.out.as_deref())?;
    let usual = if args.reading.output.json {
        usize::MAX
    } else {
        20
    };
    let limit = args.limit.unwrap_or(usual);
    let (history, entries, problems) = blocking(move || -> Result<_, Error> {
        let history = read_history(&origin)?;
        let (entries, problems) = entries(&origin, &history, limit);
        Ok((history, entries, problems))
    })
    .await?;
    warn_of_unreadable(&history);
    for problem in problems {
        eprintln!("warning: {problem}");
    }
    let more = history.all().len() - entries.len();
    args.reading
        .output
        .answer(&entries, &describe(&entries, more))
}

/// The history of a store that has any. `show` and `diff` take this step too.
pub(super) fn read_history(origin: &Origin) -> Result<History, Error> {
    let history = History::read(origin)?.fetched()?;
    if !history.all().is_empty() {
        return Ok(history);
    }
    history.current()?;
    warn_of_unreadable(&history);
    Err(Error::NothingPublished {
        origin: origin.to_string(),
    })
}

/// Names the pages that are passed over.
pub(super) fn warn_of_unreadable(history: &History) {
    for unreadable in &history.unreadable {
        eprintln!("warning: {unreadable}");
    }
}

const CURRENT: Style = AnsiColor::Green.on_default().bold();
const HEAD: Style = Style::new().bold();

fn describe(entries: &[HistoryEntry], more: usize) -> String {
    let mut text = String::new();
    let width = entries
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or(0);
    let state = |entry: &HistoryEntry| entry.version.reference_version.to_string();
    let state_width = entries
        .iter()
        .map(|entry| state(entry).len())
        .max()
        .unwrap_or(0)
        .max(5);
    let _ = writeln!(
        text,
        "{HEAD}{:width$}  {:20}  {:state_width$}  {:>6}  {:>9}  {:>11}  what it brought{HEAD:#}",
        "version", "published", "state", "tables", "rows", "bytes"
    );
    for entry in entries {
        let style = if entry.current { CURRENT } else { Style::new() };
        let [tables, rows, bytes] = match &entry.content {
            Some(content) => {
                [content.tables as u64, content.rows, content.bytes].map(|n| n.to_string())
            }
            None => ["?", "?", "?"].map(str::to_owned),
        };
        let _ = writeln!(
            text,
            "{style}{:width$}{style:#}  {:20}  {:state_width$}  {tables:>6}  {rows:>9}  {bytes:>11}  {}",
            entry.name,
            entry.version.published_at,
            state(entry),
            what_it_brought(entry),
        );
    }
    if more > 0 {
        let _ = writeln!(text, "and {more} more; --limit shows them");
    }
    text
}

fn what_it_brought(entry: &HistoryEntry) -> String {
    let mut words = Vec::new();
    if let Some(back) = entry.version.rollback {
        words.push(format!("rollback to {}", name((back.epoch, back.sequence))));
    }
    let content = entry.content.as_ref();
    match content.map(|content| &content.brought) {
        None => words.push("its manifest cannot be read".to_owned()),
        Some(None) => words.push("the oldest that is retained".to_owned()),
        Some(Some(brought)) => words.push(in_words(brought)),
    }
    if entry.current {
        words.push("current".to_owned());
    }
    words.join("; ")
}

/// `2 tables changed, 1 added, +7 rows`
pub(super) fn in_words(brought: &Brought) -> String {
    let Brought {
        tables_added,
        tables_removed,
        tables_changed,
        rows,
    } = brought;
    let counts = [
        (*tables_changed, "changed"),
        (*tables_added, "added"),
        (*tables_removed, "removed"),
    ];
    let mut words: Vec<String> = Vec::new();
    for (count, verb) in counts.into_iter().filter(|(count, _)| *count > 0) {
        words.push(match (words.is_empty(), count) {
            (true, 1) => format!("1 table {verb}"),
            (true, _) => format!("{count} tables {verb}"),
            (false, _) => format!("{count} {verb}"),
        });
    }
    if words.is_empty() {
        return "the same content".to_owned();
    }
    match rows {
        0 => {}
        1 | -1 => words.push(format!("{rows:+} row")),
        _ => words.push(format!("{rows:+} rows")),
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_brought_is_a_few_words() {
        let check = |[changed, added, removed]: [usize; 3], rows, expected: &str| {
            let brought = Brought {
                tables_added: added,
                tables_removed: removed,
                tables_changed: changed,
                rows,
            };
            assert_eq!(in_words(&brought), expected);
        };
        check([0, 0, 0], 0, "the same content");
        check([1, 0, 0], 0, "1 table changed");
        check([2, 1, 0], 7, "2 tables changed, 1 added, +7 rows");
        check([0, 0, 3], -1, "3 tables removed, -1 row");
    }
}
