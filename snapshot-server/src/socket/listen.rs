//! Where the server listens: TCP, TLS, Unix sockets, and what systemd hands over.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::error::ServerError;
use crate::socket::place::Listen;
use crate::socket::tls::Tls;

/// An open listener.
pub(crate) struct Listener {
    socket: Socket,
    tls: Option<Arc<Tls>>,
    /// Whether connections begin with a PROXY header.
    is_proxied: bool,
}

enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: tokio::net::UnixListener,
        _file: Option<SocketFile>,
    },
}

/// A connection that was accepted and has said nothing yet.
pub(crate) struct Accepted {
    pub(crate) transport: Transport,
    /// The other end's address; a Unix socket's has none.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) is_proxied: bool,
}

/// A socket that no runtime follows yet: the thread that serves it will.
pub(crate) enum Transport {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// A socket that this thread's runtime follows.
pub(crate) enum Attached {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

impl Transport {
    pub(crate) fn attach(self) -> io::Result<Attached> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Attached::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => tokio::net::UnixStream::from_std(stream).map(Attached::Unix),
        }
    }
}

impl Listener {
    /// Opens one place, which is several listeners where systemd has opened them.
    pub(crate) fn open(place: &Listen, tls: Option<&Arc<Tls>>) -> Result<Vec<Self>, ServerError> {
        let failed = |source| ServerError::Listen {
            place: place.clone(),
            source,
        };
        let one = |socket, tls| {
            vec![Self {
                socket,
                tls,
                is_proxied: false,
            }]
        };
        match place {
            Listen::Http(address) => Ok(one(Socket::Tcp(tcp(*address).map_err(failed)?), None)),
            Listen::Https(address) => {
                let tls = tls.ok_or(ServerError::NoCertificate)?.clone();
                Ok(one(Socket::Tcp(tcp(*address).map_err(failed)?), Some(tls)))
            }
            #[cfg(unix)]
            Listen::Unix(path) => {
                let (listener, file) = unix(path).map_err(failed)?;
                let _file = Some(file);
                Ok(one(Socket::Unix { listener, _file }, None))
            }
            #[cfg(unix)]
            Listen::Systemd => {
                let sockets = systemd().map_err(failed)?;
                Ok(sockets
                    .into_iter()
                    .flat_map(|socket| one(socket, None))
                    .collect())
            }
            #[cfg(not(unix))]
            Listen::Unix(_) | Listen::Systemd => Err(failed(io::ErrorKind::Unsupported.into())),
            Listen::Proxied(place) => {
                let mut listeners = Self::open(place, tls)?;
                for listener in &mut listeners {
                    listener.is_proxied = true;
                }
                Ok(listeners)
            }
        }
    }

    /// Where it really listens: with the port that was free.
    pub(crate) fn place(&self) -> Listen {
        let place = match &self.socket {
            Socket::Tcp(listener) => {
                let address = listener.local_addr().unwrap_or(([0, 0, 0, 0], 0).into());
                if self.tls.is_some() {
                    Listen::Https(address)
                } else {
                    Listen::Http(address)
                }
            }
            #[cfg(unix)]
            Socket::Unix { listener, .. } => {
                let path = listener.local_addr().ok();
                let path = path.as_ref().and_then(|address| address.as_pathname());
                Listen::Unix(path.unwrap_or_else(|| "".as_ref()).to_owned())
            }
        };
        if self.is_proxied {
            Listen::Proxied(Box::new(place))
        } else {
            place
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        let (transport, peer) = match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // A response is one write; waiting for more only delays its end.
                let _ = stream.set_nodelay(true);
                (
                    Transport::Tcp(stream.into_std()?),
                    Some(peer.ip().to_canonical()),
                )
            }
            #[cfg(unix)]
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                (Transport::Unix(stream.into_std()?), None)
            }
        };
        Ok(Accepted {
            transport,
            peer,
            tls: self.tls.clone(),
            is_proxied: self.is_proxied,
        })
    }
}

/// A longer backlog than the usual 128: a wave of reconnecting clients waits
/// instead of being reset.
fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    const BACKLOG: u32 = 4096;
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // On Windows the option would let two servers share the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The file of a Unix socket, removed with its listener.
#[cfg(unix)]
struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
fn unix(path: &std::path::Path) -> io::Result<(tokio::net::UnixListener, SocketFile)> {
    use std::os::unix::fs::FileTypeExt;

    let bind = || tokio::net::UnixListener::bind(path);
    let listener = match bind() {
        // What a killed server leaves behind is removed; a socket that somebody
        // still listens at, or a file that is no socket, is not.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
            if !is_socket || std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            bind()?
        }
        other => other?,
    };
    Ok((listener, SocketFile(path.to_owned())))
}

/// The sockets of systemd's protocol: LISTEN_PID, LISTEN_FDS, from descriptor 3 on.
#[cfg(unix)]
fn systemd() -> io::Result<Vec<Socket>> {
    let mut given = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for at in 0..given.len() {
        let socket = match given.take_tcp_listener(at) {
            Ok(Some(listener)) => {
                listener.set_nonblocking(true)?;
                Socket::Tcp(TcpListener::from_std(listener)?)
            }
            Ok(None) => continue,
            Err(_) => {
                let Some(listener) = given.take_unix_listener(at)? else {
                    continue;
                };
                listener.set_nonblocking(true)?;
                Socket::Unix {
                    listener: tokio::net::UnixListener::from_std(listener)?,
                    _file: None,
                }
            }
        };
        sockets.push(socket);
    }
    if sockets.is_empty() {
        return Err(io::Error::other(
            "the service manager handed over no socket",
        ));
    }
    Ok(sockets)
}
