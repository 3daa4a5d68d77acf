//! From a host's name to a session: the socket, TLS, logging in. Each within its time.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::answer::PgError;
use super::wire::{AsItIs, Plain, Pulse, Transport, Wire};

/// A session, what drives it, and what is known of its wire.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) connection: Connection<Wire, Wire>,
    pub(super) pulse: std::sync::Arc<Pulse>,
}

/// Why there is no session.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) source: PgError,
    /// Whether a server that is being started answers so.
    pub(super) may_pass: bool,
}

impl Refusal {
    fn io(error: &io::Error, what: &str) -> Self {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
        let passing = [ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof];
        Self {
            source: PgError::said(&format!("{error} ({what})")),
            may_pass: passing.contains(&error.kind()),
        }
    }

    fn said(message: &str) -> Self {
        Self {
            source: PgError::said(message),
            may_pass: false,
        }
    }
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        let source = PgError::from(error);
        // 57P03: it is starting up. A proxy of containers accepts before the server does, and
        // hangs up at once.
        let may_pass = source.sqlstate.as_deref() == Some("57P03")
            || [
                "connection closed",
                "connection reset",
                "unexpected end of file",
            ]
            .iter()
            .any(|end| source.message.to_lowercase().contains(end));
        Self { source, may_pass }
    }
}

/// Tries each of the hosts, and gives what the last one said.
pub(super) async fn dial(
    options: &Config,
    tls: Option<&MakeRustlsConnect>,
    within: Duration,
) -> Result<Session, Refusal> {
    let mut refusal = Refusal::said("the database URL names no host");
    for (place, name, port) in places(options) {
        match timeout(within, reach(options, &place, name, port, tls)).await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(other)) => refusal = other,
            Err(_) => {
                let message = format!("no answer from {} within {within:?}", spelt(&place, port));
                refusal = Refusal::said(&message);
            }
        }
    }
    Err(refusal)
}

/// Asks each of the hosts to cancel what the token's session runs: only its own knows it.
pub(super) async fn cancel(options: &Config, tls: Option<&MakeRustlsConnect>, token: &CancelToken) {
    for (place, name, port) in places(options) {
        if let Ok(transport) = transport(options, &place, name, port, tls).await {
            let (wire, _) = Wire::new(transport);
            // Whoever does not understand is not our server, or ends with the connection.
            let _ = token.cancel_query_raw(wire, AsItIs).await;
        }
    }
}

// Where to connect, under which name, at which port.
fn places(options: &Config) -> impl Iterator<Item = (Host, Option<&Host>, u16)> {
    let (hosts, addresses) = (options.get_hosts(), options.get_hostaddrs());
    let ports = options.get_ports();
    (0..hosts.len().max(addresses.len())).map(move |index| {
        let place = match addresses.get(index) {
            Some(address) => Host::Tcp(address.to_string()),
            None => hosts[index].clone(),
        };
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        (place, hosts.get(index), port)
    })
}

fn spelt(place: &Host, port: u16) -> String {
    match place {
        Host::Tcp(host) => format!("{host}:{port}"),
        Host::Unix(folder) => folder.display().to_string(),
    }
}

async fn reach(
    options: &Config,
    place: &Host,
    name: Option<&Host>,
    port: u16,
    tls: Option<&MakeRustlsConnect>,
) -> Result<Session, Refusal> {
    let transport = transport(options, place, name, port, tls).await?;
    let mut options = options.clone();
    // For the driver the wire is encrypted already: it says nothing before it logs in.
    options
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Direct);
    let (wire, pulse) = Wire::new(transport);
    let (client, connection) = options.connect_raw(wire, AsItIs).await?;
    Ok(Session {
        client,
        connection,
        pulse,
    })
}

async fn transport(
    options: &Config,
    place: &Host,
    name: Option<&Host>,
    port: u16,
    tls: Option<&MakeRustlsConnect>,
) -> Result<Transport, Refusal> {
    let spelt = spelt(place, port);
    match place {
        Host::Unix(folder) => {
            let socket = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await;
            // TLS within a socket of this machine would protect nobody.
            let socket = socket.map_err(|error| Refusal::io(&error, &spelt))?;
            Ok(Box::new(Plain(socket)))
        }
        Host::Tcp(host) => {
            let socket = connect(options, host, port).await;
            let socket = socket.map_err(|error| Refusal::io(&error, &spelt))?;
            let name = match name {
                Some(Host::Tcp(name)) => name,
                _ => host,
            };
            match tls {
                Some(tls) => encrypt(options, socket, name, tls).await,
                None => Ok(Box::new(Plain(socket))),
            }
        }
    }
}

async fn connect(options: &Config, host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| {
            // In a compose project the name comes with the container.
            io::Error::new(io::ErrorKind::NotFound, error)
        })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name stands for no address");
    for address in addresses {
        let attempt = TcpStream::connect(address);
        let attempt = match options.get_connect_timeout() {
            Some(within) => timeout(*within, attempt)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            None => attempt.await,
        };
        match attempt {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                keep_alive(options, &socket)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

// So that what stands between does not forget a session while nothing is said, and a machine
// that is gone is noticed.
fn keep_alive(options: &Config, socket: &TcpStream) -> io::Result<()> {
    const INTERVAL: Duration = Duration::from_secs(10);
    const USUAL_IDLE: Duration = Duration::from_secs(2 * 60 * 60);
    let socket = SockRef::from(socket);
    if options.get_keepalives() {
        let idle = match options.get_keepalives_idle() {
            // The driver's word for "not said".
            USUAL_IDLE => Duration::from_secs(30),
            said => said,
        };
        let keepalive = TcpKeepalive::new()
            .with_time(idle)
            .with_interval(options.get_keepalives_interval().unwrap_or(INTERVAL))
            .with_retries(options.get_keepalives_retries().unwrap_or(3));
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    if let Some(within) = options.get_tcp_user_timeout() {
        socket.set_tcp_user_timeout(Some(*within))?;
    }
    Ok(())
}

// https://www.postgresql.org/docs/current/protocol-flow.html, "SSL Session Encryption".
async fn encrypt(
    options: &Config,
    mut socket: TcpStream,
    name: &str,
    tls: &MakeRustlsConnect,
) -> Result<Transport, Refusal> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    if options.get_ssl_negotiation() == SslNegotiation::Postgres {
        let mut answer = [0];
        let asked = async {
            socket.write_all(&SSL_REQUEST).await?;
            socket.read_exact(&mut answer).await
        };
        asked.await.map_err(|error| Refusal::io(&error, name))?;
        if answer != *b"S" {
            return Err(Refusal::said("the server does not support TLS"));
        }
    }
    let connect = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls.clone(), name);
    let Ok(connect) = connect;
    let encrypted = connect.connect(socket).await;
    let said = |error: Box<dyn std::error::Error + Send + Sync>| Refusal::said(&error.to_string());
    Ok(Box::new(encrypted.map_err(|error| said(error.into()))?))
}
