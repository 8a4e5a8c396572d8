//! `postrider store`.

use clap::Subcommand;

use super::context::{Context, unexpected};
use super::progress::Spinner;
use super::text::{clean, count, octets};
use crate::api::{Event, Reply, Request};
use crate::fault::{Fault, Kind};
use crate::store::{CheckReport, Finding, RepairReport};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read and verify every record and message; the exit code says whether all is well
    Check,
    /// Put aside what is damaged, mend the rest, and have the next pass fetch what the server still has
    Repair {
        /// Do it; without this, only say what would be done
        #[arg(long)]
        yes: bool,
    },
    /// Free what removed messages still take on disk; the daemon does so by itself
    Compact,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Fault> {
        match self {
            Self::Check => check(context).await,
            Self::Repair { yes } => repair(context, yes).await,
            Self::Compact => compact(context).await,
        }
    }
}

async fn check(context: &Context) -> Result<(), Fault> {
    let spinner = Spinner::start(context.output.json, "reading everything that is stored");
    let on_event = |event| {
        if let Event::Checked { done, total } = event {
            spinner.say(&format!("reading everything that is stored: {done} of {}", count(total, "message")));
        }
        Ok(())
    };
    let reply = context.call(Request::StoreCheck, on_event).await;
    drop(spinner);
    let report = match reply? {
        Reply::Checked(report) => report,
        other => return Err(unexpected(&other)),
    };
    context.output.show(&report, || describe(&report))?;
    if report.is_clean() {
        return Ok(());
    }
    let found = count(report.findings.len() as u64 + report.more_findings, "finding");
    Err(Fault::new(Kind::Damaged, "verify the store")
        .because_words(format!("{found}, listed above"))
        .with_remedy("copy the home as it is, then see what `postrider store repair` would do; a backup has the rest"))
}

async fn repair(context: &Context, apply: bool) -> Result<(), Fault> {
    let spinner = Spinner::start(context.output.json, "reading everything that is stored");
    let on_event = |event| {
        if let Event::Repairing { done, total } = event {
            spinner.say(&format!("reading everything that is stored: {done} of {}", count(total, "message")));
        }
        Ok(())
    };
    let reply = context.call(Request::StoreRepair { apply }, on_event).await;
    drop(spinner);
    let report = match reply? {
        Reply::Repaired(report) => report,
        other => return Err(unexpected(&other)),
    };
    context.output.show(&report, || describe_repair(&report))?;
    if let Some(kept) = &report.kept {
        context.report.note(&format!("what was damaged is kept in `{}`", kept.display()));
    }
    if !report.is_applied && !report.actions.is_empty() {
        context.report.note("nothing was changed: `postrider store repair --yes` does it, best after the home was copied");
    } else if report.is_applied && !report.actions.is_empty() {
        context.report.note("`postrider receive` fetches what the servers still have");
    }
    Ok(())
}

fn describe_repair(report: &RepairReport) -> String {
    if report.actions.is_empty() {
        return "there is nothing to repair\n".to_owned();
    }
    let more = if report.more_actions > 0 { format!("and {} more\n", report.more_actions) } else { String::new() };
    report.actions.iter().map(line).collect::<String>() + &more
}

async fn compact(context: &Context) -> Result<(), Fault> {
    let spinner = Spinner::start(context.output.json, "freeing what no message needs");
    let reply = context.call(Request::StoreCompact, |_| Ok(())).await;
    drop(spinner);
    let report = match reply? {
        Reply::Compacted(report) => report,
        other => return Err(unexpected(&other)),
    };
    context.output.show(&report, || {
        if report.segments == 0 {
            return "there is nothing to free\n".to_owned();
        }
        let (freed, copied) = (octets(report.freed_octets), octets(report.copied_octets));
        format!("{freed} freed: {} removed, {copied} copied\n", count(report.segments, "segment"))
    })
}

fn describe(report: &CheckReport) -> String {
    let head = format!(
        "{}, {}, {} of {}: {}\n",
        count(report.accounts, "account"),
        count(report.records, "record"),
        octets(report.octets),
        count(report.messages, "message"),
        if report.is_clean() { "all is well" } else { "damaged" }
    );
    report.findings.iter().map(line).fold(head, |text, line| text + &line)
}

fn line(finding: &Finding) -> String {
    let message = finding.message.map(|id| format!("message {id}: ")).unwrap_or_default();
    format!("{message}{}: {}\n", clean(&finding.place), clean(&finding.finding))
}
