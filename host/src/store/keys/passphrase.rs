//! Passphrases: how one becomes a key, with parameters that stand in the keyring and are not believed beyond bounds.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::error::{Error, KeyError};
use super::super::failpoint::waits;
use super::super::seal::KeyOctets;
use crate::secret::Secret;

const SALT_OCTETS: usize = 16;

/// KiB of memory, passes and lanes of new passphrases: the second recommended choice of RFC 9106 section 4.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// What a keyring may ask for: more is taken for damage, lest a changed file costs all memory or an hour.
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 64;
const MOST_LANES: u32 = 64;

/// Argon2id with the salt and the cost of one passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Argon2id {
    /// In hexadecimal digits.
    salt: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2id {
    /// The cost of today with a new salt.
    pub(super) fn new() -> Result<Self, Error> {
        let mut salt = [0; SALT_OCTETS];
        getrandom::fill(&mut salt).map_err(Error::Random)?;
        Ok(Self { salt: data_encoding::HEXLOWER.encode(&salt), memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES })
    }

    /// The salt and the parameters, where both are within bounds.
    pub(in crate::store) fn checked(&self) -> Option<(Vec<u8>, Params)> {
        let salt = data_encoding::HEXLOWER.decode(self.salt.as_bytes()).ok().filter(|salt| salt.len() == SALT_OCTETS)?;
        let is_bounded = (1..=MOST_LANES).contains(&self.lanes)
            && (1..=MOST_PASSES).contains(&self.passes)
            && (8 * self.lanes..=MOST_MEMORY_KIB).contains(&self.memory_kib);
        let params = is_bounded.then(|| Params::new(self.memory_kib, self.passes, self.lanes, Some(32)))?.ok()?;
        Some((salt, params))
    }

    /// The key of a passphrase.
    pub(super) fn stretch(&self, passphrase: &Secret) -> Result<KeyOctets, Error> {
        waits();
        let (salt, params) = self.checked().ok_or(KeyError::PassphraseParameters)?;
        let mut octets = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose(), &salt, octets.as_mut_slice())
            .map_err(|_| KeyError::PassphraseParameters)?;
        Ok(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passphrase_and_salt_give_one_key() {
        let cheap = Argon2id { memory_kib: 64, passes: 1, lanes: 1, ..Argon2id::new().unwrap() };
        let key = |argon2id: &Argon2id, passphrase: &str| argon2id.stretch(&Secret::new(passphrase)).unwrap();
        assert_eq!(key(&cheap, "correct horse"), key(&cheap, "correct horse"));
        assert_ne!(key(&cheap, "correct horse"), key(&cheap, "correct horsf"));
        let salted = Argon2id { salt: Argon2id::new().unwrap().salt, ..cheap.clone() };
        assert_ne!(key(&cheap, "correct horse"), key(&salted, "correct horse"));
    }

    #[test]
    fn what_a_changed_file_asks_for_is_bounded() {
        let good = Argon2id::new().unwrap();
        assert!(good.checked().is_some());
        for bad in [
            Argon2id { memory_kib: u32::MAX, ..good.clone() },
            Argon2id { memory_kib: 8, ..good.clone() },
            Argon2id { passes: 1_000_000, ..good.clone() },
            Argon2id { passes: 0, ..good.clone() },
            Argon2id { lanes: 0, ..good.clone() },
            Argon2id { lanes: u32::MAX, ..good.clone() },
            Argon2id { salt: "00".to_owned(), ..good.clone() },
            Argon2id { salt: "x".repeat(32), ..good },
        ] {
            assert!(matches!(bad.stretch(&Secret::new("correct horse")), Err(Error::Key(KeyError::PassphraseParameters))), "{bad:?}");
        }
    }
}
