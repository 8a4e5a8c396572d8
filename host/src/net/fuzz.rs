//! Entry points for fuzzers: octets of a hostile server or proxy against each machine that reads them before anybody is signed in.
//! None may panic, write after an error, or grow without bound. The tests replay a corpus.

use bytes::BytesMut;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::allow::{Inspection, Origins};
use super::preamble::imap::Imap;
use super::preamble::pop3::Pop3;
use super::preamble::smtp::{Dialect, Smtp};
use super::preamble::{Preamble, Quirks, Step};
use super::proxy::{self, Credentials, Destination, Negotiate, connect::Connect, socks5::Socks5};
use super::sasl::{Answer, BindingKind, ChannelBinding, Exchange, Identity};
use super::tls::{self, certificate::Certificate};
use crate::limits::{CLIENT_CERTIFICATE_OCTETS, PREAMBLE_LINES, SCRAM_ITERATIONS_AT_ONCE, SCRAM_ITERATIONS_MOST};
use crate::model::endpoint::Security;
use crate::model::mechanism::Mechanism;
use crate::model::quirk::Quirk;
use crate::secret::Secret;

/// More steps than any honest or bounded conversation has.
const STEPS: usize = 4 * PREAMBLE_LINES;

/// The secret in every fuzzed sign-in.
const SECRET: &str = "correct horse";

/// The preamble of IMAP in each mode, by each mechanism; the octets come in pieces whose size the first one decides.
///
/// # Panics
/// When a property is broken: a secret in a problem, TLS with octets pending, steps without end.
pub fn imap_preamble(octets: &[u8]) {
    each_way(octets, |security, identity, quirks| Box::new(Imap::new(security, identity, quirks)));
}

/// The preamble of POP3, as [`imap_preamble`].
///
/// # Panics
/// When a property is broken.
pub fn pop3_preamble(octets: &[u8]) {
    each_way(octets, |security, identity, quirks| Box::new(Pop3::new(security, identity, &quirks)));
}

/// The preambles of SMTP and LMTP, as [`imap_preamble`].
///
/// # Panics
/// When a property is broken.
pub fn smtp_preamble(octets: &[u8]) {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        each_way(octets, |security, identity, quirks| Box::new(Smtp::new(dialect, security, identity, quirks)));
    }
}

/// Challenges of every mechanism, a line each.
///
/// # Panics
/// When a property is broken: success without the server's proof, or more work than the bound.
pub fn challenges(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    for mechanism in Mechanism::ALL {
        let binding = ChannelBinding { kind: BindingKind::TlsExporter, data: vec![7; 32] };
        let Ok(mut exchange) = Exchange::new(mechanism, &identity(None), Some(&binding), true) else { continue };
        let _ = exchange.initial_response(usize::MAX);
        for challenge in text.lines() {
            let mut answer = exchange.take(challenge);
            for _ in 0..=SCRAM_ITERATIONS_MOST / SCRAM_ITERATIONS_AT_ONCE {
                let Ok(Answer::Busy) = answer else { break };
                answer = exchange.work();
            }
            assert_ne!(answer, Ok(Answer::Busy), "more work than the bound");
            if answer.is_err() {
                break;
            }
        }
        // Its nonce is random: nobody can have proved anything to it.
        assert!(!exchange.is_complete() || mechanism.sasl_name().is_some_and(|name| !name.starts_with("SCRAM")), "{mechanism}");
    }
}

fn identity(auth: Option<Mechanism>) -> Identity {
    let secret = Secret::new(SECRET);
    Identity { user: "me".to_owned(), secret, auth, has_certificate: false, server: "mail.example.com".to_owned(), port: 993 }
}

fn each_way(octets: &[u8], machine: impl Fn(Security, Option<Identity>, Quirks) -> Box<dyn Preamble>) {
    let Some((piece, octets)) = octets.split_first() else { return };
    let piece = usize::from(*piece);
    // It decides the mechanism as well; one number in thirteen leaves the choice to the machine.
    let auth = Mechanism::ALL.get(piece % (Mechanism::ALL.len() + 1)).copied();
    for security in [Security::Tls, Security::Starttls, Security::None] {
        for identity in [None, Some(identity(None)), Some(identity(auth))] {
            // Without an identity nobody knows what a secret is.
            let secret = identity.as_ref().map(|_| SECRET);
            for quirks in [&[][..], &Quirk::ALL] {
                let mut machine = machine(security, identity.clone(), Quirks::from(quirks));
                converse(&mut *machine, security, secret, octets, piece.max(1));
            }
        }
    }
}

#[expect(clippy::panic, reason = "a fuzz target reports by panicking")]
fn converse(machine: &mut dyn Preamble, security: Security, secret: Option<&str>, octets: &[u8], piece: usize) {
    let shows = |text: &str| secret.is_some_and(|secret| text.contains(secret));
    let mut pieces = octets.chunks(piece);
    let mut pending = BytesMut::new();
    for _ in 0..octets.len() + STEPS {
        match machine.step(&mut pending) {
            Ok(Step::Read) => match pieces.next() {
                Some(piece) => pending.extend_from_slice(piece),
                None => {
                    assert!(!shows(&format!("{:?}", machine.closed(&pending))));
                    return;
                }
            },
            Ok(Step::StartTls) if !pending.is_empty() => panic!("TLS over {pending:?}"),
            Ok(Step::Write(_) | Step::StartTls | Step::Greeted | Step::Busy) => {}
            Ok(Step::Done(opening)) => {
                assert!(security != Security::Starttls || opening.greeting.is_empty(), "a greeting from before TLS");
                assert!(!shows(&format!("{opening:?}")), "{opening:?}");
                return;
            }
            Err(problem) => {
                assert!(!shows(&format!("{problem:?}")), "{problem:?}");
                return;
            }
        }
    }
    panic!("steps without end");
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

/// The facts of a certificate, every refusal that shows them, and what a client's certificate file is read for.
///
/// # Panics
/// When something would move a terminal's cursor.
pub fn certificate(octets: &[u8]) {
    let text = Certificate::read(octets).to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    for fault in tls::refusals_of(octets) {
        let words = format!("{}{}", fault.causes().collect::<Vec<_>>().concat(), fault.remedy.unwrap_or_default());
        assert!(!words.chars().any(char::is_control), "{words:?}");
    }
    if let Err(fault) = tls::client::read_pem(octets, octets) {
        assert!(fault.remedy.is_some() || octets.len() > CLIENT_CERTIFICATE_OCTETS, "{fault:?}");
    }
}

/// A connector's batch of requests, as multipart and as JSON; the first octet decides in which pieces it comes.
///
/// # Panics
/// When pieces make a difference, or when a lenient reader finds a header of the host's in a batch that was let through.
pub fn batch(octets: &[u8]) {
    let Some((piece, octets)) = octets.split_first() else { return };
    let Ok(origins) = Origins::new(["https://api.example"], []) else { return };
    let multipart = "multipart/mixed; boundary=b";
    for (url, kind) in [("https://api.example/batch", multipart), ("https://api.example/$batch", "application/json")] {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect();
        let passes = |piece: usize| {
            let Ok(admitted) = origins.admit(url) else { return false };
            let Ok(mut inspection) = Inspection::of(&headers, &admitted) else { return false };
            octets.chunks(piece).all(|octets| inspection.take(octets).is_ok()) && inspection.finish().is_ok()
        };
        let whole = passes(octets.len().max(1));
        assert_eq!(passes(usize::from(*piece).max(1)), whole, "pieces make a difference");
        if whole && kind == multipart {
            leniently(octets);
        }
    }
}

/// As a server might read a batch that takes every line end and all white space.
fn leniently(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets).replace("\r\n", "\n").replace('\r', "\n");
    let mut empty_lines = usize::MAX;
    for line in text.split('\n') {
        if line.trim_ascii_start().starts_with("--b") {
            empty_lines = 0;
        } else if line.is_empty() {
            empty_lines = empty_lines.saturating_add(1);
        } else if empty_lines < 2 {
            let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
            let is_hosts = ["authorization", "cookie", "host", "transfer-encoding"].contains(&name.as_str());
            assert!(!is_hosts || !line.contains(':'), "{line:?}");
        }
    }
}

/// A connector's URL.
///
/// # Panics
/// When one is let through that leads elsewhere, also as another parser reads it, or that has a token in its query.
pub fn request_url(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let Ok(origins) = Origins::new(["https://api.example", "https://api.example:8443"], []) else { return };
    let Ok(admitted) = origins.admit(&text) else { return };
    assert_eq!(admitted.url.host_str(), Some("api.example"), "{text:?}");
    assert!(admitted.url.scheme() == "https" && matches!(admitted.url.port(), None | Some(8443)), "{text:?}");
    assert!(admitted.url.username().is_empty() && admitted.url.password().is_none(), "{text:?}");
    for spelled in [text.as_ref(), admitted.url.as_str()] {
        if let Ok(uri) = spelled.parse::<http::Uri>() {
            let host = uri.host().map(str::to_ascii_lowercase);
            assert!(host.as_deref() == Some("api.example") || spelled != admitted.url.as_str(), "{text:?}");
        }
    }
    for pair in admitted.url.query().unwrap_or_default().split('&') {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
        assert!(!["access_token", "key"].contains(&name.as_str()), "{text:?}");
    }
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

    fn preambles(octets: &[u8]) {
        imap_preamble(octets);
        pop3_preamble(octets);
        smtp_preamble(octets);
        challenges(octets);
    }

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
            b"+OK <1.2@x> ",
            b"-ERR [AUTH] ",
            b"+\r\n",
            b"STLS\r\nUSER\r\n",
            b"SASL PLAIN LOGIN SCRAM-SHA-256-PLUS CRAM-MD5",
            b".\r\n",
            b"220 hi\r\n",
            b"250-hi\r\n",
            b"250 STARTTLS\r\n",
            b"250-AUTH PLAIN SCRAM-SHA-1 XOAUTH2\r\n",
            b"334 ",
            b"235 in\r\n",
            b"535 5.7.8 ",
            b"AUTH=SCRAM-SHA-256 AUTH=CRAM-MD5 ID ",
            b"P4 OK ",
            b"cj1hYmMscz1RUT09LGk9NDA5Ng==",
            b"dj1BQUFB",
            b"ZT1pbnZhbGlkLXByb29m",
            b"\x05\x00\x05\x00\x00\x01",
            b"\x05\x02\x01\x00",
            b"HTTP/1.1 200 OK",
            b"\r\n\r\n",
            b"\xff\x00][",
        ];
        let word = prop::sample::select(words);
        prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
    }

    /// Pieces of which hostile batches are made.
    fn batch_words() -> impl Strategy<Value = Vec<u8>> {
        let words: &[&[u8]] = &[
            b"--b",
            b"--b\r\n",
            b"--b--\r\n",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"Content-Type: application/http\r\n\r\n",
            b"Content-Type: application/http\n",
            b"GET /me HTTP/1.1\r\n",
            b"POST /me HTTP/1.1\r\n",
            b"Content-Length: 0\r\n",
            b"Authorization: x\r\n",
            b"Cookie: x\n",
            b"host : x\r\n",
            b"x: y\r\n",
        ];
        prop::collection::vec(prop::sample::select(words), 0..20).prop_map(|words| [b"\x03--b\r\n".as_slice(), &words.concat()].concat())
    }

    proptest! {
        #[test]
        fn hostile_words(octets in words()) {
            preambles(&octets);
            proxy_answers(&octets);
        }

        #[test]
        fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..600)) {
            preambles(&octets);
            proxy_answers(&octets);
            certificate(&octets);
            batch(&octets);
            request_url(&octets);
        }

        #[test]
        fn hostile_batches(octets in batch_words()) {
            batch(&octets);
        }
    }

    /// What a fuzzer found, and good and bad conversations of each kind: the octets of the files in `tests/fuzz/corpus`.
    #[test]
    fn the_corpora() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
        type Entry = fn(&[u8]);
        let targets: [(&str, Entry); 8] = [
            ("net_batch", batch),
            ("net_certificate", certificate),
            ("net_challenges", challenges),
            ("net_imap_preamble", imap_preamble),
            ("net_pop3_preamble", pop3_preamble),
            ("net_proxy_answers", proxy_answers),
            ("net_request_url", request_url),
            ("net_smtp_preamble", smtp_preamble),
        ];
        for (name, target) in targets {
            let mut replayed = 0;
            for entry in std::fs::read_dir(corpus.join(name)).unwrap() {
                target(&std::fs::read(entry.unwrap().path()).unwrap());
                replayed += 1;
            }
            assert!(replayed > 2, "{name}");
        }
    }
}
