//! Networks of IP addresses, as operators write them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address and how many of its leading bits count (RFC 4632), as "10.0.0.0/8"; without a number, this address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// What is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network: an address, or one with the number of leading bits as in `10.0.0.0/8`")]
pub struct NetworkError(String);

impl Network {
    /// Whether `address` is in it; an IPv4 address in IPv6 (RFC 4291 section 2.5.5.2) counts as what it maps.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32, self.bits),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128, self.bits),
            _ => false,
        }
    }
}

/// Whether two addresses of `width` bits begin with the same `bits`.
fn same(one: u128, other: u128, width: u32, bits: u8) -> bool {
    (one ^ other).checked_shr(width.saturating_sub(bits.into())).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(given: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(given.chars().filter(|c| !c.is_control()).take(64).collect());
        let (address, bits) = given.split_once('/').map_or((given, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > width { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(given: String) -> Result<Self, NetworkError> {
        given.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        if self.bits == width { self.address.fmt(f) } else { write!(f, "{}/{}", self.address, self.bits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_begins_alike() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("192.168.4.0/23", "192.168.5.255", "192.168.6.0"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "fd00::1", "10.0.0.1"),
            ("fd12:3456::/32", "fd12:3456:789a::1", "fd12:3457::1"),
            ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()) && !network.contains(outside.parse().unwrap()), "{network}");
            assert_eq!(network.to_string().parse::<Network>().unwrap(), network);
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "x"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
