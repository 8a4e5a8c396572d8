//! `postrider:mailbox`: where received mail goes. Every value is measured before the mailroom sees it.

use wasmtime::component::{Access, Accessor, FutureReader, StreamReader};

use super::runtime::count_call;
use super::{Guest, Imports, Refusal, session};
use crate::connector::bindings::mailbox::{Arrival, Change, Host, HostWithStore, Page, Scope};
use crate::connector::bindings::types::Error;
use crate::connector::contract;
use crate::connector::session::{Pending, Session};
use crate::connector::streams;
use crate::fault::{Fault, Kind};
use crate::limits::contract::{AFTER_OCTETS, PAGE, RECOGNISED};

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn unseen(accessor: &Accessor<T, Self>, scope: Scope, ids: Vec<String>) -> Result<Vec<String>, Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let scope = contract::scope(scope)?;
                contract::ids(&ids, session.limits().ids_per_call)?;
                // Nothing asked is nothing done: no way to look busy.
                if ids.is_empty() {
                    return Ok(Vec::new());
                }
                kept(&session, session.context.mailroom.unseen(scope, ids).await)
            })
            .await
    }

    async fn known(accessor: &Accessor<T, Self>, scope: Scope, after: Option<String>, max: u32) -> Result<Page, Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let (scope, max) = listing(scope, after.as_deref(), max)?;
                kept(&session, session.context.mailroom.known(scope, after, max).await).map(contract::page)
            })
            .await
    }

    async fn recognise(accessor: &Accessor<T, Self>, scope: Scope, arrivals: Vec<Arrival>) -> Result<Vec<bool>, Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let scope = contract::scope(scope)?;
                contract::at_most("a list of arrivals", arrivals.len(), RECOGNISED)?;
                let arrivals = arrivals.into_iter().map(contract::arrival).collect::<Result<Vec<_>, _>>()?;
                if arrivals.is_empty() {
                    return Ok(Vec::new());
                }
                kept(&session, session.context.mailroom.recognise(scope, arrivals).await)
            })
            .await
    }

    async fn deliver(
        accessor: &Accessor<T, Self>,
        scope: Scope,
        arrival: Arrival,
        octets: StreamReader<u8>,
        finished: FutureReader<Result<u64, Error>>,
    ) -> Result<(), Refusal> {
        let session = session(accessor);
        // Taken first: whatever happens next, both ends are disposed of.
        let octets = streams::pieces(accessor, octets)?;
        let finished = streams::value(accessor, finished)?;
        session.wait(deliver(&session, scope, arrival, octets, finished)).await
    }

    async fn set_aside(accessor: &Accessor<T, Self>, scope: Scope, arrival: Arrival, reason: Error) -> Result<(), Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let (scope, arrival) = (contract::scope(scope)?, contract::arrival(arrival)?);
                count_message(&session)?;
                let reason = contract::fault_of_component(&reason, "read the message");
                kept(&session, session.context.mailroom.set_aside(scope, arrival, reason).await)
            })
            .await
    }

    async fn changed(accessor: &Accessor<T, Self>, scope: Scope, changes: Vec<Change>) -> Result<(), Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let scope = contract::scope(scope)?;
                let most = usize::try_from(session.limits().ids_per_call).unwrap_or(usize::MAX);
                contract::at_most("a list of changes", changes.len(), most)?;
                let changes = changes.into_iter().map(contract::change).collect::<Result<Vec<_>, _>>()?;
                if changes.is_empty() {
                    return Ok(());
                }
                kept(&session, session.context.mailroom.changed(scope, changes).await)
            })
            .await
    }

    async fn removed(accessor: &Accessor<T, Self>, scope: Scope, ids: Vec<String>) -> Result<(), Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let scope = contract::scope(scope)?;
                contract::ids(&ids, session.limits().ids_per_call)?;
                if ids.is_empty() {
                    return Ok(());
                }
                kept(&session, session.context.mailroom.removed(scope, ids).await)
            })
            .await
    }

    async fn retired(accessor: &Accessor<T, Self>, scope: Scope) -> Result<(), Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let scope = contract::scope(scope)?;
                kept(&session, session.context.mailroom.retired(scope).await)
            })
            .await
    }

    async fn checkpoint(accessor: &Accessor<T, Self>, scope: Scope, cursor: Vec<u8>) -> Result<(), Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let scope = contract::scope(scope)?;
                let most = session.limits().state_value_octets;
                if u64::try_from(cursor.len()).is_ok_and(|octets| octets > most) {
                    return Err(Fault::new(
                        Kind::TooLarge,
                        format!("keep a cursor of more than {most} octets (limit `state-value-octets`)"),
                    )
                    .into());
                }
                // What is handed over from now on belongs to the next one.
                let before = std::mem::take(&mut *session.pending());
                let outcome = session.context.mailroom.checkpoint(scope, cursor).await;
                if outcome.is_err() {
                    let mut pending = session.pending();
                    pending.messages += before.messages;
                    pending.octets += before.octets;
                }
                kept(&session, outcome)
            })
            .await
    }

    async fn expendable(accessor: &Accessor<T, Self>, scope: Scope, after: Option<String>, max: u32) -> Result<Page, Refusal> {
        let session = session(accessor);
        session
            .import(async {
                let (scope, max) = listing(scope, after.as_deref(), max)?;
                kept(&session, session.context.mailroom.expendable(scope, after, max).await).map(contract::page)
            })
            .await
    }

    fn progress(store: Access<'_, T, Self>, scope: Scope, done: u64, total: Option<u64>) -> wasmtime::Result<()> {
        let session = count_call(store);
        // It has no answer, so what is not a scope is passed over.
        if let Ok(scope) = contract::scope(scope) {
            session.context.mailroom.progress(scope, done, total);
        }
        Ok(())
    }
}

impl Host for Guest {}

/// Hand one message over, in pieces and at the mailroom's pace.
async fn deliver(
    session: &Session,
    scope: Scope,
    arrival: Arrival,
    mut octets: tokio::sync::mpsc::Receiver<bytes::Bytes>,
    finished: tokio::sync::oneshot::Receiver<Result<u64, Error>>,
) -> Result<(), Refusal> {
    let (scope, arrival) = (contract::scope(scope)?, contract::arrival(arrival)?);
    count_message(session)?;
    let mut delivery = kept(session, session.context.mailroom.begin(scope, arrival).await)?;
    let mut count: u64 = 0;
    while let Some(piece) = octets.recv().await {
        session.meter.moved();
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        count = count.saturating_add(length);
        let most = session.limits().message_octets;
        if count > most {
            return Err(Fault::new(Kind::TooLarge, format!("take a message of more than {most} octets (limit `message-octets`)")).into());
        }
        count_octets(session, length)?;
        kept(session, delivery.write(piece).await)?;
    }
    match finished.await {
        Ok(Ok(announced)) if announced == count => kept(session, delivery.finish().await),
        Ok(Ok(announced)) => Err(Refusal::Answer(contract::refusal(
            "COUNT",
            format!("{count} octets arrived and {announced} were announced: the message is not kept"),
        ))),
        Ok(Err(error)) => Err(Refusal::Answer(error)),
        Err(_) => Err(Refusal::Answer(contract::refusal("UNFINISHED", "`finished` was dropped without a value: the message is not kept"))),
    }
}

/// One more message since the last checkpoint.
fn count_message(session: &Session) -> Result<(), Refusal> {
    let mut pending = session.pending();
    let most = session.limits().messages_per_checkpoint;
    if pending.messages >= most {
        return Err(over(
            &pending,
            &format!("at most {most} messages may be handed over between two checkpoints (limit `messages-per-checkpoint`)"),
        ));
    }
    pending.messages += 1;
    Ok(())
}

/// So many more octets since the last checkpoint.
fn count_octets(session: &Session, octets: u64) -> Result<(), Refusal> {
    let mut pending = session.pending();
    let most = session.limits().octets_per_checkpoint;
    if pending.octets.saturating_add(octets) > most {
        return Err(over(
            &pending,
            &format!("at most {most} octets may be handed over between two checkpoints (limit `octets-per-checkpoint`)"),
        ));
    }
    pending.octets += octets;
    Ok(())
}

fn over(pending: &Pending, rule: &str) -> Refusal {
    let Pending { messages, octets } = pending;
    Refusal::Answer(contract::refusal(contract::LIMIT, format!("{rule}: {messages} messages and {octets} octets are waiting")))
}

/// A page's question, measured and clamped.
fn listing(given: Scope, after: Option<&str>, max: u32) -> Result<(crate::model::message::Scope, usize), Refusal> {
    let scope = contract::scope(given)?;
    if let Some(after) = after {
        contract::at_most("`after` (in octets)", after.len(), AFTER_OCTETS)?;
    }
    Ok((scope, usize::try_from(max).unwrap_or(usize::MAX).clamp(1, PAGE)))
}

/// The mailroom's answer; a failure is kept for the operator.
fn kept<R>(session: &Session, outcome: Result<R, Fault>) -> Result<R, Refusal> {
    Ok(outcome.inspect_err(|fault| session.remember(fault))?)
}
