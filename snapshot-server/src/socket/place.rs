//! A place to listen at, as it is written.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A place to listen at, as it stands on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listen {
    /// `127.0.0.1:8080` or `http://127.0.0.1:8080`: HTTP/1.1, and HTTP/2 with prior knowledge.
    Http(SocketAddr),
    /// `https://0.0.0.0:443`: TLS, with HTTP/2 where the client offers it.
    Https(SocketAddr),
    /// `unix:/run/snapshot-server.sock`.
    Unix(PathBuf),
    /// `systemd`: every socket that the service manager has opened.
    Systemd,
    /// `proxy:` and another place: each connection begins with a header of the
    /// PROXY protocol, which names the client.
    Proxied(Box<Listen>),
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Http(address)
    }
}

/// Not a place to listen at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a place to listen at; write 127.0.0.1:8080, https://0.0.0.0:443, unix:/run/name.sock or systemd, \
     or one of them after proxy:"
)]
pub struct ListenError;

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let address = |text: &str| text.parse().map_err(|_| ListenError);
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        match text.split_once(':') {
            Some(("proxy", rest)) => match rest.parse()? {
                Self::Proxied(_) => Err(ListenError),
                place => Ok(Self::Proxied(Box::new(place))),
            },
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("http", rest)) => rest
                .strip_prefix("//")
                .ok_or(ListenError)
                .and_then(address)
                .map(Self::Http),
            Some(("https", rest)) => rest
                .strip_prefix("//")
                .ok_or(ListenError)
                .and_then(address)
                .map(Self::Https),
            _ => address(text).map(Self::Http),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Https(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
            Self::Proxied(place) => write!(f, "proxy:{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Listen, ListenError>) {
        assert_eq!(text.parse(), expected, "{text}");
    }

    #[test]
    fn a_place_is_read_and_written_alike() {
        let address: SocketAddr = ([127, 0, 0, 1], 8080).into();
        check("127.0.0.1:8080", Ok(Listen::Http(address)));
        check("http://127.0.0.1:8080", Ok(Listen::Http(address)));
        check("https://127.0.0.1:8080", Ok(Listen::Https(address)));
        check(
            "[::1]:80",
            Ok(Listen::Http("[::1]:80".parse().expect("an address"))),
        );
        check(
            "unix:/run/a b.sock",
            Ok(Listen::Unix("/run/a b.sock".into())),
        );
        check("systemd", Ok(Listen::Systemd));
        for text in [
            "http://127.0.0.1:8080",
            "https://[::1]:443",
            "unix:a.sock",
            "systemd",
            "proxy:http://127.0.0.1:8080",
            "proxy:unix:a.sock",
            "proxy:systemd",
        ] {
            let place: Listen = text.parse().expect("a place");
            assert_eq!(place.to_string(), text);
        }
    }

    #[test]
    fn nothing_else_is_a_place() {
        for text in [
            "",
            "8080",
            "localhost:8080",
            "http:127.0.0.1:80",
            "https://",
            "unix:",
            "ftp://1.1.1.1:1",
            "proxy:",
            "proxy:proxy:systemd",
        ] {
            check(text, Err(ListenError));
        }
    }
}
