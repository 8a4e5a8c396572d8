//! Requests about the store's keys.

use super::Service;
use crate::api::event::{Event, Events};
use crate::api::reply::{RecoveryKeyView, Reply};
use crate::fault::{Fault, Kind};
use crate::secret::Secret;
use crate::store::{KeyKind, NewKey};

impl Service {
    pub(super) async fn key_show(&self) -> Result<Reply, Fault> {
        Ok(Reply::Key(self.store().key_state().await?))
    }

    pub(super) async fn key_rotate(&self, events: Events) -> Result<Reply, Fault> {
        let progress = move |at: crate::store::Progress| events.progress(Event::Rotating { done: at.done, total: at.total });
        Ok(Reply::Rotated(self.store().rotate(progress).await?))
    }

    pub(super) async fn key_rekey(&self, to: KeyKind, secret: Option<Secret>) -> Result<Reply, Fault> {
        let new = match (to, secret) {
            (KeyKind::File, None) => NewKey::File(self.0.paths.master_key.clone()),
            (KeyKind::OsKeyring, None) => NewKey::OsKeyring,
            (KeyKind::Given, Some(key)) => NewKey::Given(key),
            (KeyKind::Passphrase, Some(passphrase)) => NewKey::Passphrase(passphrase),
            _ => {
                return Err(Fault::new(Kind::Usage, "take a new master key").because_words("the kind of key and what was given do not fit"));
            }
        };
        Ok(Reply::Key(self.store().rekey(new).await?))
    }

    pub(super) async fn key_recovery(&self) -> Result<Reply, Fault> {
        let key = Some(self.store().make_recovery_key().await?);
        Ok(Reply::RecoveryKey(RecoveryKeyView { key, state: self.store().key_state().await? }))
    }
}
