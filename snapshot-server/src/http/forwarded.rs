//! Who asks, where a proxy asks for somebody: `X-Forwarded-For`, or `Forwarded`
//! (RFC 7239), believed only of proxies that were named. Pure.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hyper::header::{FORWARDED, HeaderName};
use ipnet::IpNet;

/// The proxies that are believed when they say whose request they pass on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Who they are; with none, nobody is believed.
    pub proxies: Vec<Proxy>,
    /// Where they say it. One field and not both: a proxy that sets one of them
    /// may pass on what a client wrote into the other.
    pub field: ClientField,
}

/// A proxy that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// Everybody in this network.
    Network(IpNet),
    /// Whoever may connect to our Unix sockets.
    Unix,
}

/// Not a proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a proxy; write an address, a network such as 10.0.0.0/8, or unix")]
pub struct ProxyError;

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or_else(|_| address());
        network.map(Self::Network).map_err(|_| ProxyError)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The field that names the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientField {
    /// `X-Forwarded-For`, which nearly every proxy can set.
    #[default]
    XForwardedFor,
    /// `Forwarded`, the standard one.
    Forwarded,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl ClientField {
    pub(crate) fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
        }
    }
}

impl TrustedProxies {
    /// Whether the other end of a connection is one of them; no address is a Unix socket's.
    pub(crate) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        self.proxies.iter().any(|proxy| match (proxy, peer) {
            (Proxy::Network(network), Some(peer)) => network.contains(&peer),
            (Proxy::Unix, None) => true,
            _ => false,
        })
    }

    /// Who may begin a connection with a PROXY header: those named, or, where
    /// nobody is, whoever can reach that listener.
    pub(crate) fn may_introduce(&self, peer: Option<IpAddr>) -> bool {
        self.proxies.is_empty() || self.trusts(peer)
    }

    /// The client by the values of the field's lines, in their order.
    ///
    /// Each proxy adds at the end whom it heard from, so the list is read from
    /// there for as long as the one who wrote an entry is believed.
    pub(crate) fn client<'a>(
        &self,
        peer: Option<IpAddr>,
        lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Option<IpAddr> {
        let mut client = peer;
        if !self.trusts(peer) {
            return client;
        }
        let entries = lines
            .rev()
            .flat_map(|line| split(line, b',').into_iter().rev())
            // RFC 9110 §5.6.1.2: empty members of a list are none.
            .filter(|entry| !entry.trim_ascii().is_empty());
        for entry in entries {
            let named = match self.field {
                ClientField::XForwardedFor => address(entry),
                ClientField::Forwarded => parameter_for(entry).and_then(address),
            };
            // Hidden, unknown or nonsense: the last that was said stands.
            let Some(named) = named else { break };
            client = Some(named);
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

/// The parts between separators that stand outside quotes.
fn split(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut begin, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            byte if *byte == separator && !is_quoted => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// RFC 7239 §4: pairs with semicolons between, their names in any case.
fn parameter_for(entry: &[u8]) -> Option<&[u8]> {
    split(entry, b';').into_iter().find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        name.trim_ascii()
            .eq_ignore_ascii_case(b"for")
            .then_some(value)
    })
}

/// An address, perhaps in quotes, in brackets, with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let text = match text.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => text,
    };
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    // RFC 7239 §6.2: a port may be hidden.
    let with_hidden_port = || {
        let (address, _) = text.rsplit_once(":_")?;
        address
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok()
    };
    let found: Option<IpAddr> = text.parse().ok().or_else(in_brackets);
    found
        .or_else(with_port)
        .or_else(with_hidden_port)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(texts: &[&str], field: ClientField) -> TrustedProxies {
        let proxies = texts.iter().map(|text| text.parse().expect("a proxy"));
        TrustedProxies {
            proxies: proxies.collect(),
            field,
        }
    }

    #[track_caller]
    fn check(proxies: &TrustedProxies, peer: &str, lines: &[&str], expected: &str) {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        let values = lines.iter().map(|line| line.as_bytes());
        let found = proxies.client(address(peer), values);
        assert_eq!(found, address(expected), "{lines:?}");
    }

    #[test]
    fn a_proxy_is_read_and_written_alike() {
        for text in ["10.0.0.0/8", "2001:db8::/32", "unix"] {
            assert_eq!(text.parse::<Proxy>().expect("a proxy").to_string(), text);
        }
        assert_eq!(
            "127.0.0.1".parse::<Proxy>(),
            "127.0.0.1/32".parse::<Proxy>()
        );
        for text in ["", "10", "10.0.0.0/33", "localhost", "10.0.0.1:80"] {
            assert_eq!(text.parse::<Proxy>(), Err(ProxyError), "{text}");
        }
    }

    #[test]
    fn only_the_named_are_believed() {
        let x = proxies(&["10.0.0.0/8", "2001:db8::/32"], ClientField::XForwardedFor);
        check(&x, "10.0.0.1", &["192.0.2.7"], "192.0.2.7");
        check(&x, "10.0.0.1", &[], "10.0.0.1");
        check(&x, "192.0.2.1", &["192.0.2.7"], "192.0.2.1");
        check(&x, "2001:db8::1", &["192.0.2.7"], "192.0.2.7");
        // A Unix socket's peer, named and not.
        check(&x, "", &["192.0.2.7"], "");
        let unix = proxies(&["unix"], ClientField::XForwardedFor);
        check(&unix, "", &["192.0.2.7"], "192.0.2.7");
        check(&unix, "127.0.0.1", &["192.0.2.7"], "127.0.0.1");
        let nobody = TrustedProxies::default();
        check(&nobody, "127.0.0.1", &["192.0.2.7"], "127.0.0.1");
    }

    #[test]
    fn what_a_client_writes_before_a_proxy_is_not_believed() {
        let x = proxies(&["10.0.0.0/8"], ClientField::XForwardedFor);
        check(&x, "10.0.0.1", &["1.2.3.4, 192.0.2.7"], "192.0.2.7");
        check(
            &x,
            "10.0.0.1",
            &["1.2.3.4, 192.0.2.7, 10.9.9.9"],
            "192.0.2.7",
        );
        check(
            &x,
            "10.0.0.1",
            &["1.2.3.4", "192.0.2.7,10.9.9.9"],
            "192.0.2.7",
        );
        check(&x, "10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1");
        check(&x, "10.0.0.1", &["1.2.3.4, nonsense, 10.9.9.9"], "10.9.9.9");
        check(&x, "10.0.0.1", &["1.2.3.4,"], "1.2.3.4");
    }

    #[test]
    fn addresses_come_in_many_spellings() {
        let x = proxies(&["10.0.0.1"], ClientField::XForwardedFor);
        for (text, expected) in [
            ("192.0.2.7:4711", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:80", "2001:db8::7"),
            ("\t192.0.2.7 ", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("unknown", "10.0.0.1"),
            ("192.0.2.7.8", "10.0.0.1"),
        ] {
            check(&x, "10.0.0.1", &[text], expected);
        }
    }

    /// The examples of RFC 7239 §4 and §6, and what stands around them.
    #[test]
    fn the_standard_field_is_read() {
        let standard = proxies(&["10.0.0.0/8"], ClientField::Forwarded);
        for (text, expected) in [
            ("for=192.0.2.43", "192.0.2.43"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("proto=http; for=192.0.2.60", "192.0.2.60"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
            ("for=192.0.2.43, for=10.1.1.1", "192.0.2.43"),
            ("for=\"192.0.2.43:_hidden\"", "192.0.2.43"),
            ("for=\"[2001:db8::7]:_hidden\"", "2001:db8::7"),
            ("for=\"_gazonk\"", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("by=192.0.2.43", "10.0.0.1"),
            // Nothing in quotes is a separator.
            ("host=\"a,for=1.2.3.4\"", "10.0.0.1"),
            ("host=\"a\\\",for=1.2.3.4", "10.0.0.1"),
        ] {
            check(&standard, "10.0.0.1", &[text], expected);
        }
    }
}
