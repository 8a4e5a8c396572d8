//! The keys of the record tree. Their first octet names the kind of record; account numbers and sequences are plain, everything
//! that people could read is a keyed hash.

use super::seal::IndexKey;
use crate::clock::Timestamp;
use crate::model::message::Scope;
use crate::model::name::{AccountId, AccountName, MessageId};

/// A keyed hash as it stands in keys.
pub(super) type Hash = [u8; 16];

/// Where a message's record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) account: AccountId,
    pub(super) sequence: u64,
}

/// The kinds of records, by the first octet of their keys.
pub(super) mod kind {
    /// The store's own counters: one record.
    pub(in crate::store) const HEAD: u8 = b'h';
    /// account -> the account.
    pub(in crate::store) const ACCOUNT: u8 = b'a';
    /// name -> account (index).
    pub(in crate::store) const NAME: u8 = b'n';
    /// account -> how many records it has.
    pub(in crate::store) const COUNTS: u8 = b'c';
    /// account, name -> a secret.
    pub(in crate::store) const SECRET: u8 = b's';
    /// account, folder -> cursor and generations.
    pub(in crate::store) const FOLDER: u8 = b'f';
    /// account, key -> a value of the connector's state.
    pub(in crate::store) const STATE: u8 = b'k';
    /// account, sequence -> a message.
    pub(in crate::store) const MESSAGE: u8 = b'm';
    /// account, scope, id -> where the message's record stands.
    pub(in crate::store) const IDENTITY: u8 = b'i';
    /// message id -> account, sequence (index).
    pub(in crate::store) const ID: u8 = b'y';
    /// account, body hash, sequence (index).
    pub(in crate::store) const BODY: u8 = b'b';
    /// account, stable id, sequence (index).
    pub(in crate::store) const STABLE: u8 = b'e';
    /// account, thread, sequence (index).
    pub(in crate::store) const THREAD: u8 = b't';
    /// address, time, account, sequence (index).
    pub(in crate::store) const ADDRESS: u8 = b'q';
    /// collection, key -> a small document.
    pub(in crate::store) const DOCUMENT: u8 = b'd';
    /// account: removed, its records are being cleared away (index).
    pub(in crate::store) const REMOVED: u8 = b'x';

    /// nonce, number -> a further piece of a long value.
    pub(in crate::store) const PIECE: u8 = b'p';

    /// The kinds whose values are sealed. The others say nothing that their keys do not, and are checked against sealed records.
    pub(in crate::store) const SEALED: [u8; 9] = [HEAD, ACCOUNT, COUNTS, SECRET, FOLDER, STATE, MESSAGE, IDENTITY, DOCUMENT];
    /// The kinds whose values are plain.
    pub(in crate::store) const INDEX: [u8; 7] = [NAME, ID, BODY, STABLE, THREAD, ADDRESS, REMOVED];
    /// The kinds whose keys begin with an account, besides the account itself.
    pub(in crate::store) const OF_ACCOUNT: [u8; 9] = [COUNTS, SECRET, FOLDER, STATE, MESSAGE, IDENTITY, BODY, STABLE, THREAD];
}

pub(super) const HEAD_KEY: &[u8] = &[kind::HEAD];

/// A further piece of the value that was sealed under `nonce`, counted from 1.
pub(super) fn piece(nonce: &[u8], number: u16) -> Vec<u8> {
    join(kind::PIECE, &[nonce, &number.to_be_bytes()])
}

pub(super) fn is_piece(key: &[u8]) -> bool {
    key.first() == Some(&kind::PIECE)
}

/// The keys of `kind` that belong to `account` begin so.
pub(super) fn of_account(kind: u8, account: AccountId) -> Vec<u8> {
    join(kind, &[&account.0.to_be_bytes()])
}

pub(super) fn name(index: &IndexKey, name: &AccountName) -> Vec<u8> {
    join(kind::NAME, &[&index.short("account name", &[name.as_str().as_bytes()])])
}

pub(super) fn secret(index: &IndexKey, account: AccountId, name: &str) -> Vec<u8> {
    join(kind::SECRET, &[&account.0.to_be_bytes(), &index.short("secret", &[name.as_bytes()])])
}

pub(super) fn state(index: &IndexKey, account: AccountId, key: &str) -> Vec<u8> {
    join(kind::STATE, &[&account.0.to_be_bytes(), &index.short("state", &[key.as_bytes()])])
}

pub(super) fn collection(index: &IndexKey, collection: &str) -> Vec<u8> {
    join(kind::DOCUMENT, &[&index.short("collection", &[collection.as_bytes()])])
}

pub(super) fn document(index: &IndexKey, name: &str, key: &str) -> Vec<u8> {
    let mut octets = collection(index, name);
    octets.extend_from_slice(&index.short("document", &[key.as_bytes()]));
    octets
}

pub(super) fn folder_hash(index: &IndexKey, folder: Option<&str>) -> Hash {
    index.short("folder", &[&[u8::from(folder.is_some())], folder.unwrap_or_default().as_bytes()])
}

pub(super) fn folder(account: AccountId, folder: &Hash) -> Vec<u8> {
    join(kind::FOLDER, &[&account.0.to_be_bytes(), folder])
}

pub(super) fn scope_hash(index: &IndexKey, scope: &Scope) -> Hash {
    let folder = scope.folder.as_deref();
    index.short("scope", &[&[u8::from(folder.is_some())], folder.unwrap_or_default().as_bytes(), scope.generation.as_bytes()])
}

pub(super) fn id_hash(index: &IndexKey, id: &str) -> Hash {
    index.short("id", &[id.as_bytes()])
}

/// The identities of one scope begin so; they stand in the order of their ids' hashes.
pub(super) fn identities(account: AccountId, scope: &Hash) -> Vec<u8> {
    join(kind::IDENTITY, &[&account.0.to_be_bytes(), scope])
}

pub(super) fn identity(account: AccountId, scope: &Hash, id: &Hash) -> Vec<u8> {
    join(kind::IDENTITY, &[&account.0.to_be_bytes(), scope, id])
}

pub(super) fn message(place: Place) -> Vec<u8> {
    join(kind::MESSAGE, &[&place.account.0.to_be_bytes(), &place.sequence.to_be_bytes()])
}

pub(super) fn message_id(message: MessageId) -> Vec<u8> {
    join(kind::ID, &[&message.0])
}

pub(super) fn body(account: AccountId, hash: &[u8; 32]) -> Vec<u8> {
    join(kind::BODY, &[&account.0.to_be_bytes(), hash.first_chunk::<16>().unwrap_or(&[0; 16])])
}

pub(super) fn stable(index: &IndexKey, account: AccountId, stable: &str) -> Vec<u8> {
    join(kind::STABLE, &[&account.0.to_be_bytes(), &index.short("stable", &[stable.as_bytes()])])
}

pub(super) fn thread(index: &IndexKey, account: AccountId, thread: &str) -> Vec<u8> {
    join(kind::THREAD, &[&account.0.to_be_bytes(), &index.short("thread", &[thread.as_bytes()])])
}

/// Addresses are compared without case: RFC 5321 section 2.4 allows servers to tell local parts apart by it, people do not.
pub(super) fn address(index: &IndexKey, address: &str) -> Vec<u8> {
    join(kind::ADDRESS, &[&index.short("address", &[address.trim().to_lowercase().as_bytes()])])
}

pub(super) fn address_at(mut prefix: Vec<u8>, time: Timestamp, place: Place) -> Vec<u8> {
    prefix.extend_from_slice(&time.0.to_be_bytes());
    prefix.extend_from_slice(&place.account.0.to_be_bytes());
    prefix.extend_from_slice(&place.sequence.to_be_bytes());
    prefix
}

/// `prefix` with a sequence behind it.
pub(super) fn with_sequence(mut prefix: Vec<u8>, sequence: u64) -> Vec<u8> {
    prefix.extend_from_slice(&sequence.to_be_bytes());
    prefix
}

/// The account in the key of a kind that begins with one.
pub(super) fn account_in(key: &[u8]) -> Option<AccountId> {
    key.get(1..5)?.first_chunk().map(|octets| AccountId(u32::from_be_bytes(*octets)))
}

/// The sequence at a key's end.
pub(super) fn sequence_in(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|octets| u64::from_be_bytes(*octets))
}

/// The hash at a key's end.
pub(super) fn hash_in(key: &[u8]) -> Option<Hash> {
    key.last_chunk().copied()
}

impl Place {
    pub(super) fn to_octets(self) -> [u8; 12] {
        let mut octets = [0; 12];
        let (account, sequence) = octets.split_at_mut(4);
        account.copy_from_slice(&self.account.0.to_be_bytes());
        sequence.copy_from_slice(&self.sequence.to_be_bytes());
        octets
    }

    pub(super) fn from_octets(octets: &[u8]) -> Option<Self> {
        let (account, sequence) = octets.split_first_chunk::<4>()?;
        let sequence = u64::from_be_bytes(sequence.try_into().ok()?);
        Some(Self { account: AccountId(u32::from_be_bytes(*account)), sequence })
    }
}

fn join(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>() + 8);
    key.push(kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}
