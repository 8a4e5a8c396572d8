//! The front door: `cargo xtask VERB`. A person, the Justfile and the build server call the same verbs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to the person who called it")]

mod bench;
mod connectors;
mod demo;
mod dist;
mod project;
mod setup;
mod soak;
mod suite;
mod test;
mod toolchain;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask VERB

  test [--fast] [FILTER]  every test there is: lints, unit tests, end-to-end tests against real servers
                          --fast leaves out 10,000 messages and the rounds of kill -9
                          FILTER runs only the tests whose names contain it
  demo                    build, start a Dovecot, receive a mailbox, show it, send a message and receive it back
  soak [ROUNDS]           kill -9 at random points of `receive`, 1,000 times
  bench [PART] [ROUNDS]   all parts, or one: imap (receive 10,000 messages, beside mbsync, getmail6 and a reader that discards),
                          pop3 (the same, beside mpop, fetchmail and getmail6),
                          smtp (send 2,000 messages, beside nodemailer, msmtp and a writer that pipelines on one connection),
                          store (by itself, beside sled and files)
  connectors              build the first-party connectors to where a built binary finds them
  dist                    the archive that an operator unpacks
  setup                   add the Rust target and install the servers that the tests need
  help                    this

Every verb first checks what it needs, and installs it or says how. CONTRIBUTING.md says more.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((verb, rest)) = arguments.split_first() else {
        bail!("no verb\n\n{HELP}");
    };
    match verb.as_str() {
        "test" => test::run(rest),
        "demo" => demo::run(rest),
        "soak" => soak::run(rest),
        "bench" => bench::run(rest),
        "connectors" => connectors::run(rest),
        "dist" => dist::run(rest),
        "setup" => setup::run(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        bench::READER => bench::reader(rest),
        bench::WRITER => bench::writer(rest),
        other => bail!("no verb `{other}`\n\n{HELP}"),
    }
}
