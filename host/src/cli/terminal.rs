//! Questions to the person at the terminal, and passwords.

use std::error::Error;
use std::io::{IsTerminal, Read};

use console::Term;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::fault::{Fault, Kind};
use crate::secret::Secret;

/// The longest password that is read.
const PASSWORD_OCTETS: u64 = 64 << 10;

/// All of stdin as a password, but for one line end.
///
/// # Errors
/// [`Kind::Usage`] where there is nothing or too much; stdin's errors.
pub(super) fn password_from_stdin() -> Result<Secret, Fault> {
    password_from(std::io::stdin().lock())
}

/// Ask for a password without showing it.
///
/// # Errors
/// [`Kind::Usage`] without a terminal, or where nothing is given.
pub(super) async fn ask_password(what: &str) -> Result<Secret, Fault> {
    let asked = ask_secret(&format!("password of {what}"), &format!("Password of {what}: ")).await;
    asked.map_err(|fault| fault.with_remedy("give it on stdin: `--password-stdin < FILE`"))
}

/// Ask for something that must not be seen.
///
/// # Errors
/// [`Kind::Usage`] without a terminal, or where nothing is given.
pub(super) async fn ask_secret(what: &str, question: &str) -> Result<Secret, Fault> {
    let (question, operation) = (question.to_owned(), format!("ask for the {what}"));
    let without_terminal = Fault::new(Kind::Usage, operation.clone()).because_words("there is no terminal");
    let answer = ask(without_terminal, true, move |term| {
        term.write_str(&question)?;
        // Not the terminal's own `read_line`, which shows what is typed.
        let mut line = Zeroizing::new(String::new());
        let password = std::io::stdin().read_line(&mut line).map(|_| Secret::new(line.trim_end_matches(['\r', '\n'])));
        term.write_line("")?;
        password
    })
    .await?;
    if answer.is_empty() {
        return Err(Fault::new(Kind::Usage, operation).because_words("nothing was given"));
    }
    Ok(answer)
}

/// Ask whether to go on with something that destroys.
///
/// # Errors
/// [`Kind::Usage`] without a terminal, [`Kind::Cancelled`] for any answer but yes.
pub(super) async fn confirm(operation: &str, question: &str) -> Result<(), Fault> {
    let without_terminal =
        Fault::new(Kind::Usage, operation).because_words("there is no terminal to ask on").with_remedy("add `--yes` where it is meant");
    let question = format!("{question} [y/N] ");
    let answer = ask(without_terminal, false, move |term| {
        term.write_str(&question)?;
        term.read_line()
    })
    .await?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Fault::new(Kind::Cancelled, operation).because_words("the answer was not yes"))
}

fn password_from(input: impl Read) -> Result<Secret, Fault> {
    let operation = "read the password from stdin";
    let mut octets = Zeroizing::new(Vec::with_capacity(4 << 10));
    input.take(PASSWORD_OCTETS + 1).read_to_end(&mut octets).map_err(|error| Fault::new(Kind::Storage, operation).because(&error))?;
    if octets.len() as u64 > PASSWORD_OCTETS {
        return Err(Fault::new(Kind::Usage, operation).because_words(format!("it is longer than {PASSWORD_OCTETS} octets")));
    }
    let password = octets.strip_suffix(b"\n").unwrap_or(&octets);
    let password = password.strip_suffix(b"\r").unwrap_or(password);
    if password.is_empty() {
        return Err(Fault::new(Kind::Usage, operation).because_words("there is none"));
    }
    Ok(Secret::new(password))
}

/// Run a question on a thread that may wait, where `hides` without echo. A signal ends it; in any case the terminal is left as it was.
async fn ask<T: Send + 'static>(
    without_terminal: Fault,
    hides: bool,
    question: impl FnOnce(&Term) -> std::io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(without_terminal);
    }
    let failed = |error: &(dyn Error + 'static)| Fault::new(Kind::Usage, "ask on the terminal").because(error);
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return Err(Fault::new(Kind::Usage, "ask on the terminal").because_words("signals cannot be waited for"));
    };
    // The echo goes before the question comes, so that nothing typed after it is shown, and is turned on again here and nowhere else:
    // the thread below may never return.
    let before = tcgetattr(std::io::stdin()).map_err(|error| failed(&error))?;
    if hides {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden).map_err(|error| failed(&error))?;
    }
    // No thread of the run-time's: its end would wait for one that still reads.
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(question(&Term::stderr())));
    let answer = tokio::select! {
        answer = answered => Some(answer),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    if hides && let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Flush, &before) {
        tracing::warn!(%error, "Cannot turn the terminal's echo on again: `stty echo` does");
    }
    let Some(answer) = answer else {
        // The shell's prompt begins on a line of its own; a terminal that is gone needs none.
        let _ = Term::stderr().write_line("");
        return Err(Fault::new(Kind::Cancelled, "ask on the terminal").because_words("asked to stop"));
    };
    answer.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_not_the_password() {
        for (given, password) in
            [("correct horse\n", "correct horse"), ("correct horse\r\n", "correct horse"), ("a\n\n", "a\n"), (" a ", " a ")]
        {
            assert!(password_from(given.as_bytes()).unwrap() == Secret::new(password), "{given:?}");
        }
        for given in ["", "\n", "\r\n", &"x".repeat(70_000)] {
            assert_eq!(password_from(given.as_bytes()).unwrap_err().kind, Kind::Usage);
        }
    }
}
