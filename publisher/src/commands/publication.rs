//! A publication, from the judgement of its state to its swap. `publish`, `run` and `watch` make it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde::Serialize;
use snapshot_format::ReferenceVersion;
use snapshot_store::{DirectoryStore, Disk, Holder, Store};

use super::warnings::settle_mode;
use crate::config::Config;
use crate::database::{Database, SnapshotReader};
use crate::duration::millis;
use crate::error::Error;
use crate::flags::{ClockFlag, ForceFlag};
use crate::guard::{Allowances, Guards};
use crate::output::Output;
use crate::progress::Progress;
use crate::publish::{Event, Last, Published, Rendered, Terms, complete, judge, publish_after};
use crate::schema::Schema;
use crate::snapshot::{CachedRows, Rendition, State, render_snapshot};

/// What a publication did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublishReport {
    /// How it ended.
    #[serde(flatten)]
    pub published: Published,
    /// The database's version. Where nothing was published since, it may be a later one
    /// with the same content.
    pub database_version: ReferenceVersion,
    /// Which limits of the guards are reached, and not passed.
    pub notes: Vec<String>,
    /// How many tables the snapshot has.
    pub tables: usize,
    /// How many rows.
    pub rows: u64,
    /// How long reading and rendering took.
    pub render_ms: u64,
    /// How long everything took.
    pub elapsed_ms: u64,
}

/// How to publish, by the flags of a command.
pub(super) struct PublishTerms<'a> {
    /// When it was begun.
    pub(super) since: Instant,
    pub(super) force: &'a ForceFlag,
    pub(super) clock: &'a ClockFlag,
    pub(super) allowed: Allowances,
}

/// A store that nobody else writes meanwhile, and its last publication.
pub(super) struct Target {
    store: DirectoryStore,
    last: Last,
}

impl Target {
    /// Opens the store, and ends what a publisher that died had begun.
    pub(super) async fn open(config: &Config, output: Output) -> Result<Self, Error> {
        let waiting = |holder: &Holder| {
            output.say(&format!("waiting for another publisher: {holder}\n"));
        };
        let disk = Disk::with_mode(config.store_mode);
        let wait = config.lock_timeout;
        let store = DirectoryStore::open_on(disk, &config.out, wait, waiting).await?;
        let last = complete(&store).await?;
        Ok(Self { store, last })
    }

    /// Gives what lies in the store the mode that its settings name, and says so.
    pub(super) async fn settle_mode(&self, output: Output) -> Result<(), Error> {
        settle_mode(&self.store, output).await
    }

    /// Refuses a frozen store, before anything is begun.
    pub(super) fn check_hold(&self, force: &ForceFlag) -> Result<(), Error> {
        Ok(self.last.check_hold(force.force, None)?)
    }
}

/// A publication from the judgement of its state to its swap.
pub(super) struct Publication<'a> {
    config: &'a Config,
    output: Output,
    schema: &'a Schema,
    guards: Guards,
    force: bool,
    clock: ClockFlag,
    start: Instant,
    render: Duration,
}

impl<'a> Publication<'a> {
    /// Settles what it may do. A flag that names no table is a mistake of the command line.
    pub(super) fn begin(
        config: &'a Config,
        output: Output,
        schema: &'a Schema,
        terms: PublishTerms<'_>,
    ) -> Result<Self, Error> {
        if let Some((flag, table)) = terms.allowed.misspelt(schema) {
            let message = format!("{flag} {table}: no table has that key");
            return Err(Error::Usage(message));
        }
        Ok(Self {
            config,
            output,
            schema,
            guards: config.guards(terms.allowed),
            force: terms.force.force,
            clock: terms.clock.clone(),
            start: terms.since,
            render: Duration::ZERO,
        })
    }

    /// Judges the state that a seed would leave behind as [`Self::end`] would, and puts
    /// nothing. The state is then not rendered twice.
    pub(super) async fn judge(
        &mut self,
        target: &mut Target,
        reader: &SnapshotReader<'_>,
        cached: Option<&mut CachedRows>,
    ) -> Result<State, Error> {
        let state = self.render(target, reader, cached, None).await?;
        let Target { store, last } = target;
        judge(last, &state.rendered, store, &self.terms()).await?;
        Ok(state)
    }

    /// Publishes what the database holds.
    pub(super) async fn end(
        mut self,
        target: Target,
        database: &mut Database,
        cached: Option<&mut CachedRows>,
        earlier: Option<State>,
    ) -> Result<PublishReport, Error> {
        let reader = SnapshotReader::begin(database.client()).await?;
        let state = self.render(&target, &reader, cached, earlier).await?;
        drop(reader);
        let State {
            rendered,
            mut notes,
            ..
        } = state;
        let (tables, rows) = size_of(&rendered);
        let database_version = rendered.manifest.reference_version;
        let published = put(rendered, target, self.output.progress(), self.terms()).await?;
        match &published {
            Published::Changed { notes: reached, .. } => notes.extend_from_slice(reached),
            // It was said when it was published.
            Published::Unchanged { .. } | Published::Completed { .. } => notes.clear(),
        }
        Ok(PublishReport {
            published,
            database_version,
            notes,
            tables,
            rows,
            render_ms: millis(self.render),
            elapsed_ms: millis(self.start.elapsed()),
        })
    }

    async fn render(
        &mut self,
        target: &Target,
        reader: &SnapshotReader<'_>,
        cached: Option<&mut CachedRows>,
        earlier: Option<State>,
    ) -> Result<State, Error> {
        let start = Instant::now();
        let rendition = Rendition {
            config: self.config,
            schema: self.schema,
            guards: &self.guards,
            staging: target.store.staging(),
            progress: self.output.progress(),
        };
        let state = render_snapshot(reader, rendition, cached, earlier).await?;
        self.render += start.elapsed();
        Ok(state)
    }

    fn terms(&self) -> Terms {
        Terms {
            clock: self.clock.clock(),
            max_object_bytes: self.config.max_object_bytes,
            force: self.force,
            guards: Some(self.guards.clone()),
        }
    }
}

async fn put(
    rendered: Rendered,
    target: Target,
    progress: Progress,
    terms: Terms,
) -> Result<Published, Error> {
    let Target { store, last } = target;
    let bar = progress.bytes("publish", 1);
    let shown = bar.clone();
    let published = publish_after(last, rendered, &store, terms, move |step| match step {
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

/// A line for people.
pub(super) fn describe(report: &PublishReport) -> String {
    let PublishReport {
        published,
        database_version,
        tables,
        rows,
        render_ms,
        elapsed_ms,
        notes,
    } = report;
    let version = published.version();
    let (epoch, sequence) = version.order();
    let name = format!("version {epoch}-{sequence}, {}", version.reference_version);
    let mut text = String::new();
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
    let _ = match published {
        Published::Unchanged { .. } if *database_version != version.reference_version => {
            writeln!(
                text,
                "published: no row or setting differs at {database_version}; {name} stays ({elapsed_ms} ms)"
            )
        }
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
             {objects_reused} reused, {bytes} bytes ({elapsed_ms} ms: render {render_ms}, \
             compress {}, put {}, swap {})",
            timings.variants.as_millis(),
            timings.put.as_millis(),
            timings.swap.as_millis(),
        ),
    };
    text
}
