//! Ninety-nine behaviours in which file servers differ, each under the name by
//! which it was measured on six of them, and what ours does: by the RFCs' text
//! where that decides, else as `docs/serving.md` says.

use std::collections::BTreeSet;

use crate::support::{Published, Reply, Served, Store};

/// Name, request line, fields (a bar between lines), status, and fields of the
/// answer: `-` is none, `body` its length.
///
/// `$BUNDLE` stands for the path of a large object; `$SIZE`, `$TAG` and `$DATE` for
/// its plain bytes' length, tag and date; `$GZIP` and `$GZIP-TAG` for those in gzip.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    u16,
    &'static [(&'static str, &'static str)],
);

const GET: &str = "GET $BUNDLE HTTP/1.1";
const ZSTD: &[(&str, &str)] = &[("content-encoding", "zstd"), ("vary", "Accept-Encoding")];
const BR: &[(&str, &str)] = &[("content-encoding", "br")];
const GZIP: &[(&str, &str)] = &[("content-encoding", "gzip")];
const PLAIN: &[(&str, &str)] = &[
    ("content-encoding", "-"),
    ("body", "$SIZE"),
    ("etag", "$TAG"),
];
const UNCACHED: &[(&str, &str)] = &[("cache-control", "no-store")];
const PROBLEM: &[(&str, &str)] = &[
    ("content-type", "application/problem+json"),
    ("cache-control", "no-store"),
];
const ALLOW: &[(&str, &str)] = &[("allow", "GET, HEAD, OPTIONS")];
const FIRST_TEN: &[(&str, &str)] = &[
    ("content-range", "bytes 0-9/$SIZE"),
    ("content-length", "10"),
    ("content-type", "application/json"),
];
const LAST_TEN: &[(&str, &str)] = &[
    ("content-range", "bytes $LAST-10-$END/$SIZE"),
    ("body", "10"),
];
const OUTSIDE: &[(&str, &str)] = &[("content-range", "bytes */$SIZE")];
const WHOLE: &[(&str, &str)] = &[("content-range", "-"), ("body", "$SIZE")];

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // RFC 9110 §12.5.3.
    ("AE_none", GET, "", 200, PLAIN),
    ("AE_gzip_br_zstd", GET, "Accept-Encoding: gzip, br, zstd", 200, ZSTD),
    ("AE_gzip_q1_br_q05", GET, "Accept-Encoding: gzip;q=1, br;q=0.5", 200, GZIP),
    ("AE_gzip_q0", GET, "Accept-Encoding: gzip;q=0", 200, PLAIN),
    ("AE_gzip_q0_br_q0_zstd_q0", GET, "Accept-Encoding: gzip;q=0, br;q=0, zstd;q=0", 200, PLAIN),
    ("AE_identity_pref", GET, "Accept-Encoding: identity;q=1, gzip;q=0.5", 200, PLAIN),
    ("AE_star", GET, "Accept-Encoding: *", 200, PLAIN),
    ("AE_star_q0", GET, "Accept-Encoding: *;q=0", 406, UNCACHED),
    ("AE_identity_q0_only", GET, "Accept-Encoding: identity;q=0", 406, UNCACHED),
    ("AE_gzip_identity_q0", GET, "Accept-Encoding: gzip, identity;q=0", 200, GZIP),
    // §8.4.1.3: the same as gzip.
    ("AE_xgzip", GET, "Accept-Encoding: x-gzip", 200, GZIP),
    ("AE_upper", GET, "Accept-Encoding: GZIP", 200, GZIP),
    ("AE_deflate", GET, "Accept-Encoding: deflate", 200, PLAIN),
    ("AE_substr_trap", GET, "Accept-Encoding: notgzip, brr, xzstd", 200, PLAIN),
    ("AE_two_lines", GET, "Accept-Encoding: gzip;q=0.2|Accept-Encoding: br", 200, BR),
    ("content_length_gzip", GET, "Accept-Encoding: gzip", 200,
        &[("content-length", "$GZIP"), ("body", "$GZIP"), ("transfer-encoding", "-"), ("etag", "$GZIP-TAG")]),
    ("HEAD_gzip", "HEAD $BUNDLE HTTP/1.1", "Accept-Encoding: gzip", 200,
        &[("content-length", "$GZIP"), ("content-encoding", "gzip"), ("body", "0")]),
    // §13, §15.4.5.
    ("INM_match", GET, "If-None-Match: $TAG", 304,
        &[("etag", "$TAG"), ("cache-control", "public, max-age=31536000, immutable"),
          ("vary", "Accept-Encoding"), ("content-length", "-"), ("content-type", "-"), ("body", "0")]),
    ("INM_weak_form", GET, "If-None-Match: W/$TAG", 304, &[]),
    ("INM_list", GET, "If-None-Match: \"a\", W/\"b\", $TAG", 304, &[]),
    ("INM_star", GET, "If-None-Match: *", 304, &[]),
    ("INM_etag_of_gzip_on_identity", GET, "If-None-Match: $GZIP-TAG", 200, PLAIN),
    ("INM_mismatch_IMS_match", GET, "If-None-Match: \"a\"|If-Modified-Since: $DATE", 200, PLAIN),
    ("IMS_later", GET, "If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT", 304, &[]),
    ("IMS_rfc850", GET, "If-Modified-Since: Thursday, 01-Jan-37 00:00:00 GMT", 304, &[]),
    ("IMS_asctime", GET, "If-Modified-Since: Thu Jan  1 00:00:00 2037", 304, &[]),
    ("IMS_garbage", GET, "If-Modified-Since: tomorrow", 200, PLAIN),
    ("IfMatch_mismatch", GET, "If-Match: \"a\"", 412, UNCACHED),
    ("IfMatch_star", GET, "If-Match: *", 200, PLAIN),
    ("IfMatch_match", GET, "If-Match: $TAG", 200, PLAIN),
    ("IUS_old", GET, "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 412, UNCACHED),
    // §14: what breaks the grammar may be ignored.
    ("R_first10", GET, "Range: bytes=0-9", 206, FIRST_TEN),
    ("R_suffix", GET, "Range: bytes=-10", 206, LAST_TEN),
    ("R_open", GET, "Range: bytes=$LAST-10-", 206, LAST_TEN),
    ("R_past_end", GET, "Range: bytes=$LAST-10-999999999", 206, LAST_TEN),
    ("R_unsat", GET, "Range: bytes=999999999-", 416, OUTSIDE),
    ("R_inverted", GET, "Range: bytes=9-0", 200, WHOLE),
    ("R_multi", GET, "Range: bytes=0-9, 20-29", 206,
        &[("content-range", "-"), ("content-type", "multipart/byteranges; boundary=$BOUNDARY")]),
    ("R_multi_overlap_many", GET, "Range: bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", 200, WHOLE),
    ("R_bad_unit", GET, "Range: lines=0-9", 200, WHOLE),
    ("R_suffix0", GET, "Range: bytes=-0", 416, OUTSIDE),
    ("R_suffix_big", GET, "Range: bytes=-999999999", 206,
        &[("content-range", "bytes 0-$END/$SIZE"), ("body", "$SIZE")]),
    ("R_garbage", GET, "Range: bytes=a-b", 200, WHOLE),
    ("R_gzip", GET, "Range: bytes=0-9|Accept-Encoding: gzip", 206,
        &[("content-range", "bytes 0-9/$GZIP"), ("content-encoding", "gzip"), ("content-length", "10")]),
    ("R_ifrange_match", GET, "Range: bytes=0-9|If-Range: $TAG", 206, FIRST_TEN),
    ("R_ifrange_mismatch", GET, "Range: bytes=0-9|If-Range: \"a\"", 200, WHOLE),
    ("R_ifrange_weak", GET, "Range: bytes=0-9|If-Range: W/$TAG", 200, WHOLE),
    ("R_ifrange_date", GET, "Range: bytes=0-9|If-Range: $DATE", 206, FIRST_TEN),
    ("R_HEAD", "HEAD $BUNDLE HTTP/1.1", "Range: bytes=0-9", 200,
        &[("content-length", "$SIZE"), ("content-range", "-")]),
    // §9.
    ("M_OPTIONS", "OPTIONS $BUNDLE HTTP/1.1", "", 204, ALLOW),
    ("M_OPTIONS_star", "OPTIONS * HTTP/1.1", "", 204, ALLOW),
    ("M_POST", "POST $BUNDLE HTTP/1.1", "Content-Length: 0", 405, ALLOW),
    ("M_TRACE", "TRACE $BUNDLE HTTP/1.1", "", 405, ALLOW),
    ("M_FOO", "FOO $BUNDLE HTTP/1.1", "", 501, PROBLEM),
    ("CORS_origin", GET, "Origin: https://a.example", 200, &[("access-control-allow-origin", "*")]),
    // Paths: only a key of the format leads to a file.
    ("dotfile", "GET /.hidden HTTP/1.1", "", 404, PROBLEM),
    ("dotdir", "GET /.git/config HTTP/1.1", "", 404, PROBLEM),
    ("symlink_out", "GET /passwd.json HTTP/1.1", "", 404, PROBLEM),
    ("trav1", "GET /../../../../etc/passwd HTTP/1.1", "", 404, PROBLEM),
    ("trav2", "GET /..%2f..%2f..%2fetc/passwd HTTP/1.1", "", 404, PROBLEM),
    ("trav3", "GET /%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1", "", 404, PROBLEM),
    ("nul", "GET /version.json%00.png HTTP/1.1", "", 404, PROBLEM),
    ("backslash", "GET /..\\..\\etc\\passwd HTTP/1.1", "", 404, PROBLEM),
    ("dblslash", "GET //version.json HTTP/1.1", "", 404, PROBLEM),
    ("pctenc_name", "GET /%76ersion.json HTTP/1.1", "", 200, &[]),
    ("bad_pct", "GET /%zz HTTP/1.1", "", 400, PROBLEM),
    ("trailing_slash_file", "GET /version.json/ HTTP/1.1", "", 404, PROBLEM),
    ("query_ignored", "GET /version.json?a=b&c HTTP/1.1", "", 200, &[]),
    ("direct_gz", "GET $BUNDLE.gz HTTP/1.1", "Accept-Encoding: gzip", 200,
        &[("content-type", "application/gzip"), ("content-encoding", "-"), ("vary", "-"), ("body", "$GZIP")]),
    ("dir_noslash", "GET /tables HTTP/1.1", "", 404, PROBLEM),
    ("dir_slash", "GET /tables/ HTTP/1.1", "", 404, PROBLEM),
    ("notfound", "GET /nothing HTTP/1.1", "", 404, PROBLEM),
    ("notfound_gz_cc", "GET /nothing.json HTTP/1.1", "Accept-Encoding: gzip", 404, UNCACHED),
    ("absform", "GET http://test/version.json HTTP/1.1", "", 200, &[]),
    // RFC 9112.
    ("no_host", "GET /health HTTP/1.1", "$NO-HOST", 400, PROBLEM),
    ("dup_host", "GET /health HTTP/1.1", "Host: test", 400, PROBLEM),
    ("bad_host", "GET /health HTTP/1.1", "$NO-HOST|Host: a/b", 400, PROBLEM),
    ("obs_fold", "GET /health HTTP/1.1", "X: a| b", 400, PROBLEM),
    ("sp_before_colon", "GET /health HTTP/1.1", "X : a", 400, PROBLEM),
    ("dup_cl_diff", "GET /health HTTP/1.1", "Content-Length: 1|Content-Length: 2", 400, PROBLEM),
    // §6.1: a coding that is not understood.
    ("te_identity_chunked", "GET /health HTTP/1.1", "Transfer-Encoding: identity, chunked", 501, PROBLEM),
    ("long_uri_20k", "GET /$LONG-20000 HTTP/1.1", "", 414, PROBLEM),
    ("hdr_100k", "GET /health HTTP/1.1", "X: $LONG-100000", 431, PROBLEM),
    ("hdr_count_200", "GET /health HTTP/1.1", "$FIELDS-200", 431, PROBLEM),
    ("expect_bad", "GET /health HTTP/1.1", "Expect: tea", 417, PROBLEM),
    ("http2_version_line", "GET /health HTTP/2.0", "", 505, PROBLEM),
    // RFC 9110 §2.5 would take it for HTTP/1.1; the parser that hyper uses does not, and nobody sends it.
    ("http12", "GET /health HTTP/1.2", "", 400, PROBLEM),
    ("sec_headers", GET, "", 200,
        &[("x-content-type-options", "nosniff"), ("cross-origin-resource-policy", "cross-origin"),
          ("strict-transport-security", "-")]),
    ("server_hdr", GET, "", 200, &[("server", "-"), ("x-powered-by", "-"), ("via", "-")]),
];

/// What takes more than one request or answer.
type Scenario = (&'static str, fn(&Context<'_>));

const SCENARIOS: &[Scenario] = &[
    ("vary_200_304_206", vary_is_on_every_answer),
    ("etags_per_encoding", each_coding_has_a_tag),
    ("http10", old_http_closes),
    ("http10_ka", old_http_stays_when_asked),
    ("pipelined3", three_requests_have_three_answers),
    ("bare_lf", a_line_may_end_without_cr),
    ("cl_te", two_lengths_end_the_connection),
    ("get_body_then_next", a_body_is_not_the_next_request),
    ("expect100", an_expectation_is_met),
    (
        "swap_same_size_same_second",
        the_pointer_is_new_whatever_its_date,
    ),
];

struct Context<'a> {
    served: &'a Served,
    published: &'a Published,
    plain: Reply,
    gzip: Reply,
}

impl Context<'_> {
    fn bundle(&self) -> String {
        self.published.bootstrap_path()
    }

    /// The text with what its words stand for.
    fn fill(&self, text: &str) -> String {
        let tag = |reply: &Reply| reply.field("etag").expect("a tag").to_owned();
        let size = self.plain.body.len();
        let date = self.plain.field("last-modified").expect("a date");
        let many: Vec<_> = (0..200).map(|at| format!("X-{at}: a")).collect();
        text.replace("$BUNDLE", &self.bundle())
            .replace("$GZIP-TAG", &tag(&self.gzip))
            .replace("$GZIP", &self.gzip.body.len().to_string())
            .replace("$TAG", &tag(&self.plain))
            .replace("$DATE", date)
            .replace("$LAST-10", &(size - 10).to_string())
            .replace("$END", &(size - 1).to_string())
            .replace("$SIZE", &size.to_string())
            .replace("$BOUNDARY", &tag(&self.plain)[1..33])
            .replace("$LONG-20000", &"a".repeat(20_000))
            .replace("$LONG-100000", &"a".repeat(100_000))
            .replace("$FIELDS-200", &many.join("|"))
    }

    fn check(&self, (name, line, fields, status, expected): &Row) {
        let host = if fields.contains("$NO-HOST") {
            ""
        } else {
            "|Host: test"
        };
        let fields = fields.replace("$NO-HOST", "");
        let head = self
            .fill(&format!("{line}{host}|{fields}"))
            .replace('|', "\r\n");
        let head = head.trim_end().replace("\r\n\r\n", "\r\n");
        let mut client = self.served.client();
        client.send(format!("{head}\r\n\r\n"));
        let reply = client.reply(line.split(' ').next().expect("a method"));
        assert_eq!(reply.status, *status, "{name}: {:?}", reply.fields);
        assert!(reply.field("date").is_some(), "{name}");
        for (field, expected) in *expected {
            let body = reply.body.len().to_string();
            let found = match *field {
                "body" => Some(body.as_str()),
                field => reply.field(field),
            };
            let expected = self.fill(expected);
            assert_eq!(found.unwrap_or("-"), expected, "{name}: {field}");
        }
    }
}

#[test]
fn every_measured_behaviour_is_the_right_one() {
    let (mut store, published) = Store::published();
    store.put(".hidden", b"secret");
    store.put(".git/config", b"secret");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", store.path("passwd.json")).expect("a link");
    let served = store.serve();
    served.next_event();
    let bundle = published.bootstrap_path();
    let context = Context {
        plain: served.get(&bundle, &[]),
        gzip: served.get(&bundle, &[("Accept-Encoding", "gzip")]),
        served: &served,
        published: &published,
    };
    ROWS.iter().for_each(|row| context.check(row));
    let names: BTreeSet<_> = ROWS
        .iter()
        .map(|row| row.0)
        .chain(SCENARIOS.iter().map(|s| s.0))
        .collect();
    assert_eq!(names.len(), 99);
    let (last, others) = SCENARIOS.split_last().expect("scenarios");
    others.iter().for_each(|(_, scenario)| scenario(&context));

    // The last scenario's swap: the same size, within the same second.
    let before = context.served.get("/version.json", &[]);
    let next = store.publish(&[
        ("grips", crate::support::rows(3)),
        ("muscles", crate::support::rows(201)),
    ]);
    served.next_event();
    assert_eq!(before.body.len(), next.version_bytes.len());
    let context = Context {
        plain: before,
        published: &next,
        ..context
    };
    last.1(&context);
}

fn vary_is_on_every_answer(context: &Context<'_>) {
    let tag = context.plain.field("etag").expect("a tag");
    for fields in [
        &[][..],
        &[("If-None-Match", tag)],
        &[("Range", "bytes=0-9")],
    ] {
        let reply = context.served.get(&context.bundle(), fields);
        assert_eq!(reply.field("vary"), Some("Accept-Encoding"), "{reply:?}");
    }
}

fn each_coding_has_a_tag(context: &Context<'_>) {
    let tags = ["identity", "gzip", "br", "zstd"].map(|coding| {
        let reply = context
            .served
            .get(&context.bundle(), &[("Accept-Encoding", coding)]);
        reply.field("etag").expect("a tag").to_owned()
    });
    assert!(
        tags.iter().all(|tag| tag.starts_with('"')),
        "strong: {tags:?}"
    );
    assert_eq!(BTreeSet::from(tags).len(), 4);
}

fn old_http_closes(context: &Context<'_>) {
    let mut client = context.served.client();
    client.send("GET /version.json HTTP/1.0\r\n\r\n");
    assert_eq!(
        client.reply("GET").is(200).body,
        context.published.version_bytes
    );
    assert_eq!(client.rest(), b"");
}

fn old_http_stays_when_asked(context: &Context<'_>) {
    let mut client = context.served.client();
    for _ in 0..2 {
        client.send("GET /version.json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let reply = client.reply("GET");
        assert_eq!(reply.is(200).field("connection"), Some("keep-alive"));
    }
}

fn three_requests_have_three_answers(context: &Context<'_>) {
    let mut client = context.served.client();
    client.send("GET /version.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
    for _ in 0..3 {
        assert_eq!(
            client.reply("GET").is(200).body,
            context.published.version_bytes
        );
    }
}

/// RFC 9112 §2.2 allows it.
fn a_line_may_end_without_cr(context: &Context<'_>) {
    context
        .served
        .raw("GET /version.json HTTP/1.1\nHost: a\n\n")
        .is(200);
}

fn two_lengths_end_the_connection(context: &Context<'_>) {
    let mut client = context.served.client();
    client.send(
        "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(
        client.reply("POST").is(405).field("connection"),
        Some("close")
    );
    assert_eq!(client.rest(), b"");
}

fn a_body_is_not_the_next_request(context: &Context<'_>) {
    let mut client = context.served.client();
    client.send("GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
    client.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    client.reply("GET").is(200);
    client.reply("GET").is(200);
}

fn an_expectation_is_met(context: &Context<'_>) {
    let mut client = context.served.client();
    client.send(
        "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
    );
    let mut interim = [0; 25];
    std::io::Read::read_exact(client.stream(), &mut interim).expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("{}");
    client.reply("GET").is(200);
}

/// `plain` is the pointer as it was, `published` as it is.
fn the_pointer_is_new_whatever_its_date(context: &Context<'_>) {
    let tag = context.plain.field("etag").expect("a tag");
    let reply = context
        .served
        .get("/version.json", &[("If-None-Match", tag)]);
    assert_eq!(reply.is(200).body, context.published.version_bytes);
}
