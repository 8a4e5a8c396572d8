//! `postrider message`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::context::{Context, unexpected};
use super::output_file::OutputFile;
use super::text::{clean, cut, fields, octets, table};
use crate::api::{Event, MessageView, Reply, Request};
use crate::fault::{Fault, Kind};
use crate::model::message::Content;
use crate::model::name::{AccountName, MessageId};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List stored messages, the newest first
    List {
        /// Of this account only
        #[arg(long)]
        account: Option<AccountName>,
        /// That stand in this folder on the server only
        #[arg(long)]
        folder: Option<String>,
        /// The most of them
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
    },
    /// Show what is known of one message
    Show {
        /// Which message
        id: MessageId,
    },
    /// Write one message's octets, exactly as received
    Export {
        /// Which message
        id: MessageId,
        /// To this file instead of stdout
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// A message that was written to a file.
#[derive(Serialize)]
struct Exported<'a> {
    id: MessageId,
    octets: u64,
    file: &'a Path,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Fault> {
        match self {
            Self::List { account, folder, limit } => list(context, Request::MessageList { account, folder, limit }).await,
            Self::Show { id } => match context.ask(Request::MessageShow { id }).await? {
                Reply::Message(message) => context.output.show(&message, || describe(&message)),
                other => Err(unexpected(&other)),
            },
            Self::Export { id, output: None } => {
                let output = context.output;
                export(context, id, |octets| output.write(octets)).await
            }
            Self::Export { id, output: Some(file) } => {
                let octets = export_to(context, id, &file).await?;
                context
                    .output
                    .show(&Exported { id, octets, file: &file }, || format!("{}: {octets} octets\n", clean(&file.display().to_string())))
            }
        }
    }
}

async fn list(context: &Context, request: Request) -> Result<(), Fault> {
    let mut messages = Vec::new();
    let on_event = |event| {
        if let Event::Messages(page) = event {
            messages.extend(page);
        }
        Ok(())
    };
    context.call(request, on_event).await?;
    context.output.show(&messages, || {
        let rows: Vec<_> = messages.iter().map(row).collect();
        table(["ID", "ACCOUNT", "RECEIVED", "SIZE", "FROM", "SUBJECT"], &rows)
    })
}

fn row(message: &MessageView) -> [String; 6] {
    let size = match &message.content {
        Content::Whole { size } => octets(*size),
        Content::Headers { .. } => "headers".to_owned(),
        Content::SetAside { .. } => "set aside".to_owned(),
    };
    [
        message.id.to_string(),
        message.account.to_string(),
        message.received.or(message.date).unwrap_or(message.stored).to_rfc3339(),
        size,
        cut(message.from.first().map_or("", String::as_str), 30),
        cut(message.subject.as_deref().unwrap_or_default(), 60),
    ]
}

fn describe(message: &MessageView) -> String {
    let content = match &message.content {
        Content::Whole { size } => format!("whole, {size} octets"),
        Content::Headers { size } => format!("headers only, {size} octets"),
        Content::SetAside { reason } => format!("set aside: {reason}"),
    };
    let time = |at: Option<crate::clock::Timestamp>| at.map(crate::clock::Timestamp::to_rfc3339).unwrap_or_default();
    let mut pairs = vec![
        ("Id", message.id.to_string()),
        ("Account", message.account.to_string()),
        ("From", message.from.join(", ")),
        ("To", message.to.join(", ")),
        ("Subject", message.subject.clone().unwrap_or_default()),
        ("Date", time(message.date)),
        ("Received", time(message.received)),
        ("Stored", time(Some(message.stored))),
        ("Content", content),
        ("Message-ID", message.message_id.clone().unwrap_or_default()),
        ("Thread", message.thread.clone().unwrap_or_default()),
    ];
    if message.locations.is_empty() {
        pairs.push(("Server", "has it no more".to_owned()));
    }
    for location in &message.locations {
        let keywords = if location.keywords.is_empty() { String::new() } else { format!(" [{}]", location.keywords.join(" ")) };
        let folder = location.scope.folder.as_deref().unwrap_or("the account");
        pairs.push(("Server", format!("{} in {folder}{keywords}", location.id)));
    }
    fields(&pairs)
}

async fn export(context: &Context, id: MessageId, mut write: impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    let on_event = |event| match event {
        Event::Octets(octets) => write(&octets),
        _ => Ok(()),
    };
    context.call(Request::MessageExport { id }, on_event).await.map(|_| ())
}

/// Export to a file that is there whole or not at all.
async fn export_to(context: &Context, id: MessageId, file: &Path) -> Result<u64, Fault> {
    let failed = |error: &std::io::Error| Fault::new(Kind::Storage, format!("write `{}`", file.display())).because(error);
    let mut writer = BufWriter::new(OutputFile::create(file).map_err(|error| failed(&error))?);
    let mut count = 0;
    let write = |octets: &[u8]| {
        count += octets.len() as u64;
        writer.write_all(octets).map_err(|error| failed(&error))
    };
    export(context, id, write).await?;
    let whole = writer.into_inner().map_err(|error| failed(error.error()))?;
    whole.finish().map_err(|error| failed(&error))?;
    Ok(count)
}
