use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use snapshot_format::{Key, ObjectHash};

use super::*;
use crate::reader::Reader;
use crate::spool::{MEMORY_LIMIT, Spool};
use crate::store::Store;

async fn open(root: &Path) -> DirectoryStore {
    let opened = DirectoryStore::open(root, Duration::from_secs(60), |_| {}).await;
    opened.expect("opened")
}

fn object(bytes: &[u8]) -> Key {
    Key::Bootstrap(ObjectHash::of(bytes), None)
}

fn content(store: &DirectoryStore, bytes: &[u8]) -> Spool {
    Spool::holding(store.staging(), bytes.to_vec())
}

#[tokio::test]
async fn what_was_put_is_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(&folder.path().join("deep/er")).await;
    let key = object(b"{}");
    assert_eq!(store.size(&key).await.expect("asked"), None);
    assert_eq!(store.get(&key, 2).expect("asked"), None);
    store.put(&key, content(&store, b"{}")).await.expect("put");
    store.sync().await.expect("durable");
    assert_eq!(store.size(&key).await.expect("asked"), Some(2));
    let found = store.get(&key, 2).expect("asked");
    assert_eq!(found.as_deref(), Some(&b"{}"[..]));
    assert_eq!(
        store.get(&key, 1).expect_err("too long").to_string(),
        format!(
            "{} is longer than the 1 bytes that it may have",
            store.location(&key)
        )
    );
}

#[tokio::test]
async fn a_large_content_becomes_public_by_its_rename() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path()).await;
    let bytes = vec![b' '; 3 * MEMORY_LIMIT];
    let mut spool = Spool::new(store.staging());
    spool.write_all(&bytes).expect("written");
    let key = object(&bytes);
    store.put(&key, spool).await.expect("put");
    let found = store.get(&key, bytes.len()).expect("asked");
    assert!(found == Some(bytes));
    assert_eq!(
        store
            .staging()
            .folder()
            .read_dir()
            .expect("a folder")
            .count(),
        0
    );
}

#[tokio::test]
async fn the_history_is_listed_in_order_without_what_is_not_of_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path()).await;
    assert_eq!(store.orders().expect("listed"), Some(Vec::new()));
    for (epoch, sequence) in [(7, 10), (7, 9), (5, 11)] {
        let key = Key::History { epoch, sequence };
        store.put(&key, content(&store, b"{}")).await.expect("put");
    }
    fs::write(folder.path().join("versions/7-011.json"), b"").expect("written");
    fs::write(folder.path().join("versions/README"), b"").expect("written");
    assert_eq!(
        store.orders().expect("listed"),
        Some(vec![(5, 11), (7, 9), (7, 10)])
    );
}

#[tokio::test]
async fn opening_removes_what_dead_publishers_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let left = folder.path().join(".staging/deep");
    fs::create_dir_all(&left).expect("made");
    fs::write(left.join("file"), b"half").expect("written");
    let store = open(folder.path()).await;
    assert_eq!(
        store
            .staging()
            .folder()
            .read_dir()
            .expect("a folder")
            .count(),
        0
    );
}

#[tokio::test]
async fn a_failed_sync_is_made_up_for_by_the_next() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let synced = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&synced);
    let disk = Disk::with_hook(move |step, path| {
        let mut seen = seen.lock().expect("no panic");
        if step == Step::SyncFolder {
            seen.push(path.to_owned());
            if seen.len() <= 2 {
                return Err(io::Error::other("the disk failed"));
            }
        }
        Ok(())
    });
    let wait = Duration::from_secs(60);
    let store = DirectoryStore::open_on(disk, folder.path(), wait, |_| {}).await;
    let store = store.expect("opened");
    let key = Key::Manifest(ObjectHash::of(b"{}"));
    store.put(&key, content(&store, b"{}")).await.expect("put");
    let error = store.sync().await.expect_err("the disk failed").to_string();
    assert!(error.starts_with("failed to sync "), "{error}");
    store.sync().await.expect("durable");
    // Nothing is left to be made durable.
    store.sync().await.expect("durable");
    let synced = synced.lock().expect("no panic");
    let manifests = folder.path().join("manifests");
    assert_eq!(synced.len(), 4, "{synced:?}");
    assert!(synced[2..].contains(&manifests), "{synced:?}");
    assert!(
        synced[2..].contains(&folder.path().to_owned()),
        "{synced:?}"
    );
}

#[test]
fn nothing_changes_the_disk_but_through_the_seam() {
    let changing = [
        "fs::write",
        "fs::create",
        "fs::remove",
        "fs::rename",
        "fs::copy",
        "fs::hard_link",
        "fs::set_permissions",
        "File::create",
        "OpenOptions",
        "set_len",
        ".persist",
        "write_all_at",
        "sync_all",
        "sync_data",
        "set_modified",
        "NamedTempFile::new",
        "tempfile_in",
        "rustix",
        "use nix::",
        "root.sync(",
    ];
    let of_a_folder = [
        "create_file",
        "create_folder",
        "open_lock",
        "remove_all",
        "remove_file",
        "rename",
        "rename_new",
        "set_mode",
    ];
    let through_a_handle = ["root", "store", "folder"].into_iter().flat_map(|handle| {
        let call = move |method| format!("{handle}.{method}(");
        of_a_folder.map(call)
    });
    let changing: Vec<String> = changing
        .map(str::to_owned)
        .into_iter()
        .chain(through_a_handle)
        .collect();
    for (file, source) in [
        ("opened.rs", include_str!("opened.rs")),
        ("store.rs", include_str!("store.rs")),
        ("lock.rs", include_str!("lock.rs")),
        ("list.rs", include_str!("list.rs")),
        ("names.rs", include_str!("names.rs")),
        ("reader.rs", include_str!("reader.rs")),
        ("settle.rs", include_str!("settle.rs")),
        ("spool.rs", include_str!("../spool.rs")),
        ("read.rs", include_str!("../history/read.rs")),
    ] {
        let code = source.split("#[cfg(test)]").next().expect("code");
        for call in &changing {
            assert!(
                !code.contains(call.as_str()),
                "{file} calls {call}: use `Disk`"
            );
        }
    }
}
