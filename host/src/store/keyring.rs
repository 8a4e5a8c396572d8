//! The file `keyring`: the data keys by epoch and the index key, wrapped with the master key.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{Error, KeyError};
use super::files;
use super::keys::MasterKey;
use super::seal::{KeyOctets, Sealer};
use super::xchacha;

/// The keyring in memory.
pub(super) struct Keyring {
    /// Random, made with the store.
    pub(super) store: [u8; 16],
    pub(super) sealer: Sealer,
}

/// As it stands in the file. Only `wrapped` is secret.
#[derive(Serialize, Deserialize)]
struct File {
    keyring: u32,
    store: String,
    master_key: String,
    nonce: String,
    wrapped: String,
}

/// What is wrapped: everything that must not be changed by who lacks the master key.
#[derive(Serialize, Deserialize)]
struct Wrapped {
    current: u32,
    epochs: BTreeMap<u32, [u8; 32]>,
    index: [u8; 32],
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.epochs.values_mut().for_each(Zeroize::zeroize);
        self.index.zeroize();
    }
}

impl Keyring {
    /// Read and unwrap the keyring; none: there is no such file.
    pub(super) fn read(path: &Path, master: &MasterKey) -> Result<Option<Self>, Error> {
        let Some(text) = files::read(path)? else { return Ok(None) };
        let damaged = || KeyError::Keyring(path.to_owned());
        let file: File = serde_json::from_slice(&text).map_err(|_| damaged())?;
        if file.master_key != master.fingerprint() {
            let source_name = master.source().to_owned();
            return Err(KeyError::Wrong { source_name, wanted: file.master_key, given: master.fingerprint() }.into());
        }
        let decode = |digits: &str| data_encoding::HEXLOWER.decode(digits.as_bytes()).map_err(|_| damaged());
        let store = <[u8; 16]>::try_from(decode(&file.store)?).map_err(|_| damaged())?;
        let nonce = <[u8; 24]>::try_from(decode(&file.nonce)?).map_err(|_| damaged())?;
        let mut plain = Zeroizing::new(decode(&file.wrapped)?);
        xchacha::open(&master.wrapping_key(), &nonce, &aad(&store), &mut plain).map_err(|_| damaged())?;
        let wrapped: Wrapped = postcard::from_bytes(&plain).map_err(|_| damaged())?;
        if !wrapped.epochs.contains_key(&wrapped.current) {
            return Err(damaged().into());
        }
        Ok(Some(Self { store, sealer: wrapped.sealer() }))
    }

    /// Make new keys, and the file; durable on return.
    pub(super) fn make(path: &Path, master: &MasterKey) -> Result<Self, Error> {
        let mut store = [0; 16];
        let mut wrapped = Wrapped { current: 1, epochs: BTreeMap::from([(1, [0; 32])]), index: [0; 32] };
        getrandom::fill(&mut store).map_err(Error::Random)?;
        getrandom::fill(&mut wrapped.index).map_err(Error::Random)?;
        for key in wrapped.epochs.values_mut() {
            getrandom::fill(key).map_err(Error::Random)?;
        }
        wrapped.write(path, &store, master)?;
        Ok(Self { store, sealer: wrapped.sealer() })
    }
}

impl Wrapped {
    fn sealer(&self) -> Sealer {
        let epochs = self.epochs.iter().map(|(epoch, key)| (*epoch, KeyOctets::new(*key))).collect();
        Sealer::new(self.current, &epochs, &KeyOctets::new(self.index))
    }

    fn write(&self, path: &Path, store: &[u8; 16], master: &MasterKey) -> Result<(), Error> {
        let bug = || Error::Bug { operation: "wrap the data keys", finding: "the cipher refused" };
        let mut sealed = Zeroizing::new(postcard::to_stdvec(self).map_err(|_| bug())?);
        let mut nonce = [0; xchacha::NONCE_OCTETS];
        getrandom::fill(&mut nonce).map_err(Error::Random)?;
        xchacha::seal(&master.wrapping_key(), &nonce, &aad(store), &mut sealed).map_err(|_| bug())?;
        let encode = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
        let file =
            File { keyring: 1, store: encode(store), master_key: master.fingerprint(), nonce: encode(&nonce), wrapped: encode(&sealed) };
        let text = serde_json::to_vec_pretty(&file).map_err(|_| bug())?;
        files::replace(path, &text)
    }
}

fn aad(store: &[u8; 16]) -> Vec<u8> {
    [b"postrider keyring 1".as_slice(), store].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keys::KeySource;

    #[test]
    fn opens_with_its_own_key_only_and_whole_only() {
        let home = tempfile::tempdir().unwrap();
        let key = |name: &str| MasterKey::load(&KeySource::File(home.path().join(name)), &home.path().join("store"), true).unwrap();
        let (own, other) = (key("own"), key("other"));
        let path = home.path().join("keyring");
        assert!(Keyring::read(&path, &own).unwrap().is_none());
        let made = Keyring::make(&path, &own).unwrap();
        let sealed = made.sealer.seal_record(b"k", b"v").unwrap();
        assert_eq!(Keyring::read(&path, &own).unwrap().unwrap().sealer.open_record(b"k", &sealed).unwrap(), b"v");
        assert!(matches!(Keyring::read(&path, &other), Err(Error::Key(KeyError::Wrong { .. }))));
        let text = std::fs::read_to_string(&path).unwrap();
        let changed = text.replace(&data_encoding::HEXLOWER.encode(&made.store), &"0".repeat(32));
        std::fs::write(&path, changed).unwrap();
        assert!(matches!(Keyring::read(&path, &own), Err(Error::Key(KeyError::Keyring(_)))));
    }
}
