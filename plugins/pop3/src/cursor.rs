//! How far the maildrop has come, in a few octets that the host keeps. The maildrop is its own state, so this is little.

/// What is known of the maildrop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Counts the times that the server gave all its messages other UIDLs.
    pub generation: u32,
    /// Former generations whose scopes are not retired yet.
    pub retiring: Vec<u32>,
    /// The digest of all ids of a listing of which every message was had ([`crate::id::digest`]): where it is the same again, there is no news.
    pub digest: Option<[u8; 32]>,
}

/// The form below.
const VERSION: u8 = 1;

/// The most former generations that are kept.
const RETIRING: usize = 16;

impl Cursor {
    /// Version, generation, how many are retiring and which, and the digest where there is one; numbers in network order.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = vec![VERSION];
        octets.extend(self.generation.to_be_bytes());
        octets.push(u8::try_from(self.retiring.len()).unwrap_or(u8::MAX));
        octets.extend(self.retiring.iter().flat_map(|generation| generation.to_be_bytes()));
        octets.extend(self.digest.iter().flatten());
        octets
    }

    /// Read [`encode`](Self::encode)'s form; none where it is another.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let (&version, rest) = octets.split_first()?;
        if version != VERSION {
            return None;
        }
        let (generation, rest) = number(rest)?;
        let (&count, mut rest) = rest.split_first()?;
        let mut retiring = Vec::new();
        for _ in 0..Some(usize::from(count)).filter(|&count| count <= RETIRING)? {
            let (former, behind) = number(rest)?;
            retiring.push(former);
            rest = behind;
        }
        let digest = if rest.is_empty() { None } else { Some(rest.try_into().ok()?) };
        Some(Self { generation, retiring, digest })
    }

    /// The scope's generation in the contract's words: "" as long as the UIDLs are the first ones.
    #[must_use]
    pub fn name(generation: u32) -> String {
        if generation == 0 { String::new() } else { generation.to_string() }
    }

    /// Begin a new generation.
    pub fn begin_generation(&mut self) {
        if self.retiring.len() == RETIRING {
            self.retiring.remove(0);
        }
        self.retiring.push(self.generation);
        self.generation = self.generation.wrapping_add(1);
        self.digest = None;
    }
}

fn number(octets: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = octets.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_known_form() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.encode(), [1, 0, 0, 0, 0, 0]);
        cursor.begin_generation();
        assert_eq!(cursor.encode(), [1, 0, 0, 0, 1, 1, 0, 0, 0, 0]);
        assert_eq!((Cursor::name(0), Cursor::name(1)), (String::new(), "1".to_owned()));
        for wrong in [&b""[..], &[2, 0, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 200], &[1, 0, 0, 0, 0, 0, 9]] {
            assert_eq!(Cursor::decode(wrong), None);
        }
        (0..40).for_each(|_| cursor.begin_generation());
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }

    proptest! {
        #[test]
        fn every_cursor_comes_back(generation: u32, retiring in proptest::collection::vec(any::<u32>(), 0..16), digest: Option<[u8; 32]>) {
            let cursor = Cursor { generation, retiring, digest };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Cursor::decode(&octets);
        }
    }
}
