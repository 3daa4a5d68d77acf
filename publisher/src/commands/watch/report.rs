//! What a watch says: one line a round for people, one JSON event a line for tools.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;
use snapshot_format::Version;
use snapshot_store::history::name;

use super::event::{Change, Event, changes};
use super::public::Public;
use super::round::{Rounded, Rounds};
use crate::error::Error;
use crate::output::{Output, warn};
use crate::prune::Pruned;
use crate::publish::Published;
use crate::source::Problem;
use crate::words::with_causes;

/// Tells what happens.
pub(super) struct Reporter {
    output: Output,
    // The store, whose version.json says what is public.
    out: PathBuf,
    // What stands in the way, as it was told last.
    told: Option<String>,
    problems: BTreeSet<Problem>,
    first: bool,
}

impl Reporter {
    pub(super) fn new(output: Output, out: &Path) -> Self {
        Self {
            output,
            out: out.to_owned(),
            told: None,
            problems: BTreeSet::new(),
            first: true,
        }
    }

    pub(super) fn started(&self, rounds: &Rounds, poll: Option<Duration>, url: Option<String>) {
        let config = rounds.config();
        let shown = |path: &Path| path.display().to_string();
        let (source, sql, out) = (
            shown(&config.source),
            shown(&config.sql),
            shown(&config.out),
        );
        let mut text = format!("database: {}\n", rounds.target());
        if let Some(url) = &url {
            let _ = writeln!(
                text,
                "serving {out} on {url}\n  {url}/version.json\n  {url}/api/v1/reference/bootstrap"
            );
        }
        let public = self.public();
        let _ = writeln!(text, "{out}: {}", public.in_words());
        let how = poll.map_or_else(String::new, |poll| {
            format!(", each {} ms", poll.as_millis())
        });
        let _ = writeln!(text, "watching {source} and {sql}{how}; Ctrl-C ends it");
        self.output.say(&text);
        self.print(&Event::Started {
            source,
            sql,
            out,
            database: rounds.target(),
            poll_ms: poll.map(|poll| poll.as_millis()),
            url,
            public: &public.version(),
        });
    }

    /// A round came to its end. `again`: it was one that may have found everything done.
    pub(super) fn succeeded(&mut self, files: &[String], rounded: &Rounded, again: bool) {
        self.recovered();
        self.problems.clear();
        for setting in &rounded.fixed {
            warn(&format!(
                "tablecast.toml: another {setting} is in force after a restart of the watch"
            ));
        }
        let version = rounded.publish.published.version();
        let first = std::mem::take(&mut self.first);
        let changes = changes(rounded);
        let quiet = is_unchanged(rounded) && changes.is_empty() && rounded.applied.is_empty();
        if quiet && again && !first {
            return;
        }
        let notes: Vec<&String> = notes(rounded).collect();
        for note in &notes {
            self.output.say(&format!("{note}\n"));
        }
        self.output
            .say(&line_of(files, rounded, &changes, version, first));
        self.print(&Event::Round {
            at: now(),
            files,
            applied: &rounded.applied,
            tables: changes,
            published: &rounded.publish.published,
            notes,
            steps: rounded.steps,
            total_ms: rounded.total.as_millis(),
        });
    }

    /// Only an edit mends it.
    pub(super) fn refused(&mut self, error: &Error, files: &[String]) {
        let Error::Problems {
            problems, count, ..
        } = error
        else {
            return self.failed(error, None);
        };
        self.recovered();
        let now_there: BTreeSet<Problem> = problems.iter().cloned().collect();
        let mut text = String::new();
        for problem in now_there.difference(&self.problems) {
            let _ = writeln!(text, "error: {problem}");
        }
        let old: usize = now_there
            .intersection(&self.problems)
            .map(Problem::count)
            .sum();
        let before = match old {
            0 => String::new(),
            old => format!(" ({old} as before)"),
        };
        let _ = writeln!(text, "{} {error}{before}; {}", clock(), self.stays());
        // A problem is said also where little is.
        eprint!("{text}");
        self.problems = now_there;
        self.print(&Event::Problems {
            at: now(),
            files,
            count: *count,
            problems,
            error: error.to_string(),
            public: &self.public().version(),
        });
    }

    /// The world is in the way; `retry_in` says when it is tried again.
    pub(super) fn failed(&mut self, error: &Error, retry_in: Option<Duration>) {
        let report = error.report();
        // The same again and again is said once.
        if self.told.as_deref() == Some(&report) {
            return;
        }
        let then = match retry_in {
            Some(_) => "; it is tried again by itself",
            None => "",
        };
        eprintln!("{report}{} {}{then}", clock(), self.stays());
        self.print(&Event::Failed {
            at: now(),
            error: with_causes(error),
            hint: error.hint(),
            retry_in_ms: retry_in.map(|pause| pause.as_millis()),
            public: &self.public().version(),
        });
        self.told = Some(report);
    }

    /// The connection went while nothing was asked of it.
    pub(super) fn lost(&mut self, rounds: &Rounds) {
        let error = format!("the connection to {} is gone", rounds.target());
        if self.told.as_deref() == Some(&error) {
            return;
        }
        eprintln!(
            "error: {error}\n{} {}; it is tried again by itself",
            clock(),
            self.stays()
        );
        self.print(&Event::Failed {
            at: now(),
            error: error.clone(),
            hint: None,
            retry_in_ms: Some(0),
            public: &self.public().version(),
        });
        self.told = Some(error);
    }

    fn recovered(&mut self) {
        if self.told.take().is_some() {
            self.output.say(&format!("{} recovered\n", clock()));
            self.print(&Event::Recovered { at: now() });
        }
    }

    pub(super) fn stopped(&self) {
        self.output.say("stopped\n");
        self.print(&Event::Stopped { at: now() });
    }

    /// What is not retained any more was removed.
    pub(super) fn pruned(&self, pruned: &Pruned) {
        let line = super::super::prune::in_one_line(pruned);
        self.output.say(&format!("{} pruned: {line}\n", clock()));
        self.print(&Event::Pruned {
            at: now(),
            versions: pruned.removed.len(),
            files: pruned.files.len(),
            size_bytes: pruned.size_bytes(),
        });
    }

    fn stays(&self) -> String {
        match self.public() {
            Public::Version(version) => format!("version {version} stays"),
            other => other.in_words(),
        }
    }

    fn public(&self) -> Public {
        Public::of(&self.out)
    }

    // Who reads no more is no reason to stop.
    fn print(&self, event: &Event<'_>) {
        let _ = self.output.report(event);
    }
}

fn notes(rounded: &Rounded) -> impl Iterator<Item = &String> {
    let seed = rounded.seed.iter().flat_map(|seed| &seed.notes);
    seed.chain(&rounded.publish.notes)
}

fn is_unchanged(rounded: &Rounded) -> bool {
    matches!(rounded.publish.published, Published::Unchanged { .. })
}

fn line_of(
    files: &[String],
    rounded: &Rounded,
    changes: &[Change<'_>],
    version: &Version,
    first: bool,
) -> String {
    let mut line = clock();
    if !rounded.applied.is_empty() {
        let _ = write!(line, " applied {},", in_short(&rounded.applied));
    }
    let version = format!("{}, {}", name(version.order()), version.reference_version);
    match is_unchanged(rounded) {
        true if first => {
            let _ = write!(line, " up to date: version {version}");
        }
        true => {
            let _ = write!(
                line,
                " {}: no row differs; version {version} stays",
                in_short(files)
            );
        }
        false => {
            let tables: Vec<String> = changes.iter().map(Change::to_text).collect();
            let _ = write!(line, " version {version}: {}", in_short(&tables));
        }
    }
    let total = rounded.total.as_millis();
    let _ = writeln!(line, " ({total} ms: {})", rounded.steps.to_text());
    line
}

// Of many, the first.
fn in_short(names: &[String]) -> String {
    const SHOWN: usize = 4;
    match names.len() {
        0 => "the files".to_owned(),
        n if n <= SHOWN => names.join(", "),
        n => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
    }
}

// For people, in their own time.
fn clock() -> String {
    Zoned::now().strftime("%H:%M:%S").to_string()
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
