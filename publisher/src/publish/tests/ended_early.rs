//! Failures and deaths.

use pretty_assertions::assert_eq;

use super::*;

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
pub(super) async fn check_after_end(folder: &Folder, before: &[u64], seq: u64, context: &str) {
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
