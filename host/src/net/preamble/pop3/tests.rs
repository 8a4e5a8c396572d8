//! Transcripts of POP3, and what a server may not do in one.

use super::*;
use crate::limits::{PREAMBLE_LINE_OCTETS, PREAMBLE_LINES};
use crate::net::preamble::transcript::{self, every_way, somebody};

const TLS: &str = "
    S: +OK Dovecot ready.
    C: CAPA
    S: +OK
    S: CAPA
    S: TOP
    S: UIDL
    S: SASL PLAIN LOGIN
    S: .
    G:
    C: AUTH PLAIN
    S: +
    C: AG1lAGNvcnJlY3QgaG9yc2U=
    S: +OK Logged in.
    C: CAPA
    S: +OK
    S: TOP
    S: LOGIN-DELAY 900 USER
    S: .";

const STLS: &str = "
    S: +OK ready <1896.697170952@dbc.mtview.ca.us>
    C: CAPA
    S: +OK
    S: STLS
    S: SASL SCRAM-SHA-256
    S: .
    C: STLS
    S: +OK begin
    T:
    C: CAPA
    S: +OK
    S: USER
    S: .
    G:
    C: USER me
    S: +OK and now
    C: PASS correct horse
    S: +OK in
    C: CAPA
    S: +OK
    S: TOP
    S: LOGIN-DELAY 900 USER
    S: .";

const WITHOUT_CAPA: &str = "
    S: +OK
    C: CAPA
    S: -ERR what
    G:
    C: USER me
    S: +OK
    C: PASS correct horse
    S: +OK";

fn pop3(security: Security) -> Pop3 {
    Pop3::new(security, somebody(), &Quirks::default())
}

fn fixed(security: Security, mechanism: Mechanism) -> Pop3 {
    Pop3::new(security, somebody().map(|identity| Identity { auth: Some(mechanism), ..identity }), &Quirks::default())
}

fn whole(security: Security, transcript: &str) -> Result<Opening, Problem> {
    transcript::whole(pop3(security), transcript)
}

/// A greeting and a list of capabilities, as far as the sign-in.
fn offering(greeting: &str, capabilities: &str) -> String {
    let lines: Vec<_> = capabilities.lines().map(|line| format!("S: {}\n", line.trim())).collect();
    format!("S: {greeting}\nC: CAPA\nS: +OK\n{}S: .\n", lines.concat())
}

#[test]
fn good_ways_in_cut_and_closed_at_every_byte() {
    for (security, transcript) in [(Security::Tls, TLS), (Security::Starttls, STLS)] {
        let opening = every_way(|| pop3(security), transcript);
        assert_eq!(opening.capabilities, ["TOP", "LOGIN-DELAY 900 USER"]);
        assert!(opening.signed_in);
        assert_eq!(opening.greeting.is_empty(), security == Security::Starttls);
    }
    let opening = every_way(|| pop3(Security::None), WITHOUT_CAPA);
    assert!(opening.signed_in && opening.capabilities.is_empty());
}

#[test]
fn the_utf8_mode_is_asked_for_before_the_sign_in_and_not_insisted_on() {
    for answer in ["+OK", "-ERR not today"] {
        let transcript = format!(
            "{}C: UTF8\nS: {answer}\nG:\nC: USER me\nS: +OK\nC: PASS correct horse\nS: +OK\nC: CAPA\nS: +OK\nS: UTF8\nS: .",
            offering("+OK", "USER\nUTF8 USER")
        );
        assert!(every_way(|| pop3(Security::Tls), &transcript).signed_in);
    }
}

#[test]
fn nobody_signs_in_without_an_identity() {
    let opening = transcript::whole(Pop3::new(Security::Tls, None, &Quirks::default()), &offering("+OK", "TOP\n..odd")).unwrap();
    assert!(!opening.signed_in);
    assert_eq!(opening.capabilities, ["TOP", ".odd"]);
}

#[test]
fn apop_on_a_clear_line_or_where_it_is_fixed() {
    // The digest of RFC 1939 section 7, with this password.
    let digest = apop_digest("<1896.697170952@dbc.mtview.ca.us>", &crate::secret::Secret::new(transcript::SECRET));
    let greeting = "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>";
    let apop = format!("{}G:\nC: APOP me {}\n", offering(greeting, "USER"), digest.as_str());
    let good = format!("{apop}S: +OK in\nC: CAPA\nS: +OK\nS: .");
    assert!(every_way(|| pop3(Security::None), &good).signed_in);
    assert!(every_way(|| fixed(Security::Tls, Mechanism::Apop), &good).signed_in);
    let echoed = format!("{apop}S: -ERR [AUTH] not {}", digest.as_str());
    let Err(Problem::SignInRefused(said)) = whole(Security::None, &echoed) else { panic!() };
    assert_eq!((said.code, said.words.as_str()), (Some("AUTH"), "not [redacted]"));
    for made_up in ["+OK <prefix\u{1}@x>", "+OK <no-id>", "+OK <a b@c>"] {
        let transcript = format!("{}G:", offering(made_up, "USER"));
        assert!(matches!(transcript::whole(fixed(Security::Tls, Mechanism::Apop), &transcript), Err(Problem::NotOffered { .. })));
    }
    // A timestamp that was said in clear is gone under TLS.
    let transcript = STLS.split("C: USER me").next().unwrap();
    assert!(matches!(transcript::whole(fixed(Security::Starttls, Mechanism::Apop), transcript), Err(Problem::NotOffered { .. })));
}

#[test]
fn office_365_takes_a_token_in_two_steps() {
    let identity =
        somebody().map(|identity| Identity { auth: Some(Mechanism::Xoauth2), secret: "eyJ0.test".to_owned().into(), ..identity });
    let transcript = format!(
        "{}G:
        C: AUTH XOAUTH2
        S: +
        C: dXNlcj1tZQFhdXRoPUJlYXJlciBleUowLnRlc3QBAQ==
        S: +OK User successfully authenticated.
        C: CAPA
        S: +OK
        S: UIDL
        S: .",
        offering("+OK The Microsoft Exchange POP3 service is ready.", "TOP\nUIDL\nSASL PLAIN XOAUTH2\nUSER")
    );
    assert!(every_way(|| Pop3::new(Security::Tls, identity.clone(), &Quirks::default()), &transcript).signed_in);
}

#[test]
fn no_downgrade() {
    for withdrawn in ["TOP", "XSTLS", "SASL STLS"] {
        assert_eq!(whole(Security::Starttls, &offering("+OK", withdrawn)), Err(Problem::NoStarttls));
    }
    assert_eq!(whole(Security::Starttls, "S: +OK\nC: CAPA\nS: -ERR what"), Err(Problem::NoStarttls));
    let refused = format!("{}C: STLS\nS: -ERR not now", offering("+OK", "STLS"));
    assert!(matches!(whole(Security::Starttls, &refused), Err(Problem::StarttlsRefused(_))));
    // Where TLS has to come first, the password is kept.
    let transcript = format!("{}G:", offering("+OK", "STLS\nTOP"));
    assert_eq!(whole(Security::None, &transcript), Err(Problem::PlaintextForbidden));
}

#[test]
fn nothing_from_before_tls_survives_it() {
    for injected in ["S: +OK", "S: x", "S: USER\nS: ."] {
        let transcript = format!("{}C: STLS\nS: +OK go\n{injected}", offering("+OK", "STLS"));
        assert_eq!(whole(Security::Starttls, &transcript), Err(Problem::Injected));
    }
    let mut machine = pop3(Security::Starttls);
    for (octets, step) in [(&b"+OK\r\n"[..], None), (b"+OK\r\nSTLS\r\n.\r\n", None), (b"+OK\r\n", Some(Step::StartTls))] {
        let taken = machine.step(&mut BytesMut::from(octets)).unwrap();
        assert!(step.is_none_or(|step| step == taken));
    }
    assert_eq!(machine.step(&mut BytesMut::from(&b"+OK\r\n"[..])), Err(Problem::Injected));
}

#[test]
fn refusals_show_no_secret_and_keep_their_time() {
    for echo in [transcript::SECRET, "AG1lAGNvcnJlY3QgaG9yc2U="] {
        for answer in [
            format!("S: -ERR [AUTH] {echo}"),
            format!("S: -ERR [{echo}] no"),
            format!("S: {echo}"),
            format!("S: + {echo}\nC: *\nS: -ERR {echo}"),
        ] {
            let transcript = format!("{}G:\nC: AUTH PLAIN\nS: +\nC: AG1lAGNvcnJlY3QgaG9yc2U=\n{answer}", offering("+OK", "SASL PLAIN"));
            let shown = format!("{:?}", whole(Security::Tls, &transcript).unwrap_err());
            assert!(!shown.contains(echo), "{shown}");
        }
    }
    let delayed = format!("{}G:\nC: USER me\nS: -ERR [LOGIN-DELAY] too soon", offering("+OK", "USER\nLOGIN-DELAY 900"));
    let Err(Problem::SignInRefused(said)) = whole(Security::Tls, &delayed) else { panic!() };
    assert_eq!((said.code, said.retry_after), (Some("LOGIN-DELAY"), Some(Duration::from_secs(900))));
    let Err(Problem::Bye(said)) = whole(Security::Tls, "S: -ERR [SYS/TEMP] later") else { panic!() };
    assert_eq!(said.code, Some("SYS/TEMP"));
}

#[test]
fn a_capability_with_the_secret_goes_nowhere() {
    let transcript = TLS.replace("S: LOGIN-DELAY", "S: X correct horse\n S: LOGIN-DELAY");
    assert_eq!(whole(Security::Tls, &transcript).unwrap().capabilities, ["TOP", "LOGIN-DELAY 900 USER"]);
}

#[test]
fn what_a_line_cannot_carry_is_refused_before_it_is_said() {
    for secret in ["a\r\nDELE 1", "a\nb", "a\0b", ""] {
        let identity = somebody().map(|identity| Identity { secret: secret.to_owned().into(), ..identity });
        let transcript = format!("{}G:", offering("+OK", "USER"));
        assert_eq!(
            transcript::whole(Pop3::new(Security::Tls, identity, &Quirks::default()), &transcript),
            Err(Problem::UnspeakableSecret),
            "{secret:?}"
        );
    }
}

#[test]
fn what_is_not_pop3_or_not_due() {
    for line in ["220 mail.example.com ESMTP", "* OK IMAP", "HTTP/1.1 400 Bad Request", "", "+"] {
        assert!(matches!(whole(Security::Tls, &format!("S: {line}")), Err(Problem::NotTheProtocol { .. })), "{line}");
    }
    let challenge = format!("{}G:\nC: USER me\nS: + QQ==", offering("+OK", "USER"));
    assert!(matches!(whole(Security::Tls, &challenge), Err(Problem::Malformed { .. })));
    let early = format!("{}G:\nC: AUTH PLAIN\nS: +OK sure", offering("+OK", "SASL PLAIN"));
    assert!(matches!(whole(Security::Tls, &early), Err(Problem::Malformed { .. })));
}

#[test]
fn nothing_is_endless() {
    let endless = format!("+OK\r\n+OK\r\n{}", "TOP\r\n".repeat(PREAMBLE_LINES));
    let mut machine = pop3(Security::Tls);
    let mut pending = BytesMut::from(endless.as_bytes());
    assert!(matches!(machine.step(&mut pending), Ok(Step::Write(_))));
    assert_eq!(machine.step(&mut pending), Err(Problem::Endless));
    let long = vec![b'x'; PREAMBLE_LINE_OCTETS + 1];
    assert_eq!(pop3(Security::Tls).step(&mut BytesMut::from(&long[..])), Err(Problem::LineTooLong));
}
