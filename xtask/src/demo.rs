//! `cargo xtask demo`: one whole path for the eye, from a real server to a sealed store and a Maildir.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use harness::corpus;
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};

use crate::project::{self, Profile};
use crate::{connectors, setup, toolchain};

/// As many as a person's inbox shows.
const MESSAGES: usize = 400;
/// Of the user of the server, where a message is sent.
const ADDRESS: &str = "help@example.com";
/// How many messages are shown.
const SHOWN: usize = 12;

/// The built program and the home it works in.
struct Program {
    binary: PathBuf,
    home: PathBuf,
}

/// `cargo xtask demo`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("`demo` takes no arguments");
    }
    toolchain::ensure()?;
    setup::servers()?;
    connectors::run(&[])?;
    let binary = project::build_postrider(Profile::Dev)?;
    // Kept: the person wants to look at it.
    let folder = tempfile::Builder::new().prefix("postrider-demo-").tempdir().context("make a folder")?.keep();
    let program = Program { binary, home: folder.join("home") };

    println!("\nStarting a Dovecot on loopback with {MESSAGES} messages in the inbox of `{USER}`.");
    let dovecot = Setup::default().settings("auth_username_format = %Ln\n").start();
    dovecot.deliver(USER, "INBOX", &corpus::messages(corpus::SEED, MESSAGES).collect::<Vec<_>>());
    let maildir = folder.join("Maildir");
    let result = program.tour(&dovecot, &maildir);
    drop(dovecot);
    result?;
    println!("\nDovecot is stopped. Everything is still there:");
    println!("  the home, sealed:        {}", program.home.display());
    println!("  the Maildir, plain:      {}", maildir.display());
    println!("  the program:             {}", program.binary.display());
    println!("Look again:                {} message list --home {}", program.binary.display(), program.home.display());
    println!("Remove it all:             rm -r {}", folder.display());
    Ok(())
}

impl Program {
    fn tour(&self, dovecot: &Dovecot, maildir: &Path) -> Result<()> {
        let port = dovecot.imaps.to_string();
        let ca = dovecot.ca_file();
        let ca = ca.to_str().context("a path that is not UTF-8")?;
        let maildir = maildir.to_str().context("a path that is not UTF-8")?;
        let add =
            ["account", "add", "demo", "--receive", "imap", "--server", "localhost", "--port", &port, "--security", "tls", "--user", USER];
        self.run_with_input(&[&add[..], &["--password-stdin", "--ca", ca]].concat(), PASSWORD)?;
        self.run(&["account", "test", "demo"])?;
        self.run(&["sink", "add", "files", "--maildir", maildir])?;
        self.run(&["receive", "demo"])?;
        self.show_list()?;
        self.send_and_receive(dovecot, ca)?;
        self.run(&["status"])?;
        self.run(&["store", "check"])
    }

    /// A message that goes out and comes back: handed to the server's mail store by LMTP, which anybody may start, unlike a Postfix.
    fn send_and_receive(&self, dovecot: &Dovecot, ca: &str) -> Result<()> {
        let port = dovecot.lmtp.to_string();
        let send = ["account", "edit", "demo", "--send", "lmtp", "--send-server", "localhost", "--send-port", &port, "--send-user="];
        self.run(&[&send[..], &["--send-security", "starttls", "--send-ca", ca]].concat())?;
        let message = format!(
            "From: {ADDRESS}\r\nTo: {ADDRESS}\r\nSubject: There and back again\r\nMessage-ID: <demo@example.com>\r\n\r\nHello.\r\n"
        );
        self.run_with_input(&["send", "--raw", "--account", "demo", "--from", ADDRESS, "--to", ADDRESS], &message)?;
        self.run(&["receive", "demo"])?;
        self.run(&["message", "list", "--limit", "1"])
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        self.run_with_input(arguments, "")
    }

    /// Show the command, then let it speak for itself: on a terminal it has its progress bar.
    fn run_with_input(&self, arguments: &[&str], input: &str) -> Result<()> {
        println!("\n$ postrider {}", arguments.join(" "));
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().context("start `postrider`")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).context("write to `postrider`")?;
        }
        let status = child.wait().context("wait for `postrider`")?;
        if !status.success() {
            bail!("`postrider {}` ended with {status}", arguments.join(" "));
        }
        Ok(())
    }

    fn show_list(&self) -> Result<()> {
        println!("\n$ postrider message list | head -{SHOWN}");
        let output = self.command(&["message", "list"]).output().context("run `postrider`")?;
        if !output.status.success() {
            bail!("`postrider message list` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        for line in String::from_utf8_lossy(&output.stdout).lines().take(SHOWN) {
            println!("{line}");
        }
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--home").arg(&self.home);
        command
    }
}
