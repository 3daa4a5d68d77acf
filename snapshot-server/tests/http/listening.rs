//! Where a server listens, and renewing a certificate.

use std::sync::Arc;

use snapshot_server::{Listen, TlsFiles};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::support::{Served, Store};

/// Two self-signed certificates for `localhost`, made by `openssl req -x509`.
const FIRST: [&str; 2] = [
    include_str!("certificates/first.pem"),
    include_str!("certificates/first-key.pem"),
];
const SECOND: [&str; 2] = [
    include_str!("certificates/second.pem"),
    include_str!("certificates/second-key.pem"),
];

fn put_certificate(store: &Store, [certificate, key]: [&str; 2]) -> TlsFiles {
    store.put("tls/certificate.pem", certificate.as_bytes());
    store.put("tls/key.pem", key.as_bytes());
    TlsFiles {
        certificate: store.path("tls/certificate.pem"),
        key: store.path("tls/key.pem"),
    }
}

/// A GET over TLS by a client that trusts one certificate: the protocol that
/// was agreed on and the response, or why there is none.
fn get_over_tls(served: &Served, trusted: &str, alpn: &[&str]) -> Result<(String, String), String> {
    get_over_tls_after(b"", served, trusted, alpn)
}

/// The same, after bytes that come before TLS.
fn get_over_tls_after(
    header: &[u8],
    served: &Served,
    trusted: &str,
    alpn: &[&str],
) -> Result<(String, String), String> {
    let request = b"GET /version.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    get_over_tls_saying(request, header, served, trusted, alpn)
}

fn get_over_tls_saying(
    request: &[u8],
    header: &[u8],
    served: &Served,
    trusted: &str,
    alpn: &[&str],
) -> Result<(String, String), String> {
    use std::io::{Read, Write};

    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(trusted.as_bytes()).expect("a certificate");
    roots.add(certificate).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let mut client = served.client();
    client.send(header);
    let mut stream = Stream::new(&mut session, client.stream());
    stream
        .write_all(request)
        .map_err(|error| error.to_string())?;
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    let agreed = session.alpn_protocol().unwrap_or_default().to_vec();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(agreed), text(response)))
}

fn serve_tls(store: &Store, files: TlsFiles) -> Served {
    store.serve_with(|options| {
        options.listen = vec![Listen::Https(([127, 0, 0, 1], 0).into())];
        options.tls = Some(files);
    })
}

#[test]
fn tls_agrees_on_a_protocol() {
    let (store, _) = Store::published();
    let served = serve_tls(&store, put_certificate(&store, FIRST));
    for alpn in [&[][..], &["http/1.1"], &["http/1.1", "h2"][..1]] {
        let (agreed, response) = get_over_tls(&served, FIRST[0], alpn).expect("a session");
        assert_eq!(agreed, alpn.first().copied().unwrap_or_default());
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.contains("\"formatVersion\":1"));
    }
    let (agreed, _) = get_over_tls(&served, FIRST[0], &["h2", "http/1.1"]).expect("a session");
    assert_eq!(agreed, "h2");
}

/// RFC 9113 §3.4 and §3.2: what was agreed on holds, in both directions.
#[test]
fn what_tls_agreed_on_is_spoken() {
    let (store, _) = Store::published();
    let served = serve_tls(&store, put_certificate(&store, FIRST));
    let (agreed, response) = get_over_tls(&served, FIRST[0], &["h2"]).expect("a session");
    assert_eq!(agreed, "h2");
    assert!(!response.contains("HTTP/1.1"), "{response}");
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let send = |alpn| say_over_tls(preface.as_bytes(), &served, alpn);
    let (agreed, response) = send(&["http/1.1"]);
    assert_eq!(agreed, "http/1.1");
    assert!(response.starts_with("HTTP/1.1 505 "), "{response}");
}

/// Sends bytes over TLS and reads to the end.
fn say_over_tls(bytes: &[u8], served: &Served, alpn: &[&str]) -> (String, String) {
    get_over_tls_saying(bytes, b"", served, FIRST[0], alpn).expect("a session")
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart() {
    let (store, _) = Store::published();
    let served = serve_tls(&store, put_certificate(&store, FIRST));
    served.next_event();
    assert!(get_over_tls(&served, FIRST[0], &[]).is_ok());
    assert!(get_over_tls(&served, SECOND[0], &[]).is_err());

    // Half of a renewal: the pair does not fit, so the old one stays.
    store.put("tls/certificate.pem", SECOND[0].as_bytes());
    served.reload();
    let event = served.next_event();
    let expected = "certificate refused: the certificate and its key are not usable: ";
    assert!(event.starts_with(expected), "{event}");
    assert!(get_over_tls(&served, FIRST[0], &[]).is_ok());

    put_certificate(&store, SECOND);
    served.reload();
    assert_eq!(served.next_event(), "certificate renewed");
    assert!(get_over_tls(&served, SECOND[0], &[]).is_ok());
    assert!(get_over_tls(&served, FIRST[0], &[]).is_err());
}

/// The PROXY protocol comes before TLS: the proxy cannot look into it.
#[test]
fn tls_begins_after_a_proxy_header() {
    let (store, _) = Store::published();
    let files = put_certificate(&store, FIRST);
    let served = store.serve_with(|options| {
        options.listen = vec!["proxy:https://127.0.0.1:0".parse().expect("a place")];
        options.tls = Some(files);
    });
    let header = b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 443\r\n";
    let (_, response) = get_over_tls_after(header, &served, FIRST[0], &[]).expect("a session");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(get_over_tls(&served, FIRST[0], &[]).is_err());
}

/// A handshake that does not go on hinders nobody, and has its time.
#[test]
fn a_silent_handshake_is_closed() {
    let (store, _) = Store::published();
    let files = put_certificate(&store, FIRST);
    let served = store.serve_with(|options| {
        options.listen = vec![Listen::Https(([127, 0, 0, 1], 0).into())];
        options.tls = Some(files);
        // Those who do go on have it too, on whatever machine.
        options.timeouts.head = std::time::Duration::from_secs(3);
    });
    let mut silent: Vec<_> = (0..50).map(|_| served.client()).collect();
    // The beginning of a ClientHello.
    silent
        .iter_mut()
        .for_each(|client| client.send(b"\x16\x03\x01\x02\x00\x01"));
    assert!(get_over_tls(&served, FIRST[0], &[]).is_ok());
    for client in &mut silent {
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn what_is_not_tls_harms_nobody() {
    let (store, _) = Store::published();
    let served = serve_tls(&store, put_certificate(&store, FIRST));
    let mut plain = served.client();
    plain.send("GET /version.json HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!plain.rest().starts_with(b"HTTP"));
    assert!(get_over_tls(&served, FIRST[0], &[]).is_ok());
}

#[test]
fn several_places_serve_the_same() {
    let (store, _) = Store::published();
    let loopback: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    let served =
        store.serve_with(|options| options.listen = vec![loopback.into(), loopback.into()]);
    let [Listen::Http(first), Listen::Http(second)] = served.places[..] else {
        panic!("two places: {:?}", served.places);
    };
    assert_ne!(first, second);
    for address in [first, second] {
        crate::support::Client::connect(address)
            .request("GET", "/version.json", &[])
            .is(200);
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_served_and_removed() {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    let (store, _) = Store::published();
    let path = store.path("server.sock");
    // A server that was killed left this.
    drop(UnixListener::bind(&path).expect("a socket"));
    let mut served = store.serve_with(|options| options.listen = vec![Listen::Unix(path.clone())]);

    let mut stream = UnixStream::connect(&path).expect("it listens");
    let request = b"GET /version.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("it reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("it answers");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));

    served.stop();
    served.wait();
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn a_socket_that_is_in_use_or_no_socket_is_left_alone() {
    let (store, _) = Store::published();
    let bind = |path: std::path::PathBuf| {
        let mut options =
            snapshot_server::Options::new(store.folder.path(), ([127, 0, 0, 1], 0).into());
        options.listen = vec![Listen::Unix(path)];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime
            .expect("a runtime")
            .block_on(snapshot_server::bind(options))
            .err()
    };
    let used = store.path("used.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&used).expect("a socket");
    let error = bind(used.clone())
        .expect("somebody listens there")
        .to_string();
    assert_eq!(
        error,
        format!("failed to listen on unix:{}", used.display())
    );

    store.put("file", b"precious");
    assert!(bind(store.path("file")).is_some());
    assert_eq!(
        std::fs::read(store.path("file")).expect("still there"),
        b"precious"
    );
}
