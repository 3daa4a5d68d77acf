//! One state of the database as the objects of a snapshot.
//!
//! A row is read, rendered and written into its table's object and into the bootstrap
//! object before the next one is read; both are hashed on the way, behind its back. So a
//! table of any length needs the memory of one row and some buffers.

mod cached;

use std::collections::BTreeMap;
use std::io::{self, BufReader};

use snapshot_format::{
    BootstrapHeader, BootstrapWriter, DigestWriter, FORMAT_VERSION, Manifest, ReferenceVersion,
    SchemaVersion, TableEntry, TableReader, TableWriter, content_hash,
};
use snapshot_store::spool::{Spool, Staging};

use crate::config::Config;
use crate::database::{ReadError, SnapshotReader, TableVersion};
use crate::guard::Guards;
use crate::progress::Progress;
use crate::publish::{Rendered, RenderedObject};
use crate::schema::{Schema, Table};
use crate::source::Problem;
use crate::write_behind::WriteBehind;

pub(crate) use self::cached::CachedRows;
use self::cached::Caching;

/// Why a state cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read, or a value has no place in a snapshot.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It would mislead its readers.
    #[error("the database holds what must not be published")]
    Refused {
        /// The active rows that point at inactive ones.
        problems: Vec<Problem>,
        /// The flags that allow exactly these.
        flags: Vec<String>,
    },
    /// Nothing tells which state it is.
    #[error("the database has no reference_metadata, from which the reference version is taken")]
    Untracked,
    /// There is nothing to publish.
    #[error("the schema {0:?} has no table with a primary key")]
    NoTables(String),
}

impl SnapshotError {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read(error) => error.hint(),
            Self::Refused { .. } => None,
            Self::Untracked => Some(
                "write the missing migration by `publisher migrate --print-triggers`, then apply it"
                    .to_owned(),
            ),
            Self::NoTables(_) => {
                Some("run `publisher migrate`, or name another schema with --schema".to_owned())
            }
        }
    }
}

/// What rendering needs to know.
#[derive(Clone, Copy)]
pub struct Rendition<'a> {
    /// The settings.
    pub config: &'a Config,
    /// The tables.
    pub schema: &'a Schema,
    /// How many references may be broken.
    pub guards: &'a Guards,
    /// Where objects are staged.
    pub staging: &'a Staging,
    /// Where it is told how far it is.
    pub progress: Progress,
}

/// A state that was rendered, with the numbers that it had.
pub struct State {
    /// As it is published.
    pub rendered: Rendered,
    /// Which limits of the guards it reaches, and does not pass.
    pub notes: Vec<String>,
    versions: BTreeMap<String, TableVersion>,
}

impl State {
    // Whether nothing has changed since.
    fn is_whole(&self, schema: &Schema, versions: &BTreeMap<String, TableVersion>) -> bool {
        let tables = &mut schema.tables.iter();
        self.versions == *versions && tables.all(|table| tells(table, versions))
    }

    fn take(&mut self, table: &Table) -> Option<(RenderedObject, TableEntry)> {
        let Rendered {
            objects, manifest, ..
        } = &mut self.rendered;
        let entry = manifest.tables.remove(&table.key)?;
        let key = entry.key(&table.key);
        let index = objects.iter().position(|object| *object.key() == key)?;
        Some((objects.swap_remove(index), entry))
    }
}

/// Reads and renders every table. What is known to be the same is not read again: rows
/// that are `cached`, and the objects of an `earlier` state of the same database, which was
/// rendered by the same settings.
///
/// # Errors
/// Where the state cannot be read or must not be published.
pub async fn render_snapshot(
    reader: &SnapshotReader<'_>,
    rendition: Rendition<'_>,
    cached: Option<&mut CachedRows>,
    earlier: Option<State>,
) -> Result<State, SnapshotError> {
    let Rendition {
        config,
        schema,
        guards,
        staging,
        progress,
    } = rendition;
    if schema.tables.is_empty() {
        return Err(SnapshotError::NoTables(config.schema.clone()));
    }
    let versions = reader.versions(config).await.map_err(ReadError::from)?;
    let header = header(config, &versions).ok_or(SnapshotError::Untracked)?;
    let provenance = reader.provenance(schema).await.map_err(ReadError::from)?;
    let earlier = match earlier {
        Some(mut earlier) if earlier.is_whole(schema, &versions) => {
            earlier.rendered.provenance = provenance;
            return Ok(earlier);
        }
        earlier => earlier,
    };
    let notes = check_references(reader, schema, guards).await?;
    let out = Spools {
        staging,
        bar: progress.step("render"),
    };
    let mut rendering = Rendering {
        bootstrap: BootstrapWriter::new(out.spool(), &header).map_err(write_failed)?,
        reader,
        config,
        schema_version: header.schema_version,
        out,
        cached,
        earlier,
    };
    let (mut objects, mut tables) = (Vec::new(), BTreeMap::new());
    for table in &schema.tables {
        let (object, entry) = match rendering.same_as_earlier(table, &versions)? {
            Some(same) => same,
            None => rendering.table(table, number(table, &versions)).await?,
        };
        objects.push(object);
        tables.insert(table.key.clone(), entry);
    }
    let bootstrap = rendering.finish()?;
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        schema_version: header.schema_version,
        reference_version: header.reference_version,
        generated_at: header.generated_at,
        content_hash: content_hash(tables.iter().map(|(key, entry)| (key, entry.hash))),
        bootstrap: bootstrap.digest().into(),
        tables,
    };
    objects.push(bootstrap);
    let rendered = Rendered {
        objects,
        manifest,
        provenance,
    };
    Ok(State {
        rendered,
        versions,
        notes,
    })
}

fn number(table: &Table, versions: &BTreeMap<String, TableVersion>) -> u64 {
    let version = versions.get(&table.name);
    version.map_or(0, |version| version.version_seq)
}

// Whether whatever changes a row moves the table's number.
fn tells(table: &Table, versions: &BTreeMap<String, TableVersion>) -> bool {
    table.missing_triggers.is_empty() && number(table, versions) > 0
}

type Output = WriteBehind<DigestWriter<Spool>>;

struct Spools<'s> {
    staging: &'s Staging,
    bar: indicatif::ProgressBar,
}

impl Spools<'_> {
    fn spool(&self) -> Output {
        WriteBehind::new(DigestWriter::new(Spool::new(self.staging)))
    }
}

async fn check_references(
    reader: &SnapshotReader<'_>,
    schema: &Schema,
    guards: &Guards,
) -> Result<Vec<String>, SnapshotError> {
    let broken = reader.broken_references(schema).await;
    let (mut problems, mut flags, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (table, broken) in broken.map_err(ReadError::from)? {
        let count = broken.len() as u64;
        if !guards.may_break(&table, count, &mut notes) {
            flags.push(format!("--allow-broken-references {table}={count}"));
            problems.extend(broken);
        }
    }
    if problems.is_empty() {
        Ok(notes)
    } else {
        Err(SnapshotError::Refused { problems, flags })
    }
}

// The state's version is its highest number, and its moment that of the last change: equal
// states give equal bytes, whenever they are rendered.
fn header(config: &Config, versions: &BTreeMap<String, TableVersion>) -> Option<BootstrapHeader> {
    let reference_version = versions.values().map(|version| version.version_seq).max()?;
    let generated_at = versions
        .values()
        .map(|version| &version.last_updated)
        .max()?;
    Some(BootstrapHeader {
        schema_version: config.schema_version,
        reference_version: ReferenceVersion(reference_version),
        generated_at: generated_at.clone(),
    })
}

// What the tables have in common while they are rendered.
struct Rendering<'r, 'c> {
    reader: &'r SnapshotReader<'c>,
    config: &'r Config,
    schema_version: SchemaVersion,
    out: Spools<'r>,
    bootstrap: BootstrapWriter<Output>,
    cached: Option<&'r mut CachedRows>,
    earlier: Option<State>,
}

impl Rendering<'_, '_> {
    /// The table's object of the earlier state, where its number has not moved since.
    fn same_as_earlier(
        &mut self,
        table: &Table,
        versions: &BTreeMap<String, TableVersion>,
    ) -> Result<Option<(RenderedObject, TableEntry)>, SnapshotError> {
        let Some(earlier) = &mut self.earlier else {
            return Ok(None);
        };
        let same =
            tells(table, versions) && number(table, versions) == number(table, &earlier.versions);
        let Some((object, entry)) = same.then(|| earlier.take(table)).flatten() else {
            return Ok(None);
        };
        if entry.in_bootstrap {
            let failed = |error: snapshot_format::ReadError| write_failed(io::Error::other(error));
            let rows = BufReader::new(object.bytes().reader());
            let mut rows =
                TableReader::new(rows, self.schema_version, &table.key).map_err(failed)?;
            self.bootstrap.table(&table.key).map_err(write_failed)?;
            while let Some(row) = rows.next_row().map_err(failed)? {
                self.bootstrap.row(row).map_err(write_failed)?;
            }
        }
        Ok(Some((object, entry)))
    }

    async fn table(
        &mut self,
        table: &Table,
        version_seq: u64,
    ) -> Result<(RenderedObject, TableEntry), SnapshotError> {
        let Self {
            reader,
            config,
            schema_version,
            out,
            bootstrap,
            cached,
            ..
        } = self;
        let in_bootstrap = config.in_bootstrap(table);
        let mut object =
            TableWriter::new(out.spool(), *schema_version, &table.key).map_err(write_failed)?;
        if in_bootstrap {
            bootstrap.table(&table.key).map_err(write_failed)?;
        }
        out.bar.set_message(format!("render {}", table.key));
        let mut write = |row: &[u8]| {
            if in_bootstrap {
                bootstrap.row(row)?;
            }
            object.row(row)
        };
        match cached
            .as_ref()
            .and_then(|cached| cached.of(table, version_seq))
        {
            Some(rows) => {
                for row in rows {
                    write(row).map_err(write_failed)?;
                }
            }
            None => {
                let mut caching = cached.is_some().then(Caching::default);
                let mut count: u64 = 0;
                reader
                    .rows(table, |row| {
                        count += 1;
                        if count.is_multiple_of(50_000) {
                            out.bar
                                .set_message(format!("render {}: {count} rows", table.key));
                        }
                        if let Some(caching) = &mut caching {
                            caching.push(row);
                        }
                        write(row)
                    })
                    .await?;
                if let (Some(cached), Some(caching)) = (cached, caching) {
                    cached.cache(table, version_seq, caching);
                }
            }
        }
        let (written, rows) = object.finish().map_err(write_failed)?;
        let object = RenderedObject::table(table.key.clone(), finished(written)?);
        let entry = table_entry(table, &object, rows, version_seq, in_bootstrap);
        Ok((object, entry))
    }

    /// Ends the bootstrap object.
    fn finish(self) -> Result<RenderedObject, SnapshotError> {
        let written = self.bootstrap.finish().map_err(write_failed)?;
        self.out.bar.finish_and_clear();
        Ok(RenderedObject::bootstrap(finished(written)?))
    }
}

fn table_entry(
    table: &Table,
    object: &RenderedObject,
    rows: u64,
    version_seq: u64,
    in_bootstrap: bool,
) -> TableEntry {
    let (columns, primary_key) = (table.published_types(), table.primary_key_names());
    TableEntry {
        in_bootstrap,
        ..TableEntry::new(object.digest(), rows, version_seq, columns, primary_key)
    }
}

fn finished(written: Output) -> Result<DigestWriter<Spool>, SnapshotError> {
    written.finish().map_err(write_failed)
}

fn write_failed(source: io::Error) -> SnapshotError {
    ReadError::Write {
        table: "the snapshot".to_owned(),
        source,
    }
    .into()
}
