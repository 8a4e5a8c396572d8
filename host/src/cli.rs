//! The command line: one file a command. Data goes to stdout, words for people to stderr. Nothing imports it.

mod account;
mod backup;
mod connector;
mod context;
mod exit_codes;
mod export;
mod generate;
mod key;
mod message;
mod output;
mod output_file;
mod process;
mod progress;
mod receive;
mod report;
mod run;
mod send;
mod sink;
mod status;
mod store;
mod terminal;
mod text;
mod trace;
mod unlock;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::context::Context;
use self::report::Report;
use crate::connector::project::Sources;
use crate::fault::{Fault, Kind};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "postrider",
    version,
    about = "Receive and send mail through sandboxed connectors, into a sealed store",
    after_help = "Exit codes: `postrider help exit-codes` lists what each one means.",
    propagate_version = true,
    disable_help_subcommand = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Where everything lies; by default the XDG directories of the user
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    home: Option<PathBuf>,
    /// Print JSON: data on stdout, errors on stderr
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
    /// Open the store with its recovery key instead of the master key, asked for or in `POSTRIDER_RECOVERY_KEY_FILE`
    #[arg(long, global = true, help_heading = "Global options")]
    recovery: bool,
    /// Log more to stderr; twice for everything. `POSTRIDER_LOG` takes filters like `postrider::net=debug`
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connectors: the sandboxed components that know a provider
    #[command(subcommand)]
    Connector(connector::Command),
    /// Accounts: servers, users and passwords
    #[command(subcommand)]
    Account(account::Command),
    /// Receive new mail, one pass
    Receive(receive::Arguments),
    /// Send messages that are there already, and say what became of each recipient
    Send(Box<send::Arguments>),
    /// Stored messages
    #[command(subcommand)]
    Message(message::Command),
    /// Sinks: where stored mail goes on to
    #[command(subcommand)]
    Sink(sink::Command),
    /// Run as a daemon: all accounts and sinks, until SIGTERM
    Run,
    /// Show how the home stands
    Status,
    /// The sealed store
    #[command(subcommand)]
    Store(store::Command),
    /// Write all of the store, sealed as it is, to a file or stdout; also while the daemon runs
    Backup(backup::BackupArguments),
    /// Make the home out of a backup; refuses one that is there
    Restore(backup::RestoreArguments),
    /// Write all mail, readable, as an mbox or a Maildir
    Export(export::Arguments),
    /// The keys of the sealed store
    #[command(subcommand)]
    Key(key::Command),
    /// Show what the exit codes mean
    #[command(hide = true, long_about = exit_codes::text())]
    ExitCodes,
    /// Write man pages and shell completions
    #[command(subcommand, hide = true)]
    Generate(generate::Command),
}

/// Run the program with the process's arguments; `sources` are the files that `connector new` writes.
#[must_use]
pub fn main(sources: Sources) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The parser fails before it has told whether JSON is wanted.
    let report = Report::to_stderr(arguments.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json"));
    let matches = match Cli::command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return report.refusal(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return report.refusal(&error),
    };
    trace::start(&cli.global, matches!(cli.command, Command::Run));
    process::keep_memory();
    match start(cli, &matches, &report, sources) {
        Ok(code) => ExitCode::from(code),
        Err(fault) => {
            report.fault(&fault);
            ExitCode::from(fault.kind.exit_code())
        }
    }
}

/// Descriptors that the run-time and the store's own files take, before any account has one.
const DESCRIPTORS: usize = 48;

/// Refuse in words what would be a panic of the run-time: too few descriptors for its own.
fn look_for_descriptors() -> Result<(), Fault> {
    let opened: std::io::Result<Vec<_>> = (0..DESCRIPTORS).map(|_| std::fs::File::open("/dev/null")).collect();
    opened.map(drop).map_err(|error| {
        Fault::new(Kind::Storage, "open the files that every command needs")
            .because(&error)
            .with_remedy("raise the limit of open files: `ulimit -n 1024`, or `LimitNOFILE=` of the service")
    })
}

fn start(cli: Cli, matches: &ArgMatches, report: &Report, sources: Sources) -> Result<u8, Fault> {
    look_for_descriptors()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new(Kind::Bug, "start the run-time").because(&error))?;
    let context = Context::new(&cli.global, words_of(matches), report.clone(), sources)?;
    let ended = runtime.block_on(Box::pin(cli.command.run(&context)));
    // A thread that waits for a terminal or a slow disk does not hold up the end: all that is owed to the disk has been waited for.
    runtime.shutdown_background();
    ended
}

impl Command {
    /// Carry the command out; the exit code, where what failed has been reported already.
    async fn run(self, context: &Context) -> Result<u8, Fault> {
        match self {
            Self::Connector(command) => command.run(context).await.map(|()| 0),
            Self::Account(command) => command.run(context).await.map(|()| 0),
            Self::Receive(arguments) => arguments.run(context).await,
            Self::Send(arguments) => arguments.run(context).await,
            Self::Message(command) => command.run(context).await.map(|()| 0),
            Self::Sink(command) => command.run(context).await.map(|()| 0),
            Self::Run => run::run(context).await.map(|()| 0),
            Self::Status => status::run(context).await.map(|()| 0),
            Self::Store(command) => command.run(context).await.map(|()| 0),
            Self::Backup(arguments) => backup::backup(context, arguments).await.map(|()| 0),
            Self::Restore(arguments) => backup::restore(context, arguments).await.map(|()| 0),
            Self::Export(arguments) => export::run(context, arguments).await.map(|()| 0),
            Self::Key(command) => command.run(context).await.map(|()| 0),
            Self::ExitCodes => exit_codes::run(context).map(|()| 0),
            Self::Generate(command) => command.run(context).map(|()| 0),
        }
    }
}

/// "postrider account add": the command without its arguments, which may be private.
fn words_of(matches: &ArgMatches) -> String {
    let subcommands = std::iter::successors(matches.subcommand(), |(_, deeper)| deeper.subcommand());
    subcommands.fold("postrider".to_owned(), |words, (name, _)| format!("{words} {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_line_parses() {
        for line in [
            "postrider connector list",
            "postrider connector inspect imap.wasm --json",
            "postrider connector install imap.wasm",
            "postrider connector approve imap",
            "postrider connector remove imap",
            "postrider connector pack imap.wasm --manifest connector.toml --output out.wasm",
            "postrider connector new my-mail --kind line",
            "postrider connector new my-mail --kind rest --directory dir --sdk plugins/sdk",
            "postrider account add help --receive imap --server mail.example.com --port 993 --security tls --user help --password-stdin",
            "postrider account add help --receive imap --server mail.example.com --security none --user help --ca ca.pem --set limit.handles=32 --set x=",
            "postrider account list --home /tmp/x",
            "postrider account show help",
            "postrider account edit help --port 994 --connect-timeout-ms 100 --read-timeout-ms 100 --proxy socks5://p:1",
            "postrider account edit help --ca= --proxy=",
            "postrider account edit help --proxy http://me@proxy.example:3128 --proxy-password-stdin",
            "postrider account edit help --idle-timeout-ms 100 --local-address 192.0.2.7 --network 10.0.0.0/8 --network fd00::1",
            "postrider account edit help --tls-min 1.3 --client-cert c.pem --client-key k.pem",
            "postrider account edit help --no-client-cert --no-pins",
            "postrider account edit help --no-networks --local-address=",
            "postrider account remove help --yes",
            "postrider account test help",
            "postrider receive",
            "postrider --json receive help desk --folder INBOX --folder Sent --wait",
            "postrider account add out --send smtp --send-server mail.example.com --send-security starttls --send-user me --send-password-stdin",
            "postrider account add both --receive imap --server a --user u --send smtp --send-server b --send-same-credentials",
            "postrider account edit both --send-proxy= --send-no-pins --send-quirk no-ehlo-after-sign-in",
            "postrider account edit both --no-send",
            "postrider account edit both --no-receive --send-ask-password --send-set limit.handles=32",
            "postrider send --raw --account help --from a@example.com --to b@example.com --to c@example.com m.eml -",
            "postrider send --raw --account help --from= --to b@example.com --notify success,failure --ret hdrs --envid x --requiretls",
            "postrider send --acknowledge",
            "postrider send --acknowledge abc def",
            "postrider message list --account help --folder INBOX --limit 5",
            "postrider message show aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "postrider message export aaaaaaaaaaaaaaaaaaaaaaaaaa --output m.eml",
            "postrider sink add inbox --maildir Mail --account help --line-endings crlf",
            "postrider sink list",
            "postrider sink remove inbox",
            "postrider run --json",
            "postrider status",
            "postrider store check",
            "postrider store repair --yes",
            "postrider backup -",
            "postrider restore file --home new --key-file key",
            "postrider export --mbox file --account help",
            "postrider export --maildir dir",
            "postrider key show --fingerprint",
            "postrider key rotate",
            "postrider key rekey --to passphrase --stdin",
            "postrider key rekey --recovery --to file",
            "postrider key recovery",
            "postrider exit-codes",
            "postrider generate man out",
            "postrider generate completions out",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn mistakes_are_refused_by_the_grammar() {
        for line in [
            "postrider account add Help --receive imap --server s --security tls --user u",
            "postrider account add help --receive imap --server s --security ssl --user u",
            "postrider account add help --receive imap --server s --port 70000 --user u",
            "postrider connector new my-mail",
            "postrider connector new my-mail --kind smtp",
            "postrider connector new ../mail --kind line",
            "postrider account edit help --set novalue",
            "postrider account edit help --pin abcd",
            "postrider account edit help --network 10.0.0.0/33",
            "postrider account edit help --tls-min 1.1",
            "postrider account edit help --client-key k.pem",
            "postrider account edit both --no-send --send smtp",
            "postrider account edit both --send-user me --send-same-credentials",
            "postrider send --account help --from a@example.com --to b@example.com",
            "postrider send --raw --account help --from a@example.com",
            "postrider message show nothing",
            "postrider sink add inbox",
            "postrider recieve",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn help_explains_the_exit_codes() {
        let help = Cli::command().try_get_matches_from(["postrider", "help", "exit-codes"]).unwrap_err();
        assert_eq!(help.kind(), clap::error::ErrorKind::DisplayHelp);
        assert!(help.to_string().contains("unauthenticated"), "{help}");
    }

    #[test]
    fn an_owner_is_named_without_its_arguments() {
        let matches = Cli::command().get_matches_from(["postrider", "account", "edit", "help", "--proxy", "http://u:correct-horse@p"]);
        assert_eq!(words_of(&matches), "postrider account edit");
    }
}
