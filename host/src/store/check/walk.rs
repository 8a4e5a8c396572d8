//! The records, kind by kind. Each kind is one pass over its keys; what must agree is counted on both sides.

use std::collections::{BTreeMap, HashSet};

use super::{Check, account_of, is_behind};
use crate::model::name::AccountId;
use crate::store::error::Error;
use crate::store::index;
use crate::store::layout::{self, Place, kind};
use crate::store::record::{AccountRecord, CountsRecord, FolderRecord, IdentityRecord, MessageRecord, Octets, SecretRecord, ValueRecord};
use crate::store::records::{Raw, place_of};
use crate::store::set_hash::SetHash;
use crate::store::watermark::Mark;

/// What was found of one account, to compare with its sealed counts.
#[derive(Default)]
struct Found {
    counts: CountsRecord,
    /// By scope, as its folder's record must have it.
    generations: BTreeMap<(Option<String>, String), u64>,
}

impl Check<'_> {
    /// Every record; the places of the messages whose records are whole.
    pub(super) fn walk_records(&mut self) -> Result<Vec<Place>, Error> {
        let head = self.open.records.head();
        let Some(head) = self.found(None, None, head)? else { return Ok(Vec::new()) };
        if is_behind(Mark { commit: head.commit, sequence: head.sequence }, Mark { commit: 0, sequence: self.open.watermark() }) {
            self.find(None, None, "the record of the store's counters", "it is behind what was acknowledged");
        }
        let removed: HashSet<AccountId> = self.keys(kind::REMOVED)?.iter().filter_map(|key| layout::account_in(key)).collect();
        let mut accounts: BTreeMap<AccountId, Found> = BTreeMap::new();
        self.walk_accounts(&mut accounts)?;
        if accounts.len() as u64 != head.accounts {
            self.find(None, None, "the account records", "there are more or fewer of them than the store's counters say");
        }
        let messages = self.walk_messages(&mut accounts, &removed)?;
        self.walk_identities(&mut accounts, &removed)?;
        self.walk_values(&mut accounts, &removed)?;
        self.walk_folders(&mut accounts, &removed)?;
        self.compare_counts(&accounts)?;
        let documents = self.walk::<ValueRecord>(kind::DOCUMENT, |_, _, _| Ok(()))?;
        if documents != head.documents {
            self.find(None, None, "the documents", "there are more or fewer of them than the store's counters say");
        }
        self.walk_unknown(head.set_hash)?;
        Ok(messages)
    }

    fn walk_accounts(&mut self, accounts: &mut BTreeMap<AccountId, Found>) -> Result<(), Error> {
        let mut names = Vec::new();
        self.walk::<AccountRecord>(kind::ACCOUNT, |check, key, record| {
            let account = record.account().map_err(|finding| crate::store::records::damaged(key, finding));
            let Some(account) = check.found(account_of(key), None, account)? else { return Ok(()) };
            if layout::account_in(key) != Some(account.id) {
                check.find(Some(account.id), None, &place_of(key), "it stands under another account's number");
            }
            names.push((layout::name(check.open.records.index(), &account.name), account.id));
            accounts.insert(account.id, Found::default());
            Ok(())
        })?;
        self.report.accounts = accounts.len() as u64;
        for (key, account) in &names {
            if self.open.records.get(key)?.as_deref() != Some(&account.0.to_be_bytes()) {
                self.find(Some(*account), None, &place_of(key), "it is missing or names another account");
            }
        }
        self.count_index(&[kind::NAME], names.len() as u64)
    }

    fn walk_messages(&mut self, accounts: &mut BTreeMap<AccountId, Found>, removed: &HashSet<AccountId>) -> Result<Vec<Place>, Error> {
        let (mut places, mut entries) = (Vec::new(), 0);
        self.walk::<MessageRecord>(kind::MESSAGE, |check, key, record| {
            let Some(place) = Place::from_octets(key.get(1..).unwrap_or_default()) else {
                check.find(None, None, &place_of(key), "its key is not that of a message");
                return Ok(());
            };
            let found_in = check.found_in(accounts, removed, key);
            entries += check.check_entries(place, &record, removed.contains(&place.account))?;
            let Some(found) = found_in else { return Ok(()) };
            found.counts.count(&record, 1);
            for location in &record.locations {
                *found.generations.entry((location.scope.folder.clone(), location.scope.generation.clone())).or_default() += 1;
            }
            check.check_locations(place, &record)?;
            // One whose octets were given up is a record, and no message that anybody has.
            check.report.messages += u64::from(!matches!(record.octets, Octets::Removed(_)));
            places.push(place);
            Ok(())
        })?;
        self.count_index(&index::OF_MESSAGES, entries)?;
        Ok(places)
    }

    /// Every index entry of a message must be there; how many there must be.
    fn check_entries(&mut self, place: Place, record: &MessageRecord, is_removed: bool) -> Result<u64, Error> {
        let records = &self.open.records;
        let mut there = 0;
        for (key, value) in index::entries(records.index(), place, record) {
            match records.get(&key)? {
                Some(found) if found == value => there += 1,
                // Entries of a removed account go before its messages do.
                None if is_removed => {}
                None => self.find(Some(place.account), Some(record.message), &place_of(&key), "it is missing"),
                Some(_) => {
                    there += 1;
                    self.find(Some(place.account), Some(record.message), &place_of(&key), "it points to another message");
                }
            }
        }
        Ok(there)
    }

    fn check_locations(&mut self, place: Place, record: &MessageRecord) -> Result<(), Error> {
        for location in &record.locations {
            let index = self.open.records.index();
            let scope = layout::scope_hash(index, &location.scope);
            let key = layout::identity(place.account, &scope, &layout::id_hash(index, &location.id));
            let identity = self.open.records.read::<IdentityRecord>(&key);
            match self.found(Some(place.account), Some(record.message), identity)? {
                Some(None) => self.find(Some(place.account), Some(record.message), &place_of(&key), "it is missing"),
                Some(Some(identity)) if identity.sequence != place.sequence || identity.id != location.id => {
                    self.find(Some(place.account), Some(record.message), &place_of(&key), "it is another message's");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn walk_identities(&mut self, accounts: &mut BTreeMap<AccountId, Found>, removed: &HashSet<AccountId>) -> Result<(), Error> {
        self.walk::<IdentityRecord>(kind::IDENTITY, |check, key, identity| {
            let Some(found) = check.found_in(accounts, removed, key) else { return Ok(()) };
            found.counts.identities += 1;
            let Some(account) = layout::account_in(key) else { return Ok(()) };
            let place = Place { account, sequence: identity.sequence };
            let Some(record) = check.message_at(place)? else {
                let message = check.message_id(place)?;
                check.find(Some(account), message, &place_of(key), "its message is missing");
                return Ok(());
            };
            let index = check.open.records.index();
            let is_its = record.locations.iter().any(|location| {
                let scope = layout::scope_hash(index, &location.scope);
                layout::identity(account, &scope, &layout::id_hash(index, &location.id)) == key
            });
            if !is_its {
                check.find(Some(account), Some(record.message), &place_of(key), "its message does not stand there");
            }
            Ok(())
        })?;
        Ok(())
    }

    fn walk_values(&mut self, accounts: &mut BTreeMap<AccountId, Found>, removed: &HashSet<AccountId>) -> Result<(), Error> {
        self.walk::<SecretRecord>(kind::SECRET, |check, key, _| {
            if let Some(found) = check.found_in(accounts, removed, key) {
                found.counts.secrets += 1;
            }
            Ok(())
        })?;
        self.walk::<ValueRecord>(kind::STATE, |check, key, _| {
            if let Some(found) = check.found_in(accounts, removed, key) {
                found.counts.state_keys += 1;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn walk_folders(&mut self, accounts: &mut BTreeMap<AccountId, Found>, removed: &HashSet<AccountId>) -> Result<(), Error> {
        self.walk::<FolderRecord>(kind::FOLDER, |check, key, folder| {
            let Some(found) = check.found_in(accounts, removed, key) else { return Ok(()) };
            found.counts.folders += 1;
            let agrees = folder.generations.iter().all(|(generation, count)| {
                let held = found.generations.remove(&(folder.folder.clone(), generation.clone()));
                held == Some(*count)
            });
            let is_all = found.generations.keys().all(|(held, _)| *held != folder.folder);
            if !agrees || !is_all {
                check.find(account_of(key), None, &place_of(key), "it counts more or fewer messages than stand in the folder");
            }
            Ok(())
        })?;
        Ok(())
    }

    fn compare_counts(&mut self, accounts: &BTreeMap<AccountId, Found>) -> Result<(), Error> {
        for (account, found) in accounts {
            let key = layout::of_account(kind::COUNTS, *account);
            let counts = self.open.records.read::<CountsRecord>(&key);
            let Some(counts) = self.found(Some(*account), None, counts)? else { continue };
            let counts = counts.unwrap_or_default();
            let compared = [
                ("messages", counts.messages, found.counts.messages),
                ("octets of messages", counts.octets, found.counts.octets),
                ("messages set aside", counts.set_aside, found.counts.set_aside),
                ("removed messages", counts.removed, found.counts.removed),
                ("identities", counts.identities, found.counts.identities),
                ("folders", counts.folders, found.counts.folders),
                ("secrets", counts.secrets, found.counts.secrets),
                ("keys of state", counts.state_keys, found.counts.state_keys),
            ];
            for (what, counted, there) in compared.into_iter().filter(|(_, counted, there)| counted != there) {
                self.find(Some(*account), None, &format!("the {what}"), &format!("{counted} were counted, {there} are there"));
            }
        }
        Ok(())
    }

    /// Keys of no kind, and whether all the others are those of the last commit.
    fn walk_unknown(&mut self, set_hash: Option<SetHash>) -> Result<(), Error> {
        for raw in self.open.records.scan(&[], &[]) {
            let (key, _) = raw?;
            let is_known = key.first().is_some_and(|first| kind::SEALED.contains(first) || kind::INDEX.contains(first));
            self.report.records += 1;
            if !is_known {
                self.find(None, None, &place_of(&key), "there is no such kind of record");
            }
        }
        let there = self.open.records.set_hash()?;
        if set_hash.is_some_and(|sealed| sealed != there) {
            let finding = "they are not those of the last commit: one is missing, too many, or was put back as it once was";
            self.find(None, None, "the sealed records", finding);
        }
        for key in self.open.records.surplus_pieces()? {
            self.find(None, None, &place_of(&key), "the value that it belongs to is not there");
        }
        Ok(())
    }

    /// Open every record of a kind; how many keys there are.
    fn walk<R: crate::store::record::Record>(
        &mut self,
        kind: u8,
        mut each: impl FnMut(&mut Self, &[u8], R) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let (open, mut count) = (self.open, 0);
        for raw in open.records.scan(&[kind], &[]) {
            let raw: Raw = raw?;
            count += 1;
            let record = open.records.decode::<R>(&raw);
            let place = Place::from_octets(raw.0.get(1..).unwrap_or_default()).filter(|_| kind == kind::MESSAGE && record.is_err());
            let message = place.map(|place| self.message_id(place)).transpose()?.flatten();
            if let Some(record) = self.found(account_of(&raw.0), message, record)? {
                each(self, &raw.0, record)?;
            }
        }
        Ok(count)
    }

    /// Where to count a record of an account; none, and a finding, when there is no such account.
    fn found_in<'f>(
        &mut self,
        accounts: &'f mut BTreeMap<AccountId, Found>,
        removed: &HashSet<AccountId>,
        key: &[u8],
    ) -> Option<&'f mut Found> {
        let account = account_of(key);
        let found = account.and_then(|account| accounts.get_mut(&account));
        if found.is_none() && !account.is_some_and(|account| removed.contains(&account)) {
            self.find(account, None, &place_of(key), "it belongs to no account");
        }
        found
    }

    fn keys(&mut self, kind: u8) -> Result<Vec<Vec<u8>>, Error> {
        self.open.records.scan(&[kind], &[]).map(|raw| raw.map(|(key, _)| key)).collect()
    }

    /// Entries that are all expected and as many as expected are none too many.
    fn count_index(&mut self, kinds: &[u8], expected: u64) -> Result<(), Error> {
        let mut there = 0;
        for kind in kinds {
            for raw in self.open.records.scan(&[*kind], &[]) {
                raw?;
                there += 1;
            }
        }
        if there > expected {
            let finding = format!("{} of them belong to no readable record", there - expected);
            self.find(None, None, "the index entries", &finding);
        }
        Ok(())
    }
}
