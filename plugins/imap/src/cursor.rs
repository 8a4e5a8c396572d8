//! How far a folder has come, in a few octets that the host keeps.

/// What is known of a folder. It covers a message only when an earlier or the same checkpoint made it durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// `UIDVALIDITY`.
    pub validity: u32,
    /// Every message with a UID below was handed over, set aside, or was gone.
    pub next: u32,
    /// Flag changes up to this mod-sequence were told (RFC 7162); 0 where the server has none.
    pub modseq: u64,
    /// Messages below `next` that the server had, when the host had none beyond; [`UNCOUNTED`](Self::UNCOUNTED) where it may have.
    pub exists: u64,
    /// The sum of [`digest`] over them; 0 where it is not known. It spares telling flags that are as they were where the server
    /// counts no mod-sequences.
    pub flags: u64,
    /// Former values of `UIDVALIDITY` whose scopes are not retired yet.
    pub retiring: Vec<u32>,
}

/// The form below.
const VERSION: u8 = 1;

/// The most former values that are kept.
const RETIRING: usize = 16;

impl Cursor {
    /// A pass was cut off: the host may have messages from `next` on, and if one of these vanishes no sum shows it. The next pass lists the folder.
    pub const UNCOUNTED: u64 = u64::MAX;

    /// Version, then every field in LEB128.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = vec![VERSION];
        for value in [u64::from(self.validity), u64::from(self.next), self.modseq, self.exists, self.flags, self.retiring.len() as u64] {
            put(&mut octets, value);
        }
        for &validity in &self.retiring {
            put(&mut octets, u64::from(validity));
        }
        octets
    }

    /// Read [`encode`](Self::encode)'s form; none where it is another.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let (&version, mut rest) = octets.split_first()?;
        if version != VERSION {
            return None;
        }
        let rest = &mut rest;
        let mut cursor = Self {
            validity: get(rest)?.try_into().ok()?,
            next: get(rest)?.try_into().ok()?,
            modseq: get(rest)?,
            exists: get(rest)?,
            flags: get(rest)?,
            retiring: Vec::new(),
        };
        let count = get(rest)?;
        if count > RETIRING as u64 {
            return None;
        }
        for _ in 0..count {
            cursor.retiring.push(get(rest)?.try_into().ok()?);
        }
        rest.is_empty().then_some(cursor)
    }

    /// Note that the scope of `validity` is over.
    pub fn retire(&mut self, validity: u32) {
        self.retiring.retain(|&other| other != validity);
        self.retiring.truncate(RETIRING - 1);
        self.retiring.push(validity);
    }
}

/// A number for one message's flags; the sum over many does not depend on their order (FNV-1a, 64 bits).
#[must_use]
pub fn digest(uid: u32, flags: &[String]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |octet: u8| hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    uid.to_le_bytes().into_iter().for_each(&mut mix);
    for flag in flags {
        flag.bytes().for_each(&mut mix);
        mix(b' ');
    }
    hash
}

fn put(octets: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            octets.push(low);
            return;
        }
        octets.push(low | 0x80);
    }
}

fn get(octets: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&octet, rest) = octets.split_first()?;
        *octets = rest;
        let low = u64::from(octet & 0x7f);
        if low << shift >> shift != low {
            return None;
        }
        value |= low << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_known_form() {
        let mut cursor = Cursor { validity: 7, next: 300, modseq: 1, exists: 299, flags: 0, retiring: Vec::new() };
        cursor.retire(6);
        assert_eq!(cursor.encode(), [1, 7, 0xac, 2, 1, 0xab, 2, 0, 1, 6]);
        assert_eq!(Cursor::decode(b""), None);
        assert_eq!(Cursor::decode(&[2, 7]), None);
        assert_eq!(Cursor::decode(&[1, 7, 1, 1, 1, 0, 0, 9]), None);
    }

    proptest! {
        #[test]
        fn every_cursor_comes_back(validity: u32, next: u32, modseq: u64, exists: u64, flags: u64, retiring in proptest::collection::vec(any::<u32>(), 0..16)) {
            let cursor = Cursor { validity, next, modseq, exists, flags, retiring };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Cursor::decode(&octets);
        }
    }
}
