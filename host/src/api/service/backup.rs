//! Requests for all of the mail: sealed, as a backup, or readable, as an export.

use super::Service;
use crate::api::event::{Event, Events};
use crate::api::reply::{MessageView, Reply};
use crate::fault::Fault;
use crate::model::message::Content;
use crate::model::name::AccountName;

/// Pieces of a backup on their way: 1 MiB each.
const PIECES: usize = 2;

/// Messages that are looked up at once.
const PAGE: usize = 64;

impl Service {
    pub(super) async fn backup(&self, events: Events) -> Result<Reply, Fault> {
        let (sender, mut pieces) = tokio::sync::mpsc::channel(PIECES);
        let store = self.store().clone();
        let sending = async move {
            while let Some(piece) = pieces.recv().await {
                events.send(Event::Octets(piece)).await?;
            }
            Ok::<_, Fault>(())
        };
        // Who takes no more pieces drops the channel's end, and with it the backup ends.
        let (made, sent) = tokio::join!(store.backup(sender), sending);
        sent?;
        Ok(Reply::BackedUp(made?))
    }

    pub(super) async fn export(&self, account: Option<AccountName>, events: Events) -> Result<Reply, Fault> {
        let account = match account {
            Some(name) => Some(self.find_account(&name).await?.id),
            None => None,
        };
        let names = self.account_names().await?;
        let mut after = 0;
        loop {
            let page = self.store().messages(account, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(Reply::Done) };
            after = last.sequence;
            for summary in page {
                let Some(name) = names.get(&summary.account).cloned() else { continue };
                let (message, has_octets) = (summary.message, !matches!(summary.content, Content::SetAside { .. }));
                let body = if has_octets { self.store().body(message).await? } else { None };
                events.send(Event::Messages(vec![MessageView::new(name, summary)])).await?;
                // It was removed meanwhile, or has none.
                let Some(mut body) = body else { continue };
                while let Some(octets) = body.next().await? {
                    events.send(Event::Octets(octets)).await?;
                }
            }
        }
    }
}
