//! What holds for any bytes, on the wire and in the folder.

use std::io::Write;

use proptest::prelude::*;
use snapshot_server::Options;

use crate::support::{Published, Store, rows};

/// Pieces of requests, put together in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("GET ".to_owned()),
        Just("/version.json".to_owned()),
        Just(" HTTP/1.1\r\n".to_owned()),
        Just("Host: a\r\n".to_owned()),
        Just("Range: bytes=0-1\r\n".to_owned()),
        Just("Content-Length: 3\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        Just("\r\n".to_owned()),
        "\\PC{0,20}",
    ];
    let texts = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![texts, prop::collection::vec(any::<u8>(), 0..200)]
}

#[test]
fn no_bytes_disturb_the_server() {
    let (store, published) = Store::published();
    let served = store.serve();
    let property = |request: Vec<u8>| {
        let mut client = served.client();
        let _ = client.stream().write_all(&request);
        let _ = client.stream().shutdown(std::net::Shutdown::Write);
        let answer = client.rest();
        // Silence, HTTP/1 or an HTTP/2 frame; never anything of the folder's alone.
        let speaks =
            answer.is_empty() || answer.starts_with(b"HTTP/1.") || answer.starts_with(&[0, 0]);
        prop_assert!(speaks, "{:?}", String::from_utf8_lossy(&answer));
        prop_assert_eq!(
            served.get("/version.json", &[]).body,
            &published.version_bytes[..]
        );
        Ok(())
    };
    let config = ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let result = proptest::test_runner::TestRunner::new(config).run(&pieces(), property);
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// What somebody may do to a byte, a file or its end.
#[derive(Clone, Debug)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Append(Vec<u8>),
    Remove,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), 1_u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        any::<usize>().prop_map(Damage::Cut),
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Damage::Append),
        Just(Damage::Remove),
    ]
}

/// Every single damage to any file of a snapshot keeps it from being taken, or
/// does not matter to what is served.
#[test]
fn no_damaged_snapshot_is_taken() {
    let mut store = Store::empty();
    let published = store.publish(&[("grips", rows(3)), ("muscles", rows(40))]);
    let mut files: Vec<_> = published.objects.keys().cloned().collect();
    files.retain(|path| !path.starts_with("versions/"));
    files.push("version.json".to_owned());

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let current = || {
        let mut options = Options::new(store.folder.path(), ([127, 0, 0, 1], 0).into());
        options.observer = std::sync::Arc::new(|_| {});
        let server = runtime
            .block_on(snapshot_server::bind(options))
            .expect("a free port");
        server.version()
    };
    assert_eq!(current().as_ref(), Some(&published.version));

    let property = |(which, damage): (prop::sample::Index, Damage)| {
        let path = which.get(&files);
        let whole = bytes_of(&published, path);
        apply(&store, path, whole, &damage);
        let version = current();
        store.put(path, whole);
        let is_pointer = path == "version.json";
        let is_harmless = match &version {
            None => true,
            // A version.json may say another moment of publication, or have blanks after it;
            // gzip does not protect every bit of its header.
            Some(version) if is_pointer => version.manifest == published.version.manifest,
            Some(version) => {
                is_variant(path)
                    && matches!(damage, Damage::Flip(..))
                    && *version == published.version
            }
        };
        prop_assert!(is_harmless, "{path}: {damage:?} was taken");
        Ok(())
    };
    let config = ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let strategy = (any::<prop::sample::Index>(), damage());
    let result = proptest::test_runner::TestRunner::new(config).run(&strategy, property);
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(current().as_ref(), Some(&published.version));
}

fn bytes_of<'a>(published: &'a Published, path: &str) -> &'a [u8] {
    if path == "version.json" {
        &published.version_bytes
    } else {
        published.bytes(path)
    }
}

fn is_variant(path: &str) -> bool {
    [".zst", ".br", ".gz"]
        .iter()
        .any(|suffix| path.ends_with(suffix))
}

fn apply(store: &Store, path: &str, whole: &[u8], damage: &Damage) {
    let mut bytes = whole.to_vec();
    match damage {
        Damage::Flip(at, bits) => {
            let at = at % bytes.len();
            bytes[at] ^= bits;
        }
        Damage::Cut(at) => bytes.truncate(at % bytes.len()),
        Damage::Append(more) => bytes.extend_from_slice(more),
        Damage::Remove => return store.remove(path),
    }
    store.put(path, &bytes);
}
