//! What publishing promises, tried on real folders: complete or not there, whatever
//! fails, is killed or comes between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pretty_assertions::assert_eq;
use snapshot_format::{
    BootstrapHeader, BootstrapWriter, Encoding, MIN_VARIANT_SIZE, ReferenceVersion, SchemaVersion,
    TableEntry, TableWriter, content_hash, decompress,
};
use snapshot_store::{
    DirectoryStore, Disk, Step, StoreError,
    spool::{MEMORY_LIMIT, Staging},
};
use tempfile::TempDir;

use super::*;

const SCHEMA: SchemaVersion = SchemaVersion { major: 1, minor: 0 };
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
        let (mut objects, mut tables) = (Vec::new(), BTreeMap::new());
        for (name, ids) in &self.tables {
            let key: TableKey = name.parse().expect("a key");
            let out = DigestWriter::new(Spool::new(staging));
            let mut writer = TableWriter::new(out, SCHEMA, &key)?;
            for id in ids {
                writer.row(&row(id))?;
            }
            let (out, rows) = writer.finish()?;
            let object = RenderedObject::table(key.clone(), out);
            tables.insert(key, entry(object.digest(), rows, self.seq));
            objects.push(object);
        }
        let bootstrap = RenderedObject::bootstrap(self.bootstrap(staging)?);
        let hashes = tables.iter().map(|(key, entry)| (key, entry.hash));
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            schema_version: SCHEMA,
            reference_version: ReferenceVersion(self.seq),
            generated_at: "2026-02-24T13:12:04Z".to_owned(),
            content_hash: content_hash(hashes),
            bootstrap: bootstrap.digest().into(),
            tables,
        };
        objects.push(bootstrap);
        Ok(Rendered {
            objects,
            manifest,
            provenance: Provenance::default(),
        })
    }

    fn bootstrap(&self, staging: &Staging) -> io::Result<DigestWriter<Spool>> {
        let header = BootstrapHeader {
            schema_version: SCHEMA,
            reference_version: ReferenceVersion(self.seq),
            generated_at: "2026-02-24T13:12:04Z".to_owned(),
        };
        let out = DigestWriter::new(Spool::new(staging));
        let mut writer = BootstrapWriter::new(out, &header)?;
        for (name, ids) in &self.tables {
            writer.table(&name.parse().expect("a key"))?;
            for id in ids {
                writer.row(&row(id))?;
            }
        }
        writer.finish()
    }
}

fn row(id: &str) -> Vec<u8> {
    format!(r#"{{"id":"{id}"}}"#).into_bytes()
}

fn entry(digest: Digest, rows: u64, version_seq: u64) -> TableEntry {
    let columns = BTreeMap::from([("id".to_owned(), "text".to_owned())]);
    let primary_key = vec!["id".to_owned()];
    TableEntry::new(digest, rows, version_seq, columns, primary_key)
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

// ---------------------------------------------------------------------------------------
// The usual course
// ---------------------------------------------------------------------------------------

#[tokio::test]
async fn a_published_version_resolves_completely() {
    let folder = Folder::new();
    let Published::Changed {
        version,
        objects_written,
        objects_reused,
        bytes,
        ..
    } = folder.publish_large(1).await.expect("published")
    else {
        panic!("a first publication changes the store")
    };
    assert_eq!(folder.resolves(), Some((1, ReferenceVersion(1))));
    assert_eq!((objects_written, objects_reused), (4, 0));
    assert_eq!(version.order(), (1_771_938_725, 1));
    assert_eq!(version.published_at, "2026-02-24T13:12:05Z");
    let stored: u64 = folder
        .files()
        .iter()
        .filter(|path| {
            path.starts_with(folder.path("tables")) || path.starts_with(folder.path("bootstrap"))
        })
        .filter(|path| path.is_file())
        .map(|path| fs::metadata(path).expect("a file").len())
        .sum();
    assert_eq!(bytes, stored);
    assert_eq!(folder.staged(), 0);
}

#[tokio::test]
async fn only_what_changed_is_put_again() {
    let folder = Folder::new();
    folder.publish_large(1).await.expect("published");
    let published = folder.publish_large(2).await.expect("published");
    let Published::Changed {
        objects_written,
        objects_reused,
        ..
    } = published
    else {
        panic!("another state changes the store")
    };
    // The bootstrap and the table that is another.
    assert_eq!((objects_written, objects_reused), (2, 2));
    assert_eq!(folder.resolves(), Some((2, ReferenceVersion(2))));
    assert_eq!(folder.pages(), [1, 2]);
}

#[tokio::test]
async fn unchanged_data_writes_nothing() {
    let folder = Folder::new();
    folder.publish_large(1).await.expect("published");
    let listing = || -> Vec<_> {
        let ours = [
            folder.path(".lock"),
            folder.path(".staging"),
            folder.root.clone(),
        ];
        let files = folder
            .files()
            .into_iter()
            .filter(|path| !ours.contains(path));
        files
            .map(|path| {
                let m = fs::symlink_metadata(&path).expect("there");
                (
                    path,
                    m.ino(),
                    m.len(),
                    m.mtime(),
                    m.mtime_nsec(),
                    m.ctime_nsec(),
                )
            })
            .collect()
    };
    let before = listing();
    let published = folder.publish_large(1).await.expect("published");
    assert!(
        matches!(published, Published::Unchanged { .. }),
        "{published}"
    );
    assert_eq!(listing(), before);
    assert_eq!(fs::read(folder.path(".lock")).expect("there"), b"");
}

#[tokio::test]
async fn a_web_server_may_read_what_was_published() {
    let folder = Folder::new();
    folder.publish_large(1).await.expect("published");
    for path in folder.files() {
        let metadata = fs::metadata(&path).expect("there");
        let wanted = match path.file_name().and_then(|name| name.to_str()) {
            Some(".lock") => 0o600,
            Some(".staging") => 0o700,
            _ if metadata.is_dir() => 0o755,
            _ => 0o644,
        };
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode, wanted, "{}", path.display());
    }
}

#[tokio::test]
async fn other_programs_unpack_the_variants() {
    let folder = Folder::new();
    folder.publish_large(1).await.expect("published");
    for (program, arguments, extension) in [
        ("zstd", &["-dc"][..], "zst"),
        ("brotli", &["-dc"], "br"),
        ("gunzip", &["-c"], "gz"),
    ] {
        let extended = |path: &PathBuf| path.extension().is_some_and(|e| e == extension);
        let variants: Vec<_> = folder.files().into_iter().filter(extended).collect();
        assert_eq!(variants.len(), 3, "{extension}");
        for variant in variants {
            let output = Command::new(program).args(arguments).arg(&variant).output();
            let output = match output {
                Ok(output) => output,
                Err(error) => {
                    eprintln!("skipped: {program}: {error}");
                    break;
                }
            };
            assert!(output.status.success(), "{program} {}", variant.display());
            let object = fs::read(variant.with_extension("")).expect("the object");
            assert!(output.stdout == object, "{}", variant.display());
        }
    }
}

#[tokio::test]
async fn progress_goes_on_to_the_end() {
    let folder = Folder::new();
    let store = DirectoryStore::open(&folder.root, PATIENCE, |_| {}).await;
    let store = store.expect("opened");
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let rendered = State::number(1).render(store.staging()).expect("rendered");
    let now = Timestamp::UNIX_EPOCH;
    publish(rendered, &store, Terms::at(now), move |event| {
        seen.lock().expect("no panic").push(event);
    })
    .await
    .expect("published");
    let events = events.lock().expect("no panic");
    let done = |event: &&Event| match event {
        Event::Compressing {
            done_bytes,
            total_bytes,
        } => done_bytes == total_bytes,
        Event::Putting { .. } => false,
    };
    assert!(events.iter().any(|event| done(&event)));
    // Three objects, two of them with three variants.
    let total = 9;
    assert_eq!(events.last(), Some(&Event::Putting { done: total, total }));
}

#[test]
fn the_outcome_is_told_to_machines() {
    let version = || -> Version {
        let hash = ObjectHash::of(b"");
        let text = format!(
            r#"{{"formatVersion":1,"epoch":7,"sequence":2,"schemaVersion":"1.0",
            "referenceVersion":"seq:42","generatedAt":"g","publishedAt":"p",
            "manifest":{{"hash":"{hash}","size":1}},"bootstrap":{{"hash":"{hash}","size":2}}}}"#
        );
        Version::parse(text.as_bytes()).expect("a version")
    };
    let json = |published: Published| {
        let mut value = serde_json::to_value(published).expect("JSON");
        let version = value.as_object_mut().expect("an object").remove("version");
        assert_eq!(version.expect("told")["sequence"], 2);
        value.to_string()
    };
    assert_eq!(
        json(Published::Unchanged { version: version() }),
        r#"{"outcome":"unchanged"}"#
    );
    let second = Duration::from_secs(1);
    let timings = Timings {
        variants: second,
        put: second / 2,
        swap: second / 4,
    };
    assert_eq!(
        json(Published::Changed {
            version: version(),
            notes: vec!["said elsewhere".to_owned()],
            objects_written: 1,
            objects_reused: 2,
            bytes: 3,
            timings,
        }),
        r#"{"bytes":3,"objectsReused":2,"objectsWritten":1,"outcome":"changed","timings":{"putMs":500,"swapMs":250,"variantsMs":1000}}"#
    );
}

// ---------------------------------------------------------------------------------------
// Failures and deaths
// ---------------------------------------------------------------------------------------

// A disk on which the steps are counted, and those for which `fails` holds do not succeed.
fn failing(fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> (Disk, Arc<AtomicUsize>) {
    let steps = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&steps);
    let disk = Disk::with_hook(move |_, _| {
        if fails(count.fetch_add(1, Ordering::SeqCst)) {
            Err(io::Error::other("the disk failed"))
        } else {
            Ok(())
        }
    });
    (disk, steps)
}

// Many at a time: they wait for the disk more than they compute.
async fn for_each_step(steps: std::ops::Range<usize>, check: impl AsyncFn(usize)) {
    stream::iter(steps)
        .for_each_concurrent(12, |at| check(at))
        .await;
}

async fn steps_of(before: &[u64], seq: u64) -> usize {
    let folder = Folder::published(before.iter().copied()).await;
    let (disk, steps) = failing(|_| false);
    let published = publish_on(disk, &folder.root, &State::number(seq)).await;
    published.expect("published");
    steps.load(Ordering::SeqCst)
}

// What must hold after a publication of state `seq` on top of `before` ended early.
async fn check_after_end(folder: &Folder, before: &[u64], seq: u64, context: &str) {
    let old = before.last().map(|&seq| (seq, ReferenceVersion(seq)));
    let new = Some((seq, ReferenceVersion(seq)));
    let now = folder.resolves();
    assert!(now == old || now == new, "{context}: {now:?}");

    let published = folder.publish(seq).await;
    let published = published.unwrap_or_else(|e| panic!("{context}: {}", full_text(&e)));
    assert_eq!(published.version().order().1, seq, "{context}: {published}");
    assert_eq!(folder.resolves(), new, "{context}");
    assert_eq!(folder.staged(), 0, "{context}");
    assert_eq!(folder.pages(), (1..=seq).collect::<Vec<_>>(), "{context}");
}

#[tokio::test]
async fn whichever_step_fails_the_version_resolves_and_the_next_publish_succeeds() {
    for before in [&[][..], &[1]] {
        let seq = before.len() as u64 + 1;
        let steps = steps_of(before, seq).await;
        assert!(steps > 40, "{steps} steps");
        for_each_step(0..steps, async |at| {
            let folder = Folder::published(before.iter().copied()).await;
            let (disk, _) = failing(move |step| step == at);
            // A step that only tidies up may fail without a word.
            let _ = publish_on(disk, &folder.root, &State::number(seq)).await;
            check_after_end(&folder, before, seq, &format!("step {at} of {steps}")).await;
        })
        .await;
    }
}

#[tokio::test]
async fn whenever_the_disk_goes_the_version_resolves_and_the_next_publish_succeeds() {
    let steps = steps_of(&[1], 2).await;
    // All but the one that empties the lock's file.
    for_each_step(0..steps - 1, async |at| {
        let folder = Folder::published([1]).await;
        let (disk, _) = failing(move |step| step >= at);
        let error = publish_on(disk, &folder.root, &State::number(2)).await;
        assert!(error.is_err(), "from step {at} on");
        check_after_end(&folder, &[1], 2, &format!("from step {at} on")).await;
    })
    .await;
}

// Stands for a disk that loses whatever was not made durable.
#[derive(Default)]
struct Durability {
    // Files, by number, whose bytes are durable.
    files: BTreeSet<u64>,
    // Names that readers know, and whether a loss of power would leave them.
    names: BTreeMap<PathBuf, bool>,
    checked: usize,
}

impl Durability {
    fn step(&mut self, root: &Path, step: Step, path: &Path) {
        let number = || fs::metadata(path).expect("there").ino();
        match step {
            Step::Write => drop(self.files.remove(&number())),
            Step::SyncFile => drop(self.files.insert(number())),
            Step::CreateFolder => drop(self.names.insert(path.to_owned(), false)),
            Step::Rename | Step::Replace => {
                self.check_before(root, path);
                self.names.insert(path.to_owned(), false);
            }
            Step::SyncFolder => {
                let here = |name: &Path| name.parent() == Some(path);
                let names = self.names.iter_mut().filter(|(name, _)| here(name));
                names.for_each(|(_, durable)| *durable = true);
            }
            Step::CreateFile | Step::Remove | Step::SetMode => {}
        }
    }

    // Whatever the file that gets the name `path` may name is durable: the bytes, the
    // name, and the names of the folders above.
    fn check_before(&mut self, root: &Path, path: &Path) {
        for (name, durable) in &self.names {
            if rank(root, name) < rank(root, path) {
                let names = format!("{} before {}", name.display(), path.display());
                assert!(durable, "the name {names}");
                let metadata = fs::metadata(name).expect("there");
                let bytes = metadata.is_dir() || self.files.contains(&metadata.ino());
                assert!(bytes, "the bytes {names}");
                self.checked += 1;
            }
        }
    }
}

// What is of a lower rank may be named by what is of a higher one.
fn rank(root: &Path, path: &Path) -> usize {
    let below = path.strip_prefix(root).expect("below the root");
    match below.iter().next().and_then(|first| first.to_str()) {
        Some("tables" | "bootstrap") => 0,
        Some("manifests") => 1,
        Some("versions") => 2,
        Some("version.json") => 3,
        // The folder itself and the staging folder: nobody names them.
        _ => 4,
    }
}

#[tokio::test]
async fn each_thing_is_durable_before_another_names_it() {
    for before in [&[][..], &[1]] {
        let folder = Folder::published(before.iter().copied()).await;
        let durability = Arc::new(Mutex::new(Durability::default()));
        let (seen, root) = (Arc::clone(&durability), folder.root.clone());
        let disk = Disk::with_hook(move |step, path| {
            let lock = path == root.join(".lock");
            if step == Step::SyncFolder || path.starts_with(&root) && !lock {
                seen.lock().expect("no panic").step(&root, step, path);
            }
            Ok(())
        });
        let published = publish_on(disk, &folder.root, &State::large(2)).await;
        published.expect("published");
        let durability = durability.lock().expect("no panic");
        assert!(durability.checked > 40, "{} checked", durability.checked);
        assert!(
            durability.names.values().all(|durable| *durable),
            "also the version"
        );
    }
}

#[tokio::test]
async fn what_a_killed_publisher_left_is_made_durable_before_it_is_relied_upon() {
    let folder = Folder::published([1]).await;
    // As if it had been killed before its first sync: the names are there, the pages not.
    fs::remove_file(folder.path("version.json")).expect("there");
    fs::remove_dir_all(folder.path("versions")).expect("there");
    let synced = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&synced);
    let disk = Disk::with_hook(move |step, path| {
        if step == Step::SyncFolder {
            seen.lock().expect("no panic").insert(path.to_owned());
        }
        Ok(())
    });
    let published = publish_on(disk, &folder.root, &State::number(1)).await;
    published.expect("published");
    let synced = synced.lock().expect("no panic");
    for path in [
        "",
        "tables",
        "tables/grips",
        "tables/motions",
        "bootstrap",
        "manifests",
        "versions",
    ] {
        // Joining nothing would add a slash.
        let path = if path.is_empty() {
            folder.root.clone()
        } else {
            folder.path(path)
        };
        assert!(synced.contains(&path), "{}", path.display());
    }
}

#[tokio::test]
async fn an_unchanged_version_is_made_durable_too() {
    // The publisher that swapped may have died before its swap was.
    let folder = Folder::published([1]).await;
    let synced = Arc::new(AtomicUsize::new(0));
    let (count, root) = (Arc::clone(&synced), folder.root.clone());
    let disk = Disk::with_hook(move |step, path| {
        if step == Step::SyncFolder && path == root {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let published = publish_on(disk, &folder.root, &State::number(1)).await;
    assert!(matches!(published, Ok(Published::Unchanged { .. })));
    assert_eq!(synced.load(Ordering::SeqCst), 1);
}

// ---------------------------------------------------------------------------------------
// The history as a ledger
// ---------------------------------------------------------------------------------------

async fn interrupted_before_the_swap(before: &[u64], seq: u64) -> Folder {
    let folder = Folder::published(before.iter().copied()).await;
    let disk = Disk::with_hook(|step, _| match step {
        Step::Replace => Err(io::Error::other("the disk failed")),
        _ => Ok(()),
    });
    let result = publish_on(disk, &folder.root, &State::number(seq)).await;
    result.expect_err("the swap failed");
    assert_eq!(
        folder.resolves(),
        before.last().map(|&seq| (seq, ReferenceVersion(seq)))
    );
    folder
}

#[tokio::test]
async fn a_publication_that_lacked_only_its_swap_is_completed() {
    for before in [&[][..], &[1]] {
        let seq = before.len() as u64 + 1;
        let folder = interrupted_before_the_swap(before, seq).await;
        let published = folder.publish(seq).await.expect("published");
        assert!(
            matches!(published, Published::Completed { .. }),
            "{published}"
        );
        assert_eq!(folder.resolves(), Some((seq, ReferenceVersion(seq))));
    }
}

#[tokio::test]
async fn another_state_follows_on_the_completed_one() {
    let folder = interrupted_before_the_swap(&[1], 2).await;
    let published = folder.publish(3).await.expect("published");
    assert!(
        matches!(published, Published::Changed { .. }),
        "{published}"
    );
    assert_eq!(folder.resolves(), Some((3, ReferenceVersion(3))));
    assert_eq!(folder.pages(), [1, 2, 3]);
}

#[tokio::test]
async fn a_lost_version_comes_back_from_the_history() {
    let folder = Folder::published([1, 2]).await;
    let version = fs::read(folder.path("version.json")).expect("there");
    fs::remove_file(folder.path("version.json")).expect("removed");
    folder.publish(2).await.expect("published");
    assert!(fs::read(folder.path("version.json")).expect("back") == version);
}

#[tokio::test]
async fn a_rebuilt_store_sorts_after_the_lost_one() {
    let lost = Folder::published([1, 2]).await.publish(2).await;
    let rebuilt = Folder::new().publish(3).await;
    let order = |published: Result<Published, PublishError>| {
        published.expect("published").version().order()
    };
    assert!(order(rebuilt) > order(lost));
}

// ---------------------------------------------------------------------------------------
// Two at once
// ---------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn publishers_at_once_are_serialised() {
    let folder = Folder::new();
    let tasks: Vec<_> = (1..=8)
        .map(|seq| {
            let root = folder.root.clone();
            tokio::spawn(
                async move { publish_on(Disk::default(), &root, &State::number(seq)).await },
            )
        })
        .collect();
    // Meanwhile a reader never meets a version that does not resolve.
    let mut seen = 0;
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        let sequence = folder.resolves().map_or(0, |(sequence, _)| sequence);
        assert!(sequence >= seen, "{sequence} after {seen}");
        seen = sequence;
        tokio::task::yield_now().await;
    }
    let mut last = (0, ReferenceVersion(0));
    for task in tasks {
        let published = task.await.expect("no panic").expect("published");
        let version = published.version();
        last = last.max((version.sequence, version.reference_version));
    }
    assert_eq!(folder.resolves(), Some(last));
    assert_eq!(folder.pages(), (1..=8).collect::<Vec<_>>());
    assert_eq!(folder.staged(), 0);
}

#[tokio::test]
async fn a_publisher_that_waits_too_long_says_for_whom() {
    let folder = Folder::published([1]).await;
    let held = DirectoryStore::open(&folder.root, PATIENCE, |_| {}).await;
    let held = held.expect("opened");
    let mut told = None;
    let wait = Duration::from_millis(120);
    let error =
        DirectoryStore::open(&folder.root, wait, |holder| told = Some(holder.clone())).await;
    let error = PublishError::Store(error.expect_err("locked"));
    let holder = told.expect("told who holds it");
    assert_eq!(holder.pid, std::process::id());
    let since = &holder.since;
    assert!(since.parse::<Timestamp>().is_ok(), "{since}");
    let expected = format!(
        "error: snapshots is still locked by process {} on {} since {since} after 0 s\n  \
         hint: wait until it is done or stop it: its lock goes with the process",
        holder.pid, holder.host
    );
    check_error(&folder, Err(error), &expected);
    drop(held);
    folder.publish(2).await.expect("the lock is free");
}

#[tokio::test]
async fn a_publisher_that_lost_its_lock_swaps_nothing() {
    let folder = Folder::published([1]).await;
    let store = DirectoryStore::open(&folder.root, PATIENCE, |_| {}).await;
    let store = store.expect("opened");
    fs::remove_file(folder.path(".lock")).expect("another program does that");
    let rendered = State::number(2).render(store.staging()).expect("rendered");
    let result = publish(rendered, &store, Terms::at(Timestamp::UNIX_EPOCH), |_| {}).await;
    check_error(
        &folder,
        result,
        "error: snapshots/.lock is no longer the lock that this publisher holds; nothing was swapped\n  \
         hint: another program removed or replaced the lock file; leave it alone and try again",
    );
    assert_eq!(folder.resolves(), Some((1, ReferenceVersion(1))));
}

// ---------------------------------------------------------------------------------------
// What other programs do
// ---------------------------------------------------------------------------------------

#[tokio::test]
async fn a_version_of_another_program_is_an_error_and_stays() {
    let folder = Folder::published([1]).await;
    for (text, expected) in [
        (
            "{\"formatVersion\":1,\"epo",
            "error: snapshots/version.json is not a version that this program can read\n  \
             caused by: not the JSON of a version\n  \
             caused by: EOF while parsing a string at line 1 column 23\n  \
             hint: another program wrote it; remove that file and publish again: the last version comes back from versions/",
        ),
        (
            "",
            "error: snapshots/version.json is not a version that this program can read\n  \
             caused by: not the JSON of a version\n  \
             caused by: EOF while parsing a value at line 1 column 0\n  \
             hint: another program wrote it; remove that file and publish again: the last version comes back from versions/",
        ),
        (
            "{\"formatVersion\":9,\"pointer\":\"x\"}",
            "error: snapshots/version.json is not a version that this program can read\n  \
             caused by: format version 9 is newer than the 1 that this program reads\n  \
             hint: a later release of this program wrote it; use that one",
        ),
        (
            &"x".repeat(2000),
            "error: snapshots/version.json is longer than the 1024 bytes that it may have\n  \
             hint: another program wrote it; remove that file and publish again",
        ),
    ] {
        folder.write("version.json", text);
        check_error(&folder, folder.publish(2).await, expected);
        assert_eq!(
            fs::read_to_string(folder.path("version.json")).expect("there"),
            text
        );
    }
    // The hint is true.
    fs::remove_file(folder.path("version.json")).expect("there");
    folder.publish(2).await.expect("published");
    assert_eq!(folder.resolves(), Some((2, ReferenceVersion(2))));
}

#[tokio::test]
async fn a_page_that_tells_of_another_publication_is_refused() {
    let folder = Folder::published([1, 2]).await;
    let page = fs::read_to_string(folder.path("versions/1771938725-2.json")).expect("there");
    folder.write("versions/1771938725-3.json", &page);
    check_error(
        &folder,
        folder.publish(3).await,
        "error: snapshots/versions/1771938725-3.json holds the publication 1771938725-2\n  \
         hint: another program wrote it; remove that file",
    );
}

#[tokio::test]
async fn a_page_whose_manifest_is_gone_is_not_completed() {
    let folder = interrupted_before_the_swap(&[], 1).await;
    let manifests = folder.path("manifests");
    let manifest = manifests.read_dir().expect("a folder").next().expect("one");
    let manifest = manifest.expect("listed").path();
    fs::remove_file(&manifest).expect("there");
    let name = manifest.file_name().expect("a name").to_string_lossy();
    check_error(
        &folder,
        folder.publish(2).await,
        &format!(
            "error: snapshots/manifests/{name}, which the last publication names, is missing or has another size\n  \
             hint: another program removed it; restore it, or begin a new store in an empty folder"
        ),
    );
    assert_eq!(folder.resolves(), None);
}

#[tokio::test]
async fn the_last_sequence_is_the_last() {
    let folder = Folder::published([1]).await;
    let text = fs::read_to_string(folder.path("version.json")).expect("there");
    let text = text.replace("\"sequence\":1,", "\"sequence\":9007199254740991,");
    folder.write("version.json", &text);
    check_error(
        &folder,
        folder.publish(2).await,
        "error: version.json holds the sequence 9007199254740991, after which none can come\n  \
         hint: begin a new store in an empty folder, whose epoch is a later one",
    );
}

#[tokio::test]
async fn an_object_that_was_cut_short_is_not_relied_upon() {
    let folder = Folder::published([1]).await;
    let grips = folder.path("tables/grips");
    let object = grips.read_dir().expect("a folder").next().expect("one");
    let object = object.expect("listed").path();
    fs::write(&object, b"{").expect("cut");
    let name = object.file_name().expect("a name").to_string_lossy();
    check_error(
        &folder,
        folder.publish(2).await,
        &format!(
            "error: snapshots/tables/grips/{name} has 1 bytes, but the object of that name has 97\n  \
             hint: another program changed it; remove that file and publish again"
        ),
    );
    fs::remove_file(&object).expect("there");
    folder.publish(2).await.expect("the hint is true");
    assert_eq!(folder.resolves(), Some((2, ReferenceVersion(2))));
}

#[tokio::test]
async fn a_file_where_a_folder_should_be_is_named() {
    let folder = Folder::new();
    folder.write("versions", "");
    check_error(
        &folder,
        folder.publish(1).await,
        "error: failed to list snapshots/versions\n  \
         caused by: Not a directory (os error 20)\n  \
         hint: a file stands where the store needs a folder; move it away",
    );
    let folder = Folder::new();
    fs::write(&folder.root, "").expect("written");
    check_error(
        &folder,
        folder.publish(1).await,
        "error: failed to make the folder snapshots\n  \
         caused by: File exists (os error 17)\n  \
         hint: a file stands where the store needs a folder; move it away",
    );
}

#[tokio::test]
async fn a_folder_where_a_file_should_be_is_named() {
    let folder = Folder::new();
    folder.write("version.json/x", "");
    check_error(
        &folder,
        folder.publish(1).await,
        "error: failed to read snapshots/version.json\n  \
         caused by: Is a directory (os error 21)\n  \
         hint: a folder stands where the store needs a file; move it away",
    );
}

#[tokio::test]
async fn a_folder_of_another_user_is_named() {
    let folder = Folder::new();
    let denied = |_: Step, _: &Path| Err(io::Error::from_raw_os_error(13));
    check_error(
        &folder,
        publish_on(Disk::with_hook(denied), &folder.root, &State::number(1)).await,
        "error: failed to make the folder snapshots\n  \
         caused by: Permission denied (os error 13)\n  \
         hint: let the publisher's user write in the store, or publish as the user who owns it",
    );
}

// A small file system of its own, for what only a real one shows.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(path: &'a Path, options: &str) -> Option<Self> {
        fs::create_dir_all(path).expect("a folder");
        Self::mount(path, options).then_some(Self(path))
    }

    fn remount(&self, options: &str) {
        assert!(
            Self::mount(self.0, &format!("remount,{options}")),
            "remounted"
        );
    }

    fn mount(path: &Path, options: &str) -> bool {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "tablecast-test"])
            .arg(path);
        let mounted = command
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
        if !mounted {
            eprintln!("skipped: no right to mount a file system here");
        }
        mounted
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_version_and_the_next_publish_goes_on() {
    let folder = Folder::new();
    let Some(mounted) = Mounted::new(&folder.root, "size=4m") else {
        return;
    };
    folder.publish(1).await.expect("there is room");
    let filling = folder.path("filling");
    let mut file = fs::File::create(&filling).expect("a file");
    while io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    drop(file);
    check_error(
        &folder,
        folder.publish(2).await,
        "error: failed to write in snapshots/.staging\n  \
         caused by: No space left on device (os error 28)\n  \
         hint: make room and publish again: it goes on where it stopped, and readers still get the last version",
    );
    assert_eq!(folder.resolves(), Some((1, ReferenceVersion(1))));
    fs::remove_file(&filling).expect("there");
    folder.publish(2).await.expect("there is room again");
    assert_eq!(folder.resolves(), Some((2, ReferenceVersion(2))));
    assert_eq!(folder.staged(), 0);
    drop(mounted);
}

#[tokio::test]
async fn a_read_only_folder_is_named_and_the_old_version_stays() {
    let folder = Folder::new();
    let Some(mounted) = Mounted::new(&folder.root, "size=8m") else {
        return;
    };
    folder.publish(1).await.expect("there is room");
    mounted.remount("ro");
    check_error(
        &folder,
        folder.publish(2).await,
        "error: failed to open snapshots/.lock\n  \
         caused by: Read-only file system (os error 30)\n  \
         hint: it is mounted read-only; choose another folder with --out",
    );
    assert_eq!(folder.resolves(), Some((1, ReferenceVersion(1))));
}

#[tokio::test]
async fn a_publication_that_is_given_up_stops_and_leaves_no_trace() {
    let folder = Folder::published([1]).await;
    let store = DirectoryStore::open(&folder.root, PATIENCE, |_| {}).await;
    let store = store.expect("opened");
    let rendered = State::number(2).render(store.staging()).expect("rendered");
    let publication = publish(rendered, &store, Terms::at(Timestamp::UNIX_EPOCH), |_| {});
    let given_up = tokio::time::timeout(Duration::from_millis(1), publication).await;
    drop(store);
    assert!(given_up.is_err(), "one millisecond is not enough");
    check_after_end(&folder, &[1], 2, "given up").await;
}
