//! `publisher publish`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use snapshot_format::TableKey;

use super::guards::GuardFlags;
use super::{open_database, settle_mode, warn_of_missing_triggers};
use crate::cli::{Common, ForceFlag, OutFlags, SourceFlag, SqlFlag};
use crate::config::Config;
use crate::database::{Database, SnapshotReader, read_schema};
use crate::error::Error;
use crate::publish::{Event, Published, Rendered, Terms, publish};
use crate::schema::Schema;
use crate::snapshot::{KeptRows, render_snapshot};
use crate::store::{DirectoryStore, Disk, Store};

/// Flags of `publisher publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    out: OutFlags,
    #[command(flatten)]
    force: ForceFlag,
    #[command(flatten)]
    guards: GuardFlags,
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
    DirectoryStore::check(&config.out)?;
    let mut database = open_database(&config, &args.common, "publish").await?;
    let terms = PublishTerms {
        force: &args.force,
        guards: &args.guards,
        deactivation: BTreeMap::new(),
        kept: None,
    };
    let report = publish_database(&mut database, &config, &args.common, terms).await?;
    args.common.print_json(&report)?;
    Ok(database.close().await?)
}

/// How to publish, by the flags of a command.
pub(super) struct PublishTerms<'a> {
    pub(super) force: &'a ForceFlag,
    pub(super) guards: &'a GuardFlags,
    /// What the seed of the same run was allowed.
    pub(super) deactivation: BTreeMap<TableKey, u64>,
    /// What this connection rendered before, where that is kept.
    pub(super) kept: Option<&'a mut KeptRows>,
}

/// The step itself, which `run` takes too.
pub(super) async fn publish_database(
    database: &mut Database,
    config: &Config,
    common: &Common,
    terms: PublishTerms<'_>,
) -> Result<PublishReport, Error> {
    let start = Instant::now();
    // The store first: whoever holds it decides alone which state comes next.
    let disk = Disk::with_mode(config.store_mode);
    let store = DirectoryStore::open_on(disk, &config.out, config.lock_timeout, |holder| {
        common.say(&format!("waiting for another publisher: {holder}\n"));
    })
    .await?;
    settle_mode(&store, |text| common.say(text)).await?;
    let schema = read_schema(database.client(), config).await?;
    config.check(&schema)?;
    warn_of_missing_triggers(common, &schema);
    let report = publish_into(&store, database, config, common, terms, &schema, start).await?;
    common.say(&describe(&report));
    Ok(report)
}

/// The same with an open store and the catalog in hand, and without a word.
pub(super) async fn publish_into(
    store: &DirectoryStore,
    database: &mut Database,
    config: &Config,
    common: &Common,
    terms: PublishTerms<'_>,
    schema: &Schema,
    start: Instant,
) -> Result<PublishReport, Error> {
    let allowed = terms.guards.allowances(schema, terms.deactivation)?;
    let guards = config.guards(allowed);
    let rendering = Instant::now();
    let rendered = {
        let reader = SnapshotReader::begin(database.client()).await?;
        let progress = common.progress();
        let staging = store.staging();
        render_snapshot(
            &reader, config, schema, &guards, staging, progress, terms.kept,
        )
        .await?
    };
    let render_ms = millis(rendering);
    let (tables, rows) = size_of(&rendered);
    let terms = Terms {
        now: Timestamp::now(),
        force: terms.force.force,
        guards: Some(guards),
    };
    let published = put(rendered, store, common, terms).await?;
    Ok(PublishReport {
        published,
        tables,
        rows,
        render_ms,
        elapsed_ms: millis(start),
    })
}

async fn put(
    rendered: Rendered,
    store: &impl Store,
    common: &Common,
    terms: Terms,
) -> Result<Published, Error> {
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
