//! Retention: the octets of messages that need not be kept any longer are given up. The message stays known: its ids in every
//! scope, its stable id and the keyed hash of its octets, so that it is neither fetched nor stored again, by whatever name and under
//! whatever generation it is met. What people could read of it goes with the octets.

use serde::{Deserialize, Serialize};

use super::Store;
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
        let mut from = 0;
        loop {
            let look = move |open: &Open| candidates(open, account, retention, now, from);
            let (places, next) = self.shared.read(look).await?;
            if !places.is_empty() {
                let (tell, told) = std::sync::mpsc::sync_channel(1);
                let work = move |tx: &mut Transaction<'_>| {
                    let removed = remove(tx, account, &places, retention, now)?;
                    // Who has given up waiting needs no numbers.
                    let _ = tell.send(removed);
                    Ok(())
                };
                self.shared.commit(work, None).await?;
                let removed = told.try_recv().unwrap_or_default();
                all.messages += removed.messages;
                all.octets += removed.octets;
                all.forgotten += removed.forgotten;
            }
            match next {
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }
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

/// Messages to look at in a commit, from the sequence `from` on, and where to go on.
fn candidates(
    open: &Open,
    account: AccountId,
    retention: Retention,
    now: Timestamp,
    from: u64,
) -> Result<(Vec<Place>, Option<u64>), Error> {
    let (prefix, watermark) = (layout::of_account(kind::MESSAGE, account), open.watermark());
    let mut places = Vec::new();
    for raw in open.records.scan(&prefix, &layout::message(Place { account, sequence: from })) {
        let raw = raw?;
        let Some(sequence) = layout::sequence_in(&raw.0).filter(|sequence| *sequence <= watermark) else { break };
        if places.len() == BATCH {
            return Ok((places, Some(sequence)));
        }
        let place = Place { account, sequence };
        if !matches!(verdict(&open.records.decode(&raw)?, place, retention, now), Verdict::Kept) {
            places.push(place);
        }
    }
    Ok((places, None))
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
