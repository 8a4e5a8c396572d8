//! Transcripts: `S: ` a line of the server, `C: ` a line of ours, `T:` TLS begins, `G:` greeted, `.` ready. Each is fed whole, cut at
//! every byte and closed at every line.

use super::*;
use crate::net::sasl::Mechanism;

const SECRET: &str = "correct horse";

/// What a transcript expects of the machine, piece by piece.
#[derive(Debug)]
enum Line {
    Server(Vec<u8>),
    Client(Vec<u8>),
    Tls,
    Greeted,
}

fn lines(transcript: &str) -> Vec<Line> {
    transcript
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| match line.split_at(2) {
            ("S:", rest) => Line::Server(format!("{}\r\n", rest.trim_start()).into_bytes()),
            ("C:", rest) => Line::Client(format!("{}\r\n", rest.trim_start()).into_bytes()),
            ("T:", _) => Line::Tls,
            ("G:", _) => Line::Greeted,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn identity() -> Option<Identity> {
    Some(Identity { user: "me".to_owned(), secret: Secret::new(SECRET) })
}

/// Run the machine against the transcript, with at most `piece` octets of the server's at a time, closing the line after `limit`
/// of them. At the end every line was used, unless it was closed.
fn run(security: Security, identity: Option<Identity>, transcript: &str, piece: usize, limit: usize) -> Result<Opening, Problem> {
    let mut machine = Imap::new(security, identity);
    let mut lines = lines(transcript).into_iter().peekable();
    let (mut pending, mut given) = (BytesMut::new(), 0);
    let mut due: Vec<u8> = Vec::new();
    loop {
        match machine.step(&mut pending)? {
            Step::Read => {
                while due.is_empty() {
                    match lines.next() {
                        Some(Line::Server(octets)) => due = octets,
                        Some(other) => panic!("reads where the transcript has {other:?}"),
                        None => return Err(machine.closed(&pending)),
                    }
                }
                // The server's lines in a row come in one piece, when pieces are large.
                while let Some(Line::Server(octets)) = lines.next_if(|line| matches!(line, Line::Server(_))) {
                    due.extend(octets);
                }
                let now = piece.min(due.len()).min(limit - given);
                if now == 0 {
                    return Err(machine.closed(&pending));
                }
                pending.extend(due.drain(..now));
                given += now;
            }
            Step::Write(octets) => {
                assert!(due.is_empty(), "writes before it read `{}`", String::from_utf8_lossy(&due));
                match lines.next() {
                    Some(Line::Client(line)) => {
                        assert_eq!(String::from_utf8_lossy(&octets), String::from_utf8_lossy(&line));
                    }
                    other => panic!("writes `{}` where the transcript has {other:?}", String::from_utf8_lossy(&octets)),
                }
            }
            Step::StartTls => assert!(matches!(lines.next(), Some(Line::Tls)), "TLS begins too early"),
            Step::Greeted => assert!(matches!(lines.next(), Some(Line::Greeted)), "greeted too early"),
            Step::Done(opening) => {
                let left: Vec<Line> = lines.collect();
                assert!(left.is_empty(), "ready before {left:?}");
                return Ok(opening);
            }
        }
    }
}

fn whole(security: Security, transcript: &str) -> Result<Opening, Problem> {
    run(security, identity(), transcript, usize::MAX, usize::MAX)
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
fn good_ways_in_cut_at_every_byte() {
    for (security, transcript) in GOOD {
        let opening = whole(*security, transcript).unwrap();
        assert_eq!(opening.capabilities, ["IMAP4rev1", "IDLE", "UIDPLUS"], "{transcript}");
        assert!(opening.signed_in);
        assert_eq!(opening.greeting.is_empty(), *security == Security::Starttls, "{transcript}");
        for piece in 1..80 {
            assert_eq!(run(*security, identity(), transcript, piece, usize::MAX).as_ref(), Ok(&opening), "{piece}: {transcript}");
        }
    }
}

#[test]
fn good_ways_in_closed_at_every_byte() {
    for (security, transcript) in GOOD {
        let octets: usize = lines(transcript).iter().map(|line| if let Line::Server(octets) = line { octets.len() } else { 0 }).sum();
        for limit in 0..octets {
            let problem = run(*security, identity(), transcript, usize::MAX, limit).unwrap_err();
            assert!(matches!(problem, Problem::Closed { .. } | Problem::ClosedBeforeGreeting { .. }), "{limit}: {problem:?}");
            assert!(!format!("{problem:?}").contains(SECRET));
        }
    }
}

#[test]
fn nobody_signs_in_without_an_identity() {
    let transcript = "
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready";
    let opening = run(Security::Tls, None, transcript, usize::MAX, usize::MAX).unwrap();
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
    let mut machine = Imap::new(Security::Starttls, identity());
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
    let response = Mechanism::Plain.initial_response("me", &Secret::new(SECRET)).unwrap();
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
    assert_eq!(said, Said { code: Some("ALERT"), words: "Please log in via your web browser".to_owned() });
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
        let problem = run(Security::Tls, identity(), &format!("S: {line}"), usize::MAX, usize::MAX).unwrap_err();
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
    let mut machine = Imap::new(Security::Tls, identity());
    assert_eq!(machine.step(&mut BytesMut::from(&vec![b'x'; PREAMBLE_LINE_OCTETS + 1][..])), Err(Problem::LineTooLong));
    let mut machine = Imap::new(Security::Tls, identity());
    let endless = format!("* OK hi\r\n{}", "* OK still here\r\n".repeat(PREAMBLE_LINES));
    let mut pending = BytesMut::from(endless.as_bytes());
    assert!(matches!(machine.step(&mut pending), Ok(Step::Write(_))));
    assert_eq!(machine.step(&mut pending), Err(Problem::Endless));
    let mut machine = Imap::new(Security::Tls, identity());
    let greeting = format!("* OK {}\r\n", "x".repeat(PREAMBLE_LINE_OCTETS));
    assert_eq!(machine.step(&mut BytesMut::from(greeting.as_bytes())), Err(Problem::LineTooLong));
}
