//! POP3, SMTP and LMTP over real TLS: good ways in, and servers that inject, withdraw, stall, flood and close.

use super::*;

/// A protocol, and its way to TLS and through the sign-in by PLAIN alone.
struct Way {
    protocol: Protocol,
    /// To the command that wishes for TLS.
    offer: &'static str,
    /// The answer to it.
    agreed: &'static str,
    /// Under TLS, to the end.
    under_tls: &'static str,
    /// An offer without TLS.
    withdrawn: &'static str,
}

const WAYS: &[Way] = &[
    Way {
        protocol: Protocol::Pop3,
        offer: "S: +OK ready <1.2@example.com>\nC:\nS: +OK\nS: STLS\nS: SASL SCRAM-SHA-256\nS: USER\nS: .\nC:",
        agreed: "+OK go\r\n",
        under_tls: "C:\nS: +OK\nS: SASL PLAIN\nS: .\nC:\nS: +\nC:\nS: +OK in\nC:\nS: +OK\nS: UIDL\nS: .",
        withdrawn: "S: +OK ready\nC:\nS: +OK\nS: SASL PLAIN\nS: USER\nS: .",
    },
    Way {
        protocol: Protocol::Smtp,
        offer: "S: 220 hi\nC:\nS: 250-hi\nS: 250-AUTH SCRAM-SHA-256\nS: 250 STARTTLS\nC:",
        agreed: "220 go\r\n",
        under_tls: "C:\nS: 250-hi\nS: 250 AUTH PLAIN\nC:\nS: 235 in\nC:\nS: 250-hi\nS: 250 SIZE",
        withdrawn: "S: 220 hi\nC:\nS: 250-hi\nS: 250 AUTH PLAIN",
    },
    Way {
        protocol: Protocol::Lmtp,
        offer: "S: 220 hi\nC:\nS: 250-hi\nS: 250 STARTTLS\nC:",
        agreed: "220 go\r\n",
        under_tls: "C:\nS: 250-hi\nS: 250 AUTH PLAIN\nC:\nS: 235 in\nC:\nS: 250-hi\nS: 250 PIPELINING",
        withdrawn: "S: 220 hi\nC:\nS: 250-hi\nS: 250 AUTH PLAIN",
    },
];

impl Way {
    fn whole(&self) -> Vec<Act> {
        [script(self.offer), vec![Act::Say(self.agreed.as_bytes().to_vec()), Act::Tls], script(self.under_tls)].concat()
    }

    fn endpoint(&self, port: u16, security: Security, identity: &Identity) -> Endpoint {
        Endpoint { protocol: self.protocol, ..believing(port, security, identity) }
    }
}

/// Whether anything of the sign-in was said.
fn said_a_secret(server: &Server) -> bool {
    server.heard().iter().any(|line| ["AUTH ", "USER ", "PASS ", "APOP "].iter().any(|command| line.starts_with(command)))
}

#[tokio::test]
async fn what_is_offered_under_tls_decides() {
    let identity = Identity::new(Flaw::None);
    for way in WAYS {
        let server = Server::start(Some(&identity), way.whole()).await;
        let (_, opening) = enter(&way.endpoint(server.port, Security::Starttls, &identity)).await.unwrap();
        assert!(opening.signed_in && opening.greeting.is_empty(), "{:?}: {opening:?}", way.protocol);
        let heard = server.heard();
        assert!(heard.iter().any(|line| line.starts_with("AUTH PLAIN")), "{heard:?}");
        // A stronger mechanism that was offered in clear only is not had.
        let server = Server::start(Some(&identity), way.whole()).await;
        let strong = Endpoint { auth: Some(Mechanism::ScramSha256), ..way.endpoint(server.port, Security::Starttls, &identity) };
        assert_eq!(refused(&strong).await.kind, Kind::Unsupported);
        assert!(!said_a_secret(&server));
    }
}

#[tokio::test]
async fn starttls_is_not_to_be_tricked_in_any_protocol() {
    let identity = Identity::new(Flaw::None);
    for way in WAYS {
        let injected = [way.agreed, way.agreed].concat().into_bytes();
        let refusal: &[u8] = if way.protocol == Protocol::Pop3 { b"-ERR no\r\n" } else { b"454 no\r\n" };
        for acts in [
            [script(way.offer), vec![Act::Say(injected), Act::Stall]].concat(),
            [script(way.offer), vec![Act::Say(refusal.to_vec()), Act::Stall]].concat(),
            [script(way.withdrawn), vec![Act::Stall]].concat(),
        ] {
            let server = Server::start(Some(&identity), acts.clone()).await;
            let fault = refused(&way.endpoint(server.port, Security::Starttls, &identity)).await;
            assert_eq!(fault.kind, Kind::Untrusted, "{acts:?}: {fault:?}");
            assert!(!said_a_secret(&server));
        }
    }
}

#[tokio::test]
async fn a_server_that_is_late_endless_or_gone_is_named_in_any_protocol() {
    let identity = Identity::new(Flaw::None);
    for way in WAYS {
        let whole = way.whole();
        for cut in 0..whole.len() {
            let server = Server::start(Some(&identity), [&whole[..cut], &[Act::Cut]].concat()).await;
            let fault = refused(&way.endpoint(server.port, Security::Starttls, &identity)).await;
            assert_eq!(fault.kind, Kind::Unreachable, "{:?} {cut}: {fault:?}", way.protocol);
        }
        for late in 0..whole.len() {
            let server = Server::start(Some(&identity), [&whole[..late], &[Act::Stall]].concat()).await;
            let mut endpoint = way.endpoint(server.port, Security::Starttls, &identity);
            // However much of it a busy machine comes through: it ends as late.
            endpoint.timeouts.connect = Duration::from_millis(100);
            let fault = refused(&endpoint).await;
            assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Unreachable, Some("TIMEOUT")), "{:?} {late}: {fault:?}", way.protocol);
        }
        let (greeting, more) = if way.protocol == Protocol::Pop3 { ("+OK\r\n+OK\r\n", "UIDL\r\n") } else { ("220-hi\r\n", "220-hi\r\n") };
        for (act, kind) in [
            (Act::Stall, Kind::Unreachable),
            (Act::Dribble("2"), Kind::Unreachable),
            (Act::Say([greeting.as_bytes(), &more.repeat(10_000).into_bytes()].concat()), Kind::Malformed),
        ] {
            let server = Server::start(None, vec![act.clone(), Act::Stall]).await;
            let mut endpoint = way.endpoint(server.port, Security::None, &identity);
            if kind == Kind::Unreachable {
                endpoint.timeouts.connect = Duration::from_millis(200);
            }
            assert_eq!(refused(&endpoint).await.kind, kind, "{act:?}");
        }
    }
}

#[tokio::test]
async fn echoes_of_a_refused_sign_in_are_redacted_in_any_protocol() {
    use data_encoding::BASE64;
    let identity = Identity::new(Flaw::None);
    let response = BASE64.encode(format!("\0me\0{PASSWORD}").as_bytes());
    for (protocol, before, refusal) in [
        (Protocol::Pop3, "S: +OK\nC:\nS: +OK\nS: SASL PLAIN\nS: .\nC:\nS: +\nC:", "-ERR [AUTH] bad"),
        (Protocol::Smtp, "S: 220 hi\nC:\nS: 250-hi\nS: 250 AUTH PLAIN\nC:", "535 5.7.8 bad"),
        (Protocol::Lmtp, "S: 220 hi\nC:\nS: 250-hi\nS: 250 AUTH PLAIN\nC:", "535 bad"),
    ] {
        let server = Server::start(Some(&identity), script(&format!("T:\n{before}\nS: {refusal} {PASSWORD} {response}"))).await;
        let endpoint = Endpoint { protocol, ..believing(server.port, Security::Tls, &identity) };
        let fault = refused(&endpoint).await;
        assert_eq!(fault.kind, Kind::Unauthenticated, "{fault:?}");
        assert!(!fault.words.as_ref().unwrap().contains(&response), "{fault:?}");
        assert!(fault.words.unwrap().contains("[redacted]"));
    }
}
