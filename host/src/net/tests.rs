//! The way in and the line, against servers on loopback that play scripts.

mod bound;
mod protocols;

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

/// A line that is signed in, and a server that goes on with `acts`.
async fn line(acts: &str, idle: Duration) -> (Line, Server) {
    let identity = Identity::new(Flaw::None);
    let server = Server::start(Some(&identity), script(&format!("T:\n{SIGN_IN}\n{acts}"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    endpoint.timeouts.read = idle;
    (enter(&endpoint).await.unwrap().0, server)
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
async fn a_bad_certificate_is_named_with_its_facts_and_the_way_to_accept_it() {
    for (flaw, words) in [
        (Flaw::Expired, "the certificate has expired: certificate of mail.example.com"),
        (Flaw::NotYetValid, "the certificate is not valid yet"),
        (Flaw::WrongHost, "the certificate is not for 127.0.0.1"),
        (Flaw::SelfSigned, "signed by itself and by no authority"),
        (Flaw::OtherAuthority, "the certificate"),
        (Flaw::ForClients, "the certificate is not made for a server"),
        (Flaw::IsAuthority, "the certificate is that of an authority"),
    ] {
        let identity = Identity::new(flaw);
        let server = Server::start(Some(&identity), script(&format!("T:\n{SIGN_IN}"))).await;
        let mut endpoint = believing(server.port, Security::Tls, &identity);
        let fault = refused(&endpoint).await;
        assert_eq!(fault.kind, Kind::Untrusted, "{flaw:?}");
        let cause = fault.causes().next().unwrap();
        assert!(cause.contains(words), "{flaw:?}: {cause}");
        let fingerprint = identity.fingerprint();
        for fact in ["mail.example.com", "issued by", "valid for", " until 20", &fingerprint.to_string()] {
            assert!(cause.contains(fact), "{flaw:?}: {cause}");
        }
        let remedy = fault.remedy.unwrap();
        assert!(remedy.contains(&format!("--pin {fingerprint}")), "{flaw:?}: {remedy}");
        assert_eq!(remedy.contains("elsewhere.example.com"), flaw == Flaw::WrongHost, "{remedy}");
        assert!(server.heard().is_empty(), "something was said to a server that is not believed");

        endpoint.trust.pins = vec![fingerprint];
        enter(&endpoint).await.unwrap_or_else(|fault| panic!("pinned {flaw:?}: {fault:?}"));
    }
}

#[tokio::test]
async fn a_pin_believes_nothing_else() {
    let identity = Identity::new(Flaw::None);
    let server = Server::start(Some(&identity), script(&format!("T:\n{SIGN_IN}"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    endpoint.trust.pins = vec![Identity::new(Flaw::None).fingerprint()];
    let fault = refused(&endpoint).await;
    assert_eq!(fault.kind, Kind::Untrusted);
    assert!(fault.causes().next().unwrap().contains("pinned"), "{fault:?}");
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
async fn a_server_that_closes_at_any_line_is_named() {
    let identity = Identity::new(Flaw::None);
    let acts = script(STARTTLS);
    for cut in 0..acts.len() {
        let mut acts = acts[..cut].to_vec();
        acts.push(Act::Cut);
        let server = Server::start(Some(&identity), acts).await;
        let fault = refused(&believing(server.port, Security::Starttls, &identity)).await;
        assert!(matches!(fault.kind, Kind::Unreachable), "{cut}: {fault:?}");
    }
}

#[tokio::test]
async fn octets_go_both_ways_and_are_counted() {
    let (line, server) = line("C: hello\nS: and hello to you\nC: bye", Duration::from_secs(20)).await;
    let (read, written) = tokio::join!(line.read(64, None), line.write(b"hello\r\n"));
    written.unwrap();
    let mut octets = read.unwrap().to_vec();
    while !octets.ends_with(b"\r\n") {
        octets.extend(line.read(3, None).await.unwrap());
    }
    assert_eq!(octets, b"and hello to you\r\n");
    line.write(b"bye\r\n").await.unwrap();
    assert_eq!(line.read(64, None).await.unwrap(), "");
    assert_eq!(line.moved(), (18, 12));
    line.shutdown().await;
    assert!(server.heard().ends_with(&["hello".to_owned(), "bye".to_owned()]));
    assert_eq!(line.compress().unwrap_err().kind, Kind::Unsupported);
}

#[tokio::test]
async fn what_comes_with_the_last_line_of_the_preamble_is_not_lost() {
    let mut acts = script("S: * OK [CAPABILITY SASL-IR AUTH=PLAIN] hi\nC: P1");
    acts.push(Act::Say(b"P1 OK [CAPABILITY IMAP4rev1] in\r\n* 5 EXISTS\r\n* 1".to_vec()));
    acts.push(Act::Stall);
    let server = Server::start(None, acts).await;
    let (line, _) = enter(&endpoint(server.port, Security::None)).await.unwrap();
    let mut octets = Vec::new();
    while octets.len() < 15 {
        octets.extend(line.read(4, None).await.unwrap());
    }
    assert_eq!(octets, b"* 5 EXISTS\r\n* 1");
}

#[tokio::test]
async fn a_read_that_is_given_up_loses_nothing() {
    let (line, _server) = line("C: now\nS: here it is\nZ:", Duration::from_secs(20)).await;
    let fault = line.read(64, Some(Duration::from_millis(20))).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")));
    tokio::time::timeout(Duration::from_millis(20), line.read(64, None)).await.unwrap_err();
    line.write(b"now\r\n").await.unwrap();
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n") {
        match line.read(1, Some(Duration::from_millis(1))).await {
            Ok(more) => octets.extend(more),
            Err(fault) => assert_eq!(fault.code.as_deref(), Some("TIMEOUT")),
        }
    }
    assert_eq!(octets, b"here it is\r\n");
}

#[tokio::test]
async fn an_end_without_close_notify_is_no_end() {
    let (line, _server) = line("S: half\nX:", Duration::from_secs(20)).await;
    let mut octets = Vec::new();
    let fault = loop {
        match line.read(64, None).await {
            Ok(more) => {
                assert!(!more.is_empty(), "a cut line looks like the end");
                octets.extend(more);
            }
            Err(fault) => break fault,
        }
    };
    assert_eq!(octets, b"half\r\n");
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TRUNCATED")));
}

#[tokio::test]
async fn a_torn_write_takes_nothing_after_it() {
    let (line, _server) = line("Z:", Duration::from_millis(200)).await;
    let much = vec![b'x'; 32 << 20];
    let fault = line.write(&much).await.unwrap_err();
    assert_eq!(fault.code.as_deref(), Some("TIMEOUT"));
    let fault = line.write(b"DATA").await.unwrap_err();
    assert!(fault.causes().any(|cause| cause.contains("given up in the middle")), "{fault:?}");
}

#[tokio::test]
async fn through_proxies() {
    let connect = "CONNECT mail.example.com:993 HTTP/1.1\r\nHost: mail.example.com:993\r\n";
    let basic = "Proxy-Authorization: Basic bWU6Y29ycmVjdCBob3JzZQ==\r\n";
    let socks = |methods: usize| {
        [vec![Act::Hear(methods)], vec![Act::Say(vec![5, 0]), Act::Hear(23), Act::Say(vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0])]].concat()
    };
    let with_password = vec![
        Act::Hear(4),
        Act::Say(vec![5, 2]),
        Act::Hear(18),
        Act::Say(vec![1, 0]),
        Act::Hear(23),
        Act::Say(vec![5, 0, 0, 3, 1, b'x', 0, 0]),
    ];
    for (scheme, user, acts, said) in [
        ("socks5h", "", socks(3), "\u{5}\u{1}\0\u{3}\u{10}mail.example.com\u{3}"),
        ("socks5h", "me@", with_password, "\u{1}\u{2}me\rcorrect horse"),
        ("http", "", vec![Act::Hear(connect.len() + 2), Act::Say(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())], connect),
        ("http", "me@", vec![Act::Hear(connect.len() + basic.len() + 2), Act::Say(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n".to_vec())], basic),
    ] {
        // The proxy plays the server's part as well.
        let server = Server::start(None, [acts, script(SIGN_IN)].concat()).await;
        let mut endpoint = endpoint(993, Security::None);
        endpoint.server = "mail.example.com".to_owned();
        endpoint.proxy = Some(format!("{scheme}://{user}127.0.0.1:{}", server.port));
        endpoint.held.proxy_password = (!user.is_empty()).then(|| Secret::new("correct horse"));
        let reports = Reports::default();
        let (_, opening) = open(&endpoint, Some(&secret()), &reports).await.unwrap_or_else(|fault| panic!("{scheme}: {fault:?}"));
        assert!(opening.signed_in);
        assert!(server.heard().iter().any(|words| words.contains(said)), "{scheme}: {:?}", server.heard());
        let shown = format!("{:?}", reports.0.into_inner().unwrap());
        assert!(shown.contains("Proxy") && !shown.contains("correct"), "{shown}");
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_help_is_told_from_the_server() {
    for (scheme, acts, kind, words) in [
        ("socks5h", vec![Act::Hear(3), Act::Say(vec![5, 255])], Kind::Misconfigured, "wants a user and a password"),
        ("socks5h", vec![Act::Hear(3), Act::Say(b"HTTP/1.0 400 Bad\r\n\r\n".to_vec())], Kind::Misconfigured, "no SOCKS5 proxy"),
        ("socks5h", vec![Act::Hear(3), Act::Say(vec![5, 0]), Act::Hear(23), Act::Say(vec![5, 5])], Kind::Unreachable, "connection refused"),
        ("http", vec![Act::Say(b"HTTP/1.1 407 Who are you\r\n\r\n".to_vec())], Kind::Misconfigured, "wants a user and a password"),
        ("http", vec![Act::Say(b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec())], Kind::Forbidden, "403 Forbidden"),
        ("http", vec![Act::Say(b"* OK IMAP\r\n".to_vec())], Kind::Misconfigured, "no HTTP proxy"),
        ("http", vec![Act::Hear(20), Act::Cut], Kind::Unreachable, ""),
    ] {
        let server = Server::start(None, acts).await;
        let mut endpoint = endpoint(993, Security::None);
        endpoint.server = "mail.example.com".to_owned();
        endpoint.proxy = Some(format!("{scheme}://127.0.0.1:{}", server.port));
        let fault = enter(&endpoint).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{scheme}: {fault:?}");
        assert!(fault.operation.contains("mail.example.com:993 through the proxy 127.0.0.1"), "{fault:?}");
        assert!(fault.causes().any(|cause| cause.contains(words)), "{scheme}: {fault:?}");
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

/// The exporter at the other end of a TLS session that is opened here, beside this end's.
async fn bindings_of_both_ends(identity: &Identity) -> (ChannelBindings, [u8; 32]) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = identity.acceptor();
    let serving = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(socket).await.unwrap();
        stream.get_ref().1.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).unwrap()
    });
    let endpoint = believing(port, Security::Tls, identity);
    let authority = endpoint.authority();
    let believed = tls::Believed::load(&endpoint, &[]).await.unwrap();
    let target = Target { server: &endpoint.server, port, authority: &authority, usual_ports: "", is_operators: true };
    let wire = reach(target, Route::of(&endpoint, None), Stages::new(&Unobserved, endpoint.timeouts.connect)).await.unwrap();
    assert!(wire.channel_bindings().is_none());
    let peer =
        tls::Peer { server: &endpoint.server, authority: &authority, port, security: Security::Tls, min_version: TlsVersion::default() };
    let (wire, _) = tls::secure(wire, peer, &believed).await.unwrap();
    (wire.channel_bindings().unwrap(), serving.await.unwrap())
}

#[tokio::test]
async fn both_ends_bind_to_the_same_session() {
    use sha2::Digest;
    let identity = Identity::new(Flaw::None);
    let (here, there) = bindings_of_both_ends(&identity).await;
    assert_eq!(here.exporter.as_deref(), Some(&there));
    assert_eq!(here.server_end_point, Some(sha2::Sha256::digest(&identity.chain[0]).to_vec()));
    let (again, _) = bindings_of_both_ends(&identity).await;
    assert_ne!(again.exporter, here.exporter, "two sessions are bound alike");
    assert_eq!(again.server_end_point, here.server_end_point);
}

#[tokio::test]
async fn a_line_that_carries_nothing_is_given_up_whatever_is_waited_for() {
    let identity = Identity::new(Flaw::None);
    let server = Server::start(Some(&identity), script(&format!("T:\n{SIGN_IN}\nZ:"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    endpoint.timeouts.idle = Duration::from_millis(20);
    let (line, _) = enter(&endpoint).await.unwrap();
    let fault = line.read(64, Some(Duration::from_hours(1))).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("IDLE")));
    assert!(fault.causes().any(|cause| cause.contains("nothing for 20 ms")), "{fault:?}");
}

/// A proxy's whole part of a conversation, in octets that it says, and how many it hears before each.
const SOCKS5_PART: &[(usize, &[u8])] = &[(4, &[5, 2]), (18, &[1, 0]), (23, &[5, 0, 0, 1, 127, 0, 0, 1, 3, 225])];
const CONNECT_PART: &[(usize, &[u8])] = &[(70, b"HTTP/1.1 200 Connection established\r\nVia: 1.1 gate\r\n\r\n")];

async fn through_a_proxy_that(scheme: &str, acts: Vec<Act>) -> Fault {
    let server = Server::start(None, acts.clone()).await;
    let mut endpoint = endpoint(993, Security::None);
    endpoint.server = "mail.example.com".to_owned();
    endpoint.proxy = Some(format!("{scheme}://me@127.0.0.1:{}", server.port));
    endpoint.held.proxy_password = Some(Secret::new("correct horse"));
    endpoint.timeouts.connect = Duration::from_millis(400);
    let fault = enter(&endpoint).await.expect_err("this must not open");
    assert!(fault.remedy.is_some(), "{acts:?}: {fault:?}");
    assert!(!format!("{fault:?}").contains("horse"), "{fault:?}");
    fault
}

#[tokio::test]
async fn a_proxy_that_closes_at_any_octet_is_named() {
    for (scheme, part) in [("socks5h", SOCKS5_PART), ("http", CONNECT_PART)] {
        let all: usize = part.iter().map(|(_, said)| said.len()).sum();
        for cut in 0..all {
            let (mut acts, mut left) = (Vec::new(), cut);
            for (heard, said) in part {
                let now = left.min(said.len());
                acts.extend([Act::Hear(*heard), Act::Say(said[..now].to_vec())]);
                left -= now;
                if now < said.len() {
                    break;
                }
            }
            acts.push(Act::Cut);
            let fault = through_a_proxy_that(scheme, acts).await;
            assert_eq!(fault.kind, Kind::Unreachable, "{scheme} cut at {cut}: {fault:?}");
            assert!(fault.operation.contains("through the proxy"), "{scheme} cut at {cut}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_never_ends_or_never_answers_is_left() {
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Filler: y\r\n".repeat(20_000)].concat();
    for (scheme, acts, kind) in [
        ("http", vec![Act::Hear(20), Act::Say(endless), Act::Stall], Kind::Malformed),
        ("http", vec![Act::Hear(20), Act::Dribble("HTTP/1.1 200 OK\r\nX: y\r\n")], Kind::Unreachable),
        ("http", vec![Act::Stall], Kind::Unreachable),
        ("socks5h", vec![Act::Stall], Kind::Unreachable),
        ("socks5h", vec![Act::Hear(4), Act::Say(vec![5, 2]), Act::Stall], Kind::Unreachable),
        ("socks5h", vec![Act::Hear(4), Act::Say([5; 100_000].to_vec()), Act::Stall], Kind::Malformed),
        ("socks5h", vec![Act::Hear(4), Act::Say(vec![5, 2, 1, 0, 5, 0, 0, 9, 9, 9]), Act::Stall], Kind::Malformed),
    ] {
        let fault = through_a_proxy_that(scheme, acts.clone()).await;
        assert_eq!(fault.kind, kind, "{scheme} {acts:?}: {fault:?}");
    }
}

/// What the TLS stage of a way in found.
async fn tls_finding(endpoint: &Endpoint) -> Result<String, Fault> {
    let reports = Reports::default();
    open(endpoint, Some(&secret()), &reports).await?;
    let reports = reports.0.into_inner().unwrap();
    reports.into_iter().find(|report| report.stage == Stage::Tls).unwrap().outcome
}

#[tokio::test]
async fn sessions_are_resumed_by_who_believes_the_same_and_nobody_else() {
    let identity = Identity::new(Flaw::None);
    let server = Server::start(Some(&identity), script(&format!("T:\n{SIGN_IN}"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    let is_resumed = async |endpoint: &Endpoint| tls_finding(endpoint).await.unwrap().contains("TLS 1.3, resumed, certificate of mail");
    for _ in 0..2 {
        assert!(!is_resumed(&endpoint).await, "nobody's session is resumed");
    }
    endpoint.held.account = Some(AccountId(7_001));
    assert!(!is_resumed(&endpoint).await);
    assert!(is_resumed(&endpoint).await);
    assert!(is_resumed(&endpoint).await);

    let mut other = endpoint.clone();
    other.held.account = Some(AccountId(7_002));
    assert!(!is_resumed(&other).await, "another account's session is resumed");

    // `account edit --pin`: what was agreed before counts no more, also after the pin is taken back.
    let mut pinned = endpoint.clone();
    pinned.trust.pins = vec![identity.fingerprint()];
    assert!(!is_resumed(&pinned).await, "a session from before the pin is resumed");
    assert!(is_resumed(&pinned).await);
    assert!(!is_resumed(&endpoint).await, "a session from before the edits is resumed");
    assert!(is_resumed(&endpoint).await);

    let stranger = Identity::new(Flaw::None);
    let mut pinned = endpoint.clone();
    pinned.trust.pins = vec![stranger.fingerprint()];
    let mut elsewhere = endpoint.clone();
    elsewhere.trust.ca_file = Some(stranger.ca_file.clone());
    for distrusting in [pinned, elsewhere] {
        assert_eq!(tls_finding(&distrusting).await.unwrap_err().kind, Kind::Untrusted);
    }
}

#[tokio::test]
async fn a_pinned_key_is_believed_and_only_that() {
    let identity = Identity::new(Flaw::Expired);
    let server = Server::start(Some(&identity), script(&format!("T:\n{SIGN_IN}"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    endpoint.trust.key_pins = vec![tls::certificate::Certificate::read(&identity.chain[0]).key_fingerprint.unwrap()];
    enter(&endpoint).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    endpoint.trust.key_pins = vec![identity.fingerprint()];
    assert_eq!(refused(&endpoint).await.kind, Kind::Untrusted);
}

#[tokio::test]
async fn the_oldest_tls_is_the_accounts() {
    let identity = Identity::new(Flaw::None);
    let server = Server::start_with(Some(identity.acceptor_of(&[&rustls::version::TLS12])), script(&format!("T:\n{SIGN_IN}"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    assert!(tls_finding(&endpoint).await.unwrap().starts_with("TLS 1.2, certificate"));
    endpoint.trust.min_version = TlsVersion::V1_3;
    let fault = refused(&endpoint).await;
    assert_eq!(fault.kind, Kind::Untrusted);
    assert!(fault.remedy.unwrap().contains("--tls-min 1.2"));
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_server_that_asks_for_one() {
    let (identity, client) = (Identity::new(Flaw::None), Identity::new(Flaw::ForClients));
    let server = Server::start_with(Some(identity.acceptor_asking(&client)), script(&format!("T:\n{SIGN_IN}"))).await;
    let mut endpoint = believing(server.port, Security::Tls, &identity);
    let fault = refused(&endpoint).await;
    assert_eq!(fault.kind, Kind::Untrusted, "{fault:?}");
    assert!(fault.remedy.as_deref().unwrap().contains("--client-cert FILE"), "{fault:?}");

    let (certificate, key) = client.pem();
    let (certificate, key) = tls::client::read_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    endpoint.trust.client_certificate = Some(certificate);
    assert_eq!(enter(&endpoint).await.unwrap_err().kind, Kind::Misconfigured, "a certificate without its key");
    endpoint.held.client_key = Some(key);
    enter(&endpoint).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    // With an identity of its own a session is resumed as well, and not by who shows none.
    endpoint.held.account = Some(AccountId(7_003));
    assert!(!tls_finding(&endpoint).await.unwrap().contains("resumed"));
    assert!(tls_finding(&endpoint).await.unwrap().contains("resumed"));
    endpoint.trust.client_certificate = None;
    assert_eq!(refused(&endpoint).await.kind, Kind::Untrusted);
}
