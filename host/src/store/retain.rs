//! Retention: the octets of messages that need not be kept any longer are given up. The message stays known: its ids in every
//! scope, its stable id and the keyed hash of its octets, so that it is neither fetched nor stored again, by whatever name and under
//! whatever generation it is met. What people could read of it goes with the octets.

use serde::{Deserialize, Serialize};

use super::Store;
use super::documents;
use super::error::Error;
use super::index;
use super::layout::{self, Place, kind};
use super::record::{CountsRecord, MessageRecord, Octets};
use super::shared::Open;
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::model::name::AccountId;

/// Messages in one commit.
const BATCH: usize = 500;

/// How long a removed message is known after it has left its last place on the server. Mail that is moved leaves one place before
/// it is seen at the next, and providers bring it back from the trash for thirty days.
const KNOWN_MILLIS: u64 = 90 * 24 * 3_600 * 1_000;

/// All messages of an account are looked at once in so long; between, only those from the first that still has octets on.
const WHOLE_LOOK_MILLIS: u64 = 24 * 3_600 * 1_000;

/// The collection of how far each account was swept.
const SWEPT: &str = "store/swept";

/// How far an account was swept. What is wrong with it costs time or, at worst, keeps octets for a day longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Swept {
    /// No message below has octets.
    from: u64,
    /// When all of them were looked at.
    whole: Timestamp,
}

/// What a look at some messages found.
struct Look {
    /// Those to do something about.
    places: Vec<Place>,
    /// Where to go on; none: that was the last.
    next: Option<u64>,
    /// The first that keeps its octets, or what is behind the last.
    first_kept: Option<u64>,
    end: u64,
}

/// Which messages need not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Those that became durable before.
    pub stored_before: Timestamp,
    /// Those up to this sequence: what is behind it, somebody still wants.
    pub up_to: u64,
}

/// What retention removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    /// Messages whose octets were given up.
    pub messages: u64,
    /// Those octets.
    pub octets: u64,
    /// Messages that were removed earlier and are now forgotten: the server has not had them for ninety days.
    pub forgotten: u64,
}

impl Store {
    /// Give up the octets of an account's messages that need not be kept; durable on return. Messages that were set aside stay.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn retain(&self, account: AccountId, retention: Retention, now: Timestamp) -> Result<Retained, Error> {
        let mut all = Retained::default();
        let before = self.swept(account).await?;
        let is_whole = now.0.abs_diff(before.whole.0) > WHOLE_LOOK_MILLIS;
        let mut from = if is_whole { 0 } else { before.from };
        let mut first_kept = None;
        loop {
            let look = self.shared.read(move |open| look(open, account, retention, now, from)).await?;
            first_kept = first_kept.or(look.first_kept);
            if !look.places.is_empty() {
                let removed = self.remove(account, look.places, retention, now).await?;
                all.messages += removed.messages;
                all.octets += removed.octets;
                all.forgotten += removed.forgotten;
            }
            match look.next {
                Some(next) => from = next,
                None => {
                    let swept = Swept { from: first_kept.unwrap_or(look.end), whole: if is_whole { now } else { before.whole } };
                    if swept != before {
                        self.put_swept(account, swept).await?;
                    }
                    return Ok(all);
                }
            }
        }
    }

    async fn remove(&self, account: AccountId, places: Vec<Place>, retention: Retention, now: Timestamp) -> Result<Retained, Error> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let work = move |tx: &mut Transaction<'_>| {
            let removed = remove(tx, account, &places, retention, now)?;
            // Who has given up waiting needs no numbers.
            let _ = tell.send(removed);
            Ok(())
        };
        self.shared.commit(work, None).await?;
        Ok(told.try_recv().unwrap_or_default())
    }

    async fn swept(&self, account: AccountId) -> Result<Swept, Error> {
        let octets = self.document(SWEPT, &account.0.to_string()).await?.unwrap_or_default();
        Ok(postcard::from_bytes(&octets).unwrap_or_default())
    }

    async fn put_swept(&self, account: AccountId, swept: Swept) -> Result<(), Error> {
        let bug = |_| Error::Bug { operation: "write down how far mail was given up", finding: "it cannot be encoded" };
        let octets = postcard::to_stdvec(&swept).map_err(bug)?;
        let work = move |tx: &mut Transaction<'_>| {
            // It may have been removed since it was looked at.
            if tx.contains(&layout::of_account(kind::ACCOUNT, account))? {
                documents::put(tx, SWEPT, &account.0.to_string(), &octets)?;
            }
            Ok(())
        };
        self.shared.commit(work, None).await
    }
}

/// Forget how far a removed account was swept.
pub(super) fn forget_swept(tx: &mut Transaction<'_>, account: AccountId) -> Result<(), Error> {
    documents::remove(tx, SWEPT, &account.0.to_string())
}

/// What becomes of a message.
enum Verdict {
    Kept,
    GivenUp,
    Forgotten,
}

fn verdict(message: &MessageRecord, place: Place, retention: Retention, now: Timestamp) -> Verdict {
    match &message.octets {
        Octets::Body(_) if message.stored < retention.stored_before && place.sequence <= retention.up_to => Verdict::GivenUp,
        Octets::Removed(removed) if message.locations.is_empty() && removed.since.0.saturating_add(KNOWN_MILLIS) < now.0 => {
            Verdict::Forgotten
        }
        Octets::Body(_) | Octets::Removed(_) | Octets::SetAside { .. } => Verdict::Kept,
    }
}

/// Look at messages from the sequence `from` on, until there are enough for a commit.
fn look(open: &Open, account: AccountId, retention: Retention, now: Timestamp, from: u64) -> Result<Look, Error> {
    let (prefix, watermark) = (layout::of_account(kind::MESSAGE, account), open.watermark());
    let mut look = Look { places: Vec::new(), next: None, first_kept: None, end: from };
    for raw in open.records.scan(&prefix, &layout::message(Place { account, sequence: from })) {
        let raw = raw?;
        let Some(sequence) = layout::sequence_in(&raw.0).filter(|sequence| *sequence <= watermark) else { break };
        if look.places.len() == BATCH {
            look.next = Some(sequence);
            break;
        }
        let (place, message) = (Place { account, sequence }, open.records.decode::<MessageRecord>(&raw)?);
        match verdict(&message, place, retention, now) {
            Verdict::Kept if message.body().is_some() => look.first_kept = look.first_kept.or(Some(sequence)),
            Verdict::Kept => {}
            Verdict::GivenUp | Verdict::Forgotten => look.places.push(place),
        }
        look.end = sequence.saturating_add(1);
    }
    Ok(look)
}

fn remove(tx: &mut Transaction<'_>, account: AccountId, places: &[Place], retention: Retention, now: Timestamp) -> Result<Retained, Error> {
    let mut removed = Retained::default();
    // It may have been removed since it was looked at.
    if !tx.contains(&layout::of_account(kind::ACCOUNT, account))? {
        return Ok(removed);
    }
    let counts_key = layout::of_account(kind::COUNTS, account);
    let mut counts: CountsRecord = tx.read(&counts_key)?.unwrap_or_default();
    for place in places {
        let key = layout::message(*place);
        let Some(message) = tx.read::<MessageRecord>(&key)? else { continue };
        match verdict(&message, *place, retention, now) {
            Verdict::Kept => continue,
            Verdict::GivenUp => {
                removed.messages += 1;
                removed.octets += message.body().map_or(0, |body| body.size);
                index::delete(tx, *place, &message);
                counts.count(&message, -1);
                let message = message.given_up(now);
                counts.count(&message, 1);
                index::put(tx, *place, &message);
                tx.write(key, &message)?;
            }
            Verdict::Forgotten => {
                removed.forgotten += 1;
                index::delete(tx, *place, &message);
                counts.count(&message, -1);
                tx.delete(key);
            }
        }
    }
    tx.write(counts_key, &counts)?;
    Ok(removed)
}
