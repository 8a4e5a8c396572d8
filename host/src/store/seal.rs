//! What seals records and bodies, and the keyed hashes that stand in keys instead of readable text.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::error::Error;
use super::xchacha::{self, NONCE_OCTETS, TAG_OCTETS};

/// The first octet of a sealed record: how the rest is laid out.
const SEAL_FORMAT: u8 = 1;
const HEADER_OCTETS: usize = 1 + 4 + NONCE_OCTETS;

/// The finding about something that was sealed with a data key of another keyring, or of a newer or older one.
pub(super) const NO_SUCH_EPOCH: &str = "it was sealed with a data key that is not in the keyring";

/// A 32-octet key in memory, wiped when dropped.
pub(super) type KeyOctets = Zeroizing<[u8; 32]>;

/// The data keys by epoch, and the index key.
pub(super) struct Sealer {
    current: u32,
    epochs: BTreeMap<u32, Arc<EpochKeys>>,
    index: IndexKey,
}

struct EpochKeys {
    records: KeyOctets,
    bodies: KeyOctets,
    /// A clone for every body that is being sealed, or was and is not committed.
    writers: Writing,
}

/// Held while a body that was sealed under some epoch may still be committed.
#[derive(Clone, Default)]
pub(super) struct Writing(Arc<()>);

/// The key of the hashes in keys. It does not rotate with the data keys: rotating it means to rebuild every index.
#[derive(Clone)]
pub(super) struct IndexKey {
    names: KeyOctets,
    bodies: KeyOctets,
}

impl Sealer {
    /// Over unwrapped keys; `current` is the epoch that seals what is written now.
    pub(super) fn new(current: u32, epochs: &BTreeMap<u32, KeyOctets>, index: &KeyOctets) -> Self {
        let epochs = epochs.iter().map(|(epoch, key)| (*epoch, Arc::new(EpochKeys::new(key)))).collect();
        Self { current, epochs, index: IndexKey::new(index) }
    }

    /// This one with a further epoch, which seals what is written from now on.
    pub(super) fn with_epoch(&self, epoch: u32, key: &KeyOctets) -> Self {
        let mut epochs = self.epochs.clone();
        epochs.insert(epoch, Arc::new(EpochKeys::new(key)));
        Self { current: epoch, epochs, index: self.index.clone() }
    }

    /// This one without all epochs but the current one.
    pub(super) fn current_only(&self) -> Self {
        let epochs = self.epochs.iter().filter(|(epoch, _)| **epoch == self.current).map(|(epoch, keys)| (*epoch, Arc::clone(keys)));
        Self { current: self.current, epochs: epochs.collect(), index: self.index.clone() }
    }

    /// To be held by who seals a body now, until it is committed or given up.
    pub(super) fn writing(&self) -> Writing {
        self.epochs.get(&self.current).map(|keys| keys.writers.clone()).unwrap_or_default()
    }

    /// Bodies that were sealed under an earlier epoch than the current one, and may still be committed.
    pub(super) fn late_writers(&self) -> usize {
        let earlier = self.epochs.iter().filter(|(epoch, _)| **epoch != self.current);
        earlier.map(|(_, keys)| Arc::strong_count(&keys.writers.0) - 1).sum()
    }

    /// The epoch that seals what is written now.
    pub(super) const fn epoch(&self) -> u32 {
        self.current
    }

    pub(super) const fn index(&self) -> &IndexKey {
        &self.index
    }

    /// The key of bodies sealed in `epoch`.
    pub(super) fn body_key(&self, epoch: u32) -> Option<&KeyOctets> {
        self.epochs.get(&epoch).map(|keys| &keys.bodies)
    }

    /// Whether a sealed record is of another epoch than the current one; damaged ones count as such.
    pub(super) fn is_late(&self, record: &[u8]) -> bool {
        !split_record(record).is_ok_and(|(epoch, ..)| epoch == self.current)
    }

    /// Seal the record that stands under `key`; it opens under no other.
    pub(super) fn seal_record(&self, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        let bug = Error::Bug { operation: "seal a record", finding: "the cipher refused" };
        let Some(keys) = self.epochs.get(&self.current) else { return Err(bug) };
        let mut nonce = [0; NONCE_OCTETS];
        getrandom::fill(&mut nonce).map_err(Error::Random)?;
        let mut sealed = Vec::with_capacity(plain.len() + TAG_OCTETS);
        sealed.extend_from_slice(plain);
        xchacha::seal(&keys.records, &nonce, &record_aad(self.current, key), &mut sealed).map_err(|_| bug)?;
        let mut record = Vec::with_capacity(HEADER_OCTETS + sealed.len());
        record.push(SEAL_FORMAT);
        record.extend_from_slice(&self.current.to_be_bytes());
        record.extend_from_slice(&nonce);
        record.extend_from_slice(&sealed);
        Ok(record)
    }

    /// Open the record that stands under `key`, or say what is wrong with it.
    pub(super) fn open_record(&self, key: &[u8], record: &[u8]) -> Result<Vec<u8>, &'static str> {
        let (epoch, nonce, sealed) = split_record(record)?;
        let keys = self.epochs.get(&epoch).ok_or(NO_SUCH_EPOCH)?;
        let mut plain = sealed.to_vec();
        xchacha::open(&keys.records, nonce, &record_aad(epoch, key), &mut plain)
            .map_err(|_| "its seal does not hold: it was changed, or moved from another key")?;
        Ok(plain)
    }
}

impl EpochKeys {
    fn new(key: &KeyOctets) -> Self {
        let (records, bodies) = (derived("postrider store 1 records", key), derived("postrider store 1 bodies", key));
        Self { records, bodies, writers: Writing::default() }
    }
}

impl IndexKey {
    /// Out of its octets in the keyring.
    pub(super) fn new(key: &KeyOctets) -> Self {
        Self { names: derived("postrider store 1 names", key), bodies: derived("postrider store 1 body hashes", key) }
    }

    /// The keyed hash of `parts` for one purpose; the same parts give another hash for another purpose.
    pub(super) fn hash(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.names);
        for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    /// The first 16 octets of [`hash`](Self::hash): 128 bits, against accidents and against who does not have the key.
    pub(super) fn short(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
        let [short @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.hash(purpose, parts);
        short
    }

    /// For the keyed hash of a body's octets, under a key of its own.
    pub(super) fn body_hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.bodies)
    }
}

/// Epoch, nonce and ciphertext of a sealed record.
pub(super) fn split_record(record: &[u8]) -> Result<(u32, &[u8; NONCE_OCTETS], &[u8]), &'static str> {
    let (format, rest) = record.split_first().ok_or("it is empty")?;
    if *format != SEAL_FORMAT {
        return Err("its first octet names no known way of sealing");
    }
    let (epoch, rest) = rest.split_first_chunk::<4>().ok_or("it is cut short")?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_OCTETS>().ok_or("it is cut short")?;
    if sealed.len() < TAG_OCTETS {
        return Err("it is cut short");
    }
    Ok((u32::from_be_bytes(*epoch), nonce, sealed))
}

/// The octets of a sealed record that no other has, whatever its condition.
pub(super) fn nonce_of(record: &[u8]) -> &[u8] {
    record.get(HEADER_OCTETS - NONCE_OCTETS..HEADER_OCTETS).unwrap_or_default()
}

/// A key of its own for each purpose.
pub(super) fn derived(context: &str, key: &KeyOctets) -> KeyOctets {
    Zeroizing::new(blake3::derive_key(context, key.as_slice()))
}

fn record_aad(epoch: u32, key: &[u8]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(24 + key.len());
    aad.extend_from_slice(b"postrider record");
    aad.push(SEAL_FORMAT);
    aad.extend_from_slice(&epoch.to_be_bytes());
    aad.extend_from_slice(key);
    aad
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::store) fn sealer() -> Sealer {
        let epochs = BTreeMap::from([(1, Zeroizing::new([1; 32])), (2, Zeroizing::new([2; 32]))]);
        Sealer::new(2, &epochs, &Zeroizing::new([3; 32]))
    }

    #[test]
    fn a_record_opens_under_its_own_key_only() {
        let sealer = sealer();
        let sealed = sealer.seal_record(b"key", b"correct horse").unwrap();
        assert_eq!(sealer.open_record(b"key", &sealed).unwrap(), b"correct horse");
        assert!(sealer.open_record(b"kez", &sealed).is_err());
        assert!(!sealed.windows(7).any(|window| window == b"correct"));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open_record(b"key", &changed).is_err(), "octet {at}");
            assert!(sealer.open_record(b"key", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn hashes_keep_purposes_and_parts_apart() {
        let sealer = sealer();
        let index = sealer.index();
        assert_ne!(index.hash("a", &[b"b", b"c"]), index.hash("a", &[b"bc"]));
        assert_ne!(index.hash("a", &[b"b"]), index.hash("b", &[b"b"]));
        assert_eq!(index.short("a", &[b"b"])[..], index.hash("a", &[b"b"])[..16]);
    }
}
