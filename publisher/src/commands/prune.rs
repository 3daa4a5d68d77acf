//! `publisher prune`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use snapshot_format::{Key, Version};
use snapshot_store::history::name;

use crate::error::Error;
use crate::flags::{Upkeep, duration};
use crate::prune::{Keep, Pruned, prune};
use crate::words::counted;

/// Flags of `publisher prune`.
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    upkeep: Upkeep,

    /// How many of the newest versions are retained
    #[arg(long, value_name = "N", default_value = "30")]
    keep: NonZeroUsize,

    /// Whatever was public within that time is retained too
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration)]
    min_age: Duration,

    /// Say what would be removed; remove nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PruneReport<'a> {
    dry_run: bool,
    size_bytes: u64,
    #[serde(flatten)]
    pruned: &'a Pruned,
}

/// Removes what no retained version names.
pub(crate) async fn run(args: PruneArgs) -> Result<(), Error> {
    let store = args.upkeep.open().await?;
    let keep = Keep {
        newest: args.keep.get(),
        min_age: args.min_age,
    };
    let pruned = prune(&store, keep, Timestamp::now(), args.dry_run).await?;
    for path in &pruned.foreign {
        eprintln!("warning: {path} is not of a store; it was left alone");
    }
    let report = PruneReport {
        dry_run: args.dry_run,
        size_bytes: pruned.size_bytes(),
        pruned: &pruned,
    };
    let text = describe(&pruned, args.dry_run);
    args.upkeep.output.done(&report, &text)
}

fn describe(pruned: &Pruned, dry_run: bool) -> String {
    let mut text = String::new();
    for version in &pruned.removed {
        let Version {
            reference_version,
            published_at,
            ..
        } = version;
        let _ = writeln!(
            text,
            "version {}, {reference_version}, published {published_at}",
            name(version.order())
        );
    }
    let verb = if dry_run { "would prune" } else { "pruned" };
    let _ = if pruned.files.is_empty() {
        writeln!(text, "{verb}: nothing; {}", retained(pruned))
    } else {
        writeln!(text, "{verb}: {}", in_one_line(pruned))
    };
    text
}

/// `3 versions, 3 manifests, 1 object, 7000 bytes; 30 versions are retained, 7-4 to 7-33`
pub(super) fn in_one_line(pruned: &Pruned) -> String {
    let (counts, retained) = (counts(pruned), retained(pruned));
    format!("{counts}, {} bytes; {retained}", pruned.size_bytes())
}

fn retained(pruned: &Pruned) -> String {
    let count = pruned.retained.len();
    match (pruned.retained.last(), pruned.retained.first()) {
        (Some(oldest), Some(newest)) if count > 1 => format!(
            "{count} versions are retained, {} to {}",
            name(oldest.order()),
            name(newest.order())
        ),
        (_, Some(only)) => format!("1 version is retained, {}", name(only.order())),
        _ => "no version is retained".to_owned(),
    }
}

// `3 versions, 3 manifests, 1 object`, in the order in which they went.
fn counts(pruned: &Pruned) -> String {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for file in &pruned.files {
        *counts.entry(kind_of(&file.path)).or_default() += 1;
    }
    let words = counts
        .into_iter()
        .map(|(kind, count)| counted(count, NOUNS[kind]));
    words.collect::<Vec<_>>().join(", ")
}

const NOUNS: [&str; 5] = ["version", "manifest", "object", "variant", "leftover"];

fn kind_of(path: &str) -> usize {
    match Key::parse(path) {
        Some(Key::History { .. }) => 0,
        Some(Key::Manifest(_)) => 1,
        Some(key) if key.encoding().is_none() => 2,
        Some(_) => 3,
        None => 4,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        prune: PruneArgs,
    }

    #[test]
    fn a_watch_keeps_what_prune_keeps_by_default() {
        let Flags { prune } = Flags::parse_from(["prune"]);
        let usual = Keep::default();
        assert_eq!(prune.keep.get(), usual.newest);
        assert_eq!(prune.min_age, usual.min_age);
    }
}
