//! Entry points for fuzzers: octets of a hostile server or proxy against each machine that reads them before anybody is signed in.
//! None may panic, write after an error, or grow without bound. The tests replay a corpus.

use bytes::BytesMut;

use super::preamble::imap::{Identity, Imap};
use super::preamble::{Preamble, Step};
use super::proxy::{self, Credentials, Destination, Negotiate, connect::Connect, socks5::Socks5};
use super::tls::certificate::Certificate;
use crate::limits::PREAMBLE_LINES;
use crate::model::endpoint::Security;
use crate::secret::Secret;

/// More steps than any honest or bounded conversation has.
const STEPS: usize = 4 * PREAMBLE_LINES;

/// The preamble of IMAP in each mode; the octets come in pieces whose size the first one decides.
///
/// # Panics
/// When a property is broken: a secret in a problem, TLS with octets pending, steps without end.
#[expect(clippy::panic, reason = "a fuzz target reports by panicking")]
pub fn imap_preamble(octets: &[u8]) {
    let Some((piece, octets)) = octets.split_first() else { return };
    for security in [Security::Tls, Security::Starttls, Security::None] {
        let secret = Secret::new("correct horse");
        let mut machine = Imap::new(security, Some(Identity { user: "me".to_owned(), secret }));
        let mut pieces = octets.chunks(usize::from(*piece).max(1));
        let mut pending = BytesMut::new();
        let mut over = false;
        for _ in 0..octets.len() + STEPS {
            match machine.step(&mut pending) {
                Ok(Step::Read) => match pieces.next() {
                    Some(piece) => pending.extend_from_slice(piece),
                    None => {
                        assert!(!machine.closed(&pending).to_string().contains("correct horse"));
                        over = true;
                    }
                },
                Ok(Step::StartTls) if !pending.is_empty() => panic!("TLS over {pending:?}"),
                Ok(Step::Write(_) | Step::StartTls | Step::Greeted) => {}
                Ok(Step::Done(opening)) => {
                    assert!(security != Security::Starttls || opening.greeting.is_empty(), "a greeting from before TLS");
                    over = true;
                }
                Err(problem) => {
                    assert!(!format!("{problem:?}").contains("correct horse"), "{problem:?}");
                    over = true;
                }
            }
            if over {
                break;
            }
        }
        assert!(over, "steps without end");
    }
}

/// The answers of a SOCKS5 proxy and of an HTTP proxy.
///
/// # Panics
/// When a property is broken.
pub fn proxy_answers(octets: &[u8]) {
    let destination = || Destination::Name("mail.example.com".to_owned(), 993);
    let credentials = || Some(Credentials { user: b"me".to_vec(), password: Secret::new("correct horse") });
    for credentials in [None, credentials()] {
        run(&mut Socks5::new(destination(), credentials.clone()), octets);
        run(&mut Connect::new(&destination(), credentials), octets);
    }
}

/// The facts of a certificate.
pub fn certificate(octets: &[u8]) {
    let text = Certificate::read(octets).to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

fn run(machine: &mut dyn Negotiate, octets: &[u8]) {
    let mut pending = BytesMut::new();
    let mut octets = octets.iter();
    for _ in 0..octets.len() + STEPS {
        match machine.step(&mut pending) {
            Ok(proxy::Step::Read) => match octets.next() {
                Some(octet) => pending.extend_from_slice(&[*octet]),
                None => return,
            },
            Ok(proxy::Step::Write(_)) => {}
            Ok(proxy::Step::Done) => return,
            Err(error) => {
                assert!(!error.to_string().contains("correct horse"), "{error}");
                return;
            }
        }
    }
    assert_eq!(octets.len(), 0, "steps without end");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces of which hostile conversations are made.
    fn words() -> impl Strategy<Value = Vec<u8>> {
        let words: &[&[u8]] = &[
            b"* OK ",
            b"* BYE ",
            b"* PREAUTH ",
            b"[CAPABILITY STARTTLS SASL-IR AUTH=PLAIN] ",
            b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED",
            b"P1 OK ",
            b"P2 NO ",
            b"P3 BAD ",
            b"+ ",
            b"\r\n",
            b"\n",
            b"correct horse",
            b"AG1lAGNvcnJlY3QgaG9yc2U=",
            b"\x05\x00\x05\x00\x00\x01",
            b"\x05\x02\x01\x00",
            b"HTTP/1.1 200 OK",
            b"\r\n\r\n",
            b"\xff\x00][",
        ];
        let word = prop::sample::select(words);
        prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn hostile_words(octets in words()) {
            imap_preamble(&octets);
            proxy_answers(&octets);
        }

        #[test]
        fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..600)) {
            imap_preamble(&octets);
            proxy_answers(&octets);
            certificate(&octets);
        }
    }

    #[test]
    fn replayed() {
        for octets in [
            &b""[..],
            b"\x01* OK\n",
            b"\xff* OK [CAPABILITY STARTTLS]\r\nP1 OK\r\n* x",
            b"\x03* PREAUTH\r\n",
            b"\x05\x05\x00\x05\x00\x00\x03\xff",
        ] {
            imap_preamble(octets);
            proxy_answers(octets);
            certificate(octets);
        }
    }
}
