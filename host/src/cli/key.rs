//! `postrider key`.

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::context::{Context, unexpected};
use super::progress::Spinner;
use super::terminal;
use super::text::{count, fields};
use crate::api::{Event, Reply, Request};
use crate::fault::{Fault, Kind};
use crate::secret::Secret;
use crate::store::{KeyKind, KeyState, Rotated};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show where the master key comes from, and the fingerprints that tell keys apart
    Show {
        /// Only the fingerprint of the master key
        #[arg(long)]
        fingerprint: bool,
    },
    /// Seal everything with a new data key and forget the old one; goes on where it was broken off
    Rotate,
    /// Give the store another master key; nothing else changes
    Rekey {
        /// Where it comes from: a new key file in the file's place, a passphrase, the OS keyring, or a key that is given at every
        /// start in `POSTRIDER_MASTER_KEY` or the systemd credential `postrider.master-key`
        #[arg(long, value_name = "KIND", value_parser = kind_parser())]
        to: KeyKind,
        /// Read the passphrase, or the given key of 64 hexadecimal digits, from stdin
        #[arg(long)]
        stdin: bool,
    },
    /// Print a new recovery key, which opens the store when the master key is lost; the one before opens nothing any more
    Recovery,
}

/// The recovery key, the one time that it is seen.
#[derive(Serialize)]
struct Printed<'a> {
    recovery_key: &'a str,
    fingerprint: Option<&'a str>,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Fault> {
        match self {
            Self::Show { fingerprint } => {
                let state = key_state(context.ask(Request::KeyShow).await?)?;
                let text = || if fingerprint { format!("{}\n", state.fingerprint) } else { describe(&state) };
                context.output.show(&state, text)
            }
            Self::Rotate => rotate(context).await,
            Self::Rekey { to, stdin } => rekey(context, to, stdin).await,
            Self::Recovery => recovery(context).await,
        }
    }
}

async fn rotate(context: &Context) -> Result<(), Fault> {
    let spinner = Spinner::start(context.output.json, "sealing everything with a new data key");
    let on_event = |event| {
        if let Event::Rotating { done, total } = event {
            spinner.say(&format!("sealing everything with a new data key: {done} of {}", count(total, "message")));
        }
        Ok(())
    };
    let reply = context.call(Request::KeyRotate, on_event).await;
    drop(spinner);
    let rotated = match reply? {
        Reply::Rotated(rotated) => rotated,
        other => return Err(unexpected(&other)),
    };
    context.output.show(&rotated, || {
        let Rotated { epoch, bodies, records } = rotated;
        format!("everything is sealed with data key {epoch}: {} and {} rewritten\n", count(bodies, "message"), count(records, "record"))
    })
}

async fn rekey(context: &Context, to: KeyKind, stdin: bool) -> Result<(), Fault> {
    let operation = "take a new master key";
    let secret = match to {
        KeyKind::Passphrase | KeyKind::Given if stdin => Some(terminal::password_from_stdin()?),
        KeyKind::Passphrase => Some(ask_twice(operation).await?),
        KeyKind::Given => {
            return Err(Fault::new(Kind::Usage, operation)
                .because_words("a key that is given at every start is read from stdin")
                .with_remedy("`openssl rand -hex 32 > KEY; postrider key rekey --to given --stdin < KEY`, and keep a copy of KEY"));
        }
        KeyKind::File | KeyKind::OsKeyring if stdin => {
            return Err(Fault::new(Kind::Usage, operation).because_words("the host makes this kind of key by itself: leave `--stdin` out"));
        }
        KeyKind::File | KeyKind::OsKeyring => None,
    };
    let state = key_state(context.ask(Request::KeyRekey { to, secret }).await?)?;
    context.report.note("the former master key opens this store no more; it still opens copies that were made before");
    context.output.show(&state, || describe(&state))
}

async fn ask_twice(operation: &str) -> Result<Secret, Fault> {
    let first = terminal::ask_secret("new passphrase", "New passphrase: ").await?;
    let again = terminal::ask_secret("new passphrase", "The same again: ").await?;
    if first == again {
        return Ok(first);
    }
    Err(Fault::new(Kind::Usage, operation).because_words("the two passphrases differ"))
}

async fn recovery(context: &Context) -> Result<(), Fault> {
    let (key, fingerprint) = match context.ask(Request::KeyRecovery).await? {
        Reply::RecoveryKey(made) => (made.key, made.state.recovery),
        other => return Err(unexpected(&other)),
    };
    let key = key.as_ref().and_then(Secret::expose_str).unwrap_or_default();
    context.report.note("write it down, and keep it apart from this machine: it is shown only now, and whoever has it can read all mail");
    context.output.show(&Printed { recovery_key: key, fingerprint: fingerprint.as_deref() }, || format!("{key}\n"))
}

fn key_state(reply: Reply) -> Result<KeyState, Fault> {
    match reply {
        Reply::Key(state) => Ok(state),
        other => Err(unexpected(&other)),
    }
}

fn describe(state: &KeyState) -> String {
    let kind = match state.kind {
        KeyKind::File => "a key file",
        KeyKind::Given => "given at every start",
        KeyKind::Passphrase => "a passphrase",
        KeyKind::OsKeyring => "in the OS keyring",
    };
    let half = if state.is_half_rotated { "; some is still sealed with an earlier one: `postrider key rotate` goes on" } else { "" };
    fields(&[
        ("Master key", kind.to_owned()),
        ("Fingerprint", state.fingerprint.clone()),
        ("Recovery key", state.recovery.clone().unwrap_or_else(|| "none: `postrider key recovery` makes one".to_owned())),
        ("Data key", format!("{}{half}", state.epoch)),
    ])
}

fn kind_parser() -> impl TypedValueParser<Value = KeyKind> {
    PossibleValuesParser::new(["file", "passphrase", "os-keyring", "given"]).map(|word| match word.as_str() {
        "passphrase" => KeyKind::Passphrase,
        "os-keyring" => KeyKind::OsKeyring,
        "given" => KeyKind::Given,
        _ => KeyKind::File,
    })
}
