//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 section 2) out of HChaCha20 and ring's ChaCha20-Poly1305 (RFC 8439), and the STREAM
//! construction over it (Hoang, Reyhanitabar, Rogaway and Vizár, 2015).
//!
//! Ring's is compiled assembly in every build. The crate `chacha20poly1305` is generic code, which a build for tests compiles
//! without optimisation: 2 MB/s, for a store whose every octet goes through it. The tests hold this file against that crate.

use chacha20::cipher::consts::U10;
use chacha20::cipher::generic_array::GenericArray;
use chacha20::hchacha;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::error::Unspecified;

use super::seal::KeyOctets;

/// Octets of a nonce. Long enough to be drawn at random without counting what was sealed.
pub(super) const NONCE_OCTETS: usize = 24;

/// Octets that a seal adds.
pub(super) const TAG_OCTETS: usize = 16;

/// Octets of the random start of all nonces of one stream.
pub(super) const PREFIX_OCTETS: usize = 19;

/// Seal `octets` in place, and append the tag.
pub(super) fn seal(key: &KeyOctets, nonce: &[u8; NONCE_OCTETS], aad: &[u8], octets: &mut Vec<u8>) -> Result<(), Unspecified> {
    let (start, end) = split(nonce);
    subkey(key, start)?.seal_in_place_append_tag(short_nonce(*end), Aad::from(aad), octets)
}

/// Open `octets` in place, and take the tag off.
pub(super) fn open(key: &KeyOctets, nonce: &[u8; NONCE_OCTETS], aad: &[u8], octets: &mut Vec<u8>) -> Result<(), Unspecified> {
    let (start, end) = split(nonce);
    open_with(&subkey(key, start)?, *end, aad, octets)
}

/// Chunks of one stream. A chunk's nonce is the prefix, the chunk's number and whether it is the last, so that none can be left
/// out, moved or added.
pub(super) struct Stream {
    key: LessSafeKey,
    prefix_end: [u8; 3],
}

impl Stream {
    pub(super) fn new(key: &KeyOctets, prefix: &[u8; PREFIX_OCTETS]) -> Result<Self, Unspecified> {
        let (start, end) = prefix.split_first_chunk::<16>().ok_or(Unspecified)?;
        Ok(Self { key: subkey(key, start)?, prefix_end: end.try_into().map_err(|_| Unspecified)? })
    }

    /// Seal a chunk in place, and append the tag.
    pub(super) fn seal(&self, chunk: u32, is_last: bool, aad: &[u8], octets: &mut Vec<u8>) -> Result<(), Unspecified> {
        self.key.seal_in_place_append_tag(short_nonce(self.nonce_end(chunk, is_last)), Aad::from(aad), octets)
    }

    /// Open a chunk in place, and take the tag off.
    pub(super) fn open(&self, chunk: u32, is_last: bool, aad: &[u8], octets: &mut Vec<u8>) -> Result<(), Unspecified> {
        open_with(&self.key, self.nonce_end(chunk, is_last), aad, octets)
    }

    const fn nonce_end(&self, chunk: u32, is_last: bool) -> [u8; 8] {
        let ([a, b, c], [d, e, f, g]) = (self.prefix_end, chunk.to_be_bytes());
        [a, b, c, d, e, f, g, is_last as u8]
    }
}

fn open_with(key: &LessSafeKey, nonce_end: [u8; 8], aad: &[u8], octets: &mut Vec<u8>) -> Result<(), Unspecified> {
    let length = key.open_in_place(short_nonce(nonce_end), Aad::from(aad), octets)?.len();
    octets.truncate(length);
    Ok(())
}

/// The key of everything whose nonce begins with `start`.
fn subkey(key: &KeyOctets, start: &[u8; 16]) -> Result<LessSafeKey, Unspecified> {
    let subkey = hchacha::<U10>(GenericArray::from_slice(key.as_slice()), GenericArray::from_slice(start));
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &subkey)?))
}

fn split(nonce: &[u8; NONCE_OCTETS]) -> (&[u8; 16], &[u8; 8]) {
    const { assert!(NONCE_OCTETS == 16 + 8) };
    match (nonce.first_chunk(), nonce.last_chunk()) {
        (Some(start), Some(end)) => (start, end),
        _ => (&[0; 16], &[0; 8]),
    }
}

fn short_nonce([a, b, c, d, e, f, g, h]: [u8; 8]) -> Nonce {
    Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::aead::stream::{NewStream, StreamBE32, StreamPrimitive};
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};
    use chacha20poly1305::{XChaCha20Poly1305, XNonce};
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    proptest! {
        #[test]
        fn seals_and_opens_what_the_reference_does(
            key: [u8; 32], nonce: [u8; 24], aad in proptest::collection::vec(any::<u8>(), 0..40),
            plain in proptest::collection::vec(any::<u8>(), 0..600), chunk: u32, is_last: bool,
        ) {
            let reference = XChaCha20Poly1305::new((&key).into());
            let key = Zeroizing::new(key);
            let mut sealed = plain.clone();
            seal(&key, &nonce, &aad, &mut sealed).unwrap();
            prop_assert_eq!(&sealed, &reference.encrypt(XNonce::from_slice(&nonce), Payload { msg: &plain, aad: &aad }).unwrap());
            open(&key, &nonce, &aad, &mut sealed).unwrap();
            prop_assert_eq!(&sealed, &plain);

            let prefix = *nonce.first_chunk::<19>().unwrap();
            let stream = Stream::new(&key, &prefix).unwrap();
            let mut sealed = plain.clone();
            stream.seal(chunk, is_last, &aad, &mut sealed).unwrap();
            let reference = StreamBE32::from_aead(reference, GenericArray::from_slice(&prefix));
            prop_assert_eq!(&sealed, &reference.encrypt(chunk, is_last, Payload { msg: &plain, aad: &aad }).unwrap());
            prop_assert!(stream.open(chunk, !is_last, &aad, &mut sealed.clone()).is_err());
            stream.open(chunk, is_last, &aad, &mut sealed).unwrap();
            prop_assert_eq!(&sealed, &plain);
        }
    }
}
