//! Ranges on the wire (RFC 9110 §14, §15.3.7, §15.5.17).

use crate::support::Store;

#[test]
fn a_part_is_a_206_with_its_place() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let object = published.bytes(&path);
    let size = object.len();
    for (field, from, to) in [
        ("bytes=0-9".to_owned(), 0, 10),
        ("bytes=-10".to_owned(), size - 10, size),
        (format!("bytes={}-", size - 3), size - 3, size),
        (format!("bytes={}-{}", size - 3, size + 50), size - 3, size),
        (format!("bytes={size}-,0-0"), 0, 1),
    ] {
        let reply = served.get(&path, &[("Range", &field)]);
        reply.is(206);
        assert_eq!(reply.body, object[from..to], "{field}");
        let place = format!("bytes {from}-{}/{size}", to - 1);
        assert_eq!(reply.field("content-range"), Some(&*place), "{field}");
        assert_eq!(reply.field("content-type"), Some("application/json"));
        for name in ["etag", "cache-control", "vary", "date"] {
            assert!(reply.field(name).is_some(), "{name}");
        }
    }
}

#[test]
fn a_part_of_a_coded_body_is_a_part_of_the_coded_bytes() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let coded = published.bytes(&format!("{path}.gz"));
    let fields = [("Accept-Encoding", "gzip"), ("Range", "bytes=2-5")];
    let reply = served.get(&path, &fields);
    reply.is(206);
    assert_eq!(reply.body, coded[2..6]);
    assert_eq!(reply.field("content-encoding"), Some("gzip"));
    assert_eq!(
        reply.field("content-range"),
        Some(&*format!("bytes 2-5/{}", coded.len()))
    );
    assert_ne!(reply.field("etag"), served.get(&path, &[]).field("etag"));
}

#[test]
fn several_parts_are_a_multipart() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let object = published.bytes(&path);
    let reply = served.get(&path, &[("Range", "bytes=0-4, 100-104, -3")]);
    reply.is(206);
    assert_eq!(reply.field("content-range"), None);
    let media_type = reply.field("content-type").expect("a type");
    let boundary = media_type
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("multipart");
    let size = object.len();
    let mut expected = Vec::new();
    for (at, (from, to)) in [(0, 5), (100, 105), (size - 3, size)]
        .into_iter()
        .enumerate()
    {
        let separator = if at == 0 { "" } else { "\r\n" };
        let head = format!(
            "{separator}--{boundary}\r\nContent-Type: application/json\r\nContent-Range: bytes {from}-{}/{size}\r\n\r\n",
            to - 1,
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&object[from..to]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(
        String::from_utf8_lossy(&reply.body),
        String::from_utf8_lossy(&expected)
    );
}

#[test]
fn what_lies_outside_is_a_416_with_the_size() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let size = published.bytes(&path).len();
    for field in [
        format!("bytes={size}-"),
        "bytes=-0".to_owned(),
        "bytes=9999999-99999999".into(),
    ] {
        let reply = served.get(&path, &[("Range", &field)]);
        reply.is_problem(416);
        assert_eq!(
            reply.field("content-range"),
            Some(&*format!("bytes */{size}")),
            "{field}"
        );
    }
}

#[test]
fn a_field_that_means_nothing_or_costs_too_much_is_ignored() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let many = format!("bytes={}", ["0-"; 200].join(","));
    for field in [
        "bytes=9-0",
        "bytes=x",
        "items=0-9",
        "bytes",
        "bytes=0-9999,1-",
        &many,
    ] {
        let reply = served.get(&path, &[("Range", field)]);
        reply.is(200);
        assert_eq!(reply.body, published.bytes(&path), "{field}");
    }
}

#[test]
fn only_get_has_ranges() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let reply = served.head(&path, &[("Range", "bytes=0-9")]);
    reply.is(200);
    assert_eq!(
        reply.field("content-length"),
        Some(&*published.bytes(&path).len().to_string())
    );
    assert_eq!(reply.field("content-range"), None);
}

#[test]
fn a_resumed_download_never_joins_two_versions() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let full = served.get(&path, &[]);
    let (etag, date) = (
        full.field("etag").expect("a tag"),
        full.field("last-modified").expect("a date"),
    );
    let range = ("Range", "bytes=0-9");
    served.get(&path, &[range, ("If-Range", etag)]).is(206);
    served.get(&path, &[range, ("If-Range", date)]).is(206);
    for value in [
        "\"other\"",
        &format!("W/{etag}"),
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "garbage",
    ] {
        served.get(&path, &[range, ("If-Range", value)]).is(200);
    }
}
