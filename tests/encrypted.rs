//! `sslmode`: the way to the database is encrypted, and the server is who it says.
//!
//! In front of the database stands what ends TLS there, as PostgreSQL does it: it agrees to
//! the request for encryption by one byte and goes on within TLS.
//! Source: <https://www.postgresql.org/docs/current/protocol-flow.html>, "SSL Session Encryption".

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pretty_assertions::assert_eq;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_postgres::config::Host;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{Finished, Project, repository, tracked};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

fn certificate(file: &str) -> PathBuf {
    let folder = repository().join("snapshot-server/tests/http/certificates");
    folder.join(file)
}

/// What stands in front of the database of a project.
struct Front {
    _runtime: tokio::runtime::Runtime,
    address: SocketAddr,
    // What was said to it in plain text, behind the request for encryption.
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Front {
    fn of(project: &Project, tls: Option<ServerConfig>) -> Self {
        let database: tokio_postgres::Config = project.database.url().parse().unwrap();
        let [Host::Unix(folder)] = database.get_hosts() else {
            panic!("the tests' database is on a socket");
        };
        let port = database.get_ports().first().unwrap_or(&5432);
        let socket = folder.join(format!(".s.PGSQL.{port}"));
        let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::default();
        let hears = Arc::clone(&heard);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let hears = Arc::clone(&hears);
                tokio::spawn(forward(client, acceptor.clone(), socket.clone(), hears));
            }
        });
        Self {
            _runtime: runtime,
            address,
            heard,
        }
    }

    fn publish(&self, project: &Project, trusted: &str) -> Finished {
        let database: tokio_postgres::Config = project.database.url().parse().unwrap();
        // The certificate is for a name, not for an address.
        let url = format!(
            "host=localhost port={} user={} dbname={} sslmode=require",
            self.address.port(),
            database.get_user().unwrap(),
            database.get_dbname().unwrap()
        );
        let mut command = project.command(&["publish", "--quiet", "--database-url", &url]);
        command.env("SSL_CERT_FILE", certificate(trusted));
        Finished::of(command.output().unwrap())
    }
}

/// Publishes through the front, by its address, whatever the name.
#[track_caller]
fn with_options(front: &Front, project: &Project, options: &str) -> Finished {
    let database: tokio_postgres::Config = project.database.url().parse().unwrap();
    let url = format!(
        "port={} user={} dbname={} hostaddr=127.0.0.1 {options}",
        front.address.port(),
        database.get_user().unwrap(),
        database.get_dbname().unwrap()
    );
    project.run(&["publish", "--quiet", "--database-url", &url])
}

async fn forward(
    mut client: TcpStream,
    acceptor: Option<TlsAcceptor>,
    socket: PathBuf,
    heard: Arc<Mutex<Vec<u8>>>,
) -> std::io::Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await?;
    assert_eq!(request, SSL_REQUEST, "nothing is said before encryption");
    let Some(acceptor) = acceptor else {
        client.write_all(b"N").await?;
        let mut byte = [0];
        while client.read(&mut byte).await? > 0 {
            heard.lock().unwrap().push(byte[0]);
        }
        return Ok(());
    };
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = UnixStream::connect(socket).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn tls() -> ServerConfig {
    let chain = CertificateDer::from_pem_file(certificate("first.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate("first-key.pem")).unwrap();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap()
}

fn one_table() -> Project {
    let project = Project::new(&[
        "CREATE TABLE grips (id text PRIMARY KEY);",
        &tracked(&["grips"]),
    ]);
    project.run(&["migrate", "--quiet"]).succeeded();
    project
}

#[test]
fn a_server_with_a_trusted_certificate_is_published_from() {
    let project = one_table();
    let front = Front::of(&project, Some(tls()));
    front.publish(&project, "first.pem").succeeded();
    assert_eq!(project.manifest()["tables"]["grips"]["rows"], 0);
}

#[test]
fn a_server_whose_certificate_nobody_trusts_is_told_nothing() {
    let project = one_table();
    let front = Front::of(&project, Some(tls()));
    let finished = front.publish(&project, "second.pem");
    assert_eq!(finished.status, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("invalid peer certificate"),
        "{}",
        finished.stderr
    );
    assert!(!project.path("snapshots/version.json").exists());
}

#[test]
fn a_server_without_encryption_is_told_nothing() {
    let project = one_table();
    let front = Front::of(&project, None);
    let finished = front.publish(&project, "first.pem");
    assert_eq!(finished.status, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("server does not support TLS"),
        "{}",
        finished.stderr
    );
    assert_eq!(*front.heard.lock().unwrap(), b"");
}

#[test]
fn a_certificate_for_another_name_is_refused_but_where_only_the_authority_counts() {
    let project = one_table();
    let front = Front::of(&project, Some(tls()));
    let authority = certificate("first.pem");
    let authority = authority.display();
    for (mode, host, is_let_in) in [
        ("verify-full", "localhost", true),
        ("require", "localhost", true),
        ("verify-ca", "localhost", true),
        ("verify-full", "elsewhere.example", false),
        ("require", "elsewhere.example", false),
        ("verify-ca", "elsewhere.example", true),
    ] {
        let options = format!("host={host} sslmode={mode} sslrootcert='{authority}'");
        let finished = with_options(&front, &project, &options);
        if is_let_in {
            finished.succeeded();
        } else {
            assert_eq!(finished.status, Some(1), "{options}");
            assert!(
                finished.stderr.contains("not valid for name")
                    && finished.stderr.contains(
                        "hint: name the server in the database URL as its certificate does"
                    ),
                "{options}: {}",
                finished.stderr
            );
        }
    }
    for mode in ["verify-ca", "verify-full", "require"] {
        let stranger = certificate("second.pem");
        let options = format!(
            "host=localhost sslmode={mode} sslrootcert='{}'",
            stranger.display()
        );
        let finished = with_options(&front, &project, &options);
        assert_eq!(finished.status, Some(1), "{options}");
        assert!(
            finished.stderr.contains("invalid peer certificate"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn a_server_without_tls_is_not_said_to_be_down() {
    let project = one_table();
    let front = Front::of(&project, None);
    let finished = with_options(&front, &project, "host=localhost sslmode=verify-full");
    assert_eq!(finished.status, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.ends_with(
            "caused by: the server does not support TLS\n  \
             hint: let the server take TLS (ssl = on), or write sslmode=disable where nobody else can \
             read the way to it\n"
        ),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_file_of_certificates_that_is_none_is_named() {
    let project = one_table();
    project.file("empty.pem", "");
    for file in ["missing.pem", "empty.pem"] {
        let options = format!("host=localhost sslmode=verify-full sslrootcert={file}");
        let url = format!("port=1 hostaddr=127.0.0.1 {options}");
        let finished = project.run(&["publish", "--quiet", "--database-url", &url]);
        assert_eq!(finished.status, Some(1));
        assert!(
            finished
                .stderr
                .starts_with(&format!("error: failed to use {file}\n")),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn without_sslmode_nothing_is_encrypted() {
    let project = Project::new(&[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut first = [0; 256];
        let size = std::io::Read::read(&mut client, &mut first).unwrap();
        first[..size].to_vec()
    });
    let url = format!("postgres://somebody@127.0.0.1:{port}/theirs");
    let arguments = ["publish", "--quiet", "--connect-timeout", "1s"];
    let finished = project.run(&[&arguments[..], &["--database-url", &url]].concat());
    assert_eq!(finished.status, Some(1));
    // The start-up message itself, in plain text, and no request for encryption before it.
    let heard = heard.join().unwrap();
    assert_ne!(heard[..8], SSL_REQUEST);
    let text = String::from_utf8_lossy(&heard);
    assert!(text.contains("user\0somebody\0"), "{text:?}");
}
