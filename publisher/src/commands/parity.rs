//! `publisher parity`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use snapshot_audit::diff::read_manifest;
use snapshot_audit::parity::report::Report;
use snapshot_audit::parity::{junit, markdown, text};
use snapshot_format::Manifest;
use snapshot_store::{
    Origin,
    history::{History, name},
};

use super::context::Context;
use crate::blocking::blocking;
use crate::config::Config;
use crate::database::{SnapshotReader, fills};
use crate::error::Error;
use crate::flags::{Common, OutFlags, SourceFlag, SqlFlag};
use crate::output::Output;
use crate::parity::{
    Catalog, DatabaseInput, Inputs, SnapshotInput, SourceInput, contracts, parity,
};
use crate::schema::{Fills, Schema};
use crate::source::files_by_key;

/// Flags of `publisher parity`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ParityArgs {
    /// Compare the JSON files in this folder
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,

    /// Compare the snapshot in this folder, or under this URL
    #[arg(long, value_name = "DIR|URL")]
    snapshot: Option<String>,

    /// Compare the database
    #[arg(long)]
    database: bool,

    /// How many differences of each table to show; the numbers are always those of all
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,

    /// Write the report as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Write the report as Markdown too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    #[command(flatten)]
    sql: SqlFlag,

    #[command(flatten)]
    common: Common,
}

const AFTER_HELP: &str = "\
Two sides or all three; with none named, all three as the settings have them. Each side is read by
code of its own and written in one normal form by the same rules, those of docs/normalization.md.
What a file leaves to the database is asked from the database that is given, otherwise from the
migrations, applied to an empty private one. Exit status: 0 equal, 1 different, 2 the command line.";

/// Compares the sides.
pub(crate) async fn run(args: ParityArgs) -> Result<(), Error> {
    let sides = Sides::of(&args)?;
    let source = SourceFlag {
        source: args.source.clone(),
    };
    let config = args
        .common
        .settle(&source, &args.sql, &OutFlags::default())?;
    let output = args.common.output;
    let report = compare(config, &sides).await?;
    write_files(&args, &report)?;
    output.answer(&report, &text::describe(&report, output.quiet))?;
    if report.passed {
        Ok(())
    } else {
        Err(Error::Differences {
            count: report.difference_count,
        })
    }
}

/// Which sides are compared, and how that is told.
pub(super) struct Sides {
    source: bool,
    database: bool,
    snapshot: bool,
    // Where the snapshot is, if not where the settings say.
    place: Option<String>,
    limit: usize,
    output: Output,
}

impl Sides {
    fn of(args: &ParityArgs) -> Result<Self, Error> {
        let mut sides = Self {
            source: args.source.is_some(),
            database: args.database,
            snapshot: args.snapshot.is_some(),
            place: args.snapshot.clone(),
            limit: args.limit,
            output: args.common.output,
        };
        let named = [sides.source, sides.database, sides.snapshot];
        match named.iter().filter(|side| **side).count() {
            0 => {
                (sides.source, sides.database, sides.snapshot) = (true, true, true);
                Ok(sides)
            }
            1 => Err(Error::Usage(
                "parity compares two sides: name another of --source, --database and --snapshot, or none for all three".to_owned(),
            )),
            _ => Ok(sides),
        }
    }

    /// All three, for whoever wants to know whether they are equal.
    pub(super) fn all(place: &str, output: Output) -> Self {
        Self {
            source: true,
            database: true,
            snapshot: true,
            place: Some(place.to_owned()),
            limit: 0,
            output,
        }
    }

    /// The files of the settings, and a snapshot.
    pub(super) fn files_and_snapshot(place: &str, output: Output) -> Self {
        Self {
            database: false,
            ..Self::all(place, output)
        }
    }
}

/// Compares the sides that are chosen.
pub(super) async fn compare(config: Config, sides: &Sides) -> Result<Report, Error> {
    let snapshot = if sides.snapshot {
        Some(open_snapshot(&config, sides).await?)
    } else {
        None
    };
    let gives_catalog = sides.source && config.sql.is_dir();
    if sides.database || sides.source && config.database_url.is_some() {
        return compare_beside_database(config, sides, snapshot).await;
    }
    let known = if gives_catalog {
        let known = async |context: &mut Context| Known::read(context, Catalog::Migrations).await;
        Context::in_scratch(config.clone(), sides.output, "parity", known).await?
    } else {
        Known {
            catalog: Catalog::Manifest,
            schema: Schema::default(),
            fills: BTreeMap::new(),
        }
    };
    let inputs = inputs(&config, sides, snapshot, known)?;
    finish(inputs, None, &config).await
}

// What says which columns there are, and what the database fills them with.
struct Known {
    catalog: Catalog,
    schema: Schema,
    fills: BTreeMap<String, Fills>,
}

impl Known {
    async fn read(context: &mut Context, catalog: Catalog) -> Result<Self, Error> {
        let schema = context.schema().await?;
        context.config.check(&schema)?;
        let client = context.database.client();
        Ok(Self {
            fills: fills(client, &context.config, &schema).await?,
            catalog,
            schema,
        })
    }
}

async fn compare_beside_database(
    config: Config,
    sides: &Sides,
    snapshot: Option<SnapshotInput>,
) -> Result<Report, Error> {
    let mut context = Context::open(config, sides.output, "parity").await?;
    let name = context.database.target.clone();
    let compared = async {
        let known = Known::read(&mut context, Catalog::Database).await?;
        let inputs = inputs(&context.config, sides, snapshot, known)?;
        let reader = SnapshotReader::begin(context.database.client()).await?;
        reader.wait_for_other_sides().await?;
        let side = DatabaseInput {
            reader: &reader,
            name,
            is_side: sides.database,
        };
        finish(inputs, Some(&side), &context.config).await
    };
    let report = compared.await;
    context.close().await?;
    report
}

async fn open_snapshot(config: &Config, sides: &Sides) -> Result<SnapshotInput, Error> {
    let origin = match &sides.place {
        Some(place) => Origin::named(place)?,
        None => Origin::named(&config.out.display().to_string())?,
    };
    blocking(move || {
        let version = History::read(&origin)?
            .fetched()?
            .current()?
            .cloned()
            .ok_or_else(|| Error::NothingPublished {
                origin: origin.to_string(),
            })?;
        let manifest: Manifest = read_manifest(&origin, &version)?;
        let reference = version.reference_version;
        Ok(SnapshotInput {
            name: format!("{origin}, version {}, {reference}", name(version.order())),
            origin,
            manifest,
        })
    })
    .await
}

fn inputs(
    config: &Config,
    sides: &Sides,
    snapshot: Option<SnapshotInput>,
    known: Known,
) -> Result<Inputs, Error> {
    let Known {
        catalog,
        schema,
        fills,
    } = known;
    let source = if sides.source {
        Some(SourceInput {
            name: config.source.display().to_string(),
            files: files_by_key(config).map_err(|source| Error::Source {
                path: config.source.clone(),
                source,
            })?,
        })
    } else {
        None
    };
    let manifest = snapshot.as_ref().map(|snapshot| &snapshot.manifest);
    let without_file = config
        .tables
        .iter()
        .filter(|(_, table)| table.from_file == Some(false));
    Ok(Inputs {
        contracts: contracts(config, &schema, &fills, manifest),
        schema,
        catalog,
        without_file: without_file.map(|(key, _)| key.clone()).collect(),
        source,
        snapshot,
        limit: sides.limit,
        bar: sides.output.progress().bytes("parity", 1),
    })
}

async fn finish(
    inputs: Inputs,
    database: Option<&DatabaseInput<'_, '_>>,
    config: &Config,
) -> Result<Report, Error> {
    let bar = inputs.bar.clone();
    let report = parity(Arc::new(inputs), database, config).await;
    bar.finish_and_clear();
    Ok(report?)
}

fn write_files(args: &ParityArgs, report: &Report) -> Result<(), Error> {
    let write = |path: &Path, bytes: std::io::Result<Vec<u8>>| {
        let written = bytes.and_then(|bytes| std::fs::write(path, bytes));
        written.map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
    };
    if let Some(path) = &args.junit {
        write(path, junit::describe(report))?;
    }
    if let Some(path) = &args.markdown {
        write(path, Ok(markdown::describe(report).into_bytes()))?;
    }
    Ok(())
}
