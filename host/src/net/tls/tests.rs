//! Sessions that are resumed, and that are not.

use super::*;
use crate::net::Unobserved;
use crate::net::open;
use crate::net::reach::{Route, Target, reach};
use crate::net::stage::Stages;
use crate::net::testing::{Flaw, Identity, Server, endpoint, script, secret};

const SIGN_IN: &str = "
    T:
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
    C: P1 AUTHENTICATE
    S: P1 OK [CAPABILITY IMAP4rev1] welcome";

/// A server, an account for it whose sessions are kept, and what makes its certificate believed.
async fn server(account: u32) -> (Server, Endpoint, Identity) {
    let identity = Identity::new(Flaw::None);
    let server = Server::start(Some(&identity), script(SIGN_IN)).await;
    let mut endpoint = endpoint(server.port, Security::Tls);
    endpoint.trust.ca_file = Some(identity.ca_file.clone());
    endpoint.held.account = Some(AccountId(account));
    // A whole way in, so that the tickets behind the handshake are read.
    open(&endpoint, Some(&secret()), &Unobserved).await.unwrap();
    (server, endpoint, identity)
}

/// What a handshake with `believed` found.
async fn handshake(endpoint: &Endpoint, believed: &Believed) -> Result<String, Fault> {
    let authority = endpoint.authority();
    let target = Target { server: &endpoint.server, port: endpoint.port, authority: &authority, usual_ports: "", is_operators: true };
    let wire = reach(target, Route::of(endpoint, None), Stages::new(&Unobserved, endpoint.timeouts.connect)).await.unwrap();
    let peer = Peer {
        server: &endpoint.server,
        authority: &authority,
        port: endpoint.port,
        security: Security::Tls,
        min_version: TlsVersion::default(),
    };
    Ok(secure(wire, peer, believed).await?.1)
}

/// rustls asks nobody about the certificate of a session that it resumes.
#[tokio::test]
async fn what_is_resumed_is_judged_again() {
    let (_server, endpoint, _identity) = server(8_001).await;
    let kept = Believed::load(&endpoint, &[]).await.unwrap();
    assert!(handshake(&endpoint, &kept).await.unwrap().contains("resumed"));
    // The same sessions under another judgement, as when the certificate expired meanwhile.
    let stranger = Pins { certificates: vec![Identity::new(Flaw::None).fingerprint()], keys: Vec::new() };
    let stricter = Verifier::new(&Anchors::Pins(stranger)).unwrap();
    let stricter = Believed(Configured { config: Arc::clone(&kept.0.config), verifier: Arc::new(stricter) });
    let fault = handshake(&endpoint, &stricter).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Untrusted, "{fault:?}");
    assert!(fault.causes().any(|cause| cause.contains("pinned")), "{fault:?}");
}

#[tokio::test]
async fn sessions_are_forgotten_when_an_account_is_edited() {
    let (_server, endpoint, _identity) = server(8_002).await;
    let (_other_server, other, _other_identity) = server(8_003).await;
    let kept = Believed::load(&endpoint, &[]).await.unwrap();
    assert!(handshake(&endpoint, &kept).await.unwrap().contains("resumed"));
    forget_sessions(AccountId(8_002));
    let anew = Believed::load(&endpoint, &[]).await.unwrap();
    assert!(!handshake(&endpoint, &anew).await.unwrap().contains("resumed"), "a session from before the edit is resumed");
    let others = Believed::load(&other, &[]).await.unwrap();
    assert!(handshake(&other, &others).await.unwrap().contains("resumed"), "another account's sessions are gone as well");
}
