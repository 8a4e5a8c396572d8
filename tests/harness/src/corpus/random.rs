//! Numbers that look random and are the same everywhere: SplitMix64, whole numbers only.

/// A stream of numbers from one seed.
pub(super) struct Random(u64);

/// Sizes of messages in octets at per mille of all, as mailboxes have them: half are below 7.4 KB, one in a hundred above 86 KB.
const SIZES: &[(u64, u64)] = &[
    (0, 1_024),
    (50, 1_700),
    (150, 2_900),
    (300, 4_700),
    (500, 7_450),
    (700, 11_500),
    (850, 18_000),
    (950, 33_000),
    (990, 86_000),
    (999, 280_000),
    (1000, 1_000_000),
];

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    pub(super) fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(count + 8);
        while octets.len() < count {
            octets.extend_from_slice(&self.next().to_le_bytes());
        }
        octets.truncate(count);
        octets
    }

    /// A message's size, distributed as [`SIZES`] says.
    pub(super) fn size(&mut self) -> usize {
        let at = self.below(1_000_000);
        let step = SIZES.windows(2).find(|step| at < step[1].0 * 1_000).unwrap();
        let ((from, least), (to, most)) = (step[0], step[1]);
        (least + (most - least) * (at - from * 1_000) / ((to - from) * 1_000)) as usize
    }
}
