//! Transcripts of SMTP and LMTP, and what a server may not do in one.

use super::*;
use crate::limits::{PREAMBLE_LINE_OCTETS, PREAMBLE_LINES};
use crate::model::mechanism::Mechanism;
use crate::net::preamble::transcript::{self, every_way, somebody};

const TLS: &str = "
    S: 220-mail.example.com ESMTP
    S: 220 and welcome
    C: EHLO [127.0.0.1]
    S: 250-mail.example.com
    S: 250-SIZE 1000
    S: 250 AUTH PLAIN LOGIN
    G:
    C: AUTH PLAIN AG1lAGNvcnJlY3QgaG9yc2U=
    S: 235 2.7.0 in
    C: EHLO [127.0.0.1]
    S: 250-mail.example.com
    S: 250-SIZE 2000
    S: 250 8BITMIME";

const STARTTLS: &str = "
    S: 220 mail.example.com ESMTP
    C: EHLO [127.0.0.1]
    S: 250-mail.example.com
    S: 250-AUTH SCRAM-SHA-256
    S: 250 STARTTLS
    C: STARTTLS
    S: 220 2.0.0 go
    T:
    C: EHLO [127.0.0.1]
    S: 250-mail.example.com
    S: 250 AUTH=LOGIN
    G:
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: bWU=
    S: 334 UGFzc3dvcmQ6
    C: Y29ycmVjdCBob3JzZQ==
    S: 235 in
    C: EHLO [127.0.0.1]
    S: 250-mail.example.com
    S: 250-SIZE 2000
    S: 250 8BITMIME";

fn smtp(security: Security) -> Smtp {
    Smtp::new(Dialect::Smtp, security, somebody(), Quirks::default())
}

fn nobody(dialect: Dialect, security: Security) -> Smtp {
    Smtp::new(dialect, security, None, Quirks::default())
}

fn whole(security: Security, transcript: &str) -> Result<Opening, Problem> {
    transcript::whole(smtp(security), transcript)
}

/// Greeting and EHLO with these capabilities.
fn offering(capabilities: &str) -> String {
    format!("S: 220 hi\nC: EHLO [127.0.0.1]\nS: 250-hi\nS: 250 {capabilities}\n")
}

#[test]
fn good_ways_in_cut_and_closed_at_every_byte() {
    for (security, transcript) in [(Security::Tls, TLS), (Security::Starttls, STARTTLS)] {
        let opening = every_way(|| smtp(security), transcript);
        assert_eq!(opening.capabilities, ["SIZE 2000", "8BITMIME"]);
        assert!(opening.signed_in);
        let greeting = if security == Security::Tls { "220 mail.example.com ESMTP" } else { "" };
        assert_eq!(opening.greeting, greeting);
        // LMTP is the same but for its greeting (RFC 2033 section 4.1).
        let lmtp = || Smtp::new(Dialect::Lmtp, security, somebody(), Quirks::default());
        assert_eq!(every_way(lmtp, &transcript.replace("EHLO", "LHLO")), opening);
    }
}

#[test]
fn servers_that_nobody_signs_in_to() {
    let opening = every_way(|| nobody(Dialect::Smtp, Security::None), &offering("SIZE 1000"));
    assert_eq!((opening.capabilities, opening.signed_in), (vec!["SIZE 1000".to_owned()], false));
    let lmtp = "S: 220 hi LMTP\nC: LHLO [127.0.0.1]\nS: 250-hi\nS: 250-PIPELINING\nS: 250 ENHANCEDSTATUSCODES";
    let opening = every_way(|| nobody(Dialect::Lmtp, Security::None), lmtp);
    assert_eq!(opening.capabilities, ["PIPELINING", "ENHANCEDSTATUSCODES"]);
    // RFC 5321 section 3.2: a server from before 1995.
    for code in [500, 502, 504, 550] {
        let old = format!("S: 220 hi\nC: EHLO [127.0.0.1]\nS: {code} what\nC: HELO [127.0.0.1]\nS: 250 hi");
        let opening = every_way(|| nobody(Dialect::Smtp, Security::None), &old);
        assert!(opening.capabilities.is_empty());
    }
    let refused = "S: 220 hi\nC: LHLO [127.0.0.1]\nS: 500 what";
    assert!(matches!(transcript::whole(nobody(Dialect::Lmtp, Security::None), refused), Err(Problem::Refused { command: "LHLO", .. })));
}

#[test]
fn opensmtpd_takes_no_second_ehlo_and_strato_gets_none() {
    let capabilities = ["SIZE 1000".to_owned(), "AUTH PLAIN".to_owned()];
    let signed_in = format!(
        "{}G:\nC: AUTH PLAIN AG1lAGNvcnJlY3QgaG9yc2U=\nS: 235 in",
        offering("SIZE 1000").replace("250 SIZE", "250-SIZE").trim_end().to_owned() + "\nS: 250 AUTH PLAIN\n"
    );
    // What was listed under this TLS holds.
    let again = format!("{signed_in}\nC: EHLO [127.0.0.1]\nS: 503 5.5.1 Invalid command: Already identified");
    let opening = every_way(|| smtp(Security::Tls), &again);
    assert_eq!((opening.capabilities, opening.signed_in), (capabilities.to_vec(), true));
    // But a server that is going away is believed.
    let gone = again.replace("503 5.5.1", "421 4.3.2");
    assert!(matches!(whole(Security::Tls, &gone), Err(Problem::Bye(_))));
    let strato = || Smtp::new(Dialect::Smtp, Security::Tls, somebody(), Quirks::from(&[Quirk::NoEhloAfterSignIn][..]));
    let opening = every_way(strato, &signed_in);
    assert_eq!((opening.capabilities, opening.signed_in), (capabilities.to_vec(), true));
}

#[test]
fn a_response_can_be_kept_for_the_challenge() {
    let transcript = format!(
        "{}G:\nC: AUTH PLAIN\nS: 334\nC: AG1lAGNvcnJlY3QgaG9yc2U=\nS: 235 in\nC: EHLO [127.0.0.1]\nS: 250 hi",
        offering("AUTH PLAIN")
    );
    let machine = || Smtp::new(Dialect::Smtp, Security::Tls, somebody(), Quirks::from(&[Quirk::NoInitialResponse][..]));
    assert!(every_way(machine, &transcript).signed_in);
}

#[test]
fn an_old_server_gets_no_secret_and_no_account_that_wants_tls() {
    let old = "S: 220 hi\nC: EHLO [127.0.0.1]\nS: 502 what\nC: HELO [127.0.0.1]\nS: 250 hi";
    assert_eq!(whole(Security::Tls, &format!("{old}\nG:")), Err(Problem::NoMechanism { offered: Vec::new() }));
    assert_eq!(whole(Security::Starttls, old), Err(Problem::NoStarttls));
}

#[test]
fn what_is_too_long_for_the_line_waits_for_a_challenge() {
    let token = "t".repeat(1_500);
    let identity = somebody().map(|identity| Identity { auth: Some(Mechanism::OauthBearer), secret: token.into(), ..identity });
    let message = format!("n,a=me,\x01host=mail.example.com\x01port=993\x01auth=Bearer {}\x01\x01", "t".repeat(1_500));
    let transcript = format!(
        "{}G:\nC: AUTH OAUTHBEARER\nS: 334\nC: {}\nS: 235 in\nC: EHLO [127.0.0.1]\nS: 250 hi",
        offering("AUTH OAUTHBEARER"),
        data_encoding::BASE64.encode(message.as_bytes())
    );
    let machine = Smtp::new(Dialect::Smtp, Security::Tls, identity, Quirks::default());
    assert!(transcript::whole(machine, &transcript).unwrap().signed_in);
}

#[test]
fn no_downgrade() {
    for withdrawn in ["AUTH PLAIN", "XSTARTTLS", "X STARTTLS"] {
        assert_eq!(whole(Security::Starttls, &offering(withdrawn)), Err(Problem::NoStarttls));
    }
    let refused = format!("{}C: STARTTLS\nS: 454 4.7.0 not now", offering("STARTTLS"));
    assert!(matches!(whole(Security::Starttls, &refused), Err(Problem::StarttlsRefused(_))));
    // Postfix offers AUTH only under TLS.
    assert_eq!(whole(Security::None, &format!("{}G:", offering("STARTTLS"))), Err(Problem::PlaintextForbidden));
}

#[test]
fn nothing_from_before_tls_survives_it() {
    for injected in ["S: 250 AUTH PLAIN", "S: x"] {
        let transcript = format!("{}C: STARTTLS\nS: 220 go\n{injected}", offering("STARTTLS"));
        assert_eq!(whole(Security::Starttls, &transcript), Err(Problem::Injected));
    }
    let mut machine = smtp(Security::Starttls);
    for octets in [&b"220 hi\r\n"[..], b"250-hi\r\n250 STARTTLS\r\n", b"220 go\r\n"] {
        let _ = machine.step(&mut BytesMut::from(octets)).unwrap();
    }
    assert_eq!(machine.step(&mut BytesMut::from(&b"250 x\r\n"[..])), Err(Problem::Injected));
}

#[test]
fn a_refused_sign_in_shows_no_secret() {
    for echo in [transcript::SECRET, "AG1lAGNvcnJlY3QgaG9yc2U="] {
        for (answer, code) in [
            (format!("S: 535 5.7.8 no {echo}"), Some("5.7.8")),
            (format!("S: 535-5.7.8 no\nS: 535 5.7.8 {echo}"), Some("5.7.8")),
            (format!("S: 535 {echo}"), Some("535")),
            (format!("S: 421 4.7.0 {echo}"), Some("4.7.0")),
            (format!("S: 334 {echo}\nC: *\nS: 501 {echo}"), Some("501")),
            (format!("S: {echo}"), None),
        ] {
            let transcript = format!("{}G:\nC: AUTH PLAIN AG1lAGNvcnJlY3QgaG9yc2U=\n{answer}", offering("AUTH PLAIN"));
            let problem = whole(Security::Tls, &transcript).unwrap_err();
            assert!(!format!("{problem:?}").contains(echo), "{problem:?}");
            assert_eq!(if let Problem::SignInRefused(said) = &problem { said.code } else { None }, code, "{problem:?}");
        }
    }
}

#[test]
fn what_is_not_smtp_or_not_due() {
    for line in ["* OK IMAP", "+OK POP3", "HTTP/1.1 400 Bad Request", ""] {
        assert!(matches!(whole(Security::Tls, &format!("S: {line}")), Err(Problem::NotTheProtocol { .. })), "{line}");
    }
    for line in ["554 5.7.1 go away", "421 later", "250 hi"] {
        assert!(matches!(whole(Security::Tls, &format!("S: {line}")), Err(Problem::Bye(_))), "{line}");
    }
    for odd in ["S: 250-hi\nS: 251 other code", "S: 421 bye", "S: 354 go"] {
        let problem = whole(Security::Tls, &format!("S: 220 hi\nC: EHLO [127.0.0.1]\n{odd}")).unwrap_err();
        assert!(matches!(problem, Problem::Malformed { .. } | Problem::Bye(_) | Problem::Refused { .. }), "{problem:?}");
    }
    for early in ["235 sure", "250 sure"] {
        let transcript = format!("{}G:\nC: AUTH LOGIN\nS: {early}", offering("AUTH LOGIN"));
        assert!(matches!(whole(Security::Tls, &transcript), Err(Problem::Malformed { .. })));
    }
}

#[test]
fn nothing_is_endless() {
    let mut pending = BytesMut::from("220-hi\r\n".repeat(PREAMBLE_LINES + 1).as_bytes());
    assert_eq!(smtp(Security::Tls).step(&mut pending), Err(Problem::Endless));
    let long = vec![b'2'; PREAMBLE_LINE_OCTETS + 1];
    assert_eq!(smtp(Security::Tls).step(&mut BytesMut::from(&long[..])), Err(Problem::LineTooLong));
}
