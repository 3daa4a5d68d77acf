//! What each path answers.

use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::{Store, rows};

const POINTER: &str = "public, max-age=5, stale-if-error=86400";
const FOREVER: &str = "public, max-age=31536000, immutable";

#[test]
fn the_pointer_is_served_for_seconds() {
    let (store, published) = Store::published();
    let reply = store
        .serve()
        .get("/version.json", &[("Accept-Encoding", "gzip, br, zstd")]);
    reply.is(200);
    assert_eq!(reply.body, published.version_bytes);
    assert_eq!(reply.field("content-type"), Some("application/json"));
    assert_eq!(reply.field("cache-control"), Some(POINTER));
    assert_eq!(reply.field("content-encoding"), None);
    // One representation: a Vary would split every cache for nothing.
    assert_eq!(reply.field("vary"), None);
    assert_eq!(reply.field("last-modified"), None);
    let hash = snapshot_format::ObjectHash::of(&published.version_bytes);
    assert_eq!(reply.field("etag"), Some(&*format!("\"{hash}\"")));
    assert!(reply.field("date").is_some());
    assert_eq!(reply.field("server"), None);
}

#[test]
fn every_object_of_the_manifest_is_served_for_ever() {
    let (store, published) = Store::published();
    let served = store.serve();
    for (path, bytes) in &published.objects {
        let reply = served.get(&format!("/{path}"), &[]);
        reply.is(200);
        assert_eq!(&reply.body, bytes, "{path}");
        assert_eq!(reply.field("cache-control"), Some(FOREVER), "{path}");
        assert_eq!(reply.field("content-encoding"), None, "{path}");
        assert_eq!(reply.field("accept-ranges"), Some("bytes"), "{path}");
        assert_eq!(
            reply.field("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert!(reply.field("last-modified").is_some(), "{path}");
        let expected_type = match path.rsplit('.').next() {
            Some("zst") => "application/zstd",
            Some("gz") => "application/gzip",
            Some("br") => "application/octet-stream",
            _ => "application/json",
        };
        assert_eq!(reply.field("content-type"), Some(expected_type), "{path}");
    }
}

#[test]
fn the_plans_endpoints_have_the_plans_bodies() {
    let (store, published) = Store::published();
    let served = store.serve();

    let version = served.get("/api/v1/reference/version", &[]);
    let expected = json!({
        "schemaVersion": "1.0", "referenceVersion": "seq:41", "generatedAt": "2026-02-24T13:12:04Z",
        "epoch": 1_771_938_724_u64, "sequence": 1,
    });
    assert_eq!((version.status, version.json()), (200, expected));
    assert_eq!(version.field("cache-control"), Some(POINTER));

    let bootstrap = served.get("/api/v1/reference/bootstrap", &[]);
    assert_eq!(bootstrap.body, published.bytes(&published.bootstrap_path()));
    assert_eq!(bootstrap.field("cache-control"), Some(POINTER));
    let keys: Vec<_> = bootstrap
        .json()
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        keys,
        ["generatedAt", "referenceVersion", "schemaVersion", "tables"]
    );

    let table = served.get("/api/v1/reference/grips", &[]);
    assert_eq!(table.body, published.bytes(&published.table_path("grips")));
    assert_eq!(table.json()["rows"].as_array().map(Vec::len), Some(3));
    assert_eq!(table.field("cache-control"), Some(POINTER));
}

#[test]
fn an_unknown_table_is_answered_with_those_that_there_are() {
    let (store, _) = Store::published();
    let served = store.serve();
    for name in ["wings", "Grips", "grips/", "..", "%2e%2e", ""] {
        let reply = served.get(&format!("/api/v1/reference/{name}"), &[]);
        reply.is_problem(404);
        assert_eq!(
            reply.json()["tables"],
            json!(["grips", "muscles"]),
            "{name}"
        );
    }
    let text = served.get("/api/v1/reference/wings", &[]).text().to_owned();
    assert_eq!(
        text,
        r#"{"title":"Not Found","status":404,"detail":"no table has the key \"wings\"; \"tables\" lists those that there are","tables":["grips","muscles"]}"#
    );
}

#[test]
fn a_table_named_like_an_endpoint_gives_way() {
    let mut store = Store::empty();
    let published = store.publish(&[("bootstrap", rows(1)), ("version", rows(2))]);
    let served = store.serve();
    let version = served.get("/api/v1/reference/version", &[]);
    assert_eq!(version.json()["referenceVersion"], "seq:41");
    let bootstrap = served.get("/api/v1/reference/bootstrap", &[]);
    assert_eq!(bootstrap.body, published.bytes(&published.bootstrap_path()));
    served.get(&published.table_path("version"), &[]).is(200);
}

#[test]
fn health_and_readiness_are_two_things() {
    let mut store = Store::empty();
    let served = store.serve();
    for path in ["/health", "/api/health"] {
        let health = served.get(path, &[]);
        health.is(200);
        assert_eq!(health.json(), json!({"status": "ok"}));
        assert_eq!(health.field("cache-control"), Some("no-store"));
    }
    served.get("/ready", &[]).is_problem(503);

    store.publish(&[("grips", rows(1))]);
    served.next_event();
    let ready = served.get("/ready", &[]);
    ready.is(200);
    assert_eq!(ready.field("cache-control"), Some("no-store"));
    assert_eq!(ready.json()["referenceVersion"], "seq:41");
    assert_eq!(ready.json()["sequence"], 1);
    assert_eq!(ready.json()["refused"], json!(null));
    assert!(ready.json()["loadedForSeconds"].is_u64());
}

#[test]
fn a_query_and_an_equivalent_spelling_change_nothing() {
    let (store, published) = Store::published();
    let served = store.serve();
    for path in [
        "/version.json?x=1",
        "/%76ersion%2Ejson",
        "http://test/version.json",
    ] {
        assert_eq!(
            served.get(path, &[]).body,
            published.version_bytes,
            "{path}"
        );
    }
}

#[test]
fn nothing_outside_the_format_is_served() {
    let (store, published) = Store::published();
    store.put("secret.txt", b"leak");
    store.put(".hidden", b"leak");
    store.put("tables/grips/notes.json", b"leak");
    store.put("manifests/index.html", b"leak");
    let hash = snapshot_format::ObjectHash::of(b"leak");
    let served = store.serve();
    for path in [
        "/",
        "/secret.txt",
        "/.hidden",
        "/tables/grips/notes.json",
        "/tables/",
        "/tables/grips",
        "/manifests/index.html",
        "/../version.json",
        "/%2e%2e/version.json",
        "/..%2fsecret.txt",
        "//version.json",
        "/./version.json",
        "/version.json/",
        "/VERSION.JSON",
        "/version.json%00",
        "/version.json%20",
        "/version.json.",
        "/version.json::$DATA",
        "/tables/../secret.txt",
        "/tables\\grips",
        "/etc/passwd",
        "/favicon.ico",
        &format!("/tables/grips/{hash}.json"),
        &published.manifest_path().to_uppercase(),
    ] {
        let reply = served.get(path, &[]);
        reply.is_problem(404);
        assert!(!reply.text().contains("leak"), "{path}");
    }
    served.get("/%", &[]).is_problem(400);
    served.get("/%zz", &[]).is_problem(400);
}

#[cfg(unix)]
#[test]
fn a_symlink_cannot_lead_anything_out() {
    let (store, _) = Store::published();
    let outside = tempfile::NamedTempFile::new().expect("a file outside");
    std::fs::write(outside.path(), "leak").expect("written");
    let other = snapshot_format::ObjectHash::of(b"something else");
    let key = format!("bootstrap/{other}.json");
    std::os::unix::fs::symlink(outside.path(), store.path(&key)).expect("a link");
    let page = "versions/1771938724-99.json";
    std::os::unix::fs::symlink(outside.path(), store.path(page)).expect("a link");

    let served = store.serve();
    for path in [key.as_str(), page] {
        let reply = served.get(&format!("/{path}"), &[]);
        reply.is_problem(404);
        assert!(!reply.text().contains("leak"));
    }
}
