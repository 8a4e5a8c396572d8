//! The recovery key: 256 random bits as people write them down, in groups of four base32 characters (Crockford's alphabet) and a
//! check character that finds a mistyped or exchanged one and says in which group.

use zeroize::Zeroizing;

use super::super::error::{Error, KeyError};
use super::super::seal::{KeyOctets, derived};
use crate::secret::Secret;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Groups of four characters, 20 bits each; the last four bits of all are zero.
const GROUPS: usize = 13;

/// A recovery key as octets.
pub(in crate::store) struct RecoveryKey(KeyOctets);

impl RecoveryKey {
    /// A new one.
    pub(in crate::store) fn generate() -> Result<Self, Error> {
        Ok(Self(super::random()?))
    }

    /// Read what somebody typed: without regard to case, spaces and hyphens, and with O, I and L for 0, 1 and 1.
    pub(in crate::store) fn parse(text: &Secret) -> Result<Self, Error> {
        let malformed = |finding: String| Error::Key(KeyError::RecoveryMalformed(finding));
        let mut values = Zeroizing::new(Vec::with_capacity(GROUPS * 5));
        for octet in text.expose().iter().filter(|octet| !octet.is_ascii_whitespace() && **octet != b'-') {
            let value =
                value_of(*octet).ok_or_else(|| malformed(format!("a character of group {} is none of it", values.len() / 5 + 1)))?;
            if values.len() >= GROUPS * 5 {
                return Err(malformed(format!("it is longer than {GROUPS} groups of 5 characters")));
            }
            values.push(value);
        }
        if values.len() != GROUPS * 5 {
            return Err(malformed(format!("it is shorter than {GROUPS} groups of 5 characters")));
        }
        let mut bits = Zeroizing::new(Vec::with_capacity(GROUPS * 20));
        for (number, group) in values.chunks(5).enumerate() {
            let Some((check, data)) = group.split_last() else { continue };
            if *check != check_of(number, data) {
                return Err(malformed(format!("group {} is mistyped", number + 1)));
            }
            bits.extend(data.iter().flat_map(|value| (0..5).rev().map(move |bit| value >> bit & 1)));
        }
        let mut octets = Zeroizing::new([0; 32]);
        for (octet, bits) in octets.iter_mut().zip(bits.chunks(8)) {
            *octet = bits.iter().fold(0, |octet, bit| octet << 1 | bit);
        }
        Ok(Self(octets))
    }

    /// As it is printed.
    pub(in crate::store) fn text(&self) -> Secret {
        let mut bits = Zeroizing::new(Vec::with_capacity(GROUPS * 20));
        bits.extend(self.0.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)));
        bits.resize(GROUPS * 20, 0);
        let mut text = Zeroizing::new(Vec::with_capacity(GROUPS * 6));
        for (number, group) in bits.chunks(20).enumerate() {
            let mut values: Zeroizing<Vec<u8>> =
                Zeroizing::new(group.chunks(5).map(|bits| bits.iter().fold(0, |value, bit| value << 1 | bit)).collect());
            let check = check_of(number, &values);
            values.push(check);
            if number > 0 {
                text.push(b'-');
            }
            text.extend(values.iter().filter_map(|value| ALPHABET.get(usize::from(*value))));
        }
        Secret::new(text.as_slice())
    }

    /// The key that wraps the key of the keyring.
    pub(in crate::store) fn wrapping_key(&self) -> KeyOctets {
        derived("postrider store 1 recovery", &self.0)
    }

    /// Eight hexadecimal digits that tell keys apart.
    pub(in crate::store) fn fingerprint(&self) -> String {
        let digest = derived("postrider store 1 recovery key fingerprint", &self.0);
        let (start, _) = digest.split_at(4);
        data_encoding::HEXLOWER.encode(start)
    }
}

fn value_of(octet: u8) -> Option<u8> {
    let letter = match octet.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        letter => letter,
    };
    let at = ALPHABET.iter().position(|known| *known == letter)?;
    u8::try_from(at).ok()
}

/// Over the field of 32 elements: the sum of each character times a power of 2, begun with the group's number, so that one wrong
/// character, two exchanged ones and two exchanged groups do not check.
fn check_of(group: usize, data: &[u8]) -> u8 {
    let number = u8::try_from(group).unwrap_or_default();
    data.iter().fold(number, |sum, value| double(sum ^ value))
}

/// Times 2, modulo x^5 + x^2 + 1.
const fn double(value: u8) -> u8 {
    let doubled = value << 1;
    if doubled & 0x20 == 0 { doubled } else { (doubled ^ 0x25) & 0x1f }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: &RecoveryKey) -> String {
        of.text().expose_str().unwrap().to_owned()
    }

    #[test]
    fn comes_back_however_it_is_typed() {
        let key = RecoveryKey::generate().unwrap();
        let printed = text(&key);
        assert_eq!(printed.split('-').map(str::len).collect::<Vec<_>>(), [5; GROUPS]);
        let typed = [
            printed.clone(),
            printed.to_lowercase(),
            printed.replace('-', " "),
            format!(" {}\n", printed.replace('0', "o").replace('1', "l")),
        ];
        for typed in typed {
            assert_eq!(*RecoveryKey::parse(&Secret::new(typed.as_str())).unwrap().0, *key.0, "{typed}");
        }
    }

    #[test]
    fn a_mistyped_or_exchanged_character_is_found_with_its_group() {
        let printed = text(&RecoveryKey(Zeroizing::new(std::array::from_fn(|at| (at * 37) as u8))));
        let refusal = |typed: &[u8]| match RecoveryKey::parse(&Secret::new(typed)) {
            Err(Error::Key(KeyError::RecoveryMalformed(finding))) => finding,
            _ => panic!("{} is taken", String::from_utf8_lossy(typed)),
        };
        let octets = printed.as_bytes();
        for at in (0..octets.len()).filter(|at| octets[*at] != b'-') {
            let group = at / 6 + 1;
            for other in ALPHABET.iter().filter(|other| **other != octets[at]) {
                let mut typed = octets.to_vec();
                typed[at] = *other;
                assert_eq!(refusal(&typed), format!("group {group} is mistyped"));
            }
            if at + 1 < octets.len() && octets[at + 1] != b'-' && octets[at + 1] != octets[at] {
                let mut typed = octets.to_vec();
                typed.swap(at, at + 1);
                assert_eq!(refusal(&typed), format!("group {group} is mistyped"));
            }
        }
        let mut groups: Vec<_> = printed.split('-').collect();
        groups.swap(3, 7);
        assert_eq!(refusal(groups.join("-").as_bytes()), "group 4 is mistyped");
        assert!(refusal(b"").contains("shorter"));
        assert!(refusal(&octets[..70]).contains("shorter"));
        assert!(refusal(&[octets, b"0"].concat()).contains("longer"));
        assert!(refusal(b"0000U").contains("group 1"));
    }
}
