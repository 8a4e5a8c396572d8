//! `postrider sink`.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::context::{Context, absolute, unexpected};
use super::text::table;
use crate::api::{Reply, Request, SinkView};
use crate::fault::Fault;
use crate::model::account::Keep;
use crate::model::name::{AccountName, SinkName};
use crate::model::sink::{LineEndings, Target};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a sink; it gets what is stored already, and everything that comes
    Add {
        /// What to call it
        name: SinkName,
        /// Put mail into this Maildir, which is made if need be
        #[arg(long, value_name = "DIR")]
        maildir: PathBuf,
        /// Of this account only; can be repeated
        #[arg(long = "account", value_name = "ACCOUNT")]
        accounts: Vec<AccountName>,
        /// What ends a line in its files; the store keeps the exact octets
        #[arg(long, value_name = "ENDING", default_value = "lf", value_parser = line_endings_parser())]
        line_endings: LineEndings,
        /// How long the store keeps for it what it takes, where the account keeps it no longer: `until-delivered`, a number of
        /// days, `forever`
        #[arg(long, default_value = "until-delivered")]
        keep: Keep,
    },
    /// Change how long the store keeps for a sink what it takes
    Edit {
        /// Which sink
        name: SinkName,
        /// `until-delivered`, a number of days, or `forever`
        #[arg(long)]
        keep: Keep,
    },
    /// List the sinks
    List,
    /// Forget a sink; what it wrote stays
    Remove {
        /// Which sink
        name: SinkName,
    },
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Fault> {
        match self {
            Self::Add { name, maildir, accounts, line_endings, keep } => {
                put(context, Request::SinkAdd { name, maildir: absolute(&maildir)?, accounts, line_endings, keep }).await
            }
            Self::Edit { name, keep } => put(context, Request::SinkEdit { name, keep }).await,
            Self::List => match context.ask(Request::SinkList).await? {
                Reply::Sinks(sinks) => context.output.show(&sinks, || list(&sinks)),
                other => Err(unexpected(&other)),
            },
            Self::Remove { name } => {
                context.ask(Request::SinkRemove { name: name.clone() }).await?;
                context.report.note(&format!("the sink `{name}` is removed; what it wrote stays"));
                Ok(())
            }
        }
    }
}

async fn put(context: &Context, request: Request) -> Result<(), Fault> {
    match context.ask(request).await? {
        Reply::Sink(sink) => context.output.show(&sink, || list(std::slice::from_ref(&sink))),
        other => Err(unexpected(&other)),
    }
}

fn list(sinks: &[SinkView]) -> String {
    let rows: Vec<_> = sinks.iter().map(row).collect();
    table(["NAME", "KIND", "LINE ENDINGS", "KEPT", "ACCOUNTS", "DIRECTORY"], &rows)
}

fn row(sink: &SinkView) -> [String; 6] {
    let accounts: Vec<_> = sink.accounts.iter().map(ToString::to_string).collect();
    let accounts = if sink.is_for_all { "all".to_owned() } else { accounts.join(" ") };
    let Target::Maildir { directory, line_endings } = &sink.target;
    let ending = match line_endings {
        LineEndings::Lf => "lf",
        LineEndings::Crlf => "crlf",
    };
    [sink.name.to_string(), "maildir".to_owned(), ending.to_owned(), sink.keep.to_string(), accounts, directory.display().to_string()]
}

fn line_endings_parser() -> impl TypedValueParser<Value = LineEndings> {
    PossibleValuesParser::new(["lf", "crlf"]).map(|word| if word == "crlf" { LineEndings::Crlf } else { LineEndings::Lf })
}
