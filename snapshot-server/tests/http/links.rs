//! Links, FIFOs and their like below the root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::{Published, Store, rows};

/// Puts something in the place of what is there, which moves out of the store.
fn replace(store: &Store, outside: &Path, name: &str, put: impl FnOnce(&Path)) {
    let place = store.path(name);
    fs::rename(&place, outside.join("moved")).expect("it was there");
    put(&place);
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo").success());
}

/// What the snapshot stands on, from the pointer to a variant.
fn names(published: &Published) -> [String; 7] {
    let table = published
        .table_path("muscles")
        .trim_start_matches('/')
        .to_owned();
    let manifest = published.manifest_path().trim_start_matches('/').to_owned();
    let variant = format!("{table}.br");
    [
        "version.json".to_owned(),
        "manifests".to_owned(),
        manifest,
        "tables".to_owned(),
        "tables/muscles".to_owned(),
        table,
        variant,
    ]
}

#[test]
fn a_snapshot_that_leads_through_a_link_is_not_served() {
    let (_, published) = Store::published();
    for name in names(&published) {
        let (store, _) = Store::published();
        let outside = tempfile::tempdir().expect("a folder");
        let moved = outside.path().join("moved");
        // What would be read is right.
        replace(&store, outside.path(), &name, |place| {
            symlink(&moved, place).expect("a link");
        });
        let served = store.serve();
        let event = served.next_event();
        let link = format!(
            " (links are read only with --follow-links): {} is a symbolic link to {}, and no link is followed there",
            store.path(&name).display(),
            moved.display()
        );
        assert!(
            event.starts_with("snapshot refused: failed to read "),
            "{event}"
        );
        assert!(event.ends_with(&link), "{event}");
        assert_eq!(served.get("/ready", &[]).status, 503, "{name}");
        assert_eq!(served.get("/version.json", &[]).status, 503, "{name}");
    }
}

#[test]
fn a_link_that_is_put_there_later_leaves_the_old_snapshot() {
    let (mut store, first) = Store::published();
    let served = store.serve();
    served.next_event();
    let outside = tempfile::tempdir().expect("a folder");
    let moved = outside.path().join("moved");
    replace(&store, outside.path(), "tables", |place| {
        symlink(&moved, place).expect("a link");
    });
    store.publish(&[("grips", rows(4)), ("muscles", rows(200))]);
    let event = served.next_event();
    assert!(event.contains("/tables is a symbolic link to "), "{event}");
    assert_eq!(served.get("/version.json", &[]).body, first.version_bytes);
    // What is behind the link is no other version's object either.
    let new = store.render(&[("grips", rows(9))]);
    let path = new.table_path("grips");
    store.put(&path, new.bytes(&path));
    served.get(&path, &[]).is_problem(404);
}

#[test]
fn a_mounted_config_map_is_read_where_a_setting_says_so() {
    // As Kubernetes mounts it: names lead through `..data` to a folder that is swapped.
    let (mut store, _) = Store::published();
    let mount = tempfile::tempdir().expect("a folder");
    let place = |store: &Store, name: &str| {
        let folder = mount.path().join(name);
        let copied = Command::new("cp")
            .arg("-r")
            .arg(store.folder.path())
            .arg(&folder)
            .status();
        assert!(copied.expect("cp").success());
        symlink(name, mount.path().join("..new")).expect("a link");
        fs::rename(mount.path().join("..new"), mount.path().join("..data")).expect("swapped");
    };
    place(&store, "..2026_1");
    for name in [
        "version.json",
        "versions",
        "manifests",
        "bootstrap",
        "tables",
    ] {
        symlink(format!("..data/{name}"), mount.path().join(name)).expect("a link");
    }
    let root = mount.path().to_owned();
    let refused = store.serve_with(|options| options.root.clone_from(&root));
    let event = refused.next_event();
    assert!(
        event.starts_with("snapshot refused: failed to read version.json (links"),
        "{event}"
    );

    let served = store.serve_with(|options| {
        options.root.clone_from(&root);
        options.follow_links = true;
    });
    assert!(served.next_event().starts_with("serving seq:41 "));
    store.publish(&[("grips", rows(5)), ("muscles", rows(200))]);
    place(&store, "..2026_2");
    assert!(served.next_event().starts_with("serving seq:42 "));
}

#[test]
fn the_root_may_be_a_link_and_be_made_to_lead_elsewhere() {
    let (mut store, _) = Store::published();
    let mount = tempfile::tempdir().expect("a folder");
    let lead_to = |store: &Store| {
        symlink(store.folder.path(), mount.path().join("new")).expect("a link");
        fs::rename(mount.path().join("new"), mount.path().join("current")).expect("swapped");
    };
    lead_to(&store);
    let served = store.serve_with(|options| options.root = mount.path().join("current"));
    assert!(served.next_event().starts_with("serving seq:41 "));
    // The next one stands in another folder.
    let first = std::mem::replace(&mut store.folder, Store::empty().folder);
    store.publish(&[("grips", rows(5)), ("muscles", rows(200))]);
    lead_to(&store);
    assert!(served.next_event().starts_with("serving seq:42 "));
    drop(first);
}

#[test]
fn a_fifo_keeps_neither_the_server_nor_its_end_waiting() {
    let (_, published) = Store::published();
    for name in names(&published) {
        let (store, _) = Store::published();
        let outside = tempfile::tempdir().expect("a folder");
        replace(&store, outside.path(), &name, fifo);
        let mut served = store.serve();
        let event = served.next_event();
        assert!(
            event.starts_with("snapshot refused: failed to read "),
            "{event}"
        );
        let is_told = event.ends_with("is a FIFO, not a file") || event.contains("Not a directory");
        assert!(is_told, "{event}");
        served.stop();
        served.wait();
    }
}

#[test]
fn a_fifo_under_the_name_of_another_object_is_not_found() {
    let (mut store, _) = Store::published();
    let served = store.serve();
    served.next_event();
    let other = store.render(&[("grips", rows(9))]).table_path("grips");
    fifo(&store.path(&other));
    served.get(&other, &[]).is_problem(404);
    let event = served.next_event();
    assert!(
        event.starts_with("object refused: ") && event.contains("is a FIFO"),
        "{event}"
    );
}
