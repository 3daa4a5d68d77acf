//! A store without a database: states made by hand, what publishers do to them, and a
//! reader that trusts nobody.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use jiff::Timestamp;
use publisher::Error;
use publisher::parts::Provenance;
use publisher::parts::{Clock, Rendered, RenderedObject, Terms, publish};
use publisher::parts::{Keep, prune};
use publisher::parts::{resume, rollback};
use serde_json::Value;
use snapshot_audit::verify::verify;
use snapshot_format::{DigestWriter, Encoding, Key, MAX_OBJECT_SIZE, MIN_VARIANT_SIZE, decompress};
use snapshot_store::{
    Directory, DirectoryStore, Disk, Origin, Store, StoreError,
    spool::{Spool, Staging},
};

use super::made::Made;

/// Nobody waits longer for a lock.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a publisher may do to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Publishes the state of that number.
    Publish(u64),
    /// The same over a rollback.
    PublishForced(u64),
    /// Goes back to a version.
    Rollback(String),
    /// Lets publishing go on.
    Resume,
    /// Keeps so many versions, and those of so many seconds.
    Prune(usize, u64),
}

impl Act {
    /// For the command line of a child process.
    pub fn to_text(&self) -> String {
        match self {
            Self::Publish(seq) => format!("publish {seq}"),
            Self::PublishForced(seq) => format!("force {seq}"),
            Self::Rollback(to) => format!("rollback {to}"),
            Self::Resume => "resume".to_owned(),
            Self::Prune(keep, seconds) => format!("prune {keep} {seconds}"),
        }
    }

    /// What [`Act::to_text`] has written.
    pub fn parse(text: &str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["publish", seq] => Self::Publish(seq.parse().unwrap()),
            ["force", seq] => Self::PublishForced(seq.parse().unwrap()),
            ["rollback", to] => Self::Rollback(to.to_owned()),
            ["resume"] => Self::Resume,
            ["prune", keep, seconds] => {
                Self::Prune(keep.parse().unwrap(), seconds.parse().unwrap())
            }
            _ => panic!("{text:?} is no act"),
        }
    }

    /// Does it, as the commands do; gives the publication that is then the newest.
    pub async fn run(&self, disk: Disk, root: &Path) -> Result<(u64, u64), Error> {
        self.run_by(Timestamp::now, disk, root).await
    }

    /// Does it at that moment.
    pub async fn run_at(
        &self,
        disk: Disk,
        root: &Path,
        now: Timestamp,
    ) -> Result<(u64, u64), Error> {
        self.run_by(|| now, disk, root).await
    }

    // The clock is asked once the store is open, which may take its time.
    async fn run_by(
        &self,
        clock: impl Fn() -> Timestamp,
        disk: Disk,
        root: &Path,
    ) -> Result<(u64, u64), Error> {
        if let Self::Publish(seq) | Self::PublishForced(seq) = self {
            let store = DirectoryStore::open_on(disk, root, PATIENCE, |_| {}).await?;
            let rendered = render(*seq, store.staging()).map_err(|source| StoreError::Failed {
                action: "write in",
                location: store.staging().folder().display().to_string(),
                source,
            })?;
            let force = matches!(self, Self::PublishForced(_));
            let now = clock();
            let terms = Terms {
                force,
                ..Terms::at(now)
            };
            let published = publish(rendered, &store, terms, |_| {}).await?;
            return Ok(published.version().order());
        }
        let store = DirectoryStore::open_existing_on(disk, root, PATIENCE, |_| {}).await?;
        let now = clock();
        let version = match self {
            Self::Rollback(to) => rollback(&store, to, &Clock::at(now), MAX_OBJECT_SIZE)
                .await?
                .version()
                .clone(),
            Self::Prune(newest, seconds) => {
                let min_age = Duration::from_secs(*seconds);
                let newest = *newest;
                let pruned = prune(&store, Keep { newest, min_age }, now, false).await?;
                pruned.retained[0].clone()
            }
            _ => resume(&store, &Clock::at(now), MAX_OBJECT_SIZE)
                .await?
                .version()
                .clone(),
        };
        Ok(version.order())
    }
}

/// The state of that number: a table without variants that is always the same, and one
/// with variants that is another in each state.
fn render(seq: u64, staging: &Staging) -> io::Result<Rendered> {
    let of = |count: usize, prefix: String| {
        (0..count).map(move |i| format!(r#"{{"id":"{prefix}{i:03}"}}"#))
    };
    let states: [(&str, Vec<String>); 2] = [
        ("grips", of(3, "GRIP".to_owned()).collect()),
        ("motions", of(150, format!("MOTION-{seq}-")).collect()),
    ];
    let Made { objects, manifest } = Made::of(seq, &states);
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

/// A store of its own for one test.
pub struct Ledger {
    _parent: tempfile::TempDir,
    /// The store's folder.
    pub root: PathBuf,
}

impl Ledger {
    /// No store yet.
    pub fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("snapshots");
        Self {
            _parent: parent,
            root,
        }
    }

    /// After these acts.
    pub async fn after(acts: &[Act]) -> Self {
        let ledger = Self::new();
        for act in acts {
            ledger.act(act).await;
        }
        ledger
    }

    /// Does an act that must succeed.
    #[track_caller]
    pub fn act(&self, act: &Act) -> impl Future<Output = ()> {
        let act = act.clone();
        async move {
            let done = act.run(Disk::default(), &self.root).await;
            done.unwrap_or_else(|error| panic!("{act:?}: {}", error.report()));
        }
    }

    /// The same store once more, elsewhere.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        copy_tree(&self.root, &copy.root);
        copy
    }

    /// A path in the store.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// `(epoch, sequence)` and reference version of what is public; `None` before the
    /// first publication. It must resolve, and so must every page of the history.
    #[track_caller]
    pub fn resolves(&self) -> Option<((u64, u64), String)> {
        let walk = walk(&self.root).unwrap_or_else(|missed| panic!("{missed}"));
        walk.current
    }

    /// `publisher verify --all` finds no fault; nor does [`walk`].
    #[track_caller]
    pub fn is_sound(&self, context: &str) {
        self.resolves();
        if !self.path("version.json").exists() {
            return;
        }
        let origin = Origin::Directory(Directory::new(&self.root));
        let report = verify(&origin, true, &ProgressBar::hidden()).unwrap();
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, [""; 0], "{context}");
    }

    /// Files that nothing public names, and what is left in the staging folder.
    #[track_caller]
    pub fn orphans(&self) -> Vec<String> {
        let walk = walk(&self.root).unwrap_or_else(|missed| panic!("{missed}"));
        let listed = files(&self.root).into_iter();
        listed
            .filter(|path| path != ".lock" && !walk.named.contains(path))
            .collect()
    }

    /// The sequences of the history, in order.
    pub fn sequences(&self) -> Vec<u64> {
        pages(&self.root)
            .into_iter()
            .map(|(_, sequence)| sequence)
            .collect()
    }
}

fn copy_tree(from: &Path, to: &Path) {
    if !from.exists() {
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, target).unwrap();
        }
    }
}

/// Every file below a folder, by its path from there.
pub fn files(root: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                let path = path.strip_prefix(root).unwrap();
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// What a reader could not get.
#[derive(Debug)]
pub struct Missed {
    /// The file.
    pub path: String,
    /// Whether it is not there at all.
    pub absent: bool,
    what: String,
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// What can be reached in a store.
#[derive(Debug, Default)]
pub struct Walk {
    /// Order and reference version of the current version.
    pub current: Option<((u64, u64), String)>,
    /// Every file that the pointer or a page leads to, themselves included.
    pub named: BTreeSet<String>,
}

/// Goes wherever the pointer and the history lead, and checks every byte on the way with
/// nothing of the program but its decompressors.
pub fn walk(root: &Path) -> Result<Walk, Missed> {
    let mut walk = Walk::default();
    let history = pages(root);
    if let Some(bytes) = found(read(root, "version.json"))? {
        let (order, reference) = resolve(root, "version.json", &bytes, &mut walk.named)?;
        let page = format!("versions/{}-{}.json", order.0, order.1);
        if read(root, &page)? != bytes {
            return Err(missed(&page, "is not what version.json holds"));
        }
        walk.current = Some((order, reference));
    }
    for order in history {
        let page = format!("versions/{}-{}.json", order.0, order.1);
        let bytes = read(root, &page)?;
        if resolve(root, &page, &bytes, &mut walk.named)?.0 != order {
            return Err(missed(&page, "holds another publication"));
        }
    }
    Ok(walk)
}

/// A version's order and its reference version, once everything that it names is there
/// and right.
pub fn resolve(
    root: &Path,
    path: &str,
    bytes: &[u8],
    named: &mut BTreeSet<String>,
) -> Result<((u64, u64), String), Missed> {
    let version = parse(path, bytes)?;
    named.insert(path.to_owned());
    let reference = &version["manifest"];
    let manifest_path = format!("manifests/{}.json", text(&reference["hash"]));
    let order = (number(&version["epoch"]), number(&version["sequence"]));
    let reference_version = text(&version["referenceVersion"]).to_owned();
    // What two versions name is right for both.
    if named.insert(manifest_path.clone()) {
        let manifest = object(root, &manifest_path, reference)?;
        let manifest = parse(&manifest_path, &manifest)?;
        let bootstrap = &manifest["bootstrap"];
        let folder = "bootstrap".to_owned();
        let tables = manifest["tables"].as_object().unwrap().iter();
        let tables = tables.map(|(key, entry)| (format!("tables/{key}"), entry));
        for (folder, entry) in tables.chain([(folder, bootstrap)]) {
            let path = format!("{folder}/{}.json", text(&entry["hash"]));
            let bytes = object(root, &path, entry)?;
            variants(root, &path, &bytes, named)?;
            named.insert(path);
        }
    }
    Ok((order, reference_version))
}

fn object(root: &Path, path: &str, entry: &Value) -> Result<Vec<u8>, Missed> {
    let bytes = read(root, path)?;
    let hash = blake3::hash(&bytes).to_hex();
    if bytes.len() as u64 == number(&entry["size"]) && *hash == *text(&entry["hash"]) {
        Ok(bytes)
    } else {
        Err(missed(path, "is not the object of that name"))
    }
}

fn variants(
    root: &Path,
    path: &str,
    object: &[u8],
    named: &mut BTreeSet<String>,
) -> Result<(), Missed> {
    for encoding in Encoding::ALL {
        let path = format!("{path}.{}", encoding.extension());
        if (object.len() as u64) < MIN_VARIANT_SIZE {
            continue;
        }
        let variant = read(root, &path)?;
        let unpacked = decompress(encoding, &variant[..], object.len() as u64);
        if unpacked.ok().as_deref() != Some(object) {
            return Err(missed(&path, "does not unpack to its object"));
        }
        named.insert(path);
    }
    Ok(())
}

/// The pages of the history, in order.
fn pages(root: &Path) -> Vec<(u64, u64)> {
    let Ok(entries) = std::fs::read_dir(root.join("versions")) else {
        return Vec::new();
    };
    let mut pages: Vec<(u64, u64)> = entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let (epoch, sequence) = name.strip_suffix(".json")?.split_once('-')?;
            Some((epoch.parse().ok()?, sequence.parse().ok()?))
        })
        .collect();
    pages.sort_unstable();
    pages
}

/// A file of the store.
pub fn read(root: &Path, path: &str) -> Result<Vec<u8>, Missed> {
    std::fs::read(root.join(path)).map_err(|error| Missed {
        absent: error.kind() == io::ErrorKind::NotFound,
        ..missed(path, &error.to_string())
    })
}

fn found(read: Result<Vec<u8>, Missed>) -> Result<Option<Vec<u8>>, Missed> {
    match read {
        Err(missed) if missed.absent => Ok(None),
        read => read.map(Some),
    }
}

fn parse(path: &str, bytes: &[u8]) -> Result<Value, Missed> {
    serde_json::from_slice(bytes).map_err(|error| missed(path, &error.to_string()))
}

fn missed(path: &str, what: &str) -> Missed {
    Missed {
        path: path.to_owned(),
        absent: false,
        what: what.to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}
