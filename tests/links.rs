//! Links, FIFOs and their like in a store: nothing is read, written, emptied, locked or
//! removed through one, and whoever meets one says which.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pretty_assertions::assert_eq;
use publisher::Error;
use snapshot_store::Disk;

use crate::support::ledger::{Act, Ledger};
use crate::support::watching::Watching;
use crate::support::{Finished, Project, publisher, tracked};

/// A store of two versions, beside a folder `precious` with a file in it.
async fn beside_precious() -> Ledger {
    let ledger = Ledger::after(&[Act::Publish(1), Act::Publish(2)]).await;
    let precious = precious(&ledger);
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "content").unwrap();
    ledger
}

fn precious(ledger: &Ledger) -> PathBuf {
    ledger.root.parent().unwrap().join("precious")
}

/// Everything below a folder as it is, links as links.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let what = if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                folders.push(path.clone());
                "folder".to_owned()
            } else if kind.is_fifo() {
                "FIFO".to_owned()
            } else {
                blake3::hash(&fs::read(&path).unwrap()).to_string()
            };
            found.insert(path, what);
        }
    }
    found
}

/// Puts something in the place of what is there, which moves out of the store.
fn replace(ledger: &Ledger, name: &str, put: impl FnOnce(&Path)) {
    let place = ledger.path(name);
    if fs::symlink_metadata(&place).is_ok() {
        fs::rename(&place, ledger.root.parent().unwrap().join("moved")).unwrap();
    }
    put(&place);
}

fn trap(ledger: &Ledger, name: &str, target: &str) {
    replace(ledger, name, |place| symlink(target, place).unwrap());
}

fn run(ledger: &Ledger, arguments: &[&str]) -> Finished {
    let mut command = publisher();
    command.args(arguments);
    command.current_dir(ledger.root.parent().unwrap());
    Finished::of(command.output().unwrap())
}

/// The first object of the current version that has variants.
fn large_object(ledger: &Ledger) -> String {
    let all = tree(&ledger.root);
    let variant = all
        .keys()
        .find(|path| path.extension().is_some_and(|e| e == "zst"));
    let object = variant.unwrap().with_extension("");
    let below = object.strip_prefix(&ledger.root).unwrap();
    below.to_str().unwrap().to_owned()
}

/// Names in a store, and where a link in their place leads.
fn traps(object: &str) -> Vec<(String, &'static str)> {
    let table = Path::new(object)
        .parent()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    [
        (".staging", "../precious"),
        (".staging", "tables"),
        (".staging", "nowhere"),
        (".lock", "../precious/file"),
        (".lock", "version.json"),
        (".lock", "nowhere"),
        ("version.json", "../precious/file"),
        ("version.json", "../moved"),
        ("version.json", "version.json"),
        ("versions", "../moved"),
        ("versions", "../precious"),
        ("manifests", "nowhere"),
        ("bootstrap", "bootstrap"),
        ("tables", "../moved"),
        ("tables", ".."),
        (&table, "../../moved"),
        (&table, "../../precious"),
        (object, "../../../moved"),
        (object, "/etc/passwd"),
        (&format!("{object}.br"), "../../precious/file"),
        ("tables/link", "."),
        ("versions/link", "/dev/null"),
    ]
    .map(|(name, target)| (name.to_owned(), target))
    .to_vec()
}

#[tokio::test]
async fn a_store_with_a_link_is_refused_by_name_before_anything_is_changed() {
    let object = large_object(&beside_precious().await);
    for (name, target) in traps(&object) {
        let ledger = beside_precious().await;
        trap(&ledger, &name, target);
        let all = ledger.root.parent().unwrap();
        let before = tree(all);
        let expected = format!(
            "error: snapshots/{name}: is a symbolic link to {target}, and no link is followed there\n\
             error: 1 problem in the store; nothing was changed; remove it, or put a copy of what \
             it leads to in its place: only the store's own folder may be a link\n"
        );
        for arguments in [
            &["prune", "--keep", "1", "--min-age", "0s"][..],
            &["rollback", "--to", "1"],
            &["resume"],
        ] {
            run(&ledger, arguments).failed_with(&expected);
            assert_eq!(tree(all), before, "{name} -> {target}: {arguments:?}");
        }
        let error = Act::Publish(3).run(Disk::default(), &ledger.root).await;
        let report = error.expect_err("it is refused").report();
        assert!(
            report.contains(&format!("/{name}: is a symbolic link to ")),
            "{report}"
        );
        assert_eq!(tree(all), before, "{name} -> {target}: publish");
    }
}

#[tokio::test]
async fn verify_tells_of_each_link_and_reads_through_none() {
    let object = large_object(&beside_precious().await);
    for (name, target) in traps(&object) {
        let ledger = beside_precious().await;
        trap(&ledger, &name, target);
        let finished = run(&ledger, &["verify"]);
        assert_eq!(finished.status, Some(1), "{name} -> {target}");
        let fault = format!(
            "fault: {name}: is a symbolic link to {target}, and no link below a store is followed\n"
        );
        assert!(finished.stdout.contains(&fault), "{}", finished.stdout);
    }
}

#[tokio::test]
async fn history_and_its_like_read_nothing_through_a_link() {
    for (arguments, name) in [
        (&["history"][..], "version.json"),
        (&["history"], "versions"),
        (&["show"], "manifests"),
        (&["diff", "1", "2"], "tables"),
    ] {
        let ledger = beside_precious().await;
        // What would be read is right.
        trap(&ledger, name, "../moved");
        let finished = run(&ledger, arguments);
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(
            said.contains(&format!("snapshots/{name} is a symbolic link to ../moved")),
            "{arguments:?}: {said}"
        );
    }
}

// Counts the steps, and does something before one of them.
fn at_step(step: usize, work: impl Fn() + Send + Sync + 'static) -> (Disk, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let disk = Disk::with_hook(move |_, _| {
        if counted.fetch_add(1, Ordering::SeqCst) == step {
            work();
        }
        Ok(())
    });
    (disk, count)
}

#[tokio::test]
async fn a_link_that_is_put_there_while_a_publisher_works_is_not_followed() {
    let base = beside_precious().await;
    for (name, act) in [
        (".staging", Act::Publish(3)),
        (".lock", Act::Publish(3)),
        ("tables", Act::Publish(3)),
        ("versions", Act::Rollback("1".to_owned())),
        ("tables", Act::Prune(1, 0)),
    ] {
        for step in (0..).step_by(3) {
            let ledger = base.copy();
            let precious = precious(&ledger);
            fs::create_dir(&precious).unwrap();
            fs::write(precious.join("file"), "content").unwrap();
            let (place, away) = (ledger.path(name), ledger.root.join("../moved"));
            let target = if name == ".lock" {
                "../precious/file"
            } else {
                "../precious"
            };
            let (disk, count) = at_step(step, move || {
                if fs::rename(&place, &away).is_ok() {
                    symlink(target, &place).unwrap();
                }
            });
            let _ = act.run(disk, &ledger.root).await;
            let names = fs::read_dir(&precious).unwrap().count();
            let content = fs::read_to_string(precious.join("file")).unwrap();
            let context = format!("{name}, {act:?} at {step}");
            assert_eq!((names, content.as_str()), (1, "content"), "{context}");
            if count.load(Ordering::SeqCst) <= step {
                assert!(step > 3, "{act:?} has steps");
                break;
            }
        }
    }
}

#[tokio::test]
async fn the_stores_own_folder_may_be_a_link() {
    let ledger = beside_precious().await;
    let moved = ledger.root.with_file_name("moved");
    fs::rename(&ledger.root, &moved).unwrap();
    symlink("moved", &ledger.root).unwrap();
    Act::Publish(3)
        .run(Disk::default(), &ledger.root)
        .await
        .expect("published");
    assert_eq!(ledger.sequences(), [1, 2, 3]);
    run(&ledger, &["verify", "--strict"]).succeeded();
    run(&ledger, &["prune", "--keep", "1", "--min-age", "0s"]).succeeded();
    assert_eq!(ledger.sequences(), [3]);
    assert!(fs::symlink_metadata(&ledger.root).unwrap().is_symlink());
}

#[tokio::test]
async fn what_another_program_put_beside_the_store_is_its_own_business() {
    let ledger = beside_precious().await;
    symlink(".", ledger.path("latest")).unwrap();
    symlink("nowhere", ledger.path("README.md")).unwrap();
    symlink("../precious", ledger.path(".git")).unwrap();
    Act::Publish(3)
        .run(Disk::default(), &ledger.root)
        .await
        .expect("published");
    let pruned = run(&ledger, &["prune", "--keep", "1", "--min-age", "0s"]);
    pruned.succeeded();
    assert!(
        pruned
            .stderr
            .contains("warning: latest is not of a store; it was left alone")
    );
    assert!(precious(&ledger).join("file").exists());
}

#[tokio::test]
async fn a_link_in_the_staging_folder_is_removed_and_not_followed() {
    let ledger = beside_precious().await;
    symlink("../../precious", ledger.path(".staging/left")).unwrap();
    fs::create_dir(ledger.path(".staging/deep")).unwrap();
    symlink("../../../precious", ledger.path(".staging/deep/left")).unwrap();
    Act::Publish(3)
        .run(Disk::default(), &ledger.root)
        .await
        .expect("published");
    assert_eq!(fs::read_dir(ledger.path(".staging")).unwrap().count(), 0);
    assert!(precious(&ledger).join("file").exists());
}

#[tokio::test]
async fn a_lock_that_is_another_programs_file_is_left_as_it_is() {
    let ledger = beside_precious().await;
    fs::write(ledger.path(".lock"), "a list of things").unwrap();
    run(&ledger, &["resume"]).failed_with(
        "error: snapshots/.lock is not the lock of a store: another program wrote it\n  \
         hint: move it away; a new one is then made\n",
    );
    assert_eq!(
        fs::read_to_string(ledger.path(".lock")).unwrap(),
        "a list of things"
    );
    fs::remove_file(ledger.path(".lock")).unwrap();
    fs::hard_link(precious(&ledger).join("file"), ledger.path(".lock")).unwrap();
    run(&ledger, &["resume"]).failed_with(
        "error: snapshots/.lock is not the lock of a store: another program wrote it\n  \
         hint: move it away; a new one is then made\n",
    );
    assert_eq!(
        fs::read_to_string(precious(&ledger).join("file")).unwrap(),
        "content"
    );
}

#[tokio::test]
async fn a_copy_by_hard_links_stays_as_it_was() {
    let ledger = beside_precious().await;
    let copy = precious(&ledger).join("backup");
    let mut copied = Command::new("cp");
    copied.arg("-al").arg(&ledger.root).arg(&copy);
    assert!(copied.status().unwrap().success());
    let before = tree(&copy);
    let rollback = run(&ledger, &["rollback", "--to", "1"]);
    rollback.succeeded();
    run(&ledger, &["resume"]).succeeded();
    assert_eq!(tree(&copy), before);
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn a_fifo_keeps_nobody_waiting() {
    let object = large_object(&beside_precious().await);
    let variant = format!("{object}.gz");
    for name in [
        "version.json",
        ".lock",
        ".staging",
        "versions",
        &object,
        &variant,
    ] {
        let ledger = beside_precious().await;
        replace(&ledger, name, fifo);
        for arguments in [&["resume"][..], &["rollback", "--to", "1"], &["prune"]] {
            let finished = run(&ledger, arguments);
            let expected = format!("error: snapshots/{name}: is a FIFO, not a file\n");
            assert!(
                finished.stderr.starts_with(&expected),
                "{}",
                finished.stderr
            );
            assert_eq!(finished.status, Some(1));
        }
        let finished = run(&ledger, &["verify"]);
        let expected = format!("fault: {name}: is a FIFO, not a file\n");
        assert!(finished.stdout.contains(&expected), "{}", finished.stdout);
        let error = Act::Publish(3).run(Disk::default(), &ledger.root).await;
        assert!(matches!(error, Err(Error::Problems { .. })), "{error:?}");
    }
}

const GRIPS: &str = "CREATE TABLE grips (id text PRIMARY KEY, label text NOT NULL);";

fn project() -> Project {
    let project = Project::new(&[GRIPS, &tracked(&["grips"])]);
    project.source("grips", r#"[{"id": "HOOK", "label": "Hook"}]"#);
    fs::create_dir(project.path("precious")).unwrap();
    project.file("precious/file", "content");
    fs::create_dir(project.path("snapshots")).unwrap();
    project
}

const STAGING: &str = "\
error: snapshots/.staging: is a symbolic link to ../precious, and no link is followed there
error: 1 problem in the store; nothing was changed; remove it, or put a copy of what it leads to in its place: only the store's own folder may be a link
";

#[test]
fn a_refused_store_leaves_the_database_as_it_was() {
    let project = project();
    symlink("../precious", project.path("snapshots/.staging")).unwrap();
    let before = project.database.everything();
    for command in ["run", "watch", "publish"] {
        project.run(&[command]).failed_with(STAGING);
        assert_eq!(project.database.everything(), before, "{command}");
        assert!(project.path("precious/file").exists());
    }
    fs::remove_file(project.path("snapshots/.staging")).unwrap();
    project.run(&["run"]).succeeded();
}

#[test]
fn a_fifo_among_the_inputs_keeps_nobody_waiting() {
    let project = project();
    let places = [
        "tablecast.toml",
        "json-source/grips.json",
        "sql/migrations/V0003__m.sql",
    ];
    for name in places {
        let kept = fs::read(project.path(name));
        let _ = fs::remove_file(project.path(name));
        fifo(&project.path(name));
        let finished = project.run(&["run"]);
        assert_eq!(finished.status, Some(1), "{name}: {}", finished.stderr);
        assert!(
            finished.stderr.contains("is a FIFO, not a file"),
            "{name}: {}",
            finished.stderr
        );
        fs::remove_file(project.path(name)).unwrap();
        if let Ok(kept) = kept {
            project.file(name, kept);
        }
    }
}

#[test]
fn a_watch_goes_on_beside_a_fifo() {
    let project = project();
    let watching = Watching::begun(&project, &[]);
    fs::remove_file(project.path("json-source/grips.json")).unwrap();
    fifo(&project.path("json-source/grips.json"));
    fs::remove_file(project.path("json-source/grips.json")).unwrap();
    project.source("grips", r#"[{"id": "HOOK", "label": "New"}]"#);
    watching.changed(&["grips ~1"]);
    assert_eq!(watching.end(nix::sys::signal::Signal::SIGTERM), Some(0));
}
