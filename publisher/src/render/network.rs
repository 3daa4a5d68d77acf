//! `inet` and `cidr` in PostgreSQL's binary format.

use std::net::IpAddr;

use snapshot_format::{Network, canonical};

use super::error::{ValueError, binary};

/// Appends an `inet` as JSON.
pub(super) fn write_inet(value: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let (network, _) = read(value)?;
    canonical::write_string(&network.to_string(), out);
    Ok(())
}

/// Appends a `cidr` as JSON.
pub(super) fn write_cidr(value: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    match read(value)? {
        (network, true) if network.is_network() => {
            canonical::write_string(&network.with_prefix(), out);
            Ok(())
        }
        _ => binary("a cidr that is no network"),
    }
}

// Family, length of the prefix, whether it is a cidr, length of the address, the address.
// Source: PostgreSQL's src/backend/utils/adt/network.c, network_send.
fn read(value: &[u8]) -> Result<(Network, bool), ValueError> {
    let (&[family, prefix, is_cidr @ (0 | 1), length, ref address @ ..], most) = (match value {
        [2, ..] => (value, 32),
        [3, ..] => (value, 128),
        _ => return binary("an address of a family that is neither IPv4 nor IPv6"),
    }) else {
        return binary(format!("an address of {} bytes", value.len()));
    };
    let _ = family;
    let address = match (<[u8; 4]>::try_from(address), <[u8; 16]>::try_from(address)) {
        (Ok(v4), _) if most == 32 => IpAddr::from(v4),
        (_, Ok(v6)) if most == 128 => IpAddr::from(v6),
        _ => return binary(format!("an address of {} bytes", value.len())),
    };
    if usize::from(length) * 8 != most || usize::from(prefix) > most {
        return binary(format!("an address with a prefix of {prefix} bits"));
    }
    Ok((Network { address, prefix }, is_cidr == 1))
}
