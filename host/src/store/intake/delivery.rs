//! One message on its way in: hashed and sealed as it comes, in the session's own task.

use std::sync::Arc;

use bytes::Bytes;

use super::{Inner, Intake};
use crate::model::message::{Arrival, Part, Scope};
use crate::store::error::Error;
use crate::store::headers::HeaderSection;
use crate::store::layout::{self, Place};
use crate::store::record::{FolderRecord, IdentityRecord};
use crate::store::shared::Open;
use crate::store::spool::chunk::ChunkWriter;
use crate::store::step::{self, Step};

/// What became of a delivery, as far as it can be told before its checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// A message that was not here.
    Stored,
    /// One whose octets were here already: only where it stands is new.
    Adopted,
}

/// One message on its way in. Dropped before [`finish`](Self::finish), nothing of it is kept.
pub struct IntakeDelivery {
    inner: Arc<Inner>,
    open: Arc<Open>,
    scope: Scope,
    arrival: Arrival,
    chunks: ChunkWriter,
    section: HeaderSection,
    /// The message may be here already.
    is_familiar: bool,
}

impl Intake {
    /// Begin to take over one message.
    ///
    /// # Errors
    /// An id outside 1 to 512 octets, over a limit, a failed session.
    pub async fn begin(&self, scope: Scope, arrival: Arrival) -> Result<IntakeDelivery, Error> {
        step::check_scope(&scope)?;
        step::check_arrival(&arrival)?;
        let open = self.inner.shared.open()?;
        self.inner.stage(|_, staged, limits| staged.count_message(limits))?;
        let is_familiar = arrival.stable.is_some() || self.has_other_ids(&scope).await?;
        let chunks = ChunkWriter::new(&open.spool, arrival.part)?;
        Ok(IntakeDelivery { inner: Arc::clone(&self.inner), open, scope, arrival, chunks, section: HeaderSection::default(), is_familiar })
    }

    /// Whether messages of the scope's folder stand there under another generation, or left it in this session. Only then can an
    /// arrival without a stable id be one that is here.
    async fn has_other_ids(&self, scope: &Scope) -> Result<bool, Error> {
        let open = self.inner.shared.open()?;
        let folder = layout::folder_hash(open.records.index(), scope.folder.as_deref());
        let known = self.inner.with_session(|session| {
            let has_left = session.staged.left.contains(&folder);
            Ok(if has_left { Some(true) } else { session.other_ids.get(&(folder, scope.generation.clone())).copied() })
        })?;
        if let Some(known) = known {
            return Ok(known);
        }
        let generation = scope.generation.clone();
        let other = self.inner.read(move |inner, open| {
            let record: Option<FolderRecord> = open.records.read(&layout::folder(inner.account, &folder))?;
            Ok(record.is_some_and(|record| record.generations.iter().any(|(held, _)| *held != generation)))
        });
        let other = other.await?;
        self.inner.with_session(|session| {
            session.other_ids.insert((folder, scope.generation.clone()), other);
            Ok(other)
        })
    }
}

impl IntakeDelivery {
    /// The next octets, in order; any number of them. Sealed in chunks of 64 KiB as they come.
    ///
    /// # Errors
    /// Over the account's message size, the disk.
    pub async fn write(&mut self, octets: Bytes) -> Result<(), Error> {
        let limit = self.inner.limits.message_octets;
        if self.chunks.size().saturating_add(octets.len() as u64) > limit {
            return Err(Error::TooLarge { what: "a message", limit });
        }
        self.inner.stage(|_, staged, limits| staged.count_octets(octets.len() as u64, limits))?;
        self.section.push(&octets);
        self.chunks.write(&self.open.spool, &octets).await
    }

    /// That was all; it becomes durable with the next checkpoint.
    ///
    /// # Errors
    /// A failed session, the disk.
    pub async fn finish(self) -> Result<Delivered, Error> {
        let Self { inner, open, scope, arrival, chunks, section, is_familiar } = self;
        let body = chunks.finish(&open.spool).await?;
        let headers = section.parse();
        let delivered = if is_familiar {
            let (hash, scope, arrival) = (body.record.hash, scope.clone(), arrival.clone());
            inner.read(move |inner, open| foresee(inner, open, &scope, &arrival, &hash)).await?
        } else {
            Delivered::Stored
        };
        inner.stage(|index, staged, limits| {
            staged.count_text(step::arrival_octets(&arrival) + headers.octets(), limits)?;
            staged.note_had(index, &scope, &arrival.id);
            if let Some(stable) = &arrival.stable {
                let is_whole = arrival.part == Part::Whole;
                *staged.stables.entry(stable.clone()).or_default() |= is_whole;
            }
            staged.steps.push(Step::Deliver { scope, arrival: Box::new(arrival), headers: Box::new(headers), body: Box::new(body) });
            Ok(())
        })?;
        Ok(delivered)
    }
}

/// What the checkpoint will most likely make of it. The checkpoint itself decides, knowing what others commit meanwhile.
fn foresee(inner: &Inner, open: &Open, scope: &Scope, arrival: &Arrival, hash: &[u8; 32]) -> Result<Delivered, Error> {
    let (records, account) = (&open.records, inner.account);
    let index = records.index();
    let identity = layout::identity(account, &layout::scope_hash(index, scope), &layout::id_hash(index, &arrival.id));
    if records.read::<IdentityRecord>(&identity)?.is_some() {
        return Ok(Delivered::Adopted);
    }
    let folder_left =
        inner.with_session(|session| Ok(session.staged.left.contains(&layout::folder_hash(index, scope.folder.as_deref()))))?;
    let mut prefixes = vec![layout::body(account, hash)];
    prefixes.extend(arrival.stable.as_deref().map(|stable| layout::stable(index, account, stable)));
    for prefix in prefixes {
        // A look at a few is enough for a forecast.
        for raw in records.scan(&prefix, &[]).take(16) {
            let Some(sequence) = layout::sequence_in(&raw?.0) else { continue };
            let Some(held) = open.message_at(Place { account, sequence })? else { continue };
            let is_same = held.fingerprint().is_some_and(|octets| octets.hash == *hash);
            let has_stable = arrival.stable.is_some() && held.stable == arrival.stable;
            let places = |is_same_generation: bool| {
                let here = held.locations.iter().filter(|at| at.scope.folder == scope.folder);
                here.filter(|at| (at.scope.generation == scope.generation) == is_same_generation).count()
            };
            if is_same && (has_stable || places(true) < places(false) || folder_left) {
                return Ok(Delivered::Adopted);
            }
        }
    }
    Ok(Delivered::Stored)
}
