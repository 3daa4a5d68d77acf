//! `publisher verify`

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use clap::Args;
use snapshot_audit::verify::{Finding, Report, verify_within};

use crate::blocking::blocking;
use crate::error::Error;
use crate::flags::Reading;
use crate::words::counted;

/// Flags of `publisher verify`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct VerifyArgs {
    /// The folder, or the URL under which version.json stands [default: the setting `out`]
    #[arg(value_name = "DIR|URL", env = "TABLECAST_OUT")]
    origin: Option<String>,

    /// Every version of the history, and in a folder also what no version names
    #[arg(long)]
    all: bool,

    /// Warnings count as faults
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    reading: Reading,
}

const AFTER_HELP: &str = "\
Reads what a reader can reach from version.json: existence, sizes, hashes, canonical form, rows,
their order and types, variants, the bootstrap against its tables; over HTTP also the header
fields. Names every fault in one run, and changes nothing.";

/// Verifies a snapshot.
pub(crate) async fn run(args: VerifyArgs) -> Result<(), Error> {
    let origin = args.reading.origin(args.origin.as_deref())?;
    let bar = args.reading.output.progress().bytes("verify", 1);
    let shown = bar.clone();
    let most = args.reading.settings.max_object_bytes()?;
    let report = blocking(move || verify_within(&origin, args.all, most, &shown)).await;
    bar.finish_and_clear();
    let report = report?;
    args.reading
        .output
        .answer(&report, &describe(&report, args.reading.output.quiet))?;
    let warnings = if args.strict {
        report.warnings.len()
    } else {
        0
    };
    match report.faults.len() + warnings {
        0 => Ok(()),
        count => Err(Error::Faults {
            count,
            has_version: report.version.is_some(),
            origin: report.origin,
        }),
    }
}

const FAULT: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();
const NOTE: Style = AnsiColor::Cyan.on_default();

// Beyond that a person wants to know how many there are.
const MOST_NOTES: usize = 20;

fn describe(report: &Report, quiet: bool) -> String {
    let mut text = String::new();
    let mut lines = |label: &str, style: Style, findings: &[Finding]| {
        for finding in findings {
            let _ = writeln!(text, "{style}{label}{style:#}: {finding}");
        }
    };
    lines("fault", FAULT, &report.faults);
    lines("warning", WARNING, &report.warnings);
    if quiet {
        return text;
    }
    let shown = report.notes.len().min(MOST_NOTES);
    lines("note", NOTE, &report.notes[..shown]);
    if report.notes.len() > shown {
        let _ = writeln!(text, "and {} more notes", report.notes.len() - shown);
    }
    let _ = writeln!(text, "{}", closing_line(report));
    text
}

fn closing_line(report: &Report) -> String {
    let checked = &report.checked;
    let version = match &report.version {
        Some(version) => {
            let (epoch, sequence) = version.order();
            format!("version {epoch}-{sequence}, {}", version.reference_version)
        }
        None => "no version".to_owned(),
    };
    let others = match checked.versions {
        0 | 1 => String::new(),
        versions => format!(" and {} more of the history", versions - 1),
    };
    let mut counts = vec![plural(report.faults.len(), "fault")];
    if !report.warnings.is_empty() {
        counts.push(plural(report.warnings.len(), "warning"));
    }
    format!(
        "verified: {version}{others}: {} objects, {} variants, {} rows, {} bytes: {}",
        checked.objects,
        checked.variants,
        checked.rows,
        checked.bytes,
        counts.join(", ")
    )
}

fn plural(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}"),
        _ => counted(count, noun),
    }
}
