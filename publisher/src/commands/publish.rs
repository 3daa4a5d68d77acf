//! `publisher publish`

use std::fmt::Write;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{open_database, warn_of_missing_triggers};
use crate::cli::{Common, ForceFlag, OutFlags, SourceFlag, SqlFlag};
use crate::config::Config;
use crate::database::{Database, SnapshotReader, read_schema};
use crate::error::Error;
use crate::publish::{Event, Published, Rendered, Terms, publish};
use crate::snapshot::render_snapshot;
use crate::store::{DirectoryStore, Store};

/// Flags of `publisher publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    out: OutFlags,
    #[command(flatten)]
    force: ForceFlag,
}

/// What a publication did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishReport {
    /// How it ended.
    #[serde(flatten)]
    pub published: Published,
    /// How many tables the snapshot has.
    pub tables: usize,
    /// How many rows.
    pub rows: u64,
    /// How long reading and rendering took.
    pub render_ms: u64,
    /// How long everything took.
    pub elapsed_ms: u64,
}

/// Publishes the database's tables.
pub(super) async fn run(args: PublishArgs) -> Result<(), Error> {
    let config = args
        .common
        .settle(&SourceFlag::default(), &SqlFlag::default(), &args.out)?;
    let mut database = open_database(&config, &args.common, "publish").await?;
    let report = publish_database(&mut database, &config, &args.common, &args.force).await?;
    args.common.print_json(&report)?;
    Ok(database.close().await?)
}

/// The step itself, which `run` takes too.
pub(super) async fn publish_database(
    database: &mut Database,
    config: &Config,
    common: &Common,
    force: &ForceFlag,
) -> Result<PublishReport, Error> {
    let start = Instant::now();
    // The store first: whoever holds it decides alone which state comes next.
    let store = DirectoryStore::open(&config.out, config.lock_timeout, |holder| {
        common.say(&format!("waiting for another publisher: {holder}\n"));
    })
    .await?;
    let schema = read_schema(database.client(), config).await?;
    config.check(&schema)?;
    warn_of_missing_triggers(common, &schema);
    let rendering = Instant::now();
    let rendered = {
        let reader = SnapshotReader::begin(database.client()).await?;
        let progress = common.progress();
        render_snapshot(&reader, config, &schema, store.staging(), progress).await?
    };
    let render_ms = millis(rendering);
    let (tables, rows) = size_of(&rendered);
    let published = put(rendered, &store, common, force).await?;
    let report = PublishReport {
        published,
        tables,
        rows,
        render_ms,
        elapsed_ms: millis(start),
    };
    common.say(&describe(&report));
    Ok(report)
}

async fn put(
    rendered: Rendered,
    store: &impl Store,
    common: &Common,
    force: &ForceFlag,
) -> Result<Published, Error> {
    let terms = Terms {
        now: Timestamp::now(),
        force: force.force,
    };
    let bar = common.progress().bytes("publish", 1);
    let shown = bar.clone();
    let published = publish(rendered, store, terms, move |step| match step {
        Event::Compressing {
            done_bytes,
            total_bytes,
        } => {
            shown.set_message("compress");
            shown.set_length(total_bytes.max(1));
            shown.set_position(done_bytes);
        }
        Event::Putting { .. } => shown.set_message("put"),
    })
    .await;
    bar.finish_and_clear();
    Ok(published?)
}

fn size_of(rendered: &Rendered) -> (usize, u64) {
    let tables = &rendered.manifest.tables;
    (tables.len(), tables.values().map(|table| table.rows).sum())
}

fn describe(report: &PublishReport) -> String {
    let PublishReport {
        published,
        tables,
        rows,
        render_ms,
        elapsed_ms,
    } = report;
    let version = published.version();
    let (epoch, sequence) = version.order();
    let name = format!("version {epoch}-{sequence}, {}", version.reference_version);
    let mut text = String::new();
    let _ = match published {
        Published::Unchanged { .. } => {
            writeln!(
                text,
                "published: nothing changed; {name} stays ({elapsed_ms} ms)"
            )
        }
        Published::Completed { .. } => {
            writeln!(
                text,
                "published: completed what an earlier run had begun; {name}"
            )
        }
        Published::Changed {
            objects_written,
            objects_reused,
            bytes,
            timings,
            ..
        } => writeln!(
            text,
            "published: {name}: {rows} rows in {tables} tables, {objects_written} objects written, \
             {objects_reused} kept, {bytes} bytes ({elapsed_ms} ms: render {render_ms}, \
             compress {}, put {}, swap {})",
            timings.variants.as_millis(),
            timings.put.as_millis(),
            timings.swap.as_millis(),
        ),
    };
    text
}

fn millis(start: Instant) -> u64 {
    start.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
}
