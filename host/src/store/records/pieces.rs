//! Values that are too long for one entry of the tree, in pieces.
//!
//! What does not fit a quarter of a segment of its log, sled puts into a file of its own, a single long value like a leaf of many
//! middling ones, and syncs it never. After a power cut such a file is missing or torn while the log that names it is whole, and
//! recovery skips what it cannot read: half of a batch, or a leaf as it was long ago. So no leaf may come to that size: sixteen
//! entries, twenty while leaves are merged, of at most [`PIECE_OCTETS`] each.
//!
//! The entry of a long value is a mark, how many pieces follow, and the first of them. The others stand under the value's nonce,
//! which no other value has: who reads while the value is replaced misses a piece, and looks again.

use super::Records;
use crate::store::error::Error;
use crate::store::layout;
use crate::store::seal;
use crate::store::set_hash::SetHash;

/// Octets of a value in one entry. Tests have smaller segments.
pub(super) const PIECE_OCTETS: usize = if cfg!(test) { 2 << 10 } else { 4 << 10 };

/// First octet of the entry of a value in pieces; a whole sealed value begins with another.
const MARK: u8 = 0;

/// The mark and the number of further pieces.
const HEAD_OCTETS: usize = 3;

/// How often a value is looked at that is replaced while it is read.
const LOOKS: u32 = 64;

/// The entry of a value in pieces.
struct Head<'a> {
    further: u16,
    first: &'a [u8],
}

impl<'a> Head<'a> {
    fn of(entry: &'a [u8]) -> Option<Self> {
        let (head, first) = entry.split_at_checked(HEAD_OCTETS)?;
        match *head {
            [MARK, high, low] => Some(Self { further: u16::from_be_bytes([high, low]), first }),
            _ => None,
        }
    }

    /// The keys of its further pieces.
    fn keys(&self) -> impl Iterator<Item = Vec<u8>> + use<> {
        let nonce = seal::nonce_of(self.first).to_vec();
        (1..=self.further).map(move |number| layout::piece(&nonce, number))
    }
}

/// The nonce of the sealed value that has this entry.
pub(super) fn nonce_of(entry: &[u8]) -> &[u8] {
    seal::nonce_of(Head::of(entry).map_or(entry, |head| head.first))
}

impl Records {
    /// Put a sealed value into `batch`, in place of the one that is there, which is taken out of `set_hash`.
    pub(super) fn put_sealed(&self, batch: &mut sled::Batch, key: Vec<u8>, sealed: Vec<u8>, set_hash: &mut SetHash) -> Result<(), Error> {
        self.take_out(batch, &key, set_hash)?;
        if sealed.len() <= PIECE_OCTETS {
            batch.insert(key, sealed);
            return Ok(());
        }
        let too_long = |_| Error::TooLarge { what: "a record", limit: PIECE_OCTETS as u64 * u64::from(u16::MAX) };
        let mut pieces = sealed.chunks(PIECE_OCTETS);
        let first = pieces.next().unwrap_or_default();
        let further = u16::try_from(pieces.len()).map_err(too_long)?;
        let head = Head { further, first };
        for (key, piece) in head.keys().zip(pieces) {
            batch.insert(key, piece);
        }
        batch.insert(key, [&[MARK], &further.to_be_bytes()[..], first].concat());
        Ok(())
    }

    /// Take the sealed value under `key`, if there is one, out of `set_hash`, and remove its further pieces.
    pub(super) fn take_out(&self, batch: &mut sled::Batch, key: &[u8], set_hash: &mut SetHash) -> Result<(), Error> {
        let Some(entry) = self.tree.get(key).map_err(|error| self.error("read", error))? else { return Ok(()) };
        set_hash.toggle(self.index(), key, nonce_of(&entry));
        if let Some(head) = Head::of(&entry) {
            head.keys().for_each(|key| batch.remove(key));
        }
        Ok(())
    }

    /// The whole value that has this entry under `key`; none: it was removed meanwhile. Where a piece is missing for good, what
    /// is before it, which then does not open.
    pub(super) fn whole(&self, key: &[u8], entry: &sled::IVec) -> Result<Option<Vec<u8>>, Error> {
        let mut entry = entry.clone();
        for _ in 0..LOOKS {
            let Some(head) = Head::of(&entry) else { return Ok(Some(entry.to_vec())) };
            let mut value = head.first.to_vec();
            let mut is_whole = true;
            for key in head.keys() {
                match self.tree.get(key).map_err(|error| self.error("read", error))? {
                    Some(piece) => value.extend_from_slice(&piece),
                    None => {
                        is_whole = false;
                        break;
                    }
                }
            }
            if is_whole {
                return Ok(Some(value));
            }
            match self.tree.get(key).map_err(|error| self.error("read", error))? {
                None => return Ok(None),
                Some(again) if again == entry => return Ok(Some(value)),
                Some(again) => entry = again,
            }
        }
        let source = super::RecordsError::Other("it is replaced faster than it can be read".to_owned());
        Err(Error::Records { operation: "read", path: self.path.clone(), source })
    }

    /// Pieces of values that are there no more: their keys.
    pub(in crate::store) fn surplus_pieces(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut wanted = std::collections::HashSet::new();
        let mut found = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry.map_err(|error| self.error("read", error))?;
            if layout::is_piece(&key) {
                found.push(key.to_vec());
            } else if super::is_sealed(&key)
                && let Some(head) = Head::of(&value)
            {
                wanted.extend(head.keys());
            }
        }
        found.retain(|key| !wanted.contains(key));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::barrier;
    use super::*;
    use crate::store::keyring::Keyring;
    use crate::store::keys::KeySource;
    use crate::store::layout::kind;

    fn records(folder: &std::path::Path) -> Records {
        std::fs::create_dir(folder.join("store")).unwrap();
        let keyring = Keyring::make(&folder.join("store"), &KeySource::File(folder.join("master.key"))).unwrap();
        Records::open(&folder.join("store/records"), Arc::new(keyring), true).unwrap()
    }

    fn document(number: u8) -> Vec<u8> {
        vec![kind::DOCUMENT, number]
    }

    fn put(records: &Records, number: u8, value: Option<&[u8]>) {
        records.apply([(document(number), value.map(<[u8]>::to_vec))]).unwrap();
    }

    proptest::proptest! {
        /// Values of every length put, replaced and removed: each reads as it was put last, and no piece is left of the others.
        #[test]
        fn values_of_any_length(acts in proptest::collection::vec((0..4_u8, proptest::option::of(0..9 * PIECE_OCTETS)), 1..30)) {
            let folder = tempfile::tempdir().unwrap();
            let records = records(folder.path());
            let mut expected: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            for (at, (number, length)) in (0_u8..).zip(acts) {
                let value = length.map(|length| vec![at; length]);
                put(&records, number, value.as_deref());
                match value {
                    Some(value) => drop(expected.insert(document(number), value)),
                    None => drop(expected.remove(&document(number))),
                }
                let scanned: BTreeMap<_, _> = records.scan(&[], &[]).map(|raw| {
                    let (key, value) = raw.unwrap();
                    let value = records.open_value(&key, &value).unwrap();
                    (key, value)
                }).collect();
                proptest::prop_assert_eq!(&scanned, &expected);
                let back = records.scan_back(&[kind::DOCUMENT], None).count();
                proptest::prop_assert_eq!(back, expected.len());
                for (key, value) in &expected {
                    proptest::prop_assert_eq!(&records.get(key).unwrap().unwrap(), value);
                }
            }
            proptest::prop_assert_eq!(records.surplus_pieces().unwrap(), Vec::<Vec<u8>>::new());
            let files = std::fs::read_dir(folder.path().join("store/records/blobs")).unwrap().count();
            proptest::prop_assert_eq!(files, 0);
        }
    }

    #[test]
    fn who_reads_while_it_is_replaced_sees_one_value_or_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        put(&records, 1, Some(&[0; 9 * PIECE_OCTETS]));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for at in 1..200_u8 {
                    put(&records, 1, Some(&vec![at; (usize::from(at) % 10) * PIECE_OCTETS]));
                }
                is_over.store(true, Ordering::Relaxed);
            });
            while !is_over.load(Ordering::Relaxed) {
                let value = records.get(&document(1)).unwrap().unwrap();
                assert!(value.iter().all(|octet| *octet == value[0]));
            }
        });
    }

    #[test]
    fn a_missing_piece_is_damage_and_one_too_many_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        put(&records, 1, Some(&[7; 3 * PIECE_OCTETS]));
        let nonce = seal::nonce_of(&records.raw(&document(1)).unwrap().unwrap()).to_vec();
        records.tamper(vec![(layout::piece(&nonce, 2), None), (layout::piece(&nonce, 9), Some(vec![1]))]);
        assert!(matches!(records.get(&document(1)), Err(Error::Damaged { .. })));
        assert_eq!(records.surplus_pieces().unwrap(), [layout::piece(&nonce, 9)]);
        put(&records, 1, None);
        assert_eq!(records.surplus_pieces().unwrap(), [layout::piece(&nonce, 9)], "what is left of it goes with it");
    }

    #[test]
    fn what_sled_takes_for_durable_was_synced() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        put(&records, 1, Some(b"x"));
        let before = barrier::ASKED.load(Ordering::Relaxed);
        records.sync().unwrap();
        assert!(barrier::ASKED.load(Ordering::Relaxed) > before, "sled has called the C library's function");
    }
}
