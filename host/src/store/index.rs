//! The index entries of a message: which there must be for a record, so that writing, removing and checking agree.

use std::collections::{BTreeSet, HashMap};

use super::error::Error;
use super::layout::{self, Place, kind};
use super::record::MessageRecord;
use super::records::Records;
use super::seal::IndexKey;
use super::transaction::Transaction;
use crate::model::name::MessageId;

/// The kinds of index entries that stand for messages.
pub(super) const OF_MESSAGES: [u8; 5] = [kind::ID, kind::BODY, kind::STABLE, kind::THREAD, kind::ADDRESS];

/// Every index entry of `message`, with its value.
pub(super) fn entries(index: &IndexKey, place: Place, message: &MessageRecord) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = vec![(layout::message_id(message.message), place.to_octets().to_vec())];
    let by_sequence = |prefix| (layout::with_sequence(prefix, place.sequence), Vec::new());
    if let Some(octets) = message.fingerprint() {
        entries.push(by_sequence(layout::body(place.account, &octets.hash)));
    }
    if let Some(stable) = &message.stable {
        entries.push(by_sequence(layout::stable(index, place.account, stable)));
    }
    if let Some(thread) = &message.thread {
        entries.push(by_sequence(layout::thread(index, place.account, thread)));
    }
    // An address that stands in two fields is one entry.
    let addresses: BTreeSet<_> =
        message.headers.from.iter().chain(&message.headers.to).map(|address| layout::address(index, address)).collect();
    let time = message.time();
    entries.extend(addresses.into_iter().map(|prefix| (layout::address_at(prefix, time, place), Vec::new())));
    entries
}

/// The ids of messages by their places, out of the index: for those whose record does not say it any more.
pub(super) fn message_ids(records: &Records) -> Result<HashMap<Place, MessageId>, Error> {
    let mut ids = HashMap::new();
    for raw in records.scan(&[kind::ID], &[]) {
        let (key, value) = raw?;
        let id = key.get(1..).and_then(|id| id.try_into().ok()).map(MessageId);
        ids.extend(Place::from_octets(&value).zip(id));
    }
    Ok(ids)
}

pub(super) fn put(tx: &mut Transaction<'_>, place: Place, message: &MessageRecord) {
    for (key, value) in entries(tx.index(), place, message) {
        tx.put(key, value);
    }
}

pub(super) fn delete(tx: &mut Transaction<'_>, place: Place, message: &MessageRecord) {
    for (key, _) in entries(tx.index(), place, message) {
        tx.delete(key);
    }
}
