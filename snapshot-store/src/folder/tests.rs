use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;
use crate::refused;

struct Place {
    all: tempfile::TempDir,
    folder: Folder,
}

// A folder `store` beside `precious/file`, which holds `content`.
fn place() -> Place {
    let all = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(all.path().join("store")).expect("made");
    fs::create_dir(all.path().join("precious")).expect("made");
    fs::write(all.path().join("precious/file"), "content").expect("written");
    let folder = Folder::open(all.path().join("store")).expect("a folder");
    Place { all, folder }
}

impl Place {
    fn link(&self, target: &str, name: &str) {
        symlink(target, self.folder.path().join(name)).expect("a link");
    }

    #[track_caller]
    fn is_untouched(&self) {
        let precious = self.all.path().join("precious");
        let names = fs::read_dir(&precious).expect("it is there").count();
        let content = fs::read_to_string(precious.join("file")).expect("it is there");
        assert_eq!((names, content.as_str()), (1, "content"));
    }
}

#[track_caller]
fn is_refused<T: fmt::Debug>(result: io::Result<T>, name: &str, kind: Kind) {
    let error = result.expect_err("it is refused");
    let found = refused(&error).unwrap_or_else(|| panic!("{error}"));
    assert!(found.path.ends_with(name), "{found}");
    assert_eq!(found.kind, kind);
}

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo").success());
}

#[test]
fn no_folder_is_entered_through_a_link() {
    for target in ["../precious", "/", ".", "nowhere", "trap"] {
        let place = place();
        place.link(target, "trap");
        let folder = &place.folder;
        let is_refused = |result: io::Result<()>| is_refused(result, "store/trap", Kind::Link);
        is_refused(folder.open_file("trap/file").map(drop));
        is_refused(folder.create_file("trap/new", 0o644).map(drop));
        is_refused(folder.open_lock("trap/file", 0o644).map(drop));
        is_refused(folder.create_folder("trap/new", 0o755));
        is_refused(folder.set_mode("trap/file", 0o600));
        is_refused(folder.set_mode("trap", 0o600));
        is_refused(folder.metadata("trap/file").map(drop));
        is_refused(folder.entries("trap").map(drop));
        is_refused(folder.folder("trap").map(drop));
        is_refused(folder.remove_file("trap/file"));
        is_refused(folder.remove_all("trap/file"));
        is_refused(folder.sync("trap"));
        fs::write(folder.path().join("own"), "").expect("written");
        is_refused(folder.rename("own", "trap/file"));
        is_refused(folder.rename_new("own", "trap/new"));
        is_refused(folder.rename("trap/file", "other"));
        place.is_untouched();
    }
}

#[test]
fn no_file_is_opened_through_a_link() {
    for target in ["../precious/file", "/dev/null", "nowhere", "trap"] {
        let place = place();
        place.link(target, "trap");
        is_refused(place.folder.open_file("trap"), "trap", Kind::Link);
        is_refused(place.folder.open_lock("trap", 0o644), "trap", Kind::Link);
        is_refused(place.folder.set_mode("trap", 0o600), "trap", Kind::Link);
        let taken = place.folder.create_file("trap", 0o644);
        let kind = taken.expect_err("it is taken").kind();
        assert_eq!(kind, io::ErrorKind::AlreadyExists);
        let found = place.folder.metadata("trap").expect("it is there");
        assert_eq!(found.kind, Kind::Link);
        place.is_untouched();
    }
}

#[test]
fn what_is_removed_or_replaced_is_the_link() {
    let place = place();
    place.link("../precious", "trap");
    place.folder.remove_all("trap").expect("removed");
    place.link("../precious/file", "trap");
    let mut new = place.folder.create_file("new", 0o644).expect("made");
    new.write_all(b"new").expect("written");
    place.folder.rename("new", "trap").expect("replaced");
    assert_eq!(place.folder.read("trap").expect("a file"), b"new");

    fs::create_dir_all(place.folder.path().join("deep/er")).expect("made");
    place.link("../../../precious", "deep/er/trap");
    place.folder.remove_all("deep").expect("removed");
    place.is_untouched();
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let place = place();
    fifo(&place.folder.path().join("fifo"));
    let _socket = UnixListener::bind(place.folder.path().join("socket")).expect("a socket");
    for (name, kind) in [("fifo", Kind::Fifo), ("socket", Kind::Socket)] {
        is_refused(place.folder.open_file(name), name, kind);
        is_refused(place.folder.open_lock(name, 0o644), name, kind);
        is_refused(place.folder.set_mode(name, 0o644), name, kind);
        is_refused(open_file(&place.folder.path().join(name)), name, kind);
    }
    is_refused(open_file(Path::new("/dev/null")), "null", Kind::Device);
    fs::create_dir(place.folder.path().join("folder")).expect("made");
    let error = place.folder.open_file("folder").expect_err("no file");
    assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
}

#[test]
fn the_message_names_the_link_and_where_it_leads() {
    let place = place();
    place.link("../precious", "tables");
    let error = place.folder.open_file("tables/file").expect_err("a link");
    let link = place.folder.path().join("tables");
    assert_eq!(
        error.to_string(),
        format!(
            "{} is a symbolic link to ../precious, and no link is followed there",
            link.display()
        )
    );
    fifo(&place.folder.path().join("a"));
    let error = place.folder.open_file("a").expect_err("a FIFO").to_string();
    assert!(error.ends_with("/a is a FIFO, not a file"), "{error}");
}

#[test]
fn the_folder_itself_may_be_a_link_and_may_be_made_to_lead_elsewhere() {
    let place = place();
    let current = place.all.path().join("current");
    symlink("store", &current).expect("a link");
    let folder = Folder::open(&current).expect("followed");
    assert!(folder.is_in_place());
    fs::remove_file(&current).expect("removed");
    symlink("precious", &current).expect("a link");
    assert!(!folder.is_in_place());
    // What was opened stays what it was.
    drop(folder.create_file("mine", 0o644).expect("made"));
    assert!(place.folder.path().join("mine").exists());
    place.is_untouched();
}

#[test]
fn links_are_followed_where_that_is_asked_for() {
    let place = place();
    place.link("../precious", "..data");
    place.link("..data/file", "version.json");
    let folder = Folder::open_following_links(place.folder.path()).expect("a folder");
    assert_eq!(folder.read("version.json").expect("followed"), b"content");
    assert_eq!(folder.read("..data/file").expect("followed"), b"content");
    let found = folder.metadata("version.json").expect("followed");
    assert_eq!((found.kind, found.size_bytes), (Kind::File, 7));
    let mut kinds: Vec<_> = folder.entries("").expect("a folder");
    kinds.sort_by(|a, b| a.name.cmp(&b.name));
    let kinds: Vec<_> = kinds.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Folder, Kind::File]);
}

#[test]
fn no_path_leads_up() {
    let place = place();
    for path in ["..", "../precious/file", "/etc/passwd", "a/../../precious"] {
        let error = place.folder.open_file(path).expect_err("it leads out");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
    }
}

#[test]
fn a_new_name_takes_nobody_elses() {
    let place = place();
    for name in ["one", "two"] {
        let mut file = place.folder.create_file(name, 0o644).expect("made");
        file.write_all(name.as_bytes()).expect("written");
    }
    let error = place.folder.rename_new("one", "two").expect_err("taken");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    place.folder.rename_new("one", "three").expect("free");
    place.folder.rename("three", "two").expect("replaced");
    assert_eq!(place.folder.read("two").expect("there"), b"one");
    assert_eq!(place.folder.entries("").expect("listed").len(), 1);
}

#[test]
fn modes_are_what_is_said_and_a_folders_group_stays() {
    let place = place();
    let mode = |name: &str| {
        let metadata = fs::metadata(place.folder.path().join(name)).expect("there");
        metadata.permissions().mode() & 0o7777
    };
    drop(place.folder.create_file("file", 0o600).expect("made"));
    place.folder.set_mode("file", 0o644).expect("set");
    assert_eq!(mode("file"), 0o644);
    place.folder.create_folder("folder", 0o700).expect("made");
    let path = place.folder.path().join("folder");
    fs::set_permissions(path, fs::Permissions::from_mode(0o2700)).expect("ours");
    place.folder.set_mode("folder", 0o750).expect("set");
    assert_eq!(mode("folder"), 0o2750);
    assert_eq!(place.folder.metadata("folder").expect("there").mode, 0o750);
}

#[test]
fn the_mode_of_a_file_that_has_another_name_stays() {
    let place = place();
    drop(place.folder.create_file("file", 0o600).expect("made"));
    let path = place.folder.path().join("file");
    fs::hard_link(&path, place.folder.path().join("other")).expect("linked");
    let error = place.folder.set_mode("file", 0o644).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the file has other names too (hard links)"
    );
    assert_eq!(place.folder.metadata("other").expect("there").mode, 0o600);
}
