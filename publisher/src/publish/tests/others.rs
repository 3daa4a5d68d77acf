//! What other programs do.

use pretty_assertions::assert_eq;

use super::ended_early::check_after_end;
use super::ledger::interrupted_before_the_swap;
use super::*;

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
    while file.write_all(&[0; 4096]).is_ok() {}
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
