//! Compaction of the spool: what is alive in segments that are mostly garbage is copied to the end of the spool, as ciphertext, and
//! the segments are removed. Nothing is opened; the seal of a chunk does not know its place.
//!
//! A body goes in one order only: copied, the copy durable together with the record that points to it (a commit like any other),
//! then the old segment removed. Ended anywhere, nothing is lost: a copy without a record is garbage, and so is a segment that
//! nothing points to any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::Error;
use super::layout::{self, Place, kind};
use super::record::{BodyRecord, CountsRecord, Extent, MessageRecord};
use super::shared::{self, Open, on_thread};
use super::spool::frame::{FrameHeader, HEADER_OCTETS};
use super::spool::{self, chunk, reader, segment};
use super::transaction::Transaction;

/// Bodies and octets that are copied in one commit.
const BODIES: usize = 500;
const OCTETS: u64 = 4 << 20;

/// From this share of garbage on, in percent, a segment is compacted by the daemon. At worst, half of the spool is garbage, and an
/// octet is copied once for each octet that is freed.
const WORTH_PERCENT: u64 = 50;

/// From this share on, somebody who asks for it is served.
const ASKED_PERCENT: u64 = 5;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactReport {
    /// Segments removed.
    pub segments: u64,
    /// Octets that the spool is smaller by.
    pub freed_octets: u64,
    /// Octets that were copied for it.
    pub copied_octets: u64,
}

/// A body with frames in segments that shall go.
struct Moving {
    place: Place,
    body: BodyRecord,
    /// Its extents when all is copied.
    extents: Vec<Extent>,
}

/// Bodies to move, and the key behind which the next ones stand.
type Page = (Vec<Moving>, Option<Vec<u8>>);

impl Store {
    /// Free what no message needs of the spool. Others read and write meanwhile; one compaction runs at a time.
    ///
    /// # Errors
    /// A damaged record or store (what an unreadable record points to cannot be told from garbage), the disk.
    pub async fn compact(&self) -> Result<CompactReport, Error> {
        let open = self.shared.open()?;
        open.spool.rotate()?;
        compact(&open, ASKED_PERCENT).await
    }

    /// The same where it is worth the copying, which is told from counts alone; none: it was not.
    ///
    /// # Errors
    /// As [`compact`](Self::compact).
    pub async fn compact_if_worth(&self) -> Result<Option<CompactReport>, Error> {
        let open = self.shared.open()?;
        let looked = Arc::clone(&open);
        if on_thread(move || is_worth(&looked)).await? { compact(&open, WORTH_PERCENT).await.map(Some) } else { Ok(None) }
    }
}

fn is_worth(open: &Open) -> Result<bool, Error> {
    let mut live = 0;
    for raw in open.records.scan(&[kind::COUNTS], &[]) {
        live += open.records.decode::<CountsRecord>(&raw?)?.octets;
    }
    let (_, octets) = spool::usage(open.spool.segments())?;
    // One segment is always being filled.
    let garbage = octets.saturating_sub(live).saturating_sub(spool::SEGMENT_OCTETS);
    Ok(garbage.saturating_mul(100) >= octets.saturating_mul(WORTH_PERCENT / 2).max(1))
}

async fn compact(open: &Arc<Open>, percent: u64) -> Result<CompactReport, Error> {
    let turn = Arc::clone(&open.compaction).lock_owned().await;
    // Asked first: no record that is written from now on points below it.
    let floor = open.spool.floor();
    let looked = Arc::clone(open);
    let victims = on_thread(move || choose(&looked, floor, percent)).await?;
    let mut report = CompactReport::default();
    // Segments with frames that could not be copied stay.
    let mut spared = BTreeSet::new();
    let mut from = Some(Vec::new());
    while let Some(key) = from {
        let (looked, wanted) = (Arc::clone(open), victims.clone());
        let (page, next) = on_thread(move || next_page(&looked, &wanted, &key)).await?;
        report.copied_octets += move_bodies(open, &victims, page, &mut spared).await?;
        from = next;
    }
    let removing = Arc::clone(open);
    let removed = on_thread(move || {
        // Also when nobody waits for it any more: a backup must not list what goes meanwhile.
        let _turn = turn;
        let going: Vec<_> = victims.into_iter().filter(|(number, _)| !spared.contains(number)).collect();
        removing.spool.segments().remove(going.iter().map(|(number, _)| *number))?;
        Ok(going)
    });
    let removed = removed.await?;
    report.segments = removed.len() as u64;
    report.freed_octets = removed.iter().map(|(_, octets)| octets).sum::<u64>().saturating_sub(report.copied_octets);
    Ok(report)
}

/// The segments below `floor` of which at least `percent` is garbage, with their octets.
fn choose(open: &Open, floor: u64, percent: u64) -> Result<BTreeMap<u64, u64>, Error> {
    if let Some(damage) = shared::known_damage(&open.records)?.into_iter().next() {
        tracing::warn!(damage, "the spool is not compacted while the store is damaged");
        return Err(Error::Unfit { what: "a compacted spool", finding: "the store is damaged: what is garbage cannot be told" });
    }
    let mut live: BTreeMap<u64, u64> = BTreeMap::new();
    for raw in open.records.scan(&[kind::MESSAGE], &[]) {
        let record: MessageRecord = open.records.decode(&raw?)?;
        for extent in record.body().map(|body| body.extents.as_slice()).unwrap_or_default() {
            *live.entry(extent.segment).or_default() += extent.length;
        }
    }
    let mut victims = BTreeMap::new();
    for (number, octets) in open.spool.segments().list()?.into_iter().filter(|(number, _)| *number < floor) {
        let live = live.get(&number).copied().unwrap_or(0);
        let garbage = octets.saturating_sub(live).saturating_sub(segment::HEADER_OCTETS);
        if live == 0 || garbage.saturating_mul(100) >= octets.saturating_mul(percent) {
            victims.insert(number, octets);
        }
    }
    Ok(victims)
}

/// The next bodies with frames in `victims`, from the record `from` on.
fn next_page(open: &Open, victims: &BTreeMap<u64, u64>, from: &[u8]) -> Result<Page, Error> {
    let (mut page, mut octets) = (Vec::new(), 0);
    for raw in open.records.scan(&[kind::MESSAGE], from) {
        let raw = raw?;
        if page.len() >= BODIES || octets >= OCTETS {
            return Ok((page, Some(raw.0)));
        }
        let (Some(place), record) = (Place::from_octets(raw.0.get(1..).unwrap_or_default()), open.records.decode::<MessageRecord>(&raw)?)
        else {
            continue;
        };
        let Some(body) = record.body() else { continue };
        let moved: u64 = body.extents.iter().filter(|extent| victims.contains_key(&extent.segment)).map(|extent| extent.length).sum();
        if moved > 0 {
            octets += moved;
            page.push(Moving { place, body: body.clone(), extents: Vec::new() });
        }
    }
    Ok((page, None))
}

/// Copy what bodies have in `victims`, and make their records point to the copies; how many octets. Durable on return.
async fn move_bodies(open: &Arc<Open>, victims: &BTreeMap<u64, u64>, page: Vec<Moving>, spared: &mut BTreeSet<u64>) -> Result<u64, Error> {
    let generation = open.spool.generation();
    let (mut moved, mut copied) = (Vec::new(), 0);
    // Held until the records point to the copies.
    let hold = open.spool.hold();
    for mut moving in page {
        match copy(open, victims, &mut moving).await {
            Ok(octets) => {
                copied += octets;
                moved.push(moving);
            }
            // It stays where it is, for `check` to name.
            Err(Error::Damaged { place, finding, .. }) => {
                tracing::error!(place, finding, "a body is damaged and not moved");
                spared.extend(moving.body.extents.iter().map(|extent| extent.segment));
            }
            Err(error) => return Err(error),
        }
    }
    if moved.is_empty() {
        return Ok(copied);
    }
    let spool = Arc::clone(&open.spool);
    let work = move |tx: &mut Transaction<'_>| {
        if spool.generation() != generation {
            return Err(Error::Bug { operation: "compact the spool", finding: "copies were lost when the spool could not be written" });
        }
        moved.iter().try_for_each(|moving| point_to_copy(tx, moving))
    };
    open.committer.commit(Box::new(work), Some(Box::new(move || drop(hold)))).await?;
    Ok(copied)
}

fn point_to_copy(tx: &mut Transaction<'_>, moving: &Moving) -> Result<(), Error> {
    let key = layout::message(moving.place);
    // It may have been removed, or got other octets, since it was copied: then nothing needs the copy.
    let Some(mut record) = tx.read::<MessageRecord>(&key)? else { return Ok(()) };
    match record.body_mut() {
        Some(body) if *body == moving.body => body.extents.clone_from(&moving.extents),
        _ => return Ok(()),
    }
    tx.write(key, &record)
}

/// Copy the frames that stand in `victims`; how many octets.
async fn copy(open: &Arc<Open>, victims: &BTreeMap<u64, u64>, moving: &mut Moving) -> Result<u64, Error> {
    let mut copied = 0;
    for extent in moving.body.extents.clone() {
        if !victims.contains_key(&extent.segment) {
            chunk::add_extent(&mut moving.extents, extent);
            continue;
        }
        let mut within = 0;
        while within < extent.length {
            let (reading, body) = (Arc::clone(open), moving.body.body);
            let owner = format!("account {}", moving.place.account);
            let read = move || {
                let segments = reading.spool.segments();
                let file = segments.file(extent.segment)?.ok_or_else(|| missing(&extent, &owner))?;
                reader::read_frame(&file, &segments.path_of(extent.segment), &extent, within, &owner)
            };
            let (header, sealed) = on_thread(read).await?;
            if header.body != body {
                let place = format!("segment {} offset {}", extent.segment, extent.offset + within);
                return Err(Error::Damaged { operation: "move a body", place, finding: "the frame belongs to another body" });
            }
            within += (HEADER_OCTETS + sealed.len()) as u64;
            let extent = open.spool.append(&FrameHeader::encode(&header), &sealed).await?;
            copied += extent.length;
            chunk::add_extent(&mut moving.extents, extent);
        }
    }
    Ok(copied)
}

fn missing(extent: &Extent, owner: &str) -> Error {
    let place = format!("{owner}, segment {} offset {}", extent.segment, extent.offset);
    Error::Damaged { operation: "move a body", place, finding: "the segment is missing" }
}
