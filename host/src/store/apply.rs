//! One checkpoint, step by step, as changes to records. Runs on the committer only, so that what it reads is what is there.

use std::collections::BTreeMap;

use super::error::Error;
use super::index;
use super::layout::{self, Hash, Place, kind};
use super::record::{CountsRecord, FolderRecord, HeadRecord, IdentityRecord, MessageRecord, Octets, ValueRecord};
use super::spool::chunk::Appended;
use super::step::Step;
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::model::message::{Arrival, Change, Location, Scope};
use crate::model::name::{AccountId, MessageId};

mod adopt;

/// Places that one message may stand in; a server that names more is not believed.
const LOCATIONS: usize = 1_000;

/// What a checkpoint commits.
pub(super) struct Checkpoint {
    pub(super) account: AccountId,
    pub(super) steps: Vec<Step>,
    pub(super) scope: Scope,
    pub(super) cursor: Vec<u8>,
    /// The spool's generation now: bodies of an earlier one may be lost.
    pub(super) generation: u64,
    pub(super) limits: Limits,
}

/// A checkpoint under way.
struct Apply<'t, 'a> {
    tx: &'t mut Transaction<'a>,
    account: AccountId,
    now: Timestamp,
    head: HeadRecord,
    counts: CountsRecord,
    folders: BTreeMap<Hash, FolderRecord>,
    pairing: adopt::Pairing,
    limits: &'t Limits,
}

/// Put all of a checkpoint into `tx`.
pub(super) fn apply(tx: &mut Transaction<'_>, checkpoint: Checkpoint) -> Result<(), Error> {
    let Checkpoint { account, steps, scope, cursor, generation, limits } = checkpoint;
    if !tx.contains(&layout::of_account(kind::ACCOUNT, account))? {
        return Err(Error::NoAccount(account));
    }
    let counts_key = layout::of_account(kind::COUNTS, account);
    let mut head = tx.head()?;
    // A clock that was set back, or that a machine without a battery starts with, makes no mail older than what is here already:
    // it would look as if it had been kept for long enough.
    head.latest = head.latest.max(Timestamp::now());
    let mut apply = Apply {
        account,
        now: head.latest,
        head,
        counts: tx.read(&counts_key)?.unwrap_or_default(),
        folders: BTreeMap::new(),
        pairing: adopt::Pairing::default(),
        limits: &limits,
        tx,
    };
    for step in steps {
        if let Step::Deliver { body, .. } = &step
            && body.generation != generation
        {
            return Err(Error::Conflict { account, finding: "octets of a message were lost when the spool could not be written" });
        }
        apply.step(step)?;
    }
    let now = apply.now;
    let folder = apply.folder(&scope)?;
    folder.cursor = Some(cursor);
    folder.checkpoint = Some(now);
    folder.generation = scope.generation;
    let Apply { tx, head, counts, folders, .. } = apply;
    for (hash, folder) in folders {
        tx.write(layout::folder(account, &hash), &folder)?;
    }
    tx.write(counts_key, &counts)?;
    tx.write(layout::HEAD_KEY.to_vec(), &head)
}

impl Apply<'_, '_> {
    fn step(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Deliver { scope, arrival, headers, body } => {
                let Appended { record, .. } = *body;
                let message = MessageRecord { headers: *headers, ..self.new_record(&arrival, Octets::Body(record)) };
                self.arrive(&scope, &arrival, message)
            }
            Step::SetAside { scope, arrival, reason } => {
                let message = self.new_record(&arrival, Octets::SetAside { reason });
                self.arrive(&scope, &arrival, message)
            }
            Step::Recognise { scope, arrival } => self.recognise(&scope, &arrival),
            Step::Changed { scope, changes } => changes.iter().try_for_each(|change| self.change(&scope, change)),
            Step::Removed { scope, ids } => {
                let hash = layout::scope_hash(self.tx.index(), &scope);
                ids.iter().try_for_each(|id| {
                    let key = layout::identity(self.account, &hash, &layout::id_hash(self.tx.index(), id));
                    self.remove(&scope, key)
                })
            }
            Step::Retired { scope } => {
                let hash = layout::scope_hash(self.tx.index(), &scope);
                let prefix = layout::identities(self.account, &hash);
                let keys = self.tx.keys(&prefix, &prefix, usize::MAX)?;
                keys.into_iter().try_for_each(|key| self.remove(&scope, key))
            }
            Step::State { key, value } => self.state(key, value),
        }
    }

    fn new_record(&self, arrival: &Arrival, octets: Octets) -> MessageRecord {
        MessageRecord {
            message: MessageId([0; 16]),
            stored: self.now,
            received: arrival.received,
            locations: Vec::new(),
            stable: arrival.stable.clone(),
            thread: arrival.thread.clone(),
            extra: arrival.extra.clone(),
            headers: Default::default(),
            octets,
        }
    }

    /// A message has come, with octets or set aside.
    fn arrive(&mut self, scope: &Scope, arrival: &Arrival, new: MessageRecord) -> Result<(), Error> {
        if let Some((place, mut held)) = self.held(scope, &arrival.id)? {
            note(&mut held, scope, &arrival.id, &arrival.folders, &arrival.keywords);
            return if adopt::is_richer(&new, &held) { self.replace(place, held, new) } else { self.put_message(place, &held) };
        }
        match self.find_adoptable(scope, arrival, &new)? {
            Some((place, held)) if adopt::is_richer(&new, &held) => {
                let (place, held) = self.add_location(place, held, scope, arrival)?;
                self.replace(place, held, new)
            }
            Some((place, held)) => {
                let (place, mut held) = self.add_location(place, held, scope, arrival)?;
                // The provider's ids of today are the ones to recognise it by tomorrow.
                let (stable, thread) = (new.stable.or_else(|| held.stable.clone()), new.thread.or_else(|| held.thread.clone()));
                if (&stable, &thread) != (&held.stable, &held.thread) {
                    index::delete(self.tx, place, &held);
                    (held.stable, held.thread) = (stable, thread);
                    index::put(self.tx, place, &held);
                }
                self.put_message(place, &held)
            }
            None => self.store(scope, arrival, new),
        }
    }

    /// A message that is not here.
    fn store(&mut self, scope: &Scope, arrival: &Arrival, mut new: MessageRecord) -> Result<(), Error> {
        new.message = self.free_message_id(scope, &arrival.id)?;
        let place = self.next_place();
        index::put(self.tx, place, &new);
        self.counts.count(&new, 1);
        let (place, new) = self.add_location(place, new, scope, arrival)?;
        self.put_message(place, &new)
    }

    /// The octets of a message that was here without them: sinks see it anew, under its old id.
    fn replace(&mut self, old: Place, held: MessageRecord, new: MessageRecord) -> Result<(), Error> {
        self.counts.count(&held, -1);
        index::delete(self.tx, old, &held);
        self.tx.delete(layout::message(old));
        let place = self.next_place();
        let message = MessageRecord { message: held.message, locations: held.locations, stable: new.stable.or(held.stable), ..new };
        for location in &message.locations {
            let identity = IdentityRecord { id: location.id.clone(), sequence: place.sequence };
            self.tx.write(self.identity_key(&location.scope, &location.id), &identity)?;
        }
        self.counts.count(&message, 1);
        index::put(self.tx, place, &message);
        self.put_message(place, &message)
    }

    fn recognise(&mut self, scope: &Scope, arrival: &Arrival) -> Result<(), Error> {
        if let Some((place, mut held)) = self.held(scope, &arrival.id)? {
            note(&mut held, scope, &arrival.id, &arrival.folders, &arrival.keywords);
            return self.put_message(place, &held);
        }
        let account = self.account;
        let found = self.find_stable(arrival)?;
        let (place, held) = found.ok_or(Error::Conflict { account, finding: "a message that was recognised is here no more" })?;
        let (place, held) = self.add_location(place, held, scope, arrival)?;
        self.put_message(place, &held)
    }

    fn change(&mut self, scope: &Scope, change: &Change) -> Result<(), Error> {
        let Some((place, mut held)) = self.held(scope, &change.id)? else { return Ok(()) };
        note(&mut held, scope, &change.id, &change.folders, &change.keywords);
        self.put_message(place, &held)
    }

    /// The identity under `key` is no more.
    fn remove(&mut self, scope: &Scope, key: Vec<u8>) -> Result<(), Error> {
        let Some(identity) = self.tx.read::<IdentityRecord>(&key)? else { return Ok(()) };
        let place = Place { account: self.account, sequence: identity.sequence };
        self.tx.delete(key);
        self.counts.identities = self.counts.identities.saturating_sub(1);
        self.folder(scope)?.count(&scope.generation, -1);
        let Some(mut held) = self.message_at(place)? else { return Ok(()) };
        held.locations.retain(|location| location.scope != *scope || location.id != identity.id);
        if let Octets::Removed(removed) = &mut held.octets {
            removed.since = self.now;
        }
        let folder = layout::folder_hash(self.tx.index(), scope.folder.as_deref());
        self.pairing.note_left(folder, place, &held);
        self.put_message(place, &held)
    }

    fn state(&mut self, key: String, value: Option<Vec<u8>>) -> Result<(), Error> {
        let at = layout::state(self.tx.index(), self.account, &key);
        let was_there = self.tx.contains(&at)?;
        match value {
            Some(octets) => {
                self.counts.state_keys += u64::from(!was_there);
                if self.counts.state_keys > self.limits.state_keys {
                    return Err(Error::TooLarge { what: "a further key of the connector's state", limit: self.limits.state_keys });
                }
                self.tx.write(at, &ValueRecord { key, octets })
            }
            None if was_there => {
                self.counts.state_keys = self.counts.state_keys.saturating_sub(1);
                self.tx.delete(at);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The message that has this identity.
    fn held(&self, scope: &Scope, id: &str) -> Result<Option<(Place, MessageRecord)>, Error> {
        let Some(identity) = self.tx.read::<IdentityRecord>(&self.identity_key(scope, id))? else { return Ok(None) };
        let place = Place { account: self.account, sequence: identity.sequence };
        Ok(self.message_at(place)?.map(|message| (place, message)))
    }

    fn message_at(&self, place: Place) -> Result<Option<MessageRecord>, Error> {
        self.tx.read(&layout::message(place))
    }

    fn put_message(&mut self, place: Place, message: &MessageRecord) -> Result<(), Error> {
        self.tx.write(layout::message(place), message)
    }

    /// Give `message` the identity of `arrival` too. The caller puts the record.
    fn add_location(
        &mut self,
        place: Place,
        mut message: MessageRecord,
        scope: &Scope,
        arrival: &Arrival,
    ) -> Result<(Place, MessageRecord), Error> {
        if message.locations.len() >= LOCATIONS {
            return Err(Error::TooLarge { what: "a further place of one message", limit: LOCATIONS as u64 });
        }
        let key = self.identity_key(scope, &arrival.id);
        self.tx.write(key, &IdentityRecord { id: arrival.id.clone(), sequence: place.sequence })?;
        self.counts.identities += 1;
        self.folder(scope)?.count(&scope.generation, 1);
        message.locations.push(Location {
            scope: scope.clone(),
            id: arrival.id.clone(),
            folders: arrival.folders.clone(),
            keywords: arrival.keywords.clone(),
        });
        Ok((place, message))
    }

    fn folder(&mut self, scope: &Scope) -> Result<&mut FolderRecord, Error> {
        let hash = layout::folder_hash(self.tx.index(), scope.folder.as_deref());
        match self.folders.entry(hash) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let folder = match self.tx.read(&layout::folder(self.account, &hash))? {
                    Some(folder) => folder,
                    None => {
                        self.counts.folders += 1;
                        if self.counts.folders > self.limits.folders {
                            return Err(Error::TooLarge { what: "a further folder of the account", limit: self.limits.folders });
                        }
                        FolderRecord { folder: scope.folder.clone(), ..FolderRecord::default() }
                    }
                };
                Ok(entry.insert(folder))
            }
        }
    }

    fn identity_key(&self, scope: &Scope, id: &str) -> Vec<u8> {
        let index = self.tx.index();
        layout::identity(self.account, &layout::scope_hash(index, scope), &layout::id_hash(index, id))
    }

    const fn next_place(&mut self) -> Place {
        self.head.sequence += 1;
        Place { account: self.account, sequence: self.head.sequence }
    }
}

/// Folders and keywords of the place that `id` is, as they now are.
fn note(message: &mut MessageRecord, scope: &Scope, id: &str, folders: &[String], keywords: &[String]) {
    for location in message.locations.iter_mut().filter(|location| location.scope == *scope && location.id == id) {
        location.folders = folders.to_vec();
        location.keywords = keywords.to_vec();
    }
}
