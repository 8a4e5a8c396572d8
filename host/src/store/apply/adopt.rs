//! When an arrival is a message that is here already. In doubt it is not: storing a message twice is a nuisance, taking two for one
//! loses the second.
//!
//! 1. It has the stable id of a message here, and its octets (where both are here).
//! 2. Its octets are those of a message that stands in *another generation of the same folder*, and that was not yet paired with an
//!    arrival of this generation. A message takes as many arrivals of one generation as it has places in another one, so that N
//!    copies in the old generation pair with N copies in the new one, and the N+1st is stored.
//! 3. Its octets are those of a message that left the same folder *in the same checkpoint* and stands nowhere in it now: it was
//!    renumbered.
//! 4. It comes back under the identity that the message was first stored under, with the same octets, or a repair has put the
//!    damaged octets aside.

use std::collections::{BTreeSet, HashMap};

use super::Apply;
use crate::model::message::{Arrival, Part, Scope};
use crate::model::name::MessageId;
use crate::store::error::Error;
use crate::store::layout::{self, Hash, Place};
use crate::store::record::{BodyRecord, MessageRecord, Octets, RemovedRecord};
use crate::store::repair::DAMAGED_OCTETS;

/// Index entries read at once.
const STRIDE: usize = 64;

/// Distinct contents that one identity may have had, one after the other, before it is taken for a fault.
const CONTENTS: u32 = 1_000;

/// A message that was found, and where.
pub(super) type Held = (Place, MessageRecord);

/// What a checkpoint remembers to find messages quickly, however many have the same octets.
#[derive(Default)]
pub(super) struct Pairing {
    /// By folder and body hash: messages that left the folder.
    left: HashMap<(Hash, [u8; 32]), BTreeSet<u64>>,
    /// By scope and body hash: the sequence below which every message was paired or cannot be.
    passed: HashMap<(Hash, [u8; 32]), u64>,
}

impl Pairing {
    /// A message left a folder.
    pub(super) fn note_left(&mut self, folder: Hash, place: Place, message: &MessageRecord) {
        if let Some(octets) = message.fingerprint() {
            self.left.entry((folder, octets.hash)).or_default().insert(place.sequence);
        }
    }
}

/// Whether `new` has octets that `held` lacks.
pub(super) fn is_richer(new: &MessageRecord, held: &MessageRecord) -> bool {
    let worth = |message: &MessageRecord| match &message.octets {
        Octets::SetAside { .. } => 0,
        Octets::Body(BodyRecord { part: Part::Headers, .. }) | Octets::Removed(RemovedRecord { part: Part::Headers, .. }) => 1,
        Octets::Body(_) | Octets::Removed(_) => 2,
    };
    worth(new) > worth(held)
}

impl Apply<'_, '_> {
    /// The message that `new` is, by the rules above.
    pub(super) fn find_adoptable(&mut self, scope: &Scope, arrival: &Arrival, new: &MessageRecord) -> Result<Option<Held>, Error> {
        let is_same = |held: &MessageRecord| is_richer(new, held) || is_richer(held, new) || has_same_octets(new.body(), held);
        if let Some(found) = self.with_stable(arrival.stable.as_deref(), is_same)? {
            return Ok(Some(found));
        }
        let Some(body) = new.body() else { return Ok(None) };
        if let Some(found) = self.of_another_generation(scope, body)? {
            return Ok(Some(found));
        }
        if let Some(found) = self.renumbered(scope, body)? {
            return Ok(Some(found));
        }
        self.returned(scope, &arrival.id, body)
    }

    /// The message with the stable id of `arrival` and at least the octets that it would bring.
    pub(super) fn find_stable(&self, arrival: &Arrival) -> Result<Option<Held>, Error> {
        self.with_stable(arrival.stable.as_deref(), |held| held.has(arrival.part))
    }

    /// An id for the message that first arrives as `id`: the same one again after a crash, another one when an earlier message
    /// with other octets had this identity.
    pub(super) fn free_message_id(&self, scope: &Scope, id: &str) -> Result<MessageId, Error> {
        for content in 0..CONTENTS {
            let message = self.message_id(scope, id, content);
            if !self.tx.contains(&layout::message_id(message))? {
                return Ok(message);
            }
        }
        Err(Error::TooLarge { what: "a further content under one id of a message", limit: u64::from(CONTENTS) })
    }

    /// Rule 2.
    fn of_another_generation(&mut self, scope: &Scope, body: &BodyRecord) -> Result<Option<Held>, Error> {
        if self.folder(scope)?.generations.iter().all(|(generation, _)| *generation == scope.generation) {
            return Ok(None);
        }
        let prefix = layout::body(self.account, &body.hash);
        let passed = (layout::scope_hash(self.tx.index(), scope), body.hash);
        let mut from = self.pairing.passed.get(&passed).copied().unwrap_or(0);
        loop {
            let keys = self.tx.keys(&prefix, &layout::with_sequence(prefix.clone(), from), STRIDE)?;
            let is_end = keys.len() < STRIDE;
            for sequence in keys.iter().filter_map(|key| layout::sequence_in(key)) {
                // Looked at again by the next arrival: a message may have places for several.
                from = sequence;
                let place = Place { account: self.account, sequence };
                let Some(held) = self.message_at(place)? else { continue };
                if has_same_octets(Some(body), &held) && has_unpaired_place(&held, scope) {
                    self.pairing.passed.insert(passed, from);
                    return Ok(Some((place, held)));
                }
            }
            if is_end {
                self.pairing.passed.insert(passed, from);
                return Ok(None);
            }
            from += 1;
        }
    }

    /// Rule 3.
    fn renumbered(&mut self, scope: &Scope, body: &BodyRecord) -> Result<Option<Held>, Error> {
        let folder = layout::folder_hash(self.tx.index(), scope.folder.as_deref());
        while let Some(sequence) = self.pairing.left.get_mut(&(folder, body.hash)).and_then(BTreeSet::pop_first) {
            let place = Place { account: self.account, sequence };
            let Some(held) = self.message_at(place)? else { continue };
            let stands_here = held.locations.iter().any(|location| location.scope.folder == scope.folder);
            if !stands_here && has_same_octets(Some(body), &held) {
                return Ok(Some((place, held)));
            }
        }
        Ok(None)
    }

    /// Rule 4. The identity is free, or the message would have been found by it.
    fn returned(&self, scope: &Scope, id: &str, body: &BodyRecord) -> Result<Option<Held>, Error> {
        for content in 0..CONTENTS {
            let Some(place) = self.tx.get(&layout::message_id(self.message_id(scope, id, content)))? else { return Ok(None) };
            let Some(place) = Place::from_octets(&place) else { continue };
            if let Some(held) = self.message_at(place)?.filter(|held| has_same_octets(Some(body), held) || was_damaged(held)) {
                return Ok(Some((place, held)));
            }
        }
        Ok(None)
    }

    fn message_id(&self, scope: &Scope, id: &str, content: u32) -> MessageId {
        let index = self.tx.index();
        let (account, scope, id) = (self.account.0.to_be_bytes(), layout::scope_hash(index, scope), layout::id_hash(index, id));
        MessageId(index.short("message", &[&account, &scope, &id, &content.to_be_bytes()]))
    }

    /// The oldest message with this stable id that is `wanted`.
    fn with_stable(&self, stable: Option<&str>, wanted: impl Fn(&MessageRecord) -> bool) -> Result<Option<Held>, Error> {
        let Some(stable) = stable else { return Ok(None) };
        let prefix = layout::stable(self.tx.index(), self.account, stable);
        for key in self.tx.keys(&prefix, &prefix, CONTENTS as usize)? {
            let Some(sequence) = layout::sequence_in(&key) else { continue };
            let place = Place { account: self.account, sequence };
            let found = self.message_at(place)?.filter(|held| held.stable.as_deref() == Some(stable) && wanted(held));
            if let Some(held) = found {
                return Ok(Some((place, held)));
            }
        }
        Ok(None)
    }
}

/// Whether a repair has put the octets of `held` aside and forgotten its identities.
fn was_damaged(held: &MessageRecord) -> bool {
    held.locations.is_empty() && matches!(&held.octets, Octets::SetAside { reason } if reason.starts_with(DAMAGED_OCTETS))
}

/// Whether `held` stands more often in some other generation of the folder than in this one.
fn has_unpaired_place(held: &MessageRecord, scope: &Scope) -> bool {
    let in_folder = || held.locations.iter().map(|location| &location.scope).filter(|at| at.folder == scope.folder);
    let places = |generation: &str| in_folder().filter(|at| at.generation == generation).count();
    let most = in_folder().filter(|at| at.generation != scope.generation).map(|at| places(&at.generation)).max();
    places(&scope.generation) < most.unwrap_or(0)
}

fn has_same_octets(one: Option<&BodyRecord>, other: &MessageRecord) -> bool {
    match (one, other.fingerprint()) {
        (Some(one), Some(other)) => one.hash == other.hash && one.size == other.size && one.part == other.part,
        _ => false,
    }
}
