//! HTTP/2 by prior knowledge (RFC 9113 §3.3).

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode};

use crate::support::{Served, Store, rows};

/// Runs a scenario over one HTTP/2 connection.
fn over_http2<F: Future<Output = ()>>(
    served: &Served,
    scenario: impl FnOnce(SendRequest<Bytes>) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let stream = tokio::net::TcpStream::connect(served.address)
            .await
            .expect("it listens");
        let (client, connection) = h2::client::handshake(stream).await.expect("a handshake");
        tokio::spawn(connection);
        scenario(client).await;
    });
}

async fn request(
    client: &mut SendRequest<Bytes>,
    method: Method,
    path: &str,
    fields: &[(&'static str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://test{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("a request");
    *client = client.clone().ready().await.expect("room for a stream");
    let (response, _) = client.send_request(request, true).expect("sent");
    let (head, mut body) = response.await.expect("a response").into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.expect("a whole body");
        bytes.extend_from_slice(&chunk);
        let _ = body.flow_control().release_capacity(chunk.len());
    }
    (head.status, head.headers, bytes)
}

#[test]
fn the_same_answers_come_over_http2() {
    let (store, published) = Store::published();
    let served = store.serve();
    let (server, path) = (&served, published.bootstrap_path());
    over_http2(server, |mut client| async move {
        for (path, fields) in [
            ("/version.json", &[][..]),
            (&*path, &[("accept-encoding", "br")]),
            (&*path, &[("range", "bytes=3-9")]),
            (&*path, &[("if-none-match", "*")]),
            ("/nothing", &[]),
        ] {
            let old = server.get(path, fields);
            let (status, headers, body) = request(&mut client, Method::GET, path, fields).await;
            assert_eq!((status.as_u16(), &body), (old.status, &old.body), "{path}");
            for (name, value) in old.fields.iter().filter(|(name, _)| name != "date") {
                let found = headers.get(name).and_then(|value| value.to_str().ok());
                assert_eq!(found, Some(value.as_str()), "{name} of {path}");
            }
        }
        let (status, headers, body) = request(&mut client, Method::HEAD, &path, &[]).await;
        assert_eq!((status.as_u16(), body.len()), (200, 0));
        let size = published.bytes(&path).len().to_string();
        assert_eq!(headers["content-length"].to_str().ok(), Some(&*size));
        let (status, ..) = request(&mut client, Method::POST, &path, &[]).await;
        assert_eq!(status.as_u16(), 405);
        let (status, ..) = request(&mut client, Method::GET, &path, &[("host", "other")]).await;
        assert_eq!(status.as_u16(), 400);
    });
}

#[test]
fn a_large_body_from_a_file_comes_whole_over_http2() {
    let mut store = Store::empty();
    let published = store.publish(&[("muscles", rows(30_000))]);
    let served = store.serve_with(|options| options.memory_budget_bytes = 0);
    let path = published.bootstrap_path();
    over_http2(&served, |mut client| async move {
        let (status, _, body) = request(&mut client, Method::GET, &path, &[]).await;
        assert_eq!(status.as_u16(), 200);
        assert!(body == published.bytes(&path));
    });
}

#[test]
fn many_streams_share_one_connection() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    over_http2(&served, |mut client| async move {
        // Until the server's settings are here, a client may open more streams than it is allowed,
        // and those are refused (RFC 9113 §5.1.2). The settings come before the first response.
        request(&mut client, Method::GET, &path, &[]).await;
        let all = (0..500).map(|_| {
            let (mut client, path) = (client.clone(), path.clone());
            tokio::spawn(async move { request(&mut client, Method::GET, &path, &[]).await })
        });
        for one in all.collect::<Vec<_>>() {
            let (status, _, body) = one.await.expect("no panic");
            assert!(status == 200 && body == published.bytes(&path));
        }
    });
}

/// As over HTTP/1.1: the answer to POST does not wait for the body.
#[test]
fn no_body_is_awaited_over_http2() {
    let (store, _) = Store::published();
    let served = store.serve();
    over_http2(&served, |mut client| async move {
        let post = Request::post("http://test/version.json").body(());
        let (response, stream) = client
            .send_request(post.expect("a request"), false)
            .expect("sent");
        let response = response.await.expect("a response");
        assert_eq!(response.status().as_u16(), 405);
        drop(stream);
        let (status, ..) = request(&mut client, Method::GET, "/version.json", &[]).await;
        assert_eq!(status.as_u16(), 200);
    });
}

/// CVE-2023-44487: requests that are cancelled as soon as they are sent.
#[test]
fn rapid_resets_end_their_connection_only() {
    let (store, published) = Store::published();
    let served = store.serve();
    let path = published.bootstrap_path();
    over_http2(&served, |mut client| async move {
        // Until the server has had enough, or has kept up with all of them.
        for _ in 0..20_000 {
            let request = Request::get(format!("http://test{path}"))
                .body(())
                .expect("a request");
            let Ok(ready) = client.ready().await else {
                return;
            };
            client = ready;
            let Ok((_response, mut stream)) = client.send_request(request, true) else {
                return;
            };
            stream.send_reset(h2::Reason::CANCEL);
        }
    });
    served.get("/health", &[]).is(200);
}

/// A client that does not answer the goodbye keeps no server alive.
#[test]
fn a_stopping_server_does_not_wait_for_a_silent_client() {
    let (store, _) = Store::published();
    let mut served = store.serve_with(|options| {
        options.timeouts.stop = std::time::Duration::from_secs(3600);
    });
    let mut client = served.client();
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    // The server's settings: it has seen that this is HTTP/2.
    client.stream().peek(&mut [0]).expect("a frame");
    served.stop();
    served.wait();
}

#[test]
fn a_stopping_server_says_goodbye_over_http2() {
    let (store, _) = Store::published();
    let mut served = store.serve();
    let address = served.address;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let (client, ended) = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("it listens");
        let (mut client, connection) = h2::client::handshake(stream).await.expect("a handshake");
        let ended = tokio::spawn(connection);
        let (status, ..) = request(&mut client, Method::GET, "/health", &[]).await;
        assert_eq!(status.as_u16(), 200);
        (client, ended)
    });
    served.stop();
    runtime
        .block_on(ended)
        .expect("no panic")
        .expect("a clean end");
    served.wait();
    drop(client);
}
