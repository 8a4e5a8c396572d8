//! Known answers of each mechanism, and what servers may not do with them.

pub(in crate::net) mod peer;

use super::*;

/// Somebody at mail.example.com:993.
pub(in crate::net) fn identity(user: &str, secret: &str) -> Identity {
    Identity {
        user: user.to_owned(),
        secret: Secret::new(secret),
        auth: None,
        has_certificate: false,
        server: "mail.example.com".to_owned(),
        port: 993,
    }
}

fn exchange(mechanism: Mechanism, user: &str, secret: &str) -> Exchange {
    Exchange::new(mechanism, &identity(user, secret), None, false).unwrap()
}

fn said(answer: Result<Answer, SaslError>) -> String {
    match answer.unwrap() {
        Answer::Say(line) => line.to_string(),
        Answer::Busy => panic!("busy"),
    }
}

fn encoded(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

#[test]
fn plain_as_in_rfc_4616() {
    let mut plain = exchange(Mechanism::Plain, "tim", "tanstaaftanstaaf");
    assert!(!plain.is_complete());
    assert_eq!(plain.initial_response(100).unwrap().as_str(), encoded("\0tim\0tanstaaftanstaaf"));
    assert!(plain.is_complete());
    // A challenge too many is answered once.
    assert_eq!(said(plain.take("")), "*");
    assert!(plain.take("").is_err());
    for (user, secret) in [("t\0m", "x"), ("tim", "x\0")] {
        assert_eq!(Exchange::new(Mechanism::Plain, &identity(user, secret), None, false).unwrap_err(), SaslError::Unspeakable);
    }
}

#[test]
fn an_initial_response_that_is_too_long_waits_for_the_challenge() {
    let mut plain = exchange(Mechanism::Plain, "tim", "tanstaaftanstaaf");
    assert_eq!(plain.initial_response(10), None);
    assert_eq!(said(plain.take("whatever")), encoded("\0tim\0tanstaaftanstaaf"));
    assert!(plain.is_complete());
}

#[test]
fn cram_md5_as_in_rfc_2195() {
    let mut cram = exchange(Mechanism::CramMd5, "tim", "tanstaaftanstaaf");
    assert_eq!(cram.initial_response(100), None);
    let response = said(cram.take("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"));
    assert_eq!(response, "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
    assert!(cram.is_complete());
    // Echoed in base64 and bare.
    assert_eq!(cram.redact(&format!("no {response} b913a602c7eda7a495b4e6e7334d3890")), "no [redacted] [redacted]");
    for wrong in ["", "?", "="] {
        assert!(exchange(Mechanism::CramMd5, "tim", "x").take(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn apop_as_in_rfc_1939() {
    let digest = apop_digest("<1896.697170952@dbc.mtview.ca.us>", &Secret::new("tanstaaf"));
    assert_eq!(digest.as_str(), "c4c9334bac560ecc979e58001b3e22fb");
}

#[test]
fn login_answers_whatever_is_asked() {
    for (one, two) in [("VXNlcm5hbWU6", "UGFzc3dvcmQ6"), ("VXNlciBOYW1lAA==", "UGFzc3dvcmQA"), ("who?", "")] {
        let mut login = exchange(Mechanism::Login, "me", "correct h\u{f6}rse");
        assert_eq!(login.initial_response(100), None);
        assert_eq!(said(login.take(one)), encoded("me"));
        assert!(!login.is_complete());
        assert_eq!(said(login.take(two)), encoded("correct h\u{f6}rse"));
        assert!(login.is_complete());
        assert_eq!(said(login.take("")), "*");
    }
}

#[test]
fn external_says_nothing_but_that_it_is_there() {
    let mut external = exchange(Mechanism::External, "", "");
    assert_eq!(external.initial_response(100).unwrap().as_str(), "=");
    let mut external = exchange(Mechanism::External, "", "");
    assert_eq!(said(external.take("")), "");
    assert!(external.is_complete());
}

#[test]
fn a_token_that_is_refused_is_acknowledged_and_explained() {
    let error = encoded(r#"{"status":"invalid_token","scope":"mail"}"#);
    for (mechanism, acknowledgement) in [(Mechanism::OauthBearer, "AQ=="), (Mechanism::Xoauth2, "")] {
        let mut token = exchange(mechanism, "me@example.com", "ya29.token-of-a-test");
        assert!(token.initial_response(1000).is_some());
        assert!(token.is_complete());
        assert_eq!(said(token.take(&error)), acknowledgement);
        assert!(!token.is_complete(), "a refused token cannot be a success");
        assert_eq!(token.verdict(), "token refused: invalid_token, scope mail");
        // Office 365 over POP3 asks first and takes the token in a second step.
        let mut two_steps = exchange(mechanism, "me@example.com", "token");
        assert!(said(two_steps.take("")).len() > 20);
        assert!(two_steps.is_complete());
    }
}

#[test]
fn scram_over_base64_to_its_end() {
    let mut scram = exchange(Mechanism::ScramSha256, "user", "pencil");
    let first = scram.initial_response(1000).unwrap();
    let first = String::from_utf8(BASE64.decode(first.as_bytes()).unwrap()).unwrap();
    let nonce = first.strip_prefix("n,,n=user,r=").unwrap();
    let proof = said(scram.take(&encoded(&format!("r={nonce}server,s=QQ==,i=4096"))));
    assert!(scram.is_unproven() && !scram.is_complete());
    let decoded = String::from_utf8(BASE64.decode(proof.as_bytes()).unwrap()).unwrap();
    let (_, bare) = decoded.split_once(",p=").unwrap();
    assert_eq!(scram.redact(&format!("{proof} {decoded} {bare}")).matches("[redacted]").count(), 4, "{decoded}");
    assert_eq!(scram.take(&encoded("v=AAAA")), Err(SaslError::Forged));
    assert!(!scram.is_complete());
}

#[test]
fn an_error_of_scram_is_kept_for_the_refusal() {
    let mut scram = exchange(Mechanism::ScramSha1, "user", "pencil");
    let first = scram.initial_response(1000).unwrap();
    let first = String::from_utf8(BASE64.decode(first.as_bytes()).unwrap()).unwrap();
    let nonce = first.rsplit_once("r=").unwrap().1;
    let _ = scram.take(&encoded(&format!("r={nonce}x,s=QQ==,i=4096"))).unwrap();
    assert_eq!(said(scram.take(&encoded("e=channel-bindings-dont-match"))), "*");
    assert_eq!(scram.verdict(), "SCRAM error: channel-bindings-dont-match");
    assert!(scram.take("").is_err());
}

#[test]
fn what_is_said_of_channel_binding() {
    let binding = ChannelBinding { kind: BindingKind::TlsServerEndPoint, data: vec![7; 32] };
    let begins = |mechanism, binding: Option<&ChannelBinding>, plus_offered| {
        let mut exchange = Exchange::new(mechanism, &identity("u", "x"), binding, plus_offered)?;
        let first = exchange.initial_response(1000).unwrap();
        let first = String::from_utf8(BASE64.decode(first.as_bytes()).unwrap()).unwrap();
        Ok(first.split_once(',').unwrap().0.to_owned())
    };
    for (plus, without) in [(Mechanism::ScramSha256Plus, Mechanism::ScramSha256), (Mechanism::ScramSha1Plus, Mechanism::ScramSha1)] {
        assert_eq!(begins(plus, Some(&binding), true).as_deref(), Ok("p=tls-server-end-point"));
        assert_eq!(begins(plus, None, true), Err(SaslError::NoBinding));
        assert_eq!(begins(without, Some(&binding), false).as_deref(), Ok("y"));
        assert_eq!(begins(without, Some(&binding), true).as_deref(), Ok("n"));
        assert_eq!(begins(without, None, false).as_deref(), Ok("n"));
    }
}
