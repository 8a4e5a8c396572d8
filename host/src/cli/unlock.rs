//! How a command comes by the master key of a home: from outside where somebody hands one over, else from where the store's
//! keyring says. Secrets never come as arguments, which everybody on the machine can read.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::terminal;
use crate::fault::{Fault, Kind};
use crate::home::Paths;
use crate::secret::Secret;
use crate::store::{KeyKind, KeySource};

/// 64 hexadecimal digits.
const MASTER_KEY: &str = "POSTRIDER_MASTER_KEY";

/// A file with the passphrase; `-` is the first line of stdin.
const PASSPHRASE_FILE: &str = "POSTRIDER_PASSPHRASE_FILE";

/// A file with the recovery key; `-` is the first line of stdin.
const RECOVERY_KEY_FILE: &str = "POSTRIDER_RECOVERY_KEY_FILE";

/// Where systemd puts credentials (systemd.exec(5)), and what ours are called there.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
const KEY_CREDENTIAL: &str = "postrider.master-key";
const PASSPHRASE_CREDENTIAL: &str = "postrider.passphrase";

/// The most octets of a passphrase or key.
const SECRET_OCTETS: u64 = 64 << 10;

/// What opens the home's store, or seals a new one. Asks on the terminal where it must.
///
/// # Errors
/// [`Kind::KeyUnavailable`] where the key is not to be had.
pub(super) async fn key_source(paths: &Paths, with_recovery: bool) -> Result<KeySource, Fault> {
    let store = paths.store.clone();
    let kind = tokio::task::spawn_blocking(move || KeyKind::of_store(&store)).await;
    let kind = kind.map_err(|error| Fault::new(Kind::Bug, "read the keyring").because(&error))??;
    key_source_for(kind, paths.master_key.clone(), with_recovery).await
}

/// The same for a store that wants a key of `kind`, and whose key file would be `key_file`.
///
/// # Errors
/// As of [`key_source`].
pub(super) async fn key_source_for(kind: Option<KeyKind>, key_file: PathBuf, with_recovery: bool) -> Result<KeySource, Fault> {
    let found = tokio::task::spawn_blocking(move || without_asking(kind, key_file, with_recovery)).await;
    match found.map_err(|error| Fault::new(Kind::Bug, "read the master key").because(&error))?? {
        Found::Source(source) => Ok(source),
        Found::AskPassphrase => Ok(KeySource::Passphrase(ask("passphrase", PASSPHRASE_FILE).await?)),
        Found::AskRecovery => Ok(KeySource::Recovery(ask("recovery key", RECOVERY_KEY_FILE).await?)),
    }
}

enum Found {
    Source(KeySource),
    AskPassphrase,
    AskRecovery,
}

fn without_asking(kind: Option<KeyKind>, key_file: PathBuf, with_recovery: bool) -> Result<Found, Fault> {
    if with_recovery {
        return Ok(named(RECOVERY_KEY_FILE)?.map_or(Found::AskRecovery, |key| Found::Source(KeySource::Recovery(key))));
    }
    if kind != Some(KeyKind::Passphrase)
        && let Some(given) = given()?
    {
        return Ok(Found::Source(given));
    }
    let file = || Found::Source(KeySource::File(key_file));
    Ok(match kind {
        None => passphrase()?.map_or_else(file, |words| Found::Source(KeySource::Passphrase(words))),
        Some(KeyKind::Passphrase) => passphrase()?.map_or(Found::AskPassphrase, |words| Found::Source(KeySource::Passphrase(words))),
        Some(KeyKind::OsKeyring) => Found::Source(KeySource::OsKeyring),
        // The store refuses the file where it wants a key that nobody has given.
        Some(KeyKind::Given) => return Err(crate::store::Error::Key(crate::store::KeyError::OtherKind(KeyKind::Given)).into()),
        Some(KeyKind::File) => file(),
    })
}

/// A key from the environment or systemd.
fn given() -> Result<Option<KeySource>, Fault> {
    if let Some(value) = std::env::var_os(MASTER_KEY) {
        let key = Secret::new(std::os::unix::ffi::OsStringExt::into_vec(value));
        return Ok(Some(KeySource::Given { key, from: format!("the environment variable {MASTER_KEY}") }));
    }
    let key = credential(KEY_CREDENTIAL)?;
    Ok(key.map(|key| KeySource::Given { key, from: format!("the systemd credential {KEY_CREDENTIAL}") }))
}

fn passphrase() -> Result<Option<Secret>, Fault> {
    match named(PASSPHRASE_FILE)? {
        Some(words) => Ok(Some(words)),
        None => credential(PASSPHRASE_CREDENTIAL),
    }
}

/// The content of the file that an environment variable names, but for a line end.
fn named(variable: &str) -> Result<Option<Secret>, Fault> {
    let Some(path) = std::env::var_os(variable) else { return Ok(None) };
    if path != "-" {
        return read(Path::new(&path)).map(Some);
    }
    // Its first line only: what stands behind it may be an account's password.
    let mut line = Zeroizing::new(Vec::with_capacity(4 << 10));
    let read = std::io::stdin().lock().take(SECRET_OCTETS).read_until(b'\n', &mut line);
    read.map_err(|error| Fault::new(Kind::KeyUnavailable, "read the master key from stdin").because(&error))?;
    Ok(Some(without_line_end(&line)))
}

fn credential(name: &str) -> Result<Option<Secret>, Fault> {
    let Some(path) = std::env::var_os(CREDENTIALS).map(|directory| PathBuf::from(directory).join(name)) else { return Ok(None) };
    if path.exists() { read(&path).map(Some) } else { Ok(None) }
}

fn read(path: &Path) -> Result<Secret, Fault> {
    let failed = |error: std::io::Error| {
        Fault::new(Kind::KeyUnavailable, format!("read `{}`", path.display()))
            .because(&error)
            .with_remedy("make it readable for this user, or name another file")
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut octets = Zeroizing::new(Vec::with_capacity(4 << 10));
    file.take(SECRET_OCTETS).read_to_end(&mut octets).map_err(failed)?;
    Ok(without_line_end(&octets))
}

fn without_line_end(octets: &[u8]) -> Secret {
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    Secret::new(octets.strip_suffix(b"\r").unwrap_or(octets))
}

async fn ask(what: &str, variable: &str) -> Result<Secret, Fault> {
    terminal::ask_secret(&format!("{what} of the store"), &format!("{}: ", capital(what))).await.map_err(|fault| {
        Fault { kind: Kind::KeyUnavailable, ..fault }
            .with_remedy(format!("run the command on a terminal, or set {variable} to a file with it"))
    })
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
