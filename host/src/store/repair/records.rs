//! Sealed records: those that do not open are put aside, and what others say is made good again.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Repair;
use crate::model::message::Location;
use crate::store::error::Error;
use crate::store::index;
use crate::store::layout::{self, Place, kind};
use crate::store::record::{AccountRecord, CountsRecord, FolderRecord, IdentityRecord, MessageRecord, Record, SecretRecord, ValueRecord};
use crate::store::records::place_of;
use crate::store::spool::segment::HEADER_OCTETS;

/// Messages that stand in a folder, by generation.
type Generations = BTreeMap<String, u64>;

impl Repair<'_, '_> {
    /// Records that do not open, and keys of no kind.
    pub(super) fn put_unreadable_aside(&mut self) -> Result<(), Error> {
        self.put_aside_of::<SecretRecord>(kind::SECRET, "put aside: give the account its password again")?;
        self.put_aside_of::<ValueRecord>(kind::STATE, "put aside: the connector begins without it")?;
        self.put_aside_of::<ValueRecord>(kind::DOCUMENT, "put aside: what it held is to be set again")?;
        self.put_aside_of::<CountsRecord>(kind::COUNTS, "put aside: counted again")?;
        self.put_aside_of::<FolderRecord>(kind::FOLDER, "put aside: the next pass looks through the folder")?;
        self.put_aside_of::<IdentityRecord>(kind::IDENTITY, "put aside: made again from its message")?;
        self.put_aside_of::<MessageRecord>(kind::MESSAGE, "put aside: the next pass fetches the server's copy")?;
        for key in self.tx.keys(&[], &[], usize::MAX)? {
            let is_known = key.first().is_some_and(|first| kind::SEALED.contains(first) || kind::INDEX.contains(first));
            if !is_known {
                self.act(None, None, &place_of(&key), "put aside: there is no such kind of record");
                self.put_aside(key, "there is no such kind of record")?;
            }
        }
        for key in self.open.records.surplus_pieces()? {
            self.act(None, None, &place_of(&key), "put aside: the value that it belongs to is not there");
            self.put_aside(key, "the value that it belongs to is not there")?;
        }
        Ok(())
    }

    fn put_aside_of<R: Record>(&mut self, of: u8, action: &str) -> Result<(), Error> {
        let ids = if of == kind::MESSAGE { index::message_ids(&self.open.records)? } else { HashMap::new() };
        for key in self.tx.keys(&[of], &[of], usize::MAX)? {
            let finding = match self.tx.read::<R>(&key) {
                Ok(_) => continue,
                Err(Error::Damaged { finding, .. }) => finding,
                Err(error) => return Err(error),
            };
            let account = layout::account_in(&key).filter(|_| kind::OF_ACCOUNT.contains(&of));
            let place = Place::from_octets(key.get(1..).unwrap_or_default()).filter(|_| of == kind::MESSAGE);
            let message = place.and_then(|place| ids.get(&place).copied());
            if matches!(of, kind::MESSAGE | kind::IDENTITY) {
                self.looked_through.extend(account);
            }
            self.act(account, message, &place_of(&key), action);
            self.put_aside(key, finding)?;
        }
        Ok(())
    }

    /// Every identity has its message and every place of a message its identity.
    pub(super) fn mend_identities(&mut self) -> Result<(), Error> {
        for key in self.tx.keys(&[kind::IDENTITY], &[kind::IDENTITY], usize::MAX)? {
            let (Some(identity), Some(account)) = (self.tx.read::<IdentityRecord>(&key)?, layout::account_in(&key)) else { continue };
            let record = self.tx.read::<MessageRecord>(&layout::message(Place { account, sequence: identity.sequence }))?;
            let is_its = |location: &Location| self.identity_key(account, location) == key;
            if !record.is_some_and(|record| record.locations.iter().any(is_its)) {
                self.act(Some(account), None, &place_of(&key), "forgotten: its message is not there");
                self.looked_through.insert(account);
                self.tx.delete(key);
            }
        }
        for place in self.places()? {
            let Some(record) = self.message(place)? else { continue };
            for location in &record.locations {
                let key = self.identity_key(place.account, location);
                let right = IdentityRecord { id: location.id.clone(), sequence: place.sequence };
                if self.tx.read::<IdentityRecord>(&key)?.as_ref() != Some(&right) {
                    self.act(Some(place.account), Some(record.message), &place_of(&key), "made again from its message");
                    self.tx.write(key, &right)?;
                }
            }
        }
        Ok(())
    }

    /// Every folder counts the messages that stand in it.
    pub(super) fn mend_folders(&mut self) -> Result<(), Error> {
        let mut found: BTreeMap<Vec<u8>, (Option<String>, Generations)> = BTreeMap::new();
        for place in self.places()? {
            let Some(record) = self.message(place)? else { continue };
            for location in &record.locations {
                let hash = layout::folder_hash(self.tx.index(), location.scope.folder.as_deref());
                let entry = found.entry(layout::folder(place.account, &hash));
                let (_, generations) = entry.or_insert_with(|| (location.scope.folder.clone(), Generations::new()));
                *generations.entry(location.scope.generation.clone()).or_default() += 1;
            }
        }
        for key in self.tx.keys(&[kind::FOLDER], &[kind::FOLDER], usize::MAX)? {
            found.entry(key).or_default();
        }
        for (key, (name, generations)) in found {
            let held = self.tx.read::<FolderRecord>(&key)?;
            let account = layout::account_in(&key);
            let mut folder = held.clone().unwrap_or_else(|| FolderRecord { folder: name, ..FolderRecord::default() });
            let counted: Generations = folder.generations.iter().cloned().collect();
            if counted != generations {
                folder.generations = generations.into_iter().collect();
            }
            if account.is_some_and(|account| self.looked_through.contains(&account)) {
                folder.cursor = None;
            }
            if held.as_ref() != Some(&folder) {
                if counted.values().sum::<u64>() != folder.messages() {
                    self.act(account, None, &place_of(&key), "counted again");
                }
                self.tx.write(key, &folder)?;
            }
        }
        Ok(())
    }

    /// The sealed counts of every account, and of the store.
    pub(super) fn mend_counts(&mut self) -> Result<(), Error> {
        let accounts = self.tx.keys(&[kind::ACCOUNT], &[kind::ACCOUNT], usize::MAX)?;
        for account in accounts.iter().filter_map(|key| layout::account_in(key)) {
            let count = |of: u8| {
                let prefix = layout::of_account(of, account);
                Ok::<_, Error>(self.tx.keys(&prefix, &prefix, usize::MAX)?.len() as u64)
            };
            let mut counts = CountsRecord {
                identities: count(kind::IDENTITY)?,
                folders: count(kind::FOLDER)?,
                secrets: count(kind::SECRET)?,
                state_keys: count(kind::STATE)?,
                ..CountsRecord::default()
            };
            let prefix = layout::of_account(kind::MESSAGE, account);
            for key in self.tx.keys(&prefix, &prefix, usize::MAX)? {
                let Some(record) = self.tx.read::<MessageRecord>(&key)? else { continue };
                counts.count(&record, 1);
            }
            let key = layout::of_account(kind::COUNTS, account);
            if self.tx.read::<CountsRecord>(&key)?.as_ref() != Some(&counts) {
                self.act(Some(account), None, &place_of(&key), "counted again");
                self.tx.write(key, &counts)?;
            }
        }
        let mut head = self.tx.head()?;
        let documents = self.tx.keys(&[kind::DOCUMENT], &[kind::DOCUMENT], usize::MAX)?.len() as u64;
        if (head.accounts, head.documents) != (accounts.len() as u64, documents) {
            self.act(None, None, "the record of the store's counters", "counted again");
            (head.accounts, head.documents) = (accounts.len() as u64, documents);
            self.tx.write(layout::HEAD_KEY.to_vec(), &head)?;
        }
        let names = accounts.iter().map(|key| self.tx.read::<AccountRecord>(key)).collect::<Result<Vec<_>, _>>()?;
        for account in names.into_iter().flatten().filter_map(|record| record.account().ok()) {
            let (key, value) = (layout::name(self.tx.index(), &account.name), account.id.0.to_be_bytes().to_vec());
            if self.tx.get(&key)?.as_ref() != Some(&value) {
                self.act(Some(account.id), None, &place_of(&key), "made again");
                self.tx.put(key, value);
            }
        }
        Ok(())
    }

    /// The hash of the records as they lie; what this transaction changes is worked in when it is applied.
    pub(super) fn mend_set_hash(&mut self) -> Result<(), Error> {
        let there = self.open.records.set_hash()?;
        let mut head = self.tx.head()?;
        if head.set_hash.is_some_and(|sealed| sealed != there) {
            self.act(None, None, "the sealed records", "taken as they are now, though they were not those of the last commit");
            head.set_hash = Some(there);
            self.tx.write(layout::HEAD_KEY.to_vec(), &head)?;
        }
        Ok(())
    }

    /// Files of the spool that are none of its segments.
    pub(super) fn put_surplus_aside(&mut self) -> Result<(), Error> {
        let segments = self.open.spool.segments();
        let mut surplus = segments.strangers()?;
        let mut referenced = HashSet::new();
        for place in self.places()? {
            let record = self.message(place)?;
            referenced.extend(record.iter().filter_map(MessageRecord::body).flat_map(|body| &body.extents).map(|extent| extent.segment));
        }
        for (number, octets) in segments.list()?.into_iter().filter(|(number, _)| !referenced.contains(number)) {
            if octets >= HEADER_OCTETS && segments.is_surplus(number)? {
                surplus.extend(segments.path_of(number).file_name().map(ToOwned::to_owned));
            }
        }
        for name in &surplus {
            self.act(None, None, &format!("the file {} in the spool", name.display()), "put aside: no message needs it");
        }
        self.surplus = surplus;
        Ok(())
    }

    /// The places of all messages, those of removed accounts too. Their records are read one by one.
    pub(super) fn places(&self) -> Result<Vec<Place>, Error> {
        let keys = self.tx.keys(&[kind::MESSAGE], &[kind::MESSAGE], usize::MAX)?;
        Ok(keys.iter().filter_map(|key| Place::from_octets(key.get(1..).unwrap_or_default())).collect())
    }

    pub(super) fn message(&self, place: Place) -> Result<Option<MessageRecord>, Error> {
        self.tx.read(&layout::message(place))
    }

    fn identity_key(&self, account: crate::model::name::AccountId, location: &Location) -> Vec<u8> {
        let index = self.tx.index();
        layout::identity(account, &layout::scope_hash(index, &location.scope), &layout::id_hash(index, &location.id))
    }
}
