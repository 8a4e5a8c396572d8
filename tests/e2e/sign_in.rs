//! Every way to sign in, against real servers, by the host's own way in.

use std::path::Path;
use std::time::Duration;

use harness::authority::Authority;
use harness::dovecot::{Dovecot, PASSWORD, Setup, USER};
use harness::postfix::Postfix;
use postrider::fault::{Fault, Kind};
use postrider::model::endpoint::{Endpoint, Held, Protocol, Security, Timeouts, Trust};
use postrider::model::mechanism::Mechanism;
use postrider::model::quirk::Quirk;
use postrider::net::tls::client;
use postrider::net::{self, Line, Opening, Unobserved};
use postrider::secret::Secret;

/// A password that takes more than one octet a sign, more than one word, and quoting.
const ODD_PASSWORD: &str = "Übung \"macht\" \\ Meister, 100 %";
/// Whose password that is.
const ODD_USER: &str = "odd";

/// The key of [`TOKEN`], in base64.
const KEY: &str = "YSBrZXkgZm9yIHRlc3RzLCBvZiBubyBvdGhlciB1c2U=";
/// An access token for [`USER`], signed with [`KEY`] (HS256), good until 2100.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJoZWxwIiwiZW1haWwiOiJoZWxwIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjQxMDI0NDQ4MDB9\
                     ._3r4t2WfGh9CzQDqOs7vw_vm4tByVtrhgoyKSrG7cq8";

/// The mechanisms of Dovecot's that take a password, from the strongest, with the name that its log gives them.
const BY_PASSWORD: &[(Mechanism, &str)] = &[
    (Mechanism::ScramSha256, "SCRAM-SHA-256"),
    (Mechanism::ScramSha1, "SCRAM-SHA-1"),
    (Mechanism::CramMd5, "CRAM-MD5"),
    (Mechanism::Plain, "PLAIN"),
    (Mechanism::Login, "LOGIN"),
    (Mechanism::Native, "PLAIN"),
];

const OFFERED: &str = "plain login cram-md5 scram-sha-1 scram-sha-256 apop oauthbearer xoauth2";

/// Each protocol and each way to TLS.
const LINES: [(Protocol, Security); 4] = [
    (Protocol::Imap, Security::Tls),
    (Protocol::Imap, Security::Starttls),
    (Protocol::Pop3, Security::Tls),
    (Protocol::Pop3, Security::Starttls),
];

/// A Dovecot that offers all it has; `folder` takes the keys of its tokens.
fn dovecot(folder: &Path) -> Dovecot {
    let keys = folder.join("keys/default/HS256");
    std::fs::create_dir_all(&keys).unwrap();
    std::fs::write(keys.join("default"), KEY).unwrap();
    let local = format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/keys/\nusername_attribute = email\n",
        folder.display()
    );
    std::fs::write(folder.join("oauth2.conf"), local).unwrap();
    let passdb =
        format!("passdb {{\n  driver = oauth2\n  mechanisms = oauthbearer xoauth2\n  args = {}/oauth2.conf\n}}\n", folder.display());
    Setup::default().user(ODD_USER, ODD_PASSWORD).mechanisms(OFFERED).settings(&passdb).start()
}

/// A folder that the server's own users may pass through.
fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn endpoint(dovecot: &Dovecot, (protocol, security): (Protocol, Security), auth: Option<Mechanism>) -> Endpoint {
    let port = match (protocol, security) {
        (Protocol::Pop3, Security::Tls) => dovecot.pop3s,
        (Protocol::Pop3, _) => dovecot.pop3,
        (Protocol::Lmtp, Security::Tls) => dovecot.lmtps,
        (Protocol::Lmtp, _) => dovecot.lmtp,
        (_, Security::Tls) => dovecot.imaps,
        _ => dovecot.imap,
    };
    Endpoint {
        protocol,
        server: "localhost".to_owned(),
        port,
        security,
        user: Some(USER.to_owned()),
        auth,
        trust: Trust { ca_file: Some(dovecot.ca_file()), ..Trust::default() },
        proxy: None,
        local_address: None,
        networks: Vec::new(),
        quirks: Vec::new(),
        timeouts: Timeouts { connect: Duration::from_secs(30), read: Duration::from_secs(30), ..Timeouts::default() },
        held: Held::default(),
    }
}

/// Sign in, and have the server answer a command of the signed-in state.
async fn enter(endpoint: &Endpoint, secret: &str) -> Result<Opening, Fault> {
    let (line, opening) = net::open(endpoint, Some(&Secret::new(secret)), &Unobserved).await?;
    let command = match endpoint.protocol {
        Protocol::Pop3 => "STAT\r\n",
        Protocol::Smtp => "MAIL FROM:<help@example.com>\r\n",
        _ => "A1 SELECT INBOX\r\n",
    };
    let heard = say(&line, command).await;
    assert!(["+OK", "* ", "250 "].iter().any(|good| heard.starts_with(good)), "{heard}");
    Ok(opening)
}

/// Say `command`, and hear the answer to the end of a line.
async fn say(line: &Line, command: &str) -> String {
    line.write(command.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\n") {
        heard.extend_from_slice(&line.read(4096, None).await.unwrap());
    }
    String::from_utf8(heard).unwrap()
}

/// What the server's log says of the sign-ins since it had `before` octets.
fn method(dovecot: &Dovecot, before: usize) -> String {
    harness::wait::until("the server logs a sign-in", harness::wait::PATIENCE, || {
        let log = dovecot.log();
        let line = log.get(before..)?.lines().find(|line| line.contains("Login: user=<"))?;
        let (_, method) = line.split_once("method=")?;
        Some(method.split(',').next().unwrap_or_default().to_owned())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mechanism_of_dovecot_over_tls_and_starttls() {
    let folder = open_folder();
    let dovecot = dovecot(folder.path());
    for line in LINES {
        for (mechanism, logged) in BY_PASSWORD {
            for (user, password) in [(USER, PASSWORD), (ODD_USER, ODD_PASSWORD)] {
                let before = dovecot.log().len();
                let endpoint = Endpoint { user: Some(user.to_owned()), ..endpoint(&dovecot, line, Some(*mechanism)) };
                let opening = enter(&endpoint, password).await.unwrap_or_else(|fault| panic!("{line:?} {mechanism} {user}: {fault:?}"));
                assert!(opening.signed_in && opening.capabilities.iter().any(|word| word == "UIDL" || word == "IDLE"), "{opening:?}");
                assert_eq!(method(&dovecot, before), *logged, "{line:?} {mechanism}");
            }
        }
        for mechanism in [Mechanism::OauthBearer, Mechanism::Xoauth2] {
            let before = dovecot.log().len();
            let opening = enter(&endpoint(&dovecot, line, Some(mechanism)), TOKEN).await;
            assert!(opening.unwrap_or_else(|fault| panic!("{line:?} {mechanism}: {fault:?}")).signed_in);
            assert_eq!(method(&dovecot, before), mechanism.sasl_name().unwrap(), "{line:?}");
        }
    }
    let before = dovecot.log().len();
    assert!(enter(&endpoint(&dovecot, (Protocol::Pop3, Security::Tls), Some(Mechanism::Apop)), PASSWORD).await.unwrap().signed_in);
    assert_eq!(method(&dovecot, before), "APOP");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strongest_mechanism_is_taken_by_itself() {
    let folder = open_folder();
    let dovecot = dovecot(folder.path());
    for line in LINES {
        let before = dovecot.log().len();
        enter(&endpoint(&dovecot, line, None), PASSWORD).await.unwrap();
        assert_eq!(method(&dovecot, before), "SCRAM-SHA-256", "{line:?}");
    }
    // On a clear line, what keeps the password off it.
    let weaker = Setup::default().mechanisms("plain login apop").start();
    let before = weaker.log().len();
    enter(&endpoint(&weaker, (Protocol::Pop3, Security::None), None), PASSWORD).await.unwrap();
    assert_eq!(method(&weaker, before), "APOP");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_alike_and_never_shown() {
    const WRONG: &str = "incorrect horse battery";
    let folder = open_folder();
    let dovecot = dovecot(folder.path());
    let by_token = [Mechanism::OauthBearer, Mechanism::Xoauth2];
    for line in LINES {
        for mechanism in BY_PASSWORD.iter().map(|(mechanism, _)| *mechanism).chain(by_token) {
            let secret = if mechanism.takes_token() { TOKEN.replace(".eyJz", ".eyJy") } else { WRONG.to_owned() };
            let fault = enter(&endpoint(&dovecot, line, Some(mechanism)), &secret).await.unwrap_err();
            assert_eq!(fault.kind, Kind::Unauthenticated, "{line:?} {mechanism}: {fault:?}");
            assert!(fault.operation.starts_with("sign in to localhost:") && fault.remedy.is_some(), "{fault:?}");
            assert!(!format!("{fault:?}").contains(&secret), "{fault:?}");
            if mechanism.takes_token() {
                assert!(fault.causes().any(|cause| cause.contains("access token")), "{fault:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_offer_is_not_tried() {
    let dovecot = Dovecot::start();
    for line in LINES {
        let fault = enter(&endpoint(&dovecot, line, Some(Mechanism::ScramSha256)), PASSWORD).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Unsupported, "{fault:?}");
        assert!(fault.remedy.unwrap().contains("--auth auto"));
    }
    assert!(!dovecot.log().contains("auth failed"), "{}", dovecot.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mechanism_of_postfix_over_tls_and_starttls() {
    let folder = open_folder();
    let dovecot = dovecot(folder.path());
    let postfix = Postfix::start(&dovecot);
    for security in [Security::Tls, Security::Starttls] {
        let port = if security == Security::Tls { postfix.submissions } else { postfix.submission };
        let submission = |auth| Endpoint { port, ..endpoint(&dovecot, (Protocol::Smtp, security), auth) };
        // SMTP has no command of its own.
        let by_password = BY_PASSWORD.iter().map(|(mechanism, _)| *mechanism).filter(|mechanism| *mechanism != Mechanism::Native);
        for mechanism in by_password.chain([Mechanism::OauthBearer, Mechanism::Xoauth2]) {
            let secret = if mechanism.takes_token() { TOKEN } else { PASSWORD };
            let opening = enter(&submission(Some(mechanism)), secret).await;
            let opening = opening.unwrap_or_else(|fault| panic!("{security} {mechanism}: {fault:?}\n{}", postfix.log()));
            assert!(opening.signed_in && opening.capabilities.iter().any(|line| line == "8BITMIME"), "{opening:?}");
            // As Microsoft's older servers list them, beside the standard's way.
            assert!(opening.capabilities.iter().any(|line| line.starts_with("AUTH=PLAIN ")), "{opening:?}");
            let wrong = secret.replace("eyJzd", "eyJyd").replace("correct", "incorrect");
            let fault = enter(&submission(Some(mechanism)), &wrong).await.unwrap_err();
            assert_eq!(fault.kind, Kind::Unauthenticated, "{security} {mechanism}: {fault:?}");
            assert!(!format!("{fault:?}").contains(&wrong), "{fault:?}");
        }
        assert!(enter(&submission(None), PASSWORD).await.unwrap().signed_in);
    }
    let log = postfix.log();
    assert!(log.contains("SASL SCRAM-SHA-256 authentication failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_takes_no_password_in_clear_and_mail_of_nobody() {
    let folder = open_folder();
    let dovecot = dovecot(folder.path());
    let postfix = Postfix::start(&dovecot);
    let clear = Endpoint { port: postfix.submission, ..endpoint(&dovecot, (Protocol::Smtp, Security::None), None) };
    let fault = enter(&clear, PASSWORD).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Misconfigured, Some("PRIVACYREQUIRED")));
    let (_line, opening) = net::open(&clear, None, &Unobserved).await.unwrap();
    assert!(!opening.signed_in && opening.greeting.starts_with("220 mail.example.com"), "{opening:?}");
    assert!(opening.capabilities.iter().any(|line| line == "STARTTLS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_signs_in_over_tls_and_starttls() {
    let folder = open_folder();
    let authority = Authority::new("Client Authority");
    let ca = folder.path().join("clients.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let settings = format!(
        "ssl_ca = <{}\nssl_require_crl = no\nssl_verify_client_cert = yes\nauth_ssl_username_from_cert = yes\n\
         passdb {{\n  driver = static\n  mechanisms = external\n  args = nopassword=y\n}}\n",
        ca.display()
    );
    let dovecot = Setup::default().mechanisms("plain external").settings(&settings).start();
    let (own, strangers) = (authority.client_identity(USER), Authority::new("Client Authority").client_identity(USER));
    for line in LINES {
        // By itself as well: it is stronger than a password.
        for auth in [Some(Mechanism::External), None] {
            let mut endpoint = endpoint(&dovecot, line, auth);
            let (certificate, key) = client::read_pem(own.certificate.as_bytes(), own.key.as_bytes()).unwrap();
            (endpoint.trust.client_certificate, endpoint.held.client_key) = (Some(certificate), Some(key));
            let before = dovecot.log().len();
            let opening = enter(&endpoint, PASSWORD).await.unwrap_or_else(|fault| panic!("{line:?} {auth:?}: {fault:?}"));
            assert!(opening.signed_in, "{line:?}");
            assert_eq!(method(&dovecot, before), "EXTERNAL", "{line:?}");
            let (certificate, key) = client::read_pem(strangers.certificate.as_bytes(), strangers.key.as_bytes()).unwrap();
            (endpoint.trust.client_certificate, endpoint.held.client_key) = (Some(certificate), Some(key));
            assert!(enter(&endpoint, PASSWORD).await.is_err(), "{line:?}: somebody else's certificate");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hashed_passwords_want_the_password_itself() {
    let dovecot = Setup::default().mechanisms("plain login cram-md5 scram-sha-256").hashed_passwords().start();
    for line in LINES {
        let fault = enter(&endpoint(&dovecot, line, None), PASSWORD).await.unwrap_err();
        assert_eq!(fault.kind, Kind::Unauthenticated, "{line:?}: {fault:?}");
        let before = dovecot.log().len();
        let quirky = Endpoint { quirks: vec![Quirk::PlainUnderTls], ..endpoint(&dovecot, line, None) };
        assert!(enter(&quirky, PASSWORD).await.unwrap_or_else(|fault| panic!("{line:?}: {fault:?}")).signed_in);
        assert_eq!(method(&dovecot, before), "PLAIN", "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lmtp_is_spoken_in_clear_under_starttls_and_under_tls() {
    let dovecot = Dovecot::start();
    for security in [Security::None, Security::Starttls, Security::Tls] {
        let endpoint = Endpoint { user: None, ..endpoint(&dovecot, (Protocol::Lmtp, security), None) };
        let (line, opening) = net::open(&endpoint, None, &Unobserved).await.unwrap_or_else(|fault| panic!("{security}: {fault:?}"));
        assert!(!opening.signed_in && opening.capabilities.iter().any(|line| line == "PIPELINING"), "{security}: {opening:?}");
        // What was greeted in clear is forgotten under TLS, and what is under TLS has no further TLS to offer.
        assert_eq!(opening.greeting.is_empty(), security == Security::Starttls, "{opening:?}");
        assert_eq!(opening.capabilities.iter().any(|line| line == "STARTTLS"), security == Security::None, "{opening:?}");
        assert_eq!(say(&line, "MAIL FROM:<help@example.com>\r\n").await.get(..4), Some("250 "));
        assert_eq!(say(&line, &format!("RCPT TO:<{USER}>\r\n")).await.get(..4), Some("250 "));
        // It has nobody sign in: a password that the account has is not tried in any other way.
        let endpoint = Endpoint { user: Some(USER.to_owned()), ..endpoint };
        let fault = net::open(&endpoint, Some(&Secret::new(PASSWORD)), &Unobserved).await.unwrap_err();
        let expected = if security == Security::None { Kind::Misconfigured } else { Kind::Unsupported };
        assert_eq!(fault.kind, expected, "{security}: {fault:?}");
    }
}
