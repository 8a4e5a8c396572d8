//! Index entries: those that no record calls for go, those that are missing come back.

use super::Repair;
use crate::store::error::Error;
use crate::store::index;
use crate::store::layout::{self, Place, kind};
use crate::store::record::{AccountRecord, MessageRecord};
use crate::store::records::place_of;

impl Repair<'_, '_> {
    pub(super) fn mend_indexes(&mut self) -> Result<(), Error> {
        let mut surplus = 0_u64;
        for of in index::OF_MESSAGES {
            for key in self.tx.keys(&[of], &[of], usize::MAX)? {
                if !self.is_called_for(of, &key)? {
                    surplus += 1;
                    self.tx.delete(key);
                }
            }
        }
        for key in self.tx.keys(&[kind::NAME], &[kind::NAME], usize::MAX)? {
            if !self.is_name(&key)? {
                surplus += 1;
                self.tx.delete(key);
            }
        }
        if surplus > 0 {
            self.act(None, None, "the index entries", &format!("{surplus} deleted that belonged to no record"));
        }
        for place in self.places()? {
            let Some(record) = self.message(place)? else { continue };
            for (key, value) in index::entries(self.tx.index(), place, &record) {
                if self.tx.get(&key)?.as_ref() != Some(&value) {
                    self.act(Some(place.account), Some(record.message), &place_of(&key), "made again");
                    self.tx.put(key, value);
                }
            }
        }
        Ok(())
    }

    fn is_called_for(&self, of: u8, key: &[u8]) -> Result<bool, Error> {
        let Some(value) = self.tx.get(key)? else { return Ok(true) };
        let place = match of {
            kind::ID => Place::from_octets(&value),
            kind::ADDRESS => key.get(key.len().saturating_sub(12)..).and_then(Place::from_octets),
            _ => layout::account_in(key).zip(layout::sequence_in(key)).map(|(account, sequence)| Place { account, sequence }),
        };
        let Some(place) = place else { return Ok(false) };
        let Some(record) = self.tx.read::<MessageRecord>(&layout::message(place))? else { return Ok(false) };
        Ok(index::entries(self.tx.index(), place, &record).iter().any(|(called_for, content)| called_for == key && *content == value))
    }

    fn is_name(&self, key: &[u8]) -> Result<bool, Error> {
        let Some(account) = self.tx.get(key)?.and_then(|value| value.try_into().ok()).map(u32::from_be_bytes) else { return Ok(false) };
        let record = self.tx.read::<AccountRecord>(&layout::of_account(kind::ACCOUNT, crate::model::name::AccountId(account)))?;
        Ok(record.and_then(|record| record.account().ok()).is_some_and(|account| layout::name(self.tx.index(), &account.name) == key))
    }
}
