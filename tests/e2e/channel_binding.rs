//! Sign-ins bound to their TLS session, with libgsasl at the other end.

use std::path::PathBuf;
use std::time::Duration;

use harness::gsasl::{Gsasl, PASSWORD, Setup, USER};
use postrider::fault::{Fault, Kind};
use postrider::model::endpoint::{Endpoint, Held, Protocol, Security, Timeouts, Trust};
use postrider::model::mechanism::Mechanism;
use postrider::net::{self, Opening, Unobserved};
use postrider::secret::Secret;

const BOUND: &[&str] = &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"];

fn endpoint(server: &Gsasl, ca_file: PathBuf, security: Security, auth: Option<Mechanism>) -> Endpoint {
    Endpoint {
        protocol: Protocol::Imap,
        server: "localhost".to_owned(),
        port: server.port,
        security,
        user: Some(USER.to_owned()),
        auth,
        trust: Trust { ca_file: Some(ca_file), ..Trust::default() },
        proxy: None,
        local_address: None,
        networks: Vec::new(),
        quirks: Vec::new(),
        timeouts: Timeouts { connect: Duration::from_secs(30), read: Duration::from_secs(30), ..Timeouts::default() },
        held: Held::default(),
    }
}

async fn enter(server: &Gsasl, security: Security, auth: Option<Mechanism>, password: &str) -> Result<Opening, Fault> {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(server, server.ca_file(folder.path()), security, auth);
    net::open(&endpoint, Some(&Secret::new(password)), &Unobserved).await.map(|(_, opening)| opening)
}

fn start(security: Security, mechanisms: &'static [&'static str], is_elsewhere: bool) -> Gsasl {
    Gsasl::start(Setup { starttls: security == Security::Starttls, mechanisms, is_elsewhere })
}

#[tokio::test(flavor = "multi_thread")]
async fn libgsasl_and_the_host_bind_to_the_same_session() {
    for security in [Security::Tls, Security::Starttls] {
        let server = start(security, BOUND, false);
        let ways = [
            None,
            Some(Mechanism::ScramSha256Plus),
            Some(Mechanism::ScramSha1Plus),
            Some(Mechanism::ScramSha256),
            Some(Mechanism::ScramSha1),
        ];
        for auth in ways {
            let opening = enter(&server, security, auth, PASSWORD).await.unwrap_or_else(|fault| panic!("{security} {auth:?}: {fault:?}"));
            assert!(opening.signed_in, "{security} {auth:?}");
        }
        let expected = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"];
        assert_eq!(server.sign_ins(), expected, "{security}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn libgsasl_lets_nobody_in_from_another_session_or_with_another_password() {
    for security in [Security::Tls, Security::Starttls] {
        let elsewhere = start(security, BOUND, true);
        for auth in [None, Some(Mechanism::ScramSha1Plus)] {
            let fault = enter(&elsewhere, security, auth, PASSWORD).await.unwrap_err();
            assert_eq!(fault.kind, Kind::Unauthenticated, "{security} {auth:?}: {fault:?}");
        }
        assert_eq!(elsewhere.sign_ins(), Vec::<String>::new());
        let server = start(security, BOUND, false);
        for auth in [Mechanism::ScramSha256Plus, Mechanism::ScramSha256] {
            let fault = enter(&server, security, Some(auth), "incorrect horse battery").await.unwrap_err();
            assert_eq!(fault.kind, Kind::Unauthenticated, "{security} {auth}: {fault:?}");
        }
        assert_eq!(server.sign_ins(), Vec::<String>::new());
    }
}

/// The server of the tests above is no invention of this host's: a client that is none of its relations gets in, bound over GnuTLS.
#[test]
fn libgsasls_own_client_gets_in_and_not_from_another_session() {
    let folder = tempfile::tempdir().unwrap();
    for mechanism in ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"] {
        let server = start(Security::Starttls, BOUND, false);
        let client = server.sign_in_by_its_client(mechanism, &server.ca_file(folder.path()));
        assert_eq!(server.sign_ins(), [mechanism], "{client:?}");
        let elsewhere = start(Security::Starttls, BOUND, true);
        let client = elsewhere.sign_in_by_its_client(mechanism, &elsewhere.ca_file(folder.path()));
        assert!(!client.status.success() && elsewhere.sign_ins().is_empty(), "{client:?}");
    }
}
