//! The keyring as it stands in its file. Nothing of it is believed before a seal has held.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::error::{Error, KeyError};
use super::super::keys::KeyKind;
use super::super::keys::passphrase::Argon2id;
use super::super::xchacha::NONCE_OCTETS;

/// The version that is written, and the only one that is known.
pub(super) const VERSION: u32 = 2;

/// Longer files are no keyrings; a thousand epochs fit.
const FILE_OCTETS: u64 = 256 << 10;

/// The whole file, as JSON.
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct File {
    pub(super) keyring: u32,
    pub(super) store: String,
    pub(super) master: Slot,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recovery: Option<Slot>,
    #[serde(flatten)]
    pub(super) content: Sealed,
}

/// The keyring's key, wrapped with one key of somebody.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) kind: KeyKind,
    pub(super) fingerprint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) argon2id: Option<Argon2id>,
    pub(super) nonce: String,
    pub(super) wrapped: String,
}

/// Nonce and ciphertext in hexadecimal digits.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) nonce: String,
    pub(super) wrapped: String,
}

/// What every version has.
#[derive(Deserialize)]
struct Numbered {
    keyring: u32,
}

impl File {
    /// Read the file; none: there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let mut text = Vec::new();
        file.take(FILE_OCTETS).read_to_end(&mut text).map_err(Error::io("read", path))?;
        match Self::parse(&text) {
            Ok(file) => Ok(Some(file)),
            Err(Some(found)) => Err(KeyError::KeyringVersion { path: path.to_owned(), found, known: VERSION }.into()),
            Err(None) => Err(KeyError::Keyring(path.to_owned()).into()),
        }
    }

    /// Read the file's octets; on an error, its version where it is another one.
    pub(in crate::store) fn parse(text: &[u8]) -> Result<Self, Option<u32>> {
        let Numbered { keyring } = serde_json::from_slice(text).map_err(|_| None)?;
        if keyring != VERSION {
            return Err(Some(keyring));
        }
        serde_json::from_slice(text).map_err(|_| None)
    }

    /// The id of the store.
    pub(in crate::store) fn store_id(&self) -> Option<[u8; 16]> {
        data_encoding::HEXLOWER.decode(self.store.as_bytes()).ok()?.try_into().ok()
    }
}

impl Sealed {
    pub(super) fn new(nonce: &[u8; NONCE_OCTETS], wrapped: &[u8]) -> Self {
        let encode = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
        Self { nonce: encode(nonce), wrapped: encode(wrapped) }
    }

    pub(super) fn parts(self) -> (String, String) {
        (self.nonce, self.wrapped)
    }

    pub(super) fn octets(&self) -> Option<([u8; NONCE_OCTETS], Zeroizing<Vec<u8>>)> {
        let decode = |digits: &str| data_encoding::HEXLOWER.decode(digits.as_bytes()).ok();
        Some((decode(&self.nonce)?.try_into().ok()?, Zeroizing::new(decode(&self.wrapped)?)))
    }
}

/// For fuzzers: read a file's octets and all that is in it before a seal is tried.
pub(in crate::store) fn read_all(octets: &[u8]) {
    let Ok(file) = File::parse(octets) else { return };
    let _ = file.store_id();
    let _ = file.content.octets();
    for slot in std::iter::once(&file.master).chain(&file.recovery) {
        let _ = slot.argon2id.as_ref().map(Argon2id::checked);
        let _ = Sealed { nonce: slot.nonce.clone(), wrapped: slot.wrapped.clone() }.octets();
    }
}
