//! `inet` and `cidr`: addresses of hosts and networks.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// An address and the length of its network's prefix, written as PostgreSQL writes `inet`:
/// without the prefix where it is the whole address, and IPv6 shortened.
///
/// # Examples
/// ```
/// use snapshot_format::Network;
/// let network = Network::parse("2001:DB8:0::1/128").expect("an address");
/// assert_eq!(network.to_string(), "2001:db8::1");
/// assert_eq!(network.with_prefix(), "2001:db8::1/128");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// The address, of version 4 or 6.
    pub address: IpAddr,
    /// How many of its bits name the network; at most 32 and 128.
    pub prefix: u8,
}

impl Network {
    /// Reads an address, with its prefix or without. `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = bits_of(address);
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= most)?
            }
            Some(_) => return None,
            None => most,
        };
        Some(Self { address, prefix })
    }

    /// Whether no bit behind the prefix is set, as `cidr` wants it.
    pub fn is_network(&self) -> bool {
        let (address, most) = match self.address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        address.trailing_zeros() >= most - u32::from(self.prefix)
    }

    /// As PostgreSQL writes `cidr`: always with the prefix.
    pub fn with_prefix(&self) -> String {
        format!("{}/{}", Self::host(self.address), self.prefix)
    }

    fn host(address: IpAddr) -> String {
        match address {
            // Of the old form `::1.2.3.4`, which the standard library does not write.
            IpAddr::V6(address) if is_compatible(address) => {
                let [.., a, b, c, d] = address.octets();
                format!("::{a}.{b}.{c}.{d}")
            }
            address => address.to_string(),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits_of(self.address) {
            f.write_str(&Self::host(self.address))
        } else {
            f.write_str(&self.with_prefix())
        }
    }
}

fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

// Six groups of zeros and one that is none. Source: PostgreSQL's src/port/inet_net_ntop.c.
fn is_compatible(address: Ipv6Addr) -> bool {
    let [first @ .., seventh, _] = address.segments();
    first.iter().all(|group| *group == 0) && seventh != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_postgresql_writes_it() {
        for (text, inet, cidr) in [
            ("10.0.0.1", "10.0.0.1", "10.0.0.1/32"),
            ("10.0.0.1/32", "10.0.0.1", "10.0.0.1/32"),
            ("10.1.0.0/16", "10.1.0.0/16", "10.1.0.0/16"),
            ("0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0"),
            ("::", "::", "::/128"),
            ("::1", "::1", "::1/128"),
            ("::/0", "::/0", "::/0"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", "2001:db8::1/128"),
            (
                "2001:db8:0:1:0:0:0:1/64",
                "2001:db8:0:1::1/64",
                "2001:db8:0:1::1/64",
            ),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7/128"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4", "::ffff:1.2.3.4/128"),
            ("::1.2.3.4", "::1.2.3.4", "::1.2.3.4/128"),
            ("::1:0", "::0.1.0.0", "::0.1.0.0/128"),
        ] {
            let network = Network::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(network.to_string(), inet, "{text}");
            assert_eq!(network.with_prefix(), cidr, "{text}");
            assert_eq!(Network::parse(inet), Some(network), "{text}");
            assert_eq!(Network::parse(cidr), Some(network), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "/",
            "10.0.0",
            "10.0.0.256",
            "10.0.0.1/33",
            "10.0.0.1/+1",
            "10.0.0.1/",
            "::1/129",
            "fe80::1%eth0",
            "1::2::3",
            " ::1",
            "010.0.0.1",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_has_no_bits_behind_its_prefix() {
        let is_network = |text: &str| Network::parse(text).expect("an address").is_network();
        for text in [
            "10.1.0.0/16",
            "10.0.0.1",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::/0",
            "::1",
        ] {
            assert!(is_network(text), "{text}");
        }
        for text in ["10.1.0.1/16", "128.0.0.0/0", "2001:db8::1/127", "::1/0"] {
            assert!(!is_network(text), "{text}");
        }
    }
}
