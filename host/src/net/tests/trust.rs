//! Which certificates and sessions are believed, and what is said of the others.

use super::*;

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
