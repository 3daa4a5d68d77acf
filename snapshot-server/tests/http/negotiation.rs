//! Content codings on the wire (RFC 9110 §12.5.3, §8.8.3.3).

use std::collections::BTreeSet;

use snapshot_format::{Encoding, MIN_VARIANT_SIZE, ObjectHash, decompress};

use crate::support::{Published, Served, Store, rows};

#[test]
fn each_coding_has_its_bytes_length_and_tag() {
    let (store, published) = Store::published();
    let served = store.serve();
    let hash = published.version.bootstrap.hash;
    check_codings(&served, &published, &published.bootstrap_path(), hash);
}

#[test]
fn manifests_are_coded_too_though_no_store_has_their_variants() {
    let mut store = Store::empty();
    let tables: Vec<_> = ('a'..='w').map(|key| format!("table_{key}")).collect();
    let tables: Vec<_> = tables.iter().map(|key| (&**key, rows(30))).collect();
    let first = store.publish(&tables);
    let served = store.serve();
    served.next_event();
    let (path, hash) = (first.manifest_path(), first.version.manifest.hash);
    let size = first.bytes(&path).len();
    assert!(served.get(&path, &[("Accept-Encoding", "br")]).body.len() < size / 2);
    check_codings(&served, &first, &path, hash);

    // A range is of the coded bytes, and its tag is theirs.
    let whole = served.get(&path, &[("Accept-Encoding", "gzip")]);
    let tag = whole.field("etag").expect("a tag");
    let part = [
        ("Accept-Encoding", "gzip"),
        ("Range", "bytes=10-"),
        ("If-Range", tag),
    ];
    assert_eq!(served.get(&path, &part).is(206).body, whole.body[10..]);

    // The same of a version that is not current any more.
    store.publish(&[("grips", rows(3))]);
    served.next_event();
    check_codings(&served, &first, &path, hash);
    assert_eq!(
        served.get(&path, &[("Accept-Encoding", "gzip")]).body,
        whole.body
    );
}

#[test]
fn a_manifest_below_a_kilobyte_is_not_coded() {
    let mut store = Store::empty();
    let published = store.publish(&[("grips", rows(3))]);
    let path = published.manifest_path();
    assert!((published.bytes(&path).len() as u64) < MIN_VARIANT_SIZE);
    let reply = store.serve().get(&path, &[("Accept-Encoding", "gzip")]);
    assert_eq!(
        (reply.field("content-encoding"), reply.field("vary")),
        (None, None)
    );
}

#[track_caller]
fn check_codings(served: &Served, published: &Published, path: &str, hash: ObjectHash) {
    let object = published.bytes(path);
    let mut tags = BTreeSet::new();
    for encoding in Encoding::ALL {
        let coding = encoding.content_coding();
        let reply = served.get(path, &[("Accept-Encoding", coding)]);
        reply.is(200);
        let head = served.head(path, &[("Accept-Encoding", coding)]);
        for name in ["content-encoding", "content-length", "etag", "vary"] {
            assert_eq!(head.field(name), reply.field(name), "{name}");
        }
        assert_eq!(reply.field("content-encoding"), Some(coding));
        assert_eq!(reply.field("content-type"), Some("application/json"));
        assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
        let unpacked = decompress(encoding, &reply.body[..], object.len() as u64);
        assert_eq!(unpacked.expect("a variant"), object);
        let tag = reply.field("etag").expect("a tag").to_owned();
        assert!(
            tag.starts_with(&format!("\"{hash}-{}-", encoding.extension())),
            "{tag}"
        );
        tags.insert(tag);
    }
    let plain = served.get(path, &[]);
    assert_eq!(plain.body, object);
    assert_eq!(plain.field("content-encoding"), None);
    assert_eq!(plain.field("vary"), Some("Accept-Encoding"));
    tags.insert(plain.field("etag").expect("a tag").to_owned());
    assert_eq!(tags.len(), 4, "a strong tag names one sequence of bytes");
}

#[test]
fn field_lines_are_one_list() {
    let (store, published) = Store::published();
    let served = store.serve();
    let fields = [("Accept-Encoding", "gzip;q=0.5"), ("Accept-Encoding", "br")];
    let reply = served.get(&published.bootstrap_path(), &fields);
    assert_eq!(reply.field("content-encoding"), Some("br"));
}

#[test]
fn deflate_is_never_answered_with_gzip() {
    let (store, published) = Store::published();
    let reply = store.serve().get(
        &published.bootstrap_path(),
        &[("Accept-Encoding", "deflate")],
    );
    assert_eq!(reply.field("content-encoding"), None);
    assert_eq!(reply.body, published.bytes(&published.bootstrap_path()));
}

#[test]
fn a_client_that_refuses_everything_is_told_what_there_is() {
    let (store, published) = Store::published();
    let served = store.serve();
    let refuse = [("Accept-Encoding", "identity;q=0")];
    let reply = served.get(&published.bootstrap_path(), &refuse);
    reply.is_problem(406);
    assert_eq!(
        reply.json()["detail"],
        "Accept-Encoding allows none of the codings there are: identity, zstd, br, gzip"
    );
    // RFC 9110 §13.2.1: a precondition does not hide it.
    let fields = [("Accept-Encoding", "*;q=0"), ("If-None-Match", "*")];
    served.get("/version.json", &fields).is_problem(406);
}

#[test]
fn the_plans_endpoints_negotiate_too() {
    let (store, published) = Store::published();
    let served = store.serve();
    let reply = served.get(
        "/api/v1/reference/muscles",
        &[("Accept-Encoding", "gzip, zstd;q=0.1")],
    );
    assert_eq!(reply.field("content-encoding"), Some("gzip"));
    assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
    let path = format!("{}.gz", published.table_path("muscles"));
    assert_eq!(reply.body, published.bytes(&path));
}
