//! Preconditions on the wire (RFC 9110 §13). What each means is asked in `differential`, with
//! every coding, range and path; here is what a table of values does not hold.

use crate::support::{Store, rows};

#[test]
fn a_304_has_the_fields_a_cache_needs_and_no_body() {
    let (store, published) = Store::published();
    let served = store.serve();
    for path in [
        "/version.json",
        &published.bootstrap_path(),
        "/api/v1/reference/bootstrap",
    ] {
        let accept = ("Accept-Encoding", "gzip");
        let full = served.get(path, &[accept]);
        let etag = full.field("etag").expect("a tag");
        for method in ["GET", "HEAD"] {
            let mut client = served.client();
            let reply = client.request(method, path, &[accept, ("If-None-Match", etag)]);
            reply.is(304);
            // RFC 9110 §15.4.5.
            for name in [
                "etag",
                "cache-control",
                "vary",
                "access-control-allow-origin",
            ] {
                assert_eq!(reply.field(name), full.field(name), "{name} of {path}");
            }
            assert!(reply.field("date").is_some());
            for name in ["content-type", "content-encoding", "last-modified"] {
                assert_eq!(reply.field(name), None, "{name} of {path}");
            }
            // Nothing of a body stands between it and the next response.
            client.request("GET", "/health", &[]).is(200);
        }
    }
}

#[test]
fn tags_on_several_lines_are_one_list_and_each_coding_has_its_own() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let etag = served
        .get(&path, &[])
        .field("etag")
        .expect("a tag")
        .to_owned();
    served
        .get(
            &path,
            &[("If-None-Match", "\"a\""), ("If-None-Match", &etag)],
        )
        .is(304);
    // The tag of one coding is not that of another.
    served
        .get(
            &path,
            &[("If-None-Match", &etag), ("Accept-Encoding", "gzip")],
        )
        .is(200);
}

#[test]
fn if_match_takes_our_own_tag_and_nothing_weaker() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let etag = served
        .get(&path, &[])
        .field("etag")
        .expect("a tag")
        .to_owned();
    served.get(&path, &[("If-Match", &etag)]).is(200);
    served.get(&path, &[("If-Match", "*")]).is(200);
    served
        .get(&path, &[("If-Match", &format!("W/{etag}"))])
        .is_problem(412);
    served
        .get(&path, &[("If-Match", "\"other\"")])
        .is_problem(412);
}

#[test]
fn dates_are_honoured_where_there_is_one() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    let date = served
        .get(&path, &[])
        .field("last-modified")
        .expect("a date")
        .to_owned();
    served.get(&path, &[("If-Modified-Since", &date)]).is(304);
    served
        .get(
            &path,
            &[("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")],
        )
        .is(200);
    served.get(&path, &[("If-Unmodified-Since", &date)]).is(200);
    served
        .get(
            &path,
            &[("If-Unmodified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")],
        )
        .is_problem(412);
}

/// The fault of servers that make tags from times and sizes: whoever holds the
/// old pointer is told for ever that nothing changed.
#[test]
fn a_pointer_of_the_same_size_in_the_same_second_is_new() {
    let (mut store, first) = Store::published();
    let served = store.serve();
    served.next_event();
    let old = served.get("/version.json", &[]);
    let tag = old.field("etag").expect("a tag");

    let second = store.publish(&[("grips", rows(3)), ("muscles", rows(201))]);
    assert_eq!(first.version_bytes.len(), second.version_bytes.len());
    served.next_event();
    let date = old.field("date").expect("a date");
    for fields in [
        &[("If-None-Match", tag)][..],
        &[("If-Modified-Since", date)],
        &[],
    ] {
        let reply = served.get("/version.json", fields);
        assert_eq!(
            (reply.status, &reply.body),
            (200, &second.version_bytes),
            "{fields:?}"
        );
    }
}
