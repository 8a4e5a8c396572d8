//! `postrider export`: all mail in a form that other programs read.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::backup::sync_folder_of;
use super::context::Context;
use super::text::count;
use crate::api::{Event, MessageView, Request};
use crate::fault::{Fault, Kind};
use crate::model::message::Content;
use crate::model::name::AccountName;
use crate::model::sink::LineEndings;
use crate::sink::line_endings::Rewriter;
use mbox::Quoter;

mod mbox;

/// What, and where to.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("target").required(true)))]
pub(super) struct Arguments {
    /// One file, in the mboxrd format; it is there whole or not at all
    #[arg(long, value_name = "FILE", group = "target")]
    mbox: Option<PathBuf>,
    /// A Maildir, made if need be; what an earlier export put into it is not written again
    #[arg(long, value_name = "DIR", group = "target")]
    maildir: Option<PathBuf>,
    /// Of this account only
    #[arg(long)]
    account: Option<AccountName>,
}

/// What was written.
#[derive(Debug, Default, Serialize)]
struct Exported {
    messages: u64,
    /// Messages that were set aside and have no octets.
    without_octets: u64,
}

/// Where messages go, one after the other.
trait Target {
    /// A message begins.
    fn begin(&mut self, message: &MessageView) -> std::io::Result<()>;
    /// Its next octets, with LF for CRLF.
    fn octets(&mut self, octets: &[u8]) -> std::io::Result<()>;
    /// It is complete.
    fn end(&mut self) -> std::io::Result<()>;
    /// All are: make them durable.
    fn finish(self: Box<Self>) -> std::io::Result<()>;
}

/// Export what is stored.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Fault> {
    let Arguments { mbox, maildir, account } = arguments;
    let path = mbox.clone().or_else(|| maildir.clone()).unwrap_or_default();
    let failed = |error: std::io::Error| Fault::new(Kind::Storage, format!("export to `{}`", path.display())).because(&error);
    let mut target: Box<dyn Target> = match (&mbox, &maildir) {
        (Some(file), _) => Box::new(Mbox::create(file).map_err(failed)?),
        (None, Some(folder)) => Box::new(Folder::open(folder).map_err(failed)?),
        (None, None) => return Err(Fault::new(Kind::Usage, "export the mail").because_words("neither `--mbox` nor `--maildir` was given")),
    };
    let mut exported = Exported::default();
    let mut rewriter: Option<Rewriter> = None;
    let on_event = |event| match event {
        Event::Messages(messages) => {
            end(&mut rewriter, &mut *target).map_err(failed)?;
            for message in messages {
                if matches!(message.content, Content::SetAside { .. }) {
                    exported.without_octets += 1;
                    continue;
                }
                exported.messages += 1;
                target.begin(&message).map_err(failed)?;
                rewriter = Some(Rewriter::new(LineEndings::Lf));
            }
            Ok(())
        }
        Event::Octets(octets) => match &mut rewriter {
            Some(rewriter) => target.octets(&rewriter.piece(&octets)).map_err(failed),
            None => Ok(()),
        },
        _ => Ok(()),
    };
    context.call(Request::Export { account }, on_event).await?;
    end(&mut rewriter, &mut *target).and_then(|()| target.finish()).map_err(failed)?;
    context.report.note("what was exported is not sealed: everybody who can read it can read the mail");
    context.output.show(&exported, || {
        let Exported { messages, without_octets } = exported;
        let aside = if without_octets > 0 { format!("; {without_octets} were set aside without octets") } else { String::new() };
        format!("{}{aside}\n", count(messages, "message"))
    })
}

fn end(rewriter: &mut Option<Rewriter>, target: &mut dyn Target) -> std::io::Result<()> {
    let Some(rewriter) = rewriter.take() else { return Ok(()) };
    target.octets(rewriter.end())?;
    target.end()
}

/// One file with all messages, under another name until it is whole.
struct Mbox {
    path: PathBuf,
    unfinished: PathBuf,
    writer: Option<BufWriter<File>>,
    quoter: Quoter,
}

impl Mbox {
    fn create(path: &Path) -> std::io::Result<Self> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".part");
        let unfinished = PathBuf::from(unfinished);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        Ok(Self { path: path.to_owned(), unfinished, writer: Some(BufWriter::new(file)), quoter: Quoter::default() })
    }

    fn write(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), |writer| writer.write_all(octets))
    }
}

impl Target for Mbox {
    fn begin(&mut self, message: &MessageView) -> std::io::Result<()> {
        self.quoter = Quoter::default();
        let line = mbox::separator(message.from.first().map(String::as_str), message.received.unwrap_or(message.stored));
        self.write(line.as_bytes())
    }

    fn octets(&mut self, octets: &[u8]) -> std::io::Result<()> {
        let quoted = self.quoter.piece(octets);
        self.write(&quoted)
    }

    fn end(&mut self) -> std::io::Result<()> {
        let rest = std::mem::take(&mut self.quoter).end();
        self.write(&rest)
    }

    fn finish(mut self: Box<Self>) -> std::io::Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        }
        fs::rename(&self.unfinished, &self.path)?;
        sync_folder_of(&self.path)
    }
}

impl Drop for Mbox {
    fn drop(&mut self) {
        // Half a file is of no use; of a whole one there is no draft any more.
        let _ = fs::remove_file(&self.unfinished);
    }
}

/// A Maildir (<https://cr.yp.to/proto/maildir.html>): each file in `tmp`, synced, then renamed to `new`.
struct Folder {
    path: PathBuf,
    current: Option<(String, BufWriter<File>)>,
}

impl Folder {
    fn open(path: &Path) -> std::io::Result<Self> {
        for part in ["tmp", "new", "cur"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path.join(part))?;
        }
        Ok(Self { path: path.to_owned(), current: None })
    }

    /// Whether an earlier export put this message here; a reader may have moved it on.
    fn has(&self, name: &str) -> std::io::Result<bool> {
        if self.path.join("new").join(name).exists() {
            return Ok(true);
        }
        for entry in fs::read_dir(self.path.join("cur"))? {
            if entry?.file_name().to_string_lossy().split(':').next() == Some(name) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Target for Folder {
    fn begin(&mut self, message: &MessageView) -> std::io::Result<()> {
        let name = format!("{}.{}.postrider", message.received.unwrap_or(message.stored).0 / 1_000, message.id);
        self.current = None;
        if !self.has(&name)? {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.path.join("tmp").join(&name))?;
            self.current = Some((name, BufWriter::new(file)));
        }
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.current.as_mut().map_or(Ok(()), |(_, writer)| writer.write_all(octets))
    }

    fn end(&mut self) -> std::io::Result<()> {
        let Some((name, writer)) = self.current.take() else { return Ok(()) };
        writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(self.path.join("tmp").join(&name), self.path.join("new").join(&name))
    }

    fn finish(self: Box<Self>) -> std::io::Result<()> {
        sync_folder_of(&self.path.join("new").join("any"))
    }
}
