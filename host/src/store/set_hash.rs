//! A hash of all sealed records at once (MSet-XOR-Hash: Clarke, Devadas, van Dijk, Gassend and Suh, 2003). Each seal holds by itself; what
//! it cannot show is that an earlier record was put back in the place of a later one. The hash stands in the sealed head, which
//! every commit writes, and that changes with each record; a commit needs only the records that it changes.

use serde::{Deserialize, Serialize};

use super::seal::IndexKey;

/// The exclusive or of the keyed hashes of all records but the head. Without the key, no other set with the same hash can be looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SetHash([u8; 32]);

impl SetHash {
    /// Put in the record under `key` whose seal has `nonce`, or take it out: that is the same. No two seals have one nonce.
    pub(super) fn toggle(&mut self, index: &IndexKey, key: &[u8], nonce: &[u8]) {
        for (octet, other) in self.0.iter_mut().zip(index.hash("record", &[key, nonce])) {
            *octet ^= other;
        }
    }

    /// Put in, or take out, all that is in `other`.
    pub(super) fn toggle_all(&mut self, other: Self) {
        for (octet, other) in self.0.iter_mut().zip(other.0) {
            *octet ^= other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::seal::tests::sealer;

    #[test]
    fn it_knows_each_record_and_no_order() {
        let sealer = sealer();
        let of = |records: &[(&[u8], &[u8])]| {
            let mut hash = SetHash::default();
            records.iter().for_each(|(key, nonce)| hash.toggle(sealer.index(), key, nonce));
            hash
        };
        let all = of(&[(b"a", b"1"), (b"b", b"2")]);
        assert_eq!(all, of(&[(b"b", b"2"), (b"a", b"1")]));
        for other in [of(&[]), of(&[(b"a", b"1")]), of(&[(b"a", b"2"), (b"b", b"1")]), of(&[(b"a1", b""), (b"b", b"2")])] {
            assert_ne!(all, other);
        }
        let mut again = of(&[(b"a", b"1")]);
        again.toggle_all(of(&[(b"b", b"2")]));
        assert_eq!(again, all);
    }
}
