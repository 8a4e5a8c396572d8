//! Stored mail on its way to the sinks: each follows the order in which messages became durable, at its own pace.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::event::{Event, Watcher};
use super::host::Host;
use crate::fault::{Fault, Kind};
use crate::model::message::{Content, Summary};
use crate::model::name::SinkName;
use crate::model::sink::Sink;
use crate::sink::letter::{EventId, EventKind, Letter, Octets, Round};
use crate::store::BodyReader;

/// Messages in one batch: after each, the sink's place is durable.
const BATCH: usize = 128;

/// How a sink's following ended.
#[derive(Debug)]
pub struct Followed {
    /// Which sink.
    pub sink: SinkName,
    /// Messages that it took.
    pub messages: u64,
    /// Why it has not taken all that is stored.
    pub fault: Option<Fault>,
}

/// Bring every sink up to date, again and again as messages become durable, until `stop`; then once more. Ends with what each
/// sink came to. Sinks that are added, removed or changed meanwhile are seen.
pub async fn follow(host: &Arc<Host>, watcher: &Arc<dyn Watcher>, stop: &CancellationToken) -> Result<Vec<Followed>, Fault> {
    let mut edits = host.edits();
    let mut ended = Vec::new();
    loop {
        edits.mark_unchanged();
        let sinks = host.sinks().await?;
        let round = stop.child_token();
        let mut following = JoinSet::new();
        for sink in sinks.clone() {
            let (host, watcher, round) = (Arc::clone(host), Arc::clone(watcher), round.clone());
            following.spawn(async move { follow_one(&host, &sink, &watcher, &round).await });
        }
        // A change to something else leaves the sinks as they are.
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = edits.changed() => if changed.is_err() || host.sinks().await? != sinks { break },
            }
        }
        round.cancel();
        ended.clear();
        while let Some(joined) = following.join_next().await {
            match joined {
                Ok(followed) => ended.push(followed),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        if stop.is_cancelled() {
            return Ok(ended);
        }
    }
}

async fn follow_one(host: &Host, definition: &Sink, watcher: &Arc<dyn Watcher>, stop: &CancellationToken) -> Followed {
    let mut watermark = host.store.watermark();
    let mut backoff = Backoff::default();
    let mut messages = 0;
    loop {
        watermark.mark_unchanged();
        // Asked before the attempt: what is stored before `stop` is delivered.
        let is_last = stop.is_cancelled();
        let fault = bring_up_to_date(host, definition, watcher, &mut messages).await.err();
        let noted = match &fault {
            None => host.forget_sink_failure(&definition.name).await,
            Some(fault) => host.note_sink_failure(&definition.name, fault).await,
        };
        if let Err(fault) = noted {
            tracing::warn!(sink = %definition.name, %fault, "how the delivery ended is not kept");
        }
        if is_last {
            return Followed { sink: definition.name.clone(), messages, fault };
        }
        match fault {
            None => {
                backoff.reset();
                tokio::select! {
                    () = stop.cancelled() => {}
                    // The store is closing when its end is gone; `stop` follows.
                    changed = watermark.changed() => if changed.is_err() { stop.cancelled().await },
                }
            }
            Some(fault) => {
                let wait = backoff.after_failure(fault.retry_after, backoff.failures().wrapping_mul(397));
                tracing::warn!(sink = %definition.name, %fault, cause = fault.causes().next(), retry_in = ?wait, "sink not delivered to");
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
}

/// Deliver everything stored that `definition` takes and has not got.
async fn bring_up_to_date(host: &Host, definition: &Sink, watcher: &Arc<dyn Watcher>, messages: &mut u64) -> Result<(), Fault> {
    let within = |fault: Fault| fault.within(format!("deliver to the sink `{}`", definition.name));
    let mut place = host.store.sink_position(&definition.name).await?;
    if host.store.messages(None, place, 1).await?.is_empty() {
        return Ok(());
    }
    let target = definition.target.clone();
    let opened = tokio::task::spawn_blocking(move || crate::sink::open(&target)).await;
    let sink = opened.map_err(|error| Fault::new(Kind::Bug, "open a sink").because(&error))?.map_err(within)?;
    let mut round = sink.round().await.map_err(within)?;
    loop {
        let batch = host.store.messages(None, place, BATCH).await?;
        let Some(last) = batch.last().map(|summary| summary.sequence) else { return Ok(()) };
        let wanted = batch.into_iter().filter(|summary| definition.accounts.is_empty() || definition.accounts.contains(&summary.account));
        let taken = deliver_batch(host, round.as_mut(), wanted.collect()).await.map_err(within)?;
        host.store.put_sink_position(&definition.name, last).await?;
        place = last;
        *messages += taken;
        watcher.event(Event::Delivered { sink: definition.name.clone(), messages: *messages });
    }
}

/// Deliver a batch, and where one message cannot be read, all the others one by one.
async fn deliver_batch(host: &Host, round: &mut dyn Round, batch: Vec<Summary>) -> Result<u64, Fault> {
    match deliver_summaries(host, round, &batch).await {
        Err(fault) if fault.kind == Kind::Damaged => {}
        outcome => return outcome,
    }
    let mut taken = 0;
    for summary in &batch {
        match deliver_summaries(host, round, std::slice::from_ref(summary)).await {
            Ok(count) => taken += count,
            Err(fault) if fault.kind == Kind::Damaged => {
                tracing::error!(message = %summary.message, %fault, cause = fault.causes().next(), "message not delivered: its stored octets are damaged");
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(taken)
}

async fn deliver_summaries(host: &Host, round: &mut dyn Round, batch: &[Summary]) -> Result<u64, Fault> {
    let mut letters = Vec::with_capacity(batch.len());
    for summary in batch {
        if let Content::SetAside { reason } = &summary.content {
            tracing::info!(message = %summary.message, reason, "message not delivered: it was set aside");
            continue;
        }
        // Gone between the listing and now: its account was removed.
        let Some(body) = host.store.body(summary.message).await? else { continue };
        let event = EventId { message: summary.message, kind: EventKind::Received };
        letters.push(Letter { event, summary: summary.clone(), octets: Box::new(StoredOctets(body)) });
    }
    let count = letters.len() as u64;
    if count > 0 {
        round.deliver(letters).await?;
    }
    Ok(count)
}

struct StoredOctets(BodyReader);

#[async_trait]
impl Octets for StoredOctets {
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        Ok(self.0.next().await?)
    }
}

/// How long a daemon that stops waits for its sinks.
pub const LAST_ROUND: Duration = Duration::from_secs(20);
