use std::io::Write;
use std::net::TcpListener;
use std::thread;

use snapshot_format::{Encoding, compress};

use super::*;

/// What a client makes of one answer, and the request that it sent.
fn get(answer: Vec<u8>, limit_bytes: u64) -> (Result<Response, Error>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base_url = format!("http://{}", listener.local_addr().expect("bound"));
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        // A client that has had enough closes.
        let _ = stream.write_all(&answer);
        String::from_utf8_lossy(&head).to_ascii_lowercase()
    });
    let transport = HttpTransport::new(&base_url).expect("a URL");
    let url = format!("{base_url}/tables/grips/x.json");
    let got = transport.get(&Request::new(url, limit_bytes, Duration::from_secs(60)));
    (got, server.join().expect("a server"))
}

fn answer(coding: &str, body: &[u8]) -> Vec<u8> {
    let size = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nContent-Encoding: {coding}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn packed(encoding: Encoding, mut object: &[u8]) -> Vec<u8> {
    let mut variant = Vec::new();
    compress(encoding, object.len() as u64, &mut object, &mut variant).expect("memory");
    variant
}

#[test]
fn each_coding_is_unpacked_and_brotli_asked_for_first() {
    let object = "{\"id\":\"NEUTRAL\"},\n".repeat(100).into_bytes();
    for encoding in Encoding::ALL {
        let body = packed(encoding, &object);
        let (got, request) = get(answer(encoding.content_coding(), &body), 10_000);
        assert_eq!(got.expect("an answer").body, object);
        assert!(
            request.contains("\r\naccept-encoding: br, zstd;q=0.9, gzip;q=0.8\r\n"),
            "{request}"
        );
        assert!(
            !request.contains("if-none-match") && !request.contains("cookie"),
            "{request}"
        );
    }
    let (got, _) = get(answer("identity", &object), 10_000);
    assert_eq!(got.expect("an answer").body, object);
}

#[test]
fn what_unpacks_to_more_than_allowed_is_not_unpacked() {
    let object = vec![b' '; 10_000_000];
    for encoding in Encoding::ALL {
        let (got, _) = get(
            answer(encoding.content_coding(), &packed(encoding, &object)),
            1000,
        );
        assert_eq!(got.expect_err("a bomb").code(), ErrorCode::HashMismatch);
    }
}

#[test]
fn what_is_announced_too_large_cut_off_or_oddly_coded_is_an_error() {
    let check = |answer: &[u8], code| {
        let (got, _) = get(answer.to_vec(), 10);
        assert_eq!(got.expect_err("no answer").code(), code);
    };
    check(
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n",
        ErrorCode::TooLarge,
    );
    check(
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour",
        ErrorCode::Network,
    );
    check(b"", ErrorCode::Network);
    check(b"nonsense\r\n\r\n", ErrorCode::Network);
    check(&answer("compress", b"four"), ErrorCode::Network);
    check(&answer("br", b"four"), ErrorCode::HashMismatch);
}

#[test]
fn only_http_and_https_are_urls() {
    for url in ["", "ftp://x", "cdn.example.org", "file:///etc"] {
        assert_eq!(
            HttpTransport::new(url).expect_err(url).code(),
            ErrorCode::Config
        );
    }
}
