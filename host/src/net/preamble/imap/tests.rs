//! Transcripts of IMAP, and what a server may not do in one.

use super::*;
use crate::limits::{PREAMBLE_LINE_OCTETS, PREAMBLE_LINES};
use crate::model::mechanism::Mechanism;
use crate::net::preamble::transcript::{self, SECRET, every_way, somebody};

fn imap(security: Security) -> Imap {
    Imap::new(security, somebody(), Quirks::default())
}

fn whole(security: Security, transcript: &str) -> Result<Opening, Problem> {
    transcript::whole(imap(security), transcript)
}

const TLS_WITH_INITIAL_RESPONSE: &str = "
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] Dovecot ready.
    G:
    C: P1 AUTHENTICATE PLAIN AG1lAGNvcnJlY3QgaG9yc2U=
    S: P1 OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS] Logged in";

const TLS_ASKING_ALL: &str = "
    S: * OK ready
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2
    S: P1 OK done
    G:
    C: P2 AUTHENTICATE PLAIN
    S: +
    C: AG1lAGNvcnJlY3QgaG9yc2U=
    S: * 3 EXISTS
    S: P2 OK hello
    C: P3 CAPABILITY
    S: * CAPABILITY IMAP4rev1 IDLE UIDPLUS
    S: P3 OK done";

const STARTTLS: &str = "
    S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED X-FORGED] ready
    C: P1 STARTTLS
    S: P1 OK go ahead
    T:
    C: P2 CAPABILITY
    S: * CAPABILITY IMAP4rev1
    S: P2 OK done
    G:
    C: P3 LOGIN \"me\" \"correct horse\"
    S: * CAPABILITY IMAP4rev1 IDLE UIDPLUS
    S: P3 OK welcome";

const CLEAR: &str = "
    S: * OK ready
    C: P1 CAPABILITY
    S: * CAPABILITY IMAP4rev1
    S: P1 OK done
    G:
    C: P2 LOGIN \"me\" \"correct horse\"
    S: P2 OK [CAPABILITY IMAP4rev1 IDLE UIDPLUS] welcome";

const GOOD: &[(Security, &str)] =
    &[(Security::Tls, TLS_WITH_INITIAL_RESPONSE), (Security::Tls, TLS_ASKING_ALL), (Security::Starttls, STARTTLS), (Security::None, CLEAR)];

#[test]
fn good_ways_in_cut_and_closed_at_every_byte() {
    for (security, transcript) in GOOD {
        let opening = every_way(|| imap(*security), transcript);
        assert_eq!(opening.capabilities, ["IMAP4rev1", "IDLE", "UIDPLUS"], "{transcript}");
        assert!(opening.signed_in);
        assert_eq!(opening.greeting.is_empty(), *security == Security::Starttls, "{transcript}");
    }
}

#[test]
fn netease_is_told_a_name_before_a_mailbox_is_opened() {
    let transcript = format!(
        "S: * OK Coremail System IMap Server Ready
         C: P1 CAPABILITY
         S: * CAPABILITY IMAP4rev1 XLIST ID AUTH=PLAIN
         S: P1 OK done
         G:
         C: P2 AUTHENTICATE PLAIN
         S: +
         C: AG1lAGNvcnJlY3QgaG9yc2U=
         S: P2 OK done
         C: P3 CAPABILITY
         S: * CAPABILITY IMAP4rev1 XLIST ID
         S: P3 OK done
         C: P4 ID (\"name\" \"Postrider\" \"version\" \"{}\")
         S: * ID (\"name\" \"coremail\")
         S: P4 OK done",
        env!("CARGO_PKG_VERSION")
    );
    let named = [Quirk::IdAfterSignIn, Quirk::NoInitialResponse];
    let machine = || Imap::new(Security::Tls, somebody(), Quirks::from(&named[..]));
    assert!(every_way(machine, &transcript).signed_in);
    // Coremail runs under its owners' names: its greeting tells as well.
    assert!(every_way(|| imap(Security::Tls), &transcript).signed_in);
    let quiet = transcript.replace("Coremail System IMap Server Ready", "ready");
    assert!(every_way(machine, &quiet).signed_in);
    let refused = transcript.replace("S: P4 OK done", "S: P4 BAD what");
    assert!(transcript::whole(machine(), &refused).unwrap().signed_in, "only the name was refused");
    let without = TLS_WITH_INITIAL_RESPONSE;
    let machine = Imap::new(Security::Tls, somebody(), Quirks::from(&[Quirk::IdAfterSignIn][..]));
    assert!(transcript::whole(machine, without).unwrap().signed_in, "not offered, not said");
}

#[test]
fn coremail_announces_initial_responses_and_refuses_them() {
    let transcript = "
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] Coremail System IMap Server Ready(126com)
        G:
        C: P1 AUTHENTICATE PLAIN
        S: +
        C: AG1lAGNvcnJlY3QgaG9yc2U=
        S: P1 OK [CAPABILITY IMAP4rev1] in";
    assert!(every_way(|| imap(Security::Tls), transcript).signed_in);
    // By the operator's word, whatever the greeting; and without it as the server announces.
    let quiet = transcript.replace("Coremail System", "Some");
    let named = || Imap::new(Security::Tls, somebody(), Quirks::from(&[Quirk::NoInitialResponse][..]));
    assert!(every_way(named, &quiet).signed_in);
    let spoken = quiet.replace("PLAIN\n        S: +\n        C: AG1", "PLAIN AG1");
    assert!(every_way(|| imap(Security::Tls), &spoken).signed_in);
    // What greeted in clear tells nothing under TLS.
    let upgraded = "
        S: * OK [CAPABILITY STARTTLS] Coremail System IMap Server Ready
        C: P1 STARTTLS
        S: P1 OK
        T:
        C: P2 CAPABILITY
        S: * CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN
        S: P2 OK
        G:
        C: P3 AUTHENTICATE PLAIN AG1lAGNvcnJlY3QgaG9yc2U=
        S: P3 OK [CAPABILITY IMAP4rev1 ID] in";
    assert!(every_way(|| imap(Security::Starttls), upgraded).signed_in);
}

#[test]
fn exchange_2003_says_more_than_it_should() {
    let transcript = "
        S: * OK Microsoft Exchange Server 2003 IMAP4rev1 server version 6.5.7638.1 (mail) ready.
        C: P1 CAPABILITY
        S: * CAPABILITY IMAP4 IMAP4rev1 IDLE
        S: P1 OK CAPABILITY completed.
        G:
        C: P2 LOGIN \"me\" \"correct horse\"
        S: CAPABILITY completed.
        S: P2 OK LOGIN completed.
        C: P3 CAPABILITY
        S: * CAPABILITY IMAP4 IMAP4rev1 IDLE
        S: P3 OK CAPABILITY completed.";
    assert!(every_way(|| imap(Security::Tls), transcript).signed_in);
    let quiet = transcript.replace("Microsoft Exchange Server 2003", "Some");
    assert!(matches!(whole(Security::Tls, &quiet), Err(Problem::Malformed { .. })));
    let named = || Imap::new(Security::Tls, somebody(), Quirks::from(&[Quirk::StrayLines][..]));
    assert!(every_way(named, &quiet).signed_in);
    let endless = format!("* OK hi\r\n{}", "stray\r\n".repeat(PREAMBLE_LINES));
    let (mut machine, mut pending) = (named(), BytesMut::from(endless.as_bytes()));
    assert!(matches!(machine.step(&mut pending), Ok(Step::Write(_))));
    assert_eq!(machine.step(&mut pending), Err(Problem::Endless));
}

#[test]
fn exchange_online_counts_as_what_it_can() {
    let transcript = TLS_WITH_INITIAL_RESPONSE.replace("IDLE", "IMAP4rev2 IDLE");
    let hiding = || Imap::new(Security::Tls, somebody(), Quirks::from(&[Quirk::NoImap4rev2][..]));
    assert_eq!(every_way(hiding, &transcript).capabilities, ["IMAP4rev1", "IDLE", "UIDPLUS"]);
    assert_eq!(whole(Security::Tls, &transcript).unwrap().capabilities, ["IMAP4rev1", "IMAP4rev2", "IDLE", "UIDPLUS"]);
    // A server that speaks nothing else speaks it.
    let alone = TLS_WITH_INITIAL_RESPONSE.replace("IMAP4rev1", "IMAP4rev2");
    assert_eq!(every_way(hiding, &alone).capabilities, ["IMAP4rev2", "IDLE", "UIDPLUS"]);
}

#[test]
fn perdition_lists_mechanisms_of_somebody_else() {
    let transcript = "
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN] perdition ready on mail.example.com
        G:
        C: P1 LOGIN \"me\" \"correct horse\"
        S: P1 OK [CAPABILITY IMAP4rev1] in";
    let machine = || Imap::new(Security::Tls, somebody(), Quirks::from(&[Quirk::NoSasl][..]));
    assert!(every_way(machine, transcript).signed_in);
}

#[test]
fn a_fixed_mechanism_is_the_only_one_tried() {
    let fixed = |mechanism| {
        let identity = somebody().map(|identity| Identity { auth: Some(mechanism), ..identity });
        Imap::new(Security::Tls, identity, Quirks::default())
    };
    let native = "
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=CRAM-MD5] ready
        G:
        C: P1 LOGIN \"me\" \"correct horse\"
        S: P1 OK [CAPABILITY IMAP4rev1] in";
    assert!(every_way(|| fixed(Mechanism::Native), native).signed_in);
    let login = "
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN] ready
        G:
        C: P1 AUTHENTICATE LOGIN
        S: + VXNlcm5hbWU6
        C: bWU=
        S: + UGFzc3dvcmQ6
        C: Y29ycmVjdCBob3JzZQ==
        S: P1 OK [CAPABILITY IMAP4rev1] in";
    assert!(every_way(|| fixed(Mechanism::Login), login).signed_in);
    let cram = "
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=CRAM-MD5] ready
        G:
        C: P1 AUTHENTICATE CRAM-MD5
        S: + PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+
        C: bWUgOTdkNTYxZTBhZGJkZTExN2U5MDg1ZGRhOWE3YjdhMGY=
        S: P1 NO [AUTHENTICATIONFAILED] bWUgOTdkNTYxZTBhZGJkZTExN2U5MDg1ZGRhOWE3YjdhMGY= 97d561e0adbde117e9085dda9a7b7a0f";
    let Err(Problem::SignInRefused(said)) = transcript::whole(fixed(Mechanism::CramMd5), cram) else { panic!() };
    assert_eq!(said.words, "[redacted] [redacted]");
    let offered = vec!["PLAIN".to_owned()];
    let refused = transcript::whole(fixed(Mechanism::ScramSha256), "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\nG:").unwrap_err();
    assert_eq!(refused, Problem::NotOffered { wanted: Mechanism::ScramSha256, offered });
}

#[test]
fn a_token_that_is_refused_says_why() {
    let identity =
        somebody().map(|identity| Identity { auth: Some(Mechanism::Xoauth2), secret: "ya29.test-token".to_owned().into(), ..identity });
    let transcript = "
        S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] Gimap ready
        G:
        C: P1 AUTHENTICATE XOAUTH2 dXNlcj1tZQFhdXRoPUJlYXJlciB5YTI5LnRlc3QtdG9rZW4BAQ==
        S: + eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ==
        C:
        S: P1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)";
    let Err(Problem::SignInRefused(said)) = transcript::whole(Imap::new(Security::Tls, identity, Quirks::default()), transcript) else {
        panic!()
    };
    assert_eq!(said.words, "token refused: 400, scope https://mail.google.com/; Invalid credentials (Failure)");
}

#[test]
fn nobody_signs_in_without_an_identity() {
    let transcript = "
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready";
    let opening = transcript::whole(Imap::new(Security::Tls, None, Quirks::default()), transcript).unwrap();
    assert!(!opening.signed_in);
    assert_eq!(opening.capabilities, ["IMAP4rev1", "AUTH=PLAIN"]);
}

#[test]
fn preauth_is_taken_where_the_line_is_as_the_account_wants_it() {
    let transcript = "S: * PREAUTH [CAPABILITY IMAP4rev1] welcome";
    for security in [Security::Tls, Security::None] {
        assert!(whole(security, transcript).unwrap().signed_in);
    }
    assert_eq!(whole(Security::Starttls, transcript).unwrap_err(), Problem::PreauthInClear);
}

#[test]
fn no_downgrade() {
    for withdrawn in [
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready",
        "S: * OK ready
         C: P1 CAPABILITY
         S: * CAPABILITY IMAP4rev1 AUTH=PLAIN
         S: P1 OK done",
        "S: * OK [CAPABILITY IMAP4rev1 STARTTLSX XSTARTTLS] ready",
    ] {
        assert_eq!(whole(Security::Starttls, withdrawn).unwrap_err(), Problem::NoStarttls);
    }
    for refused in ["NO not now", "BAD what"] {
        let transcript = format!("S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready\nC: P1 STARTTLS\nS: P1 {refused}");
        assert!(matches!(whole(Security::Starttls, &transcript).unwrap_err(), Problem::StarttlsRefused(_)));
    }
}

#[test]
fn nothing_from_before_tls_survives_it() {
    for injected in ["S: * CAPABILITY IMAP4rev1 AUTH=PLAIN", "S: P2 OK [CAPABILITY IMAP4rev1] done", "S: x"] {
        let transcript = format!("S: * OK [CAPABILITY STARTTLS] ready\nC: P1 STARTTLS\nS: P1 OK go ahead\n{injected}");
        assert_eq!(whole(Security::Starttls, &transcript).unwrap_err(), Problem::Injected);
    }
    // Octets that a pump would leave lying about are refused as well.
    let mut machine = imap(Security::Starttls);
    let mut pending = BytesMut::from(&b"* OK [CAPABILITY STARTTLS] hi\r\n"[..]);
    assert!(matches!(machine.step(&mut pending), Ok(Step::Write(_))));
    pending.extend_from_slice(b"P1 OK\r\n");
    assert_eq!(machine.step(&mut pending), Ok(Step::StartTls));
    pending.extend_from_slice(b"P2 OK\r\n");
    assert_eq!(machine.step(&mut pending), Err(Problem::Injected));
}

#[test]
fn passwords_stay_off_lines_that_forbid_them() {
    let transcript = |security| format!("S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED {security}] ready\nG:");
    assert_eq!(whole(Security::None, &transcript("STARTTLS")).unwrap_err(), Problem::PlaintextForbidden);
    let offered = vec!["XOAUTH2".to_owned()];
    assert_eq!(whole(Security::Tls, &transcript("AUTH=XOAUTH2")).unwrap_err(), Problem::NoMechanism { offered });
}

#[test]
fn a_refused_sign_in_shows_no_secret() {
    let response = "AG1lAGNvcnJlY3QgaG9yc2U=".to_owned();
    for echo in [SECRET, response.as_str()] {
        for answer in [
            format!("S: P1 NO [AUTHENTICATIONFAILED] cannot take {echo}"),
            format!("S: P1 NO [{}] {echo}", echo.replace(' ', "-")),
            format!("S: * NO [ALERT] {echo}\nS: P1 BAD no {echo}"),
            format!("S: * BYE {echo}"),
            format!("S: {echo}"),
            format!("S: + {echo}\nC: *\nS: P1 BAD {echo}"),
            format!("S: + {echo}\nC: *\nS: + {echo}"),
        ] {
            let transcript =
                format!("S: * OK [CAPABILITY SASL-IR AUTH=PLAIN] ready\nG:\nC: P1 AUTHENTICATE PLAIN {}\n{answer}", response.as_str());
            let problem = whole(Security::Tls, &transcript).unwrap_err();
            let shown = format!("{problem:?}");
            assert!(!shown.contains(SECRET) && !shown.contains("correct-horse") && !shown.contains(response.as_str()), "{answer}: {shown}");
        }
    }
}

#[test]
fn an_alert_is_shown_with_the_refusal() {
    let transcript = "
        S: * OK [CAPABILITY IMAP4rev1] ready
        G:
        C: P1 LOGIN \"me\" \"correct horse\"
        S: * NO [WEBALERT https://accounts.example] Web login required.
        S: P1 NO [ALERT] Please log in via your web browser";
    let Problem::SignInRefused(said) = whole(Security::Tls, transcript).unwrap_err() else { panic!() };
    assert_eq!(said, Said { code: Some("ALERT"), words: "Please log in via your web browser".to_owned(), retry_after: None });
    let transcript = transcript.replace("NO [ALERT] Please", "NO [AUTHENTICATIONFAILED] Please");
    let Problem::SignInRefused(said) = whole(Security::Tls, &transcript).unwrap_err() else { panic!() };
    assert_eq!(said.words, "Web login required.; Please log in via your web browser");
}

#[test]
fn capabilities_that_echo_the_secret_go_nowhere() {
    let transcript = TLS_WITH_INITIAL_RESPONSE.replace("UIDPLUS", "UIDPLUS X=correct X-Y2 AGNvcnJlY3QgaG9yc2U");
    let opening = whole(Security::Tls, &transcript).unwrap();
    assert_eq!(opening.capabilities, ["IMAP4rev1", "IDLE", "UIDPLUS", "X=correct", "X-Y2"]);
}

#[test]
fn what_is_not_imap_is_named() {
    for (line, sign) in
        [("220 mail.example.com ESMTP", "ESMTP"), ("+OK POP3 ready", "POP3"), ("HTTP/1.1 400 Bad Request", "HTTP"), ("", "")]
    {
        let problem = whole(Security::Tls, &format!("S: {line}")).unwrap_err();
        assert!(matches!(&problem, Problem::NotTheProtocol { got } if got.contains(sign)), "{problem:?}");
    }
    for bye in ["S: * BYE too many connections", "S: * OK hi\nC: P1 CAPABILITY\nS: * BYE [UNAVAILABLE] later"] {
        assert!(matches!(whole(Security::Tls, bye).unwrap_err(), Problem::Bye(_)));
    }
    for malformed in
        ["S: * OK hi\nC: P1 CAPABILITY\nS: P1 OK done", "S: * OK hi\nC: P1 CAPABILITY\nS: P2 OK done", "S: * OK hi\nC: P1 CAPABILITY\nS: +"]
    {
        assert!(matches!(whole(Security::Tls, malformed).unwrap_err(), Problem::Malformed { .. }), "{malformed}");
    }
}

#[test]
fn a_sign_in_is_not_accepted_before_it_is_complete() {
    let transcript = "
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready
        G:
        C: P1 AUTHENTICATE PLAIN
        S: P1 OK sure";
    assert!(matches!(whole(Security::Tls, transcript).unwrap_err(), Problem::Malformed { .. }));
}

#[test]
fn nothing_is_endless() {
    let mut machine = imap(Security::Tls);
    assert_eq!(machine.step(&mut BytesMut::from(&vec![b'x'; PREAMBLE_LINE_OCTETS + 1][..])), Err(Problem::LineTooLong));
    let mut machine = imap(Security::Tls);
    let endless = format!("* OK hi\r\n{}", "* OK still here\r\n".repeat(PREAMBLE_LINES));
    let mut pending = BytesMut::from(endless.as_bytes());
    assert!(matches!(machine.step(&mut pending), Ok(Step::Write(_))));
    assert_eq!(machine.step(&mut pending), Err(Problem::Endless));
    let mut machine = imap(Security::Tls);
    let greeting = format!("* OK {}\r\n", "x".repeat(PREAMBLE_LINE_OCTETS));
    assert_eq!(machine.step(&mut BytesMut::from(greeting.as_bytes())), Err(Problem::LineTooLong));
}
