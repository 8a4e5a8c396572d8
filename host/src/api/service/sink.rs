//! Requests about sinks.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Service;
use crate::api::reply::{Reply, SinkView};
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::flow::host::SINKS;
use crate::model::account::Keep;
use crate::model::name::{AccountId, AccountName, SinkName};
use crate::model::sink::{LineEndings, Sink, Target};

impl Service {
    pub(super) async fn sink_list(&self) -> Result<Reply, Fault> {
        let names = self.store().accounts().await?.into_iter().map(|account| (account.id, account.name)).collect();
        Ok(Reply::Sinks(self.host().sinks().await?.into_iter().map(|sink| view(sink, &names)).collect()))
    }

    pub(super) async fn sink_add(
        &self,
        name: SinkName,
        maildir: PathBuf,
        accounts: Vec<AccountName>,
        line_endings: LineEndings,
        keep: Keep,
    ) -> Result<Reply, Fault> {
        let refused = |words: String| Fault::new(Kind::Conflict, format!("add the sink `{name}`")).because_words(words);
        if self.0.paths.hold(&maildir) {
            return Err(refused(format!(
                "`{}` lies in the home, whose files are sealed: mail would lie there in clear",
                maildir.display()
            ))
            .with_remedy("name a directory outside of the home"));
        }
        let target = Target::Maildir { directory: maildir, line_endings };
        for sink in self.host().sinks().await? {
            if sink.name == name {
                return Err(refused("there is a sink of this name".to_owned())
                    .with_remedy(format!("take another name, or remove it first: `postrider sink remove {name}`")));
            }
            let (Target::Maildir { directory: taken, .. }, Target::Maildir { directory, .. }) = (&sink.target, &target);
            if taken == directory {
                return Err(refused(format!("the sink `{}` puts mail into this Maildir", sink.name)));
            }
        }
        let mut names = HashMap::new();
        for account in &accounts {
            let account = self.find_account(account).await?;
            names.insert(account.id, account.name);
        }
        let mut ids: Vec<AccountId> = names.keys().copied().collect();
        ids.sort_unstable();
        let sink = Sink { name: name.clone(), accounts: ids, target, created: Timestamp::now(), keep };
        // Mistakes in the directory are better found now than with the first message.
        let target = sink.target.clone();
        let opened = tokio::task::spawn_blocking(move || crate::sink::make(&target)).await;
        opened.map_err(|error| Fault::new(Kind::Bug, "open a sink").because(&error))??;
        // A former sink of this name may have got further than this one.
        self.store().remove_sink_position(&name).await?;
        self.put_sink(&sink).await?;
        Ok(Reply::Sink(view(sink, &names)))
    }

    pub(super) async fn sink_edit(&self, name: SinkName, keep: Keep) -> Result<Reply, Fault> {
        let found = self.host().sinks().await?.into_iter().find(|sink| sink.name == name);
        let sink = Sink { keep, ..found.ok_or_else(|| no_sink(&name))? };
        self.put_sink(&sink).await?;
        let names = self.store().accounts().await?.into_iter().map(|account| (account.id, account.name)).collect();
        Ok(Reply::Sink(view(sink, &names)))
    }

    async fn put_sink(&self, sink: &Sink) -> Result<(), Fault> {
        let document = serde_json::to_vec(sink).map_err(|error| Fault::new(Kind::Bug, "write down the sink").because(&error))?;
        Ok(self.store().put_document(SINKS, sink.name.as_str(), &document).await?)
    }

    pub(super) async fn sink_remove(&self, name: SinkName) -> Result<Reply, Fault> {
        if self.store().document(SINKS, name.as_str()).await?.is_none() {
            return Err(no_sink(&name));
        }
        self.store().remove_document(SINKS, name.as_str()).await?;
        self.store().remove_sink_position(&name).await?;
        self.host().forget_sink_failure(&name).await?;
        Ok(Reply::Done)
    }
}

fn no_sink(name: &SinkName) -> Fault {
    Fault::new(Kind::NotFound, format!("find the sink `{name}`")).with_remedy("`postrider sink list` shows the sinks that there are")
}

/// A removed account's name is gone; its number is what is left to show for it.
fn view(sink: Sink, names: &HashMap<AccountId, AccountName>) -> SinkView {
    let accounts = sink.accounts.iter().filter_map(|id| names.get(id).cloned()).collect();
    let is_for_all = sink.accounts.is_empty();
    SinkView { name: sink.name, is_for_all, accounts, target: sink.target, created: sink.created, keep: sink.keep }
}
