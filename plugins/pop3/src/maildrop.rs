//! What a server's listings show of one maildrop: a message each, by the numbers of this session, and what each is called for good.

use std::collections::BTreeMap;

use crate::id::{self, Fingerprint};

/// The messages of a maildrop as one session shows them.
#[derive(Debug, Default)]
pub struct Maildrop {
    /// In the order of their numbers.
    messages: Vec<Message>,
    /// Places in `messages` of those that have an id, in the order of their ids.
    by_id: Vec<usize>,
}

/// A message in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number in this session, and in no other.
    pub number: u32,
    /// What it is called in every session; none: nothing tells it from others yet.
    pub id: Option<String>,
    /// Octets as the server claims. A hint: servers count line ends as they are on their disks, or guess.
    pub size: Option<u64>,
}

impl Maildrop {
    /// From what `UIDL` and `LIST` say, each of which may leave out what the other has. A UIDL that is empty, or that several messages have,
    /// is nobody's.
    #[must_use]
    pub fn of(uidls: &BTreeMap<u32, Vec<u8>>, sizes: &BTreeMap<u32, Option<u64>>) -> Self {
        let mut uses: BTreeMap<&[u8], usize> = BTreeMap::new();
        for uidl in uidls.values() {
            *uses.entry(uidl).or_default() += 1;
        }
        let id = |uidl: &Vec<u8>| (!uidl.is_empty() && uses.get(uidl.as_slice()) == Some(&1)).then(|| id::from_uidl(uidl));
        let mut messages: BTreeMap<u32, Message> = BTreeMap::new();
        for number in uidls.keys().chain(sizes.keys()).copied() {
            messages.entry(number).or_insert_with(|| Message {
                number,
                id: uidls.get(&number).and_then(id),
                size: sizes.get(&number).copied().flatten(),
            });
        }
        let mut maildrop = Self { messages: messages.into_values().collect(), by_id: Vec::new() };
        maildrop.sort();
        maildrop
    }

    /// Call messages by their octets, where nothing else tells them apart. Those with the very same octets are counted: which of them is the
    /// first does not matter.
    pub fn name(&mut self, fingerprints: &BTreeMap<usize, Fingerprint>) {
        let mut copies: BTreeMap<&Fingerprint, usize> = BTreeMap::new();
        for (place, fingerprint) in fingerprints {
            let copy = copies.entry(fingerprint).or_default();
            *copy += 1;
            if let Some(message) = self.messages.get_mut(*place) {
                message.id = Some(id::from_fingerprint(fingerprint, *copy));
            }
        }
        self.sort();
    }

    /// How many messages there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The message at a place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&Message> {
        self.messages.get(place)
    }

    /// The place of the message with this number.
    #[must_use]
    pub fn by_number(&self, number: u32) -> Option<usize> {
        self.messages.binary_search_by_key(&number, |message| message.number).ok()
    }

    /// The place of the message with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<usize> {
        let id_at = |place: &usize| self.messages.get(*place).and_then(|message| message.id.as_deref());
        let found = self.by_id.binary_search_by(|place| id_at(place).cmp(&Some(id))).ok()?;
        self.by_id.get(found).copied()
    }

    /// All ids, ascending, with the places of their messages.
    pub fn ids(&self) -> impl Iterator<Item = (usize, &str)> {
        self.by_id.iter().filter_map(|&place| Some((place, self.messages.get(place)?.id.as_deref()?)))
    }

    /// The places of messages without an id.
    #[must_use]
    pub fn nameless(&self) -> Vec<usize> {
        let nameless = self.messages.iter().enumerate().filter(|(_, message)| message.id.is_none());
        nameless.map(|(place, _)| place).collect()
    }

    fn sort(&mut self) {
        let mut named: Vec<(&str, usize)> =
            self.messages.iter().enumerate().filter_map(|(place, message)| Some((message.id.as_deref()?, place))).collect();
        named.sort_unstable();
        self.by_id = named.into_iter().map(|(_, place)| place).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildrop(uidls: &[(u32, &str)], sizes: &[u32]) -> Maildrop {
        let uidls = uidls.iter().map(|(number, uidl)| (*number, uidl.as_bytes().to_vec())).collect();
        Maildrop::of(&uidls, &sizes.iter().map(|&number| (number, Some(10))).collect())
    }

    #[test]
    fn what_one_listing_leaves_out_the_other_has() {
        let drop = maildrop(&[(1, "a"), (3, "c")], &[1, 2]);
        assert_eq!(
            (0..4).map(|place| drop.get(place).map(|message| message.number)).collect::<Vec<_>>(),
            [Some(1), Some(2), Some(3), None]
        );
        assert_eq!(drop.nameless(), [1]);
        assert_eq!((drop.by_id("c"), drop.by_id("b"), drop.by_number(2), drop.by_number(4)), (Some(2), None, Some(1), None));
    }

    #[test]
    fn a_uidl_that_two_have_is_nobodys() {
        let mut drop = maildrop(&[(1, "x"), (2, "same"), (3, "same"), (4, ""), (5, "same")], &[]);
        assert_eq!(drop.nameless(), [1, 2, 3, 4]);
        drop.name(&BTreeMap::from([(1, [1; 32]), (2, [2; 32]), (3, [1; 32]), (4, [3; 32])]));
        assert!(drop.nameless().is_empty());
        let ids: Vec<_> = drop.ids().map(|(place, id)| (place, id.split(' ').count())).collect();
        assert_eq!(ids.len(), 5);
        assert_eq!(drop.get(3).unwrap().id.as_deref().unwrap().split(' ').nth(2), Some("2"), "the second with these octets");
    }
}
