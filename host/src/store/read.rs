//! Reading messages, folders and cursors: below the watermark only, so that nobody acts on what a crash could take back.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::Store;
use super::error::Error;
use super::layout::{self, Place, kind};
use super::record::{BodyRecord, CountsRecord, FolderRecord, MessageRecord, Octets};
use super::seal::Sealer;
use super::shared::{Open, on_thread};
use super::spool::reader::ChunkReader;
use super::status::{Counts, FolderState, SummaryPage};
use crate::model::message::Summary;
use crate::model::name::{AccountId, MessageId};

/// Entries of the address index that one call looks at, however few of them are of the account that was asked for.
const ADDRESS_ENTRIES: usize = 100_000;

/// The octets of one message, a verified piece at a time.
pub struct BodyReader {
    /// None while a piece is being read, and after a failure.
    chunks: Option<ChunkReader>,
    size: u64,
    /// Octets of the next piece that were not asked for.
    skipped: usize,
}

impl BodyReader {
    /// Octets of the whole body.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Go to an octet of the body: the next piece begins there, and no earlier one is read. Each piece is still verified by its own
    /// seal; the hash of the whole no longer is.
    pub fn seek(&mut self, offset: u64) {
        if let Some(chunks) = &mut self.chunks {
            self.skipped = chunks.seek(offset);
        }
    }

    /// The next piece, at most 64 KiB; none: that was all, and it was what had been stored. Given up while it waits, the body cannot
    /// be read on.
    ///
    /// # Errors
    /// Damage, with account, message, segment and offset; the disk.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut chunks = self.chunks.take().ok_or(Error::Bug { operation: "read a body on", finding: "an earlier piece failed" })?;
        let (chunks, piece) = on_thread(move || {
            let piece = chunks.next()?;
            Ok((chunks, piece))
        })
        .await?;
        self.chunks = Some(chunks);
        let skipped = std::mem::take(&mut self.skipped);
        Ok(piece.map(|piece| Bytes::from(piece).split_off(skipped)))
    }
}

impl Store {
    /// Durable messages of one account, or of all, in the order of their sequence, at most `max` after the sequence `after`.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn messages(&self, account: Option<AccountId>, after: u64, max: usize) -> Result<Vec<Summary>, Error> {
        self.shared
            .read(move |open| {
                let (mut found, mut after) = (Vec::new(), after);
                // Those whose octets were given up are none: there may be any number of them in a row.
                loop {
                    let places = open.places_after(account, after, max)?;
                    let Some(last) = places.last().map(|place| place.sequence) else { return Ok(found) };
                    open.add_summaries(&mut found, &places, max)?;
                    if found.len() >= max || places.len() < max {
                        return Ok(found);
                    }
                    after = last;
                }
            })
            .await
    }

    /// Durable messages of one account, or of all, newest sequence first, at most `max` below the sequence `before`.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn messages_newest_first(&self, account: Option<AccountId>, before: Option<u64>, max: usize) -> Result<Vec<Summary>, Error> {
        self.shared
            .read(move |open| {
                let mut found = Vec::new();
                let mut before = before.unwrap_or(u64::MAX).min(open.watermark().saturating_add(1));
                loop {
                    let places = open.places_before(account, before, max)?;
                    let Some(last) = places.last().map(|place| place.sequence) else { return Ok(found) };
                    open.add_summaries(&mut found, &places, max)?;
                    if found.len() >= max || places.len() < max {
                        return Ok(found);
                    }
                    before = last;
                }
            })
            .await
    }

    /// One durable message.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn message(&self, message: MessageId) -> Result<Option<Summary>, Error> {
        self.shared.read(move |open| Ok(open.find(message)?.and_then(|(place, record)| record.summary(place)))).await
    }

    /// Durable messages with this address in From, To or Cc, newest first (as the server received them, else by their Date field).
    /// `after` is the `next` of the page before. A page may hold less than `max` before the last.
    ///
    /// # Errors
    /// A token that is none, damage, the disk.
    pub async fn messages_with_address(
        &self,
        account: Option<AccountId>,
        address: &str,
        after: Option<String>,
        max: usize,
    ) -> Result<SummaryPage, Error> {
        let address = address.to_owned();
        self.shared
            .read(move |open| {
                let prefix = layout::address(open.records.index(), &address);
                let below = after.map(|token| decode_token(&prefix, &token)).transpose()?;
                let (watermark, mut page, mut last) = (open.watermark(), SummaryPage::default(), None);
                for (at, raw) in open.records.scan_back(&prefix, below.as_deref()).enumerate() {
                    let (key, _) = raw?;
                    if page.messages.len() >= max || at >= ADDRESS_ENTRIES {
                        page.next = last;
                        break;
                    }
                    last = key.get(prefix.len()..).map(|rest| data_encoding::HEXLOWER.encode(rest));
                    let place = key.get(key.len().saturating_sub(12)..).and_then(Place::from_octets);
                    let wanted = |place: &Place| place.sequence <= watermark && account.is_none_or(|account| place.account == account);
                    let Some(place) = place.filter(wanted) else { continue };
                    // The entry says no more than where to look; the sealed record decides.
                    let message = open.message_at(place)?;
                    let is_of = |message: &MessageRecord| {
                        let mut addresses = message.headers.from.iter().chain(&message.headers.to);
                        addresses.any(|found| layout::address(open.records.index(), found) == prefix)
                    };
                    page.messages.extend(message.filter(is_of).and_then(|message| message.summary(place)));
                }
                Ok(page)
            })
            .await
    }

    /// The octets of a durable message; none: there is no such message.
    ///
    /// # Errors
    /// It was set aside without octets; damage, the disk.
    pub async fn body(&self, message: MessageId) -> Result<Option<BodyReader>, Error> {
        let read = move |open: &Open| {
            // Before the record is read: a rotation that ends meanwhile takes none of its epochs away.
            let sealer = open.keyring.sealer();
            let found = open.find(message)?.filter(|(_, record)| !matches!(record.octets, Octets::Removed(_)));
            found.map(|(place, record)| open.body(place, &record, sealer)).transpose()
        };
        self.shared.read(read).await
    }

    /// The folders of an account that had a checkpoint or hold messages, by id.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn folders(&self, account: AccountId) -> Result<Vec<FolderState>, Error> {
        let mut folders = self
            .shared
            .read(move |open| {
                let prefix = layout::of_account(kind::FOLDER, account);
                let state = |raw| {
                    let folder: FolderRecord = open.records.decode(&raw?)?;
                    let messages = folder.messages();
                    let cursor_octets = folder.cursor.map_or(0, |cursor| cursor.len() as u64);
                    Ok(FolderState {
                        folder: folder.folder,
                        generation: folder.generation,
                        messages,
                        checkpoint: folder.checkpoint,
                        cursor_octets,
                    })
                };
                open.records.scan(&prefix, &[]).map(state).collect::<Result<Vec<_>, Error>>()
            })
            .await?;
        folders.sort_by(|one, other| one.folder.cmp(&other.folder));
        Ok(folders)
    }

    /// The cursor of the last checkpoint of a folder, or of the whole account.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn cursor(&self, account: AccountId, folder: Option<&str>) -> Result<Option<Vec<u8>>, Error> {
        let folder = folder.map(ToOwned::to_owned);
        self.shared
            .read(move |open| {
                let hash = layout::folder_hash(open.records.index(), folder.as_deref());
                Ok(open.records.read::<FolderRecord>(&layout::folder(account, &hash))?.and_then(|folder| folder.cursor))
            })
            .await
    }

    /// What an account has here.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn counts(&self, account: AccountId) -> Result<Counts, Error> {
        let counts = self.shared.read(move |open| open.records.read::<CountsRecord>(&layout::of_account(kind::COUNTS, account))).await?;
        let CountsRecord { messages, octets, set_aside, removed, .. } = counts.unwrap_or_default();
        Ok(Counts { messages, octets, set_aside, removed })
    }
}

impl Open {
    /// The account, or all that may have messages after the sequence `after`; removed ones are not among them.
    pub(super) fn accounts_with_news(&self, account: Option<AccountId>, after: u64) -> Vec<AccountId> {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let has_news = |account: &&AccountId| newest.get(account).is_some_and(|newest| *newest > after);
        match account {
            Some(account) => accounts.contains_key(&account).then_some(account).into_iter().collect(),
            None => accounts.keys().filter(has_news).copied().collect(),
        }
    }

    /// The places of at most `max` messages after a sequence, in order.
    fn places_after(&self, account: Option<AccountId>, after: u64, max: usize) -> Result<Vec<Place>, Error> {
        let (watermark, mut places) = (self.watermark(), Vec::new());
        for account in self.accounts_with_news(account, after) {
            let prefix = layout::of_account(kind::MESSAGE, account);
            let from = layout::message(Place { account, sequence: after.saturating_add(1) });
            for raw in self.records.scan(&prefix, &from).take(max) {
                let Some(sequence) = layout::sequence_in(&raw?.0) else { continue };
                if sequence > watermark {
                    break;
                }
                places.push(Place { account, sequence });
            }
        }
        places.sort_unstable_by_key(|place| place.sequence);
        places.truncate(max);
        Ok(places)
    }

    /// The places of at most `max` messages before a sequence, the newest first.
    fn places_before(&self, account: Option<AccountId>, before: u64, max: usize) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        for account in self.accounts_with_news(account, 0) {
            let prefix = layout::of_account(kind::MESSAGE, account);
            let below = layout::message(Place { account, sequence: before });
            for raw in self.records.scan_back(&prefix, Some(&below)).take(max) {
                places.extend(layout::sequence_in(&raw?.0).map(|sequence| Place { account, sequence }));
            }
        }
        places.sort_unstable_by_key(|place| std::cmp::Reverse(place.sequence));
        places.truncate(max);
        Ok(places)
    }

    fn add_summaries(&self, summaries: &mut Vec<Summary>, places: &[Place], max: usize) -> Result<(), Error> {
        for place in places.iter().copied() {
            if summaries.len() >= max {
                break;
            }
            // It may have been removed, need not be kept any longer, or have got a new sequence, since its key was read.
            summaries.extend(self.message_at(place)?.and_then(|message| message.summary(place)));
        }
        Ok(())
    }

    pub(super) fn message_at(&self, place: Place) -> Result<Option<MessageRecord>, Error> {
        self.records.read(&layout::message(place))
    }

    /// A durable message of an account that is there.
    fn find(&self, message: MessageId) -> Result<Option<(Place, MessageRecord)>, Error> {
        let Some(octets) = self.records.get(&layout::message_id(message))? else { return Ok(None) };
        let is_readable = |place: &Place| {
            let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
            place.sequence <= self.watermark() && accounts.contains_key(&place.account)
        };
        let Some(place) = Place::from_octets(&octets).filter(is_readable) else { return Ok(None) };
        let record = self.message_at(place)?.filter(|record| record.message == message);
        Ok(record.map(|record| (place, record)))
    }

    fn body(&self, place: Place, record: &MessageRecord, sealer: Arc<Sealer>) -> Result<BodyReader, Error> {
        let body = record.body().ok_or(Error::NoOctets(record.message))?.clone();
        let size = body.size;
        Ok(BodyReader { chunks: Some(self.chunks(place, record.message, body, sealer)), size, skipped: 0 })
    }

    /// Reads a body; `sealer` was taken before its record was read.
    pub(super) fn chunks(&self, place: Place, message: MessageId, body: BodyRecord, sealer: Arc<Sealer>) -> ChunkReader {
        let owner = format!("account {}, message {message}", place.account);
        let records = Arc::clone(&self.records);
        let find = move |body: &[u8; 16]| {
            let record: Option<MessageRecord> = records.read(&layout::message(place))?;
            Ok(record.as_ref().and_then(MessageRecord::body).filter(|now| now.body == *body).map(|now| now.extents.clone()))
        };
        ChunkReader::new(Arc::clone(self.spool.segments()), sealer, body, owner, Box::new(find))
    }
}

/// The key behind `prefix` that a page's token stands for.
pub(super) fn decode_token(prefix: &[u8], token: &str) -> Result<Vec<u8>, Error> {
    let unfit = Error::Unfit { what: "a page's token", finding: "it is none of this listing" };
    let rest = data_encoding::HEXLOWER.decode(token.as_bytes()).map_err(|_| unfit)?;
    Ok([prefix, &rest].concat())
}
