//! The sign-in commands of IMAP: AUTHENTICATE with a SASL mechanism where one is offered, else LOGIN (RFC 9051 sections 6.2.2 and
//! 6.2.3).

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::{Identity, Problem, has};
use crate::net::sasl::Mechanism;

/// What is still to be written of a sign-in.
#[derive(Debug)]
pub(super) struct Command {
    /// One for each continuation.
    rest: VecDeque<Zeroizing<Vec<u8>>>,
    /// Whether a challenge too many can be answered by `*`, and was not yet.
    abortable: bool,
}

/// The strongest way that the server offers, as its first octets and what follows.
pub(super) fn choose(
    tag: &str,
    capabilities: &[String],
    identity: &Identity,
    secured: bool,
) -> Result<(Zeroizing<Vec<u8>>, Command), Problem> {
    let mechanisms = capabilities.iter().filter_map(|word| word.split_once('=')).filter(|(key, _)| key.eq_ignore_ascii_case("AUTH"));
    if let Some(mechanism) = Mechanism::strongest(&mechanisms.clone().map(|(_, name)| name)) {
        let initial = has(capabilities, "SASL-IR") || has(capabilities, "IMAP4rev2");
        return authenticate(tag, mechanism, initial, identity).ok_or(Problem::UnspeakableSecret);
    }
    if has(capabilities, "LOGINDISABLED") {
        let offered = mechanisms.map(|(_, name)| name.to_owned()).collect();
        return Err(if secured { Problem::NoMechanism { offered } } else { Problem::PlaintextForbidden });
    }
    login(tag, identity).ok_or(Problem::UnspeakableSecret)
}

impl Command {
    /// What answers a continuation: the next piece, or once the wish to stop.
    pub(super) fn go_on(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.rest.pop_front().or_else(|| std::mem::take(&mut self.abortable).then(|| Zeroizing::new(b"*\r\n".to_vec())))
    }

    /// Whether all of it was written.
    pub(super) fn is_complete(&self) -> bool {
        self.rest.is_empty()
    }
}

fn authenticate(tag: &str, mechanism: Mechanism, initial: bool, identity: &Identity) -> Option<(Zeroizing<Vec<u8>>, Command)> {
    let response = mechanism.initial_response(&identity.user, &identity.secret)?;
    let name = mechanism.name();
    let (first, rest) = if initial {
        (wiped(&[tag.as_bytes(), b" AUTHENTICATE ", name.as_bytes(), b" ", response.as_bytes(), b"\r\n"]), VecDeque::new())
    } else {
        let first = wiped(&[tag.as_bytes(), b" AUTHENTICATE ", name.as_bytes(), b"\r\n"]);
        (first, VecDeque::from([wiped(&[response.as_bytes(), b"\r\n"])]))
    };
    Some((first, Command { rest, abortable: true }))
}

/// LOGIN with each argument quoted where that can carry it and as a synchronising literal where not (RFC 9051 section 4.3);
/// none where nothing can (NUL).
fn login(tag: &str, identity: &Identity) -> Option<(Zeroizing<Vec<u8>>, Command)> {
    let (user, secret) = (identity.user.as_bytes(), identity.secret.expose());
    if user.contains(&0) || secret.contains(&0) {
        return None;
    }
    let mut pieces = VecDeque::from([wiped(&[tag.as_bytes(), b" LOGIN "])]);
    for (argument, end) in [(user, &b" "[..]), (secret, &b"\r\n"[..])] {
        let last = pieces.pop_back()?;
        match quoted(argument) {
            Some(quoted) => pieces.push_back(wiped(&[&last, &quoted, end])),
            None => {
                pieces.push_back(wiped(&[&last, format!("{{{}}}\r\n", argument.len()).as_bytes()]));
                pieces.push_back(wiped(&[argument, end]));
            }
        }
    }
    let first = pieces.pop_front()?;
    Some((first, Command { rest: pieces, abortable: false }))
}

fn quoted(argument: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !argument.iter().all(|c| (b' '..=b'~').contains(c)) {
        return None;
    }
    let mut quoted = Zeroizing::new(Vec::with_capacity(argument.len() * 2 + 2));
    quoted.push(b'"');
    for c in argument {
        if matches!(c, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*c);
    }
    quoted.push(b'"');
    Some(quoted)
}

/// The parts as one buffer, reserved in full: one that grows leaves copies behind.
fn wiped(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut whole = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn spoken(capabilities: &[&str], user: &str, secret: &str) -> Vec<String> {
        let capabilities: Vec<String> = capabilities.iter().map(|&word| word.to_owned()).collect();
        let identity = Identity { user: user.to_owned(), secret: Secret::new(secret) };
        let (first, command) = choose("P1", &capabilities, &identity, true).unwrap();
        std::iter::once(first).chain(command.rest).map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
    }

    #[test]
    fn plain_with_and_without_an_initial_response() {
        assert_eq!(spoken(&["AUTH=PLAIN", "SASL-IR"], "me", "x"), ["P1 AUTHENTICATE PLAIN AG1lAHg=\r\n"]);
        assert_eq!(spoken(&["IMAP4rev2", "auth=plain"], "me", "x"), ["P1 AUTHENTICATE PLAIN AG1lAHg=\r\n"]);
        assert_eq!(spoken(&["AUTH=PLAIN"], "me", "x"), ["P1 AUTHENTICATE PLAIN\r\n", "AG1lAHg=\r\n"]);
    }

    #[test]
    fn login_quotes_or_counts() {
        assert_eq!(spoken(&[], "me", "correct horse"), ["P1 LOGIN \"me\" \"correct horse\"\r\n"]);
        assert_eq!(spoken(&[], "me", "q\"b\\"), ["P1 LOGIN \"me\" \"q\\\"b\\\\\"\r\n"]);
        assert_eq!(spoken(&[], "me", ""), ["P1 LOGIN \"me\" \"\"\r\n"]);
        assert_eq!(spoken(&[], "me", "pferd ä"), ["P1 LOGIN \"me\" {8}\r\n", "pferd ä\r\n"]);
        assert_eq!(spoken(&[], "mé", "a\r\nb"), ["P1 LOGIN {3}\r\n", "mé {4}\r\n", "a\r\nb\r\n"]);
        assert_eq!(spoken(&[], "mé", "x"), ["P1 LOGIN {3}\r\n", "mé \"x\"\r\n"]);
    }

    #[test]
    fn what_cannot_be_spoken_is_refused() {
        let identity = Identity { user: "me".to_owned(), secret: Secret::new("a\0b") };
        for capabilities in [vec![], vec!["AUTH=PLAIN".to_owned()]] {
            assert_eq!(choose("P1", &capabilities, &identity, true).unwrap_err(), Problem::UnspeakableSecret);
        }
    }
}
