//! Many versions under many readers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use snapshot_format::{Key, ObjectHash, Version};

use crate::support::{Client, Store, rows};

/// Publishes while connections read, and what every reader must find: each
/// pointer is one that was published, what it names is there and whole, and
/// no connection ever goes back to an older one.
fn swap_under_load(publishes: usize, connections: usize) {
    let mut store = Store::empty();
    store.publish(&[("grips", rows(3)), ("muscles", rows(100))]);
    let served = store.serve();
    served.next_event();
    let address = served.address;

    let published: Arc<Mutex<HashMap<Vec<u8>, u64>>> = Arc::default();
    let first = std::fs::read(store.path("version.json")).expect("a pointer");
    published.lock().expect("no panic").insert(first, 1);
    let done = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicUsize::new(0));

    let readers: Vec<_> = (0..connections)
        .map(|_| {
            let (published, done, rounds) = (published.clone(), done.clone(), rounds.clone());
            let read = move || {
                let mut client = Client::connect(address);
                let mut newest = 0;
                while !done.load(Ordering::Relaxed) {
                    let pointer = client.request("GET", "/version.json", &[]);
                    pointer.is(200);
                    let sequence = published
                        .lock()
                        .expect("no panic")
                        .get(&pointer.body)
                        .copied();
                    let sequence = sequence.expect("a pointer that was published, byte for byte");
                    assert!(sequence >= newest, "{sequence} after {newest}");
                    newest = sequence;
                    let version = Version::parse(&pointer.body).expect("a version");
                    for key in [
                        Key::Manifest(version.manifest.hash),
                        Key::Bootstrap(version.bootstrap.hash, None),
                    ] {
                        let reply = client.request("GET", &format!("/{key}"), &[]);
                        reply.is(200);
                        assert_eq!(Some(ObjectHash::of(&reply.body)), key.hash(), "{key}");
                    }
                    let current = client.request("GET", "/api/v1/reference/bootstrap", &[]);
                    let tag = current
                        .is(200)
                        .field("etag")
                        .expect("a tag")
                        .trim_matches('"');
                    assert_eq!(ObjectHash::of(&current.body).to_string(), tag);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            };
            std::thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn(read)
                .expect("a thread")
        })
        .collect();

    for round in 0..publishes {
        let next = store.render(&[("grips", rows(3 + round % 5)), ("muscles", rows(100))]);
        next.objects
            .iter()
            .for_each(|(path, bytes)| store.put(path, bytes));
        // Known before it can be read.
        let pointer = (next.version_bytes.clone(), next.version.sequence);
        published.lock().expect("no panic").extend([pointer]);
        store.swap(&next);
        // Every version is taken; none is skipped or refused.
        let event = served.next_event();
        assert!(
            event.starts_with(&format!("serving {} (", next.version.reference_version)),
            "{event}"
        );
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().expect("no reader found a fault");
    }
    assert!(rounds.load(Ordering::Relaxed) >= connections);
}

#[test]
fn readers_never_see_two_versions_at_once() {
    swap_under_load(30, 20);
}

/// A publisher and readers as nobody has them; a minute or two.
#[test]
#[ignore = "takes a minute or two: `./dev storm` runs it"]
fn five_hundred_publishes_under_two_hundred_connections() {
    swap_under_load(500, 200);
}
