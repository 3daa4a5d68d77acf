//! `publisher bundle`

use std::io;
use std::path::PathBuf;

use clap::Args;
use snapshot_audit::diff::{DiffError, read_manifest};

use super::history::read_history;
use crate::blocking::blocking;
use crate::bundle::{BundleError, Bundled, write_folder, write_sqlite};
use crate::error::Error;
use crate::flags::{Reading, StoreFlag};
use crate::source::Problem;

/// Flags of `publisher bundle`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct BundleArgs {
    /// Write version.json, manifest.json, bootstrap.json and reference.ts of the current snapshot here
    #[arg(value_name = "DIR", required_unless_present = "sqlite")]
    folder: Option<PathBuf>,

    /// Write the current snapshot as an SQLite database
    #[arg(long, value_name = "FILE")]
    sqlite: Option<PathBuf>,

    #[command(flatten)]
    store: StoreFlag,

    #[command(flatten)]
    reading: Reading,
}

const AFTER_HELP: &str = "\
The four files are of one version, so an app that takes all of them has what belongs together.

The database holds every table with its types, its primary key and its rows in their order, and a
table reference_metadata that says which snapshot they are of. One state of the data gives the same
bytes, whenever and wherever it is bundled. A file that is not such a bundle is never replaced.";

/// Bundles a snapshot.
pub(crate) async fn run(args: BundleArgs) -> Result<(), Error> {
    let origin = args.reading.origin(args.store.out.as_deref())?;
    let bar = args.reading.output.progress().bytes("bundle", 1);
    let shown = bar.clone();
    let (folder, sqlite) = (args.folder, args.sqlite);
    let bundled = blocking(move || {
        let history = read_history(&origin)?;
        let all = history.all();
        let version = history.current.as_ref().unwrap_or(&all[0]);
        let manifest = read_manifest(&origin, version)?;
        shown.set_length(manifest.tables.values().map(|table| table.size).sum());
        let mut bundled = Vec::new();
        if let Some(folder) = folder {
            bundled.push(write_folder(&origin, version, &manifest, &folder)?);
        }
        if let Some(path) = sqlite {
            bundled.push(write_sqlite(&origin, &manifest, &path, &shown)?);
        }
        Ok::<_, Error>(bundled)
    })
    .await;
    bar.finish_and_clear();
    let bundled = bundled?;
    let text = if args.reading.output.quiet {
        String::new()
    } else {
        bundled.iter().map(describe).collect()
    };
    args.reading.output.answer(&bundled, &text)
}

fn describe(bundled: &Bundled) -> String {
    let Bundled {
        path,
        unchanged,
        tables,
        rows,
        bytes,
    } = bundled;
    let path = path.display();
    let stays = if *unchanged { " (as it was)" } else { "" };
    format!("bundled: {rows} rows in {tables} tables, {bytes} bytes, {path}{stays}\n")
}

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Tables(found) => Self::Problems {
                count: found.len(),
                problems: found
                    .into_iter()
                    .map(|message| Problem {
                        place: None,
                        message,
                    })
                    .collect(),
                what: "the snapshot".to_owned(),
                outcome: "nothing was bundled".into(),
            },
            BundleError::Foreign(path) => Self::Write {
                path,
                source: io::Error::other(
                    "`publisher bundle` has not written what is there; name another file, or remove it",
                ),
            },
            BundleError::Rows(error) => Self::Diff(DiffError::from(error)),
            BundleError::Write { path, source } => Self::Write { path, source },
        }
    }
}
