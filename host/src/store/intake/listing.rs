//! What a session may ask about ids: committed records with its own staged steps over them.

use std::collections::BTreeMap;

use super::{Inner, Intake};
use crate::clock::Timestamp;
use crate::model::message::{Arrival, Page, Part, Scope};
use crate::store::error::Error;
use crate::store::layout::{self, Hash, Place, kind};
use crate::store::read::decode_token;
use crate::store::record::{IdentityRecord, MessageRecord};
use crate::store::shared::Open;
use crate::store::step::{self, Step, within};

/// Arrivals of one `recognise`.
const RECOGNISED: usize = 1_000;

/// Ids that one page looks at.
const PAGE: usize = 10_000;

/// What stands between two tokens: hashes of ids with the ids, and where the next page begins.
type Stretch = (Vec<(Hash, IdentityRecord)>, Option<Hash>);

impl Intake {
    /// Which of `ids` this account does not have in `scope`, in their order; what was staged here and not yet committed counts as
    /// had, and so does what was set aside.
    ///
    /// # Errors
    /// More ids than the account's limit, a failed session, damage, the disk.
    pub async fn unseen(&self, scope: Scope, ids: Vec<String>) -> Result<Vec<String>, Error> {
        self.check_call(&scope, ids.len())?;
        self.inner
            .read(move |inner, open| {
                let index = open.records.index();
                let scope = layout::scope_hash(index, &scope);
                let hashes: Vec<Hash> = ids.iter().map(|id| layout::id_hash(index, id)).collect();
                let said: Vec<_> = inner.with_session(|session| Ok(hashes.iter().map(|id| session.says(&scope, id)).collect()))?;
                let mut unseen = Vec::new();
                for ((id, hash), said) in ids.into_iter().zip(hashes).zip(said) {
                    let had = match said {
                        Some(had) => had,
                        None => open.records.contains(&layout::identity(inner.account, &scope, &hash))?,
                    };
                    if !had {
                        unseen.push(id);
                    }
                }
                Ok(unseen)
            })
            .await
    }

    /// The ids had in `scope`, a page at a time, in the order of their keyed hashes. A page's token stays good whatever is removed.
    ///
    /// # Errors
    /// A token that is none, a failed session, damage, the disk.
    pub async fn known(&self, scope: Scope, after: Option<String>, max: usize) -> Result<Page, Error> {
        step::check_scope(&scope)?;
        self.inner
            .read(move |inner, open| {
                let scope = layout::scope_hash(open.records.index(), &scope);
                let (after, max) = (after.as_deref().map(token_hash).transpose()?, max.clamp(1, PAGE));
                // Asked in this order, what a checkpoint moves from the one to the other meanwhile is seen at least once.
                let said = inner.with_session(|session| {
                    let mut said = BTreeMap::new();
                    for staged in session.under_way.iter().chain([&session.staged]) {
                        if staged.is_retired(&scope) {
                            said.values_mut().for_each(|id| *id = None);
                        }
                        said.extend(staged.ids_after(&scope, after).map(|(hash, id)| (*hash, id.clone())));
                    }
                    let is_retired = session.under_way.iter().chain([&session.staged]).any(|staged| staged.is_retired(&scope));
                    Ok((said, is_retired))
                })?;
                let (said, is_retired) = said;
                let (there, next) = if is_retired { (Vec::new(), None) } else { stretch(inner, open, &scope, after, max)? };
                let mut ids: BTreeMap<Hash, Option<String>> = there.into_iter().map(|(hash, identity)| (hash, Some(identity.id))).collect();
                // What is behind the records' stretch belongs to a later page.
                ids.extend(said.into_iter().filter(|(hash, _)| next.is_none_or(|next| *hash <= next)));
                Ok(page(ids, next, max))
            })
            .await
    }

    /// Note messages in `scope` whose octets are here under their stable id: true for those. The others want delivery.
    ///
    /// # Errors
    /// Over a limit, a failed session, damage, the disk.
    pub async fn recognise(&self, scope: Scope, arrivals: Vec<Arrival>) -> Result<Vec<bool>, Error> {
        step::check_scope(&scope)?;
        within("the arrivals of one call", arrivals.len(), RECOGNISED)?;
        arrivals.iter().try_for_each(step::check_arrival)?;
        let looked_up = self.inner.read(move |inner, open| {
            let recognised = arrivals.iter().map(|arrival| is_here(inner, open, &scope, arrival)).collect::<Result<Vec<_>, _>>()?;
            Ok((scope, arrivals, recognised))
        });
        let (scope, arrivals, recognised) = looked_up.await?;
        self.inner.stage(|index, staged, limits| {
            staged.count_notes(arrivals.len(), limits)?;
            let noted = arrivals.iter().zip(&recognised).filter(|(_, is_here)| **is_here);
            staged.count_text(noted.map(|(arrival, _)| step::arrival_octets(arrival)).sum(), limits)?;
            for (arrival, _) in arrivals.into_iter().zip(&recognised).filter(|(_, is_here)| **is_here) {
                staged.note_had(index, &scope, &arrival.id);
                staged.steps.push(Step::Recognise { scope: scope.clone(), arrival: Box::new(arrival) });
            }
            Ok(())
        })?;
        Ok(recognised)
    }

    /// What may be deleted on the server: ids in `scope` whose message is whole, durable, and became so before `stored_before`; not
    /// what was set aside, and not what only the header section is here of.
    ///
    /// # Errors
    /// A token that is none, a failed session, damage, the disk.
    pub async fn expendable(&self, scope: Scope, after: Option<String>, max: usize, stored_before: Timestamp) -> Result<Page, Error> {
        step::check_scope(&scope)?;
        self.inner
            .read(move |inner, open| {
                let scope = layout::scope_hash(open.records.index(), &scope);
                let (after, max) = (after.as_deref().map(token_hash).transpose()?, max.clamp(1, PAGE));
                let watermark = open.watermark();
                let (there, next) = stretch(inner, open, &scope, after, max)?;
                let mut ids = Vec::new();
                for (hash, IdentityRecord { id, sequence }) in there {
                    let is_gone = inner.with_session(|session| Ok(session.says(&scope, &hash) == Some(false)))?;
                    if is_gone || sequence > watermark {
                        continue;
                    }
                    let message = open.message_at(Place { account: inner.account, sequence })?;
                    if message.is_some_and(|message| message.is_whole() && message.stored < stored_before) {
                        ids.push(id);
                    }
                }
                Ok(Page { ids, next: next.map(|hash| data_encoding::HEXLOWER.encode(&hash)) })
            })
            .await
    }
}

/// The identities of a scope behind `after`, at most `max`, and the last one where there may be more.
fn stretch(inner: &Inner, open: &Open, scope: &Hash, after: Option<Hash>, max: usize) -> Result<Stretch, Error> {
    let prefix = layout::identities(inner.account, scope);
    // One octet longer than the key that the token names: the first key behind it.
    let from = after.map_or_else(|| prefix.clone(), |after| [prefix.as_slice(), &after, &[0]].concat());
    let mut found = Vec::new();
    for raw in open.records.scan(&prefix, &from) {
        if found.len() == max {
            let last = found.last().map(|(hash, _): &(Hash, IdentityRecord)| *hash);
            return Ok((found, last));
        }
        let raw = raw?;
        if let Some(hash) = layout::hash_in(&raw.0) {
            found.push((hash, open.records.decode(&raw)?));
        }
    }
    Ok((found, None))
}

/// At most `max` of `ids`; `more` is where the records go on.
fn page(ids: BTreeMap<Hash, Option<String>>, more: Option<Hash>, max: usize) -> Page {
    let mut page = Page::default();
    let mut last = more;
    let count = ids.len();
    for (at, (hash, id)) in ids.into_iter().enumerate() {
        page.ids.extend(id);
        if page.ids.len() == max && at + 1 < count {
            last = Some(hash);
            break;
        }
    }
    page.next = last.map(|hash| data_encoding::HEXLOWER.encode(&hash));
    page
}

/// Whether the octets that `arrival` would bring are here under its stable id, or its identity is.
fn is_here(inner: &Inner, open: &Open, scope: &Scope, arrival: &Arrival) -> Result<bool, Error> {
    let Some(stable) = &arrival.stable else { return Ok(false) };
    let index = open.records.index();
    let staged = inner.with_session(|session| {
        let of = |staged: &super::staged::Staged| staged.stables.get(stable).copied();
        Ok(of(&session.staged).or_else(|| of(session.under_way.as_ref()?)))
    })?;
    if staged.is_some_and(|is_whole| is_whole || arrival.part == Part::Headers) {
        return Ok(true);
    }
    let is_enough = |message: &MessageRecord| message.has(arrival.part);
    let identity = layout::identity(inner.account, &layout::scope_hash(index, scope), &layout::id_hash(index, &arrival.id));
    if let Some(identity) = open.records.read::<IdentityRecord>(&identity)? {
        let message = open.message_at(Place { account: inner.account, sequence: identity.sequence })?;
        return Ok(message.as_ref().is_some_and(is_enough));
    }
    for raw in open.records.scan(&layout::stable(index, inner.account, stable), &[]) {
        let Some(sequence) = layout::sequence_in(&raw?.0) else { continue };
        let message = open.message_at(Place { account: inner.account, sequence })?;
        if message.is_some_and(|message| message.stable.as_ref() == Some(stable) && is_enough(&message)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The hash that a token stands for.
fn token_hash(token: &str) -> Result<Hash, Error> {
    let key = decode_token(&[kind::IDENTITY], token)?;
    let unfit = Error::Unfit { what: "a page's token", finding: "it is none of this listing" };
    match key.split_first() {
        Some((_, hash)) => hash.try_into().map_err(|_| unfit),
        None => Err(unfit),
    }
}
