//! What a message is called for good. A message's number means something within one session only; its UIDL is meant to last (RFC 1939
//! section 7). The three kinds of ids share none: no UIDL as it is written here has a space.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Octets of a UIDL as it is written here; a longer one is replaced by its hash. The contract takes ids of 512 octets.
const UIDL_OCTETS: usize = 400;

/// What ids made of octets begin with: no UIDL as it is written here has a space.
const OF_OCTETS: &str = "octets ";

/// A hash of a message's octets.
pub type Fingerprint = [u8; 32];

/// The id of a message with this UIDL, which is not empty. A server's own octets where they are as RFC 1939 section 7 has them; other octets,
/// and `%`, are written as `%XX`, so that two UIDLs never become one.
#[must_use]
pub fn from_uidl(uidl: &[u8]) -> String {
    let mut id = String::with_capacity(uidl.len());
    for &octet in uidl {
        if octet.is_ascii_graphic() && octet != b'%' {
            id.push(char::from(octet));
        } else {
            let _ = write!(id, "%{octet:02X}");
        }
        if id.len() > UIDL_OCTETS {
            return format!("uidl {}", hex(&Sha256::digest(uidl).into()));
        }
    }
    id
}

/// The id of a message without a UIDL of its own, by its octets; `copy` counts the messages with the very same ones, from 1.
#[must_use]
pub fn from_fingerprint(fingerprint: &Fingerprint, copy: usize) -> String {
    if copy > 1 { format!("{OF_OCTETS}{} {copy}", hex(fingerprint)) } else { format!("{OF_OCTETS}{}", hex(fingerprint)) }
}

/// Whether an id is made of a message's octets.
#[must_use]
pub fn is_of_octets(id: &str) -> bool {
    id.starts_with(OF_OCTETS)
}

/// A digest over ids, whatever their order in the listing: `ids` ascend.
#[must_use]
pub fn digest<'a>(ids: impl Iterator<Item = &'a str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id);
        // No id has one.
        hash.update(b"\n");
    }
    hash.finalize().into()
}

fn hex(octets: &[u8; 32]) -> String {
    octets.iter().fold(String::with_capacity(64), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_the_servers_where_they_can_be() {
        assert_eq!(from_uidl(b"whqtswO00WBw418f9t5JxYwZ"), "whqtswO00WBw418f9t5JxYwZ");
        assert_eq!(from_uidl(b"a b\xff%"), "a%20b%FF%25");
        assert!(from_uidl(&[b'x'; 400]).starts_with("xxx"));
        let long = from_uidl(&[b'x'; 401]);
        assert!(long.starts_with("uidl ") && long.len() == 69, "{long}");
        assert_eq!(from_fingerprint(&[0; 32], 1).len(), 71);
        assert!(from_fingerprint(&[0; 32], 2).ends_with(" 2"));
    }

    proptest! {
        #[test]
        fn two_uidls_never_become_one(uidls in proptest::collection::btree_set(proptest::collection::vec(prop_oneof![Just(b'%'), Just(b'2'), Just(b'5'), any::<u8>()], 1..500), 2..8)) {
            let mut ids = BTreeMap::new();
            for uidl in uidls {
                let id = from_uidl(&uidl);
                prop_assert!(!id.is_empty() && id.len() <= 512);
                let former = ids.insert(id, uidl);
                prop_assert_eq!(former, None);
            }
        }
    }
}
