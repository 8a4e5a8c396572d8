//! `postrider receive`.

use clap::Args;

use super::context::{Context, unexpected};
use super::progress::Bars;
use super::text::{millis, octets, table};
use crate::api::{Event, PassView, ReceivedView, Reply, Request};
use crate::fault::Fault;
use crate::model::name::AccountName;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which accounts; by default all
    #[arg(value_name = "NAME")]
    accounts: Vec<AccountName>,
    /// Receive this folder only; can be repeated
    #[arg(long = "folder", value_name = "FOLDER")]
    folders: Vec<String>,
    /// Wait for remote sinks too, not only for local ones
    #[arg(long)]
    wait: bool,
}

impl Arguments {
    /// Receive once. The exit code is that of the first account that failed, or else sink; each one is reported.
    pub(super) async fn run(self, context: &Context) -> Result<u8, Fault> {
        let mut bars = Bars::start(context.output.json);
        let request = Request::Receive { accounts: self.accounts, folders: self.folders, wait: self.wait };
        let reply = context
            .call(request, |event| {
                if let Event::Flow(event) = event {
                    bars.show(&event);
                }
                Ok(())
            })
            .await;
        drop(bars);
        let ReceivedView { passes, sinks } = match reply? {
            Reply::Received(received) => received,
            other => return Err(unexpected(&other)),
        };
        context.output.show(&passes, || describe(&passes))?;
        let of_sinks = sinks.iter().filter_map(|sink| sink.fault.as_ref());
        let faults: Vec<_> = passes.iter().filter_map(|pass| pass.fault.as_ref()).chain(of_sinks).collect();
        for fault in &faults {
            context.report.fault(fault);
        }
        Ok(faults.first().map_or(0, |fault| fault.kind.exit_code()))
    }
}

fn describe(passes: &[PassView]) -> String {
    let rows: Vec<_> = passes.iter().map(row).collect();
    table(["ACCOUNT", "NEW", "SIZE", "CHANGED", "REMOVED", "SET ASIDE", "TIME", "RESULT"], &rows)
}

fn row(pass: &PassView) -> [String; 8] {
    [
        pass.account.to_string(),
        pass.received.to_string(),
        octets(pass.octets),
        pass.changed.to_string(),
        pass.removed.to_string(),
        pass.set_aside.to_string(),
        millis(pass.elapsed_ms),
        if pass.fault.is_none() { "ok" } else { "failed" }.to_owned(),
    ]
}
