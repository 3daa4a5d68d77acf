//! The PROXY protocol, versions 1 and 2: a proxy that passes whole connections
//! on says first who is at the other end. Spoken only on listeners that were
//! told so, where a connection without it, or with nonsense, ends.
//!
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>

use std::io;
use std::net::IpAddr;

use ppp::{PartialResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Section 2.1: the longest header of version 1.
const MAX_V1_BYTES: usize = 107;
/// A header of version 2 with room for what proxies add about TLS.
const MAX_V2_BYTES: usize = 4 * 1024;

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    /// A header of so many bytes. No client where the proxy speaks for itself, to
    /// see whether we live, or for somebody without an address.
    Header { used: usize, client: Option<IpAddr> },
    /// Too few bytes to tell.
    Partial,
    /// No header.
    Malformed,
}

/// Reads the header: the client that it names, and the bytes that came after it.
///
/// # Errors
/// Where the stream ends or does not begin with a header.
pub(crate) async fn take_header(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<(Option<IpAddr>, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        match opening(&bytes) {
            Opening::Header { used, client } => {
                bytes.drain(..used);
                return Ok((client, bytes));
            }
            Opening::Partial => {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Opening::Malformed => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn opening(bytes: &[u8]) -> Opening {
    match v2::Header::try_from(bytes) {
        Ok(header) => second(&header),
        Err(v2::ParseError::Prefix) => first(bytes),
        partial if partial.is_incomplete() && bytes.len() < MAX_V2_BYTES => Opening::Partial,
        Err(_) => Opening::Malformed,
    }
}

/// Version 1 is a line of text.
fn first(bytes: &[u8]) -> Opening {
    let begins = bytes.len().min(v1::PROTOCOL_PREFIX.len());
    if bytes[..begins] != v1::PROTOCOL_PREFIX.as_bytes()[..begins] {
        return Opening::Malformed;
    }
    let searched = &bytes[..bytes.len().min(MAX_V1_BYTES)];
    let Some(end) = searched.iter().position(|byte| *byte == b'\n') else {
        return match bytes.len() {
            MAX_V1_BYTES.. => Opening::Malformed,
            _ => Opening::Partial,
        };
    };
    let used = end + 1;
    match v1::Header::try_from(&bytes[..used]) {
        Ok(header) => Opening::Header {
            used,
            client: match header.addresses {
                v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
                v1::Addresses::Tcp6(addresses) => Some(addresses.source_address.into()),
                v1::Addresses::Unknown => None,
            },
        },
        Err(_) => Opening::Malformed,
    }
}

fn second(header: &v2::Header<'_>) -> Opening {
    // HTTP comes over streams.
    if header.protocol == v2::Protocol::Datagram {
        return Opening::Malformed;
    }
    let client = match (header.command, header.addresses) {
        (v2::Command::Local, _) => None,
        (_, v2::Addresses::IPv4(addresses)) => Some(addresses.source_address.into()),
        (_, v2::Addresses::IPv6(addresses)) => Some(addresses.source_address.into()),
        (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    };
    let used = header.len();
    Opening::Header { used, client }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of version 2, as section 2.2 draws it.
    fn v2_header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend(u16::try_from(payload.len()).expect("small").to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn v4_payload() -> Vec<u8> {
        [
            &[192, 0, 2, 7][..],
            &[198, 51, 100, 1],
            &[0x30, 0x39, 0, 80],
        ]
        .concat()
    }

    /// However it is cut, a header is partial until its last byte, and what follows is left.
    #[track_caller]
    fn check(header: &[u8], expected: Option<&str>) {
        let expected = Opening::Header {
            used: header.len(),
            client: expected.map(|client| client.parse().expect("an address")),
        };
        for end in 0..header.len() {
            assert_eq!(opening(&header[..end]), Opening::Partial, "{end}");
        }
        assert_eq!(opening(header), expected);
        assert_eq!(opening(&[header, b"GET / HTTP/1.1\r\n"].concat()), expected);
    }

    #[test]
    fn both_versions_name_the_client() {
        check(
            b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 80\r\n",
            Some("192.0.2.7"),
        );
        check(
            b"PROXY TCP6 2001:db8::7 ::1 12345 80\r\n",
            Some("2001:db8::7"),
        );
        check(b"PROXY UNKNOWN\r\n", None);
        check(
            b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            None,
        );
        check(&v2_header(1, 0x11, &v4_payload()), Some("192.0.2.7"));
        let ssl = [v4_payload(), vec![0x20, 0, 3, 1, 2, 3]].concat();
        check(&v2_header(1, 0x11, &ssl), Some("192.0.2.7"));
        let mut v6 = [0; 36];
        v6[15] = 9;
        check(&v2_header(1, 0x21, &v6), Some("::9"));
        check(&v2_header(1, 0x31, &[b'a'; 216]), None);
        check(&v2_header(1, 0, &[]), None);
        // LOCAL: the proxy asks for itself.
        check(&v2_header(0, 0, &[]), None);
        check(&v2_header(0, 0x11, &v4_payload()), None);
    }

    #[test]
    fn nothing_else_is_a_header() {
        let long = format!("PROXY UNKNOWN {}\r\n", "a".repeat(100));
        let too_long = v2_header(1, 0x11, &[0; MAX_V2_BYTES]);
        let mut other_version = v2_header(1, 0x11, &v4_payload());
        other_version[12] = 0x11;
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"proxy TCP4 192.0.2.7 198.51.100.1 12345 80\r\n",
            b"PROXY\r\n",
            b"PROXY TCP4 192.0.2.7\r\n",
            b"PROXY TCP4 192.0.2.256 198.51.100.1 12345 80\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 12345 80\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 123456 80\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 80\n",
            b"PROXY TCP4  192.0.2.7 198.51.100.1 12345 80\r\n",
            b"PROXY UDP4 192.0.2.7 198.51.100.1 12345 80\r\n",
            b"PROXY \xff\r\n",
            long.as_bytes(),
            &too_long[..MAX_V2_BYTES],
            &other_version,
            &v2_header(2, 0x11, &v4_payload()),
            &v2_header(1, 0x12, &v4_payload()),
            &v2_header(1, 0x41, &v4_payload()),
            &v2_header(1, 0x11, &[1, 2, 3]),
        ] {
            assert_eq!(opening(bytes), Opening::Malformed, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_read_past(bytes in proptest::collection::vec(0..=255_u8, 0..300)) {
            if let Opening::Header { used, .. } = opening(&bytes) {
                proptest::prop_assert!(used <= bytes.len());
            }
        }
    }
}
