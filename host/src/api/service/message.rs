//! Requests about stored messages, and about the store as a whole.

use std::collections::HashMap;

use super::Service;
use crate::api::event::{Event, Events};
use crate::api::reply::{MessageView, Reply};
use crate::fault::{Fault, Kind};
use crate::model::message::Summary;
use crate::model::name::{AccountId, AccountName, MessageId};

/// Messages in one page: far below a frame's limit, also where each has many recipients.
const PAGE: usize = 64;

impl Service {
    pub(super) async fn message_list(
        &self,
        account: Option<AccountName>,
        folder: Option<String>,
        limit: u32,
        events: Events,
    ) -> Result<Reply, Fault> {
        let account = match account {
            Some(name) => Some(self.find_account(&name).await?.id),
            None => None,
        };
        let names = self.account_names().await?;
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut before = None;
        while left > 0 {
            let summaries = self.store().messages_newest_first(account, before, PAGE).await?;
            let Some(last) = summaries.last() else { break };
            before = Some(last.sequence);
            let shown = summaries.into_iter().filter(|summary| folder.as_deref().is_none_or(|folder| stands_in(summary, folder)));
            // A message whose account has just been removed is gone as well.
            let shown = shown.filter_map(|summary| Some(MessageView::new(names.get(&summary.account)?.clone(), summary)));
            let page: Vec<_> = shown.take(left).collect();
            left -= page.len();
            if !page.is_empty() {
                events.send(Event::Messages(page)).await?;
            }
        }
        Ok(Reply::Done)
    }

    pub(super) async fn message_show(&self, id: MessageId) -> Result<Reply, Fault> {
        let summary = self.store().message(id).await?.ok_or_else(|| no_such_message(id))?;
        let name = self.account_names().await?.remove(&summary.account).ok_or_else(|| no_such_message(id))?;
        Ok(Reply::Message(Box::new(MessageView::new(name, summary))))
    }

    pub(super) async fn message_export(&self, id: MessageId, events: Events) -> Result<Reply, Fault> {
        let mut body = self.store().body(id).await?.ok_or_else(|| no_such_message(id))?;
        while let Some(octets) = body.next().await? {
            events.send(Event::Octets(octets)).await?;
        }
        Ok(Reply::Done)
    }

    pub(super) async fn store_check(&self, events: Events) -> Result<Reply, Fault> {
        let report =
            self.store().check(move |progress| events.progress(Event::Checked { done: progress.done, total: progress.total })).await?;
        Ok(Reply::Checked(report))
    }

    pub(super) async fn store_repair(&self, apply: bool, events: Events) -> Result<Reply, Fault> {
        if apply && self.is_daemon() {
            // Its sessions know how far they had come, and would go on from there.
            return Err(Fault::new(Kind::InUse, "repair the store")
                .because_words("the daemon is receiving into it")
                .with_remedy("stop `postrider run`, repair, and start it again"));
        }
        let progress = move |at: crate::store::Progress| events.progress(Event::Repairing { done: at.done, total: at.total });
        Ok(Reply::Repaired(self.store().repair(apply, progress).await?))
    }

    pub(super) async fn account_names(&self) -> Result<HashMap<AccountId, AccountName>, Fault> {
        Ok(self.store().accounts().await?.into_iter().map(|account| (account.id, account.name)).collect())
    }
}

fn stands_in(summary: &Summary, folder: &str) -> bool {
    let is_it = |id: &str| id == folder || (id.eq_ignore_ascii_case("inbox") && folder.eq_ignore_ascii_case("inbox"));
    summary
        .locations
        .iter()
        .any(|location| location.scope.folder.as_deref().is_some_and(is_it) || location.folders.iter().any(|id| is_it(id)))
}

fn no_such_message(id: MessageId) -> Fault {
    Fault::new(Kind::NotFound, format!("find the message {id}")).with_remedy("`postrider message list` shows the messages that there are")
}
