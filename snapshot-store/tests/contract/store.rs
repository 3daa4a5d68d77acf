//! What every store promises beyond what it promises as a reader.

use std::io::Write;

use futures_util::future::join_all;
use snapshot_format::{Encoding, Key, ObjectHash};
use snapshot_store::spool::{MEMORY_LIMIT, Spool};
use snapshot_store::{Store, StoreError, StoredKind};

use crate::places::Opened;

fn object(bytes: &[u8]) -> Key {
    Key::Bootstrap(ObjectHash::of(bytes), None)
}

const PAGE: Key = Key::History {
    epoch: 7,
    sequence: 1,
};

async fn put(store: &impl Store, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
    let content = Spool::holding(store.staging(), bytes.to_vec());
    store.put(key, content).await
}

fn get(store: &impl Store, key: &Key) -> Option<Vec<u8>> {
    store.get(key, 1 << 20).expect("read")
}

// The path and number of bytes of everything that is listed.
async fn listed(store: &impl Store) -> Vec<(String, u64)> {
    let listed = store.list().await.expect("listed").into_iter();
    listed
        .map(|stored| (stored.path, stored.size_bytes))
        .collect()
}

pub(crate) async fn what_was_put_is_found<S: Store>(opened: &Opened<S>) {
    let (store, key) = (&opened.store, object(b"{}"));
    assert_eq!(store.size(&key).await.expect("asked"), None);
    assert_eq!(get(store, &key), None);
    put(store, &key, b"{}").await.expect("put");
    assert_eq!(store.size(&key).await.expect("asked"), Some(2));
    assert_eq!(get(store, &key).as_deref(), Some(&b"{}"[..]));
}

pub(crate) async fn a_put_may_be_repeated_and_never_overwrites<S: Store>(opened: &Opened<S>) {
    let (store, key) = (&opened.store, object(b"{}"));
    put(store, &key, b"{}").await.expect("put");
    put(store, &key, b"[]").await.expect("put again");
    let error = put(store, &key, b"longer").await.expect_err("another");
    assert_eq!(
        error.to_string(),
        format!(
            "{} has 2 bytes, but the object of that name has 6",
            store.location(&key)
        )
    );
    assert_eq!(get(store, &key).as_deref(), Some(&b"{}"[..]));
}

pub(crate) async fn a_variant_of_another_compressor_stays<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    let key = object(b"{}").with_encoding(Some(Encoding::Zstd));
    put(store, &key, b"one").await.expect("put");
    put(store, &key, b"other").await.expect("put again");
    assert_eq!(get(store, &key).as_deref(), Some(&b"one"[..]));
}

pub(crate) async fn a_large_content_is_put_whole<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    let bytes = vec![b' '; 3 * MEMORY_LIMIT];
    let mut spool = Spool::new(store.staging());
    spool.write_all(&bytes).expect("written");
    let key = object(&bytes);
    store.put(&key, spool).await.expect("put");
    assert!(get(store, &key) == Some(bytes));
}

pub(crate) async fn a_page_of_the_history_is_put_once<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    put(store, &PAGE, b"page").await.expect("put");
    // Also where it is the same: who made the name is the one that published.
    for bytes in [&b"page"[..], b"other"] {
        let error = put(store, &PAGE, bytes).await.expect_err("taken");
        assert!(matches!(error, StoreError::Overtaken { .. }), "{error}");
    }
    assert_eq!(get(store, &PAGE).as_deref(), Some(&b"page"[..]));
    assert_eq!(store.orders().expect("listed"), Some(vec![(7, 1)]));
}

pub(crate) async fn of_many_that_put_one_page_one_is_the_first<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    let puts = (0..8_u8).map(async |n| (n, put(store, &PAGE, &[n]).await.is_ok()));
    let first: Vec<u8> = join_all(puts)
        .await
        .into_iter()
        .filter_map(|(n, is_put)| is_put.then_some(n))
        .collect();
    assert_eq!(first.len(), 1);
    assert_eq!(get(store, &PAGE), Some(first));
}

pub(crate) async fn many_may_put_at_once<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    let contents: Vec<Vec<u8>> = (0..32_u8).map(|n| vec![n % 16; 10]).collect();
    let puts = contents
        .iter()
        .map(async |bytes| put(store, &object(bytes), bytes).await);
    for put in join_all(puts).await {
        put.expect("put");
    }
    for bytes in contents {
        assert_eq!(get(store, &object(&bytes)), Some(bytes));
    }
    assert_eq!(listed(store).await.len(), 16);
}

pub(crate) async fn only_the_pointer_is_replaced<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    put(store, &PAGE, b"page").await.expect("put");
    for version in [&b"first"[..], b"second"] {
        store.swap(version).await.expect("swapped");
        assert_eq!(get(store, &Key::Version).as_deref(), Some(version));
    }
    assert_eq!(get(store, &PAGE).as_deref(), Some(&b"page"[..]));
}

pub(crate) async fn everything_but_the_pointer_is_listed<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    assert_eq!(listed(store).await, []);
    store.swap(b"version").await.expect("swapped");
    let manifest = Key::Manifest(ObjectHash::of(b"m"));
    let variant = object(b"{}").with_encoding(Some(Encoding::Gzip));
    let keys = [object(b"{}"), variant, manifest, PAGE];
    for (size, key) in (1..).zip(&keys) {
        put(store, key, &vec![b' '; size]).await.expect("put");
    }
    let mut expected: Vec<(String, u64)> = (1..).zip(&keys).map(|(n, k)| (k.path(), n)).collect();
    expected.sort();
    assert_eq!(listed(store).await, expected);
    for stored in store.list().await.expect("listed") {
        let key = Key::parse(&stored.path).expect("a key's path");
        assert_eq!(stored.kind, StoredKind::Key(key));
    }
}

pub(crate) async fn what_is_removed_is_gone_and_nothing_else<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    let (gone, stays) = (object(b"{}"), object(b"[]"));
    put(store, &gone, b"{}").await.expect("put");
    put(store, &stays, b"[]").await.expect("put");
    put(store, &PAGE, b"page").await.expect("put");
    for stored in store.list().await.expect("listed") {
        if stored.path == gone.path() {
            store.remove(&stored).await.expect("removed");
        }
    }
    assert_eq!(get(store, &gone), None);
    assert_eq!(store.size(&gone).await.expect("asked"), None);
    let mut expected = vec![(stays.path(), 2), (PAGE.path(), 4)];
    expected.sort();
    assert_eq!(listed(store).await, expected);
    // And its name is free again.
    put(store, &gone, b"{}").await.expect("put");
    assert_eq!(get(store, &gone).as_deref(), Some(&b"{}"[..]));
}

pub(crate) async fn what_is_removed_twice_is_an_error<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    put(store, &object(b"{}"), b"{}").await.expect("put");
    let stored = store.list().await.expect("listed").remove(0);
    store.remove(&stored).await.expect("removed");
    let error = store.remove(&stored).await.expect_err("gone");
    let what = format!("failed to remove {}", store.location(&object(b"{}")));
    assert_eq!(error.to_string(), what);
}

pub(crate) async fn what_was_put_may_be_made_durable_at_any_time<S: Store>(opened: &Opened<S>) {
    let store = &opened.store;
    store.sync().await.expect("nothing is there");
    put(store, &object(b"{}"), b"{}").await.expect("put");
    store.sync().await.expect("durable");
    store.sync().await.expect("nothing is left to do");
    assert_eq!(get(store, &object(b"{}")).as_deref(), Some(&b"{}"[..]));
}
