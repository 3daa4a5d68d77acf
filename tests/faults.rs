//! A store that others spoil: what each command says of it, and that what was public
//! stays public.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pretty_assertions::assert_eq;
use snapshot_store::{Disk, Step};

use crate::support::ledger::{Act, Ledger, files};

const ACT: &str = "TABLECAST_TEST_ACT";
const ROOT: &str = "TABLECAST_TEST_ROOT";
const USER: &str = "TABLECAST_TEST_USER";

async fn published(states: u64) -> Ledger {
    let acts: Vec<Act> = (1..=states).map(Act::Publish).collect();
    Ledger::after(&acts).await
}

/// Each command that writes, on a store with two versions.
fn every_act() -> [Act; 4] {
    [
        Act::Publish(3),
        Act::Rollback("1".to_owned()),
        Act::Resume,
        Act::Prune(1, 0),
    ]
}

/// The whole text of an error, with the store as a person would name it.
fn text(ledger: &Ledger, error: &publisher::Error) -> String {
    shortened(ledger, &error.report())
}

fn shortened(ledger: &Ledger, text: &str) -> String {
    text.replace(&ledger.root.display().to_string(), "snapshots")
}

/// Runs an act that must fail, with `version.json` as it was.
async fn fails(ledger: &Ledger, disk: Disk, act: &Act) -> String {
    let before = std::fs::read(ledger.path("version.json")).unwrap();
    let result = act.run(disk, &ledger.root).await;
    let error = result.expect_err("the store is spoilt");
    assert!(
        std::fs::read(ledger.path("version.json")).unwrap() == before,
        "{act:?}"
    );
    text(ledger, &error)
}

/// The steps of one kind that concern one path fail so.
fn failing(step: Step, below: &Path, error: i32) -> Disk {
    let below = below.to_owned();
    Disk::with_hook(move |at, path| {
        if at == step && path.starts_with(&below) {
            Err(std::io::Error::from_raw_os_error(error))
        } else {
            Ok(())
        }
    })
}

// The disk

const ENOSPC: i32 = 28;

#[tokio::test]
async fn a_full_disk_is_named_and_the_old_version_stays() {
    let ledger = published(2).await;
    let full = || failing(Step::Write, &ledger.path(".staging"), ENOSPC);
    for act in [Act::Publish(3), Act::Rollback("1".to_owned())] {
        assert_eq!(
            fails(&ledger, full(), &act).await,
            "error: failed to write in snapshots/.staging\n  \
             caused by: No space left on device (os error 28)\n  \
             hint: make room and publish again: it goes on where it stopped, and readers still get the last version\n"
        );
        assert_eq!(ledger.resolves().unwrap().1, "seq:2");
    }
    ledger.act(&Act::Publish(3)).await;
    assert_eq!(ledger.sequences(), [1, 2, 3]);
}

#[tokio::test]
async fn a_full_disk_can_be_pruned() {
    let ledger = Ledger::new();
    std::fs::create_dir(&ledger.root).unwrap();
    let Some(_mounted) = Mounted::new(&ledger.root, "size=2m") else {
        return;
    };
    for state in 1..=3 {
        ledger.act(&Act::Publish(state)).await;
    }
    let filling = ledger.path("filling");
    let mut file = std::fs::File::create(&filling).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    assert_eq!(
        Act::Publish(4)
            .run(Disk::default(), &ledger.root)
            .await
            .is_err(),
        true
    );
    ledger.act(&Act::Prune(1, 0)).await;
    assert_eq!(ledger.sequences(), [3]);
    std::fs::remove_file(&filling).unwrap();
    assert_eq!(ledger.orphans(), [""; 0]);
}

/// A small file system of its own, for what only a real one shows.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(path: &'a Path, options: &str) -> Option<Self> {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "tablecast-test"])
            .arg(path);
        match command.stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Some(Self(path)),
            _ => {
                eprintln!("skipped: no right to mount a file system here");
                None
            }
        }
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

// Rights

/// Runs an act as a user who owns nothing here; gives what it says.
fn as_somebody_else(ledger: &Ledger, act: &Act) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "faults::child_without_rights",
            "--ignored",
            "--nocapture",
        ])
        .env(ACT, act.to_text())
        .env(ROOT, &ledger.root)
        .env(USER, "65534")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{act:?}: {output:?}");
    shortened(ledger, &String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
#[ignore = "the child process of a test"]
async fn child_without_rights() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(act), Some(root), Some(user)) = (variable(ACT), variable(ROOT), variable(USER))
    else {
        return;
    };
    // Root may write everywhere, whatever the modes say. Any other user is stopped by them.
    if nix::unistd::geteuid().is_root() {
        let user = user.parse().unwrap();
        nix::unistd::setgid(nix::unistd::Gid::from_raw(user)).unwrap();
        nix::unistd::setuid(nix::unistd::Uid::from_raw(user)).unwrap();
    }
    let error = Act::parse(&act).run(Disk::default(), root.as_ref()).await;
    eprint!("{}", error.expect_err("no right to write").report());
}

/// Takes everybody's right to write, but for what stands below one of these paths.
fn forbid_writing(ledger: &Ledger, but_for: &[&str]) {
    let mut folders = vec![ledger.root.clone()];
    open_to_readers(ledger.root.parent().unwrap());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                set_mode(ledger, &path, but_for, 0o666)
            }
        }
        set_mode(ledger, &folder, but_for, 0o777);
    }
}

fn set_mode(ledger: &Ledger, path: &Path, but_for: &[&str], writable: u32) {
    let free = but_for.iter().any(|free| path == ledger.path(free));
    let mode = if free { writable } else { writable & 0o555 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn open_to_readers(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_store_of_another_user_is_named_and_stays() {
    let ledger = published(2).await;
    let version = ledger.path("version.json");
    let before = (
        std::fs::read(&version).unwrap(),
        std::fs::metadata(&version).unwrap().ino(),
    );
    let hint = "let the publisher's user write in the store, or publish as the user who owns it";
    let denied = |action: &str, path: &str| {
        format!(
            "error: failed to {action} snapshots/{path}\n  \
             caused by: Permission denied (os error 13)\n  \
             hint: {hint}\n"
        )
    };
    forbid_writing(&ledger, &[]);
    for act in every_act() {
        if act == Act::Resume {
            continue;
        }
        assert_eq!(
            as_somebody_else(&ledger, &act),
            denied("open", ".lock"),
            "{act:?}"
        );
    }
    // Somebody gave the right to lock, and no other.
    forbid_writing(&ledger, &[".lock"]);
    let rollback = Act::Rollback("1".to_owned());
    let refused = as_somebody_else(&ledger, &rollback);
    assert_eq!(refused, denied("write in", ".staging"));
    let first = "versions/EPOCH-1.json";
    let epoch = ledger.resolves().unwrap().0.0.to_string();
    let refused = as_somebody_else(&ledger, &Act::Prune(1, 0)).replace(&epoch, "EPOCH");
    assert_eq!(refused, denied("remove", first));
    // And the one to stage: then it is the pages' folder that refuses.
    forbid_writing(&ledger, &[".lock", ".staging"]);
    let refused = as_somebody_else(&ledger, &rollback).replace(&epoch, "EPOCH");
    assert_eq!(refused, denied("write", "versions/EPOCH-3.json"));
    assert_eq!(ledger.resolves().unwrap().1, "seq:2");
    let after = (
        std::fs::read(&version).unwrap(),
        std::fs::metadata(&version).unwrap().ino(),
    );
    assert!(after == before);
}

// Other programs

#[tokio::test]
async fn a_file_where_a_folder_should_be_is_named() {
    for (folder, act, action) in [
        (
            "manifests",
            Act::Publish(3),
            "read snapshots/manifests/HASH.json",
        ),
        (
            "versions",
            Act::Publish(3),
            "read snapshots/versions/EPOCH-3.json",
        ),
        (
            "versions",
            Act::Rollback("1".to_owned()),
            "read snapshots/versions/EPOCH-3.json",
        ),
        (
            "tables/motions",
            Act::Publish(3),
            "read snapshots/tables/motions/HASH.json",
        ),
        (
            ".staging",
            Act::Rollback("1".to_owned()),
            "make the folder snapshots/.staging",
        ),
    ] {
        let ledger = published(2).await;
        let epoch = ledger.resolves().unwrap().0.0.to_string();
        std::fs::remove_dir_all(ledger.path(folder)).unwrap();
        std::fs::write(ledger.path(folder), "").unwrap();
        let refused = fails(&ledger, Disk::default(), &act)
            .await
            .replace(&epoch, "EPOCH");
        let cause = match folder {
            ".staging" => "File exists (os error 17)",
            _ => "Not a directory (os error 20)",
        };
        assert_eq!(
            without_hash(&refused),
            format!(
                "error: failed to {action}\n  caused by: {cause}\n  \
                 hint: a file stands where the store needs a folder; move it away\n"
            ),
            "{folder}"
        );
    }
}

fn without_hash(text: &str) -> String {
    let hexadecimal = |part: &str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts = text.split_inclusive(['/', '.']);
    let hidden = parts.map(|part| match part.strip_suffix('.') {
        Some(hash) if hexadecimal(hash) => "HASH.",
        _ => part,
    });
    hidden.collect()
}

#[tokio::test]
async fn a_version_that_another_tool_has_half_written_is_named_and_stays() {
    let ledger = published(2).await;
    std::fs::write(ledger.path("version.json"), "{\"formatVersion\":1,\"epo").unwrap();
    for act in [Act::Publish(3), Act::Rollback("1".to_owned()), Act::Resume] {
        assert_eq!(
            fails(&ledger, Disk::default(), &act).await,
            "error: snapshots/version.json is not a version that this program can read\n  \
             caused by: not the JSON of a version\n  \
             caused by: EOF while parsing a string at line 1 column 23\n  \
             hint: another program wrote it; remove that file and publish again: the last version comes back from versions/\n",
            "{act:?}"
        );
    }
    assert_eq!(
        fails(&ledger, Disk::default(), &Act::Prune(1, 0)).await,
        "error: snapshots/version.json: not the JSON of a version: EOF while parsing a string at line 1 column 23; another \
         program wrote it; remove that file and publish again: the last version comes back from versions/\n\
         error: 1 problem in the store; nothing was pruned\n"
    );
    // The hint is true.
    std::fs::remove_file(ledger.path("version.json")).unwrap();
    ledger.act(&Act::Rollback("1".to_owned())).await;
    assert_eq!(ledger.resolves().unwrap().1, "seq:1");
    assert_eq!(ledger.sequences(), [1, 2, 3]);
}

// The lock

const LOST: &str = "\
error: snapshots/.lock is no longer the lock that this publisher holds; nothing was swapped
  hint: another program removed or replaced the lock file; leave it alone and try again
";

/// Does `work` once, before the first such step on a path that ends so.
fn once_before(step: Step, ending: &'static str, work: impl Fn() + Send + Sync + 'static) -> Disk {
    let due = Arc::new(AtomicBool::new(true));
    Disk::with_hook(move |at, path| {
        let here = at == step && path.to_string_lossy().ends_with(ending);
        if here && due.swap(false, Ordering::SeqCst) {
            work();
        }
        Ok(())
    })
}

#[tokio::test]
async fn who_lost_the_lock_before_its_page_leaves_no_page() {
    for act in [Act::Publish(3), Act::Rollback("1".to_owned())] {
        let ledger = published(2).await;
        let lock = ledger.path(".lock");
        let disk = once_before(Step::CreateFile, ".staging", move || {
            std::fs::remove_file(&lock).unwrap();
        });
        assert_eq!(fails(&ledger, disk, &act).await, LOST, "{act:?}");
        assert_eq!(ledger.sequences(), [1, 2]);
        ledger.act(&Act::Publish(4)).await;
        assert_eq!(ledger.resolves().unwrap().1, "seq:4");
    }
}

#[tokio::test]
async fn who_lost_the_lock_behind_its_page_does_not_swap_and_the_next_one_does() {
    let ledger = published(2).await;
    let lock = ledger.path(".lock");
    // The page is there when its folder is made durable for the first time.
    let disk = Disk::with_hook({
        let page = format!("{}-3.json", ledger.resolves().unwrap().0.0);
        let page = ledger.path("versions").join(page);
        move |step, _| {
            // Folders are made durable on several threads: one of them removes it.
            if step == Step::SyncFolder && page.exists() {
                let _ = std::fs::remove_file(&lock);
            }
            Ok(())
        }
    });
    assert_eq!(fails(&ledger, disk, &Act::Publish(3)).await, LOST);
    assert_eq!(ledger.resolves().unwrap().0.1, 2);
    ledger.act(&Act::Publish(4)).await;
    assert_eq!(
        ledger.resolves().unwrap(),
        ((ledger.resolves().unwrap().0.0, 4), "seq:4".to_owned())
    );
    assert_eq!(ledger.sequences(), [1, 2, 3, 4]);
}

#[tokio::test]
async fn who_holds_a_lock_in_a_folder_that_was_replaced_writes_nothing_in_the_new_one() {
    let ledger = published(2).await;
    let (root, aside) = (ledger.root.clone(), ledger.root.with_file_name("aside"));
    let disk = once_before(Step::CreateFile, ".staging", {
        let aside = aside.clone();
        move || {
            std::fs::rename(&root, &aside).unwrap();
            std::fs::create_dir_all(root.join(".staging")).unwrap();
            std::fs::create_dir_all(root.join("versions")).unwrap();
            std::fs::write(root.join(".lock"), "").unwrap();
        }
    });
    let error = Act::Rollback("1".to_owned()).run(disk, &ledger.root).await;
    assert_eq!(text(&ledger, &error.expect_err("replaced")), LOST);
    assert_eq!(files(&ledger.root), [".lock"]);
    std::fs::remove_dir_all(&ledger.root).unwrap();
    std::fs::rename(aside, &ledger.root).unwrap();
    assert_eq!(ledger.resolves().unwrap().0.1, 2);
}

#[tokio::test]
async fn of_two_who_both_believe_to_hold_the_lock_one_publishes() {
    for (other, public, expected) in [
        // It clears away what the first one has staged.
        (Act::Publish(9), "seq:9", LOST),
        // It leaves that alone, so that only the page's name is in the way.
        (
            Act::Rollback("1".to_owned()),
            "seq:1",
            "error: snapshots/versions/EPOCH-3.json holds another publication by now; nothing was swapped\n  \
             hint: another program removed or replaced the lock file; leave it alone and try again\n",
        ),
    ] {
        let ledger = published(2).await;
        let root = ledger.root.clone();
        // Behind the last look at the lock, before the page gets its name.
        let disk = once_before(Step::Rename, "-3.json", move || {
            std::fs::remove_file(root.join(".lock")).unwrap();
            let (root, other) = (root.clone(), other.clone());
            let other = std::thread::spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                let done = runtime.block_on(other.run(Disk::default(), &root));
                assert_eq!(done.unwrap().1, 3);
            });
            other.join().unwrap();
        });
        let error = Act::Publish(3).run(disk, &ledger.root).await;
        let epoch = ledger.resolves().unwrap().0.0.to_string();
        let error = text(&ledger, &error.expect_err("overtaken"));
        assert_eq!(error.replace(&epoch, "EPOCH"), expected);
        assert_eq!(ledger.resolves().unwrap().1, public);
        assert_eq!(ledger.sequences(), [1, 2, 3]);
    }
}
