//! What a session hands over between two checkpoints, in order: the steps that its checkpoint makes durable.

use std::sync::Arc;

use super::error::Error;
use super::record::HeaderFields;
use super::spool::Hold;
use super::spool::chunk::Appended;
use crate::model::message::{Arrival, Change, Scope};

/// Octets of an id in a scope, and of a stable or thread id.
const ID_OCTETS: usize = 512;
/// Octets of a folder's id.
const FOLDER_OCTETS: usize = 1_024;
/// Octets of a generation.
const GENERATION_OCTETS: usize = 128;
/// Octets of everything that is said about one message.
const ARRIVAL_OCTETS: usize = 256 << 10;

/// One step.
pub(super) enum Step {
    Deliver { scope: Scope, arrival: Box<Arrival>, headers: Box<HeaderFields>, body: Box<Appended> },
    Recognise { scope: Scope, arrival: Box<Arrival> },
    SetAside { scope: Scope, arrival: Box<Arrival>, reason: String },
    Changed { scope: Scope, changes: Vec<Change> },
    Removed { scope: Scope, ids: Vec<String> },
    Retired { scope: Scope },
    State { key: String, value: Option<Vec<u8>> },
}

impl Step {
    /// What keeps its body's segments.
    pub(super) fn hold(&self) -> Option<Arc<Hold>> {
        match self {
            Self::Deliver { body, .. } => Some(Arc::clone(&body.hold)),
            _ => None,
        }
    }
}

/// Refuse a scope outside the contract's bounds.
pub(super) fn check_scope(scope: &Scope) -> Result<(), Error> {
    within("a folder's id", scope.folder.as_deref().map_or(0, str::len), FOLDER_OCTETS)?;
    within("a generation", scope.generation.len(), GENERATION_OCTETS)
}

/// Refuse an id outside the contract's bounds.
pub(super) fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() {
        return Err(Error::Unfit { what: "a message's id", finding: "it is empty" });
    }
    within("a message's id", id.len(), ID_OCTETS)
}

/// Refuse an arrival outside the contract's bounds.
pub(super) fn check_arrival(arrival: &Arrival) -> Result<(), Error> {
    check_id(&arrival.id)?;
    within("a stable id", arrival.stable.as_deref().map_or(0, str::len), ID_OCTETS)?;
    within("a thread id", arrival.thread.as_deref().map_or(0, str::len), ID_OCTETS)?;
    within("what is said about a message", said_octets(arrival), ARRIVAL_OCTETS)
}

/// Octets of an arrival in memory.
pub(super) fn arrival_octets(arrival: &Arrival) -> usize {
    let ids = [Some(&arrival.id), arrival.stable.as_ref(), arrival.thread.as_ref()];
    said_octets(arrival) + ids.into_iter().flatten().map(String::len).sum::<usize>()
}

/// Octets of a change in memory.
pub(super) fn change_octets(change: &Change) -> usize {
    change.id.len() + texts(&change.folders) + texts(&change.keywords)
}

/// Refuse a change outside the contract's bounds.
pub(super) fn check_change(change: &Change) -> Result<(), Error> {
    check_id(&change.id)?;
    within("what is said about a message", texts(&change.folders) + texts(&change.keywords), ARRIVAL_OCTETS)
}

/// Refuse what is longer than `most`.
pub(super) fn within(what: &'static str, length: usize, most: usize) -> Result<(), Error> {
    if length > most { Err(Error::TooLarge { what, limit: most as u64 }) } else { Ok(()) }
}

fn said_octets(arrival: &Arrival) -> usize {
    let extra: usize = arrival.extra.iter().map(|(name, value)| name.len() + value.len()).sum();
    texts(&arrival.folders) + texts(&arrival.keywords) + extra
}

fn texts(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}
