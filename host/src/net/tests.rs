//! The way in and the line, against servers on loopback that play scripts.

mod bound;
mod protocols;
mod proxies;
mod ready_line;
mod trust;

use std::time::Duration;

use super::reach::{Route, Target, reach};
use super::stage::Stages;
use super::testing::{Act, Flaw, Identity, PASSWORD, Reports, Server, endpoint, script, secret};
use super::tls::{self, ChannelBindings};
use super::{Line, Opening, Stage, Unobserved, open};
use crate::fault::{Fault, Kind};
use crate::model::endpoint::{Endpoint, Protocol, Security, TlsVersion};
use crate::model::mechanism::Mechanism;
use crate::model::name::AccountId;
use crate::secret::Secret;

const SIGN_IN: &str = "
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
    C: P1 AUTHENTICATE
    S: P1 OK [CAPABILITY IMAP4rev1 IDLE] welcome";

const STARTTLS: &str = "
    S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready
    C: P1 STARTTLS
    S: P1 OK go ahead
    T:
    C: P2 CAPABILITY
    S: * CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR
    S: P2 OK done
    C: P3 AUTHENTICATE
    S: P3 OK [CAPABILITY IMAP4rev1 IDLE] welcome";

async fn enter(endpoint: &Endpoint) -> Result<(Line, Opening), Fault> {
    open(endpoint, Some(&secret()), &Unobserved).await
}

/// The fault of a way in that must fail; nowhere in it is the password.
async fn refused(endpoint: &Endpoint) -> Fault {
    let fault = enter(endpoint).await.expect_err("this must not open");
    let shown = format!("{fault:?} {fault} {}", serde_json::to_string(&fault).unwrap());
    for spelling in secret().spellings() {
        assert!(!shown.contains(spelling.as_str()), "{shown}");
    }
    assert!(fault.operation.contains(&format!(":{}", endpoint.port)), "{fault:?}");
    assert!(fault.remedy.is_some(), "{fault:?}");
    fault
}

fn believing(port: u16, security: Security, identity: &Identity) -> Endpoint {
    let mut endpoint = endpoint(port, security);
    endpoint.trust.ca_file = Some(identity.ca_file.clone());
    endpoint
}

#[tokio::test]
async fn every_stage_is_reported() {
    let identity = Identity::new(Flaw::None);
    for (security, transcript, stages) in [
        (Security::Tls, format!("T:\n{SIGN_IN}"), vec![Stage::Name, Stage::Connect, Stage::Tls, Stage::Greeting, Stage::SignIn]),
        (Security::Starttls, STARTTLS.to_owned(), vec![Stage::Name, Stage::Connect, Stage::Greeting, Stage::Tls, Stage::SignIn]),
        (Security::None, SIGN_IN.to_owned(), vec![Stage::Name, Stage::Connect, Stage::Greeting, Stage::SignIn]),
    ] {
        let server = Server::start(Some(&identity), script(&transcript)).await;
        let reports = Reports::default();
        let (_line, opening) = open(&believing(server.port, security, &identity), Some(&secret()), &reports).await.unwrap();
        assert_eq!(opening.capabilities, ["IMAP4rev1", "IDLE"]);
        assert!(opening.signed_in);
        let reports = reports.0.into_inner().unwrap();
        assert_eq!(reports.iter().map(|report| report.stage).collect::<Vec<_>>(), stages, "{security}");
        assert!(reports.iter().all(|report| report.outcome.is_ok()));
        if let Some(tls) = reports.iter().find(|report| report.stage == Stage::Tls) {
            let finding = tls.outcome.as_ref().unwrap();
            assert!(
                finding.starts_with("TLS 1.3, certificate of mail.example.com by Postrider Test Authority, valid until 2090"),
                "{finding}"
            );
        }
        assert!(server.heard().last().unwrap().contains("AUTHENTICATE PLAIN "), "{:?}", server.heard());
    }
}

#[tokio::test]
async fn mistakes_of_a_person_have_their_own_words() {
    let identity = Identity::new(Flaw::None);

    let clear = Server::start(None, script("S: * OK IMAP ready\nZ:")).await;
    let fault = refused(&believing(clear.port, Security::Tls, &identity)).await;
    assert_eq!(fault.kind, Kind::Misconfigured, "{fault:?}");
    assert!(fault.remedy.unwrap().contains(&format!("does not speak TLS on port {}: try `--security starttls`", clear.port)));

    let tls = Server::start(Some(&identity), script("T:\nZ:")).await;
    for security in [Security::Starttls, Security::None] {
        let mut endpoint = believing(tls.port, security, &identity);
        endpoint.timeouts.connect = Duration::from_millis(200);
        let fault = refused(&endpoint).await;
        assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")), "{fault:?}");
        assert!(fault.remedy.unwrap().contains("try `--security tls`"));
    }

    let smtp = Server::start(None, script("S: 220 mail.example.com ESMTP\nZ:")).await;
    let fault = refused(&endpoint(smtp.port, Security::None)).await;
    assert_eq!(fault.kind, Kind::Misconfigured);
    assert!(fault.causes().any(|cause| cause.contains("220 mail.example.com ESMTP")), "{fault:?}");

    let alert = Server::start(None, vec![Act::Say(b"\x15\x03\x01\x00\x02\x02\x46".to_vec())]).await;
    let fault = refused(&endpoint(alert.port, Security::None)).await;
    assert_eq!(fault.kind, Kind::Misconfigured);
    assert!(fault.remedy.unwrap().contains("try `--security tls`"));

    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let fault = refused(&believing(nobody, Security::Tls, &identity)).await;
    assert_eq!(fault.kind, Kind::Unreachable);
    assert!(fault.remedy.unwrap().contains("is the port right? IMAP over TLS is usually 993, with STARTTLS 143"));

    let mut misspelt = believing(993, Security::Tls, &identity);
    // A label over 63 octets resolves nowhere, and without asking anybody.
    misspelt.server = format!("{}.example", "x".repeat(64));
    let fault = refused(&misspelt).await;
    assert_eq!(fault.kind, Kind::Unreachable);
    assert!(fault.remedy.unwrap().contains("spelling of `--server`"));

    let mut no_ca = endpoint(993, Security::Tls);
    no_ca.trust.ca_file = Some("/nonexistent/ca.pem".into());
    let fault = enter(&no_ca).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Misconfigured);
    assert!(fault.operation.contains("/nonexistent/ca.pem"), "{fault:?}");

    let mut no_user = endpoint(993, Security::None);
    no_user.user = None;
    assert_eq!(enter(&no_user).await.unwrap_err().kind, Kind::Misconfigured);
}

#[tokio::test]
async fn a_wrong_password_is_explained_and_not_shown() {
    let wrong = format!(
        "S: * OK [CAPABILITY SASL-IR AUTH=PLAIN] ready
         C: P1 AUTHENTICATE
         S: P1 NO [AUTHENTICATIONFAILED] Authentication of me with {PASSWORD} failed."
    );
    let server = Server::start(None, script(&wrong)).await;
    let fault = refused(&endpoint(server.port, Security::None)).await;
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unauthenticated, Some("AUTHENTICATIONFAILED")));
    assert_eq!(fault.words.as_deref(), Some("Authentication of me with [redacted] failed."));
    assert!(fault.remedy.unwrap().contains("--password-stdin"));
    assert!(fault.operation.ends_with("as me"), "{}", fault.operation);
}

#[tokio::test]
async fn starttls_is_not_to_be_tricked() {
    let identity = Identity::new(Flaw::None);
    let offer = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready\nC: P1 STARTTLS";
    let mut together = script(offer);
    together.push(Act::Say(b"P1 OK go ahead\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nP2 OK done\r\n".to_vec()));
    together.push(Act::Stall);
    let mut apart = script(offer);
    apart.extend(script("S: P1 OK go ahead"));
    // Not before the handshake begins, so that it is TLS that meets it.
    apart.push(Act::Hear(1));
    apart.extend(script("S: * CAPABILITY IMAP4rev1 AUTH=PLAIN\nZ:"));
    for (acts, kind) in [
        (together, Kind::Untrusted),
        (apart, Kind::Untrusted),
        (script("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\nZ:"), Kind::Untrusted),
        (script("S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\nZ:"), Kind::Untrusted),
        (script(&format!("{offer}\nS: P1 NO not today\nZ:")), Kind::Untrusted),
    ] {
        let server = Server::start(Some(&identity), acts.clone()).await;
        let fault = refused(&believing(server.port, Security::Starttls, &identity)).await;
        assert_eq!(fault.kind, kind, "{acts:?}: {fault:?}");
        assert!(!server.heard().iter().any(|line| line.contains("AUTHENTICATE") || line.contains("LOGIN")));
    }
}

#[tokio::test]
async fn a_server_that_is_silent_slow_or_endless_is_left() {
    let identity = Identity::new(Flaw::None);
    let silent = ["Z:", "S: * OK hi\nZ:", "S: * OK [CAPABILITY SASL-IR AUTH=PLAIN] hi\nZ:"];
    let mut late: Vec<(Security, Vec<Act>)> = silent.iter().map(|words| (Security::None, script(words))).collect();
    late.push((Security::Tls, vec![Act::Stall]));
    late.push((Security::None, vec![Act::Dribble("* OK ")]));
    late.push((Security::None, [script("S: * OK hi"), vec![Act::Dribble("* OK still here\r\n")]].concat()));
    for (security, acts) in late {
        let server = Server::start(Some(&identity), acts.clone()).await;
        let mut endpoint = believing(server.port, security, &identity);
        endpoint.timeouts.connect = Duration::from_millis(200);
        let fault = refused(&endpoint).await;
        assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")), "{acts:?}: {fault:?}");
    }
    let endless = Act::Say([&b"* OK hi\r\n"[..], &b"* OK still here\r\n".repeat(10_000)].concat());
    let long = Act::Say(vec![b'x'; 1 << 20]);
    for act in [endless, long] {
        let server = Server::start(None, vec![act, Act::Stall]).await;
        assert_eq!(refused(&endpoint(server.port, Security::None)).await.kind, Kind::Malformed);
    }
}

#[tokio::test]
async fn a_server_that_closes_or_falls_silent_at_any_line_is_named() {
    let identity = Identity::new(Flaw::None);
    let acts = script(STARTTLS);
    for cut in 0..acts.len() {
        let server = Server::start(Some(&identity), [&acts[..cut], &[Act::Cut]].concat()).await;
        let fault = refused(&believing(server.port, Security::Starttls, &identity)).await;
        assert!(matches!(fault.kind, Kind::Unreachable), "{cut}: {fault:?}");
        let server = Server::start(Some(&identity), [&acts[..cut], &[Act::Stall]].concat()).await;
        let mut endpoint = believing(server.port, Security::Starttls, &identity);
        endpoint.timeouts.connect = Duration::from_millis(100);
        let fault = refused(&endpoint).await;
        assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")), "{cut}: {fault:?}");
    }
}

#[tokio::test]
async fn a_bare_stream_gets_tls_and_no_secret() {
    let identity = Identity::new(Flaw::None);
    let server = Server::start(Some(&identity), script("T:\nS: hi\nC:\nZ:")).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    endpoint.protocol = Protocol::Stream;
    let (line, opening) = enter(&endpoint).await.unwrap();
    assert_eq!(opening, Opening::default());
    assert_eq!(line.read(64, None).await.unwrap(), "hi\r\n");
    assert!(server.heard().is_empty());
    endpoint.security = Security::Starttls;
    assert_eq!(enter(&endpoint).await.unwrap_err().kind, Kind::Misconfigured);
}
