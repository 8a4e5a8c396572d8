//! The keys of an open store: shown, wrapped anew, and rotated. A rotation makes a new epoch, then rewrites every body and record
//! that was sealed under an earlier one, then forgets the earlier data keys. Until then the keyring has all of them, so that it
//! can be broken off anywhere: the next one goes on with what is left.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::Error;
use super::keys::NewKey;
use super::layout::{self, Place, kind};
use super::record::{BodyRecord, MessageRecord, Octets};
use super::records::damaged;
use super::shared::{Open, Shared, on_thread};
use super::spool::chunk::{Appended, ChunkWriter};
use super::spool::frame::{FrameHeader, HEADER_OCTETS};
use super::status::{KeyState, Progress};
use super::transaction::Transaction;
use crate::model::name::MessageId;
use crate::secret::Secret;

/// Messages that are looked at in one go.
const LOOKED_AT: usize = 500;

/// Bodies and octets that are rewritten before they are committed together.
const BODIES: usize = 64;
const BODY_OCTETS: u64 = 8 << 20;

/// Records and octets of them that are rewritten in one commit.
const RECORDS: usize = 500;
const RECORD_OCTETS: usize = 4 << 20;

/// How often it is looked whether sessions still hold bodies that were sealed before the rotation.
const LATE_LOOK: Duration = Duration::from_millis(50);

/// Keys, and where to look on for more.
type Page = (Vec<Vec<u8>>, Option<Vec<u8>>);

/// What a rotation did, beyond what an earlier one that was broken off had done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// The epoch that everything is sealed under now.
    pub epoch: u32,
    /// Bodies that were rewritten.
    pub bodies: u64,
    /// Records that were rewritten, those of these bodies not counted.
    pub records: u64,
}

/// A body that was sealed again, and the one that it takes the place of.
struct Rewritten {
    place: Place,
    old: [u8; 16],
    new: Appended,
}

impl Store {
    /// The keys.
    ///
    /// # Errors
    /// A closed store.
    pub async fn key_state(&self) -> Result<KeyState, Error> {
        Ok(self.shared.open()?.keyring.key_state())
    }

    /// Give the store another master key; on return it opens with that one, and with the recovery key. Nothing is sealed anew.
    ///
    /// # Errors
    /// A key that cannot be used or kept, the disk. Then the former one holds.
    pub async fn rekey(&self, new: NewKey) -> Result<KeyState, Error> {
        let open = self.shared.open()?;
        on_thread(move || {
            open.keyring.rekey(&new)?;
            Ok(open.keyring.key_state())
        })
        .await
    }

    /// Make a recovery key; the one before opens nothing any more. It is nowhere but in the answer.
    ///
    /// # Errors
    /// The disk.
    pub async fn make_recovery_key(&self) -> Result<Secret, Error> {
        let open = self.shared.open()?;
        on_thread(move || open.keyring.make_recovery_key()).await
    }

    /// Seal everything with a new data key, and forget the earlier ones; or go on with a rotation that was broken off. Can be
    /// dropped at any point. Waits for sessions that hold bodies from before until they have committed them.
    ///
    /// # Errors
    /// Another rotation is under way; damage, which wants to be repaired first; the disk.
    pub async fn rotate(&self, mut progress: impl FnMut(Progress) + Send) -> Result<Rotated, Error> {
        let _turn = self.shared.rotation.try_lock().map_err(|_| Error::UnderWay("a rotation of the keys"))?;
        let open = self.shared.open()?;
        if !open.keyring.key_state().is_half_rotated {
            let open = Arc::clone(&open);
            // Between two commits, so that none is sealed half with the one key and half with the other.
            on_thread(move || open.committer.at_standstill(|| open.keyring.begin_epoch())).await?;
        }
        // What compaction moves would have to be looked for again, and what it frees is mostly what is rewritten here.
        let _still = open.compaction.lock().await;
        let mut rotated = Rotated { epoch: open.keyring.sealer().epoch(), ..Rotated::default() };
        loop {
            let is_last = has_no_late_writers(&open).await?;
            rewrite_bodies(&self.shared, &open, &mut rotated, &mut progress).await?;
            for kind in kind::SEALED {
                rewrite_records(&self.shared, kind, &mut rotated).await?;
            }
            if is_last {
                break;
            }
            while !has_no_late_writers(&open).await? {
                tokio::time::sleep(LATE_LOOK).await;
            }
        }
        let ending = Arc::clone(&open);
        on_thread(move || ending.committer.at_standstill(|| ending.keyring.end_epochs())).await?;
        Ok(rotated)
    }
}

/// Whether no session holds a body of an earlier epoch, and all that were handed to the committer are in their records.
async fn has_no_late_writers(open: &Arc<Open>) -> Result<bool, Error> {
    if open.keyring.sealer().late_writers() > 0 {
        return Ok(false);
    }
    let open = Arc::clone(open);
    on_thread(move || {
        open.committer.at_standstill(|| ());
        Ok(true)
    })
    .await
}

async fn rewrite_bodies(
    shared: &Shared,
    open: &Arc<Open>,
    rotated: &mut Rotated,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<(), Error> {
    let places: Vec<Place> = shared
        .read(|open| {
            let keys = open.records.scan(&[kind::MESSAGE], &[]).map(|raw| raw.map(|(key, _)| key));
            keys.filter_map(|key| key.map(|key| Place::from_octets(key.get(1..).unwrap_or_default())).transpose()).collect()
        })
        .await?;
    let total = places.len() as u64;
    let mut done = 0;
    for places in places.chunks(LOOKED_AT) {
        let looked_at = places.to_vec();
        let late = shared
            .read(move |open| looked_at.into_iter().filter_map(|place| open.late_body(place).transpose()).collect::<Result<Vec<_>, _>>());
        let (mut gathered, mut octets) = (Vec::new(), 0);
        for (within, (place, message, body)) in (1..).zip(late.await?) {
            octets += body.size;
            let old = body.body;
            match rewrite(open, place, message, body).await {
                Ok(new) => gathered.push(Rewritten { place, old, new }),
                // It need not be kept any longer.
                Err(Error::Removed(_)) => {}
                Err(error) => return Err(error),
            }
            if gathered.len() >= BODIES || octets >= BODY_OCTETS {
                rotated.bodies += gathered.len() as u64;
                commit(shared, open, std::mem::take(&mut gathered)).await?;
                octets = 0;
            }
            progress(Progress { done: done + within, total });
        }
        rotated.bodies += gathered.len() as u64;
        commit(shared, open, gathered).await?;
        done += places.len() as u64;
        progress(Progress { done, total });
    }
    Ok(())
}

/// Seal a body again: every chunk is opened and verified, then goes the way of a new one.
async fn rewrite(open: &Arc<Open>, place: Place, message: MessageId, body: BodyRecord) -> Result<Appended, Error> {
    let mut writer = ChunkWriter::new(&open.spool, body.part)?;
    let mut chunks = open.chunks(place, message, body, open.keyring.sealer());
    loop {
        let (again, piece) = on_thread(move || {
            let piece = chunks.next()?;
            Ok((chunks, piece))
        })
        .await?;
        chunks = again;
        match piece {
            Some(piece) => writer.write(&open.spool, &piece).await?,
            None => return writer.finish(&open.spool).await,
        }
    }
}

/// Have the records refer to the new bodies. One that changed meanwhile stays as it is: the next round sees it.
async fn commit(shared: &Shared, open: &Open, rewritten: Vec<Rewritten>) -> Result<(), Error> {
    if rewritten.is_empty() {
        return Ok(());
    }
    let spool = Arc::clone(&open.spool);
    let work = move |tx: &mut Transaction<'_>| {
        // Asked here, on the committer's thread: only it finds out that octets were lost.
        let generation = spool.generation();
        for Rewritten { place, old, new } in rewritten {
            let account = place.account;
            if new.generation != generation {
                return Err(Error::Conflict { account, finding: "octets of a message were lost when the spool could not be written" });
            }
            let key = layout::message(place);
            let Some(mut record) = tx.read::<MessageRecord>(&key)? else { continue };
            match &mut record.octets {
                Octets::Body(body) if body.body == old => *body = new.record,
                _ => continue,
            }
            tx.write(key, &record)?;
        }
        Ok(())
    };
    shared.commit(work, None).await
}

/// Put every late record of a kind as it is; the committer seals what it writes with the current key.
async fn rewrite_records(shared: &Shared, kind: u8, rotated: &mut Rotated) -> Result<(), Error> {
    let mut from = vec![kind];
    loop {
        let start = std::mem::take(&mut from);
        let (keys, next) = shared.read(move |open| open.late_records(kind, &start)).await?;
        if !keys.is_empty() {
            rotated.records += keys.len() as u64;
            let work = move |tx: &mut Transaction<'_>| {
                for key in keys {
                    if let Some(plain) = tx.get(&key)? {
                        tx.put(key, plain);
                    }
                }
                Ok(())
            };
            shared.commit(work, None).await?;
        }
        match next {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

impl Open {
    /// The body of a message, where its first frame is of an earlier epoch: all frames of a body are of one.
    fn late_body(&self, place: Place) -> Result<Option<(Place, MessageId, BodyRecord)>, Error> {
        let Some(record) = self.message_at(place)? else { return Ok(None) };
        let Some(body) = record.body() else { return Ok(None) };
        let (message, body) = (record.message, body.clone());
        let key = layout::message(place);
        let extent = body.extents.first().ok_or_else(|| damaged(&key, "it has a body without any octets on disk"))?;
        let segments = self.spool.segments();
        let missing = |finding| Error::Damaged {
            operation: "read a body",
            place: format!("account {}, message {message}, segment {} offset {}", place.account, extent.segment, extent.offset),
            finding,
        };
        let file = segments.file(extent.segment)?.ok_or_else(|| missing("the segment is missing"))?;
        let mut header = [0; HEADER_OCTETS];
        match std::os::unix::fs::FileExt::read_exact_at(&*file, &mut header, extent.offset) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(missing("the segment ends before the body does"));
            }
            Err(error) => return Err(Error::io("read the segment", &segments.path_of(extent.segment))(error)),
        }
        let header = FrameHeader::decode(&header).map_err(missing)?;
        Ok((header.epoch != self.keyring.sealer().epoch()).then_some((place, message, body)))
    }

    /// Keys of a kind, from `from` on, whose values are of an earlier epoch; and where to look on.
    fn late_records(&self, kind: u8, from: &[u8]) -> Result<Page, Error> {
        let sealer = self.keyring.sealer();
        let (mut keys, mut octets) = (Vec::new(), 0);
        for raw in self.records.scan(&[kind], from) {
            let (key, value) = raw?;
            if !sealer.is_late(&value) {
                continue;
            }
            if keys.len() >= RECORDS || octets >= RECORD_OCTETS {
                return Ok((keys, Some(key)));
            }
            octets += value.len();
            keys.push(key);
        }
        Ok((keys, None))
    }
}
