//! The keyring of the operating system (Secret Service), by libsecret's `secret-tool`: a program that every desktop's package has,
//! instead of a D-Bus client in this process. The key goes over stdin and stdout, never in an argument.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::super::error::{Error, KeyError};

/// For words.
pub(super) const NAME: &str = "the OS keyring";

const PROGRAM: &str = "secret-tool";

/// How long the keyring may take: it may ask a person to unlock it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often its end is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// The most octets of an answer.
const ANSWER_OCTETS: u64 = 4_096;

/// The key of a store, by its fingerprint. Blocks.
pub(super) fn look_up(store: &str, fingerprint: &str) -> Result<Zeroizing<String>, Error> {
    let answer = run(&["lookup", "application", "postrider", "store", store, "key", fingerprint], "")?;
    if answer.trim().is_empty() {
        return Err(failed("it holds no key of this store"));
    }
    Ok(answer)
}

/// Put a key; one of another fingerprint stays beside it. Blocks.
pub(super) fn put(store: &str, fingerprint: &str, digits: &str) -> Result<(), Error> {
    let label = "--label=Postrider master key";
    run(&["store", label, "application", "postrider", "store", store, "key", fingerprint], digits)?;
    // Some keyrings take everything and keep nothing; a store must not be sealed with a key that is nowhere.
    let kept = look_up(store, fingerprint)?;
    if kept.trim() == digits { Ok(()) } else { Err(failed("it did not keep the key")) }
}

fn run(arguments: &[&str], input: &str) -> Result<Zeroizing<String>, Error> {
    let spawned = Command::new(PROGRAM).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(failed("there is no program `secret-tool` (Debian: libsecret-tools)"));
        }
        Err(error) => return Err(failed(&error.to_string())),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends early says why by its exit code.
        let _ = io::copy(&mut input.as_bytes(), &mut stdin);
    }
    let is_good = wait(&mut child)?;
    let mut answer = Zeroizing::new(String::new());
    if let Some(stdout) = child.stdout.take() {
        stdout.take(ANSWER_OCTETS).read_to_string(&mut answer).map_err(|error| failed(&error.to_string()))?;
    }
    let mut words = String::new();
    if let Some(stderr) = child.stderr.take() {
        // Its words only explain.
        let _ = stderr.take(ANSWER_OCTETS).read_to_string(&mut words);
    }
    if is_good {
        return Ok(answer);
    }
    let words = words.trim();
    Err(failed(if words.is_empty() { "`secret-tool` found nothing, or the keyring is locked" } else { words }))
}

/// Wait for the program's end, and end it when it takes too long; whether it succeeded. What it may say fits into the pipes.
fn wait(child: &mut Child) -> Result<bool, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed("`secret-tool` did not answer within two minutes"));
            }
            Err(error) => return Err(failed(&error.to_string())),
        }
    }
}

fn failed(finding: &str) -> Error {
    KeyError::OsKeyring(finding.to_owned()).into()
}
