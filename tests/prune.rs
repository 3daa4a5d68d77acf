//! Removing what no retained version names: `publisher prune`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pretty_assertions::assert_eq;
use serde_json::Value;
use snapshot_store::{DirectoryStore, Disk, Step};

use crate::support::ledger::{Act, Ledger, PATIENCE, files};
use crate::support::{Finished, publisher};

async fn published(states: u64) -> Ledger {
    let acts: Vec<Act> = (1..=states).map(Act::Publish).collect();
    Ledger::after(&acts).await
}

/// `publisher prune` with these arguments.
fn prune(ledger: &Ledger, arguments: &[&str]) -> Finished {
    let mut command = publisher();
    let folder = ledger.root.parent().unwrap();
    command.arg("prune").args(arguments).current_dir(folder);
    Finished::of(command.output().unwrap())
}

fn pruned(ledger: &Ledger, arguments: &[&str]) -> Value {
    let finished = prune(ledger, &[arguments, &["--json", "--quiet"]].concat());
    serde_json::from_str(&finished.succeeded().stdout).unwrap()
}

fn epoch(ledger: &Ledger) -> String {
    ledger.resolves().unwrap().0.0.to_string()
}

fn set_age(ledger: &Ledger, path: &str, age: Duration) {
    let file = std::fs::File::options()
        .write(true)
        .open(ledger.path(path))
        .unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn what_only_old_versions_name_goes_and_nothing_else() {
    let ledger = published(5).await;
    let before: BTreeSet<String> = files(&ledger.root).into_iter().collect();
    let public = std::fs::read(ledger.path("version.json")).unwrap();

    let arguments = ["--keep", "2", "--min-age", "0s"];
    let announced = pruned(&ledger, &[&arguments[..], &["--dry-run"]].concat());
    assert_eq!(
        files(&ledger.root),
        before.iter().cloned().collect::<Vec<_>>()
    );
    let report = pruned(&ledger, &arguments);
    for field in ["retained", "removed", "files", "foreign", "sizeBytes"] {
        assert_eq!(announced[field], report[field], "{field}");
    }

    assert_eq!(ledger.sequences(), [4, 5]);
    assert_eq!(ledger.orphans(), [""; 0]);
    assert_eq!(std::fs::read(ledger.path("version.json")).unwrap(), public);
    let after: BTreeSet<String> = files(&ledger.root).into_iter().collect();
    let gone: BTreeSet<String> = before.difference(&after).cloned().collect();
    let listed = report["files"].as_array().unwrap().iter();
    let listed: BTreeSet<String> = listed
        .map(|file| file["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(gone, listed);
    // Of each of three versions its page, its manifest, and two objects with three
    // variants each; the table that never changes stays.
    assert_eq!(gone.len(), 3 * (1 + 1 + 2 * 4));
}

#[tokio::test]
async fn people_are_told_what_went() {
    let ledger = published(3).await;
    let epoch = epoch(&ledger);
    let at = |sequence: u64| {
        let page =
            std::fs::read(ledger.path(&format!("versions/{epoch}-{sequence}.json"))).unwrap();
        let page: Value = serde_json::from_slice(&page).unwrap();
        page["publishedAt"].as_str().unwrap().to_owned()
    };
    let versions = format!(
        "version {epoch}-2, seq:2, published {}\nversion {epoch}-1, seq:1, published {}\n",
        at(2),
        at(1)
    );
    let arguments = ["--keep", "1", "--min-age", "0s"];
    let announced = prune(&ledger, &[&arguments[..], &["--dry-run"]].concat());
    let what = "2 versions, 2 manifests, 4 objects, 12 variants";
    let bytes = {
        let report = pruned(&ledger, &[&arguments[..], &["--dry-run"]].concat());
        report["sizeBytes"].to_string()
    };
    let rest = format!("{what}, {bytes} bytes; 1 version is retained, {epoch}-3\n");
    assert_eq!(
        announced.succeeded().stderr,
        format!("{versions}would prune: {rest}")
    );
    let done = prune(&ledger, &arguments);
    assert_eq!(done.succeeded().stderr, format!("{versions}pruned: {rest}"));
    let again = prune(&ledger, &arguments);
    assert_eq!(
        again.succeeded().stderr,
        format!("pruned: nothing; 1 version is retained, {epoch}-3\n")
    );
}

#[tokio::test]
async fn what_was_public_within_a_week_is_kept_unless_somebody_says_otherwise() {
    let ledger = published(4).await;
    let before = files(&ledger.root);
    let report = pruned(&ledger, &["--keep", "1"]);
    assert_eq!(report["files"], Value::Array(Vec::new()));
    assert_eq!(files(&ledger.root), before);
}

#[tokio::test]
async fn what_interrupted_runs_left_goes_once_it_is_old() {
    let ledger = published(1).await;
    let hash = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    let left = [
        format!("tables/grips/{hash}.json"),
        format!("tables/gone/{hash}.json.br"),
        format!("bootstrap/{hash}.json.zst"),
        format!("manifests/{hash}.json"),
        ".staging/half".to_owned(),
    ];
    std::fs::create_dir(ledger.path("tables/gone")).unwrap();
    for path in &left {
        std::fs::write(ledger.path(path), b"").unwrap();
    }
    set_age(&ledger, &left[0], DAY * 8);
    set_age(&ledger, &left[4], DAY * 8);
    pruned(&ledger, &[]);
    assert_eq!(ledger.orphans(), [&left[2][..], &left[3], &left[1]]);
    for path in &left[1..4] {
        set_age(&ledger, path, DAY);
    }
    pruned(&ledger, &["--min-age", "1d"]);
    assert_eq!(ledger.orphans(), [""; 0]);
}

#[tokio::test]
async fn what_is_not_of_a_store_is_left_alone_and_named() {
    let ledger = published(1).await;
    let foreign = [
        "index.html",
        "notes",
        "manifests/README.md",
        "tables/grips/old.json",
        "tables/notes.txt",
        "versions/1-01.json.bak",
    ];
    std::fs::write(ledger.path("README.md"), "ours").unwrap();
    std::fs::create_dir(ledger.path("notes")).unwrap();
    for path in ["index.html", foreign[2], foreign[3], foreign[4], foreign[5]] {
        std::fs::write(ledger.path(path), "theirs").unwrap();
        set_age(&ledger, path, DAY * 99);
    }
    let before = files(&ledger.root);
    let finished = prune(&ledger, &["--min-age", "0s"]);
    let warnings: String = [
        "index.html",
        "manifests/README.md",
        "notes/",
        "tables/grips/old.json",
        "tables/notes.txt",
        "versions/1-01.json.bak",
    ]
    .map(|path| format!("warning: {path} is not of a store; it was left alone\n"))
    .concat();
    assert_eq!(
        finished.succeeded().stderr,
        format!(
            "{warnings}pruned: nothing; 1 version is retained, {}-1\n",
            epoch(&ledger)
        )
    );
    assert_eq!(files(&ledger.root), before);
}

#[tokio::test]
async fn what_a_retained_rollback_points_back_at_is_retained() {
    let acts = [
        Act::Publish(1),
        Act::Publish(2),
        Act::Publish(3),
        Act::Rollback("1".to_owned()),
    ];
    let ledger = Ledger::after(&acts).await;
    pruned(&ledger, &["--keep", "1", "--min-age", "0s"]);
    assert_eq!(ledger.sequences(), [1, 4]);
    assert_eq!(ledger.orphans(), [""; 0]);
}

#[tokio::test]
async fn nothing_is_pruned_where_not_everything_that_is_named_is_known() {
    let ledger = published(3).await;
    let epoch = epoch(&ledger);
    let page = format!("snapshots/versions/{epoch}-3.json");
    let manifest = {
        let version = std::fs::read(ledger.path("version.json")).unwrap();
        let version: Value = serde_json::from_slice(&version).unwrap();
        format!(
            "snapshots/manifests/{}.json",
            version["manifest"]["hash"].as_str().unwrap()
        )
    };
    let folder = ledger.root.parent().unwrap();
    let arguments = ["--keep", "1", "--min-age", "0s"];
    let check = |expected: String| {
        let before = files(&ledger.root);
        prune(&ledger, &arguments).failed_with(&expected);
        assert_eq!(files(&ledger.root), before);
    };

    let good = std::fs::read(folder.join(&manifest)).unwrap();
    std::fs::remove_file(folder.join(&manifest)).unwrap();
    check(format!(
        "error: {manifest}: is missing\nerror: 1 problem in the store; nothing was pruned\n"
    ));
    std::fs::write(folder.join(&manifest), "{}").unwrap();
    check(format!(
        "error: {manifest}: its BLAKE3 is {}\nerror: 1 problem in the store; nothing was pruned\n",
        blake3::hash(b"{}")
    ));
    std::fs::write(folder.join(&manifest), good).unwrap();

    let good = std::fs::read(folder.join(&page)).unwrap();
    std::fs::write(folder.join(&page), &good[..40]).unwrap();
    check(format!(
        "error: {page}: not the JSON of a version: EOF while parsing a string at line 1 column 40; another program \
         wrote it; remove that file and publish again: the last version comes back from versions/\n\
         error: 1 problem in the store; nothing was pruned\n"
    ));
    std::fs::copy(
        ledger.path(&format!("versions/{epoch}-1.json")),
        folder.join(&page),
    )
    .unwrap();
    check(format!(
        "error: {page}: holds the publication {epoch}-1\n\
         error: 1 problem in the store; nothing was pruned\n"
    ));
    std::fs::write(folder.join(&page), good).unwrap();

    std::fs::write(ledger.path("version.json"), "{\"formatVersion\":1,").unwrap();
    check(
        "error: snapshots/version.json: not the JSON of a version: EOF while parsing a value at line 1 column 19; another program \
         wrote it; remove that file and publish again: the last version comes back from versions/\n\
         error: 1 problem in the store; nothing was pruned\n"
            .to_owned(),
    );
    std::fs::remove_file(ledger.path("version.json")).unwrap();
    // A page leads to all that is public, and the next publication brings the pointer back.
    prune(&ledger, &arguments).succeeded();
    ledger.act(&Act::Publish(3)).await;
    assert_eq!(ledger.resolves().unwrap().0.1, 3);
}

#[tokio::test]
async fn a_prune_waits_for_whoever_has_the_store() {
    let ledger = published(2).await;
    let held = DirectoryStore::open(&ledger.root, PATIENCE, |_| {})
        .await
        .unwrap();
    let finished = prune(
        &ledger,
        &["--min-age", "0s", "--keep", "1", "--lock-timeout", "0s"],
    );
    let start = format!(
        "error: snapshots is still locked by process {} on ",
        std::process::id()
    );
    assert!(finished.stderr.starts_with(&start), "{}", finished.stderr);
    assert_eq!(finished.status, Some(1));
    drop(held);
    assert_eq!(ledger.sequences(), [1, 2]);
}

#[tokio::test]
async fn a_prune_that_lost_its_lock_removes_nothing_more() {
    let ledger = published(4).await;
    let lock = ledger.path(".lock");
    let first = Arc::new(AtomicBool::new(true));
    let disk = Disk::with_hook({
        let lock = lock.clone();
        move |step, _| {
            if step == Step::Remove && first.swap(false, Ordering::SeqCst) {
                std::fs::remove_file(&lock)?;
            }
            Ok(())
        }
    });
    let error = Act::Prune(1, 0).run(disk, &ledger.root).await.unwrap_err();
    assert_eq!(
        error.report(),
        format!(
            "error: {} is no longer the lock that this publisher holds; nothing more was removed\n  \
             hint: another program removed or replaced the lock file; leave it alone and try again\n",
            lock.display()
        )
    );
    // The one that it was about to remove.
    assert_eq!(ledger.sequences(), [2, 3, 4]);
    ledger.resolves();
}

/// The folders in the order in which files went from them, or they were made durable.
async fn steps_of_a_prune(ledger: &Ledger) -> Vec<(Step, String)> {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let disk = Disk::with_hook({
        let (steps, root) = (Arc::clone(&steps), ledger.root.clone());
        move |step, path| {
            let folder = match step {
                Step::SyncFolder => path,
                Step::Remove => path.parent().unwrap(),
                _ => return Ok(()),
            };
            let folder = folder.strip_prefix(&root).unwrap().iter().next();
            let folder = folder.map_or(String::new(), |name| name.to_string_lossy().into_owned());
            steps.lock().unwrap().push((step, folder));
            Ok(())
        }
    });
    Act::Prune(1, 0).run(disk, &ledger.root).await.unwrap();
    let steps = steps.lock().unwrap();
    steps.clone()
}

#[tokio::test]
async fn what_names_is_gone_for_good_before_what_is_named_goes() {
    let ledger = published(4).await;
    let steps = steps_of_a_prune(&ledger).await;
    let first = |step, folder: &str| {
        let found = steps
            .iter()
            .position(|(at, name)| (*at, &name[..]) == (step, folder));
        found.unwrap_or_else(|| panic!("no {step:?} of {folder:?} in {steps:?}"))
    };
    let last = |step, folder: &str| {
        let found = steps
            .iter()
            .rposition(|(at, name)| (*at, &name[..]) == (step, folder));
        found.unwrap_or_else(|| panic!("no {step:?} of {folder:?} in {steps:?}"))
    };
    // A swap that had not been made durable would bring back what the first page names.
    assert!(
        first(Step::SyncFolder, "") < first(Step::Remove, "versions"),
        "{steps:?}"
    );
    for (naming, named) in [
        ("versions", "manifests"),
        ("manifests", "tables"),
        ("manifests", "bootstrap"),
    ] {
        let (gone, next) = (last(Step::Remove, naming), first(Step::Remove, named));
        let durable = (gone..next).any(|at| steps[at] == (Step::SyncFolder, naming.to_owned()));
        assert!(durable, "{naming} before {named}: {steps:?}");
    }
    for folder in ["tables", "bootstrap"] {
        assert!(
            last(Step::Remove, folder) < last(Step::SyncFolder, folder),
            "{steps:?}"
        );
    }
}

#[tokio::test]
async fn keeping_no_version_is_a_slip() {
    let ledger = published(1).await;
    let finished = prune(&ledger, &["--keep", "0"]);
    assert_eq!(finished.status, Some(2));
    let finished = prune(&ledger, &["--min-age", "a while"]);
    assert_eq!(
        finished.stderr.lines().next(),
        Some(
            "error: invalid value 'a while' for '--min-age <DURATION>': \"a while\" is not a duration such as 500ms, 30s, 10m or 7d"
        )
    );
    assert_eq!(finished.status, Some(2));
}
