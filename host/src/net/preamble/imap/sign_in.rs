//! The sign-in commands of IMAP: AUTHENTICATE with a SASL mechanism where one is offered, else LOGIN (RFC 9051 sections 6.2.2 and
//! 6.2.3).

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::{Problem, Quirks, has};
use crate::limits::PREAMBLE_LINE_OCTETS;
use crate::model::quirk::Quirk;
use crate::net::preamble::sign_in::{Offer, SignIn, wiped};

/// Begin the one attempt, by what `capabilities` offer; gives its first octets.
pub(super) fn begin(
    tag: &str,
    capabilities: &[String],
    sign_in: &mut SignIn,
    is_secured: bool,
    quirks: &Quirks,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let offer = offer(capabilities);
    let mechanism = sign_in.choose(&offer, is_secured)?;
    let Some(name) = mechanism.sasl_name() else { return login(tag, sign_in).ok_or(Problem::UnspeakableSecret) };
    let is_offered = has(capabilities, "SASL-IR") || has(capabilities, "IMAP4rev2");
    let initial = is_offered && !quirks.has(Quirk::NoInitialResponse);
    let command = [tag.as_bytes(), b" AUTHENTICATE ", name.as_bytes()];
    Ok(match sign_in.begin(mechanism, &offer, initial.then_some(PREAMBLE_LINE_OCTETS))? {
        Some(response) => wiped(&[&command.concat(), b" ", response.as_bytes(), b"\r\n"]),
        None => wiped(&[&command.concat(), b"\r\n"]),
    })
}

fn offer(capabilities: &[String]) -> Offer {
    let mechanisms = capabilities.iter().filter_map(|word| word.split_once('=')).filter(|(key, _)| key.eq_ignore_ascii_case("AUTH"));
    let is_login_disabled = has(capabilities, "LOGINDISABLED");
    Offer {
        mechanisms: mechanisms.map(|(_, name)| name.to_owned()).collect(),
        native: !is_login_disabled,
        apop: false,
        is_plaintext_forbidden: is_login_disabled,
    }
}

/// LOGIN with each argument quoted where that can carry it and as a synchronising literal where not (RFC 9051 section 4.3);
/// none where nothing can (NUL).
fn login(tag: &str, sign_in: &mut SignIn) -> Option<Zeroizing<Vec<u8>>> {
    let identity = sign_in.identity()?;
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
    let echo = quoted(secret).and_then(|quoted| Some(Zeroizing::new(std::str::from_utf8(&quoted).ok()?.to_owned())));
    sign_in.begin_native(pieces, echo);
    Some(first)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::preamble::Step;
    use crate::net::sasl::tests::identity;

    fn spoken(capabilities: &[&str], user: &str, secret: &str) -> Vec<String> {
        let capabilities: Vec<String> = capabilities.iter().map(|&word| word.to_owned()).collect();
        let mut sign_in = SignIn::new(Some(identity(user, secret)), &Quirks::default());
        let mut spoken = vec![begin("P1", &capabilities, &mut sign_in, true, &Quirks::default()).unwrap()];
        while sign_in.accepted().is_err() {
            let Ok(Step::Write(piece)) = sign_in.challenged("") else { panic!() };
            spoken.push(piece);
        }
        spoken.iter().map(|piece| String::from_utf8(piece.to_vec()).unwrap()).collect()
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
    fn a_quoted_echo_is_redacted() {
        let mut sign_in = SignIn::new(Some(identity("me", "q\"uoted\\pass")), &Quirks::default());
        begin("P1", &[], &mut sign_in, true, &Quirks::default()).unwrap();
        assert_eq!(sign_in.clean("BAD in LOGIN \"me\" \"q\\\"uoted\\\\pass\""), "BAD in LOGIN \"me\" [redacted]");
    }

    #[test]
    fn what_cannot_be_spoken_is_refused() {
        for capabilities in [vec![], vec!["AUTH=PLAIN".to_owned()]] {
            let mut sign_in = SignIn::new(Some(identity("me", "a\0b")), &Quirks::default());
            assert_eq!(begin("P1", &capabilities, &mut sign_in, true, &Quirks::default()).unwrap_err(), Problem::UnspeakableSecret);
        }
    }
}
