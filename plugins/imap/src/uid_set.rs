//! Sets of unique identifiers (RFC 9051 sections 2.3.1.1 and 9, `sequence-set`), as sorted ranges.

use std::fmt;

/// UIDs, ascending, in ranges that neither touch nor overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UidSet {
    ranges: Vec<(u32, u32)>,
}

impl UidSet {
    /// The UIDs from `first` to `last`, both in it; empty when `first` is greater.
    #[must_use]
    pub fn range(first: u32, last: u32) -> Self {
        Self { ranges: if first <= last { vec![(first, last)] } else { Vec::new() } }
    }

    /// From ranges in any order, each either way round.
    #[must_use]
    pub fn from_ranges(mut ranges: Vec<(u32, u32)>) -> Self {
        for range in &mut ranges {
            if range.0 > range.1 {
                *range = (range.1, range.0);
            }
        }
        ranges.sort_unstable();
        let mut set = Self::default();
        for (first, last) in ranges {
            match set.ranges.last_mut() {
                Some(end) if first <= end.1.saturating_add(1) => end.1 = end.1.max(last),
                _ => set.ranges.push((first, last)),
            }
        }
        set
    }

    /// Read the wire's form, `1:4,7,9:12`; none where it is not one, names `*` or 0, or has more than `limit` ranges.
    #[must_use]
    pub fn parse(text: &[u8], limit: usize) -> Option<Self> {
        let mut ranges = Vec::new();
        for part in text.split(|&octet| octet == b',') {
            let mut ends = part.splitn(2, |&octet| octet == b':');
            let first = number(ends.next()?)?;
            let last = ends.next().map_or(Some(first), number)?;
            if ranges.len() == limit {
                return None;
            }
            ranges.push((first, last));
        }
        Some(Self::from_ranges(ranges))
    }

    /// How many UIDs there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|&(first, last)| u64::from(last) - u64::from(first) + 1).sum()
    }

    /// How many there are below `bound`.
    #[must_use]
    pub fn count_below(&self, bound: u32) -> u64 {
        let below = self.ranges.iter().take_while(|&&(first, _)| first < bound);
        below.map(|&(first, last)| u64::from(last.min(bound - 1)) - u64::from(first) + 1).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The least.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.ranges.first().map(|range| range.0)
    }

    /// The greatest.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|range| range.1)
    }

    /// Whether `uid` is in it.
    #[must_use]
    pub fn contains(&self, uid: u32) -> bool {
        let at = self.ranges.partition_point(|&(_, last)| last < uid);
        self.ranges.get(at).is_some_and(|&(first, _)| first <= uid)
    }

    /// Put `uid` in; quick where it is the greatest.
    pub fn insert(&mut self, uid: u32) {
        match self.ranges.last_mut() {
            Some(end) if uid > end.1 && uid == end.1.saturating_add(1) => end.1 = uid,
            Some(end) if uid <= end.1 => {
                if !self.contains(uid) {
                    self.ranges.push((uid, uid));
                    *self = Self::from_ranges(std::mem::take(&mut self.ranges));
                }
            }
            _ => self.ranges.push((uid, uid)),
        }
    }

    /// Those from `first` on.
    #[must_use]
    pub fn from(mut self, first: u32) -> Self {
        self.ranges.retain(|range| range.1 >= first);
        if let Some(range) = self.ranges.first_mut() {
            range.0 = range.0.max(first);
        }
        self
    }

    /// Those below `bound`.
    #[must_use]
    pub fn below(mut self, bound: u32) -> Self {
        self.ranges.retain(|range| range.0 < bound);
        if let Some(range) = self.ranges.last_mut() {
            range.1 = range.1.min(bound - 1);
        }
        self
    }

    /// Put all of `other` in.
    pub fn extend(&mut self, other: Self) {
        self.ranges.extend(other.ranges);
        *self = Self::from_ranges(std::mem::take(&mut self.ranges));
    }

    /// Take all of `other` out.
    pub fn remove(&mut self, other: &Self) {
        let mut left = Vec::new();
        let mut others = other.ranges.iter().copied().peekable();
        for &(first, last) in &self.ranges {
            let mut from = Some(first);
            while let (Some(at), Some(&(gone_first, gone_last))) = (from, others.peek()) {
                if gone_first > last {
                    break;
                }
                if gone_last >= at {
                    if gone_first > at {
                        left.push((at, gone_first - 1));
                    }
                    from = gone_last.checked_add(1).filter(|&next| next <= last);
                }
                // One that reaches further may take something of the next range too.
                if gone_last > last {
                    break;
                }
                others.next();
            }
            left.extend(from.map(|at| (at, last)));
        }
        self.ranges = left;
    }

    /// How many ranges it takes, which is what it costs.
    #[must_use]
    pub const fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// Take the `count` least out.
    pub fn take(&mut self, count: usize) -> Vec<u32> {
        let mut taken = Vec::new();
        let mut used = 0;
        for range in &mut self.ranges {
            while taken.len() < count {
                taken.push(range.0);
                if range.0 == range.1 {
                    used += 1;
                    break;
                }
                range.0 += 1;
            }
            if taken.len() == count {
                break;
            }
        }
        self.ranges.drain(..used);
        taken
    }

    /// Take the `count` greatest out, the greatest first.
    pub fn take_last(&mut self, count: usize) -> Vec<u32> {
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some(range) = self.ranges.last_mut()
        {
            taken.push(range.1);
            if range.0 == range.1 {
                self.ranges.pop();
            } else {
                range.1 -= 1;
            }
        }
        taken
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| first..=last)
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Self {
        Self::from_ranges(uids.into_iter().map(|uid| (uid, uid)).collect())
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}:{last}")?;
            }
        }
        Ok(())
    }
}

/// A `nz-number` (RFC 9051 section 9).
#[must_use]
pub fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 10 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|&number| number > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_forms_both_ways() {
        for (wire, shown) in [("1", "1"), ("1:4,7", "1:4,7"), ("7,4:1", "1:4,7"), ("1,2,3", "1:3"), ("4294967295", "4294967295")] {
            assert_eq!(UidSet::parse(wire.as_bytes(), 10).unwrap().to_string(), shown);
        }
        for wire in ["", "0", "1:", ":2", "1,,2", "*", "1:*", "4294967296", "a", "1 2"] {
            assert_eq!(UidSet::parse(wire.as_bytes(), 10), None, "{wire}");
        }
        assert_eq!(UidSet::parse(b"1,3,5", 2), None);
    }

    #[test]
    fn counts_at_the_ends_of_the_range() {
        let all = UidSet::range(1, u32::MAX);
        assert_eq!(all.count(), u64::from(u32::MAX));
        assert_eq!(all.count_below(u32::MAX), u64::from(u32::MAX) - 1);
        assert!(all.contains(u32::MAX));
        assert_eq!(all.clone().take(3), [1, 2, 3]);
        let mut end = UidSet::range(u32::MAX, u32::MAX);
        assert_eq!(end.take(5), [u32::MAX]);
        assert!(end.is_empty());
    }

    proptest! {
        #[test]
        fn a_set_is_what_was_put_in(uids in proptest::collection::vec(1u32..200, 0..80), others in proptest::collection::vec(1u32..200, 0..80), bound in 1u32..220, take in 0usize..50) {
            let mut sorted = uids.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let mut set = UidSet::default();
            for &uid in &uids {
                set.insert(uid);
            }
            prop_assert_eq!(&set, &uids.iter().copied().collect::<UidSet>());
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), sorted.clone());
            prop_assert_eq!(set.count_below(bound), sorted.iter().filter(|&&uid| uid < bound).count() as u64);
            prop_assert_eq!(set.clone().from(bound).iter().collect::<Vec<_>>(), sorted.iter().copied().filter(|&uid| uid >= bound).collect::<Vec<_>>());
            prop_assert_eq!(set.clone().below(bound).iter().collect::<Vec<_>>(), sorted.iter().copied().filter(|&uid| uid < bound).collect::<Vec<_>>());
            let mut both = set.clone().below(bound);
            both.extend(set.clone().from(bound / 2));
            prop_assert_eq!(&both, &set.iter().filter(|&uid| uid < bound || uid >= bound / 2).collect::<UidSet>());
            if !sorted.is_empty() {
                prop_assert_eq!(UidSet::parse(set.to_string().as_bytes(), 1000).unwrap(), set.clone());
            }
            let mut rest = set.clone();
            let gone: UidSet = others.iter().copied().collect();
            rest.remove(&gone);
            prop_assert_eq!(&rest, &sorted.iter().copied().filter(|&uid| !gone.contains(uid)).collect::<UidSet>());
            let mut rest = set.clone();
            let last = rest.take_last(take);
            prop_assert_eq!(rest.iter().chain(last.iter().rev().copied()).collect::<Vec<_>>(), sorted.clone());
            let taken = set.take(take);
            prop_assert_eq!(taken.len(), take.min(sorted.len()));
            prop_assert_eq!([taken, set.iter().collect()].concat(), sorted);
        }
    }
}
