//! Content codings on the wire (RFC 9110 §12.5.3, §8.8.3.3).

use std::collections::BTreeSet;

use snapshot_format::{Encoding, decompress};

use crate::support::Store;

#[test]
fn each_coding_has_its_bytes_length_and_tag() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let object = published.bytes(&path);
    let mut tags = BTreeSet::new();
    for encoding in Encoding::ALL {
        let coding = encoding.content_coding();
        let reply = served.get(&path, &[("Accept-Encoding", coding)]);
        reply.is(200);
        assert_eq!(reply.field("content-encoding"), Some(coding));
        assert_eq!(reply.field("content-type"), Some("application/json"));
        assert_eq!(reply.field("vary"), Some("Accept-Encoding"));
        let unpacked = decompress(encoding, &reply.body[..], object.len() as u64);
        assert_eq!(unpacked.expect("a variant"), object);
        let hash = published.version.bootstrap.hash;
        let tag = reply.field("etag").expect("a tag").to_owned();
        assert!(
            tag.starts_with(&format!("\"{hash}-{}-", encoding.extension())),
            "{tag}"
        );
        tags.insert(tag);
    }
    let plain = served.get(&path, &[]);
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
