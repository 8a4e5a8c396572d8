//! One pass over accounts, and their mail's way on to the sinks.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Service;
use crate::api::event::{Events, RequestWatcher};
use crate::api::reply::{ReceivedView, Reply, SinkStatus};
use crate::fault::{Fault, Kind};
use crate::flow::deliver;
use crate::flow::event::Watcher;
use crate::flow::receive::receive;
use crate::flow::retain;
use crate::model::account::Account;
use crate::model::name::AccountName;

impl Service {
    /// Ends when all local sinks have what was received. There are no remote ones yet, so nobody waits longer for those.
    pub(super) async fn receive(&self, names: Vec<AccountName>, folders: Vec<String>, events: Events) -> Result<Reply, Fault> {
        let accounts = self.host().receiving_accounts(&names).await?;
        if accounts.is_empty() {
            events.note("there are no accounts to receive for: `postrider account add --help` says how to add one").await;
        }
        let watcher: Arc<dyn Watcher> = Arc::new(RequestWatcher::new(events));
        let (passes, sinks) = if self.is_daemon() {
            let passes = receive(self.host(), accounts, &folders, &watcher).await;
            (passes, self.wait_for_sinks().await?)
        } else {
            self.receive_and_deliver(accounts, &folders, &watcher).await?
        };
        Ok(Reply::Received(ReceivedView { passes: passes.into_iter().map(Into::into).collect(), sinks }))
    }

    /// Without a daemon the sinks follow while mail comes in, and once more after it.
    async fn receive_and_deliver(
        &self,
        accounts: Vec<Account>,
        folders: &[String],
        watcher: &Arc<dyn Watcher>,
    ) -> Result<(Vec<crate::flow::receive::PassReport>, Vec<SinkStatus>), Fault> {
        let stop = CancellationToken::new();
        let receiving = async {
            let passes = receive(self.host(), accounts, folders, watcher).await;
            stop.cancel();
            passes
        };
        let (passes, followed) = tokio::join!(receiving, deliver::follow(self.host(), watcher, &stop));
        retain::retain(self.host()).await;
        let mut sinks = Vec::new();
        for followed in followed?.into_iter().filter(|followed| followed.fault.is_some()) {
            let Some(sink) = self.host().sinks().await?.into_iter().find(|sink| sink.name == followed.sink) else { continue };
            let pending = self.pending(&sink).await?;
            let since = self.host().sink_failure(&followed.sink).await?.map(|failure| failure.since);
            sinks.push(SinkStatus { name: followed.sink, pending, fault: followed.fault, since });
        }
        Ok((passes, sinks))
    }

    /// The daemon's schedule delivers; wait until it has delivered what is durable now, within the time of a last round.
    async fn wait_for_sinks(&self) -> Result<Vec<SinkStatus>, Fault> {
        let durable = *self.store().watermark().borrow();
        let deadline = tokio::time::Instant::now() + deliver::LAST_ROUND;
        let mut behind = Vec::new();
        for sink in self.host().sinks().await? {
            let mut position = self.store().sink_position(&sink.name).await?;
            while position < durable && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                position = self.store().sink_position(&sink.name).await?;
            }
            let pending = self.pending(&sink).await?;
            if pending > 0 {
                let late = Fault::new(Kind::Transient, format!("wait for the sink `{}`", sink.name))
                    .because_words("it has not got all that is stored yet")
                    .with_remedy("the daemon goes on; `postrider status` shows how far it is");
                let failure = self.host().sink_failure(&sink.name).await?;
                let (fault, since) = failure.map_or((late, None), |failure| (failure.fault, Some(failure.since)));
                behind.push(SinkStatus { name: sink.name, pending, fault: Some(fault), since });
            }
        }
        Ok(behind)
    }
}
