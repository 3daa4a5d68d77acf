//! What publishing promises, tried on real folders: complete or not there, whatever
//! fails, is killed or comes between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pretty_assertions::assert_eq;
use snapshot_format::{Encoding, MIN_VARIANT_SIZE, ReferenceVersion, decompress};
use snapshot_store::{
    DirectoryStore, Disk, Step, StoreError,
    spool::{MEMORY_LIMIT, Staging},
};
use tempfile::TempDir;

use jiff::Timestamp;
use snapshot_format::{DigestWriter, ObjectHash};

use super::*;
use crate::guard::Provenance;

#[path = "../../../../tests/support/made.rs"]
mod made;

use made::Made;

mod at_once;
mod ended_early;
mod ledger;
mod others;
mod usual;

const PATIENCE: Duration = Duration::from_secs(60);

// A state of the database: each table with the only column of each row.
struct State {
    seq: u64,
    tables: Vec<(&'static str, Vec<String>)>,
}

fn ids(count: usize, prefix: &str) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}{i}")).collect()
}

impl State {
    // A table without variants, and one with, which is another in each state.
    fn number(seq: u64) -> Self {
        let grips = ids(3, "GRIP");
        let motions = ids(150, &format!("MOTION-{seq}-"));
        let tables = vec![("grips", grips), ("motions", motions)];
        Self { seq, tables }
    }

    // One table more, which does not fit in memory. It is the same in each state, but the
    // bootstrap, which holds it, is not.
    fn large(seq: u64) -> Self {
        let mut state = Self::number(seq);
        let muscles = ids(MEMORY_LIMIT / 12, "MUSCLE");
        state.tables.push(("muscles", muscles));
        state
    }

    fn render(&self, staging: &Staging) -> io::Result<Rendered> {
        let rows = |ids: &[String]| ids.iter().map(|id| row(id)).collect();
        let tables = self.tables.iter().map(|(name, ids)| (*name, rows(ids)));
        let tables: Vec<(&str, Vec<String>)> = tables.collect();
        let Made { objects, manifest } = Made::of(self.seq, &tables);
        let spooled = |(key, bytes): (Key, Vec<u8>)| {
            let mut out = DigestWriter::new(Spool::new(staging));
            out.write_all(&bytes)?;
            Ok(match key {
                Key::Table(table, ..) => RenderedObject::table(table, out),
                _ => RenderedObject::bootstrap(out),
            })
        };
        Ok(Rendered {
            objects: objects
                .into_iter()
                .map(spooled)
                .collect::<io::Result<_>>()?,
            manifest,
            provenance: Provenance::default(),
        })
    }
}

fn row(id: &str) -> String {
    format!(r#"{{"id":"{id}"}}"#)
}

// A store's folder.
struct Folder {
    #[expect(dead_code, reason = "held for its end")]
    parent: TempDir,
    root: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let root = parent.path().join("snapshots");
        Self { parent, root }
    }

    async fn published(states: impl IntoIterator<Item = u64>) -> Self {
        let folder = Self::new();
        for seq in states {
            folder.publish(seq).await.expect("published");
        }
        folder
    }

    async fn publish(&self, seq: u64) -> Result<Published, PublishError> {
        publish_on(Disk::default(), &self.root, &State::number(seq)).await
    }

    async fn publish_large(&self, seq: u64) -> Result<Published, PublishError> {
        publish_on(Disk::default(), &self.root, &State::large(seq)).await
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    // The publication that `version.json` names, and everything that this names, as a
    // reader would check it.
    #[track_caller]
    fn resolves(&self) -> Option<(u64, ReferenceVersion)> {
        let bytes = match fs::read(self.path("version.json")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => panic!("version.json: {error}"),
        };
        let version = Version::parse(&bytes).expect("a version");
        let manifest = self.object(&Key::Manifest(version.manifest.hash), version.manifest.size);
        let manifest = Manifest::parse(&manifest).expect("a manifest");
        assert_eq!(manifest.bootstrap.hash, version.bootstrap.hash);
        self.object_and_variants(
            &Key::Bootstrap(manifest.bootstrap.hash, None),
            manifest.bootstrap.size,
        );
        for (table, entry) in &manifest.tables {
            let key = Key::Table(table.clone(), entry.hash, None);
            self.object_and_variants(&key, entry.size);
        }
        let (epoch, sequence) = version.order();
        let page = self.path(&Key::History { epoch, sequence }.path());
        assert!(fs::read(page).expect("its page of the history") == bytes);
        Some((sequence, version.reference_version))
    }

    #[track_caller]
    fn object_and_variants(&self, key: &Key, size: u64) {
        let object = self.object(key, size);
        for encoding in Encoding::ALL {
            let path = self.path(&key.with_encoding(Some(encoding)).path());
            assert_eq!(
                path.exists(),
                size >= MIN_VARIANT_SIZE,
                "{}",
                path.display()
            );
            if path.exists() {
                let variant = fs::read(&path).expect("readable");
                let unpacked = decompress(encoding, &variant[..], size).expect("whole");
                assert!(unpacked == object, "{}", path.display());
            }
        }
    }

    #[track_caller]
    fn object(&self, key: &Key, size: u64) -> Vec<u8> {
        let bytes = fs::read(self.path(&key.path())).unwrap_or_else(|e| panic!("{key}: {e}"));
        assert_eq!(bytes.len() as u64, size, "{key}");
        assert_eq!(Some(ObjectHash::of(&bytes)), key.hash(), "{key}");
        bytes
    }

    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("listed").path();
                files.push(path.clone());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        files.sort();
        files
    }

    fn staged(&self) -> usize {
        self.path(".staging").read_dir().expect("a folder").count()
    }

    fn pages(&self) -> Vec<u64> {
        let pages = self.path("versions").read_dir().expect("a folder");
        let sequence = |name: &str| name.strip_suffix(".json")?.split_once('-')?.1.parse().ok();
        let mut pages: Vec<u64> = pages
            .map(|page| page.expect("listed").file_name())
            .map(|name| sequence(&name.to_string_lossy()).expect("a page"))
            .collect();
        pages.sort_unstable();
        pages
    }
}

async fn publish_on(disk: Disk, root: &Path, state: &State) -> Result<Published, PublishError> {
    let store = DirectoryStore::open_on(disk, root, PATIENCE, |_| {}).await?;
    let rendered = state.render(store.staging()).map_err(|source| {
        let location = store.staging().folder().display().to_string();
        StoreError::Failed {
            action: "write in",
            location,
            source,
        }
    })?;
    publish(rendered, &store, Terms::at(moment(state.seq)), |_| {}).await
}

fn moment(seq: u64) -> Timestamp {
    let second = 1_771_938_724 + i64::try_from(seq).expect("small");
    Timestamp::from_second(second).expect("a moment")
}

fn full_text(error: &PublishError) -> String {
    let mut text = format!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!("\n  caused by: {error}"));
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    text
}

#[track_caller]
fn check_error(folder: &Folder, result: Result<Published, PublishError>, expected: &str) {
    let text = full_text(&result.expect_err("refused"));
    let root = folder.root.display().to_string();
    assert_eq!(text.replace(&root, "snapshots"), expected);
}
