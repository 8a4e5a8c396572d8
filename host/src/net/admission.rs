//! Which addresses a name may lead to: public ones always, those of this machine and of private networks only where the account
//! names them (server-side request forgery, DNS rebinding). Pure functions over names and addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fault::{Fault, Kind};
use crate::model::network::Network;

/// The ends of names that only private networks resolve: RFC 6762 section 3 and appendix G, RFC 8375, RFC 6761 and ICANN's `internal`.
const PRIVATE_ENDS: &[&str] = &["local", "internal", "intranet", "private", "corp", "home", "lan", "test", "home.arpa"];

/// What kind of place an address is (the special-purpose registries of IANA, RFC 6890).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Reached from everywhere.
    Public,
    /// This machine.
    Loopback,
    /// RFC 1918, RFC 4193, RFC 6598, and what else is only reached from near.
    Private,
    /// RFC 3927 and RFC 4291 section 2.5.6: the link, where clouds keep their metadata services.
    Link,
    /// No server's address: unspecified, multicast, broadcast, reserved.
    None,
}

/// A host that is to be dialled, and what the account says about where it may be.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'a> {
    /// Its name or address.
    pub host: &'a str,
    /// Whether the operator wrote it; a connector's manifest, a redirect or a server's answer may say nothing about near places.
    pub is_operators: bool,
    /// Near places that the operator named for this account.
    pub networks: &'a [Network],
}

/// Why an address is not dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NotAdmitted {
    /// The address; none: a name of a near place that somebody else would resolve.
    pub address: Option<IpAddr>,
    place: Place,
}

impl Place {
    /// Of `address`; one that carries another (mapped, NAT64, 6to4) is where that one is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => carried(address).map_or_else(|| Self::of_v6(address), Self::of_v4),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::Link,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18 | 19, ..] => Self::Private,
            // RFC 1122 section 3.2.1.3; the system takes 0.0.0.0 for itself.
            [0 | 224..=255, ..] => Self::None,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let [first, ..] = address.segments();
        match first {
            _ if address.is_unspecified() => Self::None,
            _ if address.is_loopback() => Self::Loopback,
            0xfe80..=0xfebf => Self::Link,
            // RFC 4193, and RFC 3879's site-local addresses, which are out of use.
            0xfc00..=0xfdff | 0xfec0..=0xfeff => Self::Private,
            0xff00..=0xffff => Self::None,
            _ => Self::Public,
        }
    }
}

/// The IPv4 address inside of `64:ff9b::/96` (RFC 6052), `64:ff9b:1::/48` in its usual form (RFC 8215), `2002::/16` (RFC 3056) and
/// `::/96` (RFC 4291 section 2.5.5.1).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] | [0x2002, high, low, ..] => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        _ => None,
    }
}

impl Admission<'_> {
    /// # Errors
    /// `address` is no public one, and the account does not name it.
    pub fn admit(&self, address: IpAddr) -> Result<(), NotAdmitted> {
        let place = Place::of(address);
        let is_admitted = match place {
            Place::Public => true,
            Place::None => false,
            Place::Loopback | Place::Private | Place::Link => self.names(address, place) || self.lists(address),
        };
        if is_admitted { Ok(()) } else { Err(NotAdmitted { address: Some(address), place }) }
    }

    /// Whether the host's name may be handed to a proxy that resolves it; what it leads to there is the proxy's matter, but a name of a
    /// near place has to be the operator's.
    ///
    /// # Errors
    /// It is not.
    pub fn admit_name(&self) -> Result<(), NotAdmitted> {
        match () {
            () if self.is_operators => Ok(()),
            () if is_loopback_name(self.host) => Err(NotAdmitted { address: None, place: Place::Loopback }),
            () if is_private_name(self.host) => Err(NotAdmitted { address: None, place: Place::Private }),
            () => Ok(()),
        }
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Whether the operator's own words say so: the address itself, `localhost` (RFC 6761 section 6.3), or a name that only a
    /// private network can resolve.
    fn names(&self, address: IpAddr, place: Place) -> bool {
        if !self.is_operators {
            return false;
        }
        if let Ok(named) = self.host.parse::<IpAddr>() {
            return named.to_canonical() == address.to_canonical();
        }
        match place {
            Place::Loopback => is_loopback_name(self.host) || is_private_name(self.host),
            Place::Private => is_private_name(self.host),
            Place::Link | Place::Public | Place::None => false,
        }
    }
}

fn is_loopback_name(host: &str) -> bool {
    ends_with(host, "localhost")
}

/// One word, or an end that is not in the public DNS.
fn is_private_name(host: &str) -> bool {
    let bare = host.strip_suffix('.').unwrap_or(host);
    let is_word = !bare.contains('.') && bare.parse::<IpAddr>().is_err();
    !is_loopback_name(host) && (is_word || PRIVATE_ENDS.iter().any(|end| ends_with(host, end)))
}

fn ends_with(host: &str, end: &str) -> bool {
    let bare = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    bare.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl NotAdmitted {
    /// For people, as the failure of `operation`, with the option that would admit it.
    #[must_use]
    pub fn into_fault(self, operation: impl Into<String>) -> Fault {
        let fault = Fault::new(Kind::RefusedByHost, operation).because(&self);
        match (self.place, self.address) {
            (Place::None, _) => fault.with_remedy("ask whoever looks after the name: no server has this address"),
            (_, Some(address)) => fault.with_remedy(format!(
                "if that is where the server is meant to be: `postrider account edit NAME --network {address}`, or the whole network as in `10.0.0.0/8`"
            )),
            (_, None) => fault.with_remedy("only the operator may name such a place: as the account's server, or with `--origin`"),
        }
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Loopback => "this machine itself",
            Place::Private => "a private network",
            Place::Link => "the local link, where clouds keep their metadata",
            Place::None | Place::Public => "no address of a server",
        };
        match self.address {
            Some(address) if self.place == Place::None => write!(f, "the name leads to {address}, which is {place}"),
            Some(address) => write!(f, "the name leads to {address}, which is {place}, and the account does not say so"),
            None => write!(f, "the name is one of {place}, and the account does not name it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &[&str] = &["8.8.8.8", "2001:4860:4860::8888", "172.32.0.1", "100.128.0.1", "64:ff9b::808:808", "2002:808:808::1"];
    const LOOPBACK: &[&str] = &["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1", "::127.0.0.1"];
    const PRIVATE: &[&str] =
        &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "fd00::1", "fc00::1", "::ffff:10.0.0.1"];
    const LINK: &[&str] = &["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe"];
    const NONE: &[&str] = &["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "240.0.0.1", "::ffff:0.0.0.0"];

    fn admits(host: &str, is_operators: bool, networks: &[Network], address: &str) -> bool {
        Admission { host, is_operators, networks }.admit(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn every_address_has_its_place() {
        for (place, addresses) in
            [(Place::Public, PUBLIC), (Place::Loopback, LOOPBACK), (Place::Private, PRIVATE), (Place::Link, LINK), (Place::None, NONE)]
        {
            for address in addresses {
                assert_eq!(Place::of(address.parse().unwrap()), place, "{address}");
            }
        }
    }

    /// Rows: what is dialled, and whether the operator named it. Columns: public, loopback, private, link, none.
    #[test]
    fn near_places_are_for_whom_the_account_names_them() {
        for (host, is_operators, admitted) in [
            ("mail.example.com", true, [true, false, false, false, false]),
            ("mail.example.com", false, [true, false, false, false, false]),
            ("localhost", true, [true, true, false, false, false]),
            ("imap.LOCALHOST.", true, [true, true, false, false, false]),
            ("localhost", false, [true, false, false, false, false]),
            ("notlocalhost.example", true, [true, false, false, false, false]),
            ("mailhost", true, [true, true, true, false, false]),
            ("mailhost", false, [true, false, false, false, false]),
            ("mail.corp", true, [true, true, true, false, false]),
            ("mail.default.svc.cluster.local.", true, [true, true, true, false, false]),
            ("mail.home.arpa", true, [true, true, true, false, false]),
            ("metadata.google.internal", true, [true, true, true, false, false]),
            ("xlocal.example", true, [true, false, false, false, false]),
        ] {
            for (addresses, admitted) in [PUBLIC, LOOPBACK, PRIVATE, LINK, NONE].into_iter().zip(admitted) {
                for address in addresses {
                    assert_eq!(admits(host, is_operators, &[], address), admitted, "{host} {is_operators} {address}");
                }
            }
        }
        for address in LOOPBACK.iter().chain(PRIVATE).chain(LINK) {
            assert!(admits(address, true, &[], address), "{address}");
            assert!(!admits(address, false, &[], address), "{address} from a manifest");
            assert!(!admits("10.99.99.99", true, &[], address), "{address} for another");
            let itself = [address.parse().unwrap()];
            assert!(admits("mail.example.com", true, &itself, address) && admits("api.example.com", false, &itself, address), "{address}");
        }
        for address in NONE {
            assert!(!admits(address, true, &["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()], address), "{address}");
        }
    }

    #[test]
    fn a_proxy_gets_names_of_near_places_from_the_operator_only() {
        for (host, others) in [("mail.example.com", true), ("localhost", false), ("intranet", false), ("wiki.corp", false)] {
            assert!(Admission { host, is_operators: true, networks: &[] }.admit_name().is_ok(), "{host}");
            assert_eq!(Admission { host, is_operators: false, networks: &[] }.admit_name().is_ok(), others, "{host}");
        }
    }

    #[test]
    fn a_refusal_names_the_address_and_the_way_out() {
        let admission = Admission { host: "mail.example.com", is_operators: true, networks: &[] };
        let words = |address: &str| {
            let fault = admission.admit(address.parse().unwrap()).unwrap_err().into_fault("resolve mail.example.com");
            assert_eq!(fault.kind, Kind::RefusedByHost);
            format!("{}: {}", fault.causes().next().unwrap(), fault.remedy.as_deref().unwrap())
        };
        insta::assert_snapshot!(words("10.1.2.3"), @r"the name leads to 10.1.2.3, which is a private network, and the account does not say so: if that is where the server is meant to be: `postrider account edit NAME --network 10.1.2.3`, or the whole network as in `10.0.0.0/8`");
        insta::assert_snapshot!(words("169.254.169.254"), @r"the name leads to 169.254.169.254, which is the local link, where clouds keep their metadata, and the account does not say so: if that is where the server is meant to be: `postrider account edit NAME --network 169.254.169.254`, or the whole network as in `10.0.0.0/8`");
        insta::assert_snapshot!(words("0.0.0.0"), @r"the name leads to 0.0.0.0, which is no address of a server: ask whoever looks after the name: no server has this address");
    }
}
