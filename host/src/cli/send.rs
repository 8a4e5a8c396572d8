//! `postrider send`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use serde::Serialize;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::context::{Context, unexpected};
use super::text::{clean, count, table};
use crate::api::{Event, RecipientView, Reply, Request, SendTo, SentView, Upload, Uploads, VerdictWord};
use crate::fault::{Fault, Kind};
use crate::model::name::AccountName;

/// Octets that are read of a message at once.
const PIECE_OCTETS: usize = 64 << 10;

/// What can be asked of the one who hands over, before it has done the first of it: a message for each connection and a word about each.
const ASKED: usize = 64;

/// The name of stdin among the files.
const STDIN: &str = "-";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Send what is in the files as it is; they are whole messages, header section first
    #[arg(long, required_unless_present = "acknowledge")]
    raw: bool,
    /// Over which account
    #[arg(long, value_name = "NAME", required_unless_present = "acknowledge")]
    account: Option<AccountName>,
    /// The envelope's sender, to which servers report failures; empty for nobody
    #[arg(long, value_name = "ADDRESS", required_unless_present = "acknowledge")]
    from: Option<String>,
    /// A recipient; can be repeated
    #[arg(long, value_name = "ADDRESS", required_unless_present = "acknowledge")]
    to: Vec<String>,
    /// When servers are to report: `never`, or some of `success`, `failure` and `delay` with commas
    #[arg(long, value_name = "WHEN")]
    notify: Option<String>,
    /// Whom the message was first for, as TYPE;ADDRESS, which reports name; once for each `--to`, in the same order
    #[arg(long, value_name = "TYPE;ADDRESS")]
    orcpt: Vec<String>,
    /// What reports of failures bring back: `full` or `hdrs`
    #[arg(long, value_name = "WHAT")]
    ret: Option<String>,
    /// An id that reports name
    #[arg(long, value_name = "ID")]
    envid: Option<String>,
    /// Refuse servers that would hand it on without TLS
    #[arg(long)]
    requiretls: bool,
    /// Connections at once, where there are several messages
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    connections: u32,
    /// Messages, a file each; `-`, the default, is stdin
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Send nothing: you have heard of these submissions, which `postrider status` tells of; none named: of all
    #[arg(long, value_name = "ID", num_args = 0.., conflicts_with_all = ["raw", "account", "from", "to", "files"])]
    acknowledge: Option<Vec<String>>,
}

/// What became of one message, as `--json` prints it.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    #[serde(flatten)]
    sent: &'a SentView,
}

/// What is asked of the one who hands over.
enum Asked {
    /// The next message.
    Next,
    /// Say that this was told.
    Told(String),
}

impl Arguments {
    /// Send. The exit code is that of the worst verdict: an unknown one, then a refusal, then a deferral.
    pub(super) async fn run(self, context: &Context) -> Result<u8, Fault> {
        if let Some(ids) = self.acknowledge {
            return match context.ask(Request::SubmissionAcknowledge { ids }).await? {
                Reply::Acknowledged(heard) => {
                    context.report.note(&format!("{} not told of any more", count(heard, "submission")));
                    Ok(0)
                }
                other => Err(unexpected(&other)),
            };
        }
        let (Some(account), Some(sender)) = (self.account, self.from) else {
            return Err(Fault::new(Kind::Usage, "send").because_words("`--account` and `--from` are missing"));
        };
        let to = SendTo {
            sender,
            recipients: self.to,
            notify: self.notify,
            original_recipients: self.orcpt,
            ret: self.ret,
            envelope_id: self.envid,
            requires_tls: self.requiretls,
        };
        let files = if self.files.is_empty() { vec![PathBuf::from(STDIN)] } else { self.files };
        for file in &files {
            look_for(file).await?;
        }
        let request = Request::Send { account, to: Box::new(to), connections: self.connections };
        send(context, request, files).await
    }
}

async fn send(context: &Context, request: Request, files: Vec<PathBuf>) -> Result<u8, Fault> {
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let (feed, uploads) = Uploads::channel();
    let (ask, asked) = mpsc::channel(ASKED);
    let handing_over = tokio::spawn(hand_over(files, asked, feed));
    let mut worst: Option<(VerdictWord, Fault)> = None;
    let (output, mut has_heading) = (context.output, false);
    let called = context.call_with(request, uploads, |event| {
        match event {
            Event::Wanted => try_ask(&ask, Asked::Next),
            Event::Sent(sent) => {
                let file = usize::try_from(sent.place).ok().and_then(|place| names.get(place)).map_or("", String::as_str);
                if output.json {
                    output.line(&Row { file, sent: &sent })?;
                } else {
                    output.write(describe(file, &sent, std::mem::replace(&mut has_heading, true)).as_bytes())?;
                }
                note_worst(&mut worst, &sent);
                // It is on stdout: no word of it needs to be left for later.
                try_ask(&ask, Asked::Told(sent.submission.clone()))
            }
            _ => Ok(()),
        }
    });
    let called = called.await;
    drop(ask);
    let handed_over = handing_over.await.unwrap_or_else(|error| Err(Fault::new(Kind::Bug, "hand over the messages").because(&error)));
    // A file that cannot be read is why the request was broken off.
    let ended = handed_over.and(called.map(|_| ()));
    if let Some((_, fault)) = &worst {
        context.report.fault(fault);
    }
    match (worst, ended) {
        (Some((_, fault)), Ok(())) => Ok(fault.kind.exit_code()),
        (Some((VerdictWord::Unknown, fault)), Err(other)) => {
            context.report.fault(&other);
            Ok(fault.kind.exit_code())
        }
        (_, ended) => ended.map(|()| 0),
    }
}

/// Ask the one who hands over; one that has ended is no fault.
fn try_ask(ask: &mpsc::Sender<Asked>, asked: Asked) -> Result<(), Fault> {
    match ask.try_send(asked) {
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        Err(mpsc::error::TrySendError::Full(_)) => {
            Err(Fault::new(Kind::Bug, "hand over a message").because_words(format!("more than {ASKED} things are asked for")))
        }
    }
}

/// Keep the fault of the worst verdict so far; of several alike the first one.
fn note_worst(worst: &mut Option<(VerdictWord, Fault)>, sent: &SentView) {
    for RecipientView { verdict, fault, .. } in &sent.recipients {
        let Some(fault) = fault else { continue };
        if worst.as_ref().is_none_or(|(known, _)| verdict > known) {
            *worst = Some((*verdict, fault.clone()));
        }
    }
}

/// Hand over message after message as they are asked for, until nobody asks any more.
async fn hand_over(files: Vec<PathBuf>, mut asked: mpsc::Receiver<Asked>, feed: mpsc::Sender<Upload>) -> Result<(), Fault> {
    let mut files = files.into_iter();
    let mut trouble = None;
    while let Some(asked) = asked.recv().await {
        let last = match asked {
            Asked::Told(id) => Upload::Told(id),
            Asked::Next => match files.next().filter(|_| trouble.is_none()) {
                Some(file) => match hand_over_file(&file, &feed).await {
                    Ok(true) => Upload::MessageEnd,
                    Ok(false) => break,
                    Err(fault) => {
                        // Half a message is none; those before it are still heard of.
                        trouble = Some(fault);
                        Upload::NoMore
                    }
                },
                None => Upload::NoMore,
            },
        };
        if feed.send(last).await.is_err() {
            break;
        }
    }
    trouble.map_or(Ok(()), Err)
}

/// One file's octets; false: nobody takes them any more.
async fn hand_over_file(path: &Path, feed: &mpsc::Sender<Upload>) -> Result<bool, Fault> {
    let failed = |error: std::io::Error| Fault::new(Kind::Storage, format!("read `{}`", path.display())).because(&error);
    let mut reader: Box<dyn AsyncRead + Send + Unpin> =
        if is_stdin(path) { Box::new(tokio::io::stdin()) } else { Box::new(File::open(path).await.map_err(failed)?) };
    let mut piece = vec![0; PIECE_OCTETS];
    loop {
        let length = reader.read(&mut piece).await.map_err(failed)?;
        if length == 0 {
            return Ok(true);
        }
        let octets = Bytes::copy_from_slice(piece.get(..length).unwrap_or_default());
        if feed.send(Upload::Octets(octets)).await.is_err() {
            return Ok(false);
        }
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// A file that is not there is found before anything is sent.
async fn look_for(path: &Path) -> Result<(), Fault> {
    if is_stdin(path) {
        return Ok(());
    }
    let found = tokio::fs::metadata(path)
        .await
        .and_then(|found| if found.is_dir() { Err(std::io::Error::from(std::io::ErrorKind::IsADirectory)) } else { Ok(()) });
    found.map_err(|error| Fault::new(Kind::Usage, format!("take `{}` as a message", path.display())).because(&error))
}

/// A row for each recipient; the first ones have a heading.
fn describe(file: &str, sent: &SentView, has_heading: bool) -> String {
    let row = |recipient: &RecipientView| {
        let words = match (&recipient.words, &recipient.fault) {
            (Some(words), _) => words.clone(),
            (None, Some(fault)) => fault.causes().last().map_or_else(|| fault.to_string(), str::to_owned),
            (None, None) => String::new(),
        };
        [recipient.verdict.to_string(), recipient.address.clone(), file.to_owned(), words]
    };
    let rows: Vec<_> = sent.recipients.iter().map(row).collect();
    if !has_heading {
        return table(["VERDICT", "RECIPIENT", "FILE", "SERVER"], &rows);
    }
    rows.iter().fold(String::new(), |text, row| {
        let cells: Vec<_> = row.iter().map(|cell| clean(cell)).filter(|cell| !cell.is_empty()).collect();
        format!("{text}{}\n", cells.join("  "))
    })
}
