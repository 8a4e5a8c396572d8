//! What a session has handed over and not yet committed, as its own later questions see it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{NOTES_PER_MESSAGE, TEXT_OCTETS_PER_MESSAGE};
use crate::limits::Limits;
use crate::model::message::Scope;
use crate::store::error::Error;
use crate::store::layout::{self, Hash};
use crate::store::seal::IndexKey;
use crate::store::step::Step;

/// Steps in order, and what they come to.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) steps: Vec<Step>,
    scopes: HashMap<Hash, StagedScope>,
    /// Folders that a message left: what arrives there may be one of them.
    pub(super) left: HashSet<Hash>,
    /// Stable ids of delivered messages: whole, or the header section only.
    pub(super) stables: HashMap<String, bool>,
    /// Values of the connector's state.
    pub(super) state: HashMap<String, Option<Vec<u8>>>,
    messages: u64,
    notes: u64,
    octets: u64,
    text: u64,
}

#[derive(Default)]
struct StagedScope {
    /// What was had before is had no more.
    is_retired: bool,
    /// By the hash of the id: the id where it is had now, none where it is not.
    ids: BTreeMap<Hash, Option<String>>,
}

impl Staged {
    /// One more message, within the account's limit between checkpoints.
    pub(super) fn count_message(&mut self, limits: &Limits) -> Result<(), Error> {
        self.messages += 1;
        bounded("a further message before the checkpoint", self.messages, limits.messages_per_checkpoint)
    }

    /// Further octets, within the account's limit between checkpoints.
    pub(super) fn count_octets(&mut self, octets: u64, limits: &Limits) -> Result<(), Error> {
        self.octets = self.octets.saturating_add(octets);
        bounded("further octets before the checkpoint", self.octets, limits.octets_per_checkpoint)
    }

    /// Further notes: they cost memory too.
    pub(super) fn count_notes(&mut self, notes: usize, limits: &Limits) -> Result<(), Error> {
        self.notes = self.notes.saturating_add(notes as u64);
        bounded("further notes before the checkpoint", self.notes, limits.messages_per_checkpoint.saturating_mul(NOTES_PER_MESSAGE))
    }

    /// Further octets that wait in memory and not in the spool.
    pub(super) fn count_text(&mut self, octets: usize, limits: &Limits) -> Result<(), Error> {
        self.text = self.text.saturating_add(octets as u64);
        let limit = limits.messages_per_checkpoint.saturating_mul(TEXT_OCTETS_PER_MESSAGE);
        bounded("further ids, labels and values before the checkpoint", self.text, limit)
    }

    pub(super) fn note_had(&mut self, index: &IndexKey, scope: &Scope, id: &str) {
        self.scope(index, scope).ids.insert(layout::id_hash(index, id), Some(id.to_owned()));
    }

    pub(super) fn note_removed(&mut self, index: &IndexKey, scope: &Scope, id: &str) {
        self.scope(index, scope).ids.insert(layout::id_hash(index, id), None);
        self.left.insert(layout::folder_hash(index, scope.folder.as_deref()));
    }

    pub(super) fn note_retired(&mut self, index: &IndexKey, scope: &Scope) {
        let staged = self.scope(index, scope);
        staged.is_retired = true;
        staged.ids.clear();
        self.left.insert(layout::folder_hash(index, scope.folder.as_deref()));
    }

    /// Had, not had, or nothing said.
    pub(super) fn says(&self, scope: &Hash, id: &Hash) -> Option<bool> {
        let staged = self.scopes.get(scope)?;
        match staged.ids.get(id) {
            Some(id) => Some(id.is_some()),
            None => staged.is_retired.then_some(false),
        }
    }

    pub(super) fn is_retired(&self, scope: &Hash) -> bool {
        self.scopes.get(scope).is_some_and(|staged| staged.is_retired)
    }

    /// What is said of the ids of a scope behind `after`, in order.
    pub(super) fn ids_after(&self, scope: &Hash, after: Option<Hash>) -> impl Iterator<Item = (&Hash, &Option<String>)> {
        let ids = self.scopes.get(scope).map(|staged| &staged.ids);
        ids.into_iter().flatten().filter(move |(id, _)| after.is_none_or(|after| **id > after))
    }

    fn scope(&mut self, index: &IndexKey, scope: &Scope) -> &mut StagedScope {
        self.scopes.entry(layout::scope_hash(index, scope)).or_default()
    }
}

fn bounded(what: &'static str, value: u64, limit: u64) -> Result<(), Error> {
    if value > limit { Err(Error::TooLarge { what, limit }) } else { Ok(()) }
}
