//! Changes that are not yet applied, over the records that are: what one batch will write, with the changes of one caller apart
//! until they are kept or given up.

use std::collections::BTreeMap;

use super::error::Error;
use super::layout::HEAD_KEY;
use super::record::{HeadRecord, Record};
use super::records::{Records, damaged};
use super::seal::IndexKey;

/// Octets of one record. It could be longer by far before the tree refused it; by then it would be the failure of all callers and not of
/// the one who wrote it, and a backup would hold what no restore takes.
const RECORD_OCTETS: usize = 8 << 20;

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The changes of a group of callers.
pub(super) struct Transaction<'a> {
    records: &'a Records,
    kept: Changes,
    own: Changes,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(records: &'a Records) -> Self {
        Self { records, kept: Changes::new(), own: Changes::new() }
    }

    pub(super) fn index(&self) -> &'a IndexKey {
        self.records.index()
    }

    /// Keep the changes of the caller that had its turn.
    pub(super) fn keep(&mut self) {
        self.kept.append(&mut self.own);
    }

    /// Give them up.
    pub(super) fn give_up(&mut self) {
        self.own.clear();
    }

    /// All that was kept.
    pub(super) fn into_changes(self) -> Changes {
        self.kept
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.own.is_empty()
    }

    pub(super) fn contains(&self, key: &[u8]) -> Result<bool, Error> {
        match self.changed(key) {
            Some(change) => Ok(change.is_some()),
            None => self.records.contains(key),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.changed(key) {
            Some(change) => Ok(change.clone()),
            None => self.records.get(key),
        }
    }

    pub(super) fn read<R: Record>(&self, key: &[u8]) -> Result<Option<R>, Error> {
        let decoded = |octets: Vec<u8>| R::decode(&octets).map_err(|finding| damaged(key, finding));
        self.get(key)?.map(decoded).transpose()
    }

    pub(super) fn head(&self) -> Result<HeadRecord, Error> {
        Ok(self.read(HEAD_KEY)?.unwrap_or_default())
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.own.insert(key, Some(value));
    }

    pub(super) fn write<R: Record>(&mut self, key: Vec<u8>, record: &R) -> Result<(), Error> {
        let octets = record.encode().map_err(|finding| Error::Bug { operation: "encode a record", finding })?;
        if octets.len() > RECORD_OCTETS {
            return Err(Error::TooLarge { what: "a record", limit: RECORD_OCTETS as u64 });
        }
        self.put(key, octets);
        Ok(())
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.own.insert(key, None);
    }

    /// The keys from `from` on that begin with `prefix`, at most `max`, in order.
    pub(super) fn keys(&self, prefix: &[u8], from: &[u8], max: usize) -> Result<Vec<Vec<u8>>, Error> {
        let mut found = BTreeMap::new();
        for raw in self.records.scan(prefix, from) {
            let (key, _) = raw?;
            if self.changed(&key).is_some() {
                continue;
            }
            found.insert(key, ());
            if found.len() >= max {
                break;
            }
        }
        for changes in [&self.kept, &self.own] {
            let range = changes.range(from.max(prefix).to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
            let live = range.filter(|(key, _)| self.changed(key).is_some_and(Option::is_some));
            found.extend(live.take(max).map(|(key, _)| (key.clone(), ())));
        }
        Ok(found.into_keys().take(max).collect())
    }

    fn changed(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.own.get(key).or_else(|| self.kept.get(key))
    }
}
