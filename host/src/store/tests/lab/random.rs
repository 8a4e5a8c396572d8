//! SplitMix64, and BLAKE3 where it is much: the same rounds for the same seed, as far as the machine lets them be.

/// A source of numbers.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    /// For one thing of many, whatever is drawn for the others.
    pub(super) fn of(seed: u64, parts: &[u64]) -> Self {
        let mut random = Self(seed);
        for part in parts {
            random.0 = random.next() ^ part;
        }
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 on, below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn octets(&mut self, length: u64) -> Vec<u8> {
        let mut octets = vec![0; length as usize];
        blake3::Hasher::new().update(&self.next().to_le_bytes()).finalize_xof().fill(&mut octets);
        octets
    }
}
